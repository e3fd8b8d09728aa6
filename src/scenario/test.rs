//! Rule tests: given a customer and a clock, expect an action, a silence or the reason why not.

use std::sync::Arc;

use super::line::{DecideLine, Line};
use super::shape;
use super::step::{Step, What, moment};
use crate::domain::decide::{Explain, Gate, SilenceReason};
use crate::domain::rules::diagnostic::{Diagnostic, Location, Sources, Span};
use crate::domain::rules::reader::{self, Fields};
use crate::domain::rules::sink::Sink;
use crate::domain::rules::source::{Node, NodeKind};
use crate::domain::rules::{RuleSet, code};
use crate::domain::time::{Moment, Period};
use crate::engine::{DecisionRecord, Engine, Limits};
use crate::ledger::MemoryLedger;

/// The one customer of a rule test.
const CUSTOMER: &str = "test";

/// One rule test.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// What it is about.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    given: Vec<(Step, Span)>,
    decide: Step,
    expect: Expect,
}

/// What a test expects.
#[derive(Debug, Clone, Default)]
struct Expect {
    actions: Option<Vec<String>>,
    silence: Option<SilenceReason>,
    why_not: Option<(String, Gate)>,
    text: Option<String>,
    retry_after: Option<Moment>,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// What it is about.
    pub name: String,
    /// Where it is written.
    pub place: Location,
    /// What went wrong; nothing if it passed.
    pub failure: Option<String>,
}

/// Reads the tests of test files.
#[must_use]
pub fn read(files: &[Node], rules: &RuleSet) -> (Vec<RuleTest>, Vec<Diagnostic>) {
    let sink = Sink::default();
    let mut tests = Vec::new();
    for file in files {
        let Some(fields) = Fields::of(file, &shape::TEST_FILE, &sink) else { continue };
        let items = fields.required("tests").and_then(|node| reader::list(node, &sink)).unwrap_or(&[]);
        fields.finish();
        tests.extend(items.iter().filter_map(|item| read_test(item, rules, &sink)));
    }
    (tests, sink.into_sorted())
}

fn read_test(node: &Node, rules: &RuleSet, sink: &Sink) -> Option<RuleTest> {
    let fields = Fields::of(node, &shape::TEST, sink)?;
    let name = fields.required("name").and_then(|node| Some((reader::text(node, sink)?.to_owned(), node.span)));
    let at = fields.required("at").and_then(|node| reader::moment(node, sink));
    let given = fields.optional("given");
    let decide = fields.required("decide");
    let expect = fields.required("expect").and_then(|node| read_expect(node, rules, sink));
    fields.finish();
    let (at, (name, span)) = (at?, name?);
    let steps = given.map_or(Some(Vec::new()), |node| read_given(node, at, rules, sink));
    let decide = read_decide(decide?, at, rules, sink);
    Some(RuleTest { name, span, given: steps?, decide: decide?, expect: expect? })
}

fn read_given(node: &Node, at: Moment, rules: &RuleSet, sink: &Sink) -> Option<Vec<(Step, Span)>> {
    let items = reader::list(node, sink)?.iter().map(|item| {
        let line: Line = from_node(item, sink)?;
        if line.customer.is_some() {
            let help = "a test has one customer; remove the name";
            return reader::refuse(item.span, code::UNKNOWN_KEY, "`customer` does not belong here".into(), help, sink);
        }
        let when = match (&line.at, &line.ago) {
            (None, None) => Ok(at),
            (Some(text), None) => moment(text),
            (None, Some(ago)) => Period::parse(ago).map(|ago| at - ago).map_err(|error| error.to_string()),
            (Some(_), Some(_)) => Err("has both `at` and `ago`".to_owned()),
        };
        let step = when
            .and_then(|when| if when > at { Err(format!("{when} is after the test's own moment")) } else { Ok(when) });
        let step = step.and_then(|when| Step::new(line, when, CUSTOMER, rules));
        told(step, item.span, sink).map(|step| (step, item.span))
    });
    let items: Vec<Option<(Step, Span)>> = items.collect();
    let mut steps: Vec<(Step, Span)> = items.into_iter().collect::<Option<_>>()?;
    steps.sort_by_key(|(step, _)| step.at);
    Some(steps)
}

