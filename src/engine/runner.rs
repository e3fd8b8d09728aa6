//! Runs operations: loads the customer, runs in the critical section, makes the effects durable, waits as long as the
//! promise needs, and runs again if a denial came first, or another engine on the same backend.

use std::sync::Arc;

use super::operation::{Applied, Committed, Context, Effects, Operation, Undone};
use super::revocations::Recording;
use super::{Customer, DecisionRecord, Engine, EngineError};
use crate::decision_log::DecisionLog;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::failpoint;
use crate::ledger::LedgerError;
use crate::storage::{self, CommitError, Logged, Pending, StateChange, Transaction};
use crate::store::{Persisted as _, Slot};
use crate::sync;

impl Engine {
    /// Runs an operation and answers when its effects are as durable as it promises.
    ///
    /// Where consent is recorded, the caller must not drop the future while it waits for the disk: use
    /// [`Engine::execute_detached`].
    ///
    /// # Errors
    /// When the ledger does not take the records of a consent (restrictions stay in effect), or the backend does not store
    /// the customer.
    pub async fn execute<O: Operation>(&self, operation: &O, now: Moment) -> Result<O::Answer, EngineError> {
        let mut context = self.context(operation.rules(), now);
        // That of the run before, until this run has put its own restrictions into effect.
        let mut recording = None;
        loop {
            let denials = self.revocations.denials();
            let mut ran = self.run(operation, &context, &mut recording).await?;
            failpoint::reach("committed");
            operation.explain(&ran.draft);
            // Before the check for denials: an erasure either finds it here, or is seen by the check.
            ran.published.iter().for_each(|record| self.decisions.keep(record));
            let epoch = operation.relies_on(&ran.draft);
            match self.commit(operation, &mut ran, &context).await {
                Ok(true) => {}
                Ok(false) => {
                    recording = ran.recording;
                    continue;
                }
                Err(EngineError::NotLogged) if epoch.is_some() && context.contacts.logged => {
                    self.undo(operation, &ran.draft).await;
                    context.contacts.logged = false;
                    continue;
                }
                Err(error) => return Err(error),
            }
            // Without a denial since, no answer needs a look at its customer.
            if epoch.is_some() && self.revocations.denials() != denials && self.epoch(operation).await != epoch {
                self.undo(operation, &ran.draft).await;
                continue;
            }
            failpoint::reach("logged");
            if let Some(record) = &ran.published {
                if record.ids_truncated {
                    self.meter.truncate_ids();
                }
                self.decisions.send(record);
            }
            return Ok(operation.finish(ran.draft));
        }
    }

    /// Like [`Engine::execute`], in a task of its own, which ends whether or not its caller still waits.
    ///
    /// # Errors
    /// Those of [`Engine::execute`], and when the operation panics.
    pub async fn execute_detached<O>(self: &Arc<Self>, operation: O, now: Moment) -> Result<O::Answer, EngineError>
    where
        O: Operation + Send + 'static,
        O::Answer: Send,
    {
        let engine = Arc::clone(self);
        let task = tokio::spawn(async move { engine.execute(&operation, now).await });
        task.await.unwrap_or(Err(EngineError::Failed))
    }

    /// Runs an operation and waits on this thread: for tests, timelines and tools. A thread that answers calls never
    /// waits like this.
    ///
    /// # Errors
    /// Those of [`Engine::execute`].
    pub fn execute_blocking<O: Operation>(&self, operation: &O, now: Moment) -> Result<O::Answer, EngineError> {
        sync::block_on(self.execute(operation, now))
    }

    /// Runs operations that rely on nothing that can be denied, one after the other, and waits once for all of them.
    ///
    /// # Errors
    /// Those of [`Engine::execute`].
    pub async fn execute_all<O: Operation>(
        &self,
        operations: &[O],
        now: Moment,
    ) -> Vec<Result<O::Answer, EngineError>> {
        let (mut runs, mut answers) = (Vec::with_capacity(operations.len()), Vec::with_capacity(operations.len()));
        for operation in operations {
            let context = self.context(operation.rules(), now);
            runs.push((self.run(operation, &context, &mut None).await, context));
        }
        failpoint::reach("committed");
        for (operation, (ran, context)) in operations.iter().zip(runs) {
            let answer = async {
                let mut ran = ran?;
                match self.commit(operation, &mut ran, &context).await? {
                    true => Ok(operation.finish(ran.draft)),
                    false => self.execute(operation, now).await,
                }
            };
            answers.push(answer.await);
        }
        failpoint::reach("logged");
        answers
    }

