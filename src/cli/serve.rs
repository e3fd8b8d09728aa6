//! `tactful serve`: the server.

mod door;
mod stop_signal;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::door::DoorFlags;
use super::listen::listen;
use super::open_node::{LedgerPlace, open_database, open_node};
use super::size::Size;
use super::{Failure, Format, Verdict, color, counted, no_rules, report, say, say_err};
use crate::clock::{Clock, GuardedTime};
use crate::decision_log::LogSettings;
use crate::descriptors;
use crate::domain::expr::{self, Comparison, Fact, Program};
use crate::domain::id::{ContextId, Vocabulary};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Period;
use crate::domain::value::Value;
use crate::engine::{IdsKept, Limits, MemoryLimit};
use crate::ledger::DataFolder;
use crate::node::Node;
use crate::rule_files::RuleFiles;
use crate::rules::Loaded;
use crate::rules::diagnostic::Severity;
use crate::serve::reload::{Reloader, RuleFolder};
use crate::serve::transport::Transport;
use crate::serve::write_behind::WriteBehind;
use crate::serve::{Parts, ServeError, serve};
use crate::storage::Postgres;
use crate::telemetry::{self, LevelFilter, LogFormat};

/// If the clock is further ahead of the newest record at the start, it may be wrong: nothing is deleted for a while.
const AHEAD: Period = Period::DAY;
/// How long nothing is deleted then, in which an operator can notice.
const HOLD: Period = Period(60 * 60_000);

/// How often a node looks for newer published rules.
const FOLLOW: Duration = Duration::from_secs(1);

/// Start the server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful serve\n  tactful serve --rules my-rules --listen 127.0.0.1:6000\n\n\
    The rule folder is watched: a change is checked and tested, then applied completely or not at all.\n\n\
    Stops on Ctrl-C or SIGTERM, letting calls under way finish.\n\n\
    Exit code 0 if it was stopped, 2 if it cannot start or continue.")]
pub(super) struct Serve {
    /// File of settings, TOML: each key is one of these flags without its dashes
    #[arg(long, value_name = "FILE", env = "TACTFUL_CONFIG")]
    config: Option<PathBuf>,
    /// Folder with rule files
    #[arg(long, default_value = "rules", env = "TACTFUL_RULES")]
    rules: PathBuf,
    #[command(flatten)]
    ledger: LedgerPlace,
    /// Address of a PostgreSQL database that several nodes share, such as postgres://tactful@db/tactful; without it,
    /// everything is kept in the data folder
    #[arg(long, value_name = "URL", env = "TACTFUL_STORE", hide_env_values = true)]
    store: Option<String>,
    /// Take the rules from the database, where `tactful rules publish` puts them, and not from a folder
    #[arg(long, env = "TACTFUL_PUBLISHED_RULES", requires = "store")]
    published_rules: bool,
    /// File with a checkpoint that the ledger must contain, kept in another place
    #[arg(long, env = "TACTFUL_EXPECT_HEAD", value_name = "FILE")]
    expect_head: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:50051", env = "TACTFUL_LISTEN")]
    listen: SocketAddr,
    #[command(flatten)]
    door: DoorFlags,
    /// How many threads answer calls; one for each core if left out
    #[arg(long, value_name = "NUMBER", env = "TACTFUL_THREADS")]
    threads: Option<NonZeroUsize>,
    /// How many connections may be open; more are closed at once
    #[arg(long, default_value_t = Transport::default().connections, value_name = "NUMBER", env = "TACTFUL_MAX_CONNECTIONS")]
    max_connections: usize,
    /// After how many seconds a connection takes no more calls, give or take a tenth
    #[arg(long, default_value_t = Transport::default().age.as_secs(), value_name = "SECONDS", env = "TACTFUL_MAX_CONNECTION_AGE")]
    max_connection_age: u64,
    /// How many seconds calls in progress on such a connection may take
    #[arg(long, default_value_t = Transport::default().grace.as_secs(), value_name = "SECONDS", env = "TACTFUL_CONNECTION_GRACE")]
    connection_grace: u64,
    /// How much memory the newest decisions take; older ones are read from the decision log
    #[arg(long, default_value = "64MiB", value_name = "SIZE", env = "TACTFUL_KEEP_DECISIONS")]
    keep_decisions: Size,
    /// For how many hours a repeated `request_id` or `idempotency_key` gets the first answer again
    #[arg(long, default_value_t = 24, value_name = "HOURS", env = "TACTFUL_REMEMBER_IDS_HOURS",
        value_parser = clap::value_parser!(u32).range(1..=8_760))]
    remember_ids_hours: u32,
    /// How many ids of each kind are remembered for one customer, so that a repetition counts once
    #[arg(long, default_value_t = IdsKept::default().most, value_name = "NUMBER", env = "TACTFUL_REMEMBERED_IDS",
        value_parser = clap::value_parser!(u16).range(1..))]
    remembered_ids: u16,
    /// For how many days the decision log keeps decisions and outcomes
    #[arg(long, default_value_t = 90, value_name = "DAYS", env = "TACTFUL_DECISION_LOG_DAYS",
        value_parser = clap::value_parser!(u32).range(1..=36_500))]
    decision_log_days: u32,
    /// The most room that the decision log takes on disk; the oldest entries go first
    #[arg(long, default_value = "10GiB", value_name = "SIZE", env = "TACTFUL_DECISION_LOG_SIZE")]
    decision_log_size: Size,
    /// One decision in this many is explained after its answer, so that `tactful report` can say where actions stop; 0
    /// for none
    #[arg(long, default_value_t = 100, value_name = "NUMBER", env = "TACTFUL_SAMPLE_DECISIONS")]
    sample_decisions: u32,
    /// How much memory the process may use, such as 512MiB or 4GiB: above this, the least recently used customers are
    /// evicted to disk; no limit if left out. On Linux
    #[arg(long, value_name = "SIZE", env = "TACTFUL_MAX_MEMORY", value_parser = Size::of_memory)]
    max_memory: Option<Size>,
    /// Read the rules once: do not watch their folder
    #[arg(long, env = "TACTFUL_ONCE")]
    once: bool,
    /// Put rules in force without running their tests (`*.test.yaml`)
    #[arg(long, env = "TACTFUL_SKIP_TESTS")]
    skip_tests: bool,
    /// Address to serve Prometheus metrics on, at /metrics; none if left out
    #[arg(long, value_name = "ADDRESS", env = "TACTFUL_METRICS")]
    metrics: Option<SocketAddr>,
    /// Format of the log on standard error
    #[arg(long, value_enum, default_value = "human", env = "TACTFUL_LOG_FORMAT")]
    log_format: Format,
    /// How much is logged: `debug` adds a line for each call, with its method, status, time and trace
    #[arg(long, value_enum, default_value = "info", env = "TACTFUL_LOG_LEVEL")]
    log_level: Level,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// Takes newer published rules, until dropped; their folder is watched like any other.
