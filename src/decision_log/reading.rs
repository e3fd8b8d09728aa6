//! Finds decisions in the log.

use std::path::PathBuf;

use super::entry::{Content, Damage, DecisionValues, Found, LoggedDecision, read_all};
use super::index::{self, Span};
use super::log::DecisionLog;
use super::segment::{Place, Segment};
use super::shared::Shared;
use crate::domain::time::Moment;
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::FileKey;
use crate::ledger::disk::{Disk as _, RealDisk};

/// How many blocks of 64 KiB one page reads at most where no customer is named.
const MOST_BLOCKS: usize = 128;

/// A decision as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadDecision {
    /// Where it is.
    pub place: Place,
    /// What stays readable.
    pub entry: LoggedDecision,
    /// The customer's id; `None` if it is damaged.
    pub customer: Option<String>,
    /// The values; `None` if they were overwritten or are damaged.
    pub values: Option<DecisionValues<'static>>,
}

/// Which decisions are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// Only this customer's.
    pub customer: Option<&'w str>,
    /// Not before this moment.
    pub from: Moment,
    /// Before this moment.
    pub to: Moment,
    /// Only those in places before this one.
    pub before: Option<Place>,
    /// At most this many.
    pub most: usize,
}

/// Decisions, the newest first, and the place before which the next page goes on; `None` after the last page.
pub type Page = (Vec<ReadDecision>, Option<Place>);

/// How far a scan is: bytes read, and bytes in all.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64);

impl ReadDecision {
    fn of(found: &Found<'_>, segment: &Segment, entry: &LoggedDecision) -> Self {
        let key = segment.key.as_ref();
        Self {
            place: Place { segment: segment.number, offset: found.offset },
            entry: entry.clone(),
            customer: key.and_then(|key| found.customer(key)),
            values: key.filter(|_| found.has_values()).and_then(|key| found.values(key)),
        }
    }
}

