//! Backups: taken while the server runs, restored completely or not at all, and erased customers stay erased.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};
use tactful::backup::{BackupError, BackupWriter, RestoreSummary, restore};
use tactful::domain::consent::ConsentStatus;
use tactful::engine::Engine;
use tactful::grpc::proto;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::ledger::{FileLedger, Ledger as _, LedgerSettings, OpenError, Repair};
use tactful::store::CustomerCount;

use super::keeping::{Home, RULES, anna, later, says_hello, stop};
use super::ledger::Server;
use super::support::{consent, files, monday};

fn tactful(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tactful")).args(arguments).current_dir(folder).output().unwrap()
}

/// What a command says that must end with this code.
fn said(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = tactful(folder, arguments);
    let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

/// Takes a backup, and calls a function between its parts.
fn back_up(engine: &Engine, to: &Path, mut meanwhile: impl FnMut(&str)) {
    let mut writer = BackupWriter::begin(to).unwrap();
    let mut take = |name: &str, bytes: Vec<u8>| {
        meanwhile(name);
        writer.add(name, &bytes).map_err(io::Error::other)
    };
    engine.back_up(&mut take).unwrap();
    writer.finish().unwrap();
}

fn backup_of(home: &Home) -> PathBuf {
    home.0.path().join("backup")
}

/// Restores the backup of a home into another data folder, with the current keys.
fn put_back(home: &Home, accept_older: bool) -> Result<(Home, RestoreSummary), BackupError> {
    let other = Home::new();
    super::support::copy(&home.settings().keys, &other.settings().keys);
    let settings = LedgerSettings { accept_older, ..other.settings() };
    restore(&backup_of(home), &settings, false).map(|restored| (other, restored))
}

fn counts(customers: CustomerCount) -> (usize, usize) {
    (customers.total, customers.damaged)
}

/// All files of a folder, to check that none changed.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    found.sort();
    found
}

fn yes(customer: &str) -> proto::RecordConsentRequest {
    let given = proto::ConsentStatus::Given.into();
    let change = proto::ConsentChange { purpose: "advice".into(), status: given, ..Default::default() };
    proto::RecordConsentRequest { customer_id: customer.into(), changes: vec![change], ..Default::default() }
}

fn whether(customer: &str) -> proto::DecideRequest {
    proto::DecideRequest { customer_id: customer.into(), channel: "web".into(), ..Default::default() }
}

