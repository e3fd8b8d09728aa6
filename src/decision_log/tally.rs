//! Counts of what was said and what became of it since the start, for metrics: a bounded number of series.

use std::collections::HashMap;

use super::entry::{DecisionValues, LoggedDecision, LoggedOutcome};

/// The most series; what would be another one counts as other.
pub const MOST_SERIES: usize = 5_000;

/// The counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often an action was chosen on a channel, by their numbers.
    pub said: HashMap<(u16, u8), u64, foldhash::fast::RandomState>,
    /// Steps of further actions and channels.
    pub other_said: u64,
    /// Outcomes by the numbers of action, channel and outcome.
    pub outcomes: HashMap<(u16, Option<u8>, u8), u64, foldhash::fast::RandomState>,
    /// Outcomes of further actions and channels.
    pub other_outcomes: u64,
    /// In decisions of the sample: how many actions stopped at a gate, by the gate's number.
    pub stopped: HashMap<u8, u64, foldhash::fast::RandomState>,
}

impl Tally {
    fn is_full(&self) -> bool {
        self.said.len() + self.outcomes.len() >= MOST_SERIES
    }

    /// Counts a decision.
    pub fn decision(&mut self, entry: &LoggedDecision, values: &DecisionValues<'_>) {
        for action in &entry.actions {
            let (key, full) = ((*action, entry.channel), self.is_full());
            match self.said.get_mut(&key) {
                Some(count) => *count += 1,
                None if full => self.other_said += 1,
                None => _ = self.said.insert(key, 1),
            }
        }
        for (_, gate) in &values.stopped {
            *self.stopped.entry(*gate).or_default() += 1;
        }
    }

    /// Counts an outcome.
    pub fn outcome(&mut self, entry: &LoggedOutcome) {
        let (key, full) = ((entry.action, entry.channel, entry.outcome), self.is_full());
        match self.outcomes.get_mut(&key) {
            Some(count) => *count += 1,
            None if full => self.other_outcomes += 1,
            None => _ = self.outcomes.insert(key, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_series_count_as_other() {
        let mut tally = Tally::default();
        for number in 0..6_000 {
            let actions = vec![number % 3_000];
            tally.decision(
                &LoggedDecision { actions, channel: 1, ..LoggedDecision::default() },
                &DecisionValues::default(),
            );
            tally.outcome(&LoggedOutcome { action: number, ..LoggedOutcome::default() });
        }
        assert_eq!(tally.said.len() + tally.outcomes.len(), MOST_SERIES);
        let said: u64 = tally.said.values().sum();
        let outcomes: u64 = tally.outcomes.values().sum();
        assert_eq!((said + tally.other_said, outcomes + tally.other_outcomes), (6_000, 6_000));
        assert!(tally.other_said > 0 && tally.other_outcomes > 0);
    }
}
