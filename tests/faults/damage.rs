//! Damaged, cut, missing and outdated files: a start goes on, says what is lost, and no limit is exceeded by it.
//!
//! Bits are flipped and files cut at random places of all files: 40 and 15 times; `FLIPS=2000 CUTS=500 cargo test
//! --release --test faults damage -- --nocapture` for more, with a printed count.

use std::fs;
use std::path::PathBuf;

use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::domain::time::{Moment, Period};
use tactful::engine::Engine;
use tactful::node::Node;
use tactful::store::Loss;

use super::home::{
    Home, consent, copy_folder, decide, err, files, kill, later, out, says_hello, set_plan, stop, tactful,
};

fn contact_log(home: &Home) -> PathBuf {
    let with_entries = |path: &PathBuf| fs::metadata(path).unwrap().len() > 3 * 128;
    ["counted-0", "counted-1"].map(|name| home.customers().join(name)).into_iter().find(with_entries).unwrap()
}

/// The home of a killed process that has told eight customers.
fn killed() -> Home {
    let home = Home::new();
    let (engine, _) = home.open(later(0));
    // The names and the first customers are in the store.
    assert!(says_hello(&engine, "first", later(0)));
    stop(engine);
    let (engine, _) = home.open(later(0));
    for number in 0..8 {
        assert!(says_hello(&engine, &format!("c{number}"), later(0)));
    }
    kill(engine);
    home
}

/// Syncs the contact log, as a server does every 50 ms, until it has counted what is synced.
fn sync(home: &Home, engine: &Engine) {
    let length = || -> u64 {
        ["counted-0", "counted-1"].map(|name| fs::metadata(home.customers().join(name)).unwrap().len()).iter().sum()
    };
    let before = length();
    while length() == before {
        engine.store().unwrap().contact_log().sync();
    }
}

fn assert_closed(engine: &Engine, now: Moment) {
    for customer in ["c0", "c7", "first", "never seen"] {
        assert!(!says_hello(engine, customer, now), "{customer}: their limits count as used up");
    }
    assert!(engine.limits_assumed_used().is_some());
}

#[test]
fn one_wrong_bit_in_the_contact_log_is_put_right() {
    let home = killed();
    let path = contact_log(&home);
    let before = fs::read(&path).unwrap();
    for bit in (0..128 * 8).step_by(61) {
        let mut bytes = before.clone();
        bytes[128 * 4 + bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let copy = Home::new();
        copy_folder(home.path(), copy.path());
        let (engine, recovery) = copy.open(later(1));
        assert_eq!((recovery.repaired, recovery.damaged, recovery.replayed), (1, 0, 8), "bit {bit}");
        assert!((0..8).all(|number| !says_hello(&engine, &format!("c{number}"), later(1))));
        assert!(says_hello(&engine, "never seen", later(1)));
    }
}

#[test]
fn a_damaged_contact_log_closes_the_limits_of_all_until_they_are_over_or_it_is_accepted() {
    let home = killed();
    let path = contact_log(&home);
    let mut bytes = fs::read(&path).unwrap();
    bytes[128 * 4..128 * 4 + 40].fill(0x55);
    fs::write(&path, &bytes).unwrap();
    let data = home.data();
    let check = tactful(&["data", "check", "--data", &data]);
    assert_eq!(check.status.code(), Some(1), "{}", err(&check));
    assert!(err(&check).contains("1 logged contacts or outcomes are damaged"), "{}", err(&check));
    assert!(err(&check).contains("tactful data repair"), "{}", err(&check));

    let (engine, recovery) = home.open(later(1));
    assert_eq!((recovery.damaged, recovery.replayed), (1, 7));
    assert_closed(&engine, later(1));
    let unreadable = engine.export("c0", later(1)).unwrap().unreadable;
    assert_eq!(unreadable, Some(later(1)), "an export says that something is missing");
    kill(engine);
    // It is remembered.
    let (engine, recovery) = home.open(later(2));
    assert_eq!(recovery.damaged, 0);
    assert_closed(&engine, later(2));
    let after = |days| later(2) + Period(days * Period::DAY.0);
    assert!(!says_hello(&engine, "c0", after(31)), "a rejection may be lost, and its cool-down takes 90 days");
    assert!(says_hello(&engine, "c0", after(91)) && says_hello(&engine, "never seen", after(91)));
    assert!(engine.limits_assumed_used().is_none());
    drop(engine);

    let check = tactful(&["data", "check", "--data", &data]);
    assert!(err(&check).contains("tactful data repair --accept"), "{}", err(&check));
    let accepted = tactful(&["data", "repair", "--data", &data, "--accept"]);
    assert!(accepted.status.success() && out(&accepted).contains("accepted"), "{}{}", out(&accepted), err(&accepted));
    assert!(tactful(&["data", "check", "--data", &data]).status.success());
    let (engine, _) = home.open(later(3));
    assert!(says_hello(&engine, "another", later(3)) && engine.limits_assumed_used().is_none());
}

#[test]
fn a_contact_log_that_was_cut_is_noticed() {
    let home = Home::new();
    let (engine, _) = home.open(later(0));
    for number in 0..8 {
        assert!(says_hello(&engine, &format!("c{number}"), later(0)));
    }
    let path = contact_log(&home);
    sync(&home, &engine);
    kill(engine);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 3 * 128).unwrap();
    let (engine, recovery) = home.open(later(1));
    assert_eq!((recovery.missing, recovery.replayed), (3, 5));
    assert_closed(&engine, later(1));
}

