//! Counts of calls: how many by method and status, how long they took, how many connections are open. Each thread that
//! answers calls has counts of its own, which only it changes; a reader adds them up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::admission::Shed;

/// The upper bounds of the buckets, in microseconds; the last bucket has none.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// How many codes a status can have.
const CODES: usize = 17;
/// The code of a call that ended before it was answered.
pub const CANCELLED: i32 = 1;

/// The counts of one method on one thread.
#[derive(Debug, Default)]
struct MethodCounts {
    codes: [AtomicU64; CODES],
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The counts of one thread.
#[derive(Debug)]
pub struct ThreadMeter {
    paths: Arc<[String]>,
    methods: Vec<MethodCounts>,
    opened: AtomicU64,
    closed: AtomicU64,
}

/// One thread alone changes these, so no other count is lost.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl ThreadMeter {
    /// Counts a call to the method with this number in the table.
    pub fn count(&self, method: usize, code: i32, took: Duration) {
        let Some(counts) = self.methods.get(method) else { return };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        let code = usize::try_from(code).ok().and_then(|code| counts.codes.get(code));
        for count in [code, counts.buckets.get(bucket)].into_iter().flatten() {
            add(count, 1);
        }
        add(&counts.micros, micros);
    }

    /// The path of the method with this number, without the slash at its beginning.
    pub fn path(&self, method: usize) -> &str {
        self.paths.get(method).map_or("", |path| path.trim_start_matches('/'))
    }

    /// Counts a connection that begins.
    pub fn open(&self) {
        add(&self.opened, 1);
    }

    /// Counts a connection that ends.
    pub fn close(&self) {
        add(&self.closed, 1);
    }
}

/// What was counted of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct CallCounts {
    /// The method's path without the slash at its beginning.
    pub method: String,
    /// How many calls had each status, by the number of its code.
    pub codes: [u64; CODES],
    /// How many took at most this many seconds, and longer than the bucket before.
    pub buckets: Vec<(f64, u64)>,
    /// How many seconds all took together.
    pub seconds: f64,
}

/// The counts of a server.
#[derive(Debug)]
pub struct CallMeter {
    /// The paths of the methods, in the order of the table.
    paths: Arc<[String]>,
    threads: Mutex<Vec<Arc<ThreadMeter>>>,
    shed: Arc<Shed>,
}

impl CallMeter {
    /// Counts for the methods of a table.
    #[must_use]
    pub fn new(paths: Vec<String>, shed: Arc<Shed>) -> Self {
        Self { paths: paths.into(), threads: Mutex::default(), shed }
    }

    /// The counts of one more thread.
    #[must_use]
    pub fn thread(&self) -> Arc<ThreadMeter> {
        let methods = self.paths.iter().map(|_| MethodCounts::default()).collect();
        let (paths, opened, closed) = (Arc::clone(&self.paths), AtomicU64::default(), AtomicU64::default());
        let thread = Arc::new(ThreadMeter { paths, methods, opened, closed });
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&thread));
        thread
    }

    /// How many calls were refused because there were too many.
    #[must_use]
    pub fn shed(&self) -> Arc<Shed> {
        Arc::clone(&self.shed)
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().map(|thread| read(&thread.opened).saturating_sub(read(&thread.closed))).sum()
    }

    /// The methods that were called, and Decide in any case.
    #[must_use]
    pub fn calls(&self) -> Vec<CallCounts> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let of_method = |(number, path): (usize, &String)| {
            let counts: Vec<&MethodCounts> = threads.iter().filter_map(|thread| thread.methods.get(number)).collect();
            let sum = |count: &dyn Fn(&MethodCounts) -> u64| counts.iter().map(|counts| count(counts)).sum::<u64>();
            let codes = std::array::from_fn(|code| sum(&|counts| counts.codes.get(code).map_or(0, read)));
            #[expect(clippy::cast_precision_loss, reason = "seconds need no more digits")]
            let seconds = |micros: u64| micros as f64 / 1e6;
            let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::MAX]);
            let buckets = bounds.enumerate();
            let buckets =
                buckets.map(|(bucket, bound)| (bound, sum(&|counts| counts.buckets.get(bucket).map_or(0, read))));
            CallCounts {
                method: path.trim_start_matches('/').to_owned(),
                codes,
                buckets: buckets.collect(),
                seconds: seconds(sum(&|counts| read(&counts.micros))),
            }
        };
        let calls = self.paths.iter().enumerate().map(of_method);
        calls.filter(|calls| calls.codes.iter().any(|count| *count > 0) || calls.method.ends_with("/Decide")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up() {
        let meter = CallMeter::new(vec!["/a.B/C".into(), "/a.B/D".into()], Arc::default());
        let (first, second) = (meter.thread(), meter.thread());
        first.open();
        second.open();
        second.close();
        first.count(1, 0, Duration::from_micros(100));
        second.count(1, 5, Duration::from_millis(3));
        second.count(1, 0, Duration::from_secs(60));
        second.count(2, 0, Duration::ZERO);
        assert_eq!(meter.connections(), 1);
        let calls = meter.calls();
        let [calls] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((calls.method.as_str(), calls.codes[0], calls.codes[5]), ("a.B/D", 2, 1));
        let filled: Vec<(f64, u64)> = calls.buckets.iter().copied().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0001, 1), (0.005, 1), (f64::MAX, 1)]);
        assert!((calls.seconds - 60.0031).abs() < 1e-9);
    }
}
