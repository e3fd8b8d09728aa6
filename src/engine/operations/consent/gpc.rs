//! Global Privacy Control: a signal that a browser sends with every request, and that objects to selling and sharing.

use std::sync::Arc;

use super::super::resolve::LONGEST_ID;
use super::{ConsentChange, ConsentRequest};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentStatus, Standing};
use crate::domain::id::PurposeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::operation::{Applied, Context, Operation};
use crate::engine::{ActiveRules, Customer};

/// The objection that the signal expresses, to purposes that have none on record yet; none if there are no such
/// purposes.
///
/// It is recorded once per purpose: a later yes in person stays valid, although the browser continues to send the
/// signal.
#[derive(Debug)]
pub struct GpcObjection {
    customer: String,
    rules: Arc<ActiveRules>,
}

impl GpcObjection {
    /// The objection of one customer; `None` if no purpose is declared to accept the signal.
    #[must_use]
    pub fn new(customer: &str, rules: Arc<ActiveRules>) -> Option<Self> {
        let accepts = rules.set.declared.purposes.iter().any(|(_, terms)| terms.gpc_objects);
        accepts.then(|| Self { customer: customer.into(), rules })
    }

    fn request(&self, standing: &Standing) -> Option<ConsentRequest> {
        let rules = &self.rules.set;
        let purposes = rules.declared.purposes.ids().filter(|id| !standing.is_gone() && is_new(*id, standing, rules));
        let purposes: Vec<&str> = purposes.map(|id| rules.vocabulary.name(id)).collect();
        let change = |purpose: &&str| ConsentChange {
            expression: "Global Privacy Control".into(),
            ..ConsentChange::new(*purpose, ConsentStatus::Objected)
        };
        let request = ConsentRequest {
            customer: self.customer.clone(),
            // Of simultaneous calls with the same signal, only one records it.
            idempotency_key: Some(purposes.join(" ")).filter(|key| key.len() <= LONGEST_ID).unwrap_or_default(),
            changes: purposes.iter().map(change).collect(),
            source: ConsentSource { evidence: "Sec-GPC: 1".into(), ..ConsentSource::default() },
            deferred: false,
        };
        (!request.changes.is_empty()).then_some(request)
    }
}

impl Operation for GpcObjection {
    type Draft = Option<ConsentRequest>;
    type Answer = Option<ConsentRequest>;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, _context: &Context<'_>) -> Applied<Option<ConsentRequest>> {
        Applied::unchanged(self.request(&customer.standing))
    }

    fn finish(&self, request: Option<ConsentRequest>) -> Option<ConsentRequest> {
        request
    }
}

/// Applies the signal's objection to a copy of a customer: for a rehearsal, which records nothing.
pub fn suppose_objection(standing: &mut Standing, rules: &RuleSet, now: Moment) {
    let purposes: Vec<PurposeId> =
        rules.declared.purposes.ids().filter(|id| !standing.is_gone() && is_new(*id, standing, rules)).collect();
    for purpose in purposes {
        standing.object(purpose, now);
    }
}

fn is_new(id: PurposeId, standing: &Standing, rules: &RuleSet) -> bool {
    let objected = standing.objection(id).is_some();
    !objected && rules.purpose(id).is_some_and(|terms| terms.gpc_objects && !terms.retired)
}
