//! The memory of a customer, and the effect of many customers on a decision: `cargo bench --bench customers`, or with
//! another number of customers, `cargo bench --bench customers -- 5000000`.
//!
//! Every customer has 20 events over 90 days, half of them with a field, each with an id; 10 attributes; and 5 purposes
//! with a given consent. They are filled through the engine, one event at a time in turns, as a server would be.
//! Decisions take turns between an engine with 1,000 customers and the one with all, for customers picked at random.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a benchmark reads the clock and may fail loudly"
)]

#[path = "customers/naive.rs"]
mod naive;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tactful::domain::action::Outcome;
use tactful::domain::consent::standing::Registers;
use tactful::domain::consent::{ConsentRecord, ConsentStatus, Standing};
use tactful::domain::id::{PurposeId, Vocabulary};
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, Engine, EventInput, Limits, OutcomeInput, Question};
use tactful::ledger::proof::Hash;
use tactful::ledger::{ClosedLedger, Erasure, Ledger, LedgerError};
use tactful::rules::load;

#[global_allocator]
static ALLOCATOR: cap::Cap<mimalloc::MiMalloc> = cap::Cap::new(mimalloc::MiMalloc, usize::MAX);

const FEW: usize = 1_000;
const EVENTS: usize = 20;
const PURPOSES: [&str; 5] = ["personalisation", "advice", "marketing.email", "marketing.phone", "research"];
const PAGES: [&str; 8] = ["fibre", "help/router", "contract", "speed-test", "prices", "moving", "tv", "invoice/2026"];
const CITIES: [&str; 6] = ["Berlin", "Hamburg", "Köln", "Frankfurt am Main", "Essen", "Ulm"];
const NOW: Moment = Moment(1_772_442_000_000);

fn main() {
    let count = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let rules = Arc::new(rules(1_000));
    let few = engine(&rules, FEW);
    let before = (ALLOCATOR.allocated(), resident());
    let start = Instant::now();
    let all = engine(&rules, count);
    let filled = start.elapsed();
    let packed = per_customer(before, count);
    day(&all, count);
    let with_day = per_customer(before, count);
    let decided = decide(&few, &all, count);
    let before = (ALLOCATOR.allocated(), resident());
    let naive_count = (count / 4).max(1);
    let kept = naive(&rules, naive_count);
    let naive = per_customer(before, naive_count);
    drop(kept);
    report((count, naive_count), filled.as_secs_f64(), (packed, with_day, naive), decided);
}

/// Bytes a customer: asked of the allocator, and resident.
type Bytes = (f64, f64);

fn per_customer(before: (usize, usize), count: usize) -> Bytes {
    let of = |now: usize, before: usize| (now as f64 - before as f64) / count as f64;
    (of(ALLOCATOR.allocated(), before.0), of(resident(), before.1))
}