/// One task that calls a server until it is stopped; returns the answers in order.
async fn speak(address: String, speaker: usize, stop: Arc<AtomicBool>) -> (Vec<String>, Vec<String>) {
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let (mut consents, mut decisions) =
        (ConsentServiceClient::new(channel.clone()), DecisionServiceClient::new(channel));
    let (mut agreed, mut told) = (Vec::new(), Vec::new());
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let customer_id = format!("customer-{speaker}-{number}");
        consents.record_consent(yes(&customer_id)).await.unwrap();
        agreed.push(customer_id.clone());
        assert_eq!(decisions.decide(whether(&customer_id)).await.unwrap().into_inner().actions.len(), 1);
        told.push(customer_id);
    }
    (agreed, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_under_load_has_everything_that_was_answered_before() {
    const SPEAKERS: usize = 6;
    let root = tempfile::tempdir().unwrap();
    let (path, rules) = (root.path(), root.path().join("rules"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("rules.yaml"), RULES).unwrap();
    let server = Server::over(&rules, path, &[]);
    let first = Arc::new(AtomicBool::new(false));
    let load = |stop: &Arc<AtomicBool>, from: usize| -> Vec<_> {
        let speakers = from..from + SPEAKERS;
        speakers.map(|speaker| tokio::spawn(speak(server.address.clone(), speaker, Arc::clone(stop)))).collect()
    };
    // Some call before it begins, and others from before it until after its end.
    let before = load(&first, 0);
    let second = Arc::new(AtomicBool::new(false));
    let during = load(&second, SPEAKERS);
    while fs::metadata(path.join("data/ledger/00000000000000000001.segment")).map_or(0, |found| found.len()) < 120_000 {
        tokio::task::yield_now().await;
    }
    first.store(true, Ordering::SeqCst);
    let (mut agreed, mut told) = (Vec::new(), Vec::new());
    for speaker in before {
        let answered = speaker.await.unwrap();
        agreed.extend(answered.0);
        told.extend(answered.1);
    }
    let (folder, address) = (path.to_owned(), server.address.clone());
    let backup = move || said(&folder, 0, &["backup", "backups/one", "--server", &address]);
    let text = tokio::task::spawn_blocking(backup).await.unwrap();
    assert!(text.contains("verified with tactful-ledger-") && text.contains("keys       not included"), "{text}");
    second.store(true, Ordering::SeqCst);
    for speaker in during {
        assert!(!speaker.await.unwrap().0.is_empty());
    }
    let mut consents = ConsentServiceClient::connect(server.address.clone()).await.unwrap();
    consents.record_consent(yes("zoe")).await.unwrap();
    consents.get_checkpoint(proto::GetCheckpointRequest {}).await.unwrap();
    drop(server);

    assert!(!path.join("backups/one.unfinished").exists());
    assert!(said(path, 0, &["ledger", "verify", "--data", "backups/one", "--keys", "none"]).contains(", verified"));
    let at = ["restore", "backups/one", "--data", "restored/data", "--keys", "data-keys"];
    assert!(said(path, 2, &at).contains("--accept-older"), "zoe came after it");
    said(path, 0, &[&at[..], &["--accept-older"]].concat());
    let server = Server::over(&rules, &path.join("restored"), &["--keys", path.join("data-keys").to_str().unwrap()]);
    let mut consents = ConsentServiceClient::connect(server.address.clone()).await.unwrap();
    for customer_id in agreed {
        let request = proto::GetConsentRequest { customer_id: customer_id.clone() };
        let standings = consents.get_consent(request).await.unwrap().into_inner().standings;
        assert!(standings.iter().any(|known| known.purpose == "advice" && known.usable), "{customer_id}");
    }
    let mut decisions = DecisionServiceClient::connect(server.address.clone()).await.unwrap();
    for customer_id in told {
        let answer = decisions.decide(whether(&customer_id)).await.unwrap().into_inner();
        assert!(answer.actions.is_empty(), "{customer_id} was told a second time");
    }
}

#[test]
fn a_backup_is_put_back_as_it_was() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = engine.export("anna", later(1)).unwrap();
    back_up(&engine, &backup_of(&home), |_| {});
    drop(engine);
    let (home, restored) = put_back(&home, false).unwrap();
    assert_eq!((restored.records, counts(restored.customers), restored.repairs), (1, (1, 0), vec![]));
    let engine = home.open(later(1));
    let after = engine.export("anna", later(1)).unwrap();
    assert!(after.state == before.state && after.standings == before.standings);
    assert!(!says_hello(&engine, "anna", later(1)));
}

#[test]
fn a_backup_without_any_customer_is_one() {
    let home = Home::new();
    back_up(&home.open(monday()), &backup_of(&home), |_| {});
    said(home.0.path(), 0, &["ledger", "verify", "--data", "backup", "--keys", "data-keys"]);
    let (_, restored) = put_back(&home, false).unwrap();
    assert_eq!((restored.records, counts(restored.customers)), (0, (0, 0)));
}

/// Two customers whose bytes are under one key: the first twelve bits of their pseudonyms are the same.
fn neighbours(engine: &Engine) -> (String, String) {
    let bucket = |customer: &str| {
        let [high, low, ..] = engine.store().unwrap().pseudonym(customer).0;
        (high, low >> 4)
    };
    let mut known = std::collections::HashMap::new();
    let pair = (0..).find_map(|number| {
        let customer = format!("neighbour-{number}");
        known.insert(bucket(&customer), customer.clone()).map(|other| (other, customer))
    });
    pair.unwrap()
}

/// Whatever happens during a backup, each of its records has its key or the erasure of its customer, also with an old
/// copy of the keys, which has no erasure.
#[test]
fn changes_during_a_backup_leave_it_complete() {
    let home = Home::new();
    let engine = home.open(monday());
    let agree = |customer: String| {
        engine.record_consent(consent(&customer, "advice", ConsentStatus::Given), monday()).unwrap();
        assert!(says_hello(&engine, &customer, monday()));
    };
    (0..200).for_each(|number| agree(format!("early-{number}")));
    // Two who share a key: the first goes during the backup, and the second gets another.
    let (first, second) = neighbours(&engine);
    [&first, &second].into_iter().for_each(|customer| agree(customer.clone()));
    let old_keys = home.0.path().join("old-keys");
    super::support::copy(&home.settings().keys, &old_keys);
    let (mut parts, mut gone, mut erased) = (0, Vec::new(), 0);
    back_up(&engine, &backup_of(&home), |name| {
        parts += 1;
        if parts == 1 {
            gone.push(first.clone());
        }
        if parts <= 3 {
            // More customers than a block has keys, so that new blocks are created.
            (0..280).for_each(|number| agree(format!("late-{parts}-{number}")));
            gone.push(format!("late-{parts}-3"));
        }
        if name.ends_with(".keys") {
            gone.push(format!("early-{parts}"));
        }
        for customer in gone.iter().skip(erased) {
            engine.erase(customer, monday()).unwrap();
        }
        erased = gone.len();
        if name.ends_with(".segment") {
            engine.erase("early-199", monday()).unwrap();
        }
    });
    drop(engine);
    fs::remove_dir_all(home.settings().keys).unwrap();
    super::support::copy(&old_keys, &home.settings().keys);
    let (home, restored) = put_back(&home, false).unwrap();
    assert_eq!(restored.customers.damaged, 0, "everybody's key is of the same moment");
    let engine = home.open(later(1));
    assert!(!says_hello(&engine, "early-0", later(1)) && !says_hello(&engine, &second, later(1)));
    assert!(gone.len() > 6, "blocks were erased from while they were read");
    for customer in gone {
        let export = engine.export(&customer, later(1)).unwrap();
        assert!(export.state.is_empty() && export.records.unwrap().is_empty(), "{customer}");
    }
}

#[test]
fn who_was_erased_after_a_backup_stays_erased() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    assert!(says_hello(&engine, "ben", monday()));
    engine.record_consent(consent("carla", "advice", ConsentStatus::Given), monday()).unwrap();
    let old = engine.signed_head().unwrap();
    back_up(&engine, &backup_of(&home), |_| {});
    engine.erase("anna", monday()).unwrap();
    engine.record_consent(consent("carla", "advice", ConsentStatus::Withdrawn), monday()).unwrap();
    stop(engine);
    let Err(BackupError::Ledger(OpenError::OtherHead { found, signed })) = put_back(&home, false) else {
        panic!("the ledger of now goes on further")
    };
    assert_eq!((found.size, signed.size), (2, 4));

    let (home, restored) = put_back(&home, true).unwrap();
    let [Repair::NewLog(earlier), Repair::ErasedAgain(1)] = restored.repairs.as_slice() else {
        panic!("{:?}", restored.repairs)
    };
    assert_eq!((counts(restored.customers), restored.recovery.erased), ((1, 0), 1));
    assert_eq!(fs::read_to_string(earlier.join("vkey")).unwrap().trim(), old.verifier_key);
    assert!(earlier.join("head").exists() && earlier.join("signing-key").exists());
    let engine = home.open(later(1));
    let erased = engine.export("anna", later(1)).unwrap();
    assert!(erased.state.is_empty() && erased.records.unwrap().is_empty());
    assert!(!says_hello(&engine, "ben", later(1)), "the others are as they were");
    assert_eq!(engine.consent_records("carla").unwrap().len(), 1, "what was said since is lost");
    assert_ne!(engine.signed_head().unwrap().verifier_key, old.verifier_key, "no log signs two histories");
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    stop(engine);
    let (path, whole) = (home.0.path(), everything(&home.settings().data));
    let at = ["restore", "backup", "--replace"];
    for (file, bytes) in everything(&backup_of(&home)) {
        let name = file.strip_prefix(path).unwrap().display().to_string();
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        let Some(byte) = flipped.get_mut(middle) else { continue };
        *byte ^= 4;
        fs::write(&file, flipped).unwrap();
        let text = said(path, 2, &at);
        assert!(text.contains(&name) || name.ends_with("SHA256SUMS"), "{name}: {text}");
        fs::remove_file(&file).unwrap();
        let text = said(path, 2, &at);
        assert!(text.contains(&name) || text.contains("`SHA256SUMS`"), "{name}: {text}");
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(everything(&home.settings().data), whole);
    // Recomputed checksums do not help: the content must decrypt.
    let (sums, segment) = (backup_of(&home).join("SHA256SUMS"), "ledger/00000000000000000001.segment");
    let mut bytes = fs::read(backup_of(&home).join(segment)).unwrap();
    bytes[200] ^= 1;
    fs::write(backup_of(&home).join(segment), bytes).unwrap();
    let sum = Command::new("sha256sum").arg(segment).current_dir(backup_of(&home)).output().unwrap();
    let text = fs::read_to_string(&sums).unwrap();
    let line = text.lines().find(|line| line.ends_with(segment)).unwrap();
    fs::write(&sums, text.replace(line, String::from_utf8(sum.stdout).unwrap().trim_end())).unwrap();
    assert!(said(path, 2, &at).contains("is damaged at byte 0"));
    assert_eq!(everything(&home.settings().data), whole);
    fs::write(&sums, text.replace("  ledger/", "  ../ledger/")).unwrap();
    assert!(said(path, 2, &at).contains("is not a file of a backup"));
}

#[test]
fn sums_are_those_of_the_usual_command() {
    let home = Home::new();
    back_up(&home.open(monday()), &backup_of(&home), |_| {});
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(backup_of(&home));
    assert!(check.status().unwrap().success());
}

#[test]
fn existing_data_is_kept_and_a_half_restore_is_not_served() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    let path = home.0.path();
    assert!(said(path, 2, &["restore", "backup"]).contains("--replace"));
    assert!(said(path, 2, &["restore", "backup", "--replace"]).contains("stop the server first"));
    stop(engine);
    let whole = everything(&home.settings().data);
    let text = said(path, 0, &["restore", "backup", "--replace"]);
    assert!(text.contains("what was there is in data/replaced-1"), "{text}");
    let aside = everything(&path.join("data/replaced-1"));
    assert!(aside.iter().map(|(_, bytes)| bytes).eq(whole.iter().map(|(_, bytes)| bytes)));
    assert!(!says_hello(&home.open(later(1)), "anna", later(1)));
    assert!(said(path, 2, &["restore", "nothing", "--data", "other"]).contains("not a backup"));
    assert!(said(path, 2, &["restore", "backup", "--data", "other"]).contains("other-keys"));
    assert!(!path.join("other/ledger").exists() && !path.join("other-keys").exists());

    let rules = path.join("rules.yaml");
    fs::write(&rules, RULES).unwrap();
    let serve = |data| said(path, 2, &["serve", "--rules", "rules.yaml", "--data", data, "--keys", "data-keys"]);
    assert!(serve("backup").contains("is a backup"));
    fs::create_dir(path.join("data/restoring")).unwrap();
    assert!(serve("data").contains("is incomplete"));
    assert!(matches!(FileLedger::open(&home.settings()), Err(OpenError::HalfRestored(_))));
    said(path, 0, &["restore", "backup", "--replace"]);
    assert_eq!(FileLedger::open(&home.settings()).unwrap().ledger.size(), 1);
}

