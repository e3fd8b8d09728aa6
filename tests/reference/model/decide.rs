//! A decision: docs/rules.md, "How a decision is made" and "Silence"; the decisions of 30 November 2026, S3 and S5.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::story::{Answer, Candidate, Chosen, Question, Score, Silence};
use super::ask::{Unasked, fired, gain, personal_points, personal_text, told, unasked};
use super::consent::{Effect, restricted, ruling};
use super::customer::Customer;
use super::expression::evaluate::truth;
use super::rules::Action;
use super::score::{Weight, score};
use super::view::{View, personal};
use super::{World, arrive, limits, quiet, text};

/// Everything that a decision is made from.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub world: &'a World<'a>,
    pub customer: &'a Customer,
    pub question: &'a Question,
}

/// How far one action came.
pub struct Result<'a> {
    pub action: &'a Action,
    pub gate: &'static str,
    pub score: Option<Score>,
    pub text: String,
    pub because: Vec<String>,
    /// Its purpose, where that may be served now.
    pub used: Option<String>,
}

pub fn decide(scene: Scene) -> Answer {
    let actions = &scene.world.rules.actions;
    let stopped: Vec<Option<&'static str>> = actions.iter().map(|action| contact_gate(scene, action)).collect();
    let open: Vec<&Action> = actions.iter().filter(|action| contact_policy_allows(scene, action)).collect();
    let mut results = Vec::new();
    for (action, gate) in actions.iter().zip(&stopped).filter(|(action, _)| action.asks.is_none()) {
        results.push(weighed(scene, action, *gate, 0.0));
    }
    // A gain is held against the best score without the consent; silence scores 0.
    let best_now = results.iter().filter_map(|result| result.score).map(|score| score.total).fold(0.0, f64::max);
    for (action, gate) in actions.iter().zip(&stopped) {
        let Some(asked) = &action.asks else { continue };
        let gain = gain(&view(scene, action), asked, &open, best_now);
        let gate = gate.or_else(|| ask_gate(scene, action, asked, gain));
        results.push(weighed(scene, action, gate, gain));
    }
    choose(scene, &mut results);
    answer(scene, results)
}

/// What an action may see.
pub fn view<'a>(scene: Scene<'a>, action: &'a Action) -> View<'a> {
    let readable = ruling(scene.world, scene.customer, &action.purpose).effect == Effect::Use;
    View {
        world: scene.world,
        customer: scene.customer,
        purpose: &action.purpose,
        readable,
        question: Some(scene.question),
        event: None,
        given: None,
        blind: false,
    }
}

/// The gates from `group` to `quiet_hours`, in order.
fn contact_gate(scene: Scene, action: &Action) -> Option<&'static str> {
    let (world, question) = (scene.world, scene.question);
    if let Some(gate) = offered_gate(scene, action) {
        return Some(gate);
    }
    if matches!(ruling(world, scene.customer, &action.purpose).effect, Effect::Drop | Effect::Gone) {
        return Some("consent");
    }
    let view = view(scene, action);
    for (gate, conditions) in action.conditions() {
        if conditions.iter().any(|condition| truth(condition, &view) != Some(true)) {
            return Some(gate);
        }
    }
    if let Some(gate) = stopped_by(&limits::stops(world, scene.customer, action, &question.channel)) {
        return Some(gate);
    }
    is_quiet(scene).then_some("quiet_hours")
}

/// "If several limits stop an action, the one that lasts longest is named", whether it is a limit or a cool-down.
fn stopped_by(stops: &[limits::Stop]) -> Option<&'static str> {
    let longest = stops.iter().max_by_key(|stop| stop.until)?;
    Some(if longest.cool_down { "cool_down" } else { "limit" })
}

/// `group`, `channel`, `dates`.
fn offered_gate(scene: Scene, action: &Action) -> Option<&'static str> {
    let (now, question) = (scene.world.now, scene.question);
    if !question.groups.is_empty() && !question.groups.contains(&action.group) {
        return Some("group");
    }
    if !action.treatments.contains_key(&question.channel) {
        return Some("channel");
    }
    let begun = action.from.is_none_or(|from| from <= now);
    let over = action.until.is_some_and(|until| until <= now);
    (!begun || over).then_some("dates")
}

