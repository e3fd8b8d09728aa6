//! A customer's rights over all stored data: erasure and export.

use std::sync::Arc;

use super::consent::{StandingView, Standings};
use super::resolve::check_stored_customer;
use crate::domain::consent::ConsentRecord;
use crate::domain::customer::CustomerState;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::operation::{Applied, Context, Operation};
use crate::engine::{ActiveRules, Customer, DecisionRecord, Engine, EngineError};
use crate::ledger::LedgerError;
use crate::ledger::proof::Hash;
use crate::sync;

/// The result of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedCustomer {
    /// The ledger position of the erasure.
    pub position: u64,
    /// How many consent records became unreadable; zero if they were erased before.
    pub records: usize,
    /// What proves that the ledger has the erasure; `None` if nothing is signed now.
    pub receipt: Option<String>,
    /// When it was asked for.
    pub at: Moment,
}

/// All data held about one customer, whichever purpose may read it.
#[derive(Debug, Clone)]
pub struct CustomerExport {
    /// The customer's id.
    pub customer: String,
    /// When the export was taken.
    pub at: Moment,
    /// The rules that name the exported ids.
    pub rules: Arc<RuleSet>,
    /// Attributes, events, journeys, contacts, outcomes.
    pub state: CustomerState,
    /// The standing of every purpose.
    pub standings: Vec<StandingView>,
    /// Consent records with their ledger positions, oldest first; or why they cannot be read.
    pub records: Result<Vec<(u64, ConsentRecord)>, String>,
    /// Receipts of the records, by ledger position.
    pub receipts: Vec<(u64, String)>,
    /// The ledger's signed head; `None` if nothing is signed.
    pub head: Option<SignedHead>,
    /// What was stored of the customer before this moment may be lost, or could not be read.
    pub unreadable: Option<Moment>,
    /// Decisions that are still kept, oldest first.
    pub decisions: Vec<Arc<DecisionRecord>>,
}

/// What a verifier needs to check receipts and later heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// A signed note with the size and the root of the ledger.
    pub checkpoint: String,
    /// The key that verifies it.
    pub verifier_key: String,
}

/// All state of a customer, settled to now, and their standings.
struct ReadAll {
    customer: String,
    rules: Arc<ActiveRules>,
}

impl ReadAll {
    fn new(customer: &str, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        check_stored_customer(customer, &rules.set)?;
        Ok(Self { customer: customer.into(), rules })
    }
}

impl Operation for ReadAll {
    type Draft = (CustomerState, Vec<StandingView>);
    type Answer = (CustomerState, Vec<StandingView>);

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft> {
        let standings = Standings::of(&customer.standing, context);
        let mut copy = customer.clone();
        copy.settle(context);
        Applied::unchanged((copy.state, standings))
    }

    fn finish(&self, read: Self::Draft) -> Self::Answer {
        read
    }
}

impl Engine {
    /// Erases a customer: state, decisions, remembered requests and the key to their consent records. A replay or an
    /// import does not bring them back; only a yes in person does.
    ///
    /// It takes effect in memory at once and returns when the ledger has it on disk.
    ///
    /// # Errors
    /// When the customer id is invalid, or the ledger does not take the erasure; then repeat the call.
    pub fn erase(&self, customer: &str, now: Moment) -> Result<ErasedCustomer, EngineError> {
        check_stored_customer(customer, &self.rules.current().set)?;
        let now = self.clock.steady(now);
        // Consents of this customer wait until it ends; no other calls do.
        let (_erasing, number) = sync::block_on(self.revocations.begin_erasure(customer));
        self.customers.replace(customer, Customer::erased(number));
        self.revocations.deny();
        self.decisions.forget(|record| record.question.customer == customer);
        // Those that came before are erased with the customer, whose copy they do not find any more.
        sync::block_on(self.revocations.recorded(customer));
        self.revocations.forget_restrictions(customer);
        // The count is informative: records that cannot be read are erased too.
        let records = self.storage.ledger().records(customer).map_or(0, |records| records.len());
        let erased = self.with_cache(|cache| self.storage.backend().erase(customer, now, cache));
        let erasure = erased.map_err(|error| {
            if !matches!(error, LedgerError::Full(_)) {
                self.trust_ledger(false);
            }
            EngineError::LedgerUnavailable(error.to_string())
        })?;
        self.customers.remove_if(customer, |held| held.standing.is_gone());
        let receipt = self.storage.ledger().receipt(erasure.position).ok();
        Ok(ErasedCustomer { position: erasure.position, records, receipt, at: now })
    }

    /// All data held about one customer, settled to now.
    ///
    /// # Errors
    /// When the customer id is invalid, or past decisions cannot be read.
    pub fn export(&self, customer: &str, now: Moment) -> Result<CustomerExport, EngineError> {
        let active = self.rules.current();
        let (state, standings) = self.execute_blocking(&ReadAll::new(customer, Arc::clone(&active))?, now)?;
        let now = self.clock.steady(now);
        let records = self.storage.ledger().records(customer);
        let receipts = records.iter().flatten().filter_map(|(position, _)| {
            let receipt = self.storage.ledger().receipt(*position).ok()?;
            Some((*position, receipt))
        });
        Ok(CustomerExport {
            receipts: receipts.collect(),
            head: self.signed_head().ok(),
            customer: customer.to_owned(),
            at: now,
            rules: Arc::clone(&active.set),
            standings,
            records: records.map_err(|error| error.to_string()),
            unreadable: state.relation().lost.max(self.contacts().lost),
            state,
            decisions: self.decisions_of(customer, now)?,
        })
    }

    /// One customer's consent records with their ledger positions, oldest first.
    ///
    /// # Errors
    /// When the customer id is invalid, or the ledger cannot be read.
    pub fn consent_records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, EngineError> {
        check_stored_customer(customer, &self.rules.current().set)?;
        self.storage.ledger().records(customer).map_err(unread)
    }

    /// A record of a customer, with its receipt.
    ///
    /// # Errors
    /// When the customer has no such record, or the ledger cannot be read.
    pub fn receipt(&self, customer: &str, record_id: &str) -> Result<(ConsentRecord, String), EngineError> {
        let records = self.consent_records(customer)?;
        let unknown = || {
            let name: String = record_id.chars().take(64).collect();
            EngineError::UnknownRecord(format!("the ledger has no record `{name}` of this customer"))
        };
        let found = records.into_iter().find(|(_, record)| record.record_id == record_id);
        let (position, record) = found.ok_or_else(unknown)?;
        Ok((record, self.storage.ledger().receipt(position).map_err(unread)?))
    }

    /// The newest signed head, which covers every record acknowledged before the call, and the key that verifies it.
    ///
    /// # Errors
    /// When nothing is signed.
    pub fn signed_head(&self) -> Result<SignedHead, EngineError> {
        let checkpoint = self.storage.ledger().checkpoint().map_err(unread)?;
        Ok(SignedHead { checkpoint, verifier_key: self.storage.ledger().verifier_key().map_err(unread)? })
    }

    /// The proof that the ledger of one size begins with the ledger of an earlier size.
    ///
    /// # Errors
    /// When the ledger never had such a size, or nothing is signed.
    pub fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, EngineError> {
        self.storage.ledger().consistency(earlier, size).map_err(unread)
    }
}

fn unread(error: LedgerError) -> EngineError {
    match error {
        LedgerError::NotFound(what) => EngineError::UnknownRecord(what),
        LedgerError::Unavailable(why) | LedgerError::Full(why) => EngineError::LedgerUnavailable(why),
    }
}