#[test]
fn a_restore_that_was_cut_short_when_it_began_a_new_log_can_be_made_again() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    engine.erase("anna", monday()).unwrap();
    stop(engine);
    let (keys, kept) = (home.settings().keys, home.0.path().join("kept"));
    super::support::copy(&keys, &kept);
    let (other, _) = put_back(&home, true).unwrap();
    // As if the new key was written, but not yet the new head.
    fs::copy(other.settings().keys.join("signing-key"), keys.join("signing-key")).unwrap();
    assert!(matches!(FileLedger::open(&home.settings()), Err(OpenError::Head { .. })), "closed until then");
    assert!(put_back(&home, false).is_err());
    let (home, _) = put_back(&home, true).unwrap();
    assert!(home.open(later(1)).export("anna", later(1)).unwrap().state.is_empty());
}

#[test]
fn a_missing_server_and_a_bad_target_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = said(folder.path(), 2, &["backup", "one", "--server", "http://127.0.0.1:1"]);
    assert!(text.contains("no server answers"), "{text}");
    fs::create_dir(folder.path().join("one")).unwrap();
    fs::write(folder.path().join("one/file"), "").unwrap();
    assert!(matches!(BackupWriter::begin(&folder.path().join("one")), Err(BackupError::NotEmpty(_))));
    let mut writer = BackupWriter::begin(&folder.path().join("two")).unwrap();
    for outside in ["../three", "/three", "", "a/../../three", "."] {
        assert!(matches!(writer.add(outside, b"x"), Err(BackupError::Outside(_))), "{outside}");
    }
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of it");
}

