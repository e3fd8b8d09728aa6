//! Conversion between protocol messages and the engine's types.

use prost_types::Timestamp;

use super::proto;
use crate::domain::action;
use crate::domain::consent::{ConsentStatus, Denial};
use crate::domain::decide::{Decision, Explain, Loser, Silence, SilenceReason};
use crate::domain::id::{Id, PurposeSet};
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::{Score, Term};
use crate::domain::sources::{SourceFile, Sources};
use crate::domain::time::{Moment, Period};
use crate::domain::value::Value;
use crate::engine::{DecisionRecord, ItemCode, ItemResult, Question, StandingView};
use crate::rules::diagnostic::{Diagnostic, Severity};

pub fn moment(timestamp: Timestamp) -> Moment {
    let milliseconds = i64::from(timestamp.nanos / 1_000_000);
    Moment(timestamp.seconds.saturating_mul(1_000).saturating_add(milliseconds))
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder below 1000, times a million, fits")]
/// A moment as it is sent.
#[must_use]
pub fn timestamp(moment: Moment) -> Timestamp {
    Timestamp { seconds: moment.0.div_euclid(1_000), nanos: moment.0.rem_euclid(1_000) as i32 * 1_000_000 }
}

/// A value; `None` for one without a kind.
pub fn value(value: proto::Value) -> Option<Value> {
    use proto::value::Kind;
    Some(match value.kind? {
        Kind::Text(text) => Value::Text(text.into()),
        Kind::Number(number) => Value::Number(number),
        Kind::Flag(flag) => Value::Flag(flag),
        Kind::Moment(at) => Value::Moment(moment(at)),
        Kind::Span(span) => {
            let milliseconds = span.seconds.saturating_mul(1_000).saturating_add(i64::from(span.nanos / 1_000_000));
            Value::Duration(Period(milliseconds))
        }
        Kind::List(list) => Value::List(list.items.into_iter().map(Into::into).collect()),
    })
}

/// A length of time.
pub fn duration(period: Period) -> prost_types::Duration {
    prost_types::Duration { seconds: period.0 / 1_000, nanos: (period.0 % 1_000) as i32 * 1_000_000 }
}

pub fn wire_value(value: &Value) -> proto::Value {
    use proto::value::Kind;
    let kind = match value {
        Value::Text(text) => Kind::Text(text.to_string()),
        Value::Number(number) => Kind::Number(*number),
        Value::Flag(flag) => Kind::Flag(*flag),
        Value::Moment(at) => Kind::Moment(timestamp(*at)),
        Value::Duration(period) => Kind::Span(duration(*period)),
        Value::List(items) => Kind::List(proto::TextList { items: items.iter().map(ToString::to_string).collect() }),
    };
    proto::Value { kind: Some(kind) }
}

fn wire_question(question: &Question) -> proto::DecideRequest {
    let explain = match question.explain {
        Explain::Chosen => proto::ExplainLevel::Unspecified,
        Explain::Funnel => proto::ExplainLevel::Funnel,
        Explain::Full => proto::ExplainLevel::Full,
    };
    proto::DecideRequest {
        customer_id: question.customer.to_string(),
        channel: question.channel.to_string(),
        request_id: question.request_id.to_string(),
        context: question.context.iter().map(|(name, value)| (name.to_string(), wire_value(value))).collect(),
        max_actions: question.max_actions,
        groups: question.groups.clone(),
        explain: explain.into(),
        validate_only: question.validate_only,
        fallback: proto::Fallback::Unspecified.into(),
    }
}

pub fn past_decision(record: &DecisionRecord) -> proto::GetDecisionResponse {
    proto::GetDecisionResponse {
        request: Some(wire_question(&record.question)),
        decision: Some(decision(record)),
        decided_at: Some(timestamp(record.at)),
    }
}

pub fn decision(record: &DecisionRecord) -> proto::DecideResponse {
    let Decision { actions, silence, purposes_used, .. } = &record.decision;
    let rules = &record.rules;
    proto::DecideResponse {
        decision_id: record.id(),
        rule_set: record.rule_set().to_owned(),
        actions: actions.iter().map(|chosen| next_action(chosen, rules)).collect(),
        silence: silence.as_ref().map(|silence| wire_silence(silence, rules)),
        purposes_used: purposes(*purposes_used, rules),
        ledger_position: record.decision.ledger_position,
        valid_until: Some(timestamp(record.decision.valid_until)),
        explanation: record.explanation().map(|explanation| proto::Explanation {
            funnel: explanation
                .funnel
                .iter()
                .map(|(gate, entered, left)| proto::GateCount {
                    gate: gate.name().to_owned(),
                    entered: *entered,
                    left: *left,
                    gate_code: number(gate.index()),
                })
                .collect(),
            candidates: explanation.candidates.iter().map(|loser| candidate(loser, rules)).collect(),
        }),
        history_truncated: record.decision.history_truncated,
        replaced: record.replaced,
        ids_truncated: record.ids_truncated,
    }
}

fn next_action(chosen: &crate::domain::decide::Chosen, rules: &RuleSet) -> proto::NextAction {
    // A decision of the log may have chosen an action that is not declared any more.
    let action = rules.actions.get(chosen.action);
    proto::NextAction {
        action_id: name(chosen.action, rules),
        title: action.map_or_else(String::new, |action| action.title.clone()),
        kind: action.map_or("", |action| action.kind.name()).to_owned(),
        group: action.and_then(|action| action.group).map_or_else(String::new, |group| name(group, rules)),
        content: chosen.content.to_string(),
        text: chosen.text.to_string(),
        score: Some(score(chosen.score)),
        because: chosen.because.iter().map(ToString::to_string).collect(),
        kind_code: action.map_or(0, |action| number(action.kind.index())),
    }
}

fn score(score: Score) -> proto::Score {
    proto::Score {
        total: score.total,
        relevance: score.get(Term::Relevance),
        worth: score.get(Term::Worth),
        personal: score.personal,
        intrusiveness: score.intrusiveness(),
        interruption: score.get(Term::Interruption),
        pressure: score.get(Term::Pressure),
        hurt: score.get(Term::Hurt),
        terms: score.terms().map(|(term, value)| proto::ScoreTerm { name: term.name().to_owned(), value }).collect(),
    }
}

fn wire_silence(silence: &Silence, rules: &RuleSet) -> proto::Silence {
    let reason = match silence.reason {
        SilenceReason::NothingEligible => proto::SilenceReason::NothingEligible,
        SilenceReason::BelowThreshold => proto::SilenceReason::BelowThreshold,
        SilenceReason::ContactLimit => proto::SilenceReason::ContactLimit,
        SilenceReason::QuietHours => proto::SilenceReason::QuietHours,
        SilenceReason::NoConsent => proto::SilenceReason::NoConsent,
        SilenceReason::Restricted => proto::SilenceReason::Restricted,
        SilenceReason::Degraded => proto::SilenceReason::Degraded,
    };
    proto::Silence {
        reason: reason.into(),
        detail: silence.detail.clone(),
        nearest_action_id: silence.nearest.map_or_else(String::new, |(action, _)| name(action, rules)),
        nearest_gap: silence.nearest.map_or(0.0, |(_, gap)| gap),
        retry_after: silence.retry_after.map(timestamp),
    }
}

fn candidate(loser: &Loser, rules: &RuleSet) -> proto::Candidate {
    proto::Candidate {
        action_id: name(loser.action, rules),
        gate: loser.gate.name().to_owned(),
        reason: loser.reason.clone(),
        rule_file: loser.rule.file.clone(),
        rule_line: loser.rule.line,
        score: loser.score.map(score),
        flip: loser.flip.clone().unwrap_or_default(),
        needs_purposes: purposes(loser.needs_purposes, rules),
        gate_code: number(loser.gate.index()),
    }
}

fn name<I: Id>(id: I, rules: &RuleSet) -> String {
    rules.vocabulary.name(id).to_owned()
}

fn purposes(set: PurposeSet, rules: &RuleSet) -> Vec<String> {
    set.iter().map(|id| name(id, rules)).collect()
}

/// An outcome as it is sent.
pub fn wire_outcome(outcome: action::Outcome) -> i32 {
    number(outcome.index())
}

pub fn outcome(wire: i32) -> Option<action::Outcome> {
    use proto::Outcome as Wire;
    Some(match Wire::try_from(wire).ok()? {
        Wire::Unspecified => return None,
        Wire::Presented => action::Outcome::Presented,
        Wire::Clicked => action::Outcome::Clicked,
        Wire::Accepted => action::Outcome::Accepted,
        Wire::Rejected => action::Outcome::Rejected,
        Wire::NotNow => action::Outcome::NotNow,
        Wire::AlreadyDone => action::Outcome::AlreadyDone,
        Wire::Dismissed => action::Outcome::Dismissed,
        Wire::Complained => action::Outcome::Complained,
        Wire::NotPresented => action::Outcome::NotPresented,
    })
}

pub fn consent_status(wire: i32) -> Option<ConsentStatus> {
    use proto::ConsentStatus as Wire;
    Some(match Wire::try_from(wire).ok()? {
        Wire::Unspecified => return None,
        Wire::Given => ConsentStatus::Given,
        Wire::Refused => ConsentStatus::Refused,
        Wire::Withdrawn => ConsentStatus::Withdrawn,
        Wire::Revoked => ConsentStatus::Revoked,
        Wire::Objected => ConsentStatus::Objected,
        Wire::Restricted => ConsentStatus::Restricted,
        Wire::RestrictionLifted => ConsentStatus::RestrictionLifted,
        Wire::Expired => ConsentStatus::Expired,
        Wire::Erased => ConsentStatus::Erased,
        Wire::Returned => ConsentStatus::Returned,
    })
}

fn wire_consent_status(status: Option<ConsentStatus>) -> proto::ConsentStatus {
    use proto::ConsentStatus as Wire;
    match status {
        None => Wire::Unspecified,
        Some(ConsentStatus::Given) => Wire::Given,
        Some(ConsentStatus::Refused) => Wire::Refused,
        Some(ConsentStatus::Withdrawn) => Wire::Withdrawn,
        Some(ConsentStatus::Revoked) => Wire::Revoked,
        Some(ConsentStatus::Objected) => Wire::Objected,
        Some(ConsentStatus::Restricted) => Wire::Restricted,
        Some(ConsentStatus::RestrictionLifted) => Wire::RestrictionLifted,
        Some(ConsentStatus::Expired) => Wire::Expired,
        Some(ConsentStatus::Erased) => Wire::Erased,
        Some(ConsentStatus::Returned) => Wire::Returned,
    }
}

pub fn standing(view: StandingView) -> proto::Standing {
    proto::Standing {
        purpose: view.purpose,
        status: wire_consent_status(view.status).into(),
        usable: view.usable,
        lawful_basis: view.basis.to_owned(),
        since: view.since.map(timestamp),
        until: view.until.map(timestamp),
        ledger_position: view.position,
        needs_reconfirm: view.needs_reconfirm,
        denied_because: view.denial.map_or("", Denial::name).to_owned(),
        denied_code: view.denial.map_or(0, |denial| number(denial.index())),
    }
}

/// A code as it is sent.
pub fn code(code: ItemCode) -> i32 {
    number(code.index())
}

/// The number of a word in the enum of the protocol: its words are in the same order, after the unspecified one.
fn number(index: usize) -> i32 {
    i32::try_from(index).map_or(0, |index| index.saturating_add(1))
}

pub fn results(results: Vec<ItemResult>) -> Vec<proto::RecordResult> {
    (0..)
        .zip(results)
        .map(|(index, result)| proto::RecordResult {
            index,
            accepted: result.accepted,
            reason: result.reason,
            dropped_fields: result.dropped_fields,
            code: code(result.code),
            ids_truncated: result.ids_truncated,
        })
        .collect()
}

pub fn diagnostics(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<proto::Diagnostic> {
    let convert = |diagnostic: &Diagnostic| {
        let (start, end) = (sources.locate(diagnostic.span), sources.locate_end(diagnostic.span));
        let severity = match diagnostic.severity {
            Severity::Error => proto::Severity::Error,
            Severity::Warning => proto::Severity::Warning,
        };
        proto::Diagnostic {
            severity: severity.into(),
            code: diagnostic.code.to_string(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone().unwrap_or_default(),
            file: sources.file(diagnostic.span.file).map_or("", |file| sources.relative(file)).to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    };
    diagnostics.iter().map(convert).collect()
}

pub fn sources(files: Vec<proto::RuleFile>) -> Sources {
    Sources::new(files.into_iter().map(|file| SourceFile { path: file.path, text: file.text }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::ActionKind;
    use crate::domain::decide::Gate;

    #[test]
    fn the_enums_of_the_protocol_have_the_words_of_the_domain_in_their_order() {
        let check = |prefix: &str, words: &[&str], name: fn(i32) -> Option<&'static str>| {
            for (index, word) in words.iter().enumerate() {
                let expected = format!("{prefix}_{}", word.to_uppercase());
                assert_eq!(name(number(index)), Some(expected.as_str()));
            }
            assert_eq!(name(number(words.len())), None, "{prefix} has no other value");
        };
        check("GATE", &Gate::NAMES.map(|(word, _)| word), |n| {
            proto::Gate::try_from(n).ok().map(|gate| gate.as_str_name())
        });
        check("ACTION_KIND", &ActionKind::NAMES.map(|(word, _)| word), |n| {
            proto::ActionKind::try_from(n).ok().map(|kind| kind.as_str_name())
        });
        check("DENIAL", &Denial::NAMES.map(|(word, _)| word), |n| {
            proto::Denial::try_from(n).ok().map(|denial| denial.as_str_name())
        });
        check("RESULT_CODE", &ItemCode::NAMES.map(|(word, _)| word), |n| {
            proto::ResultCode::try_from(n).ok().map(|code| code.as_str_name())
        });
    }
}
