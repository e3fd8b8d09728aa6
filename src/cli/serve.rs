//! `tactful serve`: the server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use super::open_ledger::{LedgerPlace, OpenLedger, open_ledger};
use super::{Failure, Verdict, counted, load, report, say};
use crate::domain::id::ContextId;
use crate::domain::rules::RuleSet;
use crate::domain::rules::diagnostic::Severity;
use crate::domain::rules::expr::{Comparison, Fact, Node, Program};
use crate::domain::value::Value;
use crate::engine::{Engine, Limits};
use crate::rule_files;
use crate::serve::{Parts, clock, serve};

/// Start the server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful serve\n  tactful serve --rules my-rules --listen 127.0.0.1:6000\n\n\
    Stops on Ctrl-C or SIGTERM, letting calls under way finish.")]
pub(super) struct Serve {
    /// Folder with rule files
    #[arg(long, default_value = "rules", env = "TACTFUL_RULES")]
    rules: PathBuf,
    #[command(flatten)]
    ledger: LedgerPlace,
    /// File with a checkpoint that the ledger must contain, kept somewhere else
    #[arg(long, env = "TACTFUL_EXPECT_HEAD", value_name = "FILE")]
    expect_head: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:50051", env = "TACTFUL_LISTEN")]
    listen: SocketAddr,
    /// Listen on another address than loopback, though there is no TLS and no token
    #[arg(long)]
    allow_insecure: bool,
    /// How many decisions stay readable by id
    #[arg(long, default_value_t = 100_000, value_name = "NUMBER")]
    keep_decisions: usize,
}

impl Serve {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        if !self.listen.ip().is_loopback() && !self.allow_insecure {
            let message =
                format!("`{}` can be reached from other machines, and there is no TLS and no token", self.listen);
            return Err(Failure::new(message)
                .help("listen on 127.0.0.1, or say --allow-insecure if something else protects it"));
        }
        let ledger = open_ledger(&self.ledger, self.expect_head.as_ref())?;
        let mut loaded = load(&self.rules, &ledger.vocabulary)?;
        let (_, warnings) = loaded.counts();
        loaded.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        report(&loaded);
        if warnings > 0 {
            let warnings = counted(warnings, "warning");
            eprintln!("{warnings} about the rules; `tactful check {}` shows them", self.rules.display());
        }
        let Some(rules) = loaded.rule_set.take() else {
            let (errors, _) = loaded.counts();
            let message = format!("the rules in `{}` have {}", self.rules.display(), counted(errors, "error"));
            return Err(Failure::new(message)
                .help(format!("mend them; `tactful check {}` shows them again", self.rules.display())));
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no threads to serve with: {error}")))?;
        runtime.block_on(self.serve(Arc::new(rules), ledger))
    }

    async fn serve(self, rules: Arc<RuleSet>, ledger: OpenLedger) -> Result<Verdict, Failure> {
        let listener = TcpListener::bind(self.listen).await.map_err(|error| {
            Failure::new(format!("cannot listen on {}: {error}", self.listen))
                .help("choose another address with --listen")
        })?;
        let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
        self.greet(&rules, &ledger, address);
        let now = clock::now();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "any 32 bits that differ from start to start will do"
        )]
        let run = now.0 as u32;
        let limits = Limits { decisions: self.keep_decisions };
        let engine = Arc::new(Engine::new(rules, ledger.ledger, limits, (run, now)));
        engine.restore(&ledger.records);
        engine.trust_ledger(ledger.trouble.is_none());
        let folder = self.rules.clone();
        let parts = Parts {
            engine,
            clock: clock::system(),
            read_rules: Arc::new(move |vocabulary| rule_files::read(&folder, vocabulary)),
        };
        serve(parts, listener, stop_signal()).await.map_err(|error| Failure::new(error.to_string()))?;
        say("stopped");
        Ok(Verdict::InOrder)
    }

    fn greet(&self, rules: &RuleSet, ledger: &OpenLedger, address: SocketAddr) {
        let declared = &rules.declared;
        say(&format!(
            "rules      {}: {}, {}, {}, {} (rule set {})",
            self.rules.display(),
            counted(rules.actions.len(), "action"),
            counted(rules.journeys.len(), "journey"),
            counted(declared.channels.len(), "channel"),
            counted(declared.purposes.len(), "purpose"),
            rules.hash.get(..8).unwrap_or(&rules.hash),
        ));
        match &ledger.trouble {
            None => {
                say(&format!("consents   {}: {}", self.ledger.data.display(), counted(ledger.records.len(), "record")))
            }
            Some(trouble) => say(&format!("consents   NOT AVAILABLE, no personal data is used: {trouble}")),
        }
        say("customers  journeys and contacts are held in memory: they end with this process");
        say(&format!("listening  {address} (no TLS, no token)"));
        let channel = declared.channels.ids().next().map_or("web", |id| rules.vocabulary.name(id));
        let server = if address.port() == 50051 { String::new() } else { format!(" --server http://{address}") };
        let likely = |id| Some(format!(" --context {}={}", rules.vocabulary.name(id), likely_value(rules, id)?));
        let context: String = declared.context.ids().filter_map(likely).collect();
        say(&format!("try        tactful decide --customer anna --channel {channel}{context}{server}"));
    }
}

/// The text that the rules ask most often of a context fact, to try them with.
fn likely_value(rules: &RuleSet, id: ContextId) -> Option<String> {
    let is_it =
        |fact| matches!(rules.facts.get(fact).map(|entry| &entry.fact), Some(Fact::Context(known)) if *known == id);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |program: &Program| {
        if let Node::Compare(Comparison::Equal, pair) = &program.node
            && let [Node::Fact(fact), Node::Constant(value @ Value::Text(_))] = pair.as_ref()
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

/// Done at Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a signal to wait for, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
