//! Finds past decisions: the newest in memory, all others in the decision log.

use std::sync::Arc;

use super::operations::{Decide, Question, ShowDecision, is_readable};
use super::{DecisionId, DecisionRecord, Engine, EngineError};
use crate::decision_log::{DecisionLog, LogCounts, LoggedDecision, Place, ReadDecision, Tally, Wanted};
use crate::domain::customer::KnownRequest;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::id::{ActionId, ChannelId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::storage::Backend;
use crate::sync::block_on;

/// Which past decisions are wanted; an empty text means all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecisionQuery {
    /// Only this customer's.
    pub customer: String,
    /// Only those that chose this action.
    pub action: String,
    /// Only those on this channel.
    pub channel: String,
    /// Not before this moment.
    pub from: Option<Moment>,
    /// Before this moment.
    pub to: Option<Moment>,
    /// Only those before this place in the log.
    pub before: Option<Place>,
    /// At most this many.
    pub most: usize,
}

/// Past decisions, the newest first, and the place before which the next page goes on.
pub type DecisionPage = (Vec<Arc<DecisionRecord>>, Option<Place>);

impl Engine {
    /// A past decision with its reasons, as it was made. Data that the customer has denied since is not shown.
    ///
    /// # Errors
    /// When no decision with this id is kept.
    pub fn decision(&self, id: &str, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        block_on(self.decision_async(id, now))
    }

    /// [`Engine::decision`] without waiting on this thread.
    ///
    /// # Errors
    /// Those of [`Engine::decision`].
    pub async fn decision_async(&self, id: &str, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        let unknown = || EngineError::UnknownDecision(id.chars().take(64).collect());
        let wanted = DecisionId::parse(id).filter(|id| !id.is_none()).ok_or_else(unknown)?;
        let held = self.decisions.get(wanted.key()).filter(|record| record.id == wanted);
        let record = match held.filter(|record| is_readable(record, self.clock.steady(now))) {
            Some(record) => record,
            None => {
                self.logged(wanted.at(), wanted.key()).await?.filter(|found| found.id == wanted).ok_or_else(unknown)?
            }
        };
        self.execute(&ShowDecision::new(record, self.rules()), now).await?.ok_or_else(unknown)
    }

    /// Decides, or gives the answer that the request got before, also if only the decision log has it.
    pub(super) async fn decide_or_recall(
        &self,
        decide: Decide,
        now: Moment,
    ) -> Result<Arc<DecisionRecord>, EngineError> {
        let decide = decide.recalling(self.storage.backend().keeps_decisions());
        match self.execute(&decide, now).await.flatten() {
            Err(EngineError::NotInMemory(known)) => match self.recalled(decide.question(), known, now).await? {
                Some(record) => Ok(record),
                None => self.execute(&decide.recalling(false), now).await.flatten(),
            },
            answer => answer,
        }
    }

    /// The answer to a request that it got before, if it may be shown whole.
    async fn recalled(
        &self,
        question: &Question,
        known: KnownRequest,
        now: Moment,
    ) -> Result<Option<Arc<DecisionRecord>>, EngineError> {
        let found = self.logged(known.at(), known.decision()).await?;
        // An answer whose values were overwritten is not shown.
        let same = |found: &Arc<DecisionRecord>| found.question.request_id == question.request_id;
        let Some(record) = found.filter(same) else { return Ok(None) };
        let shown = self.execute(&ShowDecision::new(Arc::clone(&record), self.rules()), now).await?;
        Ok(shown.filter(|shown| Arc::ptr_eq(shown, &record)))
    }

    /// A decision of the log, by its moment and its key. One that was made a moment ago is waited for.
    async fn logged(&self, at: Moment, key: DecisionKey) -> Result<Option<Arc<DecisionRecord>>, EngineError> {
        let find = move |backend: &dyn Backend| backend.past_decision(at, key.0);
        let mut found = self.off_thread(find).await?;
        if found.is_none() && self.storage.backend().decision_log().is_some() {
            self.wait_logged().await;
            found = self.off_thread(find).await?;
        }
        Ok(found.and_then(|read| self.of_log(read)))
    }

    fn of_log(&self, read: ReadDecision) -> Option<Arc<DecisionRecord>> {
        DecisionRecord::of_log(read, &self.rules().set).map(Arc::new)
    }

    /// The counters of the decision log, and the bytes of its index in memory; `None` without a log.
    #[must_use]
    pub fn decision_log_counts(&self) -> Option<(&LogCounts, usize)> {
        self.storage.backend().decision_log().map(|log| (log.counts(), log.index_memory()))
    }

    /// What was said and what became of it since the start; `None` without a decision log.
    #[must_use]
    pub fn tally(&self) -> Option<Tally> {
        self.storage.backend().decision_log().map(DecisionLog::tally)
    }

    /// Waits until what was decided before is in the decision log.
    pub async fn wait_logged(&self) {
        if let Some(log) = self.storage.backend().decision_log() {
            log.done().await;
        }
    }

