//! Replays a timeline of recorded calls in virtual time through the engine, and summarises the results.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::estimate::{Estimate, Estimator};
use super::line::{Line, Logged};
use super::step::{Step, What, moment, outcome};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::{DecisionRecord, Engine, Limits, OutcomeInput};
use crate::ledger::MemoryLedger;

/// A decision has the weight 1 / propensity; a smaller propensity than this would outweigh all other decisions.
const LEAST_PROPENSITY: f64 = 1e-6;

/// A replay in progress.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    rules: Arc<RuleSet>,
    last: Moment,
    customers: HashMap<String, usize>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    decisions: u64,
    silences: BTreeMap<&'static str, u64>,
    contacts: BTreeMap<String, u64>,
    logged: u64,
    logged_contacts: u64,
    matched: u64,
    kept_contacts: u64,
    logged_reward: f64,
    kept_reward: f64,
    without_propensity: u64,
    certain: u64,
    replayed: Estimator,
    as_logged: Estimator,
    always: BTreeMap<Option<String>, Estimator>,
}

/// The results of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The hash of the rules.
    pub rule_set: String,
    /// Questions answered.
    pub decisions: u64,
    /// How many of them were answered with silence.
    pub silences: u64,
    /// Silences by reason.
    pub silence_reasons: BTreeMap<&'static str, u64>,
    /// Contacts made, by action.
    pub contacts: BTreeMap<String, u64>,
    /// The comparison with the log, if the timeline has one.
    pub logged: Option<LoggedSummary>,
}

/// A comparison of a replay with what was actually done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoggedSummary {
    /// Decisions for which the log is known.
    pub decisions: u64,
    /// How many of them made the logged choice, silence included.
    pub matched: u64,
    /// Contacts in the log.
    pub contacts: u64,
    /// How many of them the replay made too.
    pub contacts_kept: u64,
    /// Reward in the log.
    pub reward: f64,
    /// The part of it that the replay earned too: the reward of matched decisions.
    pub reward_kept: f64,
    /// Why there are no estimates; `None` if there are some.
    pub no_estimates: Option<&'static str>,
    /// Estimated reward per decision, by policy.
    pub policies: Vec<PolicyEstimate>,
}

/// The reward per decision under one policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyEstimate {
    /// The policy: `replayed`, `logged`, `always ACTION`, `always silence`.
    pub policy: String,
    /// The IPS estimate: unbiased.
    pub ips: Option<Estimate>,
    /// The SNIPS estimate: lower variance.
    pub snips: Option<Estimate>,
}

/// One decision, as `--out` writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// When it was decided, RFC 3339.
    pub at: String,
    /// The customer's id.
    pub customer: String,
    /// The channel's id.
    pub channel: String,
    /// The actions chosen, best first.
    pub actions: Vec<String>,
    /// The score of the best action.
    pub score: Option<f64>,
    /// The reason for silence.
    pub silence: Option<&'static str>,
    /// What was actually done, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged: Option<Option<String>>,
}

