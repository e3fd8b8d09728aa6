//! Reads every frame of every segment, checks that they follow one another, and opens the records.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::thread;

use super::book::Book;
use super::chain::{Chain, Seen};
use super::customer_keys::KeyName;
use super::disk::{Disk, replace};
use super::frame::{Header, Kind, Link};
use super::proof::Leaf;
use super::recovery::at;
use super::register::Erased;
use super::segment::{self, Written};
use super::{Mended, OpenError, erasure, payload, seal};
use crate::domain::consent::ConsentRecord;

/// What the segments hold, as far as they were read.
pub struct Scan<'d> {
    disk: &'d dyn Disk,
    folder: &'d Path,
    /// Keys that are gone: what they encrypted is not expected to open.
    gone: HashSet<KeyName>,
    /// Keys, and where frames stand.
    pub book: Book,
    /// Every record that opens, with its key and its position.
    pub records: Vec<(KeyName, u64, ConsentRecord)>,
    /// Every erasure.
    pub erasures: Vec<Erased>,
    /// Every leaf.
    pub leaves: Vec<Leaf>,
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
            records: Vec::new(),
            erasures: Vec::new(),
            leaves: Vec::new(),
            previous: Link::default(),
            last: None,
            torn: None,
        }
    }

    /// Reads the segments with these first positions, in order.
    ///
    /// # Errors
    /// When the disk refuses, or a file is not as it was written.
    pub fn read(&mut self, firsts: &[u64]) -> Result<(), OpenError> {
        let (mut chain, mut unopened) = (Chain::from_start(), BTreeMap::new());
        for (index, first) in firsts.iter().enumerate() {
            let path = segment::path(self.folder, *first);
            let bytes = self.disk.read(&path).map_err(at(&path))?;
            let mut frames = chain.segment(&path, *first, &bytes)?;
            let mut sealed = Vec::new();
            while let Some(seen) = frames.next()? {
                self.book.add_frame(Written { segment: *first, offset: seen.offset as u64 }, seen.size);
                self.leaves.push(seen.header.leaf);
                match seen.header.kind {
                    Kind::Record => sealed.push(seen),
                    Kind::Erasure => {
                        let parsed = erasure::parse(seen.payload);
                        let (token, _) = parsed.ok_or_else(|| seen.damaged("an erasure cannot be read"))?;
                        let Header { key, position, .. } = seen.header;
                        self.gone.insert(key);
                        self.erasures.push(Erased { key, token: *token, position });
                    }
                }
            }
            let (start, rest) = frames.end(index + 1 == firsts.len())?;
            self.last = Some((*first, start as u64));
            for (seen, opened) in sealed.iter().zip(open_all(&self.book, &sealed)) {
                let Header { key, position, .. } = seen.header;
                match opened {
                    Opened::Record(record) => self.records.push((key, position, *record)),
                    Opened::NoKey => {
                        let lost = || seen.damaged("the key of a record is missing, and nobody erased it");
                        unopened.entry(key).or_insert_with(lost);
                    }
                    Opened::Damaged => return Err(seen.damaged("a record does not open with its key")),
                }
            }
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

/// What came of a frame.
enum Opened {
    Record(Box<ConsentRecord>),
    NoKey,
    Damaged,
}

fn open_all(book: &Book, sealed: &[Seen<'_>]) -> Vec<Opened> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = sealed.len().div_ceil(threads).max(1);
    let open_share = |share: &[Seen<'_>]| share.iter().map(|seen| open(book, seen)).collect::<Vec<_>>();
    thread::scope(|scope| {
        let workers: Vec<_> = sealed.chunks(share).map(|share| scope.spawn(move || open_share(share))).collect();
        workers
            .into_iter()
            .zip(sealed.chunks(share))
            .flat_map(|(worker, share)| {
                // A worker that panicked opened nothing.
                worker.join().unwrap_or_else(|_| share.iter().map(|_| Opened::Damaged).collect())
            })
            .collect()
    })
}

fn open(book: &Book, seen: &Seen<'_>) -> Opened {
    let Some(key) = book.keys().get(&seen.header.key) else { return Opened::NoKey };
    let plain = seal::open(&seen.header, key, seen.payload);
    plain.and_then(|plain| payload::read(&plain)).map_or(Opened::Damaged, |record| Opened::Record(Box::new(record)))
}
