//! Opens the ledger again after its disk failed, once what is on disk verifies.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, EngineError};
use crate::ledger::ReopeningLedger;

/// The pause between two looks, and between two attempts at first. Attempts read the whole ledger, so the pause doubles
/// up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Opens the ledger again whenever consent cannot be relied on, until dropped.
pub async fn recover_ledger(engine: Arc<Engine>, ledger: Option<Arc<ReopeningLedger>>) {
    let Some(ledger) = ledger else { return };
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        if engine.trusted() {
            pause = PAUSE;
            // A full disk or a lack of descriptors is no failure, but may have left restrictions in memory.
            if engine.has_unrecorded() {
                report(&engine.recover_consent().await, false);
            }
            continue;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        let again = Arc::clone(&ledger);
        match tokio::task::spawn_blocking(move || again.reopen()).await {
            Ok(Ok(repairs)) => {
                repairs.iter().for_each(|repair| tracing::warn!("{repair}"));
                report(&engine.recover_consent().await, true);
            }
            Ok(Err(error)) => tracing::error!(%error, "the consent ledger cannot be opened again yet"),
            Err(error) => tracing::error!(%error, "the consent ledger was not opened again"),
        }
    }
}

fn report(recovered: &Result<usize, EngineError>, reopened: bool) {
    match recovered {
        Ok(written) if reopened => {
            tracing::info!(restrictions = written, "the consent ledger is open again: consent is relied on");
        }
        Ok(written) => tracing::info!(restrictions = written, "restrictions that only memory had are recorded"),
        Err(error) => tracing::warn!(%error, "restrictions that only memory has are not recorded yet"),
    }
}
