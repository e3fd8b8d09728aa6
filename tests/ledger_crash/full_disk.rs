//! A full disk still takes a "no"; a failed disk is never trusted again.

use std::path::Path;
use std::sync::Arc;

use tactful::domain::consent::ConsentRecord;
use tactful::domain::time::Moment;
use tactful::ledger::proof::{Checkpoint, Receipt, VerifyingKey};
use tactful::ledger::{FileLedger, Ledger as _, LedgerError, LedgerSettings, Repair};

use super::disk::ModelDisk;
use super::{everything, record, settings};

/// A grant, and a withdrawal.
const GIVEN: u64 = 1;
const WITHDRAWN: u64 = 2;

#[test]
fn a_full_disk_takes_restrictions_and_erasures_and_recovers() {
    let disk = ModelDisk::default();
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger;
    ledger.append(&[record("anna", GIVEN)]).unwrap();
    ledger.append(&[record("ben", GIVEN)]).unwrap();
    ledger.checkpoint().unwrap();
    disk.leave_room(Some(100));
    let refused = ledger.append(&[record("carl", GIVEN)]).unwrap_err();
    assert!(matches!(refused, LedgerError::Full(_)), "{refused:?}");
    let positions: Vec<u64> = (0..50).map(|_| ledger.append(&[record("anna", WITHDRAWN)]).unwrap()).collect();
    assert_eq!(positions, (3..53).collect::<Vec<_>>(), "what was refused took no place");
    let refused = ledger.append(&[record("carl", GIVEN)]).unwrap_err();
    assert!(matches!(refused, LedgerError::Full(_)), "{refused:?}");
    assert!(!ledger.erase("ben", Moment(5)).unwrap().repeated);
    assert_eq!(ledger.append(&[record("dora", WITHDRAWN)]).unwrap(), 54);
    disk.leave_room(None);
    assert_eq!(ledger.append(&[record("carl", GIVEN)]).unwrap(), 55);
    drop(ledger);
    let opened = FileLedger::open_on(Arc::new(disk), &settings()).unwrap();
    assert_eq!(everything(&opened.ledger).len(), 53);
    assert!(opened.ledger.is_suppressed("ben"));
}

#[test]
fn a_failed_sync_is_final_until_the_next_start() {
    let disk = ModelDisk::default();
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger;
    ledger.append(&[record("anna", GIVEN)]).unwrap();
    disk.fail_syncs_after(0);
    let refused = ledger.append(&[record("anna", WITHDRAWN)]).unwrap_err();
    assert!(matches!(refused, LedgerError::Unavailable(_)), "{refused:?}");
    disk.fail_syncs_after(1_000_000);
    for _ in 0..3 {
        let refused = ledger.append(&[record("anna", WITHDRAWN)]).unwrap_err();
        assert!(matches!(refused, LedgerError::Unavailable(_)), "it is not tried again: {refused:?}");
        assert!(matches!(ledger.erase("anna", Moment(5)), Err(LedgerError::Unavailable(_))));
    }
    drop(ledger);
    let opened = FileLedger::open_on(Arc::new(disk), &settings()).unwrap();
    opened.ledger.append(&[record("anna", WITHDRAWN)]).unwrap();
}

/// A ledger that keeps no room for restrictions, and has one segment.
fn open(disk: &ModelDisk) -> FileLedger {
    let settings = LedgerSettings { reserve_bytes: 0, segment_bytes: 1 << 20, ..settings() };
    FileLedger::open_on(Arc::new(disk.clone()), &settings).unwrap().ledger
}

/// How many bytes of frames there are.
fn frames(disk: &ModelDisk) -> usize {
    let files = disk.files();
    files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".segment")).map(|(_, bytes)| bytes.len()).sum()
}

/// How many bytes of frames something takes that is done to a copy.
fn room_for(disk: &ModelDisk, work: impl FnOnce(&FileLedger)) -> usize {
    let copy = ModelDisk::holding(&disk.files());
    work(&open(&copy));
    frames(&copy) - frames(disk)
}

