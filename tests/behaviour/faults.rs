//! A disk that fails, and is in order again: the ledger opens without a restart, and nothing that was denied is used.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::domain::consent::Denial;
use tactful::domain::decide::SilenceReason;
use tactful::domain::id::Vocabulary;
use tactful::domain::time::Moment;
use tactful::engine::operation::Durability;
use tactful::engine::{Engine, EngineError, Limits, OutcomeInput, Question, RecordConsent};
use tactful::ledger::disk::{Disk, DiskFile, RealDisk};
use tactful::ledger::{Erasure, FileLedger, Ledger, LedgerError, MemoryLedger, ReopeningLedger};
use tactful::storage::{Backend, Cache, CommitError, Embedded, Page, Pending, Stored, Transaction};
use tactful::store::StoreError;

use super::keeping::{Home, RULES, later, says_hello};
use super::support::{ask, chosen, consent, files, folder, monday, rules_of};

/// What a disk does to writes.
const WRITES: u8 = 0;
const FAILS: u8 = 1;
const LACKS_DESCRIPTORS: u8 = 2;
/// Stands for a bug: the thread with this name panics.
const WRITER_PANICS: u8 = 3;
const SIGNER_PANICS: u8 = 4;

const THREADS: [&str; 2] = ["ledger-writer", "ledger-signer"];

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
            WRITER_PANICS | SIGNER_PANICS => {
                let number = if self.0.load(Ordering::SeqCst) == WRITER_PANICS { 0 } else { 1 };
                let name = std::thread::current().name().unwrap_or_default().to_owned();
                assert_ne!(name, THREADS[number], "planted: the thread panics");
                Ok(())
            }
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
        if self.0.0.load(Ordering::SeqCst) != LACKS_DESCRIPTORS {
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

/// What the supervision of threads looks at; tests/behaviour/supervision.rs has what a server does then.
#[test]
fn a_thread_of_the_ledger_that_panics_is_named_and_nothing_is_acknowledged_without_the_writer() {
    for (panics, thread) in [(WRITER_PANICS, THREADS[0]), (SIGNER_PANICS, THREADS[1])] {
        let home = Home::new();
        let (disk, ledger, engine) = open(&home);
        engine.record_consent(consent("anna", "advice", Given), later(0)).unwrap();
        assert_eq!(engine.ended_thread(), None);
        disk.set(panics);
        let mut minute = 1;
        while engine.ended_thread().is_none() {
            let recorded = engine.record_consent(consent("anna", "advice", Withdrawn), later(minute));
            drop((recorded, ledger.checkpoint()));
            minute += 1;
            assert!(minute < 1_000, "{thread} has not ended");
        }
        assert_eq!(engine.ended_thread(), Some(thread));
        let recorded = engine.record_consent(consent("bea", "advice", Given), later(minute));
        assert_eq!(recorded.is_ok(), panics == SIGNER_PANICS, "{thread}: {recorded:?}");
        disk.set(WRITES);
    }
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

/// Files whose contact log cannot be written while it is told so. The first transaction notices it.
#[derive(Debug)]
struct FullDisk {
    files: Embedded,
    full: AtomicBool,
    noticed: AtomicBool,
}

impl FullDisk {
    fn set(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
        self.noticed.fetch_and(full, Ordering::SeqCst);
    }
}

impl Backend for FullDisk {
    fn read(&self, customer: &str) -> Stored {
        self.files.read(customer)
    }

    fn commit<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b> {
        let waits = transaction.durability == Durability::Process;
        let committed = self.files.commit(transaction);
        if waits && self.full.load(Ordering::SeqCst) {
            self.noticed.store(true, Ordering::SeqCst);
            return Pending::refused(CommitError::NotLogged);
        }
        committed
    }

    fn logs_contacts(&self) -> bool {
        !self.noticed.load(Ordering::SeqCst)
    }

    fn erase(&self, customer: &str, now: Moment, cache: Cache<'_>) -> Result<Erasure, LedgerError> {
        self.files.erase(customer, now, cache)
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        self.files.ledger()
    }

    fn names(&self) -> Result<Vocabulary, StoreError> {
        self.files.names()
    }

    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
        self.files.store_names(names)
    }

    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
        self.files.page(from, most)
    }
}

