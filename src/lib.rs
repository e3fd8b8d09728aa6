//! Tactful picks the next step in the conversation with one customer, or says nothing.
//!
//! The layers, each of which may use only those below it:
//!
//! - [`cli`]: one file for each command
//! - [`serve`]: listener, reload, shutdown
//! - [`grpc`]: one file for each service; converts, asks the engine, converts back
//! - [`scenario`]: timelines, rule tests and replays, over the same engine
//! - [`node`]: a data folder and the engine over it, opened in the right order
//! - [`engine`]: the only place that combines rules, customers and consent
//! - [`backup`]: writes and restores copies of a data folder
//! - [`storage`]: what must outlive the process, behind one seam
//! - [`store`], [`decision_log`], [`ledger`]: customers, past decisions and consent records on disk
//! - [`clock`]: the machine's clocks
//! - [`domain`], [`rules`]: the pure core, a separate crate: decisions, and rule files

pub mod backup;
pub mod cli;
pub mod clock;
pub mod decision_log;
pub mod descriptors;
pub mod engine;
pub mod failpoint;
pub mod grpc;
pub mod io_at;
pub mod ledger;
pub mod node;
pub mod rule_files;
pub mod scenario;
pub mod serve;
pub mod storage;
pub mod store;
pub mod sync;
pub mod telemetry;
mod unique_id;

pub use tactful_core::{domain, rules};
