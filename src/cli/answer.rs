//! Prints the answer to a question for people.

use comfy_table::ColumnConstraint;

use super::labelled;
use super::render::wrap;
use super::table::table;
use crate::domain::scoring::Term;
use crate::domain::time::Moment;
use crate::grpc::{convert, proto};

/// The answer for people.
pub(super) fn human(answer: &proto::DecideResponse) -> String {
    let mut text = String::new();
    for action in &answer.actions {
        text.push_str(&format!("{}  {}  ({})\n", action.action_id, action.title, action.kind));
        let said = [("text", &action.text), ("content", &action.content)];
        for (label, words) in said.into_iter().filter(|(_, words)| !words.is_empty()) {
            text.push_str(&labelled(&format!("  {label}"), words));
        }
        for reason in &action.because {
            text.push_str(&labelled("  because", reason));
        }
        if let Some(score) = &action.score {
            let (sum, costs) = sum(score);
            text.push_str(&labelled("  score", &sum));
            text.push_str(&labelled("", &format!("of which {costs}")));
        }
    }
    if let Some(silence) = &answer.silence {
        text.push_str(&format!("silence  {}\n", reason(silence)));
        text.push_str(&labelled("  why", &silence.detail));
        if let Some(at) = moment(silence.retry_after.as_ref()) {
            text.push_str(&format!("  again    {at}\n"));
        }
    }
    if !answer.purposes_used.is_empty() {
        text.push_str(&labelled("  purposes", &answer.purposes_used.join(", ")));
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
fn sum(score: &proto::Score) -> (String, String) {
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
    (format!("{total:.1} = {product} − {:.1} intrusiveness", score.intrusiveness), costs)
}

fn explained(explanation: &proto::Explanation) -> String {
    let mut text = String::from("\n");
    let passed: Vec<String> = explanation
        .funnel
        .iter()
        .filter(|gate| gate.entered != gate.left)
        .map(|gate| format!("{} {} → {}", gate.gate, gate.entered, gate.left))
        .collect();
    let passed = if passed.is_empty() { "nothing dropped out".to_owned() } else { passed.join(", ") };
    text.push_str(&labelled("funnel", &passed));
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
        let left_out = format!("not asked for, or not here and now: {}", left_out.join(", "));
        text.push_str(&format!("\n{}", wrap(&left_out, 80)));
    }
    text
}

/// The reason of a silence in words.
pub(super) fn reason(silence: &proto::Silence) -> String {
    let reason = proto::SilenceReason::try_from(silence.reason).unwrap_or(proto::SilenceReason::Unspecified);
    reason.as_str_name().trim_start_matches("SILENCE_REASON_").to_lowercase().replace('_', " ")
}

/// A moment as it is shown.
pub(super) fn moment(timestamp: Option<&prost_types::Timestamp>) -> Option<Moment> {
    timestamp.map(|at| convert::moment(*at))
}
