//! `journeys:` a customer's progress, in stages.

use crate::domain::id::{EventTypeId, StageId};
use crate::domain::model::Condition;
use crate::domain::sources::Span;
use crate::domain::time::Period;

/// A compiled journey.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Any of these starts it.
    pub starts: Vec<Trigger>,
    /// Its stages in the order written; the first is where it starts.
    pub stages: Vec<JourneyStage>,
    /// How long after its end it may start again; `None` means never.
    pub again_after: Option<Period>,
}

/// An event, a condition, or both.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The event; any event at all if there is none.
    pub event: Option<EventTypeId>,
    /// What must hold.
    pub when: Option<Condition>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct JourneyStage {
    /// The stage, unique over all journeys: `journey/stage`.
    pub id: StageId,
    /// Ways out, tried in the order written.
    pub moves: Vec<Move>,
    /// Whether the journey reaches its goal here.
    pub goal: bool,
    /// Whether the journey ends here without its goal.
    pub end: bool,
    /// Where its name is written.
    pub span: Span,
}

/// A way from one stage to another.
#[derive(Debug, Clone)]
pub struct Move {
    /// Where it leads.
    pub to: StageId,
    /// What makes it.
    pub on: MoveOn,
    /// Where it is written.
    pub span: Span,
}

/// What makes a move.
#[derive(Debug, Clone)]
pub enum MoveOn {
    /// An event or a condition, checked when something is recorded.
    Trigger(Trigger),
    /// Time spent in the stage.
    After(Period),
}

impl Journey {
    /// Whether it can move without an event, because some trigger is a condition alone.
    #[must_use]
    pub fn follows_conditions(&self) -> bool {
        let moves = self.stages.iter().flat_map(|stage| &stage.moves);
        let leads_on = moves.filter_map(|step| match &step.on {
            MoveOn::Trigger(trigger) => Some(trigger),
            MoveOn::After(_) => None,
        });
        self.starts.iter().chain(leads_on).any(|trigger| trigger.event.is_none())
    }

    /// The stage with this id.
    #[must_use]
    pub fn stage(&self, id: StageId) -> Option<&JourneyStage> {
        self.stages.iter().find(|stage| stage.id == id)
    }
}
