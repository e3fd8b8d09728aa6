//! Load on a running Tactful server: [`load`] sends calls and measures how long the answers take; [`Bench`] is the
//! command over it, which reads the files of ghz.

mod command;
mod config;
pub mod load;
mod message;
mod template;

pub use command::{Bench, BenchError};
