//! What was said and what became of it, counted over the decision log: by action, channel and week.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Engine, EngineError};
use crate::decision_log::{Content, DecisionLog, LoggedDecision, LoggedOutcome};
use crate::domain::action::Outcome;
use crate::domain::decide::{Gate, SilenceReason};
use crate::domain::id::{ActionId, ChannelId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};

/// The first Monday after the start of 1970, when a week begins.
const A_MONDAY: i64 = 4 * Period::DAY.0;
const WEEK: i64 = 7 * Period::DAY.0;
/// The quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// The outcomes that a report counts, in its order.
pub const REPORTED: [Outcome; 5] =
    [Outcome::Presented, Outcome::Clicked, Outcome::Accepted, Outcome::Rejected, Outcome::Complained];

/// A report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// By action, channel and week; then the actions that were never said on a channel.
    pub rows: Vec<ReportRow>,
    /// Silences by reason and channel.
    pub silences: Vec<SilenceRow>,
    /// Where actions stopped in the decisions of the sample, by action, channel and gate.
    pub stopped: Vec<StoppedRow>,
    /// All decisions.
    pub decisions: u64,
    /// How many of them are in the sample.
    pub sampled: u64,
    /// How many decisions of the sample could not be counted, because a denial overwrote them.
    pub overwritten: u64,
    /// One decision in this many is taken into the sample now; 0 means none.
    pub sample_of: u32,
}

/// What was said of one action on one channel in one week, and what became of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportRow {
    /// The action's id.
    pub action: String,
    /// The channel's id; empty for an outcome without one.
    pub channel: String,
    /// When the week begins, Monday 00:00 UTC; none for an action that was never said.
    pub week: Option<Moment>,
    /// How often it was chosen.
    pub said: u64,
    /// The outcomes, in the order of [`REPORTED`].
    pub outcomes: [u64; REPORTED.len()],
}

/// Silences of one reason on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SilenceRow {
    /// The reason.
    pub reason: String,
    /// The channel's id.
    pub channel: String,
    /// How many.
    pub count: u64,
}

/// How often an action stopped at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedRow {
    /// The action's id.
    pub action: String,
    /// The channel's id.
    pub channel: String,
    /// The gate's name.
    pub gate: String,
    /// How many decisions of the sample.
    pub count: u64,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The share.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Rate {
    /// The share of `part` in `whole`, with Wilson's interval; none without a whole, or if the part is larger.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of decisions are far below 2^52")]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        if whole == 0 || part > whole {
            return None;
        }
        let (n, p) = (whole as f64, part as f64 / whole as f64);
        let (z2, denominator) = (Z * Z, 1.0 + Z * Z / n);
        let center = (p + z2 / (2.0 * n)) / denominator;
        let reach = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / denominator;
        let low = if part == 0 { 0.0 } else { (center - reach).max(0.0) };
        let high = if part == whole { 1.0 } else { (center + reach).min(1.0) };
        Some(Self { value: p, low, high })
    }
}

/// The numbers of an action and a channel, and when a week begins.
type Key = (u16, Option<u8>, i64);
/// The outcomes, and how often the action was said.
type Counts = ([u64; REPORTED.len()], u64);

/// Counts while the log is read.
#[derive(Debug, Default)]
struct Tally {
    said: BTreeMap<Key, Counts>,
    silences: BTreeMap<(u8, u8), u64>,
    stopped: BTreeMap<(u16, u8, u8), u64>,
    decisions: u64,
    sampled: u64,
    overwritten: u64,
}

/// When the week of a moment begins.
fn week(at: i64) -> i64 {
    (at - A_MONDAY).div_euclid(WEEK) * WEEK + A_MONDAY
}

impl Tally {
    fn decision(&mut self, entry: &LoggedDecision) {
        self.decisions += 1;
        for action in &entry.actions {
            self.said.entry((*action, Some(entry.channel), week(entry.at))).or_default().1 += 1;
        }
        if let Some(reason) = entry.silence {
            *self.silences.entry((reason, entry.channel)).or_default() += 1;
        }
    }

    fn outcome(&mut self, entry: &LoggedOutcome) {
        let reported = REPORTED.iter().position(|outcome| outcome.index() == usize::from(entry.outcome));
        let row = self.said.entry((entry.action, entry.channel, week(entry.at)));
        if let Some(place) = reported
            && let Some(count) = row.or_default().0.get_mut(place)
        {
            *count += 1;
        }
    }

