//! After an erasure nothing in the data folder decrypts the records, nothing brings them back, and everything else is
//! unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tactful::domain::time::Moment;
use tactful::ledger::proof::{Checkpoint, Receipt, SigningKey, VerifyingKey};
use tactful::ledger::{FileLedger, Ledger as _, LedgerError, OpenError, OpenedLedger, Repair};

use super::disk::ModelDisk;
use super::{everything, record, settings};

/// A value that must stand in no file.
const CANARY: &str = "canary-4711";

fn open(disk: &ModelDisk) -> OpenedLedger {
    FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap()
}

/// A ledger with records of three customers, all signed.
fn written() -> ModelDisk {
    let disk = ModelDisk::default();
    let ledger = open(&disk).ledger;
    for number in 1..=10 {
        for customer in ["anna", "ben", CANARY] {
            let mut record = record(customer, number);
            record.source.evidence = format!("said by {CANARY}");
            ledger.append(&[record]).unwrap();
        }
    }
    disk
}

fn key(disk: &ModelDisk) -> VerifyingKey {
    let text = disk.files().remove(Path::new("/data-keys/signing-key")).unwrap();
    SigningKey::parse(String::from_utf8(text).unwrap().trim_end()).unwrap().verifying_key()
}

fn data_of(disk: &ModelDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with("/data")).collect()
}

/// A disk with the data folder of one and the keys folder of another.
fn mixed(data: &ModelDisk, keys: &ModelDisk) -> ModelDisk {
    let mut files = data_of(data);
    files.extend(keys.files().into_iter().filter(|(path, _)| path.starts_with("/data-keys")));
    ModelDisk::holding(&files)
}

#[test]
fn no_file_contains_a_customer_in_plain_text() {
    let disk = written();
    let ledger = open(&disk).ledger;
    ledger.erase(CANARY, Moment(7)).unwrap();
    drop(ledger);
    for (path, bytes) in disk.files() {
        for plain in [CANARY, "anna", "personalisation"] {
            let found = bytes.windows(plain.len()).any(|window| window == plain.as_bytes());
            assert!(!found, "`{plain}` stands in {}", path.display());
        }
    }
}

#[test]
fn erased_records_open_with_no_remaining_key() {
    let disk = written();
    let backup = disk.files();
    let ledger = open(&disk).ledger;
    assert_eq!(ledger.records("anna").unwrap().len(), 10);
    let erasure = ledger.erase("anna", Moment(7)).unwrap();
    assert_eq!((erasure.position, erasure.repeated), (31, false));
    assert!(ledger.is_suppressed("anna") && ledger.is_suppressed(" ANNA") && !ledger.is_suppressed("ben"));
    assert_eq!(ledger.records("anna").unwrap(), []);
    assert!(matches!(ledger.receipt(1), Err(LedgerError::NotFound(_))));
    let again = ledger.erase("anna", Moment(8)).unwrap();
    assert_eq!((again.position, again.repeated), (31, true), "erased once");
    drop(ledger);

    // The wrapped key that is gone stands nowhere any more: each entry of the old block but one has its name in the new.
    let blocks = |files: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<Vec<u8>> {
        let blocks = files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".keys"));
        blocks.flat_map(|(_, bytes)| bytes[16..bytes.len() - 32].chunks(88).map(<[u8]>::to_vec)).collect()
    };
    let names =
        |files: &BTreeMap<PathBuf, Vec<u8>>| blocks(files).iter().map(|entry| entry[..16].to_vec()).collect::<Vec<_>>();
    let after = disk.files();
    let left = names(&after);
    let gone: Vec<_> = names(&backup).into_iter().filter(|name| !left.contains(name)).collect();
    assert_eq!(gone.len(), 1);
    let wrapped = blocks(&backup).into_iter().find(|entry| entry[..16] == gone[0]).unwrap();
    for (path, bytes) in after {
        assert!(!bytes.windows(48).any(|window| window == &wrapped[40..]), "{}", path.display());
    }
    let opened = open(&disk);
    assert!(everything(&opened.ledger).iter().all(|(_, record)| record.customer != "anna"));
    assert_eq!(everything(&opened.ledger).len(), 20);
    assert!(opened.ledger.is_suppressed("anna"));
}

