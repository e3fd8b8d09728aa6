//! Points that fade: contacts that press, experiences that hurt.

use smallvec::SmallVec;

use crate::domain::time::{Moment, Period};

/// Points that are half as many after each half-life, as long as they count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fading {
    pub at: Moment,
    /// They do not count from here on.
    pub until: Moment,
    pub points: f64,
}

pub(super) type Fadings = SmallVec<[Fading; 4]>;

/// What is left of them at a moment; 0 instead of −0 for none.
pub(super) fn left(all: &Fadings, now: Moment, half_life: Period) -> f64 {
    let counted = all.iter().filter(|one| now < one.until);
    counted.fold(0.0, |sum, one| sum + one.points * share(now.since(one.at), half_life))
}

/// What is left of a point after a time.
fn share(age: Period, half_life: Period) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a lifetime are far below 2^52")]
    let halves = age.0.max(0) as f64 / half_life.0.max(1) as f64;
    (-halves).exp2()
}