async fn follow_rules(database: Arc<Postgres>, folder: PathBuf) -> Infallible {
    let mut failed = false;
    loop {
        tokio::time::sleep(FOLLOW).await;
        let (database, folder) = (Arc::clone(&database), folder.clone());
        let taken = tokio::task::spawn_blocking(move || database.take_rules(&folder)).await;
        let error =
            taken.map_err(|error| error.to_string()).and_then(|taken| taken.map_err(|error| error.to_string())).err();
        if let Some(error) = error.as_ref().filter(|_| !failed) {
            tracing::warn!(error, "published rules cannot be taken; those before stay");
        }
        failed = error.is_some();
    }
}

impl Serve {
    /// Refuses settings that do not fit together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let settings = self.ledger.settings();
        let (keys, data) = (std::path::absolute(&settings.keys), std::path::absolute(&self.ledger.data));
        if let (Ok(keys), Ok(data)) = (keys, data)
            && keys.starts_with(data)
        {
            return Err(Failure::new("the keys folder is inside the data folder, whose backups would contain it")
                .help("name a folder beside the data folder with --keys"));
        }
        if self.store.is_some() && self.expect_head.is_some() {
            return Err(Failure::new("--expect-head is for a data folder, and --store names a database")
                .help("each node notes what it has seen of the database in its data folder"));
        }
        self.door.check(self.listen, self.metrics)
    }

    pub(super) fn run(self) -> Result<Verdict, Failure> {
        self.check()?;
        let format = match self.log_format {
            Format::Human => LogFormat::Human { color: color() },
            Format::Json => LogFormat::Json,
        };
        telemetry::start(format, self.log_level.into())
            .map_err(|error| Failure::new(format!("the log cannot be written: {error}")))?;
        let log = LogSettings {
            age: Period(i64::from(self.decision_log_days) * Period::DAY.0),
            bytes: self.decision_log_size.0,
            sample: self.sample_decisions,
        };
        let node = match &self.store {
            Some(address) => open_database(&self.ledger, address, log)?,
            None => open_node(&self.ledger, self.expect_head.as_ref(), log)?,
        };
        let published = self.take_rules(&node)?;
        let rules = self.load_rules(&node.vocabulary, published.as_ref())?;
        // Calls are answered by separate threads; this one accepts connections and runs the background tasks.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no threads to serve with: {error}")))?;
        runtime.block_on(self.serve(rules, node))
    }

    /// Takes the published rules into the data folder, if they are asked for. Returns where they are.
    fn take_rules(&self, node: &Node) -> Result<Option<PathBuf>, Failure> {
        let Some(database) = node.database().filter(|_| self.published_rules) else { return Ok(None) };
        let taken = database.take_rules(&self.published_folder()).map_err(|error| Failure::new(error.to_string()))?;
        let none = || Failure::new("no rules are published").help("`tactful rules publish RULES` publishes them");
        taken.ok_or_else(none).map(Some)
    }

    fn published_folder(&self) -> PathBuf {
        self.ledger.data.join("published")
    }

    /// Loads the first rules. Rules that a reload would refuse are refused here too.
    fn load_rules(&self, vocabulary: &Vocabulary, published: Option<&PathBuf>) -> Result<FirstRules, Failure> {
        let path = published.unwrap_or(&self.rules);
        if !path.exists() {
            return Err(no_rules(path));
        }
        let folder = RuleFolder { path: path.clone(), run_tests: !self.skip_tests };
        let files = folder.look();
        let loaded = folder.load(files.clone(), vocabulary);
        let (errors, warnings) = loaded.counts();
        let Some(set) = loaded.rule_set.clone().map(Arc::new) else {
            let mistakes = loaded.diagnostics.into_iter().filter(|found| found.severity == Severity::Error);
            report(&Loaded { diagnostics: mistakes.collect(), ..loaded });
            let message = format!("the rules in `{}` have {}", path.display(), counted(errors, "error"));
            return Err(Failure::new(message).help(format!(
                "fix them; `tactful test {}` shows them again, and --skip-tests skips rule tests",
                path.display()
            )));
        };
        if warnings > 0 {
            let warnings = counted(warnings, "warning");
            say_err(&format!("{warnings} about the rules; `tactful check {}` shows them", path.display()));
        }
        Ok(FirstRules { set, folder, files, loaded })
    }

    async fn serve(self, rules: FirstRules, node: Node) -> Result<Verdict, Failure> {
        let (listener, address) = listen(self.listen, "--listen").await?;
        let (metrics, metrics_address) = match self.metrics {
            Some(address) => {
                listen(address, "--metrics").await.map(|(listener, address)| (Some(listener), Some(address)))?
            }
            None => (None, None),
        };
        let door = self.door.open(&self.ledger.settings().keys).await?;
        let stop = stop_signal::stop_signal()?;
        let operators = door.admin.as_ref().and_then(|admin| admin.local_addr().ok());
        let console = operators.unwrap_or(address);
        self.greet(&rules.set, &node, Addresses { calls: address, console, metrics: metrics_address });
        if let Some(database) = node.database().filter(|_| self.published_rules && !self.once) {
            tokio::spawn(follow_rules(database, self.published_folder()));
        }
        let clock = match node.time() {
            Some(time) => Clock(time),
            None => Clock(Arc::new(GuardedTime::starting_after(node.newest))),
        };
        let now = clock.now();
        let limits = Limits { decisions: usize::try_from(self.keep_decisions.0).unwrap_or(usize::MAX) };
        let memory = self.max_memory.map(|Size(bytes)| MemoryLimit::of_process(bytes));
        let (ledger, newest) = (node.reopening(), node.newest);
        let ids_kept =
            IdsKept { period: Period(i64::from(self.remember_ids_hours) * 3_600_000), most: self.remembered_ids };
        let engine = Arc::new(node.engine(rules.set, limits, memory, now).keeping_ids(ids_kept));
        engine.reload(|_| rules.loaded, now);
        if let Some(ahead) = newest.map(|newest| now.since(newest)).filter(|ahead| *ahead > AHEAD) {
            say(&format!("clock      {ahead} after the last record: nothing is deleted for an hour"));
            engine.hold_purges(now + HOLD);
        }
        let reloader = Reloader::new(rules.folder, rules.files, Arc::clone(&engine), clock.clone());
        let (reloader, watch_rules) = (Arc::new(reloader), !self.once);
        let writing = WriteBehind::start(&engine, clock.clone());
        let writing = writing.map_err(|error| Failure::new(format!("no thread to store customers with: {error}")))?;
        let transport = self.transport();
        let write_behind = Some(writing);
        let parts = Parts { engine, clock, reloader, watch_rules, metrics, transport, door, write_behind, ledger };
        match serve(parts, listener, stop).await {
            Ok(()) => {
                say("stopped");
                Ok(Verdict::InOrder)
            }
            Err(ServeError::Unfinished(unfinished)) => {
                say_err(&format!("error: stopped, but {unfinished}"));
                Ok(Verdict::Wrong)
            }
            Err(error) => Err(Failure::new(error.to_string())),
        }
    }

    /// How many connections may be open, as far as the process may open descriptors.
    fn connections(&self) -> usize {
        let wanted = self.max_connections;
        let fit = descriptors::prepare().map_or(wanted, |most| most.min(wanted));
        if fit < wanted {
            tracing::warn!(
                wanted,
                fit,
                "the limit of open files (ulimit -n) allows fewer connections than --max-connections"
            );
        }
        fit
    }

    fn transport(&self) -> Transport {
        let default = Transport::default();
        Transport {
            threads: self.threads.unwrap_or(default.threads),
            connections: self.connections(),
            age: Duration::from_secs(self.max_connection_age),
            grace: Duration::from_secs(self.connection_grace),
            ..default
        }
    }

    fn greet(&self, rules: &RuleSet, node: &Node, addresses: Addresses) {
        let address = addresses.calls;
        let declared = &rules.declared;
        say(&format!(
            "rules      {}: {}, {}, {}, {}\nrule set   {}",
            self.rules.display(),
            counted(rules.actions.len(), "action"),
            counted(rules.journeys.len(), "journey"),
            counted(declared.channels.len(), "channel"),
            counted(declared.purposes.len(), "purpose"),
            rules.name(),
        ));
        let place = || match &self.store {
            Some(_) => "in the database".to_owned(),
            None => self.ledger.data.display().to_string(),
        };
        match &node.trouble {
            None => say(&format!(
                "consents   {}: {}",
                place(),
                counted(usize::try_from(node.records()).unwrap_or(usize::MAX), "record")
            )),
            Some(trouble) => say(&format!("consents   NOT AVAILABLE, no personal data is used: {trouble}")),
        }
        let most = self.max_memory;
        let folder = match &self.store {
            Some(_) => place(),
            None => DataFolder::new(&self.ledger.data).customers().display().to_string(),
        };
        say(&match (&node.trouble, most) {
            (Some(_), _) => {
                "customers  NOT AVAILABLE: no customer is known, and every limit counts as used up".to_owned()
            }
            (None, None) => format!("customers  {folder}, loaded on first use"),
            (None, Some(most)) => {
                format!("customers  {folder}, loaded on first use, memory up to {most}")
            }
        });
        say(&format!("listening  {address} ({})", self.door.describe()));
        let scheme = if self.door.has_tls() { "https" } else { "http" };
        say(&format!("console    {scheme}://{}/console/", addresses.console));
        if let Some(metrics) = addresses.metrics {
            say(&format!("metrics    http://{metrics}/metrics"));
        }
        let channel = declared.channels.ids().next().map_or("web", |id| rules.vocabulary.name(id));
        let server = if address.port() == 50051 { String::new() } else { format!(" --server http://{address}") };
        let likely = |id| Some(format!(" --context {}={}", rules.vocabulary.name(id), likely_value(rules, id)?));
        let context: String = declared.context.ids().filter_map(likely).collect();
        say(&format!("try        tactful decide --customer anna --channel {channel}{context}{server}"));
    }
}

