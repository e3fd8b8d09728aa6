//! What a server that was told to stop could not finish: it says so, and ends with another exit code.

use std::fmt;

use super::ledger_recovery::recover;
use super::write_behind::{Unwritten, WriteBehind};
use crate::engine::Engine;
use crate::ledger::ReopeningLedger;

/// What was not finished when the server stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Calls that had no answer yet and were cut off.
    pub cut: usize,
    /// Customers that could not be stored.
    pub unwritten: Option<Unwritten>,
    /// Customers with restrictions that could not be recorded.
    pub unrecorded: u64,
}

impl Unfinished {
    /// Stores and records what is left, once no call is in progress.
    pub(super) fn finish(
        cut: usize,
        write_behind: Option<WriteBehind>,
        (engine, ledger): (&Engine, Option<&ReopeningLedger>),
    ) -> Self {
        if engine.unrecorded() > 0 && (ledger.is_some() || engine.is_shared()) {
            // An error leaves them unrecorded.
            drop(recover(engine, ledger));
        }
        let unwritten = write_behind.and_then(|writing| writing.finish().err());
        let unfinished = Self { cut, unwritten, unrecorded: engine.unrecorded() };
        if unfinished != Self::default() {
            tracing::error!(%unfinished, "stopped, but not everything was finished");
        }
        unfinished
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cut, unwritten, unrecorded } = self;
        let parts = [
            (*cut > 0).then(|| format!("{cut} calls were cut off")),
            unwritten.as_ref().map(|Unwritten { customers, why }| {
                format!(
                    "{customers} customers could not be stored, so what is known of them since the last flush is lost, but \
                     for contacts and outcomes that were logged: {why}"
                )
            }),
            (*unrecorded > 0).then(|| {
                format!("restrictions of {unrecorded} customers could not be recorded, and end with this process")
            }),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for Unfinished {}
