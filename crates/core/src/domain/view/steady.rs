//! Values with the moment until which they stay.

use crate::domain::time::{Moment, Period};
use crate::domain::value::Operand;

/// A value, and the moment before which it stays if nothing is recorded: `now` where it changes all the time.
pub(super) type Steady<'a> = (Operand<'a>, Moment);

/// A value that only a change of what is stored changes.
pub(super) fn always(value: Operand<'_>) -> Steady<'_> {
    (value, Moment::DISTANT_FUTURE)
}

/// How many of these moments, newest first, are within a time before now.
pub(super) fn count(times: impl Iterator<Item = Moment>, now: Moment, window: Period) -> Steady<'static> {
    let counted = times.take_while(|at| *at > now - window);
    let (count, oldest) = counted.fold((0_u32, None), |(count, _), at| (count + 1, Some(at)));
    (Operand::Number(f64::from(count)), oldest.map_or(Moment::DISTANT_FUTURE, |at| at + window))
}

/// Without an event, the last one is in the distant past.
pub(super) fn last(at: Option<Moment>) -> Operand<'static> {
    Operand::Moment(at.unwrap_or(Moment::DISTANT_PAST))
}
