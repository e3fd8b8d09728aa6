//! Engagement policy: may we ever, does it fit now, is it good for them; and, before that, whether the
//! action is asked for at all and its purpose may be served.

use smallvec::SmallVec;

use super::{Gate, Judgement, Request, Why};
use crate::domain::consent::{Denial, Stage};
use crate::domain::id::PurposeId;
use crate::domain::rules::expr::Fact;
use crate::domain::rules::section::action::Action;
use crate::domain::rules::section::condition::Condition;
use crate::domain::value::Truth;
use crate::domain::view::{Scene, View};

/// The views of one scene, made when first needed.
pub(crate) struct Views<'a> {
    scene: &'a Scene<'a>,
    made: SmallVec<[(PurposeId, View<'a>); 4]>,
}

impl<'a> Views<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>) -> Self {
        Self { scene, made: SmallVec::new() }
    }

    /// The view of a purpose.
    pub(crate) fn of(&mut self, purpose: PurposeId) -> &View<'a> {
        let index = self.made.iter().position(|(known, _)| *known == purpose).unwrap_or_else(|| {
            self.made.push((purpose, self.scene.view(purpose)));
            self.made.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made one line above")]
        &self.made[index].1
    }
}

/// An action that passed the engagement policy.
pub(crate) struct Engaged {
    /// The highest sensitivity among the facts that this rests on.
    pub sensitivity: f64,
}

/// Drops what is not asked for, not on this channel, not in season, or not lawful.
pub(crate) fn drop_early<'r>(action: &'r Action, scene: &Scene<'_>, request: &Request<'_>) -> Option<Judgement<'r>> {
    let consent = |denial| Judgement::dropped(action, Gate::Consent, Why::Consent(denial));
    out_of_question(action, scene, request).or_else(|| denial(action.purpose, scene).map(consent))
}

/// Drops what is not asked for, not on this channel or not in season.
pub(crate) fn out_of_question<'r>(
    action: &'r Action,
    scene: &Scene<'_>,
    request: &Request<'_>,
) -> Option<Judgement<'r>> {
    let drop = |gate, why| Some(Judgement::dropped(action, gate, why));
    if !request.groups.is_empty() && !action.group.is_some_and(|group| request.groups.contains(&group)) {
        return drop(Gate::Group, Why::Group);
    }
    if action.treatments.get(request.channel).is_none() {
        return drop(Gate::Channel, Why::Channel);
    }
    if let Some(from) = action.from.filter(|from| scene.now < *from) {
        return drop(Gate::Dates, Why::NotYet(from));
    }
    action.until.is_some_and(|until| scene.now >= until).then(|| Judgement::dropped(action, Gate::Dates, Why::Over))
}

/// Why an action of this purpose may not be taken.
///
/// Where nobody has to be asked, a restriction of processing or an untrusted ledger takes away the personal
/// data, not the action: it goes on with every personal fact unknown.
pub(crate) fn denial(purpose: PurposeId, scene: &Scene<'_>) -> Option<Denial> {
    if scene.lawful.contains(purpose) {
        return None;
    }
    let denial = scene.verdict(purpose, Stage::Disclosure).denial()?;
    let masked = matches!(denial, Denial::Restricted | Denial::LedgerUnavailable);
    let needs_nobody = scene
        .rules
        .purpose(purpose)
        .is_some_and(|terms| !(terms.basis.needs_consent() || terms.direct_marketing || terms.gpc_objects));
    (!(masked && needs_nobody)).then_some(denial)
}

/// Asks the three questions in turn; the first condition that does not hold drops the action.
pub(crate) fn engage<'r>(action: &'r Action, view: &View<'_>) -> Result<Engaged, Judgement<'r>> {
    let mut sensitivity = 0.0_f64;
    for (gate, conditions) in policy(action) {
        for condition in conditions {
            let found = condition.evaluate(view);
            if !found.truth.holds() {
                return Err(Judgement::dropped(action, gate, Why::Condition(condition, found.truth)));
            }
            sensitivity = sensitivity.max(found.sensitivity);
        }
    }
    Ok(Engaged { sensitivity })
}

/// Whether the engagement policy could still hold, were the withheld known: nothing in it is false, and what
/// cannot be told could be told from personal facts.
pub(crate) fn might_engage(action: &Action, view: &View<'_>) -> Option<Engaged> {
    let mut sensitivity = 0.0_f64;
    for condition in policy(action).into_iter().flat_map(|(_, conditions)| conditions) {
        let found = condition.evaluate(view);
        let possible = match found.truth {
            Truth::True => true,
            Truth::False => false,
            Truth::Unknown => reads_personal_facts(condition, view.scene),
        };
        if !possible {
            return None;
        }
        sensitivity = sensitivity.max(found.sensitivity);
    }
    Some(Engaged { sensitivity })
}

fn reads_personal_facts(condition: &Condition, scene: &Scene<'_>) -> bool {
    let personal = |id| match scene.rules.facts.get(id).map(|entry| &entry.fact) {
        Some(Fact::Attribute(id)) => {
            scene.rules.declared.attributes.get(*id).is_some_and(|attribute| attribute.purposes.is_some())
        }
        Some(
            Fact::EventCount { .. }
            | Fact::EventLast { .. }
            | Fact::OutcomeCount { .. }
            | Fact::OutcomeLast { .. }
            | Fact::Stage(_)
            | Fact::Entered(_)
            | Fact::InStageFor(_),
        ) => true,
        _ => false,
    };
    let mut found = false;
    condition.visit(&mut |program| program.node.visit_facts(&mut |id| found |= personal(id)));
    found
}

fn policy(action: &Action) -> [(Gate, &[Condition]); 3] {
    [(Gate::Eligible, &action.eligible), (Gate::Applicable, &action.applicable), (Gate::Suitable, &action.suitable)]
}
