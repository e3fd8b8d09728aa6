//! Opens the ledger again after its disk failed, once what is on disk verifies.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::ledger::ReopeningLedger;
use crate::sync::block_on;

/// The pause between two looks, and before the first attempt. Attempts may read the whole ledger, so the pause doubles
/// after each that fails, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Opens the ledger again whenever consent cannot be relied on, and records restrictions that only memory has, until
/// dropped.
pub async fn recover_ledger(engine: Arc<Engine>, ledger: Option<Arc<ReopeningLedger>>) {
    if ledger.is_none() && !engine.is_shared() {
        return;
    }
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        // A full disk or a lack of descriptors is not a failure, but may leave restrictions in memory.
        if engine.trusted() && !engine.has_unrecorded() {
            pause = PAUSE;
            continue;
        }
        let shared = engine.is_shared();
        let (engine, ledger) = (Arc::clone(&engine), ledger.clone());
        // It reads the disk, which no thread that accepts connections or answers calls may wait for.
        let recovered = tokio::task::spawn_blocking(move || recover(&engine, ledger.as_deref())).await;
        pause = match recovered.map_err(|error| error.to_string()).flatten() {
            Ok(written) => {
                tracing::info!(restrictions = written, "consent is relied on, and restrictions are recorded");
                PAUSE
            }
            Err(error) => {
                tracing::error!(error, "the consent ledger does not take all records yet");
                // Whether a database answers is quickly known.
                if shared { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) }
            }
        };
    }
}

/// Opens the ledger again if it has failed, and records what only memory has. Returns how many records were written.
pub(super) fn recover(engine: &Engine, ledger: Option<&ReopeningLedger>) -> Result<usize, String> {
    if let Some(trouble) = engine.storage_trouble() {
        return Err(trouble);
    }
    if let Some(ledger) = ledger.filter(|_| !engine.trusted()) {
        let repairs = ledger.reopen().map_err(|error| error.to_string())?;
        repairs.iter().for_each(|repair| tracing::warn!("{repair}"));
    }
    block_on(engine.recover_consent()).map_err(|error| error.to_string())
}