/// An engine whose disk can be full. `help` is a service step that no limit counts, and less relevant than `hello`.
fn with_disk() -> (Arc<FullDisk>, Engine) {
    let files = Embedded::new(Arc::new(MemoryLedger::default()), None);
    let disk = Arc::new(FullDisk { files, full: AtomicBool::new(false), noticed: AtomicBool::new(false) });
    let help = "  - {id: help, title: Help, kind: service, purpose: service, relevance: {base: 20}, intrusiveness: 1, \
                treatments: {phone: {text: help}}}\npolicy:";
    let rules = RULES.replace("policy:", help).replace("treatments: {web: {text: \"hello\"}}", BOTH);
    let engine = Engine::over(rules_of(&rules), Arc::clone(&disk) as _, Limits::default(), monday());
    (disk, engine)
}

const BOTH: &str = "treatments: {web: {text: hello}, phone: {text: hello}}";

#[test]
fn a_step_that_a_limit_counts_is_not_said_while_contacts_cannot_be_logged() {
    let (disk, engine) = with_disk();
    disk.set(true);
    // The first call notices it, the second knows it.
    for customer in ["anna", "ben"] {
        let silent = engine.decide(ask(customer, "web", &[]), later(0)).unwrap();
        let silence = silent.decision.silence.as_ref().unwrap();
        assert_eq!((silence.reason, silence.retry_after), (SilenceReason::Degraded, None));
        assert!(silence.detail.ends_with("cannot count it: contacts cannot be logged now"), "{}", silence.detail);
        let service = engine.decide(ask(customer, "phone", &[]), later(0)).unwrap();
        assert_eq!(chosen(&service), ["help"], "service that no limit counts goes on");
    }
    disk.set(false);
    for customer in ["anna", "ben"] {
        assert!(says_hello(&engine, customer, later(1)), "what was not said does not count");
        assert!(!says_hello(&engine, customer, later(1)));
    }
}

#[test]
fn a_repeated_request_gets_no_answer_that_was_not_logged() {
    let (disk, engine) = with_disk();
    let asked = |id: &str| Question { request_id: id.into(), ..ask("anna", "web", &[]) };
    let before = engine.decide(asked("r1"), later(0)).unwrap();
    assert_eq!(chosen(&before), ["hello"]);
    disk.set(true);
    let again = engine.decide(asked("r1"), later(1)).unwrap();
    assert_eq!(again.id(), before.id(), "it was logged when the disk was in order");
    assert!(engine.decide(asked("r2"), later(1)).unwrap().decision.silence.is_some());
}

#[test]
fn an_outcome_that_cannot_be_logged_is_sent_again_and_counts_once() {
    let (disk, engine) = with_disk();
    assert!(says_hello(&engine, "anna", later(0)));
    let rejected = || OutcomeInput {
        outcome_id: "o1".into(),
        decision_id: String::new(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: String::new(),
        outcome: Outcome::Rejected,
        occurred: None,
    };
    disk.set(true);
    for _ in 0..2 {
        let refused = engine.record_outcomes(vec![rejected()], later(1));
        assert!(matches!(refused, Err(EngineError::NotLogged)), "{refused:?}");
    }
    disk.set(false);
    assert_eq!(engine.record_outcomes(vec![rejected()], later(2)).unwrap().remove(0).reason, "repeated");
    assert_eq!(engine.export("anna", later(2)).unwrap().state.relation().outcomes.len(), 1);
}

/// Every test that docs/faults.md names, by file and function, and every fixture that docs/formats.md names.
#[test]
fn the_pages_on_faults_and_formats_name_tests_and_fixtures_that_exist() {
    let page = std::fs::read_to_string(folder("docs/faults.md")).unwrap();
    let (mut text, mut named) = (String::new(), 0);
    for word in page.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") {
            let path = if word.starts_with("src/") { word.to_owned() } else { format!("tests/{word}") };
            text = std::fs::read_to_string(folder(&path)).unwrap_or_else(|error| panic!("`{word}`: {error}"));
        } else if word.contains('_')
            && word.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter))
        {
            assert!(text.contains(&format!("fn {word}(")), "no test of the file before it is called `{word}`");
            named += 1;
        }
    }
    assert!(named > 20, "{named} tests are named");
    let page = std::fs::read_to_string(folder("docs/formats.md")).unwrap();
    let fixtures: Vec<&str> = page.split('`').filter(|word| word.starts_with("tests/fixtures/")).collect();
    let missing: Vec<&&str> = fixtures.iter().filter(|path| files(&folder(path)).is_empty()).collect();
    assert!(fixtures.len() >= 7 && missing.is_empty(), "{missing:?}");
}
