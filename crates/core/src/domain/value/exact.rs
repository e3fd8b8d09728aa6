//! Which numbers are stored exactly as written.

/// The largest whole number that no other one rounds to: 2^53 - 1 (IEEE 754 binary64).
pub const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// The message for a number that would be rounded, which would change the last digits of an account number.
pub const NOT_EXACT: &str = "is beyond 9007199254740991, up to which numbers are exact; make it a text";

/// Whether a number is finite and exact. It is enough to check the rounded number: a number beyond [`LARGEST_EXACT`]
/// stays beyond it when it is rounded.
#[must_use]
pub fn is_exact(number: f64) -> bool {
    number.abs() <= LARGEST_EXACT
}

#[cfg(test)]
mod tests {
    use super::is_exact;

    #[test]
    fn numbers_beyond_two_to_the_53rd_are_refused_in_any_rounding() {
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