#[test]
fn customers_that_are_missing_or_older_than_the_keys_know_are_noticed() {
    let home = Home::new();
    let copy = home.path().join("copy");
    let (engine, _) = home.open(later(0));
    assert!(says_hello(&engine, "first", later(0)));
    stop(engine);
    copy_folder(&home.customers(), &copy);
    let (engine, _) = home.open(later(1));
    assert!(engine.limits_assumed_used().is_none());
    assert!(says_hello(&engine, "c0", later(1)));
    stop(engine);
    for older in [true, false] {
        fs::remove_dir_all(home.customers()).unwrap();
        if older {
            copy_folder(&copy, &home.customers());
        }
        let (engine, recovery) = home.open(later(2));
        assert!(recovery.older, "older: {older}");
        assert_closed(&engine, later(2));
        engine.store().unwrap().set_loss(Loss::None).unwrap();
        engine.store().unwrap().note_head().unwrap();
        drop(engine);
        let (engine, recovery) = home.open(later(3));
        assert!(!recovery.older && says_hello(&engine, &format!("next-{older}"), later(3)));
        stop(engine);
    }
}

#[test]
fn customers_removed_while_they_are_in_use_are_noticed_at_the_next_contact() {
    let home = Home::new();
    let (engine, _) = home.open(later(0));
    assert!(says_hello(&engine, "anna", later(0)));
    fs::remove_dir_all(home.customers()).unwrap();
    let record = decide(&engine, "ben", "web", later(0));
    assert!(record.decision.silence.is_some(), "it could not be logged");
    assert!(engine.store().unwrap().is_failing());
}

#[test]
fn a_damaged_journal_is_set_aside_and_what_can_be_read_is_used() {
    let home = Home::new();
    let (engine, _) = home.open(later(0));
    set_plan(&engine, "anna", later(0));
    assert!(says_hello(&engine, "anna", later(0)));
    stop(engine);
    let (engine, _) = home.open(later(1));
    assert!(says_hello(&engine, "ben", later(1)));
    stop(engine);
    let journal = files(&home.customers()).into_iter().find(|path| path.extension().is_some_and(|end| end == "jnl"));
    let journal = journal.unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    // A later batch: the first has the format and the names.
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[used * 9 / 10] ^= 4;
    fs::write(&journal, &bytes).unwrap();
    let data = home.data();
    let check = tactful(&["data", "check", "--data", &data]);
    assert_eq!(check.status.code(), Some(1), "{}", out(&check));
    let (engine, recovery) = home.open(later(2));
    assert!(recovery.set_aside == Some(1) || recovery.flushes > 0, "{recovery:?}");
    for customer in ["anna", "ben", "never seen"] {
        assert!(!says_hello(&engine, customer, later(2)));
    }
    assert!(!engine.customer("anna", later(2)).unwrap().attributes.is_empty(), "what could be read is used");
    stop(engine);
    let (engine, recovery) = home.open(later(3));
    assert_eq!((recovery.set_aside, recovery.flushes), (None, 0));
    assert!(engine.limits_assumed_used().is_some());
}