    fn sample(&mut self, channel: u8, stopped: Option<Vec<(u16, u8)>>) {
        self.sampled += 1;
        match stopped {
            Some(stopped) => stopped.into_iter().for_each(|(action, gate)| {
                *self.stopped.entry((action, channel, gate)).or_default() += 1;
            }),
            None => self.overwritten += 1,
        }
    }

    fn report(self, rules: &RuleSet) -> Report {
        let action = |id: u16| rules.vocabulary.name(ActionId(id)).to_owned();
        let channel = |id: u8| rules.vocabulary.name(ChannelId(id)).to_owned();
        let said: BTreeSet<(u16, u8)> =
            self.said.keys().filter_map(|(action, channel, _)| Some((*action, (*channel)?))).collect();
        let row = |((id, on, week), (outcomes, said)): (Key, Counts)| ReportRow {
            action: action(id),
            channel: on.map_or_else(String::new, channel),
            week: Some(Moment(week)),
            said,
            outcomes,
        };
        let mut rows: Vec<ReportRow> = self.said.into_iter().map(row).collect();
        for (id, declared) in rules.actions.iter() {
            for on in rules.declared.channels.ids().filter(|on| declared.treatments.get(*on).is_some()) {
                if !said.contains(&(id.0, on.0)) {
                    let (action, channel) = (action(id.0), channel(on.0));
                    rows.push(ReportRow { action, channel, ..ReportRow::default() });
                }
            }
        }
        rows.sort_by(|a, b| (&a.action, &a.channel, a.week).cmp(&(&b.action, &b.channel, b.week)));
        let reason = |at: u8| SilenceReason::at(usize::from(at)).map_or("", SilenceReason::name).to_owned();
        let gate = |at: u8| Gate::at(usize::from(at)).map_or("", Gate::name).to_owned();
        let silences = self.silences.into_iter();
        let silences = silences.map(|((at, on), count)| SilenceRow { reason: reason(at), channel: channel(on), count });
        let stopped = self.stopped.into_iter().map(|((id, on, at), count)| StoppedRow {
            action: action(id),
            channel: channel(on),
            gate: gate(at),
            count,
        });
        Report {
            rows,
            silences: silences.collect(),
            stopped: stopped.collect(),
            decisions: self.decisions,
            sampled: self.sampled,
            overwritten: self.overwritten,
            sample_of: 0,
        }
    }
}

impl Engine {
    /// Counts what was said from a moment on and before another, and what became of it. It reads the whole log of that
    /// time, and tells how many bytes it has read of how many.
    ///
    /// # Errors
    /// When there is no decision log, or it cannot be read.
    pub fn report(&self, span: (Moment, Moment), progress: &mut dyn FnMut(u64, u64)) -> Result<Report, EngineError> {
        let none = || EngineError::LogUnavailable("there is none".into());
        let log = self.storage.backend().decision_log().ok_or_else(none)?;
        crate::sync::block_on(log.done());
        let report = count(log, &self.rules().set, span, progress)?;
        Ok(Report { sample_of: log.sample(), ..report })
    }
}

fn count(
    log: &DecisionLog,
    rules: &Arc<RuleSet>,
    span: (Moment, Moment),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, EngineError> {
    let mut tally = Tally::default();
    let read = log.scan(
        span,
        &mut |found, key| match &found.content {
            Content::Decision(entry) => {
                tally.decision(entry);
                if entry.sampled {
                    let values = key.filter(|_| found.has_values()).and_then(|key| found.values(key));
                    tally.sample(entry.channel, values.map(|values| values.stopped));
                }
            }
            Content::Outcome(entry) => tally.outcome(entry),
            Content::Erased => {}
        },
        progress,
    );
    read.map_err(|error| EngineError::LogUnavailable(error.to_string()))?;
    Ok(tally.report(rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // R: binom::binom.confint(8, 20, method = "wilson"), and 0 of 10.
        let rate = Rate::of(8, 20).unwrap();
        assert!(
            (rate.value - 0.4).abs() < 1e-12 && (rate.low - 0.218_8).abs() < 1e-4 && (rate.high - 0.613_4).abs() < 1e-4
        );
        let none = Rate::of(0, 10).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.277_5).abs() < 1e-4, "{none:?}");
        assert_eq!((Rate::of(0, 0), Rate::of(2, 1)), (None, None));
        assert_eq!(Rate::of(3, 3).map(|rate| rate.high), Some(1.0));
    }

    #[test]
    fn a_week_begins_on_monday() {
        let monday = Moment::parse("2026-03-02T00:00:00Z").unwrap().0;
        assert_eq!((week(monday), week(monday - 1), week(monday + WEEK - 1)), (monday, monday - WEEK, monday));
    }
}
