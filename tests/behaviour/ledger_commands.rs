//! The commands that verify the ledger and prove what is in it, run as a user runs them, and judged by others' code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ct_merkle::ConsistencyProof;
use sha2::Sha256;
use tactful::domain::consent::{ConsentRecord, json_ld};
use tactful::domain::time::Moment;
use tactful::ledger::proof::{Checkpoint, Hash, SigningKey};
use tactful::ledger::{FileLedger, Ledger as _};

use super::ledger::{names, record, records, settings, written};
use super::proofs::{receipt_of_others, root_of};

/// `tactful ledger COMMAND` in a folder with a ledger in `data`.
fn ledger(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tactful")).arg("ledger").args(arguments).current_dir(folder).output().unwrap()
}

/// What a command prints that must succeed.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = ledger(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says that must end with this code.
fn said(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = ledger(folder, arguments);
    let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The head in the last line of `verify`.
fn verified_head(folder: &Path) -> Hash {
    let text = printed(folder, &["verify"]);
    let last = text.lines().last().unwrap();
    let head = last.split_once("head ").and_then(|(_, rest)| rest.strip_suffix(", verified"));
    Hash::parse(head.unwrap_or_else(|| panic!("{text}"))).unwrap()
}

#[test]
fn a_receipt_outlives_the_customer_and_the_root_does_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let opened = FileLedger::open(&settings(path)).unwrap();
    opened.ledger.append(&(1..=20).map(record).collect::<Vec<_>>()).unwrap();
    opened.ledger.checkpoint().unwrap();
    let key = printed(path, &["checkpoint", "--key"]);
    let (before, checkpoint) = (verified_head(path), printed(path, &["checkpoint"]));
    fs::write(path.join("kept"), &checkpoint).unwrap();
    let receipt = printed(path, &["receipt", "--record", "r-8"]);
    assert_eq!(receipt, printed(path, &["receipt", "--position", "8"]));
    fs::write(path.join("anna.tlog-proof"), &receipt).unwrap();

    opened.ledger.erase("customer-1", Moment(5_000)).unwrap();
    opened.ledger.checkpoint().unwrap();

    let text = json_ld(&record(8));
    assert_eq!(receipt_of_others(&receipt, key.trim()), text.as_bytes());
    let shown = printed(path, &["verify-receipt", "anna.tlog-proof", "--key", key.trim()]);
    let (json, last) = shown.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(json).unwrap(),
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    );
    assert!(
        last.starts_with("record 8 of the log tactful-ledger-") && last.ends_with("had 20 records, verified"),
        "{last}"
    );

    let text = printed(path, &["verify", "--expect-head", "kept"]);
    assert!(text.contains("3 records of erased customers"), "{text}");
    assert!(text.contains("kept: signed, and its root is that of the first 20 records"), "{text}");
    assert!(said(path, 2, &["receipt", "--position", "8"]).contains("an erased customer's"));
    assert!(said(path, 2, &["receipt", "--record", "r-8"]).contains("`r-8`"));
    let exported = printed(path, &["export"]);
    let left: Vec<String> = records(1..=20)
        .into_iter()
        .filter(|(_, record)| record.customer != "customer-1")
        .map(|(_, record)| json_ld(&record))
        .collect();
    assert_eq!(exported.lines().take(left.len()).collect::<Vec<_>>(), left);
    assert_eq!(exported.lines().count(), left.len() + 1, "the last one says that a customer was erased");

    let after = verified_head(path);
    let proof = printed(path, &["proof", "--from", "20"]);
    let (hashes, newest) = proof.split_once("\n\n").unwrap();
    assert_eq!(newest, printed(path, &["checkpoint"]));
    let hashes: Vec<Hash> =
        hashes.strip_prefix("old 20\n").unwrap().lines().map(|line| Hash::parse(line).unwrap()).collect();
    let claim = ConsistencyProof::<Sha256>::try_from_bytes(hashes.iter().flat_map(|hash| hash.0).collect()).unwrap();
    root_of(21, after).verify_consistency(&root_of(20, before), &claim).unwrap();
    assert!(
        receipt_of_others(&printed(path, &["receipt", "--position", "9"]), key.trim())
            == json_ld(&record(9)).as_bytes()
    );
}

