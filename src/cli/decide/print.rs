//! Prints an answer for people and for programs.

use comfy_table::ColumnConstraint;
use serde_json::{Value, json};

use super::{proto, table};
use crate::domain::scoring::Term;
use crate::domain::time::Moment;

/// The answer for people.
pub(super) fn human(answer: &proto::DecideResponse) -> String {
    let mut text = String::new();
    for action in &answer.actions {
        text.push_str(&format!("{}  {}  ({})\n", action.action_id, action.title, action.kind));
        let said = [("text", &action.text), ("content", &action.content)];
        for (label, words) in said.into_iter().filter(|(_, words)| !words.is_empty()) {
            text.push_str(&format!("  {label:<8} {words}\n"));
        }
        for reason in &action.because {
            text.push_str(&format!("  because  {reason}\n"));
        }
        if let Some(score) = &action.score {
            text.push_str(&format!("  score    {}\n", sum(score)));
        }
    }
    if let Some(silence) = &answer.silence {
        text.push_str(&format!("silence  {}\n", reason(silence)));
        text.push_str(&format!("  why      {}\n", silence.detail));
        if let Some(at) = moment(silence.retry_after.as_ref()) {
            text.push_str(&format!("  again    {at}\n"));
        }
    }
    if !answer.purposes_used.is_empty() {
        text.push_str(&format!("  purposes {}\n", answer.purposes_used.join(", ")));
    }
    text.push_str(&format!(
        "  id       {}\n",
        if answer.decision_id.is_empty() { "(nothing was recorded)" } else { &answer.decision_id }
    ));
    if let Some(explanation) = &answer.explanation {
        text.push_str(&explained(explanation));
    }
    text
}

/// `52.4 = 70.0 relevance × 1.2 worth × 0.85 personal − 19.0 intrusiveness`, and the parts of intrusiveness.
fn sum(score: &proto::Score) -> String {
    let (mut factors, mut costs) = (Vec::new(), Vec::new());
    for proto::ScoreTerm { name, value } in &score.terms {
        match Term::named(name) {
            Some(Term::Relevance) => factors.push(format!("{value:.1} relevance")),
            Some(Term::PersonalFactor) if score.personal > 0.0 => factors.push(format!("{value:.2} personal")),
            Some(Term::PersonalFactor) => {}
            Some(term) if term.is_factor() => factors.push(format!("{value} {name}")),
            _ if *value <= 0.05 => {}
            Some(Term::PersonalPoints) => costs.push(format!("{value:.1} personal")),
            _ => costs.push(format!("{value:.1} {name}")),
        }
    }
    let (total, product, costs) = (score.total, factors.join(" × "), costs.join(", "));
    format!("{total:.1} = {product} − {:.1} intrusiveness\n           of which {costs}", score.intrusiveness)
}

fn explained(explanation: &proto::Explanation) -> String {
    let mut text = String::from("\n");
    let passed: Vec<String> = explanation
        .funnel
        .iter()
        .filter(|gate| gate.entered != gate.left)
        .map(|gate| format!("{} {} → {}", gate.gate, gate.entered, gate.left))
        .collect();
    text.push_str(&format!(
        "funnel   {}\n",
        if passed.is_empty() { "nothing dropped out".to_owned() } else { passed.join(", ") }
    ));
    if explanation.candidates.is_empty() {
        return text;
    }
    let early = ["group", "channel", "dates"];
    let mut rows = table(&["action", "gate", "score", "why, where, what would change it"]);
    for column in rows.column_iter_mut().take(3) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    for candidate in explanation.candidates.iter().filter(|candidate| !early.contains(&candidate.gate.as_str())) {
        let score = candidate.score.as_ref().map_or_else(String::new, |score| format!("{:.1}", score.total));
        let mut why = vec![candidate.reason.clone(), format!("{}:{}", candidate.rule_file, candidate.rule_line)];
        if !candidate.flip.is_empty() {
            why.push(format!("would win {}", candidate.flip));
        }
        if !candidate.needs_purposes.is_empty() {
            why.push(format!("needs consent for {}", candidate.needs_purposes.join(", ")));
        }
        rows.add_row([candidate.action_id.clone(), candidate.gate.clone(), score, why.join("\n")]);
    }
    text.push_str(&rows.to_string());
    let left_out: Vec<&str> = explanation
        .candidates
        .iter()
        .filter(|candidate| early.contains(&candidate.gate.as_str()))
        .map(|candidate| candidate.action_id.as_str())
        .collect();
    if !left_out.is_empty() {
        text.push_str(&format!("\nnot asked for, or not here and now: {}", left_out.join(", ")));
    }
    text
}

fn reason(silence: &proto::Silence) -> String {
    let reason = proto::SilenceReason::try_from(silence.reason).unwrap_or(proto::SilenceReason::Unspecified);
    reason.as_str_name().trim_start_matches("SILENCE_REASON_").to_lowercase().replace('_', " ")
}

fn moment(timestamp: Option<&prost_types::Timestamp>) -> Option<Moment> {
    timestamp.map(|at| Moment(at.seconds.saturating_mul(1_000).saturating_add(i64::from(at.nanos / 1_000_000))))
}

/// The answer in the protocol's JSON mapping.
pub(super) fn json(answer: &proto::DecideResponse) -> Value {
    let time = |at: Option<&prost_types::Timestamp>| moment(at).map(|at| at.to_string());
    json!({
        "decision_id": answer.decision_id,
        "rule_set": answer.rule_set,
        "actions": answer.actions.iter().map(|action| json!({
            "action_id": action.action_id,
            "title": action.title,
            "kind": action.kind,
            "group": action.group,
            "content": action.content,
            "text": action.text,
            "score": action.score.as_ref().map(score),
            "because": action.because,
        })).collect::<Vec<_>>(),
        "silence": answer.silence.as_ref().map(|silence| json!({
            "reason": proto::SilenceReason::try_from(silence.reason).map_or("", |reason| reason.as_str_name()),
            "detail": silence.detail,
            "nearest_action_id": silence.nearest_action_id,
            "nearest_gap": silence.nearest_gap,
            "retry_after": time(silence.retry_after.as_ref()),
        })),
        "purposes_used": answer.purposes_used,
        "ledger_position": answer.ledger_position,
        "valid_until": time(answer.valid_until.as_ref()),
        "history_truncated": answer.history_truncated,
        "explanation": answer.explanation.as_ref().map(explanation),
    })
}

fn explanation(explanation: &proto::Explanation) -> Value {
    json!({
        "funnel": explanation.funnel.iter().map(|gate| json!({
            "gate": gate.gate, "entered": gate.entered, "left": gate.left,
        })).collect::<Vec<_>>(),
        "candidates": explanation.candidates.iter().map(|candidate| json!({
            "action_id": candidate.action_id,
            "gate": candidate.gate,
            "reason": candidate.reason,
            "rule_file": candidate.rule_file,
            "rule_line": candidate.rule_line,
            "score": candidate.score.as_ref().map(score),
            "flip": candidate.flip,
            "needs_purposes": candidate.needs_purposes,
        })).collect::<Vec<_>>(),
    })
}

fn score(score: &proto::Score) -> Value {
    json!({
        "total": score.total,
        "relevance": score.relevance,
        "worth": score.worth,
        "personal": score.personal,
        "intrusiveness": score.intrusiveness,
        "interruption": score.interruption,
        "pressure": score.pressure,
        "hurt": score.hurt,
        "terms": score.terms.iter().map(|term| json!({"name": term.name, "value": term.value})).collect::<Vec<_>>(),
    })
}