#[test]
fn a_rehearsal_does_not_touch_the_keys_of_a_server_that_runs() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    engine.record_consent(consent("carla", "advice", ConsentStatus::Given), monday()).unwrap();
    let (path, before) = (home.0.path(), everything(&home.settings().keys));
    let at = ["restore", "backup", "--data", "drill", "--keys", "data-keys", "--accept-older"];
    let text = said(path, 2, &at);
    assert!(text.contains("`data-keys` is in use") && text.contains("a copy of the keys"), "{text}");
    assert_eq!(everything(&home.settings().keys), before);
    assert!(!path.join("drill/ledger").exists());
    stop(engine);
    said(path, 0, &at);
}

#[test]
fn a_restore_ends_no_rotation_that_other_data_need() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    stop(engine);
    // The state of a rotation that was interrupted after its first step: two wrapping keys.
    let keys = home.settings().keys;
    let text = fs::read_to_string(keys.join("secrets")).unwrap();
    let (body, _) = text.rsplit_once("sha256 ").unwrap();
    let body = format!("{body}wrapping 2 {}\n", "5a".repeat(32));
    let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(keys.join("secrets"), format!("{body}sha256 {sum}\n")).unwrap();
    let before = everything(&keys);
    let text = said(home.0.path(), 2, &["restore", "backup", "--data", "drill", "--keys", "data-keys"]);
    assert!(text.contains("was interrupted") && text.contains("ends the rotation"), "{text}");
    assert_eq!(everything(&keys), before);
}

#[test]
fn a_backup_that_lost_its_end_is_damaged_and_not_older() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    back_up(&engine, &backup_of(&home), |_| {});
    stop(engine);
    let (sums, segment) = (backup_of(&home).join("SHA256SUMS"), "ledger/00000000000000000001.segment");
    let text = fs::read_to_string(&sums).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.ends_with(segment)).collect();
    fs::write(&sums, kept.join("\n")).unwrap();
    fs::remove_file(backup_of(&home).join(segment)).unwrap();
    let found = put_back(&home, true).map(|(_, restored)| restored);
    assert!(matches!(found, Err(BackupError::Damaged(_))), "{found:?}");
}