impl Replay {
    /// A replay under a rule set.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>) -> Self {
        let ledger = Arc::new(MemoryLedger::default());
        Self::over(Engine::new(rules, ledger, Limits { decisions: 64 << 10 }, Moment::DISTANT_PAST))
    }

    /// A replay through an engine, under the rules that it has in force.
    #[must_use]
    pub fn over(engine: Engine) -> Self {
        let rules = Arc::clone(&engine.rules().set);
        Self { engine, rules, last: Moment::DISTANT_PAST, customers: HashMap::new(), tally: Tally::default() }
    }

    /// The engine, after the replay.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// Plays one line; a question returns its decision, an empty line nothing.
    ///
    /// # Errors
    /// The error in the line.
    pub fn play(&mut self, line: &str) -> Result<Option<Decided>, String> {
        let Some(line) = Line::read(line)? else { return Ok(None) };
        let at = moment(line.at.as_deref().ok_or("needs `at`")?)?;
        if at < self.last {
            return Err(format!("{at} is earlier than the line before ({}); sort the timeline by `at`", self.last));
        }
        if line.ago.is_some() {
            return Err("ago: belongs to rule tests; a timeline says when with `at`".into());
        }
        self.last = at;
        let customer = line.customer.clone().ok_or("needs `customer`")?;
        let step = Step::new(line, at, &customer, &self.rules)?;
        let logged = match &step.what {
            What::Decide(_, logged) => logged.clone(),
            _ => None,
        };
        if let Some(logged) = &logged {
            self.check(logged)?;
        }
        let Some(record) = step.play(&self.engine)? else { return Ok(None) };
        let decided = self.count(&record, logged.as_ref());
        if let Some(logged) = logged {
            self.compare(&record, &logged)?;
        }
        Ok(Some(decided))
    }

    fn check(&self, logged: &Logged) -> Result<(), String> {
        if let Some(propensity) = logged.propensity {
            check_propensity(propensity)?;
        }
        if !logged.reward.is_finite() {
            return Err("logged.reward: must be a finite number".into());
        }
        if let Some(name) = &logged.outcome {
            outcome(name).map_err(|why| format!("logged.outcome: {why}"))?;
        }
        let known =
            |name: &String| self.rules.vocabulary.find(name).is_some_and(|id| self.rules.actions.get(id).is_some());
        match &logged.action {
            Some(name) if !known(name) => Err(format!("logged.action: no action is called `{name}`")),
            _ => Ok(()),
        }
    }

    fn count(&mut self, record: &DecisionRecord, logged: Option<&Logged>) -> Decided {
        let names: Vec<String> = record
            .decision
            .actions
            .iter()
            .map(|chosen| record.rules.vocabulary.name(chosen.action).to_owned())
            .collect();
        let silence = record.decision.silence.as_ref().map(|silence| silence.reason.name());
        self.tally.decisions += 1;
        if let Some(reason) = silence {
            *self.tally.silences.entry(reason).or_default() += 1;
        }
        for name in &names {
            *self.tally.contacts.entry(name.clone()).or_default() += 1;
        }
        Decided {
            at: record.at.to_string(),
            customer: record.question.customer.to_string(),
            channel: record.question.channel.to_string(),
            score: record.decision.actions.first().map(|chosen| chosen.score.total),
            actions: names,
            silence,
            logged: logged.map(|logged| logged.action.clone()),
        }
    }

    /// If the choice equals the logged action, the logged outcome happens here too.
    fn compare(&mut self, record: &DecisionRecord, logged: &Logged) -> Result<(), String> {
        let chosen = record.decision.actions.first().map(|chosen| record.rules.vocabulary.name(chosen.action));
        let matched = chosen == logged.action.as_deref();
        let next = self.customers.len();
        let customer = *self.customers.entry(record.question.customer.to_string()).or_insert(next);
        self.tally.add(customer, matched, logged);
        if let (true, Some(action), Some(name)) = (matched, &logged.action, &logged.outcome) {
            let input = OutcomeInput {
                outcome_id: String::new(),
                decision_id: record.id(),
                customer: String::new(),
                action: action.clone(),
                channel: String::new(),
                outcome: outcome(name).map_err(|why| format!("logged.outcome: {why}"))?,
                occurred: Some(record.at),
            };
            Step { at: record.at, what: What::Outcome(input) }.play(&self.engine)?;
        }
        Ok(())
    }

    /// The results so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let tally = &self.tally;
        Summary {
            rule_set: self.rules.hash.clone(),
            decisions: tally.decisions,
            silences: tally.silences.values().sum(),
            silence_reasons: tally.silences.clone(),
            contacts: tally.contacts.clone(),
            logged: (tally.logged > 0).then(|| tally.logged_summary()),
        }
    }
}

fn check_propensity(propensity: f64) -> Result<(), String> {
    if !(propensity > 0.0 && propensity <= 1.0) {
        return Err("logged.propensity: must be above 0 and at most 1".into());
    }
    if propensity < LEAST_PROPENSITY {
        return Err(format!(
            "logged.propensity: {propensity} is below {LEAST_PROPENSITY}, so this line would count for more than \
             {:.0} others and drown them; check how it was reckoned",
            1.0 / LEAST_PROPENSITY
        ));
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, customer: usize, matched: bool, logged: &Logged) {
        let contact = logged.action.is_some();
        self.logged += 1;
        self.logged_contacts += u64::from(contact);
        self.matched += u64::from(matched);
        self.kept_contacts += u64::from(matched && contact);
        self.logged_reward += logged.reward;
        self.kept_reward += if matched { logged.reward } else { 0.0 };
        if !self.always.contains_key(&logged.action) {
            self.always.insert(logged.action.clone(), self.as_logged.blank());
        }
        self.as_logged.add(customer, 1.0, logged.reward);
        let Some(propensity) = logged.propensity else {
            self.without_propensity += 1;
            return;
        };
        self.certain += u64::from(propensity >= 1.0);
        self.replayed.add(customer, if matched { 1.0 / propensity } else { 0.0 }, logged.reward);
        for (action, estimator) in &mut self.always {
            let weight = if *action == logged.action { 1.0 / propensity } else { 0.0 };
            estimator.add(customer, weight, logged.reward);
        }
    }

    fn logged_summary(&self) -> LoggedSummary {
        let no_estimates = if self.without_propensity > 0 {
            Some("not every logged decision has a propensity")
        } else if self.certain > 0 {
            Some("the log always made the same choice (propensity 1), so nothing is known about others")
        } else {
            None
        };
        let mut policies = Vec::new();
        if no_estimates.is_none() {
            policies.push(estimate("replayed", &self.replayed));
        }
        policies.push(estimate("logged", &self.as_logged));
        for (action, estimator) in self.always.iter().filter(|_| no_estimates.is_none()) {
            let name = action.as_deref().unwrap_or("silence");
            policies.push(estimate(&format!("always {name}"), estimator));
        }
        LoggedSummary {
            decisions: self.logged,
            matched: self.matched,
            contacts: self.logged_contacts,
            contacts_kept: self.kept_contacts,
            reward: self.logged_reward,
            reward_kept: self.kept_reward,
            no_estimates,
            policies,
        }
    }
}

fn estimate(policy: &str, estimator: &Estimator) -> PolicyEstimate {
    PolicyEstimate { policy: policy.to_owned(), ips: estimator.ips(), snips: estimator.snips() }
}