#[test]
fn an_older_copy_with_current_keys_shows_no_erased_customer() {
    let folder = written(9);
    let path = folder.path();
    super::support::copy(&path.join("data"), &path.join("older"));
    FileLedger::open(&settings(path)).unwrap().ledger.erase("customer-1", Moment(5_000)).unwrap();
    let at = ["--data", "older", "--keys", "data-keys"];
    let exported = printed(path, &[&["export"][..], &at].concat());
    assert_eq!(exported.lines().count(), 7, "all but records 1 and 8");
    assert!(!exported.contains("customer-1"), "{exported}");
    assert_eq!(printed(path, &[&["export", "--customer", "customer-1"][..], &at].concat()), "");
    assert!(said(path, 2, &[&["receipt", "--position", "8"][..], &at].concat()).contains("an erased customer's"));
    assert!(said(path, 2, &[&["receipt", "--record", "r-8"][..], &at].concat()).contains("`r-8`"));
}

#[test]
fn every_size_is_consistent_with_every_earlier_one() {
    let folder = written(9);
    for earlier in 0..=9_u64 {
        let proof = printed(folder.path(), &["proof", "--from", &earlier.to_string(), "--to", "9"]);
        assert!(proof.starts_with(&format!("old {earlier}\n")) && !proof.contains("\n\n"), "{proof}");
    }
    assert!(said(folder.path(), 2, &["proof", "--from", "3", "--to", "10"]).contains("covers 9 records, not 10"));
    assert!(said(folder.path(), 2, &["proof", "--from", "10"]).contains("not 10"));
    assert!(said(folder.path(), 2, &["receipt", "--position", "10"]).contains("not 10"));
    assert!(said(folder.path(), 2, &["receipt", "--position", "0"]).contains("positions count from 1"));
    assert!(said(folder.path(), 2, &["receipt"]).contains("--position"));
}

#[test]
fn verify_works_without_the_keys_and_says_so() {
    let folder = written(5);
    fs::rename(folder.path().join("data-keys"), folder.path().join("elsewhere")).unwrap();
    let text = printed(folder.path(), &["verify"]);
    assert!(text.contains("5 records not decrypted") && text.ends_with("verified\n"), "{text}");
    assert!(said(folder.path(), 2, &["receipt", "--position", "1"]).contains("--keys"));
    assert!(said(folder.path(), 2, &["export"]).contains("--keys"));
    let text = printed(folder.path(), &["verify", "--keys", "elsewhere"]);
    assert!(text.contains("5 records decrypted"), "{text}");
}

