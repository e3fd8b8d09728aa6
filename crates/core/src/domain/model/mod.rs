//! Compiled rules, independent of the format of rule files.
//!
//! Names are ids, conditions are programs over facts, and every part has the span of its source, so that reasons can
//! name a file and a line.

mod action;
mod attribute;
mod channel;
pub mod condition;
mod context;
mod declarations;
mod event;
mod journey;
mod limit;
mod policy;
mod template;

pub use action::{Action, Points, Relevance, Treatment};
pub use attribute::{Attribute, Shape};
pub use channel::{ACTIVITY, Channel, Direction, Interruption, Otherwise, QuietHours};
pub use condition::{Condition, Finding, Prospect};
pub use context::ContextFact;
pub use declarations::{ActionHead, Declarations, JourneyHead};
pub use event::{EventType, Field, LATE, LONGEST_LATE};
pub use journey::{Journey, JourneyStage, Move, MoveOn, Trigger};
pub use limit::{Limit, LimitRule, LimitScope};
pub use policy::{Arbitration, Hurt, Policy, Pressure};
pub use template::Template;
