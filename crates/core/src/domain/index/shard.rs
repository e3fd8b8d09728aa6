//! The index over the actions of one purpose.
//!
//! They all read through the same view, so that a fact has one value for all of them.

use std::collections::BTreeMap;

use super::allowed::Allowed;
use super::bits::{self, Survivors};
use super::clause::{Alternatives, Dimension};
use super::column::Column;
use super::promise::Promise;
use crate::domain::expr::{Course, Fact, FactTable, Facts, Values};
use crate::domain::id::{ActionId, ChannelId, IdMap};

/// One action to be indexed.
#[derive(Debug)]
pub struct Entry {
    /// The indexed action.
    pub action: ActionId,
    /// The channels on which it has a treatment.
    pub channels: Vec<ChannelId>,
    /// When its engagement policy holds.
    pub alternatives: Alternatives,
    /// The sensitivity of the engagement policy, if it is the same whenever it holds.
    pub sensitivity: Option<f64>,
    /// The upper bound of its score.
    pub promise: Promise,
}

/// An action that the index does not rule out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survivor<'s> {
    /// The action that may fit.
    pub action: ActionId,
    /// The sensitivity of its engagement policy, if that is known to hold; if `None`, it has to be evaluated.
    pub holds: Option<f64>,
    /// The upper bound of its score.
    pub promise: &'s Promise,
}

/// The index over the actions of one purpose. A row is one alternative of one action.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    rows: Vec<Row>,
    exact: Vec<u64>,
    channels: IdMap<ChannelId, Vec<u64>>,
    columns: Vec<Column>,
}

/// The action of each row.
#[derive(Debug, Clone, Copy)]
struct Row {
    action: ActionId,
    sensitivity: f64,
    promise: Promise,
}

/// The bounds of an index.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// A dimension with demands from less than this share of the rows is left to evaluation.
    worth_a_column: usize,
    /// The maximum size of all sets, in words.
    words: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { worth_a_column: 64, words: 1 << 23 }
    }
}

impl Shard {
    /// Builds the index. Survivors come in the order of the entries.
    pub fn new(entries: &[Entry], facts: &FactTable) -> Self {
        Self::within(Budget::default(), entries, facts)
    }

    fn within(budget: Budget, entries: &[Entry], facts: &FactTable) -> Self {
        let rows: Vec<_> =
            entries.iter().flat_map(|entry| entry.alternatives.iter().map(move |row| (entry, row))).collect();
        let mut shard = Self { exact: vec![0; bits::words(rows.len())], ..Self::default() };
        let mut demands: BTreeMap<Dimension, Vec<(usize, &Allowed)>> = BTreeMap::new();
        for (row, (entry, clause)) in rows.iter().enumerate() {
            let sensitivity = entry.sensitivity.unwrap_or(0.0);
            shard.rows.push(Row { action: entry.action, sensitivity, promise: entry.promise });
            if clause.exact && entry.sensitivity.is_some() {
                bits::set(&mut shard.exact, row);
            }
            for channel in &entry.channels {
                shard.on_channel(*channel, row, rows.len());
            }
            for (dimension, allowed) in &clause.demands {
                demands.entry(*dimension).or_default().push((row, allowed));
            }
        }
        let (common, rare): (Vec<_>, Vec<_>) =
            demands.into_iter().partition(|(_, demands)| demands.len() * budget.worth_a_column >= rows.len());
        let most_groups = budget.words / (common.len() * bits::words(rows.len())).max(1);
        let mut inexact: Vec<usize> = rare.into_iter().flat_map(|(_, demands)| demands).map(|(row, _)| row).collect();
        for (dimension, demands) in common {
            let (column, shared) = Column::new(dimension, &demands, rows.len(), most_groups);
            shard.columns.push(column);
            inexact.extend(shared);
        }
        inexact.into_iter().for_each(|row| bits::clear(&mut shard.exact, row));
        // Facts that are cheap to read come first, then those that most rows demand, so that few rows are left for the
        // others.
        shard.columns.sort_by_key(|column| {
            let constrained: u32 = column.constrained.iter().map(|word| word.count_ones()).sum();
            (is_history(column.dimension, facts), std::cmp::Reverse(constrained))
        });
        shard
    }

    fn on_channel(&mut self, channel: ChannelId, row: usize, rows: usize) {
        if self.channels.get(channel).is_none() {
            self.channels.insert(channel, vec![0; bits::words(rows)]);
        }
        if let Some(set) = self.channels.get_mut(channel) {
            bits::set(set, row);
        }
    }

    /// Every action on the channel whose engagement policy may hold, in the order of the entries; a fact is read only
    /// if a remaining row has a demand on it.
    pub fn survivors(&self, channel: ChannelId, facts: &impl Facts) -> impl Iterator<Item = Survivor<'_>> {
        let mut left = self.on(channel);
        for column in &self.columns {
            if bits::meet(&left, &column.constrained) {
                bits::keep(&mut left, column.rows(column.dimension.read(facts)));
            }
        }
        self.in_order(left)
    }

    /// Every action on the channel whose engagement policy may hold at some moment of an interval, in the order of the
    /// entries.
    pub fn survivors_during(&self, channel: ChannelId, course: &impl Course) -> impl Iterator<Item = Survivor<'_>> {
        let mut left = self.on(channel);
        for column in &self.columns {
            if bits::meet(&left, &column.constrained) {
                match column.dimension.values(course) {
                    Values::One(value) => bits::keep(&mut left, column.rows(value)),
                    Values::Between(low, high) => bits::keep(&mut left, &column.rows_between(low, high)),
                    Values::Any => {}
                }
            }
        }
        self.in_order(left)
    }

    /// The rows of the actions with a treatment on a channel.
    fn on(&self, channel: ChannelId) -> Survivors {
        self.channels.get(channel).map(|set| Survivors::from_slice(set)).unwrap_or_default()
    }

    fn in_order(&self, left: Survivors) -> impl Iterator<Item = Survivor<'_>> {
        let mut rows = bits::rows(left).filter_map(|place| Some((place, self.rows.get(place)?))).peekable();
        std::iter::from_fn(move || {
            let (place, row) = rows.next()?;
            let mut holds = self.is_exact(place);
            while let Some((place, _)) = rows.next_if(|(_, next)| next.action == row.action) {
                holds |= self.is_exact(place);
            }
            let holds = holds.then_some(row.sensitivity);
            Some(Survivor { action: row.action, holds, promise: &row.promise })
        })
    }

    fn is_exact(&self, row: usize) -> bool {
        bits::contains(&self.exact, row)
    }
}

/// Whether a dimension is computed from the customer's history.
fn is_history(dimension: Dimension, facts: &FactTable) -> bool {
    matches!(
        facts.get(dimension.fact()).map(|entry| &entry.fact),
        Some(
            Fact::EventCount { .. }
                | Fact::EventLast { .. }
                | Fact::OutcomeCount { .. }
                | Fact::OutcomeLast { .. }
                | Fact::Pressure
                | Fact::Hurt
        )
    )
}

#[cfg(test)]
mod tests;
