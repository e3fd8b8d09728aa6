//! The pure core of Tactful.
//!
//! - [`domain`]: the kernel. What a rule set means, what is known of a customer, what the law allows, and the decision
//!   that follows.
//! - [`rules`]: the front end above it. Rule files become one checked, immutable rule set, or diagnostics.
//!
//! There is no clock, file, network, lock, thread or randomness in here: time is an argument, files are texts. So rule
//! tests, replays and the server run the same code, and it compiles to WebAssembly.

pub mod domain;
pub mod rules;