    /// Past decisions, the newest first, as far as they may be shown.
    ///
    /// # Errors
    /// When a name is unknown, or the log cannot be read.
    pub async fn past_decisions(&self, query: DecisionQuery, now: Moment) -> Result<DecisionPage, EngineError> {
        let rules = self.rules();
        let filter = Filter::new(&query, &rules.set)?;
        if query.before.is_none() {
            // So that a list has every decision that was answered before it.
            self.wait_logged().await;
        }
        let (found, next) = match self.storage.backend().keeps_decisions() {
            true => {
                let (found, next) = self.listed(query, filter).await?;
                (found.into_iter().filter_map(|read| self.of_log(read)).collect(), next)
            }
            false => self.held(&query, &filter),
        };
        let mut shown = Vec::with_capacity(found.len());
        for record in found {
            let newest = self.decisions.get(record.id.key()).filter(|held| held.id == record.id);
            let show = ShowDecision::new(newest.unwrap_or(record), Arc::clone(&rules));
            shown.extend(self.execute(&show, now).await?);
        }
        Ok((shown, next))
    }

    async fn listed(
        &self,
        query: DecisionQuery,
        filter: Filter,
    ) -> Result<(Vec<ReadDecision>, Option<Place>), EngineError> {
        let find = move |backend: &dyn Backend| {
            let wanted = Wanted {
                customer: Some(query.customer.as_str()).filter(|id| !id.is_empty()),
                from: query.from.unwrap_or(Moment::DISTANT_PAST),
                to: query.to.unwrap_or(Moment::DISTANT_FUTURE),
                before: query.before,
                most: query.most,
            };
            backend.past_decisions(wanted, &|entry| filter.passes(entry))
        };
        self.off_thread(find).await
    }

    /// Without a log: the decisions in memory. Their ids stand for places.
    fn held(&self, query: &DecisionQuery, filter: &Filter) -> DecisionPage {
        let place = |record: &DecisionRecord| record.id.place();
        let wanted = |record: &DecisionRecord| {
            (query.customer.is_empty() || record.question.customer == query.customer)
                && (query.channel.is_empty() || record.question.channel == query.channel)
                && filter.action.is_none_or(|id| record.decision.actions.iter().any(|chosen| chosen.action == id))
                && query.from.is_none_or(|from| record.at >= from)
                && query.to.is_none_or(|to| record.at < to)
                && query.before.is_none_or(|before| place(record) < before)
        };
        let mut found = self.decisions.find(wanted);
        found.reverse();
        let more = found.len() > query.most;
        found.truncate(query.most);
        let next = found.last().filter(|_| more).map(|record| place(record));
        (found, next)
    }

    /// Every decision about a customer that is still known, oldest first: those of the log, with explanations where they
    /// are in memory.
    ///
    /// # Errors
    /// When past decisions cannot be read: a part of them would look like all.
    pub(super) fn decisions_of(&self, customer: &str, now: Moment) -> Result<Vec<Arc<DecisionRecord>>, EngineError> {
        let own = |record: &DecisionRecord| record.question.customer == customer && is_readable(record, now);
        let mut found = self.decisions.find(own);
        if self.storage.backend().keeps_decisions() {
            block_on(self.wait_logged());
            let (from, to) = (Moment::DISTANT_PAST, Moment::DISTANT_FUTURE);
            let wanted = Wanted { customer: Some(customer), from, to, before: None, most: usize::MAX };
            let logged = self.storage.backend().past_decisions(wanted, &|_| true);
            let (logged, _) = logged.map_err(EngineError::LogUnavailable)?;
            let logged = logged.into_iter().filter_map(|read| self.of_log(read));
            let logged: Vec<_> = logged.filter(|record| !found.iter().any(|held| held.id == record.id)).collect();
            found.extend(logged);
        }
        found.sort_by_key(|record| record.id);
        Ok(found)
    }

    /// Reads on another thread, if there is a runtime: no thread that answers calls waits for the disk.
    async fn off_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Backend) -> Result<T, String> + Send + 'static,
    ) -> Result<T, EngineError> {
        let backend = self.storage.shared_backend();
        let read = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(move || read(&*backend)).await.map_err(|_| EngineError::Failed)?,
            Err(_) => read(&*backend),
        };
        read.map_err(EngineError::LogUnavailable)
    }
}

/// The names of a query, as numbers.
#[derive(Debug, Clone, Copy)]
struct Filter {
    action: Option<ActionId>,
    channel: Option<ChannelId>,
}

impl Filter {
    fn new(query: &DecisionQuery, rules: &RuleSet) -> Result<Self, EngineError> {
        let wrong = |field: &str, name: &str| {
            let name: String = name.chars().take(64).collect();
            EngineError::field(field, format!("`{name}` is not the name of one, now or before"))
        };
        let action = (!query.action.is_empty()).then(|| rules.vocabulary.find::<ActionId>(&query.action));
        let channel = (!query.channel.is_empty()).then(|| rules.vocabulary.find::<ChannelId>(&query.channel));
        let action = action.map(|id| id.ok_or_else(|| wrong("action_id", &query.action))).transpose()?;
        let channel = channel.map(|id| id.ok_or_else(|| wrong("channel", &query.channel))).transpose()?;
        Ok(Self { action, channel })
    }

    fn passes(&self, entry: &LoggedDecision) -> bool {
        self.action.is_none_or(|ActionId(id)| entry.actions.contains(&id))
            && self.channel.is_none_or(|ChannelId(id)| entry.channel == id)
    }
}

impl DecisionId {
    fn place(self) -> Place {
        let DecisionKey(offset) = self.key();
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        Place { segment: u64::from_be_bytes([a, b, c, d, e, f, g, h]), offset }
    }
}