    /// Runs an operation in the customer's critical section and hands its effects to the backend. What needs no disk is
    /// in effect when this returns. `before` are the records of an earlier run, whose restrictions stay in effect.
    async fn run<'e, O: Operation>(
        &'e self,
        operation: &O,
        context: &Context<'_>,
        before: &mut Option<Recording<'e>>,
    ) -> Result<Ran<'e, O::Draft>, EngineError> {
        let id = operation.customer();
        loop {
            let run = |slot: &mut Slot<Customer>| {
                let before = slot.customer.epoch();
                let context = &context.not_before(slot.customer.held().newest);
                let Applied { draft, effects } = operation.run(&mut slot.customer, context);
                if !effects.consent.is_empty() && self.revocations.is_being_erased(id) {
                    // The erasure would remove the records that it does not know of.
                    let Undone { effects: _, forget: _ } = operation.undo(&mut slot.customer, &draft);
                    return None;
                }
                let records = !effects.consent.is_empty();
                let recording = records.then(|| self.revocations.recording(id, &effects.consent));
                let published = effects.publish.clone();
                // Here, so that the same request finds it from now on.
                let repeatable = published.iter().filter(|record| !record.question.request_id.is_empty());
                repeatable.for_each(|record| self.decisions.keep(record));
                let pending = self.submit(id, slot, (before, context.now), effects);
                let load = slot.customer.load();
                Some(Ran { draft, pending, published, recording, load, at: context.now })
            };
            match self.enter_if(id, operation.needs_state(), run).await? {
                Some(ran) => return Ok(ran),
                None => {
                    // The erasure waits for them, and removes them.
                    *before = None;
                    self.revocations.erased(id).await;
                }
            }
        }
    }

    /// Waits until the effects of a run are durable, and lets its grants take effect. Returns whether they are: if
    /// another engine changed the customer first, only the restrictions of the run are left.
    async fn commit<O: Operation>(
        &self,
        operation: &O,
        ran: &mut Ran<'_, O::Draft>,
        context: &Context<'_>,
    ) -> Result<bool, EngineError> {
        let _release = ran.recording.is_some().then_some(Release { engine: self, operation });
        match std::mem::replace(&mut ran.pending, Pending::Done).done().await {
            Ok(storage::Recorded { records, position }) if ran.recording.is_some() => {
                let done = Committed { records: &records, position, context: context.not_before(ran.at) };
                let id = operation.customer();
                let take_effect = |slot: &mut Slot<Customer>| {
                    if self.storage.backend().is_shared() && slot.customer.load() != ran.load {
                        // The copy was loaded since: what is in effect is in it, and an erasure, too.
                        operation.take_effect(&mut slot.customer.clone(), &mut ran.draft, &done);
                        return;
                    }
                    // What an erasure has removed since does not come back. The next transaction on a shared backend
                    // finds the erasure of another engine by the version.
                    let erased_at = || if ran.load == 0 { self.storage.ledger().erased_at(id) } else { None };
                    if !self.revocations.is_being_erased(id) && erased_at().is_none_or(|erased| erased < position) {
                        operation.take_effect(&mut slot.customer, &mut ran.draft, &done);
                        slot.customer.settled = None;
                    }
                };
                self.enter(id, take_effect).await;
                ran.recording = None;
                Ok(true)
            }
            Ok(_) => Ok(true),
            Err(CommitError::Conflict) => {
                self.discard(operation, ran);
                Ok(false)
            }
            Err(CommitError::Store(why)) => {
                self.discard(operation, ran);
                Err(EngineError::NotStored(why))
            }
            Err(CommitError::NotLogged) => Err(EngineError::NotLogged),
            Err(CommitError::Ledger(error)) => {
                if !matches!(error, LedgerError::Full(_)) {
                    self.trust_ledger(false);
                }
                if let Some(recording) = ran.recording.take() {
                    recording.keep_restrictions();
                }
                if ran.load != 0 {
                    // The copy has a version that nothing stored may have. The restrictions apply to the next one.
                    self.discard(operation, ran);
                }
                Err(EngineError::LedgerUnavailable(error.to_string()))
            }
        }
    }

    /// Forgets the copy that a run changed, and its decision: the next access loads the customer again.
    fn discard<O: Operation>(&self, operation: &O, ran: &Ran<'_, O::Draft>) {
        self.customers.remove_if(operation.customer(), |held| held.load() == ran.load);
        ran.published.iter().for_each(|record| self.decisions.remove(record.id.key()));
    }

    /// Undoes a run.
    async fn undo<O: Operation>(&self, operation: &O, draft: &O::Draft) {
        let undo = |slot: &mut Slot<Customer>| {
            let before = slot.customer.epoch();
            let Undone { effects, forget } = operation.undo(&mut slot.customer, draft);
            (self.submit(operation.customer(), slot, (before, self.clock.latest()), effects), forget)
        };
        let Some((pending, forget)) = self.enter(operation.customer(), undo).await else { return };
        if self.is_shared() {
            // Elsewhere, the answer waits for the run that follows, and so for this. If another engine was first, the
            // contact stays: limits err on the strict side.
            drop(pending.done().await);
        }
        if let Some(record) = forget {
            self.decisions.remove(record.id.key());
        }
    }

    /// Changes a customer in the critical section, after loading them if they are not in memory: the only way to a
    /// customer. No thread that answers calls waits for the disk here.
    ///
    /// # Errors
    /// When the customer cannot be read now, and the change needs more than the standing (`needs_state`). Otherwise it
    /// then changes a copy with the standing alone, which is not kept.
    async fn enter_if<T, F>(&self, id: &str, needs_state: bool, work: F) -> Result<T, EngineError>
    where
        F: FnOnce(&mut Slot<Customer>) -> T,
    {
        let mut work = match self.customers.update(id, work) {
            Ok(result) => return Ok(result),
            Err(work) => work,
        };
        loop {
            let ticket = self.customers.ticket(id);
            let (loaded, unread) = self.load(id).await;
            match unread {
                Some(error) if needs_state => return Err(EngineError::NotReadable(error.to_string())),
                Some(_) => return Ok(work(&mut loaded.into())),
                None => {}
            }
            work = match self.customers.update_loaded(id, loaded, ticket, work) {
                Ok(result) => return Ok(result),
                Err(work) => work,
            };
        }
    }

    /// Changes the standing of a customer in the critical section, or anything of a customer in memory.
    pub(super) async fn enter<T, F>(&self, id: &str, work: F) -> Option<T>
    where
        F: FnOnce(&mut Slot<Customer>) -> T,
    {
        self.enter_if(id, false, work).await.ok()
    }

    /// Hands the effects of a run that began in an epoch to the backend, in the customer's critical section.
    pub(super) fn submit(
        &self,
        id: &str,
        slot: &mut Slot<Customer>,
        (epoch, at): (u64, Moment),
        effects: Effects,
    ) -> Pending<'_> {
        let Effects { log, consent, mut state, keeps_settled, durability, publish, sample, outcome } = effects;
        let revokes = slot.customer.epoch() != epoch;
        let logged = publish.map(|record| Logged::Decision(record.to_log(sample))).or(outcome.map(Logged::Outcome));
        if revokes {
            state = StateChange::Changed;
            self.revocations.deny();
        }
        if !keeps_settled {
            slot.customer.settled = None;
        }
        let Slot { customer, cached, .. } = slot;
        self.storage.backend().commit(Transaction {
            id,
            customer,
            at,
            cached,
            state,
            log,
            consent,
            durability,
            logged,
            revokes,
        })
    }

    async fn epoch<O: Operation>(&self, operation: &O) -> Option<u64> {
        self.enter(operation.customer(), |slot| slot.customer.epoch()).await
    }

    /// What operations under these rules may know now.
    pub(super) fn context<'a>(&'a self, rules: &'a RuleSet, arrived: Moment) -> Context<'a> {
        let (now, ledger_trusted) = (self.clock.steady(arrived), self.trusted());
        let sample = self.storage.backend().decision_log().map_or(0, DecisionLog::sample);
        let (purges_from, contacts) = (self.clock.purges_from(), self.contacts());
        let (ids_kept, ids, recent) = (self.ids_kept, self.decisions.ids(), &self.decisions);
        Context { rules, arrived, now, ledger_trusted, contacts, purges_from, sample, ids_kept, ids, recent }
    }
}

/// A run whose effects the backend has.
struct Ran<'e, D> {
    draft: D,
    pending: Pending<'e>,
    published: Option<Arc<DecisionRecord>>,
    /// Its consent records, if it has any, until they are durable.
    recording: Option<Recording<'e>>,
    /// The load of the customer that it changed; 0 where one engine has the backend to itself.
    load: u64,
    /// When it happened to the customer.
    at: Moment,
}

/// Releases what a run holds when its commit ends, for whatever reason.
struct Release<'e, O: Operation> {
    engine: &'e Engine,
    operation: &'e O,
}

impl<O: Operation> Drop for Release<'_, O> {
    fn drop(&mut self) {
        // Who holds something stays in memory.
        let release = |slot: &mut Slot<Customer>| self.operation.release(&mut slot.customer);
        _ = self.engine.customers.update(self.operation.customer(), release);
    }
}

#[cfg(test)]
mod tests;
