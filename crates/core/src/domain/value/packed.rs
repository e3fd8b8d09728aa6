//! Packed values: a head of type and length, then the value in the fewest bytes.

use std::fmt;

use super::{Operand, Texts, Value};
use crate::domain::packed::{Reader, put_number, read_whole, whole};
use crate::domain::time::{Moment, Period};

const TEXT: u64 = 0;
const NUMBER: u64 = 1;
const FLAG: u64 = 2;
const MOMENT: u64 = 3;
const DURATION: u64 = 4;
const LIST: u64 = 5;

/// Up to this bound, a number without a fraction is packed as a whole number.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A packed value that is not decoded yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PackedValue<'a> {
    kind: u64,
    bytes: &'a [u8],
}

impl Value {
    /// Appends the value.
    pub fn pack(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => put(bytes, TEXT, text.as_bytes()),
            Self::Number(number) => put_float(bytes, *number),
            Self::Flag(flag) => put(bytes, FLAG, &[u8::from(*flag)]),
            Self::Moment(moment) => put_whole(bytes, MOMENT, moment.0),
            Self::Duration(period) => put_whole(bytes, DURATION, period.0),
            Self::List(items) => {
                let mut inner = Vec::new();
                for item in items.iter() {
                    put_number(&mut inner, item.len() as u64);
                    inner.extend_from_slice(item.as_bytes());
                }
                put(bytes, LIST, &inner);
            }
        }
    }
}

impl fmt::Debug for PackedValue<'_> {
    /// Shows the type only, as [`Value`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operand().to_value().fmt(f)
    }
}

impl<'a> PackedValue<'a> {
    /// The next value.
    #[inline]
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let head = reader.number()?;
        let bytes = reader.take(usize::try_from(head >> 3).ok()?)?;
        Some(Self { kind: head & 7, bytes })
    }

    /// Appends it as it is.
    pub fn copy_to(self, bytes: &mut Vec<u8>) {
        put(bytes, self.kind, self.bytes);
    }

    /// The value. Invalid bytes are unknown.
    #[must_use]
    pub fn operand(self) -> Operand<'a> {
        match self.kind {
            TEXT => std::str::from_utf8(self.bytes).map_or(Operand::Unknown, Operand::Text),
            NUMBER => Operand::Number(self.number()),
            FLAG => Operand::Flag(self.bytes == [1]),
            MOMENT => Operand::Moment(Moment(read_whole(self.bytes))),
            DURATION => Operand::Duration(Period(read_whole(self.bytes))),
            LIST => Operand::List(Texts::Packed(self.bytes)),
            _ => Operand::Unknown,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "only numbers that a float holds were written as whole")]
    fn number(self) -> f64 {
        match self.bytes.first_chunk() {
            Some(float) => f64::from_le_bytes(*float),
            None => read_whole(self.bytes) as f64,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "numbers without a fraction, below 2^53")]
fn put_float(bytes: &mut Vec<u8>, number: f64) {
    let negative_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() < LARGEST_WHOLE && !negative_zero {
        put_whole(bytes, NUMBER, number as i64);
    } else {
        put(bytes, NUMBER, &number.to_le_bytes());
    }
}

fn put_whole(bytes: &mut Vec<u8>, kind: u64, number: i64) {
    let (all, length) = whole(number);
    put(bytes, kind, all.get(..length).unwrap_or(&all));
}

fn put(bytes: &mut Vec<u8>, kind: u64, content: &[u8]) {
    put_number(bytes, (content.len() as u64) << 3 | kind);
    bytes.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_round_trips() {
        let texts = ["", "dsl", "Zürich 🚲", &"long ".repeat(900)].map(|text| Value::Text(text.into()));
        let numbers = [0.0, -0.0, 1.0, -1.0, 39.95, 1e300, f64::MIN_POSITIVE, -128.0, 9e15, LARGEST_WHOLE];
        let moments = [0, -1, 1_772_442_000_000, i64::MIN, i64::MAX];
        let lists = [vec![], vec![""], vec!["a", "Zürich", ""]];
        let values: Vec<Value> = (texts.into_iter())
            .chain(numbers.map(Value::Number))
            .chain([Value::Flag(true), Value::Flag(false)])
            .chain(moments.map(|at| Value::Moment(Moment(at))))
            .chain(moments.map(|length| Value::Duration(Period(length))))
            .chain(lists.map(|items| Value::List(items.into_iter().map(Into::into).collect())))
            .collect();
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.pack(&mut bytes));
        let mut reader = Reader(&bytes);
        for value in &values {
            let read = PackedValue::read(&mut reader).unwrap().operand();
            assert_eq!((&read, read.to_value().as_ref()), (&value.operand(), Some(value)), "{value}");
            if let (Operand::Number(read), Value::Number(written)) = (read, value) {
                assert_eq!(read.to_bits(), written.to_bits());
            }
        }
        assert!(reader.0.is_empty());
    }

    #[test]
    fn a_small_number_takes_two_bytes_and_a_short_text_one_more_than_itself() {
        let length = |value: Value| {
            let mut bytes = Vec::new();
            value.pack(&mut bytes);
            bytes.len()
        };
        assert_eq!((length(Value::Number(42.0)), length(Value::Text("dsl".into()))), (2, 4));
    }
}
