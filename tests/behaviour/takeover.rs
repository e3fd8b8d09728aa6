//! Data folders that earlier versions wrote.
//!
//! The fixtures were written by the code of their version, with `write_a_fixture`, and never again. For the next
//! version, before its first change: `FIXTURE=tests/fixtures/customers/version-N cargo test --test behaviour
//! write_a_fixture -- --ignored`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tactful::backup::{BackupWriter, restore};
use tactful::domain::action::Outcome;
use tactful::domain::consent::{ConsentStatus, NoticeHash};
use tactful::domain::time::Moment;
use tactful::engine::{Engine, EventInput, ItemCode, OutcomeInput, Question, RecordConsent};
use tactful::ledger::{FileLedger, OpenError};
use tactful::store::StoreError;

use super::keeping::{Home, RULES, anna, kill, later, stop};
use super::support::{ask, chosen, consent, copy, event, files, folder, monday};

/// The rules of `keeping`, and an outbound channel.
pub(super) fn rules() -> String {
    let news = "  - {id: news, title: News, kind: offer, group: talk, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 28 days}, {after: complained, wait: 1 year}], treatments: {email: {text: news}}}\n";
    let email = "  email: {direction: outbound, interruption: 0}\n";
    RULES
        .replace("channels:\n", &format!("channels:\n{email}"))
        .replace("actions:\n", &format!("actions:\n{news}"))
        .replace("per_contact: {", "per_contact: {email: 1, ")
}

pub(super) fn open(home: &Home, now: Moment) -> Engine {
    home.try_open(&rules(), now).unwrap().0
}

fn asked(engine: &Engine, customer: &str, channel: &str, request: &str) -> String {
    let question = Question { request_id: request.into(), ..ask(customer, channel, &[]) };
    let record = engine.decide(question, monday()).unwrap();
    assert_eq!(chosen(&record).len(), 1);
    record.id()
}

pub(super) fn outcome(decision: &str, customer: &str, action: &str, outcome: Outcome) -> OutcomeInput {
    OutcomeInput {
        outcome_id: String::new(),
        decision_id: decision.into(),
        customer: customer.into(),
        action: action.into(),
        channel: String::new(),
        outcome,
        occurred: None,
    }
}

/// A home with the files of a version.
pub(super) fn taken_over(version: u8) -> Home {
    let home = Home::new();
    copy(&folder(&format!("tests/fixtures/customers/version-{version}")), home.0.path());
    home
}