/// The resident memory of this process in bytes, after the allocator has returned memory that was free for a second.
fn resident() -> usize {
    std::thread::sleep(Duration::from_millis(1_500));
    drop(std::hint::black_box(vec![1_u8; 1 << 22]));
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

fn report((count, naive_count): (usize, usize), filled: f64, bytes: (Bytes, Bytes, Bytes), decided: [Times; 3]) {
    let (packed, with_day, naive) = bytes;
    println!("{count} customers ({naive_count} naive ones), filled in {filled:.0} s");
    println!("{:<28} {:>14} {:>14}", "bytes a customer", "allocated", "resident");
    println!("{:<28} {:>14.0} {:>14.0}", "naive", naive.0, naive.1);
    println!("{:<28} {:>14.0} {:>14.0}", "packed", packed.0, packed.1);
    println!("{:<28} {:>14.0} {:>14.0}", "after 3 requests, 2 outcomes", with_day.0, with_day.1);
    println!("{:<28} {:>13.1}× {:>13.1}×", "naive / packed", naive.0 / packed.0, naive.1 / packed.1);
    let [few, all, ratio] = decided;
    println!("{:<28} {:>14} {:>14}", "one decision, 1,000 actions", "p50", "p99");
    println!("{:<28} {:>11.2} µs {:>11.2} µs", format!("{FEW} customers"), few[0], few[1]);
    println!("{:<28} {:>11.2} µs {:>11.2} µs", format!("{count} customers"), all[0], all[1]);
    println!("{:<28} {:>13.2}× {:>13.2}×", "many / few, in the middle", ratio[0], ratio[1]);
    let json = serde_json::json!({
        "customers": count,
        "bytes": {"naive": {"allocated": naive.0, "resident": naive.1}, "packed": {"allocated": packed.0, "resident": packed.1}, "with_day": {"allocated": with_day.0, "resident": with_day.1}},
        "decide_us": {"few": {"p50": few[0], "p99": few[1]}, "many": {"p50": all[0], "p99": all[1]}},
        "many_to_few": {"p50": ratio[0], "p99": ratio[1]},
    });
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/target/customers.json"), format!("{json:#}\n")).unwrap();
}

/// Rules that ask for facts of every kind, with a catalogue of actions of which a few fit a customer.
fn rules(actions: usize) -> RuleSet {
    let mut text = "purposes:\n".to_owned();
    for purpose in PURPOSES {
        writeln!(text, "  {purpose}: {{basis: consent}}").unwrap();
    }
    text += "attributes:\n";
    for (name, shape) in ATTRIBUTES {
        writeln!(text, "  customer.{name}: {{type: {shape}, purposes: [personalisation, advice]}}").unwrap();
    }
    text += "context:\n  topic: {type: text, personal: false}\nevents:\n";
    for kind in ["page_view", "search"] {
        writeln!(text, "  {kind}: {{fields: {{page: text}}, purposes: [personalisation], keep: 1 year}}").unwrap();
    }
    for kind in ["login", "call", "order"] {
        writeln!(text, "  {kind}: {{purposes: [personalisation, advice], keep: 1 year}}").unwrap();
    }
    text += "channels:\n  web: {direction: inbound, interruption: 1, reserve_for: 1 second}\nactions:\n";
    for index in 0..actions {
        let topic = ["speed", "price", "contract", "outage", "moving"][index % 5];
        let (age, visits) = (18 + index % 60, index % 3);
        writeln!(text, "  - id: action-{index}\n    title: T\n    kind: offer\n    purpose: personalisation\n    eligible: ['customer.age >= {age} && customer.age < {}']", age + 10).unwrap();
        writeln!(text, "    applicable: ['context.topic == \"{topic}\"', 'events.count(\"page_view\", \"60d\", event.page != \"tv\") >= {visits}']").unwrap();
        writeln!(
            text,
            "    relevance: {{base: {}}}\n    intrusiveness: 5\n    treatments: {{web: {{text: T}}}}",
            20 + index % 40
        )
        .unwrap();
    }
    text += "policy:\n  pressure: {half_life: 7 days, per_contact: {web: 1}}\n  hurt: {half_life: 30 days}\n  time_zone: Europe/Berlin\n";
    let loaded = load(Sources::new(vec![SourceFile { path: "made.yaml".into(), text }]), &Vocabulary::default());
    assert!(loaded.rule_set.is_some(), "{:?}", loaded.diagnostics);
    loaded.rule_set.unwrap()
}

const ATTRIBUTES: [(&str, &str); 10] = [
    ("contract", "text"),
    ("city", "text"),
    ("language", "text"),
    ("segment", "text"),
    ("age", "number"),
    ("months", "number"),
    ("bill", "number"),
    ("speed", "number"),
    ("app", "flag"),
    ("since", "moment"),
];

fn attributes(index: usize) -> Vec<(String, Option<Value>)> {
    let text = |texts: &[&str]| Value::Text(texts[index % texts.len()].into());
    let values = [
        text(&["dsl", "fibre", "none", "mobile"]),
        text(&CITIES),
        text(&["de", "en", "tr"]),
        text(&["family", "student", "business", "senior", "single"]),
        Value::Number((18 + index % 70) as f64),
        Value::Number((index % 120) as f64),
        Value::Number(19.99 + (index % 50) as f64),
        Value::Number([16.0, 50.0, 100.0, 250.0][index % 4]),
        Value::Flag(index.is_multiple_of(3)),
        Value::Moment(Moment(NOW.0 - (index % 3_000) as i64 * Period::DAY.0)),
    ];
    ATTRIBUTES.iter().zip(values).map(|((name, _), value)| (format!("customer.{name}"), Some(value))).collect()
}

/// The event with a number of a customer: a page or a search every other time, minutes to days after the one before.
fn event(index: usize, number: usize) -> (&'static str, Moment, Option<&'static str>) {
    let mixed = (index * EVENTS + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let page = number.is_multiple_of(2).then_some(PAGES[mixed >> 60 & 7]);
    let kind = match (page, mixed >> 50 & 3) {
        (Some(_), 0) => "search",
        (Some(_), _) => "page_view",
        (None, 0) => "order",
        (None, 1) => "call",
        (None, _) => "login",
    };
    let day = Period::DAY.0;
    let at = NOW.0 - 90 * day + number as i64 * 4 * day + (mixed >> 8 & 0xfff_ffff) as i64;
    (kind, Moment(at), page)
}

fn name(index: usize) -> String {
    format!("cust-{index:010}")
}

fn record(customer: &str, purpose: &str, sequence: u64) -> ConsentRecord {
    ConsentRecord {
        customer: customer.into(),
        purpose: purpose.into(),
        basis: Some(tactful::domain::purpose::Basis::Consent),
        ..ConsentRecord::new(ConsentStatus::Given, NOW - Period(90 * Period::DAY.0 + 1), sequence)
    }
}

fn grants(index: usize) -> Vec<(u64, ConsentRecord)> {
    let sequences = (1_u64..).skip(index * PURPOSES.len());
    let customer = name(index);
    sequences.zip(PURPOSES).map(|(sequence, purpose)| (sequence, record(&customer, purpose, sequence))).collect()
}

/// A ledger without memory: the records of a customer are computed from the name.
#[derive(Debug)]
struct Grants(ClosedLedger);

impl Ledger for Grants {
    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        Ok(grants(customer.trim_start_matches(|sign: char| !sign.is_ascii_digit()).parse().unwrap()))
    }

    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        self.0.append(records)
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.0.erase(customer, now)
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.0.erased_at(customer)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        self.0.checkpoint()
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        self.0.receipt(position)
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.0.consistency(earlier, size)
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        self.0.verifier_key()
    }
}

fn engine(rules: &Arc<RuleSet>, count: usize) -> Engine {
    let ledger = Arc::new(Grants(ClosedLedger("this ledger takes no records".into())));
    let engine = Engine::new(Arc::clone(rules), ledger, Limits { decisions: 4 << 20 }, NOW);
    for index in 0..count {
        let change = AttributeChange { customer: name(index), attributes: attributes(index), time_zone: String::new() };
        assert!(engine.set_attributes(change, NOW).unwrap().is_empty());
    }
    for number in 0..EVENTS {
        for index in 0..count {
            let (kind, at, page) = event(index, number);
            let input = EventInput {
                event_id: format!("{index}-{number}"),
                customer: name(index),
                kind: kind.into(),
                occurred: Some(at),
                fields: page.into_iter().map(|page| ("page".into(), Value::Text(page.into()))).collect(),
                ..EventInput::default()
            };
            assert!(engine.record_events(vec![input], NOW).unwrap()[0].accepted);
        }
    }
    assert_eq!(engine.customer_count(), count);
    engine
}

/// A usual day of each customer: three requests with ids, and two outcomes of their steps with ids.
fn day(engine: &Engine, count: usize) {
    for index in 0..count {
        for number in 0..3 {
            let question = Question {
                customer: name(index).into(),
                channel: "web".into(),
                request_id: format!("{index}-{number}").into(),
                context: [("topic".into(), Value::Text("speed".into()))].into_iter().collect(),
                ..Question::default()
            };
            let record = engine.decide(question, NOW).unwrap();
            let Some(chosen) = record.decision.actions.first().filter(|_| number < 2) else { continue };
            let outcome = OutcomeInput {
                outcome_id: format!("{index}-{number}"),
                decision_id: record.id().to_owned(),
                customer: String::new(),
                action: record.rules.vocabulary.name(chosen.action).to_owned(),
                channel: String::new(),
                outcome: Outcome::Clicked,
                occurred: None,
            };
            assert!(engine.record_outcomes(vec![outcome], NOW).unwrap()[0].accepted);
        }
    }
}

fn naive(rules: &RuleSet, count: usize) -> naive::Customers {
    let customers = naive::Customers::default();
    for index in 0..count {
        let mut standing = Standing::default();
        let ids: Vec<PurposeId> = PURPOSES.iter().map(|name| rules.vocabulary.find(name).unwrap()).collect();
        for ((position, record), id) in grants(index).iter().zip(&ids) {
            standing.apply(Some(*id), record, *position);
        }
        let mut customer = naive::Customer::default();
        ids.iter().for_each(|id| customer.standing.push((id.0, Registers::clone(&standing.registers(*id)))));
        for (id, (_, value)) in (0..).zip(attributes(index)) {
            customer.attributes.push((id, value.unwrap(), 3));
        }
        customers.insert(name(index).into(), customer);
    }
    for number in 0..EVENTS {
        for index in 0..count {
            let (kind, at, page) = event(index, number);
            let fields = page.into_iter().map(|page| (0, Value::Text(page.into()), 1)).collect();
            let mut customer = customers.get_mut(name(index).as_str()).unwrap();
            customer.events.push_back(naive::Event { kind: kind.len() as u16, at: at.0, purposes: 1, fields });
            customer.seen.push_back((index * EVENTS + number) as u64);
        }
    }
    customers
}

/// The duration of decisions: median and 99th percentile.
type Times = [f64; 2];

/// The duration of decisions in µs for few customers and for all, and their ratio. The two take turns, and each turn
/// for all is compared with its neighbour for few; the median of the ratios counts, so that a temporary load on the
/// machine does not look like a difference.
fn decide(few: &Engine, all: &Engine, count: usize) -> [Times; 3] {
    const ROUNDS: usize = 100;
    const BATCH: usize = 4_000;
    // Every customer already has a contact, so that no turn waits for memory for the first one.
    for (engine, of) in [(few, FEW), (all, count)] {
        for number in 0..of {
            ask(engine, name(number), NOW);
        }
    }
    let mut random = 1_u64;
    let mut turns = Vec::new();
    // The first rounds warm up.
    for round in 0..ROUNDS + ROUNDS / 10 {
        let mut turn = |place: usize| {
            let (engine, of) = [(few, FEW), (all, count)][place];
            let mut took: Vec<f64> = (0..BATCH)
                .map(|step| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let now = NOW + Period(((round * 2 + place) * BATCH + step) as i64);
                    ask(engine, name(random as usize % of), now)
                })
                .collect();
            took.sort_by(f64::total_cmp);
            [0.5, 0.99].map(|share| took[(BATCH as f64 * share) as usize])
        };
        let first = round % 2;
        let mut both = [(first, turn(first)), (1 - first, turn(1 - first))];
        both.sort_by_key(|(place, _)| *place);
        let [(_, few), (_, all)] = both;
        turns.push([few, all, [all[0] / few[0], all[1] / few[1]]]);
    }
    let middle = |what: usize, share: usize| {
        let mut values: Vec<f64> = turns[ROUNDS / 10..].iter().map(|turn| turn[what][share]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    [0, 1, 2].map(|what| [middle(what, 0), middle(what, 1)])
}

/// One decision, timed; its contact is then withdrawn, so that every decision starts from the same state.
fn ask(engine: &Engine, customer: String, now: Moment) -> f64 {
    let question = Question {
        customer: customer.into(),
        channel: "web".into(),
        context: [("topic".into(), Value::Text("speed".into()))].into_iter().collect(),
        ..Question::default()
    };
    let start = Instant::now();
    let record = engine.decide(question, now).unwrap();
    let took = start.elapsed().as_nanos() as f64 / 1_000.0;
    let outcomes = record.decision.actions.iter().map(|chosen| OutcomeInput {
        outcome_id: String::new(),
        decision_id: record.id().to_owned(),
        customer: String::new(),
        action: record.rules.vocabulary.name(chosen.action).to_owned(),
        channel: String::new(),
        outcome: Outcome::NotPresented,
        occurred: None,
    });
    let outcomes: Vec<OutcomeInput> = outcomes.collect();
    if !outcomes.is_empty() {
        assert!(engine.record_outcomes(outcomes, now).unwrap()[0].accepted);
    }
    took
}
