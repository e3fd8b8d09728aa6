//! Long explanations: what is wrong with the shape of a document (T01xx).
//!
//! Each says what is wrong and why it is refused, then shows it wrong and right.

pub(super) const UNKNOWN_KEY: &str = "A key has no meaning where it stands.";
pub(super) const MISSING_KEY: &str = "A key that has no default is missing.";
pub(super) const WRONG_TYPE: &str = "A value has another type than the key needs.";
pub(super) const NOT_ONE_OF: &str = "A value is not among those the key allows.";
pub(super) const UNKNOWN_NAME: &str = "A name was declared nowhere.";
pub(super) const DUPLICATE_ID: &str = "Two things of one kind have the same id.";
pub(super) const BAD_NUMBER: &str = "A number is out of range or not finite.";
pub(super) const BAD_DURATION: &str = "A duration cannot be read or is out of range.";
pub(super) const BAD_TIME: &str = "A date or time cannot be read.";
pub(super) const BAD_ZONE: &str = "A time zone is not in the IANA data base.";
pub(super) const NO_DEFAULT_ALLOWED: &str = "A restrictive field was left out or given a blanket value.";
pub(super) const BAD_ID: &str = "An id holds characters that ids may not have.";
pub(super) const TOO_MANY: &str = "There are more things of one kind than the limit.";
pub(super) const EMPTY_LIST: &str = "A list or map that needs an entry has none.";
pub(super) const CONTRADICTION: &str = "Two settings exclude each other.";
pub(super) const BAD_TEMPLATE: &str = "A text template cannot be read or names what it may not show.";
pub(super) const MISSING_SECTION: &str = "A section that every rule set needs is missing.";
