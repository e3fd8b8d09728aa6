//! Places at which a test ends the process, as `kill -9` does, or lets the disk fail. Builds without debug assertions have
//! none.

use std::io;
use std::path::Path;

/// The variable that names the place: `committed`, or `logged`.
pub const VARIABLE: &str = "TACTFUL_FAILPOINT";

/// Ends the process if the variable names this place.
#[inline]
pub fn reach(place: &str) {
    if cfg!(debug_assertions) && std::env::var_os(VARIABLE).is_some_and(|named| named == place) {
        std::process::abort();
    }
}

/// Fails if a test wants this: as long as a file named `fail-` and the place lies beside the file that is written.
///
/// # Errors
/// Then.
#[inline]
pub fn fails(path: &Path, place: &str) -> io::Result<()> {
    if cfg!(debug_assertions) && path.with_file_name(format!("fail-{place}")).exists() {
        return Err(io::Error::other("a test lets it fail"));
    }
    Ok(())
}
