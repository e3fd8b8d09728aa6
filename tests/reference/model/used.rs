//! The purposes whose data a chosen step relied on: proto, `DecideResponse.purposes_used`. "Empty: nothing personal was
//! used."

use super::ask::told;
use super::expression::{
    Condition, Expr,
    evaluate::{evaluate, truth},
};
use super::rules::{Action, Part, Points};
use super::view::View;

/// Whether a step used a personal fact where a condition held, where points fired, or in its text. What counts as used
/// is what counts for `personal` (S1).
pub fn uses_personal_facts(view: &View, action: &Action, fired: &[&Points]) -> bool {
    let conditions = action.conditions().into_iter().flat_map(|(_, conditions)| conditions);
    let fired_when = fired.iter().map(|points| &points.when);
    let text = view.question.and_then(|question| action.treatments.get(&question.channel)).map(|t| &t.text);
    let because = told(view, fired).into_iter().map(|(because, _)| because);
    view.readable
        && (conditions.chain(fired_when).any(|condition| condition_uses(condition, view))
            || text.into_iter().chain(because).flat_map(|text| &text.parts).any(|part| part_uses(part, view)))
}

fn condition_uses(condition: &Condition, view: &View) -> bool {
    let reads = |expression: &Expr| expression.parts().into_iter().any(|part| view.is_personal(part));
    match condition {
        Condition::One(expression) => reads(expression),
        Condition::All(entries) | Condition::None(entries) => entries.iter().any(|c| condition_uses(c, view)),
        // One entry that is true is enough: if one of them is not personal, nothing personal was needed.
        Condition::Any(entries) => {
            let mut of_true = entries.iter().filter(|c| truth(c, view) == Some(true));
            of_true.clone().next().is_some() && of_true.all(|c| condition_uses(c, view))
        }
    }
}

fn part_uses(part: &Part, view: &View) -> bool {
    match part {
        Part::Words(_) => false,
        Part::Fact(fact, None) => view.is_personal(fact),
        Part::Fact(fact, Some(_)) => view.is_personal(fact) && evaluate(fact, view).is_some(),
    }
}