fn is_quiet(scene: Scene) -> bool {
    let quiet_hours = scene.world.rules.channels.get(&scene.question.channel).and_then(|c| c.quiet_hours.as_ref());
    quiet_hours.is_some_and(|hours| quiet::hold(scene.world, scene.customer, hours, scene.world.now))
}

/// S4: "asked-for group, channel, season, contact policy as now".
fn contact_policy_allows(scene: Scene, action: &Action) -> bool {
    offered_gate(scene, action).is_none()
        && limits::stops(scene.world, scene.customer, action, &scene.question.channel).is_empty()
        && !is_quiet(scene)
}

/// S2: an ask stops if this customer is not to be asked; or if the gain is 0 and no points above 0 fired.
fn ask_gate(scene: Scene, action: &Action, asked: &str, gain: f64) -> Option<&'static str> {
    let nothing_to_gain = || gain <= 0.0 && !fired(&view(scene, action), action).iter().any(|p| p.points > 0.0);
    let stops = unasked(scene.world, scene.customer, asked).is_some() || nothing_to_gain();
    stops.then_some("ask")
}

/// The gate `text`, and the score of what comes through it. Of an ask, the gain counts in the place of a base.
fn weighed<'a>(scene: Scene<'a>, action: &'a Action, stopped: Option<&'static str>, gain: f64) -> Result<'a> {
    let result = |gate| Result { action, gate, score: None, text: String::new(), because: vec![], used: None };
    if let Some(gate) = stopped {
        return result(gate);
    }
    let view = view(scene, action);
    let treatment = &action.treatments[&scene.question.channel];
    let Some(text) = text::fill(&treatment.text, &view) else { return result("text") };
    let fired = fired(&view, action);
    let points: f64 = fired.iter().map(|points| points.points).sum();
    let mut relevance = (action.base + gain + points).clamp(0.0, 100.0);
    // A flip may suppose that the action were more relevant.
    if let Some((id, more)) = &scene.question.supposed.points
        && *id == action.id
    {
        relevance = (relevance + more).clamp(0.0, 100.0);
    }
    let is_true = |condition: &_| truth(condition, &view) == Some(true);
    let conditions = action.conditions().into_iter().flat_map(|(_, conditions)| conditions);
    let of_conditions = conditions.map(|condition| personal(condition, &view, &is_true)).fold(0.0, f64::max);
    let of_points = personal_points(&view, &fired);
    let personal = of_conditions.max(of_points).max(personal_text(&view, &treatment.text.parts));
    let score = score(&view, action, Weight { relevance, personal });
    Result {
        action,
        gate: if score.total > scene.world.rules.policy.threshold { "" } else { "below_threshold" },
        score: Some(score),
        text,
        because: told(&view, &fired).into_iter().map(|(_, words)| words).collect(),
        used: view.readable.then(|| action.purpose.clone()),
    }
}

/// "Ties go to the higher relevance, then to the lower intrusiveness, then to the id that comes first."
pub fn by_rank(a: &Result, b: &Result) -> Ordering {
    let (x, y) = (a.score.unwrap_or_default(), b.score.unwrap_or_default());
    let best_first = y.total.total_cmp(&x.total).then(y.relevance.total_cmp(&x.relevance));
    best_first.then(x.intrusiveness.total_cmp(&y.intrusiveness)).then(a.action.id.cmp(&b.action.id))
}

/// `excluded`, `outranked`, `chosen`; and limits inside one answer (S5): what is chosen already counts.
fn choose(scene: Scene, results: &mut [Result]) {
    results.sort_by(by_rank);
    let most = scene.question.max_actions.max(1);
    let mut chosen: Vec<&Action> = Vec::new();
    let mut after = scene.customer.clone();
    for result in results.iter_mut().filter(|result| result.gate.is_empty()) {
        let action = result.action;
        let apart = |other: &&Action| other.excludes.contains(&action.id) || action.excludes.contains(&other.id);
        let stops = limits::stops(scene.world, &after, action, &scene.question.channel);
        result.gate = if chosen.iter().any(apart) {
            "excluded"
        } else if chosen.len() >= most {
            "outranked"
        } else if let Some(gate) = stopped_by(&stops) {
            gate
        } else {
            arrive::reserve(scene.world, &mut after, action, (&scene.question.channel, usize::MAX));
            after.contacts.iter_mut().for_each(|contact| contact.confirmed |= contact.decision == Some(usize::MAX));
            chosen.push(action);
            "chosen"
        };
    }
}

