//! A view with one event at hand, as filters and journeys look at it.

use super::View;
use crate::domain::customer::{Held, StoredEvent};
use crate::domain::expr::{Fact, FactId, Facts};
use crate::domain::id::FieldId;
use crate::domain::value::{Operand, Truth};

/// A view with one event at hand: `event.` reads from it.
#[derive(Debug)]
pub struct EventView<'v, 'a> {
    pub(super) view: &'v View<'a>,
    pub(super) event: StoredEvent<'v>,
}

impl EventView<'_, '_> {
    fn field(&self, id: FieldId) -> Option<Held<'_>> {
        let found = self.event.fields.get(id);
        found.filter(|held| self.view.lawful && held.purposes.contains(self.view.purpose))
    }

    fn field_of(&self, fact: FactId) -> Option<FieldId> {
        match self.view.scene.rules.facts.get(fact).map(|entry| &entry.fact) {
            Some(Fact::EventField(id)) => Some(*id),
            _ => None,
        }
    }
}

impl Facts for EventView<'_, '_> {
    fn read(&self, fact: FactId) -> Operand<'_> {
        match self.field_of(fact) {
            Some(id) => self.field(id).map_or(Operand::Unknown, |held| held.value()),
            None => self.view.read(fact),
        }
    }

    fn has(&self, fact: FactId) -> Truth {
        match self.field_of(fact) {
            Some(id) if self.field(id).is_some() => Truth::True,
            Some(_) => Truth::Unknown,
            None => self.view.has(fact),
        }
    }
}
