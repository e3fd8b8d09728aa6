//! Decisions as they are made, for whoever listens. Where nobody does, it costs a look at a counter.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::DecisionRecord;

/// How many decisions a slow watcher may lag behind before it misses some.
const LAG: usize = 1_024;

/// Hands decisions to everybody who listens.
#[derive(Debug)]
pub(super) struct Feed {
    sender: broadcast::Sender<Arc<DecisionRecord>>,
    /// Held once by the feed and once by everybody who listens: to count the receivers themselves takes a lock.
    listening: Arc<()>,
}

/// Somebody who listens.
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
    /// Listens from now on.
    pub fn watch(&self) -> Watch {
        let listening = Arc::clone(&self.listening);
        Watch { receiver: self.sender.subscribe(), _listening: listening }
    }

    /// Hands a decision to everybody who listens.
    pub fn send(&self, record: &Arc<DecisionRecord>) {
        if Arc::strong_count(&self.listening) > 1 {
            // Nobody listening any more is no fault of the decision.
            drop(self.sender.send(Arc::clone(record)));
        }
    }
}

impl Watch {
    /// The next decision.
    ///
    /// # Errors
    /// When some were missed, or none will come any more.
    pub async fn next(&mut self) -> Result<Arc<DecisionRecord>, broadcast::error::RecvError> {
        self.receiver.recv().await
    }
}
