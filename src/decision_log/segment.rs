//! One file of the log. Each process begins a new one, so that no file is continued behind a torn end, and each file has
//! a key of its own.
//!
//! ```text
//! 0   8   "TFLSAID" and the version, "1"
//! 8   160 the wrapped key, in one of two places
//! 168 i64 when it was begun, u32 CRC-32C of this and the first 8 bytes; zeros up to 192
//! 192 …   entries
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::LogError;
use super::entry::{Content, Damage, Found, erased, read_all};
use super::index::{Index, Span};
use crate::descriptors;
use crate::domain::time::Moment;
use crate::failpoint;
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::disk::{Disk as _, DiskFile, RealDisk};
use crate::ledger::{DataFolder, FileKey, FileKeys, KEY_PLACES, destroy_file_key};

const MAGIC: &[u8; 7] = b"TFLSAID";
const VERSION: u8 = b'1';
/// The bytes before the first entry.
pub const HEADER: u64 = 192;
/// The bytes of the places of the key, and where the moment of the beginning is.
const BEGUN_AT: usize = 8 + KEY_PLACES;
/// The extension of an index.
const INDEX: &str = "index";
/// An entry is read with this many bytes at first; most are shorter.
const USUAL: u64 = 1_024;

/// One file of the log, as readers see it.
#[derive(Debug)]
pub struct Segment {
    /// Its number: files are numbered in their order.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its key; `None` if it is damaged.
    pub key: Option<FileKey>,
    /// How many bytes of it count.
    pub length: u64,
    /// When it was begun.
    pub begun: Moment,
    /// Its index.
    pub index: Index,
}

/// A place in the log: later entries have later places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the file.
    pub segment: u64,
    /// The offset in it.
    pub offset: u64,
}

/// The number of a file, from its name.
pub fn number(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(DataFolder::DECISION_FILE)?.strip_suffix('.')?;
    if stem.len() == 20 { stem.parse().ok() } else { None }
}

/// The path of the file with a number.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{}", DataFolder::DECISION_FILE))
}

/// What is in the header of a file.
fn header(begun: Moment, places: &[u8; KEY_PLACES]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[VERSION], places, &begun.0.to_le_bytes()].concat();
    bytes.extend(check(&bytes).to_le_bytes());
    bytes.resize(usize::try_from(HEADER).unwrap_or_default(), 0);
    bytes
}

/// The check of everything in a header but the places, which change when the key is wrapped again.
fn check(header: &[u8]) -> u32 {
    let part = |from: usize, to: usize| header.get(from..to).unwrap_or(&[]);
    crc32c::crc32c_append(crc32c::crc32c(part(0, 8)), part(BEGUN_AT, BEGUN_AT + 8))
}

impl Segment {
    /// Begins a new file behind the number of the last.
    ///
    /// # Errors
    /// When the disk or the source of random numbers fails.
    pub fn begin(folder: &Path, after: u64, (keys, now): (&FileKeys, Moment)) -> io::Result<(Self, Box<dyn DiskFile>)> {
        let (key, places) = keys.create()?;
        let mut number = after + 1;
        loop {
            let path = path(folder, number);
            match RealDisk.create(&path) {
                // A process that has not ended yet may have begun it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
                Ok(mut file) => {
                    let written = file.append(&header(now, &places)).and_then(|()| file.sync());
                    if let Err(error) = written.and_then(|()| RealDisk.sync_folder(folder)) {
                        // The next attempt would leave another: on a full disk, one for each entry.
                        drop(RealDisk.remove(&path));
                        return Err(error);
                    }
                    let (key, index) = (Some(key), Index::default());
                    return Ok((Self { number, path, key, length: HEADER, begun: now, index }, file));
                }
            }
        }
    }

