//! Metrics in the text format of Prometheus (version 0.0.4), on a port of their own. No label names a customer.
//!
//! The engine and the store count; this file only names what they counted.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Code;

use super::call_meter::CallMeter;
use super::process_usage;
use crate::domain::action::Outcome;
use crate::domain::decide::Gate;
use crate::domain::id::{ActionId, ChannelId};
use crate::domain::time::Moment;
use crate::engine::Engine;
use crate::grpc::proto::CallClass;

/// How many connections may be open; more are closed at once.
const CONNECTIONS: usize = 64;
/// How long a connection may take for the head of a request, and be idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long no connection is accepted after the operating system could not open one.
const RESPITE: Duration = Duration::from_millis(100);

/// What the pages are made of.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The counts of decisions, customers and rules.
    pub engine: Arc<Engine>,
    /// The counts of calls.
    pub calls: Arc<CallMeter>,
    /// Becomes true when the server stops.
    pub stopping: Receiver<bool>,
}

impl Pages {
    fn router(self) -> Router {
        let page = {
            let (engine, calls) = (self.engine, self.calls);
            move || async move { ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], exposition(&engine, Some(&calls))) }
        };
        let ready = move || async move {
            if *self.stopping.borrow() {
                (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
            } else {
                (StatusCode::OK, "ok\n")
            }
        };
        let health = get(async || "ok\n");
        Router::new().route("/metrics", get(page)).route("/healthz", health).route("/readyz", get(ready))
    }
}

/// Answers `GET` of `/metrics`, `/healthz` and `/readyz` until dropped.
pub async fn serve(pages: Pages, listener: TcpListener) {
    let service = TowerToHyperService::new(pages.router());
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            sleep(RESPITE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let service = service.clone();
        open.spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // An error when the client disconnects is not reported.
            drop(http.serve_connection(TokioIo::new(stream), service).await);
            drop(place);
        });
    }
}

/// Every metric with its current value.
#[must_use]
pub fn exposition(engine: &Arc<Engine>, calls: Option<&Arc<CallMeter>>) -> String {
    let mut registry = Registry::with_prefix("tactful");
    registry.register_collector(Box::new(Metrics(Arc::clone(engine), calls.cloned())));
    let mut page = String::new();
    if prometheus_text::encode(&mut page, &registry).is_err() {
        // Writing to a string does not fail. If a collector did, the page must not look complete.
        _ = writeln!(page, "# the metrics could not be written");
    }
    page
}

/// The counts of an engine and its store.
struct Metrics(Arc<Engine>, Option<Arc<CallMeter>>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(encoder);
        let engine = &self.0;
        page.info("build", "The version that runs.", [("version", env!("CARGO_PKG_VERSION"))])?;
        decisions(page, engine)?;
        page.gauge("customers", "Customers in memory.", engine.customer_count() as u64)?;
        store(page, engine)?;
        database(page, engine)?;
        decision_log(page, engine)?;
        said(page, engine)?;
        let help = "Facts that were not stored, because no purpose covered them.";
        page.counter("facts_dropped", help, engine.dropped_facts())?;
        let help = "Events and outcomes for whose id an older one had to be forgotten.";
        page.counter("ids_truncated", help, engine.meter().truncated_ids())?;
        let help = "1 if consent can be relied on; 0: no personal data is used.";
        page.gauge("ledger_trusted", help, u64::from(engine.trusted()))?;
        page.gauge("ledger_records", "Consent records in the ledger.", engine.ledger_records())?;
        let help = "How far the machine's clock is ahead of the server's time; 0 if it is believed.";
        page.gauge("clock_step_seconds", help, engine.meter().clock_step_seconds())?;
        rules(page, engine)?;
        match &self.1 {
            Some(meter) => calls(page, meter),
            None => Ok(()),
        }
    }
}

