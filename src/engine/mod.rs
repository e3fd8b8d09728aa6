//! The only place that combines rules, customers and consent.
//!
//! Questions and records arrive with names and leave as answers. What happens to a customer is an operation
//! (`operation.rs`, `operations/`); the runner (`runner.rs`) runs it in the customer's critical section and makes its
//! effects durable. Every call gets the current time as an argument.

mod calls;
mod clock;
mod customer;
mod decisions;
mod error;
mod feed;
mod history;
mod ids;
mod log;
mod logged;
mod meter;
pub mod operation;
mod operations;
mod persistence;
mod recovery;
mod report;
mod revocations;
mod rules;
mod runner;
mod storage;

use std::sync::Arc;

use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::ledger::{Ledger, RecordSummary};
use crate::storage::{Backend, Embedded};
use crate::store::Customers;

pub use customer::Customer;
pub use error::{EngineError, FieldViolation};
pub use feed::Watch;
pub use history::{DecisionPage, DecisionQuery};
pub use ids::{DecisionId, Ids};
pub use log::DecisionRecord;
pub use meter::{Durations, Meter};
pub use operations::{
    AttributeChange, ChangeResult, ConsentAnswer, ConsentChange, ConsentRequest, CustomerExport, CustomerView, Decide,
    ErasedCustomer, EventInput, ExperienceView, GetCustomer, GpcObjection, ItemCode, ItemResult, JourneyView,
    LimitView, MOST_ACTIONS, OutcomeInput, OutcomeView, Question, RecordConsent, RecordEvent, RecordOutcome,
    Remembered, Sent, SetAttributes, ShowDecision, SignedHead, Snapshot, StandingView, Standings,
};
pub use persistence::MemoryLimit;
pub use report::{REPORTED, Rate, Report, ReportRow, SilenceRow, StoppedRow};
pub use rules::{ActiveRules, Outcome, Reading};

use clock::SteadyClock;
use decisions::Decisions;
use persistence::Bound;
use revocations::Revocations;
use rules::RulesInForce;
use storage::Storage;

/// The limits of what the engine keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many bytes the newest decisions take in memory. All others are read from the decision log.
    pub decisions: usize,
}

/// For how long, and how many, ids that were given by callers are remembered for one customer, so that a repetition counts
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdsKept {
    /// Ids of requests and of consent requests are forgotten after this; all others stay until newer ones push them out.
    pub period: Period,
    /// How many of each kind.
    pub most: u16,
}

impl Default for IdsKept {
    fn default() -> Self {
        Self { period: Period::DAY, most: 4_096 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { decisions: 64 << 20 }
    }
}

/// The engine. Shared by all calls; one critical section per customer.
#[derive(Debug)]
pub struct Engine {
    rules: RulesInForce,
    customers: Customers<Customer>,
    storage: Storage,
    decisions: Decisions,
    clock: SteadyClock,
    revocations: Revocations,
    bound: Bound,
    ids_kept: IdsKept,
    meter: Meter,
}

impl Engine {
    /// An engine over a ledger and the rule set that is in force from now on; customers live as long as it does.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, ledger: Arc<dyn Ledger>, limits: Limits, now: Moment) -> Self {
        Self::over(rules, Arc::new(Embedded::new(ledger, None)), limits, now)
    }

    /// An engine over a backend and the rule set that is in force from now on.
    #[must_use]
    pub fn over(rules: Arc<RuleSet>, backend: Arc<dyn Backend>, limits: Limits, now: Moment) -> Self {
        let engine = Self {
            rules: RulesInForce::new(rules, now),
            customers: Customers::default(),
            storage: Storage::new(backend),
            decisions: Decisions::new(limits.decisions),
            clock: SteadyClock::default(),
            revocations: Revocations::default(),
            bound: Bound::default(),
            ids_kept: IdsKept::default(),
            meter: Meter::default(),
        };
        if let Err(error) = engine.begin_rules(&engine.rules.current().set) {
            // A shared backend accepts nothing until the rules are known to it.
            tracing::error!(%error, "the rules cannot be put in force");
        }
        engine
    }

    /// The engine with other bounds of the ids that it remembers.
    #[must_use]
    pub fn keeping_ids(mut self, ids_kept: IdsKept) -> Self {
        self.ids_kept = ids_kept;
        self
    }

    /// Why customers cannot be stored or read now.
    #[must_use]
    pub fn storage_trouble(&self) -> Option<String> {
        self.storage.backend().trouble()
    }

    /// Continues after the last record of the ledger, before the first call. The rules must know every purpose that the
    /// records name.
    ///
    /// Customers and their standing are loaded on first use.
    pub fn resume(&self, summary: &RecordSummary) {
        self.decisions.ids().continue_after(summary.last_sequence);
        if let Some(received) = summary.last_received {
            self.clock.steady(received);
        }
    }

    /// Deletes nothing past its time until this moment, because the machine's clock may be wrong. What consent allows ends
    /// all the same.
    pub fn hold_purges(&self, until: Moment) {
        self.clock.hold_purges(until);
    }

    /// Until when nothing past its time is deleted, if that is later than now.
    #[must_use]
    pub fn purges_held_until(&self, now: Moment) -> Option<Moment> {
        Some(self.clock.purges_from()).filter(|until| *until > now)
    }

    /// A watcher of decisions as they are made.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.decisions.watch()
    }

    /// How many facts were dropped because no purpose covered them.
    #[must_use]
    pub fn dropped_facts(&self) -> u64 {
        self.meter.dropped_facts()
    }

    fn count_dropped(&self, count: usize) {
        self.meter.drop_facts(count);
    }

    /// A thread of the ledger or of the decision log that has ended although nothing told it to.
    #[must_use]
    pub fn ended_thread(&self) -> Option<&'static str> {
        let log = || self.storage.backend().decision_log()?.ended_thread();
        self.storage.ledger().ended_thread().or_else(log).or_else(|| self.storage.backend().ended_thread())
    }

    /// How many consent records the ledger holds.
    #[must_use]
    pub fn ledger_records(&self) -> u64 {
        self.storage.ledger().size()
    }

    /// The engine's metrics.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// How many customers are in memory.
    #[must_use]
    pub fn customer_count(&self) -> usize {
        self.customers.len()
    }
}
