//! Tactful picks the next step in the conversation with one customer, or says nothing.
//!
//! The layers, each seeing only those below it:
//!
//! - [`cli`]: one file a command
//! - [`serve`]: listener, clock, reload, shutdown
//! - [`grpc`]: one file a service; converts, asks, converts back
//! - [`scenario`]: timelines, rule tests and replays, over the same engine
//! - [`engine`]: the one place that knows rules, customers and consent together
//! - [`backup`]: copies of a data folder, taken and put back
//! - [`load`]: calls on a running server, and how long it takes to answer
//! - [`store`], [`ledger`]: where customers and consent records are kept
//! - [`domain`], [`rules`]: the pure core, a crate of its own: what decides, and what reads rule files

pub mod backup;
pub mod cli;
pub mod engine;
pub mod grpc;
pub mod ledger;
pub mod load;
pub mod rule_files;
pub mod scenario;
pub mod serve;
pub mod store;
pub mod sync;
pub mod telemetry;

pub use tactful_core::{domain, rules};
