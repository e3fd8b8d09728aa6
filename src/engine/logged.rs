//! Decisions as entries of the decision log, and back.

use std::borrow::Cow;
use std::sync::Arc;

use super::DecisionRecord;
use super::ids::DecisionId;
use super::log::Callers;
use super::operations::{Question, Snapshot};
use crate::decision_log::{
    ActionValues, DecisionValues, Loggable, LoggedDecision, LoggedValue, ReadDecision, SilenceValues,
};
use crate::domain::decide::{Chosen, Decision, Explain, Silence, SilenceReason};
use crate::domain::id::{ActionId, ChannelId, PurposeSet};
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::Score;
use crate::domain::time::{Moment, Period};
use crate::domain::value::Value;

/// The reason of a silence whose values are not readable any more.
const NOT_SHOWN: &str = "not shown: the customer's data may no longer be used so";

impl Loggable for DecisionRecord {
    fn customer(&self) -> &str {
        &self.question.customer
    }

    fn describe(&self, entry: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        entry(self.entry(), &values(self));
    }
}

/// A decision of the sample, with what it knew.
#[derive(Debug)]
struct Sampled {
    record: Arc<DecisionRecord>,
    snapshot: Box<Snapshot>,
}

impl Loggable for Sampled {
    fn customer(&self) -> &str {
        &self.record.question.customer
    }

    fn describe(&self, entry: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        let gates = self.snapshot.gates(&self.record.rules, self.record.at);
        let stopped = gates.into_iter().map(|(action, gate)| (action.0, u8::try_from(gate.index()).unwrap_or(u8::MAX)));
        let values = DecisionValues { stopped: stopped.collect(), ..values(&self.record) };
        entry(LoggedDecision { sampled: true, ..self.record.entry() }, &values);
    }
}

impl DecisionRecord {
    fn entry(&self) -> LoggedDecision {
        let Decision { actions, silence, purposes_used, ledger_position, .. } = &self.decision;
        LoggedDecision {
            customer: [0; 20],
            id: self.id.bytes(),
            at: self.at.0,
            channel: self.rules.vocabulary.find::<ChannelId>(&self.question.channel).map_or(u8::MAX, |id| id.0),
            actions: actions.iter().map(|chosen| chosen.action.0).collect(),
            silence: silence.as_ref().and_then(|silence| u8::try_from(silence.reason.index()).ok()),
            purposes: purposes_used.0,
            position: *ledger_position,
            epoch: self.epoch,
            rules: hash_bytes(self.rule_set()),
            sampled: false,
        }
    }
}

fn values(record: &DecisionRecord) -> DecisionValues<'_> {
    let (question, decision) = (&record.question, &record.decision);
    DecisionValues {
        request_id: Cow::Borrowed(&question.request_id),
        context: question.context.iter().map(|(name, value)| (Cow::Borrowed(&**name), logged(value))).collect(),
        max_actions: question.max_actions,
        groups: question.groups.iter().map(|group| Cow::Borrowed(&**group)).collect(),
        explain: question.explain as u8,
        valid_until: decision.valid_until.0,
        actions: decision.actions.iter().map(action_values).collect(),
        silence: decision.silence.as_ref().map(|silence| SilenceValues {
            detail: Cow::Borrowed(&silence.detail),
            nearest: silence.nearest.map(|(action, gap)| (action.0, gap)),
            retry_after: silence.retry_after.map(|at| at.0),
        }),
        truncated: decision.history_truncated,
        stopped: Vec::new(),
    }
}

fn action_values(chosen: &Chosen) -> ActionValues<'_> {
    let mut terms = [0.0; 8];
    terms.iter_mut().zip(chosen.score.terms()).for_each(|(to, (_, value))| *to = value);
    ActionValues {
        content: Cow::Borrowed(&chosen.content),
        text: Cow::Borrowed(&chosen.text),
        terms,
        personal: chosen.score.personal,
        because: chosen.because.iter().map(|words| Cow::Borrowed(&**words)).collect(),
    }
}

fn logged(value: &Value) -> LoggedValue<'_> {
    match value {
        Value::Text(text) => LoggedValue::Text(Cow::Borrowed(text)),
        Value::Number(number) => LoggedValue::Number(*number),
        Value::Flag(flag) => LoggedValue::Flag(*flag),
        Value::Moment(at) => LoggedValue::Moment(at.0),
        Value::Duration(period) => LoggedValue::Duration(period.0),
        Value::List(items) => LoggedValue::List(items.iter().map(|item| Cow::Borrowed(&**item)).collect()),
    }
}

