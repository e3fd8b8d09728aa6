//! Global Privacy Control: a signal that a browser sends with every request, and that objects to selling and sharing.

use super::super::resolve::LONGEST_ID;
use super::super::{Engine, EngineError};
use super::{ConsentChange, ConsentRequest};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentStatus, Standing};
use crate::domain::id::PurposeId;
use crate::domain::rules::RuleSet;
use crate::domain::time::Moment;

impl Engine {
    /// The purposes to which the signal is an objection that is not on record yet.
    ///
    /// It is recorded once for each: a yes in person that the customer gives later holds, though the browser goes on
    /// sending the signal.
    #[must_use]
    pub fn gpc_objects_to(&self, customer: &str) -> Vec<String> {
        let active = self.rules.load();
        let rules = &active.set;
        if !rules.declared.purposes.iter().any(|(_, terms)| terms.gpc_objects) {
            return Vec::new();
        }
        let standing = self.customer_as_held(customer).standing;
        let purposes = rules.declared.purposes.ids().filter(|id| !standing.is_gone() && is_new(*id, &standing, rules));
        purposes.map(|id| rules.vocabulary.name(id).to_owned()).collect()
    }

    /// Records the signal as an objection to these purposes.
    ///
    /// # Errors
    /// When the customer id is wrong, or the ledger does not take records; the objections bind in memory all the same.
    pub fn record_gpc(&self, customer: &str, purposes: Vec<String>, now: Moment) -> Result<(), EngineError> {
        let change = |purpose| ConsentChange {
            purpose,
            status: ConsentStatus::Objected,
            notice: String::new(),
            language: String::new(),
            expression: "Global Privacy Control".into(),
            claimed: None,
            valid_until: None,
        };
        let request = ConsentRequest {
            customer: customer.into(),
            idempotency_key: Some(purposes.join(" ")).filter(|key| key.len() <= LONGEST_ID).unwrap_or_default(),
            changes: purposes.into_iter().map(change).collect(),
            source: ConsentSource { evidence: "Sec-GPC: 1".into(), ..ConsentSource::default() },
            deferred: false,
        };
        match self.record_consent(request, now) {
            // Another call with the same signal is writing it down; it binds already.
            Ok(_) | Err(EngineError::InProgress(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_new(id: PurposeId, standing: &Standing, rules: &RuleSet) -> bool {
    let objected = standing.registers(id).objection.is_some();
    !objected && rules.purpose(id).is_some_and(|terms| terms.gpc_objects && !terms.retired)
}
