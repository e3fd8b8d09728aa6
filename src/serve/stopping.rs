//! The signal to stop, which every part of the server watches.

use tokio::sync::watch::Receiver;

/// Waits until the server is told to stop.
pub async fn told_to_stop(mut stopping: Receiver<bool>) {
    // A dropped sender also means shutdown.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
