//! The pure domain: what a rule set means, what is known of a customer, what the law allows, and the
//! decision that follows.
//!
//! No tokio, tonic, clock, file or lock in here; time is an argument. `rules`, `customer` and `consent` do
//! not see each other; `view`, `decide` and `record` stand above them and bring them together.

pub mod action;
pub mod consent;
pub mod customer;
pub mod decide;
pub mod id;
pub mod packed;
pub mod purpose;
pub mod record;
pub mod rules;
pub mod time;
pub mod value;
pub mod view;
