//! What the tests share: rules, an engine with a clock to turn, a server on a free port.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tactful::clock::{Clock, Time};
use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, ConsentChange, ConsentRequest, Engine, EventInput, Limits, Question};
use tactful::ledger::proof::Hash;
use tactful::ledger::{Appending, Erasure, Ledger, LedgerError, MemoryLedger};
use tactful::rule_files;
use tactful::serve::reload::{Reloader, RuleFolder};
use tactful::serve::transport::Transport;
use tactful::serve::{Door, Parts, serve};
use tokio::sync::oneshot;
use tonic::transport::Channel;

/// A Monday morning in Berlin.
pub fn monday() -> Moment {
    Moment::parse("2026-03-02T10:00:00+01:00").unwrap()
}

pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file in a folder and below.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&path, target).unwrap();
    }
}

pub fn rules(path: &str) -> Arc<RuleSet> {
    let loaded = rule_files::read(&folder(path), &Vocabulary::default());
    let messages: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|d| format!("{} {}: {}", loaded.sources.locate(d.span), d.code, d.message))
        .collect();
    Arc::new(loaded.rule_set.unwrap_or_else(|| panic!("{path} has errors:\n{}", messages.join("\n"))))
}

pub fn rules_of(text: &str) -> Arc<RuleSet> {
    use tactful::domain::sources::{SourceFile, Sources};
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: text.into() }]);
    let loaded = tactful::rules::load(sources, &Vocabulary::default());
    Arc::new(loaded.rule_set.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics)))
}

pub fn engine(rules: &Arc<RuleSet>) -> Engine {
    engine_over(MemoryLedger::default(), rules)
}

/// An engine over what a ledger holds.
pub fn engine_over(ledger: impl Ledger + 'static, rules: &Arc<RuleSet>) -> Engine {
    Engine::new(Arc::clone(rules), Arc::new(ledger), Limits { decisions: 16 << 20 }, monday())
}

pub fn ask(customer: &str, channel: &str, context: &[(&str, &str)]) -> Question {
    Question {
        customer: customer.into(),
        channel: channel.into(),
        context: context.iter().map(|(name, text)| ((*name).into(), Value::Text((*text).into()))).collect(),
        ..Question::default()
    }
}

pub fn consent(customer: &str, purpose: &str, status: ConsentStatus) -> ConsentRequest {
    let change = ConsentChange::new(purpose, status);
    ConsentRequest { customer: customer.into(), changes: vec![change], ..ConsentRequest::default() }
}

/// A record as the ledger keeps it, of the first version of a purpose.
pub fn record(customer: &str, purpose: &str, status: ConsentStatus, sequence: u64) -> ConsentRecord {
    ConsentRecord {
        record_id: format!("r-{sequence}"),
        customer: customer.into(),
        purpose: purpose.into(),
        ..ConsentRecord::new(status, monday(), sequence)
    }
}

/// A ledger that a test holds up, or lets fail.
#[derive(Debug)]
pub struct StubbornLedger {
    kept: Arc<dyn Ledger>,
    /// Nothing is appended while a test holds it.
    pub gate: Arc<Mutex<()>>,
    /// No customer is erased while a test holds it.
    pub erasing: Mutex<()>,
    /// How many have asked so far.
    pub asked: Arc<AtomicUsize>,
    /// Whether its disk fails: nothing can be appended or erased.
    pub broken: Arc<AtomicBool>,
    /// Whether its writer has ended.
    pub without_writer: AtomicBool,
}

impl Default for StubbornLedger {
    fn default() -> Self {
        Self::over(Arc::new(MemoryLedger::default()))
    }
}

impl StubbornLedger {
    /// A ledger that passes everything on to another.
    pub fn over(kept: Arc<dyn Ledger>) -> Self {
        let (gate, erasing, asked, broken) = (Arc::default(), Mutex::default(), Arc::default(), Arc::default());
        Self { kept, gate, erasing, asked, broken, without_writer: AtomicBool::default() }
    }

    /// An engine over such a ledger.
    pub fn under(rules: Arc<RuleSet>) -> (Engine, Arc<Self>) {
        let ledger = Arc::new(Self::default());
        let engine = Engine::new(rules, Arc::clone(&ledger) as Arc<dyn Ledger>, Limits::default(), monday());
        (engine, ledger)
    }

    /// Returns once this many calls have asked it to append or to erase.
    pub fn wait_for(&self, asked: usize) {
        while self.asked.load(Ordering::SeqCst) < asked {
            std::thread::yield_now();
        }
    }
}

