//! The standing of one purpose, for people.

use std::sync::Arc;

use super::super::resolve::check_customer;
use crate::domain::consent::{ConsentStatus, Denial, Stage, Standing, Verdict, binding, lawful, needs_reconfirm};
use crate::domain::id::PurposeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::operation::{Applied, Context, Operation};
use crate::engine::{ActiveRules, Customer, EngineError};

/// One purpose's standing, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingView {
    /// The purpose's id.
    pub purpose: String,
    /// The status that holds; `None` without a record.
    pub status: Option<ConsentStatus>,
    /// Whether data may be used for the purpose now.
    pub usable: bool,
    /// Why not; `None` if it may.
    pub denial: Option<Denial>,
    /// The lawful basis, as in the rule files.
    pub basis: &'static str,
    /// Since when the status holds.
    pub since: Option<Moment>,
    /// When a grant ends.
    pub until: Option<Moment>,
    /// The position of the ledger record that determines the status.
    pub position: u64,
    /// Whether a late grant arrived after the restriction that holds and did not end it; the customer may be asked
    /// again.
    pub needs_reconfirm: bool,
}

/// One customer's standing for every declared purpose, now.
#[derive(Debug)]
pub struct Standings {
    customer: String,
    rules: Arc<ActiveRules>,
}

impl Standings {
    /// The standings of one customer.
    ///
    /// # Errors
    /// When the customer id is invalid.
    pub fn new(customer: &str, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        check_customer(customer, &rules.set)?;
        Ok(Self { customer: customer.into(), rules })
    }

    /// The standing of every declared purpose.
    pub(in crate::engine) fn of(standing: &Standing, context: &Context<'_>) -> Vec<StandingView> {
        let rules = context.rules;
        let views = rules.declared.purposes.ids().filter_map(|id| view(id, standing, rules, context.now));
        views.map(|view| if context.ledger_trusted { view } else { view.distrusted() }).collect()
    }
}

impl Operation for Standings {
    type Draft = Vec<StandingView>;
    type Answer = Vec<StandingView>;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Vec<StandingView>> {
        Applied::unchanged(Self::of(&customer.standing, context))
    }

    fn finish(&self, views: Vec<StandingView>) -> Vec<StandingView> {
        views
    }
}

/// The current standing of one purpose.
pub fn view(id: PurposeId, standing: &Standing, rules: &RuleSet, now: Moment) -> Option<StandingView> {
    let terms = rules.purpose(id)?;
    let verdict = lawful(standing, id, terms, Stage::Evaluation, now);
    let no = binding(standing, id, terms);
    let yes = standing.grant(id).map(|yes| (yes.key, ConsentStatus::Given, yes.position));
    let deciding = no.map(|no| (no.key, no.status, no.position)).or(yes);
    let status = match verdict {
        Verdict::Deny(Denial::Expired) => Some(ConsentStatus::Expired),
        Verdict::Deny(Denial::Restricted) => Some(ConsentStatus::Restricted),
        Verdict::Deny(Denial::Objected) => Some(ConsentStatus::Objected),
        Verdict::Deny(Denial::Erased) => Some(ConsentStatus::Erased),
        _ => deciding.map(|(_, status, _)| status),
    };
    let for_a_no =
        matches!(verdict, Verdict::Deny(Denial::Refused | Denial::Withdrawn | Denial::Revoked | Denial::Objected));
    let until = match verdict {
        Verdict::Allow { until, .. } if until < Moment::DISTANT_FUTURE => Some(until),
        _ => None,
    };
    Some(StandingView {
        purpose: rules.vocabulary.name(id).to_owned(),
        status,
        usable: verdict.allows(),
        denial: verdict.denial(),
        basis: terms.basis.name(),
        since: deciding.map(|(key, ..)| key.at),
        until,
        position: deciding.map_or(0, |(.., position)| position),
        needs_reconfirm: for_a_no && needs_reconfirm(standing, id, terms),
    })
}

impl StandingView {
    /// The same while the ledger cannot be trusted: nothing may be used, whatever the status.
    #[must_use]
    pub fn distrusted(self) -> Self {
        let denial = match self.denial {
            None | Some(Denial::Restricted | Denial::NoRecord) => Denial::LedgerUnavailable,
            Some(denial) => denial,
        };
        Self { usable: false, denial: Some(denial), until: None, ..self }
    }
}
