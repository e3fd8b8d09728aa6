//! Faults of the disk and of the process: files that are damaged, cut, missing or outdated, a full disk, a kill, and a stop
//! that cannot finish. docs/faults.md says which test is for which fault.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

mod damage;
mod home;
mod keys;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod server_process;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod soak_server;
#[cfg(target_os = "linux")]
mod stopping;
