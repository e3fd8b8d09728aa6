//! RuleService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::caller::Binding;
use super::consent::change;
use super::proto::rule_service_server::RuleService;
use super::read::{self, Wrong};
use super::status::{status, wrong_field};
use super::{Shared, convert, off_thread, proto};
use crate::domain::id::{EventTypeId, Id, IdMap};
use crate::domain::model::{EventType, Shape};
use crate::domain::rule_set::RuleSet;
use crate::domain::value::Type;
use crate::engine::{ActiveRules, Decide, Outcome};
use crate::rules::{Loaded, load};

/// Reads the rule folder again, and puts it in force if it is valid.
pub type ReloadRules = Arc<dyn Fn() -> Arc<ActiveRules> + Send + Sync>;

/// The most bytes of rule files that a caller may send.
const MOST_BYTES: usize = 1024 * 1024;

/// RuleService over an engine.
#[derive(Clone)]
pub struct RuleApi {
    /// The engine and the clock.
    pub shared: Shared,
    /// Reads the rule folder again.
    pub reload: ReloadRules,
}

impl std::fmt::Debug for RuleApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RuleApi")
    }
}

#[tonic::async_trait]
impl RuleService for RuleApi {
    async fn get_rule_set(
        &self,
        _request: Request<proto::GetRuleSetRequest>,
    ) -> Result<Response<proto::GetRuleSetResponse>, Status> {
        let active = self.shared.engine.rules();
        let set = &active.set;
        Ok(Response::new(proto::GetRuleSetResponse {
            rule_set: set.hash.clone(),
            active_since: Some(convert::timestamp(active.since)),
            actions: count(set.actions.len()),
            journeys: count(set.journeys.len()),
            last_reload_failed: active.refused(),
            diagnostics: convert::diagnostics(&active.reading.diagnostics, &active.reading.sources),
            purposes: names(&set.declared.purposes, set),
            channels: names(&set.declared.channels, set),
            action_ids: names(&set.actions, set),
            status: active.to_string(),
            last_read_at: Some(convert::timestamp(active.reading.at)),
            context: facts(&set.declared.context, set, |fact| &fact.shape),
            attributes: facts(&set.declared.attributes, set, |attribute| &attribute.shape),
            events: events(set),
        }))
    }

    async fn check_rules(
        &self,
        request: Request<proto::CheckRulesRequest>,
    ) -> Result<Response<proto::CheckRulesResponse>, Status> {
        let files = request.into_inner().files;
        if files.is_empty() {
            return Err(wrong_field("files", "is empty; give at least one"));
        }
        let loaded = self.load_sent(files).await?;
        Ok(Response::new(proto::CheckRulesResponse {
            diagnostics: convert::diagnostics(&loaded.diagnostics, &loaded.sources),
            rule_set: loaded.rule_set.map(|set| set.hash).unwrap_or_default(),
        }))
    }

    async fn simulate_decision(
        &self,
        request: Request<proto::SimulateDecisionRequest>,
    ) -> Result<Response<proto::SimulateDecisionResponse>, Status> {
        let binding = Binding::of(&request);
        let request = request.into_inner();
        let question = request.request.ok_or_else(|| wrong_field("request", "is required"))?;
        binding.both(&question.customer_id, &question.channel)?;
        let engine = &self.shared.engine;
        let (question, mut wrong) = read::question(question);
        let now = self.shared.clock.now();
        let at = wrong.moment("at", request.at).unwrap_or(now);
        wrong.or(Decide::new(question.clone(), engine.rules())).map_err(|error| status(&error))?;
        let (rules, diagnostics) = if request.files.is_empty() {
            (Some(Arc::clone(&engine.rules().set)), Vec::new())
        } else {
            let loaded = self.load_sent(request.files).await?;
            let diagnostics = convert::diagnostics(&loaded.diagnostics, &loaded.sources);
            (loaded.rule_set.map(Arc::new), diagnostics)
        };
        let decision = match rules {
            Some(rules) => {
                let decide = Decide::simulated(question, rules, at, engine.rules());
                let consents = request.consents.into_iter().map(change).collect();
                let decide =
                    decide.and_then(|decide| decide.supposing(consents, now)).map_err(|error| status(&error))?;
                let decided = engine.execute(&decide, now).await.flatten();
                Some(convert::decision(&*decided.map_err(|error| status(&error))?))
            }
            None => None,
        };
        Ok(Response::new(proto::SimulateDecisionResponse { decision, diagnostics }))
    }

