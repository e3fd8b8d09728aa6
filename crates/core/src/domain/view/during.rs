//! The facts that may be read for one purpose in an interval of time: what they are at its first and at its last moment,
//! and what lies between.

use super::{Scene, View};
use crate::domain::expr::{Course, Fact, FactId, Facts, Node, Values, hull};
use crate::domain::time::{Local, Moment};
use crate::domain::value::Operand;

/// One customer seen for one purpose from the first to the last moment of an interval, in which nothing is recorded, no
/// grant ends and no stage times out.
pub struct During<'v, 'f, 'l> {
    /// The first moment, and the last one.
    pub scenes: [&'v Scene<'v>; 2],
    /// The facts at the first moment.
    pub first: &'v View<'f>,
    /// The facts at the last moment, if they may be others.
    pub last: Option<&'v View<'l>>,
    /// Says of which expressions an unknown result counts as true or false; of none, if it is not there.
    pub open: Option<fn(&Node, &View<'_>) -> bool>,
}

impl Course for During<'_, '_, '_> {
    fn first(&self) -> &impl Facts {
        self.first
    }

    fn stays(&self) -> bool {
        self.open.is_none() && self.last.is_none_or(|last| self.first.scene.stays_until(last.scene.now))
    }

    fn values(&self, fact: FactId) -> Values<'_> {
        let value = Values::One(self.first.read(fact));
        let Some(last) = self.last.filter(|_| !self.keeps(fact)) else { return value };
        let at_ends = || hull(value, Values::One(last.read(fact)));
        match last.scene.rules.facts.get(fact).map(|entry| &entry.fact) {
            Some(Fact::EventCount { event, window, filter: Some(filter) }) if !self.keeps_all(filter) => {
                let most = self.first.event_count(*event, *window, None).0;
                hull(Values::One(Operand::Number(0.0)), Values::One(most))
            }
            Some(Fact::EventLast { filter: Some(filter), .. }) if !self.keeps_all(filter) => Values::Any,
            Some(fact @ (Fact::LocalHour | Fact::LocalMonth | Fact::LocalWeekday | Fact::LocalDate)) => {
                local(fact, self.first.scene.local(), last.scene.local(), at_ends)
            }
            _ => at_ends(),
        }
    }

    fn is_open(&self, leaf: &Node) -> bool {
        self.open.is_some_and(|open| open(leaf, self.first))
    }
}

impl<'v, 'a> During<'v, 'a, 'a> {
    /// A single moment.
    #[must_use]
    pub fn at(view: &'v View<'a>) -> Self {
        Self { scenes: [view.scene; 2], first: view, last: None, open: None }
    }
}

impl During<'_, '_, '_> {
    /// Whether a fact has one value. Others go one way, apart from local clocks and from what a filter counts by them:
    /// ages rise, counts and what fades fall.
    fn keeps(&self, fact: FactId) -> bool {
        let stays = |last: Moment| last < self.first.steady(fact).1 || last == self.first.scene.now;
        self.last.is_none_or(|last| stays(last.scene.now))
    }

    /// Whether each fact that an expression reads has one value.
    fn keeps_all(&self, node: &Node) -> bool {
        let mut keeps = true;
        node.visit_facts(&mut |fact| keeps = keeps && self.keeps(fact));
        keeps
    }

    /// Whether a fact reads the same at every moment, as text.
    #[must_use]
    pub fn reads_same(&self, fact: FactId) -> bool {
        match self.values(fact) {
            Values::One(_) => true,
            Values::Between(low, high) => low.to_string() == high.to_string(),
            Values::Any => false,
        }
    }
}

/// What a local clock or calendar shows. Clocks that are put forward or back in between may show anything.
fn local<'a>(fact: &Fact, first: &Local, last: &Local, at_ends: impl FnOnce() -> Values<'a>) -> Values<'a> {
    let month = |local: &Local| local.date.get(..7).map(str::to_owned);
    let same_day = first.date == last.date;
    match fact {
        _ if first.offset != last.offset => Values::Any,
        Fact::LocalHour if !same_day => Values::Between(Operand::Number(0.0), Operand::Number(23.0)),
        Fact::LocalMonth if month(first) != month(last) => Values::Any,
        Fact::LocalWeekday if !same_day => Values::Any,
        _ => at_ends(),
    }
}
