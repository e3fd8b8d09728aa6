//! A decision as `tactful decide --json` prints it: the `DecideResponse` of the protocol with all its fields, in their
//! order. It has no decision id, and no position, as there is no ledger.

use serde::Serialize;
use tactful_core::domain::decide::{Chosen, Decision, Explanation, Gate, Loser, Silence, SilenceReason};
use tactful_core::domain::id::{Id, PurposeSet};
use tactful_core::domain::rule_set::RuleSet;
use tactful_core::domain::scoring::{Score, Term};
use tactful_core::domain::time::Moment;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DecideResponse<'d> {
    decision_id: &'static str,
    rule_set: &'d str,
    actions: Vec<NextAction<'d>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silence: Option<SilenceMessage<'d>>,
    purposes_used: Vec<&'d str>,
    ledger_position: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ExplanationMessage<'d>>,
    history_truncated: bool,
    replaced: bool,
    ids_truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NextAction<'d> {
    action_id: &'d str,
    title: &'d str,
    kind: &'static str,
    group: &'d str,
    content: &'d str,
    text: &'d str,
    score: ScoreMessage,
    because: Vec<&'d str>,
    kind_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SilenceMessage<'d> {
    reason: &'static str,
    detail: &'d str,
    nearest_action_id: &'d str,
    nearest_gap: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<String>,
}

#[derive(Serialize)]
struct ExplanationMessage<'d> {
    funnel: Vec<GateCount>,
    candidates: Vec<Candidate<'d>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GateCount {
    gate: &'static str,
    entered: u32,
    left: u32,
    gate_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'d> {
    action_id: &'d str,
    gate: &'static str,
    reason: &'d str,
    rule_file: &'d str,
    rule_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<ScoreMessage>,
    flip: &'d str,
    needs_purposes: Vec<&'d str>,
    gate_code: String,
}

#[derive(Serialize)]
struct ScoreMessage {
    total: f64,
    relevance: f64,
    worth: f64,
    personal: f64,
    intrusiveness: f64,
    interruption: f64,
    pressure: f64,
    hurt: f64,
    terms: Vec<ScoreTerm>,
}

#[derive(Serialize)]
struct ScoreTerm {
    name: &'static str,
    value: f64,
}

/// The decision as JSON over several lines.
pub fn json(decision: &Decision, rules: &RuleSet) -> Result<String, String> {
    let answer = DecideResponse {
        decision_id: "",
        rule_set: &rules.hash,
        actions: decision.actions.iter().filter_map(|chosen| action(chosen, rules)).collect(),
        silence: decision.silence.as_ref().map(|found| silence(found, rules)),
        purposes_used: purposes(decision.purposes_used, rules),
        ledger_position: "0",
        valid_until: timestamp(decision.valid_until),
        explanation: decision.explanation.as_ref().map(|found| explanation(found, rules)),
        history_truncated: decision.history_truncated,
        replaced: false,
        ids_truncated: false,
    };
    serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())
}

fn action<'d>(chosen: &'d Chosen, rules: &'d RuleSet) -> Option<NextAction<'d>> {
    let action = rules.actions.get(chosen.action)?;
    Some(NextAction {
        action_id: name(chosen.action, rules),
        title: &action.title,
        kind: action.kind.name(),
        group: action.group.map_or("", |group| name(group, rules)),
        content: &chosen.content,
        text: &chosen.text,
        score: score(chosen.score),
        because: chosen.because.iter().map(|reason| &**reason).collect(),
        kind_code: code("ACTION_KIND", action.kind.name()),
    })
}

fn silence<'d>(found: &'d Silence, rules: &'d RuleSet) -> SilenceMessage<'d> {
    SilenceMessage {
        reason: match found.reason {
            SilenceReason::NothingEligible => "SILENCE_REASON_NOTHING_ELIGIBLE",
            SilenceReason::BelowThreshold => "SILENCE_REASON_BELOW_THRESHOLD",
            SilenceReason::ContactLimit => "SILENCE_REASON_CONTACT_LIMIT",
            SilenceReason::QuietHours => "SILENCE_REASON_QUIET_HOURS",
            SilenceReason::NoConsent => "SILENCE_REASON_NO_CONSENT",
            SilenceReason::Restricted => "SILENCE_REASON_RESTRICTED",
            SilenceReason::Degraded => "SILENCE_REASON_DEGRADED",
        },
        detail: &found.detail,
        nearest_action_id: found.nearest.map_or("", |(action, _)| name(action, rules)),
        nearest_gap: found.nearest.map_or(0.0, |(_, gap)| gap),
        retry_after: found.retry_after.and_then(timestamp),
    }
}

fn explanation<'d>(found: &'d Explanation, rules: &'d RuleSet) -> ExplanationMessage<'d> {
    let gate = |&(gate, entered, left): &(Gate, u32, u32)| GateCount {
        gate: gate.name(),
        entered,
        left,
        gate_code: code("GATE", gate.name()),
    };
    ExplanationMessage {
        funnel: found.funnel.iter().map(gate).collect(),
        candidates: found.candidates.iter().map(|loser| candidate(loser, rules)).collect(),
    }
}

fn candidate<'d>(loser: &'d Loser, rules: &'d RuleSet) -> Candidate<'d> {
    Candidate {
        action_id: name(loser.action, rules),
        gate: loser.gate.name(),
        reason: &loser.reason,
        rule_file: &loser.rule.file,
        rule_line: loser.rule.line,
        score: loser.score.map(score),
        flip: loser.flip.as_deref().unwrap_or_default(),
        needs_purposes: purposes(loser.needs_purposes, rules),
        gate_code: code("GATE", loser.gate.name()),
    }
}

fn score(score: Score) -> ScoreMessage {
    ScoreMessage {
        total: score.total,
        relevance: score.get(Term::Relevance),
        worth: score.get(Term::Worth),
        personal: score.personal,
        intrusiveness: score.intrusiveness(),
        interruption: score.get(Term::Interruption),
        pressure: score.get(Term::Pressure),
        hurt: score.get(Term::Hurt),
        terms: score.terms().map(|(term, value)| ScoreTerm { name: term.name(), value }).collect(),
    }
}

/// A word as the protocol's enum has it.
fn code(kind: &str, word: &str) -> String {
    format!("{kind}_{}", word.to_uppercase())
}

/// As the protocol maps it: no fraction, or three digits.
fn timestamp(at: Moment) -> Option<String> {
    let digits = if at.0.rem_euclid(1_000) == 0 { 0 } else { 3 };
    jiff::Timestamp::from_millisecond(at.0).ok().map(|at| format!("{at:.digits$}"))
}

fn name<I: Id>(id: I, rules: &RuleSet) -> &str {
    rules.vocabulary.name(id)
}

fn purposes(set: PurposeSet, rules: &RuleSet) -> Vec<&str> {
    set.iter().map(|id| name(id, rules)).collect()
}
