//! What is overwritten again when the log is opened: the entries of erased customers that an older copy of the files brings
//! back, and the values from before denials that a kill has left.
//!
//! A small file notes up to which position of the ledger all denials are overwritten, so that a start looks at later ones
//! only. Without it, a start looks at all.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use compact_str::CompactString;

use super::LogError;
use super::entry::of_person;
use super::index;
use super::segment::{Overwriting, Segment, Target};
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::disk::{Disk as _, RealDisk, replace};
use crate::ledger::{ErasedPerson, LedgerError, Pseudonyms};

/// The name of the file with the note.
const NOTE: &str = "denied.position";
/// Up to this many persons are looked up one by one.
const FEW: usize = 1_000;

/// A customer who denied something, and the position of the record.
pub type Denied = (CompactString, u64);
/// The denials behind a position of the ledger.
pub type KnownDenials<'d> = &'d dyn Fn(u64) -> Result<Vec<Denied>, LedgerError>;

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Nothing,
    Values,
    Everything,
}

/// Up to which position all denials are overwritten; 0 if that is not known.
pub fn noted(folder: &Path) -> u64 {
    let bytes = RealDisk.read(&folder.join(NOTE)).unwrap_or_default();
    let Some((position, sum)) = bytes.split_first_chunk::<8>() else { return 0 };
    if sum == crc32c::crc32c(position).to_le_bytes() { u64::from_le_bytes(*position) } else { 0 }
}

/// Notes up to which position all denials are overwritten.
///
/// # Errors
/// When the disk fails.
pub fn note(folder: &Path, position: u64) -> Result<(), IoAt> {
    let path = folder.join(NOTE);
    let position = position.to_le_bytes();
    let bytes = [position.as_slice(), &crc32c::crc32c(&position).to_le_bytes()].concat();
    replace(&RealDisk, &path, &bytes).at(&path)
}

/// Overwrites the entries of erased customers from before their erasure.
///
/// # Errors
/// When the disk fails.
pub fn erase(segments: &[Segment], erased: &[ErasedPerson]) -> Result<usize, LogError> {
    let erased: HashMap<u64, &ErasedPerson> =
        erased.iter().map(|person| (index::part(&person.person), person)).collect();
    overwrite(segments, &erased.keys().copied().collect(), |target| {
        let part = target.content.customer().map(|customer| index::part(&customer));
        match part.and_then(|part| erased.get(&part)) {
            Some(ErasedPerson { person, position })
                if of_person(&target.content, person) && target.content.position() < Some(*position) =>
            {
                Again::Everything
            }
            _ => Again::Nothing,
        }
    })
}

/// Overwrites the values of entries from before denials.
///
/// # Errors
/// When the disk fails.
pub fn deny(segments: &[Segment], pseudonyms: &Pseudonyms, denied: Vec<Denied>) -> Result<usize, LogError> {
    let mut newest: HashMap<[u8; 20], u64> = HashMap::new();
    for (customer, position) in denied {
        let held = newest.entry(pseudonyms.of(&customer).0).or_default();
        *held = position.max(*held);
    }
    overwrite(segments, &newest.keys().map(|customer| index::part(customer)).collect(), |target| {
        let denial = target.content.customer().and_then(|customer| newest.get(&customer));
        let is_older = denial.is_some_and(|denial| target.content.position() < Some(*denial));
        if is_older && target.has_values { Again::Values } else { Again::Nothing }
    })
}

/// Overwrites what is chosen among the entries of persons, by the parts of their pseudonyms.
fn overwrite(segments: &[Segment], parts: &HashSet<u64>, choose: impl Fn(&Target) -> Again) -> Result<usize, LogError> {
    let mut count = 0;
    for segment in segments.iter().filter(|_| !parts.is_empty()) {
        let mut found: Vec<u64> = Vec::new();
        if parts.len() <= FEW {
            found.extend(parts);
        } else {
            segment.index.every_person(|part| found.extend(parts.get(&part))).at(&segment.path)?;
        }
        found.sort_unstable();
        found.dedup();
        let mut file = None;
        for part in found {
            for offset in segment.index.find(part).at(&segment.path)? {
                let Some(target) = segment.at(offset, Target::of).at(&segment.path)? else { continue };
                let again = choose(&target);
                if again == Again::Nothing {
                    continue;
                }
                let file = match &mut file {
                    Some(file) => file,
                    none => none.insert(Overwriting::open(&segment.path)?),
                };
                if again == Again::Values {
                    file.values(target.values)?
                } else {
                    file.entry(offset, target.blank)?
                }
                count += 1;
            }
        }
        if let Some(mut file) = file {
            file.sync()?;
        }
    }
    Ok(count)
}
