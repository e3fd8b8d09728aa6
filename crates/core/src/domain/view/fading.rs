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
    // `f64::exp2` is the system's, whose last digit may differ from one machine to the next; this one is compiled in.
    libm::exp2(-halves)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last digit, too: an answer is the same on every machine, and in a page.
    #[test]
    fn a_share_is_the_same_on_every_machine() {
        let bits = |age| share(Period(age), Period(1_000)).to_bits();
        let known = [
            0x3ff0_0000_0000_0000,
            0x3fed_db68_0117_ab12,
            0x3fe9_677f_4605_7bdd,
            0x3fe0_0000_0000_0000,
            0x3f29_31a0_7f67_d444,
        ];
        assert_eq!([0, 100, 333, 1_000, 12_345].map(bits), known);
    }
}