/// Damages a ledger of 300 records in one way, and what `verify` says of it.
fn damaged(damage: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let opened = FileLedger::open(&settings(folder.path())).unwrap();
    opened.ledger.append(&(1..=300).map(record).collect::<Vec<_>>()).unwrap();
    drop(opened);
    verified_head(folder.path());
    damage(folder.path());
    let text = said(folder.path(), 1, &["verify"]);
    assert!(text.contains("NOT verified"), "{text}");
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(!errors.is_empty(), "{text}");
    errors.join("\n")
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_kind_of_damage_is_found_and_named_with_its_file() {
    let segment = |folder: &Path| {
        let name = names(&folder.join("data/ledger")).into_iter().find(|name| name.ends_with(".segment")).unwrap();
        folder.join("data/ledger").join(name)
    };
    let flipped = damaged(|folder| edit(&segment(folder), |bytes| bytes[50_000] ^= 4));
    assert!(flipped.contains(".segment` is damaged at byte ") && flipped.contains(" whole records: "), "{flipped}");
    let cut = damaged(|folder| edit(&segment(folder), |bytes| bytes.truncate(bytes.len() - 10)));
    assert!(cut.contains("signed for 300 records, but there are only 299"), "{cut}");
    let tile = damaged(|folder| edit(&folder.join("data/log/tile/0/000"), |bytes| bytes[7] ^= 1));
    assert!(tile.contains("data/log/tile/0/000` does not match the records"), "{tile}");
    let partial = damaged(|folder| edit(&folder.join("data/log/tile/entries/001.p/44"), |bytes| bytes.push(0)));
    assert!(partial.contains("001.p/44` does not match the records"), "{partial}");
    let missing = damaged(|folder| fs::remove_file(folder.join("data/log/tile/1/000.p/1")).unwrap());
    assert!(missing.contains("data/log/tile/1/000"), "{missing}");
    let note = damaged(|folder| edit(&folder.join("data/log/checkpoint"), |bytes| bytes[30] ^= 1));
    assert!(note.contains("data/log/checkpoint`: the checkpoint "), "{note}");
    let keys = damaged(|folder| {
        for name in names(&folder.join("data/ledger/keys")) {
            fs::remove_file(folder.join("data/ledger/keys").join(name)).unwrap();
        }
    });
    assert!(keys.contains("record 1 has no key, and its customer was not erased"), "{keys}");
}

#[test]
fn a_rewritten_ledger_contradicts_the_stored_checkpoint() {
    let folder = written(10);
    let path = folder.path();
    fs::write(path.join("kept"), printed(path, &["checkpoint"])).unwrap();
    let key = printed(path, &["checkpoint", "--key"]);
    let secret = fs::read_to_string(path.join("data-keys/signing-key")).unwrap();
    // The operator of the server has every key, leaves a record out, and signs again.
    fs::remove_dir_all(path.join("data")).unwrap();
    fs::remove_file(path.join("data-keys/head")).unwrap();
    let without: Vec<ConsentRecord> = (1..=12).filter(|number| *number != 4).map(record).collect();
    let forged = FileLedger::open(&settings(path)).unwrap();
    forged.ledger.append(&without).unwrap();
    drop(forged);
    assert_eq!(fs::read_to_string(path.join("data-keys/signing-key")).unwrap(), secret);
    assert!(printed(path, &["verify", "--key", key.trim()]).ends_with("verified\n"), "by itself it is in order");
    let text = said(path, 1, &["verify", "--key", key.trim(), "--expect-head", "kept"]);
    assert!(text.contains("`kept` signs the root"), "{text}");
}

#[test]
fn a_checkpoint_of_another_key_counts_for_nothing() {
    let folder = written(3);
    let other = SigningKey::new("tactful-ledger-0000000000000000", &[5; 32]).unwrap();
    let root = verified_head(folder.path());
    fs::write(folder.path().join("kept"), Checkpoint::sign(3, root, &other)).unwrap();
    assert!(said(folder.path(), 1, &["verify", "--expect-head", "kept"]).contains("is not signed by this key"));
    let text = said(folder.path(), 1, &["verify", "--key", &other.verifying_key().to_string()]);
    assert!(text.contains("data/log/checkpoint`: the checkpoint is not signed by this key"), "{text}");
    assert!(said(folder.path(), 2, &["verify", "--key", "nonsense"]).contains("`nonsense` is not a key"));
    assert!(said(folder.path(), 2, &["verify", "--data", "nowhere"]).contains("nowhere/ledger"));
    assert!(said(folder.path(), 2, &["verify", "--expect-head", "nowhere"]).contains("`nowhere`"));
}

/// Written once by the code that brought version 2, and never again: what was promised then must still be proved. Its
/// first record is an erased customer's.
#[test]
fn files_of_earlier_versions_still_verify() {
    let fixture = super::support::folder("tests/fixtures/ledger/version-2");
    let text = printed(&fixture, &["verify"]);
    assert!(text.contains("9 records decrypted") && text.contains("2 records of erased customers"), "{text}");
    assert!(text.ends_with("11 records, head /x0pHB6eet+xp0yZ0mjBMndM2hFKyx8rbBnfbJpex6A=, verified\n"), "{text}");
    let key = printed(&fixture, &["checkpoint", "--key"]);
    let receipt = fs::read_to_string(fixture.join("record-1.tlog-proof")).unwrap();
    assert_eq!(receipt_of_others(&receipt, key.trim()), json_ld(&record(1)).as_bytes());
    let shown = printed(&fixture, &["verify-receipt", "record-1.tlog-proof", "--key", key.trim()]);
    assert!(shown.ends_with("signed when it had 9 records, verified\n"), "{shown}");
}
