//! A feed of decisions as they are made. Without watchers it costs one read of a counter.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::DecisionRecord;

/// How many decisions a slow watcher may lag behind before it misses some.
const LAG: usize = 1_024;

/// Sends decisions to all watchers.
#[derive(Debug)]
pub(super) struct Feed {
    sender: broadcast::Sender<Arc<DecisionRecord>>,
    /// One reference is held by the feed and one by each watcher: counting the receivers of the channel would take a
    /// lock.
    listening: Arc<()>,
}

/// A watcher of the feed.
#[derive(Debug)]
pub struct Watch {
    receiver: broadcast::Receiver<Arc<DecisionRecord>>,
    _listening: Arc<()>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { sender: broadcast::channel(LAG).0, listening: Arc::default() }
    }
}

impl Feed {
    /// Starts a watcher at the next decision.
    pub fn watch(&self) -> Watch {
        let listening = Arc::clone(&self.listening);
        Watch { receiver: self.sender.subscribe(), _listening: listening }
    }

    /// Sends a decision to all watchers.
    pub fn send(&self, record: &Arc<DecisionRecord>) {
        if Arc::strong_count(&self.listening) > 1 {
            // It does not matter if the last watcher has gone.
            drop(self.sender.send(Arc::clone(record)));
        }
    }
}

impl Watch {
    /// The next decision.
    ///
    /// # Errors
    /// When some were missed, or the feed has ended.
    pub async fn next(&mut self) -> Result<Arc<DecisionRecord>, broadcast::error::RecvError> {
        self.receiver.recv().await
    }
}
