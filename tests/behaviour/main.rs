//! Behaviour from outside: the server over gRPC, the engine under random use, commands, golden decisions.
//!
//! One binary, so that it links once.

mod api;
mod commands;
mod golden;
mod non_interference;
mod limits;
mod replay;
mod support;
