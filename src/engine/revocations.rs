//! What can overtake an answer or a consent: denials, erasures, and restrictions that are not in the ledger yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use crate::domain::consent::ConsentRecord;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Counts of denials and erasures, and the erasures and consents that are under way.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// The number of denials: while this does not change, no answer in progress needs another check.
    denials: AtomicU64,
    /// The number of erasures that have begun.
    erasures: AtomicU64,
    under_way: RwLock<UnderWay>,
    /// The number of customers with unrecorded restrictions.
    restricted: AtomicU64,
    /// Changes when an erasure or a consent ends.
    ended: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct UnderWay {
    /// The customers who are being erased.
    erasing: HashSet<String>,
    /// The consents whose records are on their way to the disk, by customer.
    recording: HashMap<String, usize>,
    /// Restrictions in effect that are not known to be durable, by customer. They apply to every copy of the customer
    /// that is loaded, so that none forgets them.
    unrecorded: HashMap<String, Vec<Restrictions>>,
}

pub(super) type Restrictions = Arc<[ConsentRecord]>;

impl Revocations {
    /// The number of denials so far.
    pub fn denials(&self) -> u64 {
        self.denials.load(Ordering::Acquire)
    }

    /// Counts a denial.
    pub fn deny(&self) {
        self.denials.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of erasures that have begun.
    pub fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::Acquire)
    }

    /// Begins an erasure, which ends when the guard is dropped; the number of the erasure. Waits while the customer is
    /// being erased already.
    pub async fn begin_erasure(&self, customer: &str) -> (Erasing<'_>, u64) {
        while !self.lock().erasing.insert(customer.to_owned()) {
            self.wait_until(|under_way| !under_way.erasing.contains(customer)).await;
        }
        let number = self.erasures.fetch_add(1, Ordering::AcqRel) + 1;
        (Erasing { revocations: self, customer: customer.to_owned() }, number)
    }

    /// Whether the customer is being erased.
    pub fn is_being_erased(&self, customer: &str) -> bool {
        self.read().erasing.contains(customer)
    }

    /// Waits until the customer is not being erased.
    pub async fn erased(&self, customer: &str) {
        self.wait_until(|under_way| !under_way.erasing.contains(customer)).await;
    }

    /// Waits until no consent of the customer is on its way to the disk.
    pub async fn recorded(&self, customer: &str) {
        self.wait_until(|under_way| !under_way.recording.contains_key(customer)).await;
    }

    /// Counts records as under way until the guard is dropped, and keeps the restrictions among them in effect.
    pub fn recording(&self, customer: &str, records: &[ConsentRecord]) -> Recording<'_> {
        let restrictions: Restrictions = records.iter().filter(|record| !record.status.permits()).cloned().collect();
        let mut under_way = self.lock();
        *under_way.recording.entry(customer.to_owned()).or_default() += 1;
        if !restrictions.is_empty() {
            under_way.unrecorded.entry(customer.to_owned()).or_default().push(Arc::clone(&restrictions));
            self.count_restricted(&under_way);
        }
        Recording { revocations: self, customer: customer.to_owned(), restrictions }
    }

    /// The restrictions of a customer that are not known to be durable.
    pub fn unrecorded(&self, customer: &str) -> Vec<Restrictions> {
        if !self.has_unrecorded() {
            return Vec::new();
        }
        self.read().unrecorded.get(customer).cloned().unwrap_or_default()
    }

    /// Whether restrictions are in effect that are not known to be durable.
    pub fn has_unrecorded(&self) -> bool {
        self.restricted.load(Ordering::Acquire) > 0
    }

    /// The number of customers with restrictions in effect that are not known to be durable.
    pub fn unrecorded_customers(&self) -> u64 {
        self.restricted.load(Ordering::Acquire)
    }

    /// Whether these restrictions of a customer are in effect and not known to be durable, and no erasure removes them.
    pub fn is_unrecorded(&self, customer: &str, records: &Restrictions) -> bool {
        let under_way = self.read();
        let held = under_way.unrecorded.get(customer);
        let is_held = held.is_some_and(|held| held.iter().any(|restrictions| Arc::ptr_eq(restrictions, records)));
        is_held && !under_way.erasing.contains(customer)
    }

    /// All restrictions that are not known to be durable, by customer.
    pub fn all_unrecorded(&self) -> Vec<(String, Restrictions)> {
        let under_way = self.read();
        let lists = under_way.unrecorded.iter();
        let each =
            lists.flat_map(|(customer, list)| list.iter().map(|records| (customer.clone(), Arc::clone(records))));
        each.filter(|(customer, _)| !under_way.recording.contains_key(customer)).collect()
    }

    /// Forgets restrictions that are durable now.
    pub fn forget_records(&self, customer: &str, records: &Restrictions) {
        let mut under_way = self.lock();
        under_way.forget(customer, records);
        self.count_restricted(&under_way);
    }

    /// Forgets the unrecorded restrictions of a customer: an erasure removes them.
    pub fn forget_restrictions(&self, customer: &str) {
        let mut under_way = self.lock();
        under_way.unrecorded.remove(customer);
        self.count_restricted(&under_way);
    }

    async fn wait_until(&self, done: impl Fn(&UnderWay) -> bool) {
        // Before the look, so that no end is missed.
        let mut ended = self.ended.subscribe();
        while !done(&self.read()) {
            // The sender lives as long as this.
            _ = ended.changed().await;
        }
    }

    fn count_restricted(&self, under_way: &UnderWay) {
        self.restricted.store(under_way.unrecorded.len() as u64, Ordering::Release);
    }

    fn lock(&self) -> RwLockWriteGuard<'_, UnderWay> {
        self.under_way.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, UnderWay> {
        self.under_way.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn forget(&mut self, customer: &str, records: &Restrictions) {
        if let Some(held) = self.unrecorded.get_mut(customer) {
            held.retain(|restrictions| !Arc::ptr_eq(restrictions, records));
            if held.is_empty() {
                self.unrecorded.remove(customer);
            }
        }
    }
}

/// An erasure under way.
#[derive(Debug)]
pub(super) struct Erasing<'r> {
    revocations: &'r Revocations,
    customer: String,
}

impl Drop for Erasing<'_> {
    fn drop(&mut self) {
        self.revocations.lock().erasing.remove(&self.customer);
        self.revocations.ended.send_replace(());
    }
}

/// Consent records of one customer that are on their way to the disk.
#[derive(Debug)]
pub(super) struct Recording<'r> {
    revocations: &'r Revocations,
    customer: String,
    restrictions: Restrictions,
}

impl Recording<'_> {
    /// Ends it, and keeps the restrictions in effect although they are not recorded.
    pub fn keep_restrictions(mut self) {
        self.restrictions = Arc::default();
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        let mut under_way = self.revocations.lock();
        if let Some(count) = under_way.recording.get_mut(&self.customer) {
            *count -= 1;
            if *count == 0 {
                under_way.recording.remove(&self.customer);
            }
        }
        under_way.forget(&self.customer, &self.restrictions);
        self.revocations.count_restricted(&under_way);
        drop(under_way);
        self.revocations.ended.send_replace(());
    }
}
