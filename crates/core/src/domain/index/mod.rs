//! The predicate index: finds the actions that may fit by combining bit sets of rows instead of evaluating every
//! action.
//!
//! Conditions become alternatives of demands on single facts (`clause`, `allowed`); for every value that rules
//! distinguish, a column has the set of rows that allow it (`column`); a decision intersects these sets (`shard`). A
//! withheld fact leaves only the rows without a demand on it. The index never rules out an action whose conditions
//! hold; an action it cannot decide is left to evaluation.

mod allowed;
mod bits;
mod clause;
mod column;
mod promise;
mod scan;
mod shard;

pub use allowed::Allowed;
pub use clause::{Clause, Dimension, alternatives};
pub use scan::{Failure, Offer, Scan, ScanEntry, Truths};

use promise::Promise;
use shard::{Entry, Shard};

use crate::domain::expr::FactTable;
use crate::domain::id::{ActionId, ChannelId, IdMap, PurposeId, Vocabulary};
use crate::domain::model::{Action, Arbitration};
use crate::domain::time::{Moment, Period};

/// The actions of a rule set, in the orders in which decisions need them.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// One index per purpose.
    pub purposes: Vec<PurposeIndex>,
    /// Actions with a `from` date, earliest first.
    pub starts: Vec<(Moment, ActionId)>,
    /// Whether some action asks for a consent.
    pub asks: bool,
    /// Every action, for decisions that explain every loser.
    pub scan: Scan,
}

/// The actions of one purpose.
#[derive(Debug, Clone)]
pub struct PurposeIndex {
    /// The purpose of all these actions.
    pub purpose: PurposeId,
    /// Finds the actions that may fit, those with the highest upper bound first.
    pub shard: Shard,
    /// The actions by the channels on which they have a treatment.
    pub lineups: IdMap<ChannelId, Lineup>,
}

/// The actions of one purpose on one channel.
#[derive(Debug, Clone, Default)]
pub struct Lineup {
    /// In the order of their names.
    pub by_name: Vec<ActionId>,
    /// All actions but consent asks, with the upper bound of their points; the highest first.
    pub by_promise: Vec<(ActionId, f64)>,
}

impl Index {
    /// Builds the index over checked actions.
    #[must_use]
    pub fn new(
        actions: &IdMap<ActionId, Action>,
        weights: Arbitration,
        facts: &FactTable,
        vocabulary: &Vocabulary,
    ) -> Self {
        let mut by_name: Vec<&Action> = actions.iter().map(|(_, action)| action).collect();
        by_name.sort_by_key(|action| vocabulary.name(action.id));
        let mut starts: Vec<_> = by_name.iter().filter_map(|action| Some((action.from?, action.id))).collect();
        starts.sort_unstable();
        let scan = Scan::new(&by_name);
        let mut served: Vec<PurposeId> = by_name.iter().map(|action| action.purpose).collect();
        served.sort_unstable();
        served.dedup();
        let of = |purpose| by_name.iter().copied().filter(|action| action.purpose == purpose).collect::<Vec<_>>();
        let purposes = served.into_iter().map(|purpose| PurposeIndex::new(purpose, &of(purpose), weights, facts));
        let asks = by_name.iter().any(|action| action.asks.is_some());
        Self { purposes: purposes.collect(), starts, asks, scan }
    }

    /// The actions whose `from` date comes after a moment and before another one.
    pub fn starts_between(&self, now: Moment, end: Moment) -> impl Iterator<Item = ActionId> {
        let place = |at: Moment| self.starts.partition_point(|(from, _)| *from < at);
        let starts = self.starts.get(place(now + Period(1))..place(end)).unwrap_or(&[]);
        starts.iter().map(|(_, action)| *action)
    }

    /// The actions of a purpose.
    #[must_use]
    pub fn of(&self, purpose: PurposeId) -> Option<&PurposeIndex> {
        self.purposes.iter().find(|index| index.purpose == purpose)
    }
}

impl PurposeIndex {
    fn new(purpose: PurposeId, by_name: &[&Action], weights: Arbitration, facts: &FactTable) -> Self {
        let mut lineups: IdMap<ChannelId, Lineup> = IdMap::default();
        for action in by_name {
            for channel in action.treatments.ids() {
                if lineups.get(channel).is_none() {
                    lineups.insert(channel, Lineup::default());
                }
                let Some(lineup) = lineups.get_mut(channel) else { continue };
                lineup.by_name.push(action.id);
                if action.asks.is_none() {
                    lineup.by_promise.push((action.id, promise(action, weights).points));
                }
            }
        }
        let channels: Vec<ChannelId> = lineups.ids().collect();
        for channel in channels {
            if let Some(lineup) = lineups.get_mut(channel) {
                lineup.by_promise.sort_by(|a, b| b.1.total_cmp(&a.1));
            }
        }
        let mut entries: Vec<Entry> = by_name.iter().map(|action| entry(action, weights, facts)).collect();
        // The sort is stable: equal upper bounds stay in order of names.
        entries.sort_by(|a, b| b.promise.points.total_cmp(&a.promise.points));
        Self { purpose, shard: Shard::new(&entries, facts), lineups }
    }
}

fn entry(action: &Action, weights: Arbitration, facts: &FactTable) -> Entry {
    Entry {
        action: action.id,
        channels: action.treatments.ids().collect(),
        alternatives: alternatives(action.conditions(), facts),
        sensitivity: sensitivity(action),
        promise: promise(action, weights),
    }
}

/// The sensitivity of the engagement policy, if it is the same whenever it holds.
fn sensitivity(action: &Action) -> Option<f64> {
    action.conditions().try_fold(0.0_f64, |most, one| Some(most.max(one.constant_sensitivity()?)))
}

fn promise(action: &Action, weights: Arbitration) -> Promise {
    Promise::new(action, sensitivity(action), weights)
}
