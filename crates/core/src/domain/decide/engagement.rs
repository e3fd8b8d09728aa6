//! Engagement policy: may we ever, does it fit now, is it good for them; and, before that, whether the action is
//! requested and its purpose may be served.

use smallvec::SmallVec;

use super::gate::Gate;
use super::judgement::{Judgement, Why};
use super::request::Case;
use crate::domain::consent::{Denial, Stage};
use crate::domain::expr::{Fact, FactId, Facts, Node};
use crate::domain::id::PurposeId;
use crate::domain::index::Offer;
use crate::domain::model::{Action, Condition};
use crate::domain::value::Operand;
use crate::domain::view::{Scene, View};

/// The gates of the three questions, in order.
pub(crate) const GATES: [Gate; 3] = [Gate::Eligible, Gate::Applicable, Gate::Suitable];

/// The views of one scene, made when first needed.
pub(crate) struct Views<'a> {
    scene: &'a Scene<'a>,
    made: SmallVec<[(PurposeId, View<'a>); 4]>,
    uses: usize,
}

impl<'a> Views<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>) -> Self {
        Self { scene, made: SmallVec::new(), uses: 0 }
    }

    /// The view of a purpose.
    pub(crate) fn of(&mut self, purpose: PurposeId) -> &View<'a> {
        self.uses += 1;
        let index = self.made.iter().position(|(known, _)| *known == purpose).unwrap_or_else(|| {
            self.made.push((purpose, self.scene.view(purpose)));
            self.made.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made one line above")]
        &self.made[index].1
    }

    pub(crate) fn scene(&self) -> &'a Scene<'a> {
        self.scene
    }

    /// How often a view was used, as a measure of the work done.
    pub(crate) fn uses(&self) -> usize {
        self.uses
    }
}

/// An action that passed the engagement policy.
pub(crate) struct Engaged<'r> {
    pub action: &'r Action,
    /// The highest sensitivity among the facts that this relies on.
    pub sensitivity: f64,
}

/// Drops an action that is not requested, not on this channel, outside its dates, or not lawful.
pub(crate) fn drop_early<'r>(action: &'r Action, case: Case<'_, '_>) -> Option<Judgement<'r>> {
    let consent = |denial| Judgement::dropped(action, Gate::Consent, Why::Consent(denial));
    out_of_question(action, case).or_else(|| denial(action.purpose, case.scene).map(consent))
}

/// Drops an action that is not requested, not on this channel or outside its dates.
pub(crate) fn out_of_question<'r>(action: &'r Action, case: Case<'_, '_>) -> Option<Judgement<'r>> {
    let on_channel = action.treatments.get(case.request.channel).is_some();
    let (gate, why) = not_offered(Offer::of(action), on_channel, case)?;
    Some(Judgement::dropped(action, gate, why))
}

/// The gate of an action that is not requested, not on this channel or outside its dates.
pub(crate) fn not_offered(offer: Offer, on_channel: bool, case: Case<'_, '_>) -> Option<(Gate, Why<'static>)> {
    let Case { scene, request } = case;
    if !request.groups.is_empty() && !offer.group.is_some_and(|group| request.groups.contains(&group)) {
        return Some((Gate::Group, Why::Group));
    }
    if !on_channel {
        return Some((Gate::Channel, Why::Channel));
    }
    if let Some(from) = offer.from.filter(|from| scene.now < *from) {
        return Some((Gate::Dates, Why::NotYet(from)));
    }
    offer.until.is_some_and(|until| scene.now >= until).then_some((Gate::Dates, Why::Over))
}

/// Why an action of this purpose may not be taken.
///
/// If the basis needs no consent, a restriction of processing or an untrusted ledger does not drop the action: it is
/// evaluated with every personal fact unknown.
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

/// Evaluates the three questions in order; the first condition that does not hold drops the action.
pub(crate) fn engage<'r>(action: &'r Action, view: &View<'_>) -> Result<Engaged<'r>, Judgement<'r>> {
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
    Ok(Engaged { action, sensitivity })
}

/// Whether all its unknown facts are personal, so that a consent may bring them.
pub(crate) fn could_be_told(leaf: &Node, view: &View<'_>) -> bool {
    let (mut withheld, mut missing) = (false, false);
    leaf.visit_facts(&mut |fact| {
        if view.read(fact) == Operand::Unknown {
            if is_personal(fact, view.scene) { withheld = true } else { missing = true }
        }
    });
    withheld && !missing
}

/// Whether a fact is about the customer, and so may be withheld.
pub(crate) fn is_personal(fact: FactId, scene: &Scene<'_>) -> bool {
    match scene.rules.facts.get(fact).map(|entry| &entry.fact) {
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
    }
}

/// The conditions of the three questions, with their gates.
pub(crate) fn policy(action: &Action) -> [(Gate, &[Condition]); 3] {
    let [eligible, applicable, suitable] = GATES;
    [(eligible, &action.eligible), (applicable, &action.applicable), (suitable, &action.suitable)]
}