/// The calls by method and status, how long they took, what was refused, and what the process uses.
fn calls(page: &mut Page<'_>, meter: &CallMeter) -> fmt::Result {
    let calls = meter.calls();
    let mut encoder = page.0.encode_descriptor("calls", "Calls by method and status.", None, MetricType::Counter)?;
    for counts in &calls {
        for (code, count) in (0..).zip(counts.codes) {
            if count > 0 || code == 0 {
                let labels = [("method", counts.method.as_str()), ("code", code_name(Code::from_i32(code)))];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
    }
    let help = "Time from the arrival of a call to its answer, by method.";
    let mut encoder = page.0.encode_descriptor("call_duration_seconds", help, None, MetricType::Histogram)?;
    for counts in &calls {
        let total = counts.buckets.iter().map(|(_, count)| count).sum();
        let labels = [("method", counts.method.as_str())];
        let mut family = encoder.encode_family(&labels)?;
        family.encode_histogram::<NoLabelSet>(counts.seconds, total, &counts.buckets, None)?;
    }
    let shed = meter.shed();
    let shed = shed.counts().map(|(class, count)| (class_name(class), count));
    page.counters("calls_shed", "Calls refused because there were too many, by class.", "class", shed)?;
    page.gauge("connections", "Open connections that have spoken.", meter.connections())?;
    let Some(usage) = process_usage::read() else { return Ok(()) };
    page.gauge("process_open_files", "Open files of the process, connections among them.", usage.open_files)?;
    page.gauge("process_memory_bytes", "Resident memory of the process.", usage.memory)?;
    page.gauge("process_processor_seconds", "Processor time of the process so far.", usage.processor_seconds)
}

fn class_name(class: CallClass) -> &'static str {
    match class {
        CallClass::Unspecified => "unspecified",
        CallClass::Health => "health",
        CallClass::Withdrawal => "withdrawal",
        CallClass::Grant => "grant",
        CallClass::Decision => "decision",
        CallClass::Event => "event",
        CallClass::Batch => "batch",
        CallClass::Background => "background",
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The decisions and how long they took.
fn decisions(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let meter = engine.meter();
    page.counters("decisions", "Decisions by answer.", "answer", meter.answers())?;
    let took = meter.durations();
    // The meter counts what is at or below a bound; the encoder adds up again.
    let mut below = 0;
    let buckets = took.buckets.iter().map(|(bound, count)| {
        let within = count - below;
        below = *count;
        (*bound, within)
    });
    let buckets: Vec<(f64, u64)> = buckets.collect();
    let help = "Time from the question to the answer, without the wire.";
    let mut encoder = page.0.encode_descriptor("decision_duration_seconds", help, None, MetricType::Histogram)?;
    encoder.encode_histogram::<NoLabelSet>(took.sum, took.count, &buckets, None)?;
    let help = "Decisions that lacked data which a full history had dropped.";
    page.counter("decisions_truncated", help, meter.truncated())
}

/// The metrics of the customer store, if there is one.
fn store(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let Some(store) = engine.store() else { return Ok(()) };
    let counts = store.counts();
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    page.counter("customers_loaded", "Customers read from the store.", read(&counts.loaded))?;
    page.counter("customers_written", "Customers written to the store.", read(&counts.written))?;
    page.counter("customers_evicted", "Customers who left memory.", read(&counts.evicted))?;
    page.counter("customers_damaged", "Customers whose stored bytes are damaged.", read(&counts.damaged))?;
    let dirty = store.contact_log().dirty_customers();
    page.gauge("store_waiting", "Customers who wait to be written.", dirty as u64)?;
    page.gauge("store_bytes", "Bytes of the store on disk.", store.bytes())?;
    page.gauge("store_trouble", "1 while customers cannot be stored.", u64::from(store.is_failing()))?;
    let help = "1 while every limit counts as used up, because contacts may be lost.";
    page.gauge("limits_assumed_used", help, u64::from(engine.limits_assumed_used().is_some()))
}

/// The metrics of the database that several nodes share, if there is one.
fn database(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let Some(counts) = engine.database_counts() else { return Ok(()) };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let trouble = u64::from(engine.storage_trouble().is_some());
    page.gauge("database_trouble", "1 while the database cannot be used.", trouble)?;
    page.counter("database_statements", "Statements that stored customers.", read(&counts.statements))?;
    page.counter("database_rows", "Customers stored by them.", read(&counts.rows))?;
    page.counter("database_checks", "Answers that changed nothing and were checked.", read(&counts.checks))?;
    page.counter(
        "database_conflicts",
        "Changes and checks on a copy that was not the newest.",
        read(&counts.conflicts),
    )?;
    page.counter("database_unknown", "Changes whose outcome was unknown at first.", read(&counts.unknown))
}

/// The metrics of the decision log, if there is one.
fn decision_log(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let Some((counts, index)) = engine.decision_log_counts() else { return Ok(()) };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    page.counter("decision_log_written", "Entries of the decision log written.", read(&counts.written))?;
    page.counter("decision_log_lost", "Entries that could not be written.", read(&counts.lost))?;
    page.counter("decision_log_damaged", "Damaged places that were met.", read(&counts.damaged))?;
    let help = "Entries that were overwritten, or their values.";
    page.counter("decision_log_overwritten", help, read(&counts.overwritten))?;
    page.gauge("decision_log_bytes", "Bytes of the decision log on disk.", read(&counts.bytes))?;
    page.gauge("decision_log_index_bytes", "Bytes of its index in memory.", index as u64)?;
    let failing = u64::from(counts.failing.load(Ordering::Relaxed));
    page.gauge("decision_log_trouble", "1 while the decision log cannot be written.", failing)
}

/// What was said, what became of it, and where actions stop: at most 5,000 series, the rest as `other`.
fn said(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let (Some(tally), active) = (engine.tally(), engine.rules()) else { return Ok(()) };
    let names = &active.set.vocabulary;
    let action = |id: u16| names.name(ActionId(id)).to_owned();
    let channel = |id: u8| names.name(ChannelId(id)).to_owned();
    let mut series: Vec<_> = tally.said.iter().map(|((id, on), count)| ([action(*id), channel(*on)], *count)).collect();
    series.push((["other", "other"].map(str::to_owned), tally.other_said));
    page.series("said", "How often an action was chosen.", ["action", "channel"], series)?;
    let told = |((id, on, outcome), count): (&(u16, Option<u8>, u8), &u64)| {
        let outcome = Outcome::at(usize::from(*outcome)).map_or("", Outcome::name).to_owned();
        ([action(*id), on.map_or_else(String::new, channel), outcome], *count)
    };
    let mut series: Vec<_> = tally.outcomes.iter().map(told).collect();
    series.push((["other"; 3].map(str::to_owned), tally.other_outcomes));
    page.series("outcomes", "Outcomes recorded.", ["action", "channel", "outcome"], series)?;
    let gate = |(at, count): (&u8, &u64)| ([Gate::at(usize::from(*at)).map_or("", Gate::name).to_owned()], *count);
    let help = "Actions that stopped at a gate, in decisions of the sample.";
    page.series("stopped", help, ["gate"], tally.stopped.iter().map(gate).collect())
}

/// The rule set in force, and the files that it was read from.
fn rules(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let active = engine.rules();
    page.info("rule_set", "The rule set in force.", [("rule_set", active.set.hash.as_str())])?;
    page.gauge("rule_set_since_seconds", "Since when it is in force, in Unix time.", seconds(active.since))?;
    let refused = u64::from(active.refused());
    page.gauge("rule_files_refused", "1 while the files on disk cannot be put in force.", refused)?;
    page.gauge("rule_files_read_seconds", "When they were last read, in Unix time.", seconds(active.reading.at))?;
    let readings = engine.meter().readings();
    page.counters("rule_files_readings", "Readings of the rule files by outcome.", "outcome", readings)
}

/// What the metrics are written to. Names are without `tactful_`, those of counters without `_total` and those of
/// infos without `_info`: the encoder adds these.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, value) in values {
            encoder.encode_family(&[(label, word)])?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// A counter with several labels, in the order of their values. Without series, it is left out.
    fn series<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        mut series: Vec<([String; N], u64)>,
    ) -> fmt::Result {
        series.sort();
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (values, count) in series {
            let pairs: Vec<(&str, &str)> = labels.into_iter().zip(values.iter().map(String::as_str)).collect();
            encoder.encode_family(&pairs)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn info(&mut self, name: &str, help: &str, label: [(&str, &str); 1]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&label)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a moment in milliseconds fits")]
fn seconds(moment: Moment) -> f64 {
    moment.0 as f64 / 1_000.0
}