/// What `tactful` says in a home, with an exit code.
fn said(home: &Home, code: i32, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    let output = command.args(arguments).current_dir(home.0.path()).output().unwrap();
    let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

/// The bytes of the first segment in a home.
fn segment(home: &Home) -> Vec<u8> {
    fs::read(home.0.path().join("data/ledger/00000000000000000001.segment")).unwrap()
}

/// The versions of the frames in a segment.
fn versions(mut bytes: &[u8]) -> Vec<u8> {
    let mut versions = Vec::new();
    while let Some(length) = bytes.first_chunk() {
        versions.push(bytes[4]);
        bytes = &bytes[152 + u32::from_le_bytes(*length) as usize..];
    }
    versions
}

fn may(engine: &Engine, customer: &str, now: Moment) -> bool {
    engine.standing(customer, now).unwrap().iter().any(|view| view.purpose == "advice" && view.usable)
}

#[test]
fn frames_of_version_2_and_3_lie_in_one_ledger() {
    let home = taken_over(2);
    let before = versions(&segment(&home));
    assert_eq!(before, [2; 4], "a yes, another, an erasure and a return");
    let key = said(&home, 0, &["ledger", "checkpoint", "--key"]);
    for round in 1..=3 {
        let engine = open(&home, later(round));
        assert!(may(&engine, "anna", later(round)) && !may(&engine, "clara", later(round)));
        let status = if round == 2 { ConsentStatus::Withdrawn } else { ConsentStatus::Given };
        engine.record_consent(consent("ben", "advice", status), later(round)).unwrap();
        assert_eq!(may(&engine, "ben", later(round)), round != 2);
        kill(engine);
    }
    let engine = open(&home, later(4));
    engine.erase("ben", later(4)).unwrap();
    let records = engine.consent_records("anna").unwrap();
    assert_eq!(records.len(), 1);
    let receipt = engine.receipt("anna", &records[0].1.record_id).unwrap().1;
    fs::write(home.0.path().join("later"), receipt).unwrap();
    stop(engine);
    assert_eq!(versions(&segment(&home)), [before, vec![3; 4]].concat());
    let verified = said(&home, 0, &["ledger", "verify"]);
    assert!(verified.contains("8 records, head ") && verified.contains(", verified"), "{verified}");
    for receipt in ["receipt", "later"] {
        said(&home, 0, &["ledger", "verify-receipt", receipt, "--key", key.trim()]);
    }
    for range in [1, 4, 8] {
        said(&home, 0, &["ledger", "proof", "--from", &range.to_string(), "--to", "8"]);
    }
}

/// Marks the store of a home with a format, as the first write of a start does.
fn mark(home: &Home, format: u8) {
    let database = fjall::Database::builder(home.0.path().join("data/customers/records")).open().unwrap();
    let metadata = database.keyspace("about", fjall::KeyspaceCreateOptions::default).unwrap();
    metadata.insert("format", [format]).unwrap();
    database.persist(fjall::PersistMode::SyncAll).unwrap();
}

/// A contact, without the purposes that may read it.
fn contacts(engine: &Engine, customer: &str) -> Vec<String> {
    let state = engine.export(customer, later(1)).unwrap().state;
    let outcomes = state.relation().outcomes.iter().map(|entry| format!("{:?} {}", entry.outcome, entry.at));
    let contacts = state.relation().contacts.iter().map(|held| {
        format!("{:x} {:?} {} {:?} {:?}", held.decision.0, held.channel, held.at, held.state, held.outcomes)
    });
    contacts.chain(outcomes).collect()
}

/// A start marks the store, replays the contact log, notes that it is replayed, and empties it.
#[test]
fn customers_of_version_2_are_taken_over_whenever_the_start_is_killed() {
    let whole = taken_over(2);
    let known = |home: &Home| {
        let engine = open(home, later(1));
        let known = ["anna", "ben"].map(|customer| contacts(&engine, customer));
        kill(engine);
        known
    };
    let expected = known(&whole);
    assert_eq!(expected.clone().map(|known| known.len()), [2, 3], "anna's contacts, and ben's with a click");
    // Killed after the mark: all else is as version 2 left it.
    let marked = taken_over(2);
    mark(&marked, 4);
    assert_eq!(known(&marked), expected);
    // Killed after the replay: the log still has the entries that are in the store.
    for rounds in 1..=3 {
        for name in ["counted-0", "counted-1"] {
            let from = folder("tests/fixtures/customers/version-2/data/customers").join(name);
            fs::copy(from, whole.0.path().join("data/customers").join(name)).unwrap();
        }
        assert_eq!(known(&whole), expected, "round {rounds}");
    }
    // Killed after some customers were written in version 3.
    let engine = open(&whole, later(1));
    let clicked = outcome("", "anna", "news", Outcome::Clicked);
    assert!(engine.record_outcomes(vec![clicked], later(1)).unwrap()[0].accepted);
    engine.write_due().unwrap();
    kill(engine);
    let [anna, ben] = known(&whole);
    assert_eq!((anna.len(), &ben), (3, &expected[1]));
}

/// Customers of version 3, flushed and in the contact log, keep what they have had, and go on in version 4.
#[test]
fn customers_of_version_3_are_taken_over_whenever_the_start_is_killed() {
    let known = |home: &Home| {
        let engine = open(home, later(1));
        let known = ["anna", "ben"].map(|customer| contacts(&engine, customer));
        kill(engine);
        known
    };
    let whole = taken_over(3);
    let expected = known(&whole);
    assert_eq!(expected.clone().map(|known| known.len()), [2, 3], "anna's contacts, and ben's with a click");
    let marked = taken_over(3);
    mark(&marked, 4);
    assert_eq!(known(&marked), expected);
    let engine = open(&whole, later(2));
    let stage = engine.customer("anna", later(2)).unwrap().journeys.remove(0).stage;
    assert_eq!(stage, "looking");
    let visit = event("anna", "visit", &[("page", "prices")]);
    for id in ["v1", "v2"] {
        let again = EventInput { event_id: id.into(), ..visit.clone() };
        assert_eq!(engine.record_events(vec![again], later(2)).unwrap()[0].code, ItemCode::Repeated, "{id}");
    }
    let again = OutcomeInput { outcome_id: "o1".into(), ..outcome("", "ben", "hello", Outcome::Dismissed) };
    assert_eq!(engine.record_outcomes(vec![again], later(2)).unwrap()[0].code, ItemCode::Repeated);
    assert!(engine.record_events(vec![visit], later(2)).unwrap()[0].accepted);
    engine.write_due().unwrap();
    kill(engine);
    let engine = open(&whole, later(3));
    let state = engine.export("anna", later(3)).unwrap().state;
    assert_eq!((state.events().len(), state.relation().past_stages.len()), (3, 1), "the third visit moved the journey");
    assert_eq!(contacts(&engine, "ben"), expected[1], "and ben lies beside her in version 3");
}

/// Customers of version 4 keep the requests that were answered, flushed and in the contact log.
#[test]
fn customers_of_version_4_are_taken_over_whenever_the_start_is_killed() {
    let ids = fs::read_to_string(folder("tests/fixtures/customers/version-4").join("decisions")).unwrap();
    let id = |name: &str| ids.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let expected = [id("anna-mail "), id("ben-news ")];
    let known = |home: &Home, now: Moment| {
        let engine = open(home, now);
        let again = [("anna", "mail-1"), ("ben", "mail-2")].map(|(customer, request)| {
            let question = Question { request_id: request.into(), ..ask(customer, "email", &[]) };
            engine.decide(question, now).unwrap().id()
        });
        let contacts = ["anna", "ben"].map(|customer| contacts(&engine, customer));
        kill(engine);
        (again, contacts)
    };
    let whole = taken_over(4);
    let (again, contacts) = known(&whole, later(1));
    assert_eq!(again, expected);
    assert_eq!(contacts.clone().map(|contacts| contacts.len()), [2, 3]);
    let marked = taken_over(4);
    mark(&marked, 5);
    assert_eq!(known(&marked, later(1)), (again, contacts));
    // And after they were written in version 5.
    let engine = open(&whole, later(2));
    let visit = event("anna", "visit", &[("page", "prices")]);
    assert!(engine.record_events(vec![visit], later(2)).unwrap()[0].accepted);
    engine.write_due().unwrap();
    kill(engine);
    assert_eq!(known(&whole, later(3)).0, expected);
}

/// A log of version 5 counts what is synced of it; those of before do not.
#[test]
fn a_contact_log_that_counts_what_is_synced_is_read_and_a_cut_of_it_is_noticed() {
    let logs = |home: &Home| ["counted-0", "counted-1"].map(|name| home.0.path().join("data/customers").join(name));
    let has_count = |path: &PathBuf| fs::read(path).unwrap().chunks(128).any(|slot| slot.starts_with(b"TFLSYNC1"));
    let whole = taken_over(5);
    assert!(logs(&whole).iter().any(has_count));
    assert!(!(1..5).map(taken_over).any(|home| logs(&home).iter().any(has_count)));
    let (engine, recovery) = whole.try_open(&rules(), later(1)).unwrap();
    assert_eq!((recovery.damaged, recovery.missing), (0, 0));
    let ids = fs::read_to_string(whole.0.path().join("decisions")).unwrap();
    let question = Question { request_id: "mail-2".into(), ..ask("ben", "email", &[]) };
    assert_eq!(
        ids.lines().last(),
        Some(format!("ben-news {}", engine.decide(question, later(1)).unwrap().id()).as_str())
    );
    assert_eq!(["anna", "ben"].map(|customer| contacts(&engine, customer).len()), [2, 3]);

    let cut = taken_over(5);
    let path = logs(&cut).into_iter().find(|path| !has_count(path)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 128).unwrap();
    let (engine, recovery) = cut.try_open(&rules(), later(1)).unwrap();
    assert_eq!(recovery.missing, 1);
    assert!(engine.limits_assumed_used().is_some(), "the last contact may be lost");
}

#[test]
fn customers_of_a_later_version_are_refused_by_name() {
    let home = taken_over(2);
    mark(&home, 9);
    let refused = home.try_open(&rules(), later(1)).unwrap_err();
    assert!(matches!(refused, StoreError::NewerFormat { found: 9, known: 5, .. }), "{refused}");
    assert!(refused.to_string().contains("were written by a later version (format 9; this one reads up to 5)"));
}

/// Records from before have neither, and the text that their leaves commit to is the same as then.
#[test]
fn records_with_a_caller_and_a_notice_follow_those_without() {
    let home = taken_over(2);
    let engine = open(&home, later(1));
    let mut given = consent("anna", "advice", ConsentStatus::Given);
    given.changes[0].notice_hash = NoticeHash::parse(&"5a".repeat(32));
    let operation = RecordConsent::new(given, engine.rules(), later(1)).unwrap().recorded_by("crm");
    engine.execute_blocking(&operation, later(1)).unwrap().unwrap();
    stop(engine);
    let engine = open(&home, later(2));
    let records = engine.consent_records("anna").unwrap();
    let stated: Vec<_> = records.iter().map(|(_, held)| (held.recorded_by.as_str(), held.notice_hash)).collect();
    assert_eq!(stated, [("", None), ("crm", Some(NoticeHash([0x5a; 32])))]);
    let (record, receipt) = engine.receipt("anna", &records[1].1.record_id).unwrap();
    assert_eq!(record, records[1].1);
    fs::write(home.0.path().join("crm"), receipt).unwrap();
    stop(engine);
    let key = said(&home, 0, &["ledger", "checkpoint", "--key"]);
    assert!(said(&home, 0, &["ledger", "verify"]).contains(", verified"));
    assert!(said(&home, 0, &["ledger", "export"]).contains("\"tactful:recordedBy\":\"crm\""));
    said(&home, 0, &["ledger", "verify-receipt", "receipt", "--key", key.trim()]);
    let shown = said(&home, 0, &["ledger", "verify-receipt", "crm", "--key", key.trim()]);
    assert!(shown.contains(&"5a".repeat(32)), "{shown}");
}

#[test]
fn a_backup_of_both_frame_versions_is_put_back() {
    let home = taken_over(2);
    let engine = open(&home, later(1));
    engine.record_consent(consent("ben", "advice", ConsentStatus::Given), later(1)).unwrap();
    let mut backup = BackupWriter::begin(&home.0.path().join("backup-2")).unwrap();
    engine.back_up(&mut |name: &str, bytes: Vec<u8>| backup.add(name, &bytes).map_err(io::Error::other)).unwrap();
    backup.finish().unwrap();
    stop(engine);
    for (folder, ben) in [("backup", false), ("backup-2", true)] {
        let other = Home::new();
        copy(&taken_over(2).settings().keys, &other.settings().keys);
        restore(&home.0.path().join(folder), &other.settings(), false).unwrap();
        let engine = open(&other, later(2));
        assert!(may(&engine, "anna", later(2)) && may(&engine, "ben", later(2)) == ben, "{folder}");
        assert_eq!(engine.export("anna", later(2)).unwrap().state.relation().contacts.len(), 2, "{folder}");
    }
}

#[test]
fn a_frame_of_a_later_version_is_refused_by_name_and_left_as_it_is() {
    let home = taken_over(2);
    let path = home.0.path().join("data/ledger/00000000000000000001.segment");
    let mut bytes = segment(&home);
    bytes[4] = 9;
    let crc = crc32c::crc32c(&bytes[..116]).to_le_bytes();
    bytes[116..120].copy_from_slice(&crc);
    fs::write(&path, bytes).unwrap();
    let everything = || files(home.0.path()).into_iter().map(|path| (fs::read(&path).unwrap(), path));
    let before: Vec<_> = everything().filter(|(_, path)| !path.ends_with("reserve")).collect();
    let refused = FileLedger::open(&home.settings()).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 9, known: 3, at: 0, .. }), "{refused}");
    let text = said(&home, 2, &["ledger", "verify"]);
    assert!(text.contains("by a later version from byte 0 on (frame version 9; this one reads up to 3)"), "{text}");
    assert_eq!(everything().filter(|(_, path)| !path.ends_with("reserve")).collect::<Vec<_>>(), before);
}

