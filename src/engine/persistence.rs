//! Persistence of customers in memory: write-behind flushes, eviction, retention, and backups.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::operation::{Applied, Context, Effects, Operation};
use super::operations::is_readable;
use super::{Customer, Engine, EngineError};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::CopySink;
use crate::storage::Cache;
use crate::store::codec;
use crate::store::{CustomerStore, Persisted as _, StoreError};

/// The number of stored customers that are checked for expired retention at once.
const PURGE_BATCH: usize = 128;

/// The most memory that the process may use before it evicts customers.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    /// The limit, in bytes.
    pub bytes: u64,
    /// Reads the bytes in use; `None` where the system does not report them.
    pub in_use: fn() -> Option<u64>,
}

impl MemoryLimit {
    /// The memory of this process.
    #[must_use]
    pub fn of_process(bytes: u64) -> Self {
        Self { bytes, in_use: resident }
    }
}

/// The memory limit, and the state of eviction.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub memory: Option<MemoryLimit>,
    /// Customers are evicted when the process uses more bytes than this.
    level: AtomicU64,
    /// The most customers to hold in memory; 0 until the limit was reached once.
    most: AtomicUsize,
    /// Where the search for expired data continues.
    place: Mutex<Option<Vec<u8>>>,
}

impl Bound {
    /// Whether three quarters of the limit are in use, so that eviction may begin soon.
    fn is_near(&self) -> bool {
        let Some(MemoryLimit { bytes, in_use }) = self.memory else { return false };
        in_use().is_some_and(|in_use| in_use > bytes / 4 * 3)
    }
}

impl Engine {
    /// Puts rules in force, as far as the backend is concerned.
    pub(super) fn begin_rules(&self, rules: &RuleSet) -> Result<(), StoreError> {
        let stored = self.storage.backend().store_names(&rules.vocabulary);
        if !self.storage.backend().is_shared() {
            // A failure is logged and shown in health; the next flush repeats it.
            return Ok(());
        }
        stored.and_then(|()| self.storage.backend().begin_rules(&rules.hash))
    }

    /// Waits until every contact so far is in the contact log and survives a killed process.
    pub async fn wait_durable(&self) {
        if let Some(store) = self.store() {
            _ = store.contact_log().wait_durable().await;
        }
    }

    /// Flushes every dirty customer and drains the contact log of all entries appended so far. Returns the number of
    /// customers visited.
    ///
    /// # Errors
    /// When the disk fails: customers stay dirty, and the next flush repeats them.
    pub fn write_behind(&self) -> Result<usize, StoreError> {
        self.with_cache(|cache| self.storage.backend().flush(cache, true))
    }

    /// Flushes the customers that are due, and evicts some if there are too many. Returns the number of customers
    /// visited.
    ///
    /// # Errors
    /// When the disk fails: customers stay dirty, and the next flush repeats them.
    pub fn write_due(&self) -> Result<usize, StoreError> {
        // Near the memory limit, everything is flushed: dirty customers cannot be evicted.
        let written = self.with_cache(|cache| self.storage.backend().flush(cache, self.bound.is_near()));
        self.keep_within_bound();
        written
    }