impl Ledger for StubbornLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.lock().unwrap());
        if self.broken.load(Ordering::SeqCst) {
            return Err(LedgerError::Unavailable("its disk failed".into()));
        }
        self.kept.append(records)
    }

    /// Like a ledger with a writer of its own: the caller's thread does not wait.
    fn submit(&self, records: Vec<ConsentRecord>) -> Appending {
        let Self { kept, gate, asked, broken, .. } = self;
        let (kept, gate, asked) = (Arc::clone(kept), Arc::clone(gate), Arc::clone(asked));
        let (broken, (reply, waiting)) = (Arc::clone(broken), oneshot::channel());
        let writer = Self { kept, gate, asked, broken, ..Self::default() };
        std::thread::spawn(move || {
            let result = writer.append(&records);
            // Before the reply, so that a test may open the files again.
            drop(writer);
            reply.send(result)
        });
        Appending::Waiting(waiting)
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.erasing.lock().unwrap());
        if self.broken.load(Ordering::SeqCst) {
            return Err(LedgerError::Unavailable("its disk failed".into()));
        }
        self.kept.erase(customer, now)
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.kept.erased_at(customer)
    }

    fn size(&self) -> u64 {
        self.kept.size()
    }

    fn ended_thread(&self) -> Option<&'static str> {
        self.without_writer.load(Ordering::SeqCst).then_some("ledger-writer")
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        self.kept.records(customer)
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        self.kept.checkpoint()
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        self.kept.receipt(position)
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.kept.consistency(earlier, size)
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        self.kept.verifier_key()
    }
}

pub fn event(customer: &str, kind: &str, fields: &[(&str, &str)]) -> EventInput {
    EventInput {
        customer: customer.into(),
        kind: kind.into(),
        fields: fields.iter().map(|(name, text)| ((*name).into(), Value::Text((*text).into()))).collect(),
        ..EventInput::default()
    }
}

pub fn attributes(customer: &str, values: &[(&str, Value)]) -> AttributeChange {
    AttributeChange {
        customer: customer.into(),
        attributes: values.iter().map(|(name, value)| ((*name).into(), Some(value.clone()))).collect(),
        time_zone: String::new(),
    }
}

/// The ids of the chosen actions.
pub fn chosen(record: &tactful::engine::DecisionRecord) -> Vec<&str> {
    record.decision.actions.iter().map(|chosen| record.rules.vocabulary.name(chosen.action)).collect()
}

/// Time that a test turns, and a step of the machine's clock that it makes.
struct TestTime {
    now: Arc<AtomicI64>,
    step: Arc<AtomicI64>,
}

impl Time for TestTime {
    fn now(&self) -> Moment {
        Moment(self.now.load(Ordering::SeqCst))
    }

    fn step(&self) -> Option<Period> {
        Some(Period(self.step.load(Ordering::SeqCst))).filter(|step| step.0 != 0)
    }

    fn accept(&self) {
        self.now.fetch_add(self.step.swap(0, Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// A server in this process, with a clock that the test turns.
pub struct TestServer {
    pub engine: Arc<Engine>,
    pub channel: Channel,
    pub address: String,
    time: Arc<AtomicI64>,
    /// How far the machine's clock is ahead, in milliseconds.
    pub step: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub async fn start(rules: Arc<RuleSet>, folder: PathBuf) -> Self {
        Self::serve(engine(&rules), folder, (false, 2), Door::default()).await
    }

    /// A server over a ledger of the test's own, in which one thread answers all calls.
    pub async fn over(ledger: Arc<dyn Ledger>, path: &str) -> Self {
        let engine = Engine::new(rules(path), ledger, Limits::default(), monday());
        Self::serve(engine, folder(path), (false, 1), Door::default()).await
    }

    /// A server that watches its rule folder.
    pub async fn watching(folder: &Path) -> Self {
        Self::serve(engine(&rules(&folder.display().to_string())), folder.to_owned(), (true, 2), Door::default()).await
    }

    /// A server behind a door.
    pub async fn behind(door: Door) -> Self {
        let path = "tests/fixtures/design";
        Self::serve(engine(&rules(path)), folder(path), (false, 2), door).await
    }

    async fn serve(engine: Engine, folder: PathBuf, (watch_rules, threads): (bool, usize), door: Door) -> Self {
        let time = Arc::new(AtomicI64::new(monday().0));
        let engine = Arc::new(engine);
        let step = Arc::new(AtomicI64::new(0));
        let clock = Clock(Arc::new(TestTime { now: Arc::clone(&time), step: Arc::clone(&step) }));
        let folder = RuleFolder { path: folder, run_tests: true };
        let files = folder.look();
        let reloader = Arc::new(Reloader::new(folder, files, Arc::clone(&engine), clock.clone()));
        let transport = Transport { threads: NonZeroUsize::new(threads).unwrap(), ..Transport::default() };
        let engine_of_parts = Arc::clone(&engine);
        let parts = Parts {
            engine: engine_of_parts,
            clock,
            reloader,
            watch_rules,
            metrics: None,
            transport,
            door,
            write_behind: None,
            ledger: None,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(async move {
            serve(parts, listener, async { drop(stopped.await) }).await.unwrap();
        });
        let channel = Channel::from_shared(address.clone()).unwrap().connect_lazy();
        Self { engine, channel, address, time, step, stop: Some(stop), done }
    }

    pub fn set_time(&self, now: Moment) {
        self.time.store(now.0, Ordering::SeqCst);
    }

    pub fn pass(&self, period: Period) {
        self.time.fetch_add(period.0, Ordering::SeqCst);
    }

    pub async fn stop(mut self) {
        drop(self.channel);
        drop(self.stop.take());
        self.done.await.unwrap();
    }
}