fn read_decide(node: &Node, at: Moment, rules: &RuleSet, sink: &Sink) -> Option<Step> {
    let decide: DecideLine = from_node(node, sink)?;
    let line = Line {
        decide: Some(decide),
        at: None,
        ago: None,
        customer: None,
        event: None,
        consent: None,
        attributes: None,
        time_zone: None,
        outcome: None,
    };
    told(Step::new(line, at, CUSTOMER, rules), node.span, sink)
}

fn read_expect(node: &Node, rules: &RuleSet, sink: &Sink) -> Option<Expect> {
    let fields = Fields::of(node, &shape::EXPECTATION, sink)?;
    let mut expect = Expect::default();
    if let Some(node) = fields.optional("action") {
        expect.actions = Some(vec![known_action(node, rules, sink)?]);
    }
    if let Some(node) = fields.optional("actions") {
        let items = reader::list(node, sink)?.iter().map(|item| known_action(item, rules, sink));
        expect.actions = Some(items.collect::<Option<_>>()?);
    }
    if let Some(node) = fields.optional("silence") {
        expect.silence = Some(reader::one_of(node, &SilenceReason::NAMES, sink)?);
    }
    if let Some(node) = fields.optional("why_not") {
        let inner = Fields::of(node, &shape::WHY_NOT, sink)?;
        let action = inner.required("action").and_then(|node| known_action(node, rules, sink));
        let gate = inner
            .required("gate")
            .and_then(|node| reader::one_of(node, &Gate::ALL.map(|gate| (gate.name(), gate)), sink));
        inner.finish();
        expect.why_not = Some((action?, gate?));
    }
    expect.text = fields.optional("text").and_then(|node| reader::text(node, sink)).map(str::to_owned);
    expect.retry_after = fields.optional("retry_after").and_then(|node| reader::moment(node, sink));
    fields.finish();
    if expect.actions.is_none() && expect.silence.is_none() && expect.why_not.is_none() {
        let help = "expect `action: ID`, `silence: REASON` or `why_not: {action: ID, gate: GATE}`";
        return reader::refuse(node.span, code::MISSING_KEY, "this expects nothing".into(), help, sink);
    }
    Some(expect)
}

fn known_action(node: &Node, rules: &RuleSet, sink: &Sink) -> Option<String> {
    let name = reader::text(node, sink)?;
    let known = rules.vocabulary.find(name).is_some_and(|id| rules.actions.get(id).is_some());
    let names = rules.actions.ids().map(|id| rules.vocabulary.name(id));
    if known { Some(name.to_owned()) } else { reader::unknown((name, node.span), "action", names, sink) }
}

/// Reads a node into a shape; a mistake is reported at the node.
fn from_node<T: serde::de::DeserializeOwned>(node: &Node, sink: &Sink) -> Option<T> {
    told(serde_json::from_value(json(node)).map_err(|error| error.to_string()), node.span, sink)
}

fn told<T>(result: Result<T, String>, span: Span, sink: &Sink) -> Option<T> {
    result.map_err(|why| sink.push(Diagnostic::error(code::WRONG_TYPE, span, why))).ok()
}

fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.kind {
        NodeKind::Null => Json::Null,
        NodeKind::Flag(flag) => Json::Bool(*flag),
        NodeKind::Number(number) => whole(*number).map_or_else(|| Json::from(*number), Json::from),
        NodeKind::Text(text) => Json::String(text.clone()),
        NodeKind::List(items) => Json::Array(items.iter().map(json).collect()),
        NodeKind::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.text.clone(), json(&entry.value))).collect())
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only for numbers that are whole and small")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
}