/// Syncs the contact log, as a server does every 50 ms, until it has counted what is synced.
fn sync(home: &Home, engine: &Engine) {
    let customers = home.settings().data.join("customers");
    let length = || ["counted-0", "counted-1"].map(|name| fs::metadata(customers.join(name)).unwrap().len());
    let before = length();
    while length() == before {
        engine.store().unwrap().contact_log().sync();
    }
}

/// Anna is flushed, Ben is in the contact log alone, Clara was erased and came back.
#[test]
#[ignore = "writes the fixture of a version"]
fn write_a_fixture() {
    let Ok(target) = std::env::var("FIXTURE") else { return };
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
    let home = Home::new();
    let engine = open(&home, monday());
    anna(&engine);
    let mail = asked(&engine, "anna", "email", "mail-1");
    for status in [ConsentStatus::Given, ConsentStatus::Returned] {
        let mut back = consent("clara", if status == ConsentStatus::Given { "advice" } else { "" }, status);
        back.source.evidence = "contract-7".into();
        assert!(engine.record_consent(back, monday()).unwrap().results[0].accepted);
        if status == ConsentStatus::Given {
            engine.erase("clara", monday()).unwrap();
        }
    }
    let records = engine.consent_records("anna").unwrap();
    let receipt = engine.receipt("anna", &records[0].1.record_id).unwrap().1;
    let mut backup = BackupWriter::begin(&home.0.path().join("backup")).unwrap();
    engine.back_up(&mut |name: &str, bytes: Vec<u8>| backup.add(name, &bytes).map_err(io::Error::other)).unwrap();
    backup.finish().unwrap();
    stop(engine);

    let engine = open(&home, monday());
    let hello = asked(&engine, "ben", "web", "");
    let news = asked(&engine, "ben", "email", "mail-2");
    let clicked = OutcomeInput { outcome_id: "o1".into(), ..outcome(&hello, "ben", "hello", Outcome::Clicked) };
    assert!(engine.record_outcomes(vec![clicked], monday()).unwrap()[0].accepted);
    sync(&home, &engine);
    kill(engine);
    fs::remove_file(home.settings().data.join("ledger/reserve")).unwrap();
    copy(home.0.path(), &target);
    let ids = format!("anna-mail {mail}\nben-hello {hello}\nben-news {news}\n");
    fs::write(target.join("decisions"), ids).unwrap();
    fs::write(target.join("receipt"), receipt).unwrap();
}
