//! A journal with a store and customers that are no more than lists, and processes that end at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use compact_str::{CompactString, ToCompactString as _};
use proptest::prelude::*;

use super::*;

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Something is counted for a customer, and maybe changes more than that.
    Count { customer: u8, more: bool },
    /// Whoever is due is written, or everybody; the disk may refuse.
    Write { everybody: bool, refused: bool },
    /// The process ends, and another begins.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12_u8, prop::bool::weighted(0.2)).prop_map(|(customer, more)| Step::Count { customer, more }),
        4 => (prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(everybody, refused)| Step::Write { everybody, refused }),
        1 => Just(Step::Kill),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Differs {
    ByCounted,
    ByMore,
}

/// What is counted, and what else was changed.
type Facts = (BTreeSet<u64>, u64);

/// What is on disk beside the journal.
#[derive(Debug, Default)]
struct Stored {
    customers: BTreeMap<u8, Facts>,
    writing: u64,
    round: u64,
}

struct Process {
    journal: Journal,
    customers: BTreeMap<u8, Facts>,
    differing: BTreeMap<u8, Differs>,
}

impl Process {
    /// Opens what a process left behind, as the store does.
    fn begin(folder: &Path, stored: &mut Stored) -> Self {
        let found = Journal::read(folder).unwrap();
        assert!(found.durable <= stored.writing);
        let last = found.entries.iter().map(|(round, _)| *round).max().unwrap_or(0).max(stored.round);
        for (_, entry) in found.entries.into_iter().filter(|(round, _)| *round > stored.round) {
            let Counted::Seen(id) = entry.what else { panic!("nothing else was counted") };
            stored.customers.entry(entry.who[0]).or_default().0.insert(id);
        }
        (stored.writing, stored.round) = (stored.writing + 1, last);
        let journal = Journal::begin(folder, last).unwrap();
        journal.forget_all(stored.writing).unwrap();
        lock(&journal.files).longest = 10;
        Self { journal, customers: stored.customers.clone(), differing: BTreeMap::new() }
    }

    fn count(&mut self, customer: u8, more: bool, id: u64) {
        let (counted, others) = self.customers.entry(customer).or_default();
        counted.insert(id);
        *others += u64::from(more);
        let (before, now) = (self.differing.get(&customer), if more { Differs::ByMore } else { Differs::ByCounted });
        if before.is_none_or(|before| *before < now) {
            self.differing.insert(customer, now);
            if more {
                self.journal.differs(customer.to_compact_string());
            } else {
                self.journal.counts(customer.to_compact_string());
            }
        }
        self.journal.counted([Entry { who: [customer; 20], what: Counted::Seen(id) }]);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(self.journal.kept());
    }

    fn write(&mut self, everybody: bool, refused: bool, stored: &mut Stored) {
        let Due { customers, round } = self.journal.due(everybody);
        if refused {
            for customer in customers {
                self.differing.insert(customer.parse().unwrap(), Differs::ByMore);
                self.journal.differs(customer);
            }
            return;
        }
        for customer in customers.iter().map(|customer: &CompactString| customer.parse().unwrap()) {
            if self.differing.remove(&customer).is_some() {
                stored.customers.insert(customer, self.customers[&customer].clone());
            }
        }
        stored.writing += 1;
        stored.round = round.unwrap_or(stored.round);
        self.journal.durable(stored.writing, round).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_was_counted_survives_every_end(steps in prop::collection::vec(step(), 1..120)) {
        let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
        let mut process = Process::begin(folder.path(), &mut stored);
        for (id, step) in (0..).zip(steps) {
            match step {
                Step::Count { customer, more } => process.count(customer, more, id),
                Step::Write { everybody, refused } => process.write(everybody, refused, &mut stored),
                Step::Kill => {
                    let before = process.customers;
                    process = Process::begin(folder.path(), &mut stored);
                    let counted = |customers: &BTreeMap<u8, Facts>| -> BTreeMap<u8, BTreeSet<u64>> {
                        customers.iter().map(|(customer, (counted, _))| (*customer, counted.clone())).collect()
                    };
                    prop_assert_eq!(counted(&process.customers), counted(&before));
                }
            }
        }
        // With nothing to do, everything is written in two goes, and the journal is empty.
        process.write(true, false, &mut stored);
        process.write(true, false, &mut stored);
        prop_assert_eq!(&stored.customers, &process.customers);
        prop_assert_eq!(Journal::read(folder.path()).unwrap().entries, vec![]);
        prop_assert_eq!(process.journal.waiting(), 0);
    }
}

#[test]
fn who_was_only_spoken_to_is_written_once_a_round() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::begin(folder.path(), &mut stored);
    let mut written = 0;
    for id in 0..100 {
        process.count(u8::try_from(id % 5).unwrap(), false, id);
        let before = process.differing.len();
        process.write(false, false, &mut stored);
        written += before - process.differing.len();
    }
    assert!((25..=50).contains(&written), "{written} of 100");
}

#[test]
fn what_the_file_does_not_take_goes_to_the_store_with_its_customer() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::begin(folder.path(), &mut stored);
    process.count(1, false, 1);
    let read_only = paths(folder.path()).map(|path| File::open(path).unwrap());
    let files = std::mem::replace(&mut lock(&process.journal.files).files, read_only);
    process.count(2, false, 2);
    process.journal.sync();
    assert!(process.journal.is_broken(), "a sync that succeeds brings nothing back");
    lock(&process.journal.files).files = files;
    process.count(3, false, 3);
    assert!(process.journal.is_broken(), "nor does another entry");
    process.write(false, false, &mut stored);
    assert_eq!(stored.customers, process.customers, "all are written though the round is young");
    process.count(4, false, 4);
    assert!(!process.journal.is_broken());
}

#[test]
fn a_file_with_nothing_in_it_stays_short() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::begin(folder.path(), &mut stored);
    (0..100).for_each(|_| process.write(false, false, &mut stored));
    assert!(paths(folder.path()).iter().all(|path| path.metadata().unwrap().len() == SLOT as u64));
    assert_eq!(Journal::read(folder.path()).unwrap().durable, stored.writing);
}

#[test]
fn what_a_process_left_behind_stays_until_it_is_forgotten() {
    let (folder, mut stored) = (tempfile::tempdir().unwrap(), Stored::default());
    let mut process = Process::begin(folder.path(), &mut stored);
    process.count(1, false, 1);
    let left = Journal::read(folder.path()).unwrap().entries;
    // Half of it is taken in, and the process ends.
    for round in [left[0].0, left[0].0 + 1] {
        Journal::begin(folder.path(), round).unwrap().durable(stored.writing, None).unwrap();
    }
    assert_eq!(Journal::read(folder.path()).unwrap().entries, left);
}
