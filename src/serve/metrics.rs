//! Metrics in the text format of Prometheus (version 0.0.4), on a port of their own. No label names a customer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
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
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], exposition(&engine)) }
    };
    axum::serve(listener, Router::new().route("/metrics", get(page))).await
}

/// Every metric with its current value.
#[must_use]
pub fn exposition(engine: &Engine) -> String {
    let mut page = Page(String::new());
    let (active, meter) = (engine.rules(), engine.meter());
    page.metric("build_info", "gauge", "The version that runs.");
    page.labelled("build_info", ("version", env!("CARGO_PKG_VERSION")), 1.0);
    page.metric("decisions_total", "counter", "Decisions by answer.");
    meter.answers().for_each(|(answer, count)| page.labelled("decisions_total", ("answer", answer), float(count)));
    page.metric("decision_duration_seconds", "histogram", "Time from the question to the answer, without the wire.");
    let took = meter.durations();
    for (bound, count) in &took.buckets {
        page.labelled("decision_duration_seconds_bucket", ("le", &bound.to_string()), float(*count));
    }
    page.labelled("decision_duration_seconds_bucket", ("le", "+Inf"), float(took.count));
    page.value("decision_duration_seconds_sum", took.sum);
    page.value("decision_duration_seconds_count", float(took.count));
    page.metric("decisions_truncated_total", "counter", "Decisions that lacked data which a full history had dropped.");
    page.value("decisions_truncated_total", float(meter.truncated()));
    page.gauge("customers", "Customers with stored data.", float(engine.customer_count() as u64));
    store(&mut page, engine);
    page.metric("facts_dropped_total", "counter", "Facts that were not stored, because no purpose covered them.");
    page.value("facts_dropped_total", float(engine.dropped_facts()));
    page.gauge("ledger_trusted", "1 if consent can be relied on; 0: no personal data is used.", flag(engine.trusted()));
    page.gauge("ledger_records", "Consent records in the ledger.", float(engine.ledger_records()));
    page.metric("rule_set_info", "gauge", "The rule set in force.");
    page.labelled("rule_set_info", ("rule_set", &active.set.hash), 1.0);
    page.gauge("rule_set_since_seconds", "Since when it is in force, in Unix time.", seconds(active.since));
    page.gauge("rule_files_refused", "1 while the files on disk cannot be put in force.", flag(active.refused()));
    page.gauge("rule_files_read_seconds", "When they were last read, in Unix time.", seconds(active.reading.at));
    page.metric("rule_files_readings_total", "counter", "Readings of the rule files by outcome.");
    let mut reading = |(outcome, count)| page.labelled("rule_files_readings_total", ("outcome", outcome), float(count));
    meter.readings().for_each(&mut reading);
    page.0
}

/// The metrics of the customer store, if there is one.
fn store(page: &mut Page, engine: &Engine) {
    let Some(store) = engine.store() else { return };
    let counts = store.counts();
    let mut counter = |name: &str, help: &str, count: &AtomicU64| {
        page.metric(name, "counter", help);
        page.value(name, float(count.load(Ordering::Relaxed)));
    };
    counter("customers_loaded_total", "Customers read from the store.", &counts.loaded);
    counter("customers_written_total", "Customers written to the store.", &counts.written);
    counter("customers_evicted_total", "Customers who left memory.", &counts.evicted);
    counter("customers_damaged_total", "Customers whose stored bytes are damaged.", &counts.damaged);
    page.gauge(
        "store_waiting",
        "Customers who wait to be written.",
        float(store.contact_log().dirty_customers() as u64),
    );
    page.gauge("store_bytes", "Bytes of the store on disk.", float(store.bytes()));
    page.gauge("store_trouble", "1 while customers cannot be stored.", flag(store.is_failing()));
}

/// A page in the exposition format.
struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        self.0 += &format!("# HELP tactful_{name} {help}\n# TYPE tactful_{name} {kind}\n");
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.metric(name, "gauge", help);
        self.value(name, value);
    }

    fn value(&mut self, name: &str, value: f64) {
        self.0 += &format!("tactful_{name} {value}\n");
    }

    fn labelled(&mut self, name: &str, (label, text): (&str, &str), value: f64) {
        self.0 += &format!("tactful_{name}{{{label}=\"{text}\"}} {value}\n");
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn float(count: u64) -> f64 {
    count as f64
}

fn flag(flag: bool) -> f64 {
    f64::from(u8::from(flag))
}

#[expect(clippy::cast_precision_loss, reason = "a moment in milliseconds fits")]
fn seconds(moment: Moment) -> f64 {
    moment.0 as f64 / 1_000.0
}