impl DecisionLog {
    /// The decision of a moment with a key.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn decision(&self, at: Moment, key: u64) -> Result<Option<ReadDecision>, IoAt> {
        for segment in self.shared.segments().iter().rev() {
            for block in segment.blocks_of(at.0) {
                let bytes = segment.part(block).at(&segment.path)?;
                let mut wanted = None;
                let damage = read_all(&bytes, block.0, |found| match &found.content {
                    Content::Decision(entry) if found.content.key() == Some(key) => {
                        wanted = Some(ReadDecision::of(&found, segment, entry));
                    }
                    _ => {}
                });
                self.shared.met(segment, damage);
                if wanted.is_some() {
                    return Ok(wanted);
                }
            }
        }
        Ok(None)
    }

    /// The newest decisions that are wanted and pass a filter.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn decisions(&self, wanted: Wanted<'_>, filter: &dyn Fn(&LoggedDecision) -> bool) -> Result<Page, IoAt> {
        let mut page = Filling { wanted, filter, found: Vec::new(), next: None };
        let segments = self.shared.segments();
        let upto = |segment: &&Segment| wanted.before.is_none_or(|before| segment.number <= before.segment);
        let mut blocks = MOST_BLOCKS;
        for segment in segments.iter().rev().filter(upto) {
            let full = match wanted.customer {
                Some(customer) => self.of_customer(segment, customer, &mut page)?,
                None => self.of_all(segment, &mut blocks, &mut page)?,
            };
            if full {
                break;
            }
        }
        Ok((page.found, page.next))
    }

    /// Adds a customer's decisions in one file; returns whether the page is full.
    fn of_customer(&self, segment: &Segment, customer: &str, page: &mut Filling<'_>) -> Result<bool, IoAt> {
        let pseudonym = self.shared.pseudonyms.of(customer).0;
        for offset in segment.index.find(index::part(&pseudonym)).at(&segment.path)?.into_iter().rev() {
            let place = Place { segment: segment.number, offset };
            if !page.may_have(place) {
                continue;
            }
            let read = |found: &Found<'_>| match &found.content {
                Content::Decision(entry) if entry.customer == pseudonym && page.wants(entry) => {
                    Some(ReadDecision::of(found, segment, entry))
                }
                _ => None,
            };
            let read = segment.at(offset, read).at(&segment.path)?;
            self.shared.met_damage(&segment.path, u64::from(read.is_none()));
            if page.take(place, read.flatten()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the decisions of one file; returns whether the page is full, or has read enough.
    fn of_all(&self, segment: &Segment, blocks: &mut usize, page: &mut Filling<'_>) -> Result<bool, IoAt> {
        let span = Span(page.wanted.from.0, page.wanted.to.0.saturating_sub(1));
        let parts: Vec<(u64, u64)> = segment.blocks(span).collect();
        for block in parts.into_iter().rev() {
            let start = Place { segment: segment.number, offset: block.0 };
            if !page.may_have(start) {
                continue;
            }
            if *blocks == 0 {
                page.next = Some(Place { offset: block.1, ..start });
                return Ok(true);
            }
            *blocks -= 1;
            let bytes = segment.part(block).at(&segment.path)?;
            let mut found = Vec::new();
            let damage = read_all(&bytes, block.0, |entry| found.push(entry));
            self.shared.met(segment, damage);
            for found in found.iter().rev() {
                let place = Place { offset: found.offset, ..start };
                let Content::Decision(entry) = &found.content else { continue };
                let read = (page.may_have(place) && page.wants(entry)).then(|| ReadDecision::of(found, segment, entry));
                if page.take(place, read) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Calls a function with every entry from a moment on, and before another, and with its file's key.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn scan(
        &self,
        (from, to): (Moment, Moment),
        visit: &mut dyn FnMut(&Found<'_>, Option<&FileKey>),
        progress: Progress<'_>,
    ) -> Result<(), IoAt> {
        let span = Span(from.0, to.0.saturating_sub(1));
        // Not under the lock: it takes seconds, and the writer goes on meanwhile.
        let files: Vec<File> = self.shared.segments().iter().map(|segment| File::of(segment, span)).collect();
        let total = files.iter().flat_map(|file| &file.blocks).map(|(from, to)| to - from).sum();
        let mut done = 0;
        for File { path, key, blocks } in files {
            for (from, to) in blocks {
                let length = usize::try_from(to - from).unwrap_or(usize::MAX);
                let bytes = match RealDisk.read_part(&path, from, length) {
                    // It became too old meanwhile.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                    read => read.at(&path)?,
                };
                let damage = read_all(&bytes, from, |found| {
                    if found.content.at().is_some_and(|at| Span(at, at).meets(span)) {
                        visit(&found, key.as_ref());
                    }
                });
                self.shared.met_damage(&path, damage.places);
                done += to - from;
                progress(done, total);
            }
        }
        Ok(())
    }
}

/// A file to scan.
struct File {
    path: PathBuf,
    key: Option<FileKey>,
    blocks: Vec<(u64, u64)>,
}

impl File {
    fn of(segment: &Segment, span: Span) -> Self {
        Self { path: segment.path.clone(), key: segment.key.clone(), blocks: segment.blocks(span).collect() }
    }
}

/// A page that is being filled.
struct Filling<'w> {
    wanted: Wanted<'w>,
    filter: &'w dyn Fn(&LoggedDecision) -> bool,
    found: Vec<ReadDecision>,
    next: Option<Place>,
}

impl Filling<'_> {
    fn may_have(&self, place: Place) -> bool {
        self.wanted.before.is_none_or(|before| place < before)
    }

    fn wants(&self, entry: &LoggedDecision) -> bool {
        (self.wanted.from.0..self.wanted.to.0).contains(&entry.at) && (self.filter)(entry)
    }

    /// Adds what was found at a place; returns whether the page is full.
    fn take(&mut self, place: Place, found: Option<ReadDecision>) -> bool {
        self.found.extend(found);
        let full = self.found.len() >= self.wanted.most;
        self.next = full.then_some(place);
        full
    }
}

impl Shared {
    fn met(&self, segment: &Segment, damage: Damage) {
        self.met_damage(&segment.path, damage.places);
    }
}