/// What became of one damaged home.
#[derive(Debug, Default)]
struct Counts {
    harmless: usize,
    reported: usize,
    closed: usize,
    refused: usize,
}

/// A home with all that can be damaged: consents, customers in the store and in the log, of a process that was killed.
fn rich() -> Home {
    let home = killed();
    let (engine, _) = home.open(later(1));
    set_plan(&engine, "anna", later(1));
    assert!(says_hello(&engine, "anna", later(1)));
    for number in 0..40 {
        consent(&engine, &format!("c{number}"), Given, later(1));
    }
    consent(&engine, "anna", Given, later(1));
    consent(&engine, "anna", Withdrawn, later(1));
    engine.write_behind().unwrap();
    engine.store().unwrap().note_head().unwrap();
    for customer in ["d0", "d1", "d2"] {
        assert!(says_hello(&engine, customer, later(1)));
    }
    sync(&home, &engine);
    kill(engine);
    home
}

const TOLD: [&str; 6] = ["c0", "c7", "anna", "d0", "d1", "d2"];

/// Starts a damaged home: what is lost is said, and nothing is said that a limit or a customer forbids.
fn start(home: &Home, what: &str, counts: &mut Counts) {
    let node = match Node::open(home.settings()) {
        Ok(node) => node,
        Err(error) => {
            assert!(error.to_string().contains('`'), "{what}: {error} names no file");
            counts.refused += 1;
            return;
        }
    };
    let (closed, recovery) = (node.trouble.is_some(), node.recovery);
    let repaired = !node.repairs.is_empty() || recovery.is_loss() || recovery.repaired > 0 || recovery.keys > 0;
    drop(node);
    let (engine, again) = home.open(later(2));
    let is_lost = again.is_loss() || engine.limits_assumed_used().is_some();
    for customer in TOLD {
        assert!(!says_hello(&engine, customer, later(2)), "{what}: {customer} is told again");
    }
    let used = decide(&engine, "anna", "phone", later(2));
    assert!(used.decision.actions.is_empty(), "{what}: a withdrawn consent is used");
    let damaged =
        engine.store().is_some_and(|store| store.counts().damaged.load(std::sync::atomic::Ordering::Relaxed) > 0);
    let whole = engine.export("anna", later(2)).is_ok_and(|export| export.state.attributes().iter().count() == 1);
    assert!(whole || closed || repaired || is_lost || damaged, "{what}: data is missing, and nothing says so");
    match (closed, repaired || damaged || is_lost) {
        (true, _) => counts.closed += 1,
        (false, true) => counts.reported += 1,
        (false, false) => counts.harmless += 1,
    }
}

#[test]
fn a_flipped_bit_or_a_cut_in_any_file_is_never_silent() {
    let number = |name: &str, few: usize| std::env::var(name).map_or(few, |number| number.parse().unwrap());
    let (flips, cuts) = (number("FLIPS", 40), number("CUTS", 15));
    let (home, mut counts, mut random) = (rich(), Counts::default(), 7_u64);
    let mut below = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most
    };
    let all = files(home.path());
    let all: Vec<&PathBuf> = all.iter().filter(|path| fs::metadata(path).unwrap().len() > 0).collect();
    for round in 0..flips + cuts {
        let copy = Home::new();
        copy_folder(home.path(), copy.path());
        let path = all[below(all.len())].strip_prefix(home.path()).unwrap();
        let mut bytes = fs::read(copy.path().join(path)).unwrap();
        // Behind the last byte that is used, a journal has only room.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let place = below(used);
        let what = if round < flips {
            let bit = below(8);
            bytes[place] ^= 1 << bit;
            format!("bit {bit} of byte {place} of {}", path.display())
        } else {
            bytes.truncate(place);
            format!("{} cut to {place} bytes", path.display())
        };
        fs::write(copy.path().join(path), bytes).unwrap();
        start(&copy, &what, &mut counts);
    }
    println!("{flips} flips and {cuts} cuts: {counts:?}, 0 silent");
}
