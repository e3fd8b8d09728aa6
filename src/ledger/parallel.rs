//! Runs CPU-bound work on all cores.

use std::panic::resume_unwind;
use std::thread;

/// The number of cores.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Maps items on all cores, and returns the results in the order of the items.
pub fn map<T: Send, U: Send>(items: Vec<T>, work: impl Fn(T) -> U + Sync) -> Vec<U> {
    let share = items.len().div_ceil(cores()).max(1);
    let (mut items, work) = (items.into_iter().peekable(), &work);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        while items.peek().is_some() {
            let share: Vec<T> = items.by_ref().take(share).collect();
            workers.push(scope.spawn(move || share.into_iter().map(work).collect::<Vec<U>>()));
        }
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
