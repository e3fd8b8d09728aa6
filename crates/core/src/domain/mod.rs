//! The kernel: the compiled rule set, the state of a customer, the consent gate, and the decision.
//!
//! `model` (compiled rules), `customer` and `consent` do not depend on each other; `view`, `transition` and `decide`
//! combine them.

pub mod action;
pub mod consent;
pub mod customer;
pub mod decide;
pub mod expr;
pub mod id;
pub mod index;
pub mod model;
pub mod notice;
pub mod packed;
pub mod purpose;
pub mod rule_set;
pub mod scoring;
pub mod sources;
pub mod time;
pub mod transition;
pub mod value;
pub mod view;
pub mod word;
