//! The facts that may be read for one purpose in an interval of time: what they are at its first and at its last moment,
//! and what lies between.

use super::View;
use crate::domain::expr::{Clock, Course, Fact, FactId, Facts, Node, Values, hull};
use crate::domain::time::Local;
use crate::domain::value::Operand;

/// One customer seen for one purpose from the first to the last moment of an interval, in which nothing is recorded, no
/// grant ends and no stage times out.
pub struct During<'v, 'f, 'l> {
    /// At the first moment.
    pub first: &'v View<'f>,
    /// At the last moment.
    pub last: &'v View<'l>,
    /// Whether an unknown result counts as true or false, where `open` says so of the expression.
    pub open: fn(&Node, &View<'_>) -> bool,
}

impl Course for During<'_, '_, '_> {
    fn first(&self) -> &impl Facts {
        self.first
    }

    fn values(&self, fact: FactId) -> Values<'_> {
        let Some(entry) = self.first.scene.rules.facts.get(fact) else { return Values::One(Operand::Unknown) };
        let at_ends = || hull(Values::One(self.first.read(fact)), Values::One(self.last.read(fact)));
        match entry.clock {
            Clock::Steady => Values::One(self.first.read(fact)),
            Clock::OneWay => at_ends(),
            _ if self.first.scene.now == self.last.scene.now => Values::One(self.first.read(fact)),
            Clock::Local => local(&entry.fact, self.first.scene.local(), self.last.scene.local(), at_ends),
            Clock::Any => Values::Any,
        }
    }

    fn is_open(&self, leaf: &Node) -> bool {
        (self.open)(leaf, self.first)
    }
}

impl During<'_, '_, '_> {
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
fn local<'a>(fact: &Fact, first: &Local, last: &Local, at_ends: impl Fn() -> Values<'a>) -> Values<'a> {
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

/// Nothing is supposed about what is unknown.
#[must_use]
pub fn closed(_: &Node, _: &View<'_>) -> bool {
    false
}
