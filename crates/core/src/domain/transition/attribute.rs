//! Sets attributes of the customer.

use super::{Terms, journey};
use crate::domain::consent::Stage;
use crate::domain::customer::CustomerState;
use crate::domain::id::{AttributeId, PurposeSet};
use crate::domain::value::Value;

/// Sets attributes, or removes those without a value. Returns those that were dropped because no purpose covers them
/// now.
pub fn set_attributes(
    state: &mut CustomerState,
    attributes: Vec<(AttributeId, Option<Value>)>,
    terms: Terms<'_>,
) -> Vec<AttributeId> {
    let lawful = terms.lawful(Stage::Collection);
    let (mut dropped, mut changed) = (Vec::new(), PurposeSet::EMPTY);
    for (id, value) in attributes {
        let Some(declared) = terms.rules.declared.attributes.get(id) else { continue };
        let purposes = declared.purposes.map(|purposes| purposes.intersection(lawful));
        match (value, purposes) {
            (None, purposes) => {
                changed = changed.union(purposes.unwrap_or(PurposeSet::ALL));
                state.retain_attributes(|held, purposes| (held != id).then_some(purposes));
            }
            (Some(_), Some(PurposeSet::EMPTY)) => dropped.push(id),
            (Some(value), purposes) => {
                changed = changed.union(purposes.unwrap_or(PurposeSet::ALL));
                state.set_attribute(id, &value, purposes.unwrap_or(PurposeSet::EMPTY));
            }
        }
    }
    journey::follow(state, None, changed, terms);
    dropped
}
