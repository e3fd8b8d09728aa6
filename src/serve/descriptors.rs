//! How many files the process may have open: connections must leave some for the ledger, which fails for good without.

/// How many files are kept for everything but connections: the ledger, the store, rule files, metrics.
const KEPT: u64 = 256;

/// Raises the limit of this process as far as the system allows, and returns for how many connections it suffices; `None`
/// where nothing is known about it.
#[cfg(unix)]
#[must_use]
pub fn suffice_for() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current }?;
    usize::try_from(files.saturating_sub(KEPT).max(1)).ok()
}

/// Nothing is known about the limit.
#[cfg(not(unix))]
#[must_use]
pub fn suffice_for() -> Option<usize> {
    None
}