/// Runs tests, each with an engine and a customer of its own.
#[must_use]
pub fn run(tests: &[RuleTest], rules: &Arc<RuleSet>, sources: &Sources) -> Vec<TestResult> {
    let run = |test: &RuleTest| TestResult {
        name: test.name.clone(),
        place: sources.locate(test.span),
        failure: run_one(test, rules, sources).err(),
    };
    tests.iter().map(run).collect()
}

fn run_one(test: &RuleTest, rules: &Arc<RuleSet>, sources: &Sources) -> Result<(), String> {
    let engine = Engine::new(
        Arc::clone(rules),
        Arc::new(MemoryLedger::default()),
        Limits { decisions: 16 },
        (0, test.decide.at),
    );
    for (step, span) in &test.given {
        step.clone().play(&engine).map_err(|why| format!("given at {}: {why}", sources.locate(*span)))?;
    }
    let mut decide = test.decide.clone();
    if let What::Decide(question, _) = &mut decide.what {
        question.explain = Explain::Full;
    }
    let record = decide.play(&engine)?.ok_or("the test asks nothing")?;
    compare(&test.expect, &record)
}

fn compare(expect: &Expect, record: &DecisionRecord) -> Result<(), String> {
    let names: Vec<&str> =
        record.decision.actions.iter().map(|chosen| record.rules.vocabulary.name(chosen.action)).collect();
    let silence = record.decision.silence.as_ref();
    if let Some(wanted) = &expect.actions
        && *wanted != names
    {
        let why: Vec<String> = wanted
            .iter()
            .filter(|wanted| !names.contains(&wanted.as_str()))
            .filter_map(|wanted| why_not(wanted, record))
            .collect();
        let wanted = if wanted.is_empty() { &vec!["no action".to_owned()] } else { wanted };
        return Err(format!("expected {}, got {}{}", wanted.join(", "), outcome(record), lines(&why)));
    }
    if let Some(wanted) = expect.silence
        && silence.map(|silence| silence.reason) != Some(wanted)
    {
        return Err(format!("expected silence ({}), got {}", wanted.name(), outcome(record)));
    }
    if let Some((action, gate)) = &expect.why_not {
        let found = loser(action, record).map(|loser| loser.gate);
        if found != Some(*gate) {
            let why = why_not(action, record).unwrap_or_default();
            return Err(format!("expected `{action}` to stop at `{}`{}", gate.name(), lines(&[why])));
        }
    }
    if let Some(text) = &expect.text {
        let got = record.decision.actions.first().map_or("", |chosen| chosen.text.as_str());
        if got != text {
            return Err(format!("expected the text `{text}`, got `{got}`"));
        }
    }
    if let Some(wanted) = expect.retry_after {
        let got = silence.and_then(|silence| silence.retry_after);
        if got != Some(wanted) {
            let got = got.map_or_else(|| "none".to_owned(), |got| got.to_string());
            return Err(format!("expected retry after {wanted}, got {got}"));
        }
    }
    Ok(())
}

fn outcome(record: &DecisionRecord) -> String {
    match &record.decision.silence {
        Some(silence) => format!("silence ({}): {}", silence.reason.name(), silence.detail),
        None => record
            .decision
            .actions
            .iter()
            .map(|chosen| record.rules.vocabulary.name(chosen.action))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn loser<'r>(action: &str, record: &'r DecisionRecord) -> Option<&'r crate::domain::decide::Loser> {
    let candidates = &record.decision.explanation.as_ref()?.candidates;
    candidates.iter().find(|loser| record.rules.vocabulary.name(loser.action) == action)
}

fn why_not(action: &str, record: &DecisionRecord) -> Option<String> {
    let loser = loser(action, record)?;
    let flip = loser.flip.as_ref().map_or_else(String::new, |flip| format!("; it would win {flip}"));
    Some(format!("`{action}` stopped at `{}`: {} ({}){flip}", loser.gate.name(), loser.reason, loser.rule))
}

fn lines(parts: &[String]) -> String {
    parts.iter().map(|part| format!("\n    {part}")).collect()
}
