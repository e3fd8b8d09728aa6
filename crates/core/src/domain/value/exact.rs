//! Which numbers are kept as they are written.

/// The largest whole number that no other one rounds to: 2^53 - 1 (IEEE 754 binary64).
pub const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// Why a number is refused that another one may stand for, as the last digits of an account number would.
pub const NOT_EXACT: &str = "is beyond 9007199254740991, up to which numbers are exact; make it a text";

/// Whether a number is finite and no whole number beyond [`LARGEST_EXACT`] may have become it. It is enough to look
/// at what was rounded: whatever is beyond the bound stays beyond it.
#[must_use]
pub fn is_exact(number: f64) -> bool {
    number.abs() <= LARGEST_EXACT
}

#[cfg(test)]
mod tests {
    use super::is_exact;

    #[test]
    fn what_is_beyond_two_to_the_53rd_is_refused_however_it_is_rounded() {
        for (written, exact) in [
            ("9007199254740991", true),
            ("-9007199254740991", true),
            ("0.1", true),
            ("9007199254740992", false),
            ("9007199254740993", false),
            ("-9007199254740993", false),
            ("9007199254740991.6", false),
            ("1e300", false),
            ("inf", false),
            ("NaN", false),
        ] {
            assert_eq!(is_exact(written.parse().unwrap()), exact, "{written}");
        }
    }
}
