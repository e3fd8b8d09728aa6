//! The process's file descriptors: as many as its limits need, and a few in reserve for the disk.
//!
//! A server whose connections have used up all descriptors could not open a file of the ledger, which would look like a
//! failed disk. So a start raises the limit, and files of the disk may be opened with a descriptor from the reserve.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// How many descriptors are in reserve.
const RESERVE: usize = 16;
/// How many are kept for everything but connections: the ledger, the store, rule files, metrics.
const FOR_FILES: u64 = 256;

static SPARE: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Raises the limit of open descriptors as far as the system allows, and reserves some for the disk. Returns how many
/// connections fit; `None` where nothing is known about the limit.
#[must_use]
pub fn prepare() -> Option<usize> {
    let fit = raise();
    refill();
    fit
}

#[cfg(unix)]
fn raise() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current }?;
    usize::try_from(files.saturating_sub(FOR_FILES).max(1)).ok()
}

#[cfg(not(unix))]
fn raise() -> Option<usize> {
    None
}

/// Opens a file; if no descriptor is free, with one from the reserve.
///
/// # Errors
/// When the file cannot be opened, or the reserve is empty, too.
pub fn open<T>(open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match open() {
        Err(error) if is_exhausted(&error) => {
            let spare = spare().pop();
            if spare.is_none() {
                return Err(error);
            }
            drop(spare);
            let opened = open();
            tracing::warn!("no file descriptors are free: a file was opened with one from the reserve");
            opened
        }
        opened => {
            if spare().len() < RESERVE && opened.is_ok() {
                refill();
            }
            opened
        }
    }
}

/// Whether an error says that no descriptor is free.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    // EMFILE and ENFILE, which have no kind of their own.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

fn refill() {
    let mut spare = spare();
    while spare.len() < RESERVE {
        match File::open("/dev/null") {
            Ok(file) => spare.push(file),
            Err(_) => return,
        }
    }
}

fn spare() -> std::sync::MutexGuard<'static, Vec<File>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}