#[test]
fn the_root_and_the_proofs_of_others_stay_and_the_own_receipt_still_opens() {
    let disk = written();
    let ledger = open(&disk).ledger;
    let key = key(&disk);
    let before = Checkpoint::open(&ledger.checkpoint().unwrap(), &key).unwrap();
    let (hers, his) = (ledger.receipt(1).unwrap(), ledger.receipt(2).unwrap());
    let leaves: Vec<u8> =
        disk.files().into_iter().filter(|(path, _)| path.ends_with("30")).flat_map(|(_, b)| b).collect();
    ledger.erase("anna", Moment(7)).unwrap();
    let after = Checkpoint::open(&ledger.checkpoint().unwrap(), &key).unwrap();
    assert_eq!((before.size, after.size), (30, 31), "only the erasure was added");
    let leaves_after: Vec<u8> =
        disk.files().into_iter().filter(|(path, _)| path.ends_with("30")).flat_map(|(_, b)| b).collect();
    assert_eq!(leaves, leaves_after);
    for receipt in [hers, his] {
        assert!(Receipt::open(&receipt, &key).is_ok());
    }
    assert_eq!(Receipt::open(&ledger.receipt(2).unwrap(), &key).unwrap().checkpoint, after);
    let erased = Receipt::open(&ledger.receipt(31).unwrap(), &key).unwrap();
    assert!(String::from_utf8(erased.record).unwrap().contains("\"tactful:status\":\"erased\""));
}

#[test]
fn an_erased_customer_who_comes_back_has_a_new_key_and_can_be_erased_again() {
    let disk = written();
    let ledger = open(&disk).ledger;
    ledger.erase("anna", Moment(7)).unwrap();
    ledger.append(&[record("anna", 1)]).unwrap();
    drop(ledger);
    let ledger = open(&disk).ledger;
    assert_eq!(ledger.records("anna").unwrap(), [(32, record("anna", 1))]);
    assert!(ledger.is_suppressed("anna"));
    let erasure = ledger.erase("anna", Moment(8)).unwrap();
    assert_eq!((erasure.position, erasure.repeated), (33, false));
    assert_eq!(ledger.records("anna").unwrap(), []);
    assert!(!ledger.erase("nobody", Moment(9)).unwrap().repeated, "somebody without records is suppressed too");
    assert!(ledger.is_suppressed("nobody"));
}

#[test]
fn a_restored_backup_brings_no_customer_back() {
    let disk = written();
    let backup = ModelDisk::holding(&disk.files());
    let ledger = open(&disk).ledger;
    ledger.erase("anna", Moment(7)).unwrap();
    drop(ledger);

    // The whole data folder of before: its keys are shredded, and it is refused as older than its head.
    let restored = mixed(&backup, &disk);
    let refused = FileLedger::open_on(Arc::new(restored.clone()), &settings());
    let Err(OpenError::OtherHead { found, signed }) = refused else { panic!("{refused:?}") };
    assert_eq!((found.size, signed.size), (30, 31));
    // An operator continues from it all the same.
    let mut files = restored.files();
    files.retain(|path, _| !path.ends_with("head") && !path.ends_with("signing-key"));
    let opened = open(&ModelDisk::holding(&files));
    assert!(everything(&opened.ledger).iter().all(|(_, record)| record.customer != "anna"));
    assert!(opened.ledger.is_suppressed("anna"));
    assert_eq!(everything(&opened.ledger).len(), 20);

    // The customer keys of before, beside the ledger of now.
    let mut files = disk.files();
    files.extend(backup.files().into_iter().filter(|(path, _)| path.to_string_lossy().ends_with(".keys")));
    let disk = ModelDisk::holding(&files);
    let opened = open(&disk);
    assert_eq!(opened.repairs, [Repair::ErasedAgain(1)]);
    assert!(everything(&opened.ledger).iter().all(|(_, record)| record.customer != "anna"));
    drop(opened);
    assert_eq!(open(&disk).repairs, []);
}

#[test]
fn without_the_keys_folder_nothing_opens() {
    let disk = written();
    let files = data_of(&disk);
    let refused = FileLedger::open_on(Arc::new(ModelDisk::holding(&files)), &settings());
    assert!(matches!(refused, Err(OpenError::KeysMissing(_))), "{refused:?}");
}