#[test]
fn records_unsigned_on_a_full_disk_are_signed_once_there_is_room() {
    let disk = ModelDisk::default();
    let ledger = open(&disk);
    ledger.append(&[record("anna", 1)]).unwrap();
    ledger.checkpoint().unwrap();
    let more: Vec<ConsentRecord> = (2..=300).map(|number| record("anna", number)).collect();
    // Room for the frames, and for nothing that follows from them: no head, no full tile.
    disk.leave_room(Some(room_for(&disk, |copy| drop(copy.append(&more))) + 40));
    assert_eq!(ledger.append(&more).unwrap(), 300);
    for _ in 0..3 {
        let refused = ledger.checkpoint().unwrap_err();
        assert!(matches!(&refused, LedgerError::Full(why) if why.contains("signed as soon as")), "{refused:?}");
    }
    assert!(matches!(ledger.receipt(200), Err(LedgerError::Full(_))));
    assert_eq!(ledger.records("anna").unwrap().len(), 300, "what was acknowledged is there");

    // Nor does a start on the full disk take anything away.
    drop(ledger);
    let ledger = open(&disk);
    assert_eq!(ledger.records("anna").unwrap().len(), 300);
    assert!(matches!(ledger.checkpoint(), Err(LedgerError::Full(_))));

    disk.leave_room(None);
    assert_eq!(ledger.append(&[record("ben", GIVEN)]).unwrap(), 301);
    let key = VerifyingKey::parse(&ledger.verifier_key().unwrap()).unwrap();
    assert_eq!(Checkpoint::open(&ledger.checkpoint().unwrap(), &key).unwrap().size, 301);
    for position in [1, 200, 256, 257, 301] {
        assert_eq!(Receipt::open(&ledger.receipt(position).unwrap(), &key).unwrap().index + 1, position);
    }
}

#[test]
fn an_erasure_on_a_full_disk_is_registered_once_and_whole() {
    let disk = ModelDisk::default();
    let settings = LedgerSettings { segment_bytes: 1 << 20, ..settings() };
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings).unwrap().ledger;
    ledger.append(&[record("anna", GIVEN)]).unwrap();
    ledger.checkpoint().unwrap();
    let frame = room_for(&disk, |copy| drop(copy.erase("anna", Moment(5))));
    // The frame finds room; then the register finds some for half an entry, for none, or for one and not for the keys.
    for left in [30, 0, 60] {
        let disk = ModelDisk::holding(&disk.files());
        let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings).unwrap().ledger;
        disk.leave_room(Some(frame + left));
        ledger.erase("anna", Moment(5)).unwrap();
        disk.leave_room(None);
        drop(ledger);
        let files = disk.files();
        assert_eq!(files[Path::new("/data-keys/erased")].len(), 60, "{left} bytes were left");
        let opened = FileLedger::open_on(Arc::new(disk), &settings).unwrap();
        assert_eq!((everything(&opened.ledger), opened.repairs), (vec![], vec![]), "{left} bytes were left");
        assert!(opened.ledger.is_suppressed("anna"));
    }
}

#[test]
fn a_torn_frame_is_repaired_on_a_full_disk_too() {
    let disk = ModelDisk::default();
    let ledger = FileLedger::open_on(Arc::new(disk.clone()), &settings()).unwrap().ledger;
    ledger.append(&[record("anna", GIVEN)]).unwrap();
    drop(ledger);
    let mut files = disk.files();
    let (_, segment) = files.iter_mut().find(|(path, _)| path.to_string_lossy().ends_with(".segment")).unwrap();
    let torn = segment[..200].to_vec();
    segment.extend(torn);
    let disk = ModelDisk::holding(&files);
    disk.leave_room(Some(0));
    let opened = FileLedger::open_on(Arc::new(disk), &settings()).unwrap();
    assert!(matches!(&opened.repairs[..], [Repair::TornFrame(_)]), "{:?}", opened.repairs);
    assert_eq!(opened.ledger.append(&[record("anna", WITHDRAWN)]).unwrap(), 2);
}
