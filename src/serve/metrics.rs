//! Metrics in the text format of Prometheus (version 0.0.4), on a port of their own. No label names a customer.
//!
//! The engine and the store count; this file only names what they counted.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::domain::time::Moment;
use crate::engine::Engine;

/// Answers `GET /metrics` until dropped.
///
/// # Errors
/// When connections can no longer be accepted.
pub async fn serve(engine: Arc<Engine>, listener: TcpListener) -> std::io::Result<()> {
    let page = move || {
        let engine = Arc::clone(&engine);
        async move { ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], exposition(&engine)) }
    };
    axum::serve(listener, Router::new().route("/metrics", get(page))).await
}

/// Every metric with its current value.
#[must_use]
pub fn exposition(engine: &Arc<Engine>) -> String {
    let mut registry = Registry::with_prefix("tactful");
    registry.register_collector(Box::new(Metrics(Arc::clone(engine))));
    let mut page = String::new();
    if prometheus_text::encode(&mut page, &registry).is_err() {
        // Writing to a string does not fail. If a collector did, the page must not look complete.
        _ = writeln!(page, "# the metrics could not be written");
    }
    page
}

/// The counts of an engine and its store.
struct Metrics(Arc<Engine>);

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
        page.gauge("customers", "Customers with stored data.", engine.customer_count() as u64)?;
        store(page, engine)?;
        let help = "Facts that were not stored, because no purpose covered them.";
        page.counter("facts_dropped", help, engine.dropped_facts())?;
        let help = "1 if consent can be relied on; 0: no personal data is used.";
        page.gauge("ledger_trusted", help, u64::from(engine.trusted()))?;
        page.gauge("ledger_records", "Consent records in the ledger.", engine.ledger_records())?;
        let help = "How far the machine's clock is ahead of the server's time; 0 if it is believed.";
        page.gauge("clock_step_seconds", help, engine.meter().clock_step_seconds())?;
        rules(page, engine)
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
    page.gauge("store_trouble", "1 while customers cannot be stored.", u64::from(store.is_failing()))
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

    fn info(&mut self, name: &str, help: &str, label: [(&str, &str); 1]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&label)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a moment in milliseconds fits")]
fn seconds(moment: Moment) -> f64 {
    moment.0 as f64 / 1_000.0
}
