//! The only place that combines rules, customers and consent.
//!
//! Questions and records arrive with names and leave as answers; inside, one critical section per customer reads state
//! and standing, decides and reserves. Every call gets the current time as an argument.

mod consent;
mod customer;
mod decide;
mod error;
mod feed;
mod keeping;
mod log;
mod meter;
mod privacy;
mod record;
mod resolve;
mod rules;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::domain::consent::Standing;
use crate::domain::customer::CustomerState;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::transition::{Settled, Terms, settle};
use crate::ledger::Ledger;
use crate::store::{CustomerStore, Customers, Mutation};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

pub use consent::{
    BegunConsent, BoundConsent, ChangeResult, ConsentAnswer, ConsentChange, ConsentRequest, StandingView,
};
pub use customer::{CustomerView, JourneyView, LimitView};
pub use decide::{MOST_ACTIONS, Question};
pub use error::{EngineError, FieldViolation};
pub use feed::Watch;
pub use keeping::MemoryLimit;
pub use log::DecisionRecord;
pub use meter::{Durations, Meter};
pub use privacy::{CustomerExport, ErasedCustomer, SignedHead};
pub use record::{AttributeChange, EventInput, ItemResult, OutcomeInput};
pub use rules::{ActiveRules, Outcome, Reading};

use feed::Feed;
use log::DecisionLog;

/// Everything held about one customer.
#[derive(Debug, Clone, Default)]
pub struct Customer {
    /// Attributes, events, journeys, contacts.
    pub state: CustomerState,
    /// The customer's standing in the consent ledger.
    pub standing: Standing,
    /// The rule set for which `state` is settled until `settled_until`; reset by every write other than a decision
    /// ([`Engine::change_customer`]).
    settled: Option<NonZeroU32>,
    /// Until when `state` is settled.
    settled_until: Moment,
    rest: Option<Box<Rest>>,
}

// With its metadata in the map, a customer fills a block of 80 bytes; the allocator's next size is 96.
const _: () = assert!(size_of::<Customer>() <= 72, "a customer takes a block of 80 bytes");

/// Data that few customers have, most of them for some minutes.
#[derive(Debug, Clone, Default)]
struct Rest {
    /// The revocation epoch, increased by every denial; decisions of an earlier epoch are not shown any more. The upper
    /// half counts erasures, so that a customer who comes back does not get the answers of the erased one.
    epoch: u64,
    /// Recent decisions by request id, so that a repeated request is answered the same and counts once.
    requests: Vec<decide::Answered>,
    /// Recent consent requests by idempotency key.
    consent_keys: Vec<consent::Remembered>,
    /// How many requests have restrictions in effect that are not in the ledger, and so exist only here.
    unrecorded: u32,
}

impl Rest {
    const NONE: Self = Self { epoch: 0, requests: Vec::new(), consent_keys: Vec::new(), unrecorded: 0 };

    fn is_empty(&self) -> bool {
        self.epoch == 0 && self.requests.is_empty() && self.consent_keys.is_empty() && self.unrecorded == 0
    }
}

impl Customer {
    /// A new customer after an erasure, where `erasures` is the count of erasures so far.
    fn erased(erasures: u64) -> Self {
        let mut erased = Self { standing: Standing::erased(), ..Self::default() };
        erased.rest_mut().epoch = erasures << 32;
        erased
    }

    /// Starts a new revocation epoch: earlier decisions are no longer repeated or shown.
    fn deny(&mut self) {
        let rest = self.rest_mut();
        rest.epoch = rest.epoch.wrapping_add(1);
        rest.requests.clear();
    }

    fn epoch(&self) -> u64 {
        self.rest().epoch
    }

    /// How a customer must be stored after elapsed time changed them, given the epoch before that.
    fn mutation_since(&self, epoch: u64) -> Mutation {
        if self.epoch() == epoch { Mutation::None } else { Mutation::State }
    }

    fn rest(&self) -> &Rest {
        static NONE: Rest = Rest::NONE;
        self.rest.as_deref().unwrap_or(&NONE)
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// Changes the rest; it takes no memory once it is empty.
    fn change_rest(&mut self, change: impl FnOnce(&mut Rest)) {
        if let Some(rest) = &mut self.rest {
            change(rest);
        }
        self.rest.take_if(|rest| rest.is_empty());
    }
}

/// The limits of what the engine keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many decisions stay readable by id.
    pub decisions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { decisions: 100_000 }
    }
}

/// The engine. Shared by all calls; one critical section per customer.
#[derive(Debug)]
pub struct Engine {
    rules: ArcSwap<ActiveRules>,
    reloading: Mutex<()>,
    readings: watch::Sender<Arc<ActiveRules>>,
    customers: Customers<Customer>,
    ledger: Arc<dyn Ledger>,
    ledger_trusted: AtomicBool,
    decisions: DecisionLog,
    feed: Feed,
    run: u32,
    first_decision: u64,
    next_decision: AtomicU64,
    next_record: AtomicU64,
    latest: AtomicI64,
    dropped_facts: AtomicU64,
    meter: Meter,
    /// The store that holds customers who are not in memory.
    store: Option<Arc<CustomerStore>>,
    /// What was known of customers before this moment is lost.
    lost: Option<Moment>,
    bound: keeping::Bound,
    /// Locked shared while consent is written and exclusively during an erasure, so that the ledger's order is the
    /// engine's.
    erasing: RwLock<()>,
    /// How many erasures have begun and ended.
    erasures: AtomicU64,
    /// How many denials there were: while this does not change, no answer in progress needs another check.
    denials: AtomicU64,
}

