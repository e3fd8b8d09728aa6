//! Runs the log with a store and customers that are plain maps, and kills the process at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use compact_str::{CompactString, ToCompactString as _};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// An entry is appended for a customer, who may change in other ways too.
    Append { customer: u8, more: bool },
    /// The customers of the next flush are written, unless the disk fails.
    Flush { everything: bool, fails: bool },
    /// The process is killed, and the next one starts.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12_u8, prop::bool::weighted(0.2)).prop_map(|(customer, more)| Step::Append { customer, more }),
        4 => (prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(everything, fails)| Step::Flush { everything, fails }),
        1 => Just(Step::Kill),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Dirty {
    LogOnly,
    Full,
}

/// The logged ids of a customer, and the number of other changes.
type Facts = (BTreeSet<u64>, u64);

/// The store on disk.
#[derive(Debug, Default)]
struct Stored {
    customers: BTreeMap<u8, Facts>,
    flush: u64,
    drained: u64,
}

struct Process {
    log: ContactLog,
    customers: BTreeMap<u8, Facts>,
    dirty: BTreeMap<u8, Dirty>,
}

impl Process {
    /// Opens the files of a killed process and replays the log, as the store does.
    fn start(folder: &Path, stored: &mut Stored) -> Self {
        let found = ContactLog::read(folder).unwrap();
        assert!(found.durable_flush <= stored.flush);
        let last = found.entries.iter().map(|(segment, _)| *segment).max().unwrap_or(0).max(stored.drained);
        for (_, entry) in found.entries.into_iter().filter(|(segment, _)| *segment > stored.drained) {
            let LoggedChange::SeenId(id) = entry.change else { panic!("only ids were logged") };
            stored.customers.entry(entry.customer[0]).or_default().0.insert(id);
        }
        (stored.flush, stored.drained) = (stored.flush + 1, last);
        let log = ContactLog::open(folder, last).unwrap();
        log.truncate(stored.flush).unwrap();
        lock(&log.files).max_entries = 10;
        Self { log, customers: stored.customers.clone(), dirty: BTreeMap::new() }
    }

    fn append(&mut self, customer: u8, more: bool, id: u64) {
        let (logged, others) = self.customers.entry(customer).or_default();
        logged.insert(id);
        *others += u64::from(more);
        let (before, now) = (self.dirty.get(&customer), if more { Dirty::Full } else { Dirty::LogOnly });
        if before.is_none_or(|before| *before < now) {
            self.dirty.insert(customer, now);
            if more {
                self.log.mark_dirty(customer.to_compact_string());
            } else {
                self.log.mark_log_only(customer.to_compact_string());
            }
        }
        self.log.append([LogEntry { customer: [customer; 20], change: LoggedChange::SeenId(id) }]);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(self.log.wait_durable());
    }

    fn flush(&mut self, everything: bool, fails: bool, stored: &mut Stored) {
        let FlushBatch { customers, drained } = self.log.next_flush(everything);
        if fails {
            for customer in customers {
                self.dirty.insert(customer.parse().unwrap(), Dirty::Full);
                self.log.mark_dirty(customer);
            }
            return;
        }
        for customer in customers.iter().map(|customer: &CompactString| customer.parse().unwrap()) {
            if self.dirty.remove(&customer).is_some() {
                stored.customers.insert(customer, self.customers[&customer].clone());
            }
        }
        stored.flush += 1;
        stored.drained = drained.unwrap_or(stored.drained);
        self.log.record_flush(stored.flush, drained).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn logged_entries_survive_every_kill(steps in prop::collection::vec(step(), 1..120)) {
        let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
        let mut process = Process::start(folder.path(), &mut stored);
        for (id, step) in (0..).zip(steps) {
            match step {
                Step::Append { customer, more } => process.append(customer, more, id),
                Step::Flush { everything, fails } => process.flush(everything, fails, &mut stored),
                Step::Kill => {
                    let before = process.customers;
                    process = Process::start(folder.path(), &mut stored);
                    let logged = |customers: &BTreeMap<u8, Facts>| -> BTreeMap<u8, BTreeSet<u64>> {
                        customers.iter().map(|(customer, (logged, _))| (*customer, logged.clone())).collect()
                    };
                    prop_assert_eq!(logged(&process.customers), logged(&before));
                }
            }
        }
        // Two full flushes drain both segments.
        process.flush(true, false, &mut stored);
        process.flush(true, false, &mut stored);
        prop_assert_eq!(&stored.customers, &process.customers);
        prop_assert_eq!(ContactLog::read(folder.path()).unwrap().entries, vec![]);
        prop_assert_eq!(process.log.dirty_customers(), 0);
    }
}

#[test]
fn log_only_customers_are_flushed_once_a_segment() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::start(folder.path(), &mut stored);
    let mut flushed = 0;
    for id in 0..100 {
        process.append(u8::try_from(id % 5).unwrap(), false, id);
        let before = process.dirty.len();
        process.flush(false, false, &mut stored);
        flushed += before - process.dirty.len();
    }
    assert!((25..=50).contains(&flushed), "{flushed} of 100");
}

#[test]
fn entries_that_cannot_be_written_reach_the_store_with_their_customer() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::start(folder.path(), &mut stored);
    process.append(1, false, 1);
    let read_only = paths(folder.path()).map(|path| File::open(path).unwrap());
    let files = std::mem::replace(&mut lock(&process.log.files).files, read_only);
    process.append(2, false, 2);
    process.log.sync();
    assert!(process.log.is_failing(), "a sync that succeeds does not bring the entry back");
    lock(&process.log.files).files = files;
    process.append(3, false, 3);
    assert!(process.log.is_failing(), "nor does another entry");
    process.flush(false, false, &mut stored);
    assert_eq!(stored.customers, process.customers, "all are flushed although the segment is not full");
    process.append(4, false, 4);
    assert!(!process.log.is_failing());
}

#[test]
fn a_file_without_entries_does_not_grow() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::start(folder.path(), &mut stored);
    (0..100).for_each(|_| process.flush(false, false, &mut stored));
    assert!(paths(folder.path()).iter().all(|path| path.metadata().unwrap().len() == SLOT as u64));
    assert_eq!(ContactLog::read(folder.path()).unwrap().durable_flush, stored.flush);
}

#[test]
fn entries_of_a_killed_process_stay_until_the_log_is_truncated() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::start(folder.path(), &mut stored);
    process.append(1, false, 1);
    let left = ContactLog::read(folder.path()).unwrap().entries;
    // The next process is killed while it replays them.
    for segment in [left[0].0, left[0].0 + 1] {
        ContactLog::open(folder.path(), segment).unwrap().record_flush(stored.flush, None).unwrap();
    }
    assert_eq!(ContactLog::read(folder.path()).unwrap().entries, left);
}
