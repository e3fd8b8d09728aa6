//! Every action in the order of ids, laid out so that a pass over all of them reads memory sequentially.
//!
//! Equal conditions of one purpose are stored once, so that a decision evaluates them once.

use std::collections::HashMap;
use std::ops::Range;

use super::bits;
use crate::domain::expr::Facts;
use crate::domain::id::{ActionId, ChannelId, GroupId, IdMap, PurposeId};
use crate::domain::model::{Action, Condition};
use crate::domain::time::Moment;
use crate::domain::value::Truth;

/// Every action, for decisions that give a reason for every loser.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    entries: Vec<ScanEntry>,
    channels: IdMap<ChannelId, Vec<u64>>,
    /// Indices into `conditions`, action by action, in order of evaluation.
    steps: Vec<u32>,
    conditions: Vec<Condition>,
}

/// What an action needs to be checked up to its conditions.
#[derive(Debug, Clone)]
pub struct ScanEntry {
    /// The action of this entry.
    pub action: ActionId,
    /// The purpose it serves.
    pub purpose: PurposeId,
    /// Its group and its dates.
    pub offer: Offer,
    steps: Range<u32>,
    /// The number of conditions under `eligible`, and under `eligible` and `applicable` together.
    ends: [usize; 2],
}

/// The first condition of an action that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The number of the action's conditions before it.
    pub place: usize,
    /// Its section: `eligible` (0), `applicable` (1) or `suitable` (2).
    pub part: usize,
    /// Its result: false or unknown.
    pub truth: Truth,
}

/// What is checked of an action before its purpose and its conditions.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The action's group.
    pub group: Option<GroupId>,
    /// Not before.
    pub from: Option<Moment>,
    /// Not from here on.
    pub until: Option<Moment>,
}

impl Offer {
    /// The group and the dates of an action.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        Self { group: action.group, from: action.from, until: action.until }
    }
}

impl Scan {
    /// Builds the scan from actions in order of ids.
    #[must_use]
    pub fn new(by_id: &[&Action]) -> Self {
        let mut scan = Self::default();
        let mut places: HashMap<(PurposeId, String), u32> = HashMap::new();
        for (place, action) in by_id.iter().enumerate() {
            let start = length(&scan.steps);
            for condition in action.conditions() {
                let mut key = String::new();
                condition.write_key(&mut key);
                let known = *places.entry((action.purpose, key)).or_insert_with(|| {
                    scan.conditions.push(condition.clone());
                    length(&scan.conditions) - 1
                });
                scan.steps.push(known);
            }
            for channel in action.treatments.ids() {
                if scan.channels.get(channel).is_none() {
                    scan.channels.insert(channel, vec![0; bits::words(by_id.len())]);
                }
                if let Some(set) = scan.channels.get_mut(channel) {
                    bits::set(set, place);
                }
            }
            scan.entries.push(ScanEntry {
                action: action.id,
                purpose: action.purpose,
                offer: Offer::of(action),
                steps: start..length(&scan.steps),
                ends: [action.eligible.len(), action.eligible.len() + action.applicable.len()],
            });
        }
        scan
    }

    /// Every action in the order of ids, and whether it has a treatment for the channel.
    pub fn entries(&self, channel: ChannelId) -> impl Iterator<Item = (&ScanEntry, bool)> {
        let set = self.channels.get(channel).map_or(&[][..], Vec::as_slice);
        self.entries.iter().enumerate().map(|(place, entry)| (entry, bits::contains(set, place)))
    }
}

/// The results of a scan's conditions in one decision; each is evaluated when first needed.
#[derive(Debug)]
pub struct Truths<'s> {
    scan: &'s Scan,
    known: Vec<Option<Truth>>,
}

impl<'s> Truths<'s> {
    /// Nothing is evaluated yet.
    #[must_use]
    pub fn new(scan: &'s Scan) -> Self {
        Self { scan, known: vec![None; scan.conditions.len()] }
    }

    /// The first condition of an action that does not hold.
    pub fn first_failure(&mut self, entry: &ScanEntry, facts: &impl Facts) -> Option<Failure> {
        let steps = self.scan.steps.get(entry.steps.start as usize..entry.steps.end as usize)?;
        steps.iter().enumerate().find_map(|(place, condition)| {
            let condition = *condition as usize;
            let known = self.known.get_mut(condition)?;
            let truth = match *known {
                Some(truth) => truth,
                None => *known.insert(self.scan.conditions.get(condition)?.evaluate(facts).truth),
            };
            let part = entry.ends.iter().filter(|end| place >= **end).count();
            (!truth.holds()).then_some(Failure { place, part, truth })
        })
    }
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
