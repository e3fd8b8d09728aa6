//! Long explanations: what works and is probably not meant (T03xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNUSED_PURPOSE: &str = "A purpose is declared and used by nothing.";
pub(super) const UNUSED_ATTRIBUTE: &str = "A personal attribute is declared and read by nothing.";
pub(super) const NEVER_WINS: &str = "An action can never be chosen.";
pub(super) const UNTESTED_ACTION: &str = "No rule test names the action.";
pub(super) const UNREACHABLE_STAGE: &str = "No move leads to the stage.";