    async fn reload_rules(
        &self,
        request: Request<proto::ReloadRulesRequest>,
    ) -> Result<Response<proto::ReloadRulesResponse>, Status> {
        self.shared.audit.note(&request, "RuleService/ReloadRules", "").await?;
        let reload = Arc::clone(&self.reload);
        let active = off_thread(move || reload()).await?;
        let outcome = match active.reading.outcome {
            Outcome::Changed => proto::ReloadOutcome::Changed,
            Outcome::Unchanged => proto::ReloadOutcome::Unchanged,
            Outcome::Refused => proto::ReloadOutcome::Refused,
        };
        Ok(Response::new(proto::ReloadRulesResponse {
            rule_set: active.set.hash.clone(),
            diagnostics: convert::diagnostics(&active.reading.diagnostics, &active.reading.sources),
            outcome: outcome.into(),
        }))
    }
}

impl RuleApi {
    /// Loads files that a caller sent, with the vocabulary of the rules in force.
    async fn load_sent(&self, files: Vec<proto::RuleFile>) -> Result<Loaded, Status> {
        let mut wrong = Wrong::default();
        for (index, file) in files.iter().enumerate() {
            let field = || format!("files[{index}].path");
            if file.path.is_empty() {
                wrong.refuse(field(), "is required");
            } else if files.iter().take(index).any(|before| before.path == file.path) {
                wrong.refuse(field(), "is the path of another file, too");
            }
        }
        wrong.none()?;
        let bytes: usize = files.iter().map(|file| file.path.len() + file.text.len()).sum();
        if bytes > MOST_BYTES {
            return Err(wrong_field("files", "are larger than 1 MiB together"));
        }
        let active = self.shared.engine.rules();
        off_thread(move || load(convert::sources(files), &active.set.vocabulary)).await
    }
}

fn names<I: Id, T>(declared: &IdMap<I, T>, set: &RuleSet) -> Vec<String> {
    declared.ids().map(|id| set.vocabulary.name(id).to_owned()).collect()
}

fn facts<I: Id, T>(declared: &IdMap<I, T>, set: &RuleSet, shape: impl Fn(&T) -> &Shape) -> Vec<proto::DeclaredFact> {
    declared.iter().map(|(id, fact)| declaration(set.vocabulary.name(id), shape(fact))).collect()
}

fn events(set: &RuleSet) -> Vec<proto::DeclaredEvent> {
    let fields = |event: &EventType| {
        let fields = event.fields.iter().filter_map(|id| set.declared.fields.get(*id));
        fields.map(|field| declaration(&field.name, &field.shape)).collect()
    };
    let event = |(id, event)| proto::DeclaredEvent {
        r#type: set.vocabulary.name::<EventTypeId>(id).to_owned(),
        fields: fields(event),
    };
    set.declared.events.iter().map(event).collect()
}

fn declaration(name: &str, shape: &Shape) -> proto::DeclaredFact {
    let kind = match shape.kind {
        Type::Text => proto::FactType::Text,
        Type::Number => proto::FactType::Number,
        Type::Flag => proto::FactType::Flag,
        Type::Moment => proto::FactType::Moment,
        Type::Duration => proto::FactType::Span,
        Type::List => proto::FactType::List,
    };
    let one_of = shape.one_of.iter().flatten().map(ToString::to_string).collect();
    proto::DeclaredFact { name: name.to_owned(), r#type: kind.into(), one_of }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
