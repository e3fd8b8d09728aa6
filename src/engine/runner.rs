//! Runs operations: loads the customer, runs in the critical section, makes the effects durable, waits as long as the
//! promise needs, and runs again if a denial or an erasure came first.

use std::sync::Arc;

use super::operation::{Applied, Committed, Context, Durability, Effects, Operation, StateChange, Undone};
use super::{Customer, DecisionRecord, Engine, EngineError};
use crate::domain::consent::ConsentRecord;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::LedgerError;
use crate::store::{LogEntry, Mutation};
use crate::sync;

impl Engine {
    /// Runs an operation and answers when its effects are as durable as it promises.
    ///
    /// Where consent is recorded, the caller must not drop the future while it waits for the disk: use
    /// [`Engine::execute_detached`].
    ///
    /// # Errors
    /// When the ledger does not take the records of a consent. Restrictions stay in effect.
    pub async fn execute<O: Operation>(&self, operation: &O, now: Moment) -> Result<O::Answer, EngineError> {
        let context = self.context(operation.rules(), now);
        loop {
            let denials = self.revocations.denials();
            let Ran { draft, durability, published } = self.run(operation, &context).await?;
            operation.explain(&draft);
            self.wait_for(durability).await;
            let epoch = operation.relies_on(&draft);
            // Without a denial since, no answer needs a look at its customer.
            if epoch.is_some() && self.revocations.denials() != denials && Some(self.epoch(operation).await) != epoch {
                self.undo(operation, &draft).await;
                continue;
            }
            if let Some(record) = &published {
                self.decisions.send(record);
            }
            return Ok(operation.finish(draft));
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
    ) -> Result<Vec<O::Answer>, EngineError> {
        let (mut answers, mut needed) = (Vec::with_capacity(operations.len()), Durability::Memory);
        for operation in operations {
            let Ran { draft, durability, .. } = self.run(operation, &self.context(operation.rules(), now)).await?;
            needed = needed.max(durability);
            answers.push(operation.finish(draft));
        }
        self.wait_for(needed).await;
        Ok(answers)
    }

    /// Runs an operation once; its consent records are durable and its grants in effect when this returns.
    async fn run<O: Operation>(&self, operation: &O, context: &Context<'_>) -> Result<Ran<O::Draft>, EngineError> {
        let erasures = self.revocations.erasures();
        let Applied { mut draft, effects } = self.run_in_memory(operation, context).await;
        let Effects { consent, durability, publish, .. } = effects;
        if !consent.is_empty() {
            self.commit(operation, &mut draft, Commit { records: consent, erasures, context }).await?;
        }
        if let Some(record) = &publish {
            self.decisions.keep(record);
        }
        Ok(Ran { draft, durability, published: publish })
    }

    /// Runs an operation in the customer's critical section; what needs no disk is in effect when this returns.
    async fn run_in_memory<O: Operation>(&self, operation: &O, context: &Context<'_>) -> Applied<O::Draft> {
        let id = operation.customer();
        let run = |customer: &mut Customer| {
            let before = customer.epoch();
            let mut applied = operation.run(customer, context);
            let mutation = self.mutation(id, customer, before, &mut applied.effects);
            (applied, mutation)
        };
        self.enter(id, run).await
    }

    /// Makes consent records durable, then lets them take effect.
    async fn commit<O: Operation>(
        &self,
        operation: &O,
        draft: &mut O::Draft,
        commit: Commit<'_>,
    ) -> Result<(), EngineError> {
        let Commit { mut records, erasures, context } = commit;
        let _release = Release { engine: self, operation };
        // No erasure can happen between this check, the write and the effect.
        let _no_erasure = self.revocations.erasing.read().await;
        if self.revocations.erasures() != erasures {
            // An erasure may have removed the restrictions, and a yes may now come from an erased customer.
            self.undo(operation, draft).await;
            let applied = self.run_in_memory(operation, context).await;
            (*draft, records) = (applied.draft, applied.effects.consent);
        }
        if records.is_empty() {
            return Ok(());
        }
        match self.storage.ledger().submit(records.clone()).await {
            Ok(position) => {
                let done = Committed { records: &records, position, context: *context };
                let take_effect = |customer: &mut Customer| {
                    operation.take_effect(customer, draft, &done);
                    customer.settled = None;
                    ((), Mutation::State)
                };
                self.enter(operation.customer(), take_effect).await;
                Ok(())
            }
            Err(error) => {
                if !matches!(error, LedgerError::Full(_)) {
                    self.trust_ledger(false);
                }
                Err(EngineError::LedgerUnavailable(error.to_string()))
            }
        }
    }

    /// Undoes a run.
    async fn undo<O: Operation>(&self, operation: &O, draft: &O::Draft) {
        let id = operation.customer();
        let undo = |customer: &mut Customer| {
            let before = customer.epoch();
            let Undone { mut effects, forget } = operation.undo(customer, draft);
            (forget, self.mutation(id, customer, before, &mut effects))
        };
        if let Some(record) = self.enter(id, undo).await {
            self.decisions.remove(record.id.key());
        }
    }

    /// Changes a customer in the critical section, after loading them if they are not in memory: the only way to a
    /// customer. No thread that answers calls waits for the disk here.
    pub(super) async fn enter<T, F>(&self, id: &str, work: F) -> T
    where
        F: FnOnce(&mut Customer) -> (T, Mutation),
    {
        let mut work = match self.customers.update(id, work) {
            Ok(result) => return result,
            Err(work) => work,
        };
        loop {
            let ticket = self.customers.ticket(id);
            let loaded = self.load(id).await;
            work = match self.customers.update_loaded(id, loaded, ticket, work) {
                Ok(result) => return result,
                Err(work) => work,
            };
        }
    }

    /// How a customer must be stored after effects that began in an epoch.
    fn mutation(&self, id: &str, customer: &mut Customer, epoch: u64, effects: &mut Effects) -> Mutation {
        if customer.epoch() != epoch {
            effects.state = StateChange::Changed;
            self.revocations.deny();
        }
        if !effects.keeps_settled {
            customer.settled = None;
        }
        let log = std::mem::take(&mut effects.log);
        match effects.state {
            StateChange::None => Mutation::None,
            StateChange::Changed if log.is_empty() => Mutation::State,
            state => {
                let Some(customer) = self.storage.pseudonym(id) else { return Mutation::State };
                let entries = log.into_iter().map(|change| LogEntry { customer, change }).collect();
                if state == StateChange::Logged { Mutation::Logged(entries) } else { Mutation::LoggedAndState(entries) }
            }
        }
    }

    async fn epoch<O: Operation>(&self, operation: &O) -> u64 {
        self.enter(operation.customer(), |customer| (customer.epoch(), Mutation::None)).await
    }

    /// Waits until the effects so far are durable.
    async fn wait_for(&self, durability: Durability) {
        if durability == Durability::Process {
            self.wait_durable().await;
        }
    }

    /// What operations under these rules may know now.
    pub(super) fn context<'a>(&'a self, rules: &'a RuleSet, arrived: Moment) -> Context<'a> {
        let (now, ledger_trusted) = (self.clock.steady(arrived), self.trusted());
        Context { rules, arrived, now, ledger_trusted, ids: self.decisions.ids() }
    }
}

/// A run whose consent records are durable.
struct Ran<D> {
    draft: D,
    durability: Durability,
    published: Option<Arc<DecisionRecord>>,
}

/// Consent records to make durable, and the count of erasures before the run that made them.
struct Commit<'a> {
    records: Vec<ConsentRecord>,
    erasures: u64,
    context: &'a Context<'a>,
}

/// Releases what a run holds when its commit ends, for whatever reason.
struct Release<'e, O: Operation> {
    engine: &'e Engine,
    operation: &'e O,
}

impl<O: Operation> Drop for Release<'_, O> {
    fn drop(&mut self) {
        // Who holds something stays in memory.
        let release = |customer: &mut Customer| (self.operation.release(customer), Mutation::None);
        _ = self.engine.customers.update(self.operation.customer(), release);
    }
}

#[cfg(test)]
mod tests;
