//! Work that is done on all cores at once.

use std::panic::resume_unwind;
use std::thread;

/// How many cores there are.
pub fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does the same with every item, on all cores. What came of them is in their order.
pub fn on_all<T: Send, U: Send>(items: Vec<T>, work: impl Fn(T) -> U + Sync) -> Vec<U> {
    let share = items.len().div_ceil(count()).max(1);
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
