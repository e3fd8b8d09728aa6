//! Reads what arrives: what the engine's types cannot hold is noted with its field, and the rest is read on, so that all
//! that is wrong with a message is named at once, and an item of a batch is refused by itself.

use std::collections::HashMap;

use compact_str::CompactString;
use prost_types::{Duration, Timestamp};
use tonic::Status;

use super::status::status;
use super::{convert, proto};
use crate::domain::decide::Explain;
use crate::domain::time::Moment;
use crate::domain::value::Value;
use crate::engine::{EngineError, FieldViolation, Question};

/// The seconds of a timestamp, from the year 1 to 9999, and of a duration, 10,000 years.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const SPAN_SECONDS: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;
const NANOS: i32 = 1_000_000_000;

/// The fields that could not be read.
#[derive(Debug, Default)]
pub struct Wrong(pub Vec<FieldViolation>);

impl Wrong {
    /// Notes a field.
    pub fn refuse(&mut self, field: impl Into<String>, description: &str) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// A moment, if there is one.
    pub fn moment(&mut self, field: &str, timestamp: Option<Timestamp>) -> Option<Moment> {
        let timestamp = timestamp?;
        if let Some(why) = wrong_timestamp(timestamp) {
            self.refuse(field, why);
        }
        Some(convert::moment(timestamp))
    }

    /// A value, if it has a kind.
    pub fn value(&mut self, field: &str, wire: proto::Value) -> Option<Value> {
        use proto::value::Kind;
        let why = match &wire.kind {
            Some(Kind::Moment(at)) => wrong_timestamp(*at),
            Some(Kind::Span(span)) => wrong_span(*span),
            _ => None,
        };
        if let Some(why) = why {
            self.refuse(field, why);
        }
        convert::value(wire)
    }

    /// Facts by name, in name order, so that equal requests are equal.
    pub fn facts(&mut self, prefix: &str, given: HashMap<String, proto::Value>) -> Vec<(CompactString, Value)> {
        let mut facts = Vec::with_capacity(given.len());
        for (name, wire) in given {
            let before = self.0.len();
            match self.value("", wire) {
                Some(value) => facts.push((name.as_str().into(), value)),
                None => self.refuse("", "has no value; set one of text, number, flag, moment, span, list"),
            }
            self.0.iter_mut().skip(before).for_each(|wrong| wrong.field = format!("{prefix}[{name}]"));
        }
        facts.sort_by(|a: &(CompactString, Value), b| a.0.cmp(&b.0));
        facts
    }

    /// Refuses a message with fields that could not be read.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with every field at fault.
    pub fn none(self) -> Result<(), Status> {
        self.or(Ok(())).map_err(|error| status(&error))
    }

    /// What was made of the fields that could be read, unless one could not.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], with every field at fault: those that could not be read, and those that the engine refuses.
    pub fn or<T>(self, made: Result<T, EngineError>) -> Result<T, EngineError> {
        let Self(mut wrong) = self;
        if wrong.is_empty() {
            return made;
        }
        if let Err(EngineError::Invalid(more)) = made {
            wrong.extend(more);
        }
        Err(EngineError::Invalid(wrong))
    }
}

/// A question, as far as it can be read.
pub fn question(request: proto::DecideRequest) -> (Question, Wrong) {
    let mut wrong = Wrong::default();
    let explain = match proto::ExplainLevel::try_from(request.explain) {
        Ok(proto::ExplainLevel::Unspecified) => Explain::Chosen,
        Ok(proto::ExplainLevel::Funnel) => Explain::Funnel,
        Ok(proto::ExplainLevel::Full) => Explain::Full,
        Err(_) => {
            wrong.refuse("explain", "is not a known level");
            Explain::Chosen
        }
    };
    let question = Question {
        customer: request.customer_id.into(),
        channel: request.channel.into(),
        request_id: request.request_id.into(),
        context: wrong.facts("context", request.context).into(),
        max_actions: request.max_actions,
        groups: request.groups,
        explain,
        validate_only: request.validate_only,
        signals_objection: false,
    };
    (question, wrong)
}

fn wrong_timestamp(Timestamp { seconds, nanos }: Timestamp) -> Option<&'static str> {
    if !SECONDS.contains(&seconds) {
        return Some("is not a moment of the years 1 to 9999");
    }
    (!(0..NANOS).contains(&nanos)).then_some("has nanoseconds outside of 0 to 999999999")
}

fn wrong_span(Duration { seconds, nanos }: Duration) -> Option<&'static str> {
    if !SPAN_SECONDS.contains(&seconds) {
        return Some("is a duration of more than 10,000 years");
    }
    let one_sign = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
    let fits = one_sign && (1 - NANOS..NANOS).contains(&nanos);
    (!fits).then_some("has nanoseconds outside of -999999999 to 999999999, or of another sign than its seconds")
}
