//! SetAttributes: attributes and a time zone, from names to state.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::resolve::{Resolver, unknown};
use crate::domain::id::AttributeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time;
use crate::domain::transition::set_attributes;
use crate::domain::value::Value;
use crate::engine::operation::{Applied, Context, Operation};
use crate::engine::{ActiveRules, Customer, EngineError};

/// Attributes to set (or, without a value, to remove) and a time zone.
#[derive(Debug, Clone, Default)]
pub struct AttributeChange {
    /// The customer's id.
    pub customer: String,
    /// The attributes, by name.
    pub attributes: Vec<(String, Option<Value>)>,
    /// A zone of the IANA database; empty does not change it.
    pub time_zone: String,
}

/// Sets declared attributes of one customer; all of them, or none if one is wrong.
#[derive(Debug)]
pub struct SetAttributes {
    customer: String,
    attributes: Vec<(AttributeId, Option<Value>)>,
    zone: Option<TimeZone>,
    rules: Arc<ActiveRules>,
}

impl SetAttributes {
    /// A change with names resolved.
    ///
    /// # Errors
    /// When a name, a value or the time zone is invalid.
    pub fn new(change: AttributeChange, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        let mut resolver = Resolver::new(&rules.set);
        resolver.id("customer_id", &change.customer);
        resolver.few("attributes", change.attributes.len());
        let attributes = resolve_attributes(&mut resolver, change.attributes);
        let zone = match change.time_zone.as_str() {
            "" => None,
            name => time::zone(name),
        };
        if zone.is_none() && !change.time_zone.is_empty() {
            resolver.refuse("time_zone", "is not a zone of the IANA database, such as `Europe/Berlin`");
        }
        EngineError::refuse(resolver.violations)?;
        Ok(Self { customer: change.customer, attributes, zone, rules })
    }
}

impl Operation for SetAttributes {
    type Draft = Result<Vec<AttributeId>, EngineError>;
    /// The names of the attributes that no purpose covers now: they are not stored.
    type Answer = Result<Vec<String>, EngineError>;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft> {
        if customer.standing.is_gone() {
            return Applied::unchanged(Ok(self.attributes.iter().map(|(id, _)| *id).collect()));
        }
        customer.settle(context);
        let (state, terms) = customer.with_terms(context);
        // Without the ledger it is not known whether a purpose covers them: nothing is dropped for that.
        if !terms.ledger_trusted && !set_attributes(&mut state.clone(), self.attributes.clone(), terms).is_empty() {
            return Applied::unchanged(Err(EngineError::NotStored("consent cannot be relied on now".into())));
        }
        if self.zone.is_some() {
            state.relation_mut().zone.clone_from(&self.zone);
        }
        Applied::changed(Ok(set_attributes(state, self.attributes.clone(), terms)))
    }

    fn finish(&self, dropped: Self::Draft) -> Self::Answer {
        Ok(dropped?.into_iter().map(|id| self.rules.set.vocabulary.name(id).to_owned()).collect())
    }
}

fn resolve_attributes(
    resolver: &mut Resolver<'_>,
    given: Vec<(String, Option<Value>)>,
) -> Vec<(AttributeId, Option<Value>)> {
    let rules = resolver.rules;
    let declared = &rules.declared.attributes;
    let mut resolved = Vec::with_capacity(given.len());
    for (name, value) in given {
        let field = format!("attributes[{name}]");
        let Some((id, attribute)) = rules.vocabulary.find(&name).and_then(|id| Some((id, declared.get(id)?))) else {
            let known: Vec<&str> = declared.ids().map(|id| rules.vocabulary.name(id)).collect();
            resolver.refuse(field, unknown("attribute", &name, &known));
            continue;
        };
        let value = value.map(Value::into_normal);
        let fits = value.as_ref().is_none_or(|value| resolver.fits(&field, value, attribute.shape.refuses(value)));
        if fits {
            resolved.push((id, value));
        }
    }
    resolved
}
