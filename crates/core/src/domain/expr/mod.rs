//! Compiled expressions: the facts that they read, a typed program over them, and its evaluation.
//!
//! The front end makes programs from text; nothing in a program can fail.

mod course;
mod evaluate;
mod fact;
mod program;

pub use course::{Course, Values, computed, hull, possible, values};
pub use evaluate::{Facts, evaluate};
pub use fact::{Fact, FactEntry, FactId, FactTable, NO_STAGE, Property};
pub use program::{Arithmetic, Comparison, Node, Pattern, Program, TextTest};