    /// Gives a backend access to the customers in memory.
    pub(super) fn with_cache<T>(&self, use_it: impl FnOnce(Cache<'_>) -> T) -> T {
        let active = self.rules.current();
        use_it(Cache { customers: &self.customers, names: &active.set.vocabulary, now: self.clock.latest() })
    }

    /// Copies everything on disk but the keys folder to `sink`, with the paths of the data folder, while calls go on.
    /// The copy has every decision and record that was acknowledged before.
    ///
    /// # Errors
    /// When the ledger or the store is closed or cannot be read, or the sink fails.
    pub fn back_up(&self, sink: &mut CopySink<'_>) -> Result<(), EngineError> {
        let unavailable = |why: String| EngineError::BackupUnavailable(why);
        self.write_behind().map_err(|error| unavailable(error.to_string()))?;
        // Now everything that was acknowledged before is stored.
        self.storage.backend().copy(sink).map_err(|error| unavailable(error.to_string()))
    }

    /// Purges expired data of the next 128 stored customers, in a cycle over all of them: customers that no call loads
    /// are purged too.
    pub fn purge_expired_batch(&self, now: Moment) {
        let mut place = self.bound.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((found, next)) = self.storage.backend().page(place.as_deref().unwrap_or(&[]), PURGE_BATCH) else {
            return;
        };
        *place = next;
        let active = self.rules.current();
        let context = self.context(&active.set, now);
        for stored in found.iter().filter(|stored| !stored.customer.is_empty()) {
            let id = stored.customer.as_str();
            // On a copy, so that only customers with something to purge are loaded into memory.
            let held = self.customers.read(id, Customer::clone);
            let Some(mut customer) = held.or_else(|| self.read_copy(id)) else { continue };
            customer.settle(&context);
            let is_same = |settled: Vec<u8>| stored.encode().is_ok_and(|stored| stored == settled);
            if !customer.encode(id).ok().flatten().is_some_and(is_same) {
                let settle = Settle { customer: id, rules: &active.set };
                drop(self.execute_blocking(&settle, now));
            }
        }
    }

    /// A copy of a customer as stored; `None` if they cannot be read now.
    fn read_copy(&self, id: &str) -> Option<Customer> {
        let stored = self.storage.backend().read(id);
        stored.customer.is_ok().then(|| self.assemble(id, stored).customer)
    }

    /// Applies elapsed time to all customers in memory, also to those not in use: retention, expiry, lapses.
    pub fn sweep(&self, now: Moment) {
        let active = self.rules.current();
        let context = self.context(&active.set, now);
        self.customers.sweep(|id, slot| {
            let customer = &mut slot.customer;
            let before = customer.epoch();
            customer.settle(&context);
            customer.settled = None;
            customer.change_transient(|transient| {
                transient.consent_keys.retain(|remembered| remembered.until > context.now);
            });
            // A purge must reach the disk too; data past its retention is found on disk by its own check.
            if customer.epoch() != before {
                // Nobody waits for it: the next flush stores it.
                _ = self.submit(id, slot, (before, context.now), Effects::changed());
            }
            // A customer who is being erased must stay marked as such until the ledger has the erasure.
            !slot.customer.standing.is_gone() || !self.revocations.is_being_erased(id)
        });
        self.decisions.forget(|record| !is_readable(record, context.now));
        if context.now >= context.purges_from
            && let Some(log) = self.storage.backend().decision_log()
        {
            log.retain(context.now);
        }
    }

    /// Evicts customers when the process has grown past its limit.
    ///
    /// The allocator reuses the memory of evicted customers but seldom returns it to the system. The process therefore
    /// hardly shrinks, and only further growth shows that there are still too many customers.
    fn keep_within_bound(&self) {
        self.customers.tick();
        let Some(MemoryLimit { bytes, in_use }) = self.bound.memory else { return };
        let Some(resident) = in_use() else { return };
        let (first, step) = (bytes / 100 * 92, bytes / 100);
        let level = self.bound.level.load(Ordering::Relaxed).max(first);
        let (mut most, held) = (self.bound.most.load(Ordering::Relaxed), self.customers.len());
        if resident > level {
            most = held.min(if most == 0 { held } else { most }) / 16 * 15;
            self.bound.level.store(resident + step, Ordering::Relaxed);
        } else if resident < first - 4 * step && most > 0 {
            most += most / 64 + 1;
            self.bound.level.store(first, Ordering::Relaxed);
        }
        self.bound.most.store(most, Ordering::Relaxed);
        if most > 0 && held > most {
            let left = self.customers.evict(held - most + most / 64);
            let counts = self.store().map(CustomerStore::counts);
            counts.inspect(|counts| _ = counts.evicted.fetch_add(left as u64, Ordering::Relaxed));
        }
    }
}

/// Applies elapsed time to a customer.
struct Settle<'a> {
    customer: &'a str,
    rules: &'a RuleSet,
}

impl Operation for Settle<'_> {
    type Draft = ();
    type Answer = ();

    fn customer(&self) -> &str {
        self.customer
    }

    fn rules(&self) -> &RuleSet {
        self.rules
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<()> {
        customer.settle(context);
        Applied::changed(())
    }

    fn finish(&self, (): ()) {}
}

/// The bytes to store for a customer; `None` if there is nothing to store.
pub(super) fn encode(customer: &Customer, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    if customer.standing.is_gone() || (customer.state.is_empty() && customer.epoch() == 0) {
        return Ok(None);
    }
    codec::encode(id, customer.epoch(), &customer.state).map(Some)
}

/// The resident bytes of the process, where the system reports them.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}