    /// Whether a file is empty and was never complete: a full disk or a kill has left it, or it was cut.
    pub fn is_empty(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|file| file.len() == 0) && !path.with_extension(INDEX).exists()
    }

    /// Opens a file of an earlier process, and says what is damaged in it.
    ///
    /// # Errors
    /// When a later version wrote it, or the disk fails.
    pub fn open(path: PathBuf, number: u64, keys: &FileKeys) -> Result<(Self, Option<String>), LogError> {
        let length = descriptors::open(|| std::fs::metadata(&path)).at(&path)?.len();
        let head = RealDisk.read_part(&path, 0, usize::try_from(HEADER.min(length)).unwrap_or_default()).at(&path)?;
        let (begun, damaged) = match read_header(&head) {
            Header::Whole(begun) => (begun, false),
            Header::Newer(found) => return Err(LogError::Newer { path, found, known: VERSION - b'0' }),
            Header::Damaged => (Moment(0), true),
        };
        let places = head.get(8..BEGUN_AT).and_then(|places| <&[u8; KEY_PLACES]>::try_from(places).ok());
        let key = places.and_then(|places| keys.open(places));
        let mut trouble = Vec::new();
        if damaged {
            trouble.push("its header is damaged".to_owned());
        }
        if key.is_none() {
            trouble.push("its key is damaged: the values in it are lost".to_owned());
        }
        let mut segment = Self { number, path, key, length, begun, index: Index::default() };
        let opened = Index::open(&segment.index_path());
        match opened {
            Some((index, indexed)) if indexed == length => segment.index = index,
            opened => {
                if let Some((_, indexed)) = opened {
                    trouble.push(format!("it has {length} bytes and had {indexed}: the entries between are lost"));
                }
                let damage = segment.rebuild().at(&segment.path)?;
                if let Damage { places: 1.., first: Some(at) } = damage {
                    trouble.push(format!("it is damaged from byte {at} on, in {} places", damage.places));
                }
            }
        }
        let trouble = (!trouble.is_empty()).then(|| format!("`{}`: {}", segment.path.display(), trouble.join("; ")));
        Ok((segment, trouble))
    }

    /// Builds the index from the entries.
    fn rebuild(&mut self) -> io::Result<Damage> {
        let bytes = RealDisk.read(&self.path)?;
        let entries = bytes.get(usize::try_from(HEADER).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        let mut index = Index::default();
        let damage = read_all(entries, HEADER, |found| index.add(found.offset, &found.content));
        self.index = index;
        // An error costs the next start the same work.
        drop(self.index.close(&self.index_path(), self.length));
        Ok(damage)
    }

    /// The path of its index.
    pub fn index_path(&self) -> PathBuf {
        self.path.with_extension(INDEX)
    }

    /// The blocks with a decision or an outcome in a span of time.
    pub fn blocks(&self, span: Span) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let meets = move |block: &super::index::Block| block.decisions.meets(span) || block.outcomes.meets(span);
        let blocks = self.index.blocks.iter().enumerate().filter(move |(_, block)| meets(block));
        blocks.map(|(number, block)| (block.from, self.index.end(number, self.length)))
    }

    /// The blocks that may hold a decision of a moment.
    pub fn blocks_of(&self, at: i64) -> impl Iterator<Item = (u64, u64)> {
        let blocks = self.index.blocks.iter().enumerate().filter(move |(_, block)| block.decisions.meets(Span(at, at)));
        blocks.map(|(number, block)| (block.from, self.index.end(number, self.length)))
    }

    /// The bytes of a part of the file.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn part(&self, (from, to): (u64, u64)) -> io::Result<Vec<u8>> {
        RealDisk.read_part(&self.path, from, usize::try_from(to - from).unwrap_or(usize::MAX))
    }

    /// Reads the entry at an offset; `None` if it is damaged.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn at<T>(&self, offset: u64, read: impl Fn(&Found<'_>) -> T) -> io::Result<Option<T>> {
        let mut length = USUAL;
        loop {
            let to = offset.saturating_add(length).min(self.length);
            let bytes = self.part((offset, to.max(offset)))?;
            match Found::read(&bytes, offset) {
                Some(found) => return Ok(Some(read(&found))),
                None if to >= self.length => return Ok(None),
                // The longest entry has a quarter of a block.
                None if length > 1 << 24 => return Ok(None),
                None => length *= 16,
            }
        }
    }

    /// Removes the file, and makes it unreadable first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove(&self) -> io::Result<()> {
        destroy_file_key(&self.path)?;
        match RealDisk.remove(&self.index_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        RealDisk.remove(&self.path)
    }
}

/// The state of a header.
enum Header {
    Whole(Moment),
    Newer(u8),
    Damaged,
}

fn read_header(head: &[u8]) -> Header {
    let sum = head.get(BEGUN_AT + 8..).and_then(|rest| rest.first_chunk()).map(|sum| u32::from_le_bytes(*sum));
    let version = head.strip_prefix(MAGIC).and_then(|rest| rest.first().copied());
    let begun = head.get(BEGUN_AT..).and_then(|rest| rest.first_chunk()).map(|at| Moment(i64::from_le_bytes(*at)));
    match (sum == Some(check(head)), version, begun) {
        (true, Some(VERSION), Some(begun)) => Header::Whole(begun),
        (true, Some(found), _) if found > VERSION => Header::Newer(found - b'0'),
        _ => Header::Damaged,
    }
}

/// Overwrites parts of one file.
#[derive(Debug)]
pub struct Overwriting {
    file: File,
    path: PathBuf,
    /// What was written since the last sync.
    written: Vec<(u64, Vec<u8>)>,
    /// Whether a write or the last sync failed.
    failed: bool,
}

impl Overwriting {
    /// Opens a file to overwrite parts of it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(path: &Path) -> Result<Self, IoAt> {
        let file = descriptors::open(|| OpenOptions::new().write(true).open(path)).at(path)?;
        Ok(Self { file, path: path.to_owned(), written: Vec::new(), failed: false })
    }

    /// Overwrites the values of an entry.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn values(&mut self, (at, length): (u64, usize)) -> Result<(), IoAt> {
        self.entry(at, vec![0; length])
    }

    /// Overwrites a whole entry.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn entry(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), IoAt> {
        let put = self.file.write_all_at(&bytes, offset).at(&self.path);
        self.failed |= put.is_err();
        self.written.push((offset, bytes));
        put
    }

    /// Makes it durable. What a failure has left is written again first: a system may give up what it could not sync.
    ///
    /// # Errors
    /// When the disk fails. Then it is to be repeated.
    pub fn sync(&mut self) -> Result<(), IoAt> {
        let again = if self.failed { self.written.as_slice() } else { &[] };
        let written = again.iter().try_for_each(|(offset, bytes)| self.file.write_all_at(bytes, *offset));
        let synced = written.and_then(|()| failpoint::fails(&self.path, "sync")).and_then(|()| self.file.sync_data());
        self.failed = synced.is_err();
        if !self.failed {
            self.written.clear();
        }
        synced.at(&self.path)
    }
}

/// What overwriting an entry needs to know of it.
#[derive(Debug)]
pub struct Target {
    /// What it says.
    pub content: Content,
    /// Whether it has values.
    pub has_values: bool,
    /// Where its values are.
    pub values: (u64, usize),
    /// The bytes that take its place.
    pub blank: Vec<u8>,
}

impl Target {
    /// The target of a found entry.
    pub fn of(found: &Found<'_>) -> Self {
        Self {
            content: found.content.clone(),
            has_values: found.has_values(),
            values: found.values_at(),
            blank: erased(found),
        }
    }
}
