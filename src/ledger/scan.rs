//! Reads every frame of every segment, checks that they follow one another, and opens the records.

use std::path::{Path, PathBuf};
use std::thread;

use super::book::Book;
use super::customer_keys::KeyName;
use super::disk::{Disk, replace};
use super::frame::{self, Found, Header, Kind, Link};
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
    gone: Vec<KeyName>,
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

/// A frame whose record waits to be opened.
struct Sealed<'b> {
    header: Header,
    offset: usize,
    payload: &'b [u8],
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
        let mut unopened = Vec::new();
        for (index, first) in firsts.iter().enumerate() {
            let path = segment::path(self.folder, *first);
            if *first != self.next() {
                return Err(self.damaged(&path, 0, "a segment before it is missing, or it has the name of another"));
            }
            let bytes = self.disk.read(&path).map_err(at(&path))?;
            let end = self.read_segment(&path, *first, &bytes, &mut unopened)?;
            if end < bytes.len() {
                if index + 1 < firsts.len() {
                    return Err(self.damaged(&path, end, "a frame ends early, and there are later segments"));
                }
                let bytes = bytes.get(end..).unwrap_or(&[]).to_vec();
                self.torn = Some(Torn { path, start: end, bytes });
            }
            self.last = Some((*first, end as u64));
        }
        self.check_unopened(&unopened)
    }

    fn next(&self) -> u64 {
        self.leaves.len() as u64 + 1
    }

    fn damaged(&self, path: &Path, at: usize, what: &'static str) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), at, records: self.leaves.len() as u64, what }
    }

    /// Where the whole frames of a segment end.
    fn read_segment(
        &mut self,
        path: &Path,
        first: u64,
        bytes: &[u8],
        unopened: &mut Vec<(Header, PathBuf, usize)>,
    ) -> Result<usize, OpenError> {
        let (mut start, mut sealed) = (0, Vec::new());
        loop {
            let (header, link, length) = match frame::read(bytes, start) {
                Found::End | Found::Torn => break,
                Found::Damaged(what) => return Err(self.damaged(path, start, what)),
                Found::Frame { header, previous, link, length } => {
                    if header.position != self.next() || previous != self.previous {
                        return Err(self.damaged(path, start, "a frame does not follow the one before it"));
                    }
                    (header, link, length)
                }
            };
            let size = frame::size(length);
            let payload = bytes.get(start..start + size).and_then(|frame| frame.get(frame::payload(length)));
            let payload = payload.unwrap_or(&[]);
            self.book.add_frame(Written { segment: first, offset: start as u64 }, size);
            match header.kind {
                Kind::Record => sealed.push(Sealed { header, offset: start, payload }),
                Kind::Erasure => {
                    let parsed = erasure::parse(payload);
                    let (token, _) = parsed.ok_or_else(|| self.damaged(path, start, "an erasure cannot be read"))?;
                    self.gone.push(header.key);
                    self.erasures.push(Erased { key: header.key, token: *token, position: header.position });
                }
            }
            self.leaves.push(header.leaf);
            self.previous = link;
            start += size;
        }
        for (sealed, opened) in sealed.iter().zip(open_all(&self.book, &sealed)) {
            let header = sealed.header;
            match opened {
                Opened::Record(record) => self.records.push((header.key, header.position, *record)),
                Opened::NoKey => unopened.push((header, path.to_owned(), sealed.offset)),
                Opened::Damaged => {
                    return Err(self.damaged(path, sealed.offset, "a record does not open with its key"));
                }
            }
        }
        Ok(start)
    }

    /// A record without a key must be an erased customer's.
    fn check_unopened(&self, unopened: &[(Header, PathBuf, usize)]) -> Result<(), OpenError> {
        let gone: std::collections::HashSet<&KeyName> = self.gone.iter().collect();
        let lost = unopened.iter().find(|(header, ..)| !gone.contains(&header.key));
        match lost {
            Some((_, path, at)) => Err(self.damaged(path, *at, "the key of a record is missing, and nobody erased it")),
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

fn open_all(book: &Book, sealed: &[Sealed<'_>]) -> Vec<Opened> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = sealed.len().div_ceil(threads).max(1);
    let open_share = |share: &[Sealed<'_>]| share.iter().map(|sealed| open(book, sealed)).collect::<Vec<_>>();
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

fn open(book: &Book, sealed: &Sealed<'_>) -> Opened {
    let Some(key) = book.keys().get(&sealed.header.key) else { return Opened::NoKey };
    let plain = seal::open(&sealed.header, key, sealed.payload);
    plain.and_then(|plain| payload::read(&plain)).map_or(Opened::Damaged, |record| Opened::Record(Box::new(record)))
}