fn known(value: LoggedValue<'_>) -> Value {
    match value {
        LoggedValue::Text(text) => Value::Text(text.into()),
        LoggedValue::Number(number) => Value::Number(number),
        LoggedValue::Flag(flag) => Value::Flag(flag),
        LoggedValue::Moment(at) => Value::Moment(Moment(at)),
        LoggedValue::Duration(period) => Value::Duration(Period(period)),
        LoggedValue::List(items) => Value::List(items.into_iter().map(Into::into).collect()),
    }
}

impl DecisionRecord {
    /// A decision of the log; `None` if its customer's id is damaged. Names are those of the rules in force, which know
    /// every name that was ever used. What was overwritten is left out.
    pub(super) fn of_log(read: ReadDecision, rules: &Arc<RuleSet>) -> Option<Self> {
        let ReadDecision { entry, customer, values, .. } = read;
        let at = Moment(entry.at);
        let values = values.unwrap_or_else(|| DecisionValues {
            valid_until: entry.at,
            silence: Some(SilenceValues { detail: NOT_SHOWN.into(), ..SilenceValues::default() }),
            ..DecisionValues::default()
        });
        let question = Question {
            customer: customer?.into(),
            channel: rules.vocabulary.name(ChannelId(entry.channel)).into(),
            request_id: values.request_id.into(),
            context: values.context.into_iter().map(|(name, value)| (name.into(), known(value))).collect(),
            max_actions: values.max_actions,
            groups: values.groups.into_iter().map(Into::into).collect(),
            explain: explain(values.explain),
            validate_only: false,
            signals_objection: false,
        };
        let mut said = values.actions.into_iter();
        let actions = entry.actions.iter().map(|action| chosen(ActionId(*action), said.next().unwrap_or_default()));
        let reason = entry.silence.and_then(|reason| SilenceReason::at(usize::from(reason)));
        let detail = values.silence.unwrap_or_default();
        let decision = Decision {
            actions: actions.collect(),
            silence: reason.map(|reason| Silence {
                reason,
                detail: detail.detail.into(),
                nearest: detail.nearest.map(|(action, gap)| (ActionId(action), gap)),
                retry_after: detail.retry_after.map(Moment),
            }),
            purposes_used: PurposeSet(entry.purposes),
            ledger_position: entry.position,
            valid_until: Moment(values.valid_until),
            history_truncated: values.truncated,
            explanation: None,
        };
        Some(Self {
            id: DecisionId::of_bytes(entry.id),
            question,
            decision,
            rules: Arc::clone(rules),
            earlier_rules: Some(hash_text(entry.rules)).filter(|hash| *hash != rules.hash),
            at,
            epoch: entry.epoch,
            replaced: false,
            ids_truncated: false,
            callers: Callers::default(),
            explained: None,
        })
    }

    /// The decision as the log takes it: without its explanation, which takes much memory and is not logged.
    pub(super) fn to_log(self: &Arc<Self>, sample: Option<Box<Snapshot>>) -> Arc<dyn Loggable> {
        let record = match &self.explained {
            None => Arc::clone(self),
            Some(_) => Arc::new(Self { explained: None, ..Self::clone(self) }),
        };
        match sample {
            Some(snapshot) => Arc::new(Sampled { record, snapshot }),
            None => record,
        }
    }
}

fn explain(level: u8) -> Explain {
    let levels = [Explain::Chosen, Explain::Funnel, Explain::Full];
    levels.into_iter().find(|known| *known as u8 == level).unwrap_or_default()
}

fn chosen(action: ActionId, values: ActionValues<'_>) -> Chosen {
    let ActionValues { content, text, terms, personal, because } = values;
    Chosen {
        action,
        content: content.into(),
        text: text.into(),
        score: Score::of(terms, personal),
        because: because.into_iter().map(Into::into).collect(),
    }
}

/// The bytes of a rule set's hash, which is 32 hexadecimal digits.
fn hash_bytes(hash: &str) -> [u8; 16] {
    u128::from_str_radix(hash, 16).unwrap_or_default().to_be_bytes()
}

fn hash_text(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
