//! What can overtake an answer or a consent: denials and erasures.

use tokio::sync::RwLock;

use crate::sync::atomic::{AtomicU64, Ordering};

/// Counts of denials and erasures, and the lock that keeps erasures and consents apart.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// Locked shared while consent is written and exclusively during an erasure, so that the order of the ledger is the
    /// order of the engine.
    pub erasing: RwLock<()>,
    /// The number of erasures that have begun and ended.
    erasures: AtomicU64,
    /// The number of denials: while this does not change, no answer in progress needs another check.
    denials: AtomicU64,
}

impl Revocations {
    /// The number of denials so far.
    pub fn denials(&self) -> u64 {
        self.denials.load(Ordering::Acquire)
    }

    /// Counts a denial.
    pub fn deny(&self) {
        self.denials.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of erasures that have begun and ended.
    pub fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// Counts the beginning or the end of an erasure, and returns the new count.
    pub fn count_erasure(&self) -> u64 {
        self.erasures.fetch_add(1, Ordering::AcqRel) + 1
    }
}
