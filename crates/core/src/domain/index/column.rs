//! One dimension of the index: for every value that rules distinguish, the set of rows that allow it.

use std::collections::HashMap;

use compact_str::CompactString;

use super::allowed::{Allowed, Cut, Interval, number};
use super::bits::{self, Survivors};
use super::clause::Dimension;
use crate::domain::value::Operand;

/// For each group of values that rules do not distinguish, the rows that allow it.
#[derive(Debug, Clone)]
pub struct Column {
    /// The dimension that is indexed.
    pub dimension: Dimension,
    /// Rows with a demand on it.
    pub constrained: Vec<u64>,
    groups: Groups,
    /// The sets, one after the other: first that of the unknown, then one per group.
    sets: Vec<u64>,
    words: usize,
}

/// How values are grouped.
#[derive(Debug, Clone)]
enum Groups {
    /// Each listed text has its own group; group 0 holds all others.
    Texts(HashMap<CompactString, usize, foldhash::fast::FixedState>),
    /// A group lies between two neighbouring cuts.
    Numbers(Vec<Cut>),
}

impl Column {
    /// Builds the sets from each row's demand; returns the rows whose demand the sets cannot express exactly. Beyond
    /// `most_groups`, values share groups, and most rows are inexact.
    pub fn new(
        dimension: Dimension,
        demands: &[(usize, &Allowed)],
        rows: usize,
        most_groups: usize,
    ) -> (Self, Vec<usize>) {
        let words = bits::words(rows);
        let mut constrained = vec![0; words];
        demands.iter().for_each(|(row, _)| bits::set(&mut constrained, *row));
        let groups = Groups::of(demands, most_groups);
        let free: Vec<u64> = constrained.iter().map(|word| !word).collect();
        let sets = free.repeat(groups.count() + 1);
        let mut column = Self { dimension, constrained, groups, sets, words };
        let inexact = demands.iter().filter(|(row, allowed)| !column.allow(*row, allowed));
        let rows = inexact.map(|(row, _)| *row).collect();
        (column, rows)
    }

    /// The rows that may hold for this value. Only rows without a demand allow the unknown.
    pub fn rows(&self, value: Operand<'_>) -> &[u64] {
        let set = self.groups.of_value(value).map_or(0, |group| group + 1);
        self.sets.get(set * self.words..(set + 1) * self.words).unwrap_or(&[])
    }

    /// The rows that may hold for a value from a lowest to a highest one.
    pub fn rows_between(&self, low: Operand<'_>, high: Operand<'_>) -> Survivors {
        let ends = self.groups.of_value(low).zip(self.groups.of_value(high));
        let mut rows = Survivors::from_elem(0, self.words);
        if let (Groups::Numbers(_), Some((first, last))) = (&self.groups, ends) {
            let sets = self.sets.chunks(self.words.max(1)).skip(first + 1).take(last + 1 - first);
            sets.for_each(|set| rows.iter_mut().zip(set).for_each(|(rows, set)| *rows |= set));
        } else {
            rows.fill(u64::MAX);
        }
        rows
    }

    fn set_mut(&mut self, group: usize) -> &mut [u64] {
        let start = (group + 1) * self.words;
        self.sets.get_mut(start..start + self.words).unwrap_or(&mut [])
    }

    /// Adds a row to the sets of the groups it allows; false if a group also has values that it does not allow.
    fn allow(&mut self, row: usize, allowed: &Allowed) -> bool {
        match allowed {
            Allowed::Texts(texts) => {
                let own: Vec<Option<usize>> = texts.iter().map(|text| self.groups.of_text(text)).collect();
                own.iter().for_each(|group| bits::set(self.set_mut(group.unwrap_or(0)), row));
                own.iter().all(Option::is_some)
            }
            Allowed::OtherTexts(texts) => {
                (0..self.groups.count()).for_each(|group| bits::set(self.set_mut(group), row));
                let own: Vec<Option<usize>> = texts.iter().map(|text| self.groups.of_text(text)).collect();
                own.iter().flatten().for_each(|group| bits::clear(self.set_mut(*group), row));
                own.iter().all(Option::is_some)
            }
            Allowed::Numbers(ranges) => ranges.iter().fold(true, |exact, range| {
                let (groups, aligned) = self.groups.of_range(*range);
                groups.for_each(|group| bits::set(self.set_mut(group), row));
                exact && aligned
            }),
        }
    }
}

impl Groups {
    /// As many groups as rules distinguish, but at most `most`.
    fn of(demands: &[(usize, &Allowed)], most: usize) -> Self {
        let mut cuts: Vec<Cut> = Vec::new();
        let mut texts = HashMap::with_hasher(foldhash::fast::FixedState::default());
        for (_, allowed) in demands {
            match allowed {
                Allowed::Texts(listed) | Allowed::OtherTexts(listed) => {
                    for text in listed {
                        let next = texts.len() + 1;
                        if next < most {
                            texts.entry(text.clone()).or_insert(next);
                        }
                    }
                }
                Allowed::Numbers(ranges) => cuts.extend(ranges.iter().flat_map(|range| [range.from, range.to])),
            }
        }
        if !texts.is_empty() || cuts.is_empty() {
            return Self::Texts(texts);
        }
        cuts.sort_unstable();
        cuts.dedup();
        let step = cuts.len().div_ceil(most.max(2) - 1);
        Self::Numbers(cuts.into_iter().step_by(step).collect())
    }

    fn count(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len() + 1,
            Self::Numbers(cuts) => cuts.len() + 1,
        }
    }

    fn of_text(&self, text: &str) -> Option<usize> {
        match self {
            Self::Texts(texts) => texts.get(text).copied(),
            Self::Numbers(_) => None,
        }
    }

    /// The group of a value; `None` for the unknown.
    fn of_value(&self, value: Operand<'_>) -> Option<usize> {
        match (self, value) {
            (Self::Texts(_), Operand::Text(text)) => Some(self.of_text(text).unwrap_or(0)),
            (Self::Numbers(cuts), value) => {
                let value = number(value)?;
                Some(cuts.partition_point(|cut| cut.is_passed_by(value)))
            }
            _ => None,
        }
    }

    /// The groups that a range overlaps, and whether its ends are theirs.
    fn of_range(&self, range: Interval) -> (std::ops::RangeInclusive<usize>, bool) {
        let Self::Numbers(cuts) = self else { return (0..=0, false) };
        let aligned = |cut: &Cut| cuts.binary_search(cut).is_ok();
        let first = cuts.partition_point(|cut| *cut <= range.from);
        let last = cuts.partition_point(|cut| *cut < range.to);
        (first..=last, aligned(&range.from) && aligned(&range.to))
    }
}
