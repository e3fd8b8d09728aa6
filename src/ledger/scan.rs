//! Reads every frame of every segment, checks that they follow one another, and that every record opens. A segment is
//! read on all cores at once, and of the records only an outline is kept.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use compact_str::{CompactString, ToCompactString as _};

use super::book::{Book, Owners};
use super::chain::{Chain, Frames, Seen};
use super::customer_keys::{KeyName, Keys};
use super::disk::{Disk, replace};
use super::frame::{Header, Kind, Link};
use super::past::Past;
use super::proof::Leaf;
use super::recovery::at;
use super::register::Erased;
use super::segment::{self, Written};
use super::{Mended, OpenError, cores, erasure, payload, seal};

/// What the segments hold, as far as they were read.
pub struct Scan<'d> {
    disk: &'d dyn Disk,
    folder: &'d Path,
    /// Keys that are gone: what they encrypted is not expected to open.
    gone: HashSet<KeyName>,
    /// Keys, and where frames stand.
    pub book: Book,
    /// Whose records stand where, by the keys that open them.
    pub owners: Owners,
    /// What the records say together.
    pub past: Past,
    /// Every erasure.
    pub erasures: Vec<Erased>,
    /// The hash of the last frame.
    pub previous: Link,
    /// First position and length of the last segment.
    pub last: Option<(u64, u64)>,
    /// The last frame, if its writing was cut short.
    pub torn: Option<Torn>,
}

/// A frame whose writing was cut short.
pub struct Torn {
    /// Its segment.
    path: PathBuf,
    /// Where it begins.
    start: usize,
    /// What there is of it.
    bytes: Vec<u8>,
}

impl Torn {
    /// Cuts it off, after keeping a copy.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn cut(&self, disk: &dyn Disk) -> Result<Mended, OpenError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let copy = self.path.with_file_name(format!("{name}.torn-at-{}", self.start));
        let cut = replace(disk, &copy, &self.bytes).and_then(|()| disk.open(&self.path)?.cut(self.start as u64));
        cut.map_err(at(&self.path))?;
        Ok(Mended::TornFrame(copy))
    }
}

impl<'d> Scan<'d> {
    /// A scan that has read nothing, for a ledger whose register knows these erasures.
    pub fn new(disk: &'d dyn Disk, folder: &'d Path, book: Book, registered: &[Erased]) -> Self {
        Self {
            disk,
            folder,
            gone: registered.iter().map(|erased| erased.key).collect(),
            book,
            owners: Owners::default(),
            past: Past::default(),
            erasures: Vec::new(),
            previous: Link::default(),
            last: None,
            torn: None,
        }
    }

    /// Reads the segments with these first positions, in order, and gives every leaf away.
    ///
    /// # Errors
    /// When the disk refuses, a file is not as it was written, or a leaf is not taken.
    pub fn read(
        &mut self,
        firsts: &[u64],
        mut take: impl FnMut(&Leaf) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let (mut chain, mut unopened) = (Chain::from_start(), BTreeMap::new());
        for (index, first) in firsts.iter().enumerate() {
            let path = segment::path(self.folder, *first);
            let bytes = self.disk.read(&path).map_err(at(&path))?;
            let mut frames = chain.segment(&path, *first, &bytes)?;
            for (part, read) in read_parts(&frames, self.book.keys()) {
                if !frames.join(&part)? {
                    break;
                }
                read.failed.map_or(Ok(()), Err)?;
                read.leaves.iter().try_for_each(&mut take)?;
                for (offset, size) in read.frames {
                    self.book.add_frame(Written { segment: *first, offset: offset as u64 }, size);
                }
                for (key, position, customer) in read.records {
                    self.owners.add(key, position, customer);
                }
                for (key, lost) in read.unopened {
                    unopened.entry(key).or_insert(lost);
                }
                self.gone.extend(read.erasures.iter().map(|erased| erased.key));
                self.erasures.extend(read.erasures);
                self.past.add(read.past);
            }
            let (start, rest);
            (chain, start, rest) = frames.end(index + 1 == firsts.len())?;
            self.last = Some((*first, start as u64));
            if !rest.is_empty() {
                self.torn = Some(Torn { bytes: rest.to_vec(), path, start });
            }
        }
        self.previous = chain.last();
        // A record without a key must be an erased customer's.
        match unopened.into_iter().find(|(key, _)| !self.gone.contains(key)) {
            Some((_, lost)) => Err(lost),
            None => Ok(()),
        }
    }
}

/// What a part of a segment holds, as far as it was read.
#[derive(Default)]
struct Read {
    /// Offset and size of each frame.
    frames: Vec<(usize, usize)>,
    leaves: Vec<Leaf>,
    /// Key and position of each record that opened, and whose it is.
    records: Vec<(KeyName, u64, CompactString)>,
    past: Past,
    erasures: Vec<Erased>,
    /// Keys that are not there, and what it means if nobody erased them.
    unopened: BTreeMap<KeyName, OpenError>,
    /// Why it was read no further.
    failed: Option<OpenError>,
}

/// Reads the frames of a segment, on all cores.
fn read_parts<'b>(frames: &Frames<'b>, keys: &Keys) -> Vec<(Frames<'b>, Read)> {
    cores::on_all(frames.divide(cores::count()), |mut part| {
        let mut read = Read::default();
        read.failed = read.all(&mut part, keys).err();
        (part, read)
    })
}

impl Read {
    fn all(&mut self, frames: &mut Frames<'_>, keys: &Keys) -> Result<(), OpenError> {
        while let Some(seen) = frames.next()? {
            self.frames.push((seen.offset, seen.size));
            self.leaves.push(seen.header.leaf);
            match seen.header.kind {
                Kind::Record | Kind::Return => self.open(&seen, keys)?,
                Kind::Erasure => {
                    let parsed = erasure::parse(seen.payload);
                    let (token, _) = parsed.ok_or_else(|| seen.damaged("an erasure cannot be read"))?;
                    let Header { key, position, .. } = seen.header;
                    self.erasures.push(Erased { key, token: *token, position });
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, seen: &Seen<'_>, keys: &Keys) -> Result<(), OpenError> {
        let Header { key: name, position, .. } = seen.header;
        let Some(key) = keys.get(&name) else {
            let lost = || seen.damaged("the key of a record is missing, and nobody erased it");
            self.unopened.entry(name).or_insert_with(lost);
            return Ok(());
        };
        let plain = seal::open(&seen.header, key, seen.payload);
        let outline = plain.as_deref().and_then(payload::outline);
        let outline = outline.ok_or_else(|| seen.damaged("a record does not open with its key"))?;
        self.past.note(&outline.purpose, outline.sequence, outline.received);
        self.records.push((name, position, outline.customer.to_compact_string()));
        Ok(())
    }
}