/// Decisions of a later process have higher numbers, unless a process makes a million decisions per millisecond.
fn first_decision(now: Moment) -> u64 {
    now.0.unsigned_abs() << 20
}

impl Engine {
    /// An engine over a rule set and a ledger. `run` distinguishes the decisions of this process from those of others.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, ledger: Arc<dyn Ledger>, limits: Limits, (run, now): (u32, Moment)) -> Self {
        let active = Arc::new(ActiveRules::new(rules, now));
        Self {
            readings: watch::Sender::new(Arc::clone(&active)),
            rules: ArcSwap::new(active),
            reloading: Mutex::new(()),
            customers: Customers::default(),
            store: None,
            lost: None,
            bound: keeping::Bound::default(),
            ledger,
            ledger_trusted: AtomicBool::new(true),
            decisions: DecisionLog::new(limits.decisions),
            feed: Feed::default(),
            run,
            next_decision: AtomicU64::new(first_decision(now) + 1),
            first_decision: first_decision(now),
            next_record: AtomicU64::new(1),
            latest: AtomicI64::new(i64::MIN),
            dropped_facts: AtomicU64::new(0),
            meter: Meter::default(),
            erasing: RwLock::new(()),
            erasures: AtomicU64::new(0),
            denials: AtomicU64::new(0),
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<ActiveRules> {
        self.rules.load_full()
    }

    /// A watcher of decisions as they are made.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.feed.watch()
    }

    /// How many facts were dropped because no purpose covered them.
    #[must_use]
    pub fn dropped_facts(&self) -> u64 {
        self.dropped_facts.load(Ordering::Relaxed)
    }

    /// A thread of the ledger that has ended although nothing told it to.
    #[must_use]
    pub fn ended_thread(&self) -> Option<&'static str> {
        self.ledger.ended_thread()
    }

    /// How many consent records the ledger holds.
    #[must_use]
    pub fn ledger_records(&self) -> u64 {
        self.ledger.size()
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

    /// A clock that never steps back, so that no expired grant revives.
    fn steady(&self, now: Moment) -> Moment {
        // Most calls of the same millisecond only read, to avoid contention between cores.
        let latest = self.latest.load(Ordering::Relaxed);
        if now.0 <= latest {
            Moment(latest)
        } else {
            Moment(self.latest.fetch_max(now.0, Ordering::Relaxed).max(now.0))
        }
    }

    /// Whether the ledger can be trusted.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.ledger_trusted.load(Ordering::Acquire)
    }

    fn terms<'a>(&self, rules: &'a RuleSet, standing: &'a Standing, now: Moment) -> Terms<'a> {
        Terms { rules, standing, ledger_trusted: self.trusted(), now }
    }

    /// Changes one customer in a critical section, in a way that has to be stored.
    fn with_customer<T>(&self, id: &str, change: impl FnOnce(&mut Customer) -> T) -> T {
        self.change_customer(id, |customer| (change(customer), Mutation::State))
    }

    /// Changes one customer in a critical section; the closure returns how the customer has to be stored.
    fn change_customer<T>(&self, id: &str, change: impl FnOnce(&mut Customer) -> (T, Mutation)) -> T {
        let load = || self.load_customer(id);
        self.customers.update(id, load, |customer| {
            let result = change(customer);
            customer.settled = None;
            result
        })
    }

    /// Settles one customer and reads them in a critical section.
    fn look_at<T>(&self, id: &str, (rules, now): (&RuleSet, Moment), look: impl FnOnce(&mut Customer) -> T) -> T {
        self.change_customer(id, |customer| {
            let before = customer.epoch();
            self.settle(customer, rules, now);
            let result = look(customer);
            (result, customer.mutation_since(before))
        })
    }

    /// A copy of one customer as held now.
    fn customer_as_held(&self, id: &str) -> Customer {
        self.customers.read(id, Customer::clone).unwrap_or_else(|| self.load_customer(id).customer)
    }

    /// Refuses an invalid customer id.
    fn check_customer(&self, id: &str) -> Result<(), EngineError> {
        let active = self.rules.load();
        let mut resolver = resolve::Resolver::new(&active.set);
        resolver.id("customer_id", id);
        if resolver.violations.is_empty() { Ok(()) } else { Err(EngineError::Invalid(resolver.violations)) }
    }

    /// Settles a customer. Answers that rely on deleted data are forgotten. Returns the moment until which the customer
    /// stays settled.
    fn settle(&self, customer: &mut Customer, rules: &RuleSet, now: Moment) -> Moment {
        let Customer { state, standing, .. } = customer;
        let Settled { purged, until } = settle(state, self.terms(rules, standing, now));
        if purged {
            self.deny(customer);
        }
        until
    }

    /// Starts a new revocation epoch: earlier answers, and those in progress, are no longer repeated or shown as they
    /// were.
    fn deny(&self, customer: &mut Customer) {
        customer.deny();
        self.denials.fetch_add(1, Ordering::AcqRel);
    }

    /// Applies elapsed time to all customers in memory, also to those not in use: retention, expiry, lapses.
    pub fn sweep(&self, now: Moment) {
        // A customer who is being erased must stay marked as such until the ledger has the erasure.
        let _no_erasure = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.steady(now);
        let active = self.rules.load();
        self.customers.sweep(|customer| {
            let before = customer.epoch();
            self.settle(customer, &active.set, now);
            customer.change_rest(|rest| {
                rest.requests.retain(|answered| answered.until > now);
                rest.consent_keys.retain(|remembered| remembered.until > now);
            });
            // A purge must reach the disk too; data past its retention is found on disk by its own check.
            customer.mutation_since(before)
        });
        self.decisions.forget(|record| !decide::is_readable(record, now));
    }
}
