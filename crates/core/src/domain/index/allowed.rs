//! The values of one fact under which a condition holds.
//!
//! Numbers, flags, moments and durations are points on a line; a set is a list of cuts just before or just after a
//! value, so that open and closed ends need no separate cases.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::domain::expr::Comparison;
use crate::domain::value::{Operand, Value};

/// A cut on the line of numbers: just before a value, or just after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    value: f64,
    after: bool,
}

impl Cut {
    const START: Self = Self { value: f64::NEG_INFINITY, after: false };
    const END: Self = Self { value: f64::INFINITY, after: true };

    fn before(value: f64) -> Self {
        Self { value, after: false }
    }

    fn after(value: f64) -> Self {
        Self { value, after: true }
    }

    /// Whether a value lies after this cut.
    pub fn is_passed_by(self, value: f64) -> bool {
        self.value < value || (self.value == value && !self.after)
    }
}

/// The numbers between two cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Where it begins.
    pub from: Cut,
    /// Where it ends.
    pub to: Cut,
}

impl Interval {
    fn of(from: Cut, to: Cut) -> Self {
        Self { from, to }
    }
}

impl Eq for Cut {}

impl PartialOrd for Cut {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cut {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.total_cmp(&other.value).then(self.after.cmp(&other.after))
    }
}

/// A set of values of one fact. No set contains the unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// These texts.
    Texts(BTreeSet<CompactString>),
    /// Every text but these.
    OtherTexts(BTreeSet<CompactString>),
    /// The ranges between these cuts, in order and disjoint.
    Numbers(Vec<Interval>),
}

impl Allowed {
    /// The values for which a comparison holds; `None` if sets cannot express it.
    pub fn comparison(how: Comparison, with: &Value) -> Option<Self> {
        if let Value::Text(text) = with {
            let one = BTreeSet::from([text.clone()]);
            return match how {
                Comparison::Equal => Some(Self::Texts(one)),
                Comparison::NotEqual => Some(Self::OtherTexts(one)),
                _ => None,
            };
        }
        let value = number(with.operand())?;
        let (before, after) = (Cut::before(value), Cut::after(value));
        Some(Self::Numbers(match how {
            Comparison::Equal => vec![Interval::of(before, after)],
            Comparison::NotEqual => vec![Interval::of(Cut::START, before), Interval::of(after, Cut::END)],
            Comparison::Less => vec![Interval::of(Cut::START, before)],
            Comparison::LessOrEqual => vec![Interval::of(Cut::START, after)],
            Comparison::Greater => vec![Interval::of(after, Cut::END)],
            Comparison::GreaterOrEqual => vec![Interval::of(before, Cut::END)],
        }))
    }

    /// These values.
    pub fn any_of(values: &[Value]) -> Option<Self> {
        if let Some(texts) = values.iter().map(text).collect() {
            return Some(Self::Texts(texts));
        }
        let values: Option<Vec<f64>> = values.iter().map(|value| number(value.operand())).collect();
        Some(Self::Numbers(joined(
            values?.into_iter().map(|value| Interval::of(Cut::before(value), Cut::after(value))).collect(),
        )))
    }

    /// Every value but these.
    pub fn none_of(values: &[Value]) -> Option<Self> {
        Some(match Self::any_of(values)? {
            Self::Texts(texts) => Self::OtherTexts(texts),
            Self::OtherTexts(texts) => Self::Texts(texts),
            Self::Numbers(ranges) => Self::Numbers(between(&ranges)),
        })
    }

    /// The union; `None` for different types.
    pub fn union(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Texts(a), Self::Texts(b)) => Self::Texts(a | b),
            (Self::Texts(a), Self::OtherTexts(b)) | (Self::OtherTexts(b), Self::Texts(a)) => Self::OtherTexts(b - a),
            (Self::OtherTexts(a), Self::OtherTexts(b)) => Self::OtherTexts(a & b),
            (Self::Numbers(a), Self::Numbers(b)) => Self::Numbers(joined([a.as_slice(), b].concat())),
            _ => return None,
        })
    }

    /// The intersection; `None` for different types.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Texts(a), Self::Texts(b)) => Self::Texts(a & b),
            (Self::Texts(a), Self::OtherTexts(b)) | (Self::OtherTexts(b), Self::Texts(a)) => Self::Texts(a - b),
            (Self::OtherTexts(a), Self::OtherTexts(b)) => Self::OtherTexts(a | b),
            (Self::Numbers(a), Self::Numbers(b)) => Self::Numbers(overlaps(a, b)),
            _ => return None,
        })
    }

    /// Whether no value is in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Texts(texts) => texts.is_empty(),
            Self::OtherTexts(_) => false,
            Self::Numbers(ranges) => ranges.is_empty(),
        }
    }
}

/// Where a value lies on the line of numbers.
pub fn number(operand: Operand<'_>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "rounding keeps the order, and milliseconds of dates are exact")]
    let value = match operand {
        Operand::Number(number) => number,
        Operand::Flag(flag) => f64::from(u8::from(flag)),
        Operand::Moment(moment) => moment.0 as f64,
        Operand::Duration(period) => period.0 as f64,
        Operand::Unknown | Operand::Text(_) | Operand::List(_) => return None,
    };
    // Both zeros are one number.
    Some(value + 0.0)
}

fn text(value: &Value) -> Option<CompactString> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The complement of ranges.
fn between(ranges: &[Interval]) -> Vec<Interval> {
    let starts = std::iter::once(Cut::START).chain(ranges.iter().map(|range| range.to));
    let ends = ranges.iter().map(|range| range.from).chain(std::iter::once(Cut::END));
    let gaps = starts.zip(ends).map(|(from, to)| Interval::of(from, to));
    gaps.filter(|gap| gap.from < gap.to).collect()
}

fn overlaps(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let mut both = Vec::new();
    for left in a {
        for right in b {
            let (from, to) = (left.from.max(right.from), left.to.min(right.to));
            both.extend((from < to).then_some(Interval::of(from, to)));
        }
    }
    both
}

fn joined(mut ranges: Vec<Interval>) -> Vec<Interval> {
    ranges.sort_unstable();
    let mut apart: Vec<Interval> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => apart.push(range),
        }
    }
    apart
}
