//! A disk that fails, and is in order again: the ledger opens without a restart, and nothing that was denied is used.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::domain::consent::Denial;
use tactful::domain::time::Moment;
use tactful::engine::{Engine, EngineError, Limits, RecordConsent};
use tactful::ledger::disk::{Disk, DiskFile, RealDisk};
use tactful::ledger::{FileLedger, Ledger, ReopeningLedger};

use super::keeping::{Home, RULES, later};
use super::support::{ask, consent, monday, rules_of};

/// What a disk does to writes.
const WRITES: u8 = 0;
const FAILS: u8 = 1;
const LACKS_DESCRIPTORS: u8 = 2;

#[derive(Debug, Clone, Default)]
struct Faulty(Arc<AtomicU8>);

impl Faulty {
    fn set(&self, fault: u8) {
        self.0.store(fault, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::SeqCst) {
            WRITES => Ok(()),
            FAILS => Err(io::Error::other("planted: the disk fails")),
            _ => Err(io::Error::from_raw_os_error(24)),
        }
    }
}

#[derive(Debug)]
struct FaultyFile(Faulty, Box<dyn DiskFile>);

impl Disk for Faulty {
    fn create_folder(&self, folder: &Path) -> io::Result<bool> {
        RealDisk.create_folder(folder)
    }

    fn file_names(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.file_names(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        RealDisk.read_part(path, from, length)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check()?;
        Ok(Box::new(FaultyFile(self.clone(), RealDisk.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check()?;
        Ok(Box::new(FaultyFile(self.clone(), RealDisk.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.remove_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A lack of descriptors does not stop a file that is open.
        if self.0.0.load(Ordering::SeqCst) == FAILS {
            self.0.check()?;
        }
        self.1.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.1.truncate(length)
    }

    fn wipe(&mut self) -> io::Result<()> {
        self.1.wipe()
    }
}

fn open(home: &Home) -> (Faulty, Arc<ReopeningLedger>, Engine) {
    let (disk, settings) = (Faulty::default(), home.settings());
    let opened = FileLedger::open_on(Arc::new(disk.clone()), &settings).unwrap();
    let ledger = Arc::new(ReopeningLedger::on(Arc::new(disk.clone()), opened.ledger, settings));
    let engine = Engine::new(rules_of(RULES), Arc::clone(&ledger) as Arc<dyn Ledger>, Limits::default(), monday());
    (disk, ledger, engine)
}

fn denial(engine: &Engine, now: Moment) -> Option<Denial> {
    let standing = engine.standing("anna", now).unwrap();
    standing.into_iter().find(|view| view.purpose == "advice").unwrap().denial
}

#[test]
fn a_ledger_whose_disk_failed_opens_again_and_has_what_was_denied_meanwhile() {
    let home = Home::new();
    let (disk, ledger, engine) = open(&home);
    engine.record_consent(consent("anna", "advice", Given), later(0)).unwrap();
    disk.set(FAILS);
    let denied = engine.record_consent(consent("anna", "advice", Withdrawn), later(1));
    assert!(matches!(denied, Err(EngineError::LedgerUnavailable(_))), "{denied:?}");
    assert!(engine.record_consent(consent("bea", "advice", Given), later(1)).is_err());
    assert_eq!((engine.trusted(), denial(&engine, later(2))), (false, Some(Denial::Withdrawn)));
    assert!(ledger.reopen().is_err(), "the cause is not gone");
    assert!(engine.has_unrecorded());

    disk.set(WRITES);
    ledger.reopen().unwrap();
    assert_eq!(tactful::sync::block_on(engine.recover_consent()).unwrap(), 1);
    assert_eq!((engine.trusted(), engine.has_unrecorded()), (true, false));
    assert_eq!(denial(&engine, later(3)), Some(Denial::Withdrawn));
    assert_eq!(engine.consent_records("anna").unwrap().len(), 2);
    assert_eq!(engine.consent_records("bea").unwrap().len(), 0, "a yes that was refused has no effect");
    drop((engine, ledger));
    let (.., engine) = open(&home);
    assert_eq!(denial(&engine, later(4)), Some(Denial::Withdrawn));
}

#[test]
fn who_was_loaded_while_the_ledger_was_closed_gets_their_standing_when_it_opens() {
    let home = Home::new();
    let (.., engine) = open(&home);
    for customer in ["anna", "bea"] {
        engine.record_consent(consent(customer, "advice", Given), later(0)).unwrap();
    }
    engine.record_consent(consent("anna", "advice", Withdrawn), later(1)).unwrap();
    engine.erase("bea", later(1)).unwrap();
    drop(engine);
    let (disk, ledger, engine) = open(&home);
    disk.set(FAILS);
    assert!(ledger.reopen().is_err());
    for customer in ["anna", "bea"] {
        engine.decide(ask(customer, "web", &[]), later(2)).unwrap();
    }
    assert_eq!((engine.trusted(), engine.customer_count()), (false, 2), "both are in memory without their records");
    disk.set(WRITES);
    ledger.reopen().unwrap();
    assert_eq!(tactful::sync::block_on(engine.recover_consent()).unwrap(), 0);
    assert_eq!(denial(&engine, later(3)), Some(Denial::Withdrawn));
    let standing = engine.standing("bea", later(3)).unwrap();
    assert!(standing.iter().all(|view| view.denial == Some(Denial::Erased)), "{standing:?}");
}

#[test]
fn a_lack_of_descriptors_is_no_failure_of_the_disk() {
    let home = Home::new();
    let (disk, _ledger, engine) = open(&home);
    engine.record_consent(consent("anna", "advice", Given), later(0)).unwrap();
    disk.set(LACKS_DESCRIPTORS);
    // Until a file must be opened, for keys or a checkpoint, records are written to the open segment. All at once, so that
    // they share syncs.
    let withdrawal = |index: usize| {
        let withdrawal = consent(&format!("c{index}"), "advice", Withdrawn);
        RecordConsent::new(withdrawal, engine.rules(), later(1)).unwrap()
    };
    let withdrawals: Vec<_> = (0..2_000).map(withdrawal).collect();
    let recording = withdrawals.iter().map(|withdrawal| engine.execute(withdrawal, later(1)));
    let denied = tactful::sync::block_on(futures_util::future::join_all(recording));
    let denied: Vec<bool> = denied.iter().map(Result::is_ok).collect();
    assert!(denied.contains(&false), "at some point, a file of keys was needed");
    assert!(engine.trusted(), "the disk did not fail");
    disk.set(WRITES);
    let refused = denied.iter().filter(|ok| !**ok).count();
    assert_eq!(tactful::sync::block_on(engine.recover_consent()).unwrap(), refused);
    assert_eq!(engine.ledger_records(), 2_001);
    assert!(engine.record_consent(consent("bea", "advice", Given), later(2)).is_ok());
}