/// The text that the rules compare a context fact with most often, for the example command.
fn likely_value(rules: &RuleSet, id: ContextId) -> Option<String> {
    let is_it =
        |fact| matches!(rules.facts.get(fact).map(|entry| &entry.fact), Some(Fact::Context(known)) if *known == id);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |program: &Program| {
        if let expr::Node::Compare(Comparison::Equal, pair) = &program.node
            && let [expr::Node::Fact(fact), expr::Node::Constant(value @ Value::Text(_))] = pair.as_ref()
            && is_it(*fact)
        {
            *asked.entry(value.to_string()).or_default() += 1;
        }
    };
    for (_, action) in rules.actions.iter() {
        let points = action.relevance.add.iter().map(|points| &points.when);
        let conditions = action.eligible.iter().chain(&action.applicable).chain(&action.suitable).chain(points);
        conditions.for_each(|condition| condition.visit(&mut count));
    }
    let most = asked.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value);
    let listed = rules.declared.context.get(id).and_then(|fact| fact.shape.one_of.as_ref()?.first());
    most.or_else(|| listed.map(ToString::to_string))
}

/// Where the server is reached.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    calls: SocketAddr,
    console: SocketAddr,
    metrics: Option<SocketAddr>,
}

/// The first rules, and their files.
struct FirstRules {
    set: Arc<RuleSet>,
    folder: RuleFolder,
    files: RuleFiles,
    loaded: Loaded,
}
