//! One customer, one transaction: an operation changes a customer and returns what must become durable as data. The
//! runner (`runner.rs`) does the rest, so that no caller has to remember it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::decisions::Decisions;
use super::{Customer, DecisionRecord, Ids, IdsKept, Snapshot};
use crate::decision_log::LoggedOutcome;
use crate::domain::consent::{ConsentRecord, Standing};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::transition::Terms;
use crate::domain::view::{Contacts, Subject};
use crate::store::LoggedChange;

pub use crate::storage::{Durability, StateChange};

/// Something that happens to one customer.
///
/// [`Operation::run`] decides and changes; it reads no clock and no disk, and runs again if a denial came first, or
/// another engine on the same backend. Names are resolved before, under rules that the operation holds.
pub trait Operation: Sync {
    /// The result of a run, before it is durable.
    type Draft: Send + Sync;
    /// The answer to the caller.
    type Answer;

    /// The customer's id.
    fn customer(&self) -> &str;

    /// The rules under which names were resolved; the same for every run.
    fn rules(&self) -> &RuleSet;

    /// Whether it needs more of the customer than their standing. What does not goes on while customers cannot be read.
    fn needs_state(&self) -> bool {
        true
    }

    /// Decides and changes, in the customer's critical section. Restrictions of consent take effect here.
    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft>;

    /// Applies what takes effect only once it is durable (grants), in the customer's critical section. Called if the
    /// effects of the run had consent records.
    fn take_effect(&self, _customer: &mut Customer, _draft: &mut Self::Draft, _done: &Committed<'_>) {}

    /// Releases what a run holds until there is an answer, in the customer's critical section. Called if the effects of
    /// the run had consent records, whether or not they became durable.
    fn release(&self, _customer: &mut Customer) {}

    /// Undoes a run, because a denial or an erasure came first. Called in the customer's critical section.
    fn undo(&self, _customer: &mut Customer, _draft: &Self::Draft) -> Undone {
        Undone::default()
    }

    /// Computes what takes long, outside of the critical section: explanations.
    fn explain(&self, _draft: &Self::Draft) {}

    /// The revocation epoch that the answer relies on. After a later denial, or when its contacts could not be logged, the
    /// run is undone and the operation runs again.
    fn relies_on(&self, _draft: &Self::Draft) -> Option<u64> {
        None
    }

    /// The answer, once everything is durable.
    fn finish(&self, draft: Self::Draft) -> Self::Answer;
}

/// What a run may know beside the customer.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The rules under which names were resolved.
    pub rules: &'a RuleSet,
    /// When the call arrived, by the clock of the server.
    pub arrived: Moment,
    /// The engine's time, which never goes back.
    pub now: Moment,
    /// Whether consent can be relied on.
    pub ledger_trusted: bool,
    /// Whether contacts can be relied on.
    pub contacts: Contacts,
    /// From when on data past its time is deleted: later than now if the machine's clock may be wrong.
    pub purges_from: Moment,
    /// One decision in this many is explained after its answer, for reports; 0 means none.
    pub sample: u32,
    /// Which ids of callers are remembered.
    pub ids_kept: IdsKept,
    pub(super) ids: &'a Ids,
    /// The newest decisions.
    pub(super) recent: &'a Decisions,
}

impl<'a> Context<'a> {
    /// A customer as a decision sees them.
    pub(super) fn subject<'c>(&self, customer: &'c Customer) -> Subject<'c> {
        let Self { ledger_trusted, contacts, .. } = *self;
        Subject { state: &customer.state, standing: &customer.standing, ledger_trusted, contacts }
    }

    /// The same, but not before a moment.
    #[must_use]
    pub fn not_before(&self, moment: Moment) -> Self {
        Self { arrived: self.arrived.max(moment), now: self.now.max(moment), ..*self }
    }

    /// What the law and the rules allow for a customer with this standing, now.
    #[must_use]
    pub fn terms<'s>(&self, standing: &'s Standing) -> Terms<'s>
    where
        'a: 's,
    {
        Terms { rules: self.rules, standing, ledger_trusted: self.ledger_trusted, now: self.now }
    }
}

/// The result of a run, and what must become durable.
///
/// A call that drops it does not compile:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use tactful::engine::operation::Applied;
///
/// fn forget() {
///     Applied::changed(());
/// }
/// ```
///
/// One that hands it on does:
///
/// ```
/// #![deny(unused_must_use)]
/// use tactful::engine::operation::Applied;
///
/// fn hand_on() -> Applied<()> {
///     Applied::changed(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "only the runner makes effects durable"]
pub struct Applied<D> {
    pub(super) draft: D,
    pub(super) effects: Effects,
}

impl<D> Applied<D> {
    /// A run that changed nothing but what elapsed time did.
    pub fn unchanged(draft: D) -> Self {
        Self { draft, effects: Effects { keeps_settled: true, ..Effects::default() } }
    }

    /// A run that changed the customer in a way that the contact log does not hold.
    pub fn changed(draft: D) -> Self {
        Self { draft, effects: Effects::changed() }
    }

    /// A run with these effects.
    pub fn with(draft: D, effects: Effects) -> Self {
        Self { draft, effects }
    }
}

/// What must become durable, as data.
#[derive(Debug, Default)]
#[must_use = "only the runner makes effects durable"]
pub struct Effects {
    /// Entries of the contact log.
    pub log: SmallVec<[LoggedChange; 2]>,
    /// Consent records, in order: all of them become durable, or none.
    pub consent: Vec<ConsentRecord>,
    /// How the customer's stored state changed.
    pub state: StateChange,
    /// Whether the customer is settled as far as before.
    pub keeps_settled: bool,
    /// What the answer waits for.
    pub durability: Durability,
    /// A new decision, for the decision log and for watchers.
    pub publish: Option<Arc<DecisionRecord>>,
    /// What a new decision of the sample knew, so that the decision log gets where each action stopped.
    pub sample: Option<Box<Snapshot>>,
    /// An outcome, for the decision log.
    pub outcome: Option<LoggedOutcome>,
}

impl Effects {
    /// A change that the contact log does not hold.
    pub fn changed() -> Self {
        Self { state: StateChange::Changed, ..Self::default() }
    }
}

/// What undoing a run changed.
#[derive(Debug, Default)]
#[must_use = "only the runner makes effects durable"]
pub struct Undone {
    /// What must become durable.
    pub effects: Effects,
    /// A decision that no caller has as an answer: the log of decisions forgets it.
    pub forget: Option<Arc<DecisionRecord>>,
}

/// Consent records that are durable.
#[derive(Debug, Clone, Copy)]
pub struct Committed<'a> {
    /// The records, in order.
    pub records: &'a [ConsentRecord],
    /// The ledger position of the last record.
    pub position: u64,
    /// What the run knew.
    pub context: Context<'a>,
}
