//! A node: everything in one data folder, opened in the one right order, and the engine over it. The server, tests and
//! tools start here.

use std::sync::Arc;

use crate::clock::FollowedTime;
use crate::decision_log::{DecisionLog, Denied, LogError, LogSettings, OpenedLog};
use crate::domain::id::{PurposeId, Vocabulary};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::{Engine, Limits, MemoryLimit};
use crate::ledger::{
    ClosedLedger, FileLedger, Ledger, LedgerError, LedgerSettings, OpenError, OpenedLedger, RecordSummary,
    ReopeningLedger, Repair,
};
use crate::storage::{Backend as _, DatabaseError, Embedded, Postgres};
use crate::store::{CustomerStore, Loss, OpenedStore, StoreError, StoreRecovery};

/// An open data folder. Rules are loaded with its names, then the engine is made ([`Node::engine`]).
#[derive(Debug)]
pub struct Node {
    ledger: Arc<dyn Ledger>,
    reopening: Option<Arc<ReopeningLedger>>,
    summary: RecordSummary,
    store: Option<CustomerStore>,
    log: Option<DecisionLog>,
    database: Option<Arc<Postgres>>,
    /// Every name that a stored customer or a record uses, so that none is lost while the rules do not declare it.
    pub vocabulary: Vocabulary,
    /// Why the ledger cannot be relied on, so that no personal data may be used; `None` if it can.
    pub trouble: Option<OpenError>,
    /// The newest moment on record.
    pub newest: Option<Moment>,
    /// The repairs of the ledger.
    pub repairs: Vec<Repair>,
    /// The repairs of the customer store.
    pub recovery: StoreRecovery,
    /// What is damaged in the decision log, and what was repaired, in words.
    pub log_repairs: Vec<String>,
}

/// Why a data folder cannot be used. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The ledger's folder is not there to be used.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The customer store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision log does not open.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The folder names too many purposes.
    #[error("the ledger and the customers name more than 64 purposes")]
    Purposes,
}

impl Node {
    /// Opens a data folder, or creates it. If its ledger is damaged, the files stay as they are, and the node knows no
    /// customers and uses no personal data (`trouble`).
    ///
    /// # Errors
    /// When the disk fails, another process has the folder, it is a backup or half restored, or the customers cannot be
    /// read.
    pub fn open(settings: LedgerSettings) -> Result<Self, NodeError> {
        Self::open_logging(settings, LogSettings::default())
    }

    /// [`Node::open`] with settings of the decision log.
    ///
    /// # Errors
    /// Those of [`Node::open`].
    pub fn open_logging(settings: LedgerSettings, log: LogSettings) -> Result<Self, NodeError> {
        let OpenedLedger { ledger, summary, repairs } = match FileLedger::open(&settings) {
            Ok(opened) => opened,
            Err(
                error @ (OpenError::Disk(_)
                | OpenError::InUse(_)
                | OpenError::Backup(_)
                | OpenError::HalfRestored(_)
                | OpenError::InDatabase(_)),
            ) => {
                return Err(error.into());
            }
            Err(error) => return Ok(Self::closed(error)),
        };
        let (keys, erased) = (ledger.vault(&settings)?, ledger.erased());
        let OpenedStore { store, mut vocabulary, recovery, flushed } =
            CustomerStore::open(&settings.data, keys, &erased)?;
        let denied = |noted| denials(&ledger, noted);
        let OpenedLog { log, damaged: mut log_repairs, erased, denied } =
            DecisionLog::open(&settings.data_folder(), ledger.file_keys(), log, (&erased, &denied))?;
        if denied > 0 {
            log_repairs.push(format!("{denied} entries had values from before a denial, which were overwritten"));
        }
        if erased > 0 {
            log_repairs.push(format!("{erased} entries of erased customers had come back, and were erased again"));
        }
        if summary.purposes.iter().any(|purpose| vocabulary.intern::<PurposeId>(purpose).is_err()) {
            return Err(NodeError::Purposes);
        }
        let reopening = Arc::new(ReopeningLedger::new(ledger, settings));
        let (newest, ledger) = (flushed.max(summary.last_received), Arc::clone(&reopening) as Arc<dyn Ledger>);
        let (reopening, store, log, trouble) = (Some(reopening), Some(store), Some(log), None);
        let database = None;
        Ok(Self {
            ledger,
            reopening,
            summary,
            store,
            log,
            database,
            vocabulary,
            trouble,
            newest,
            repairs,
            recovery,
            log_repairs,
        })
    }

    /// Opens a database that other nodes use, too, with their keys. The data folder holds what this node has seen of it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open_database(address: &str, settings: &LedgerSettings) -> Result<Self, DatabaseError> {
        let database = Arc::new(Postgres::open(address, &settings.keys, &settings.data)?);
        let vocabulary = database.names().map_err(|error| DatabaseError::Unusable(error.to_string()))?;
        let ledger = Arc::clone(database.ledger());
        Ok(Self { ledger, vocabulary, database: Some(database), trouble: None, ..Self::empty() })
    }

    fn closed(trouble: OpenError) -> Self {
        Self { ledger: Arc::new(ClosedLedger(trouble.to_string())), trouble: Some(trouble), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            ledger: Arc::new(ClosedLedger(String::new())),
            reopening: None,
            summary: RecordSummary::default(),
            store: None,
            log: None,
            database: None,
            vocabulary: Vocabulary::default(),
            trouble: None,
            newest: None,
            repairs: Vec::new(),
            recovery: StoreRecovery::default(),
            log_repairs: Vec::new(),
        }
    }

    /// How many consent records the ledger has.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.ledger.size()
    }

    /// Whether contacts may be lost.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.store.as_ref().map_or(Loss::None, CustomerStore::loss)
    }

    /// Records whether contacts may be lost, and that the store is the newest.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_loss(&self, loss: Loss) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        store.set_loss(loss)?;
        store.note_head()
    }

    /// The ledger, if it can be opened again after its disk failed.
    #[must_use]
    pub fn reopening(&self) -> Option<Arc<ReopeningLedger>> {
        self.reopening.clone()
    }

    /// The database that other nodes use, too, if the node uses one.
    #[must_use]
    pub fn database(&self) -> Option<Arc<Postgres>> {
        self.database.clone()
    }

    /// The database's time, if the node uses one.
    #[must_use]
    pub fn time(&self) -> Option<Arc<FollowedTime>> {
        self.database.as_ref().map(|database| database.time())
    }

    /// The engine over the folder, with rules that were loaded with the node's names. Without customers, every limit
    /// counts as used up.
    #[must_use]
    pub fn engine(self, rules: Arc<RuleSet>, limits: Limits, memory: Option<MemoryLimit>, now: Moment) -> Engine {
        if let Some(database) = self.database {
            return Engine::over(rules, database, limits, now).with_memory_limit(memory);
        }
        let lost = self.store.as_ref().map_or(Some(now), |store| store.date_loss(now));
        let backend = Embedded::new(self.ledger, self.store).logging(self.log);
        let engine = Engine::over(rules, Arc::new(backend), limits, now).with_memory_limit(memory);
        engine.assume_limits_used(lost);
        engine.resume(&self.summary);
        engine.trust_ledger(self.trouble.is_none());
        engine
    }
}

/// The denials behind a position of the ledger.
fn denials(ledger: &FileLedger, noted: u64) -> Result<Vec<Denied>, LedgerError> {
    let records = ledger.records_at(noted.saturating_add(1)..=ledger.size())?;
    let denials = records.into_iter().filter(|(_, record)| !record.status.permits());
    Ok(denials.map(|(position, record)| (record.customer.as_str().into(), position)).collect())
}
