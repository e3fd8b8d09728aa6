//! The kernel: what a rule set means, what is known of a customer, what the law allows, and the decision that follows.
//!
//! `model` (compiled rules), `customer` and `consent` do not see each other; `view`, `decide` and `record` stand above them
//! and bring them together.

pub mod action;
pub mod consent;
pub mod customer;
pub mod decide;
pub mod expr;
pub mod id;
pub mod index;
pub mod model;
pub mod packed;
pub mod purpose;

pub mod rule_set;
pub mod sources;
pub mod time;
pub mod transition;
pub mod value;
pub mod view;
