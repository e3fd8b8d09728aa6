//! Places at which a test ends the process, as `kill -9` does. Builds without debug assertions have none.

/// The variable that names the place: `committed`, or `logged`.
pub const VARIABLE: &str = "TACTFUL_FAILPOINT";

/// Ends the process if the variable names this place.
#[inline]
pub fn reach(place: &str) {
    if cfg!(debug_assertions) && std::env::var_os(VARIABLE).is_some_and(|named| named == place) {
        std::process::abort();
    }
}