fn answer(scene: Scene, results: Vec<Result>) -> Answer {
    let mut answer = Answer::default();
    for result in &results {
        let needs = BTreeSet::from([result.action.purpose.clone()]);
        let candidate = Candidate {
            gate: result.gate.to_string(),
            score: result.score,
            needs_purposes: if result.gate == "consent" { needs } else { BTreeSet::new() },
        };
        answer.candidates.insert(result.action.id.clone(), candidate);
    }
    for result in results.iter().filter(|result| result.gate == "chosen") {
        answer.purposes_used.extend(result.used.clone());
        answer.chosen.push(Chosen {
            action: result.action.id.clone(),
            content: result.action.treatments[&scene.question.channel].content.clone(),
            text: result.text.clone(),
            because: result.because.clone(),
            score: result.score.unwrap_or_default(),
        });
    }
    if answer.chosen.is_empty() {
        answer.silence = Some(silence(scene, &results));
    }
    answer
}

/// docs/rules.md, "Silence": what stopped the action that came furthest.
fn silence(scene: Scene, results: &[Result]) -> Silence {
    let at = |gates: &[&str]| results.iter().any(|result| gates.contains(&came_to(scene, result)));
    let reason = if !scene.world.trusted {
        "degraded"
    } else if restricted(scene.customer) {
        "restricted"
    } else if at(&["below_threshold"]) {
        "below_threshold"
    } else if at(&["limit", "cool_down"]) {
        "contact_limit"
    } else if at(&["quiet_hours"]) {
        "quiet_hours"
    } else if at(&["consent"]) {
        "no_consent"
    } else {
        "nothing_eligible"
    };
    let threshold = scene.world.rules.policy.threshold;
    let nearest = nearest(scene, results);
    let gap = nearest.and_then(|result| result.score).map_or(0.0, |score| threshold - score.total);
    Silence {
        reason: reason.to_string(),
        nearest: nearest.map_or(String::new(), |result| result.action.id.clone()),
        nearest_gap: gap,
        retry_after: None,
    }
}

/// docs/rules.md, "Silence": which came how far. It does not matter which condition stopped an action.
fn how_far(gate: &str) -> u8 {
    match gate {
        "group" | "channel" | "dates" => 0,
        "eligible" | "applicable" | "suitable" => 1,
        "text" | "ask" => 2,
        "consent" => 3,
        "quiet_hours" => 4,
        "limit" | "cool_down" => 5,
        _ => 6,
    }
}

/// The gate to which an action came. "An ask that cannot be made came no further than the gate `ask`, whatever stopped it
/// before."
fn came_to(scene: Scene, result: &Result) -> &'static str {
    let asked = result.action.asks.as_ref().filter(|_| how_far(result.gate) > how_far("consent"));
    match asked.and_then(|asked| unasked(scene.world, scene.customer, asked)) {
        Some(Unasked::Never) => "ask",
        _ => result.gate,
    }
}

/// The action that came furthest; of those that were weighed, the one with the most points; then the first by id. "Empty
/// when none is offered on this channel now."
fn nearest<'r, 'a>(scene: Scene, results: &'r [Result<'a>]) -> Option<&'r Result<'a>> {
    let points = |result: &Result| result.score.map_or(f64::NEG_INFINITY, |score| score.total);
    let far = |result: &Result| how_far(came_to(scene, result));
    let offered = results.iter().filter(|result| how_far(result.gate) > 0);
    offered.min_by(|a, b| far(b).cmp(&far(a)).then(points(b).total_cmp(&points(a))).then(a.action.id.cmp(&b.action.id)))
}
