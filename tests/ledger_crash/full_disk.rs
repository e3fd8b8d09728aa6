//! A disk that fills up still takes a "no"; one that goes bad is never trusted again.

use std::sync::Arc;

use tactful::domain::time::Moment;
use tactful::ledger::{FileLedger, Ledger as _, LedgerError};

use super::disk::ModelDisk;
use super::{record, settings};

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
    assert_eq!(opened.records.len(), 53);
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
