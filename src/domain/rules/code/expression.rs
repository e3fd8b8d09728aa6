//! Long explanations: what is wrong with an expression (T02xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const EXPRESSION_SYNTAX: &str = "The expression cannot be parsed.";
pub(super) const EXPRESSION_UNKNOWN_NAME: &str = "The expression names a fact that was declared nowhere.";
pub(super) const EXPRESSION_WRONG_TYPE: &str = "An operator or function was given a value of the wrong type.";
pub(super) const EXPRESSION_NOT_ONE_OF: &str = "A fact is compared with a value that it can never have.";
pub(super) const EXPRESSION_ARGUMENTS: &str = "A function was given too few or too many arguments.";
pub(super) const EXPRESSION_UNKNOWN_FUNCTION: &str = "The expression calls a function that does not exist.";
pub(super) const EXPRESSION_PURPOSE: &str = "The expression reads a fact that its purpose does not cover.";
pub(super) const EXPRESSION_WINDOW: &str = "The expression looks further back than the events are kept.";
pub(super) const EXPRESSION_ZERO: &str = "The expression divides by something that is always or may be zero.";
pub(super) const EXPRESSION_REGEX: &str = "A pattern given to `matches` cannot be compiled.";
pub(super) const EXPRESSION_TOO_COSTLY: &str = "The expression exceeds a limit of length, depth or cost.";
pub(super) const EXPRESSION_NOT_CONDITION: &str = "A condition must be true or false; this is something else.";
pub(super) const EXPRESSION_DURATION: &str = "A duration in an expression cannot be read.";
pub(super) const EXPRESSION_NOT_HERE: &str = "The fact exists, but not in this place.";
