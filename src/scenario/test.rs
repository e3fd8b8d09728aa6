//! Rule tests: given a customer and a clock, expect an action, a silence or the reason why an action was not chosen.
//!
//! `given` reads the events before and the question, `expect` the expectations; `coverage` records what the tests
//! exercised. Every test has its own engine, customer and clock.

mod coverage;
mod expect;
mod given;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::domain::decide::Explain;
use crate::domain::model::Shape as FactShape;
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::{Location, Sources, Span};
use crate::domain::time::Moment;
use crate::domain::value::Type;
use crate::engine::{DecisionRecord, Engine, Limits, Question};
use crate::ledger::MemoryLedger;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::fields::Fields;
use crate::rules::reader;
use crate::rules::shape::{Form, Name};
use crate::rules::sink::Sink;
use crate::rules::source::Node;
use crate::rules::{code, unseen};
use crate::scenario::shape;

pub use coverage::{Coverage, Exercise, Item};
pub use expect::Difference;

use expect::Expect;
use given::{Given, Known};

/// One rule test.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// The test's name.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    given: Vec<Given>,
    at: Moment,
    question: Question,
    expect: Expect,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// Where it is defined.
    pub place: Location,
    /// Why it failed; `None` if it passed.
    pub failure: Option<TestFailure>,
}

/// Why a test failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestFailure {
    /// The engine refused something that the test gives or asks.
    Refused(String),
    /// The answer is not as expected.
    Differs(Vec<Difference>),
}

/// Reads the tests of test files.
#[must_use]
pub fn read(files: &[Node], rules: &RuleSet, sources: &Sources) -> (Vec<RuleTest>, Vec<Diagnostic>) {
    let sink = Sink::default();
    let mut tests = Vec::new();
    for file in files {
        let source = sources.file(file.span.file).map_or("", |source| source.text.as_str());
        sink.extend(unseen::check(source, file, &Form::Map(&shape::TEST_FILE), &|kind, name| {
            takes_any_text(rules, kind, name)
        }));
        let Some(fields) = Fields::of(file, &shape::TEST_FILE, &sink) else { continue };
        let items = fields.required("tests").and_then(|node| reader::list(node, &sink)).unwrap_or(&[]);
        fields.finish();
        tests.extend(items.iter().filter_map(|item| read_test(item, Known { rules, sink: &sink })));
    }
    warn_of_twins(&tests, &sink);
    (tests, sink.into_sorted())
}

/// Whether a fact of this name may have any text.
fn takes_any_text(rules: &RuleSet, kind: Name, name: &str) -> bool {
    let free = |shape: &FactShape| matches!(shape.kind, Type::Text | Type::List) && shape.one_of.is_none();
    let declared = &rules.declared;
    match kind {
        Name::Attribute => {
            let id = rules.vocabulary.find(name);
            id.and_then(|id| declared.attributes.get(id)).is_none_or(|attribute| free(&attribute.shape))
        }
        Name::Context => {
            let id = rules.vocabulary.find(name);
            id.and_then(|id| declared.context.get(id)).is_none_or(|fact| free(&fact.shape))
        }
        _ => declared.fields.iter().any(|(_, field)| field.name == name && free(&field.shape)),
    }
}

fn read_test(node: &Node, known: Known<'_>) -> Option<RuleTest> {
    let sink = known.sink;
    let fields = Fields::of(node, &shape::TEST, sink)?;
    let name = fields.required("name").and_then(|node| Some((reader::text(node, sink)?.to_owned(), node.span)));
    let at = fields.need("at");
    let given = fields.optional("given");
    let question = fields.required("decide").and_then(|node| known.question(node));
    let expect = fields.required("expect").and_then(|node| Expect::read(node, known));
    fields.finish();
    let given = given.map_or(Some(Vec::new()), |node| known.given(node, at?));
    let (name, span) = name?;
    Some(RuleTest { name, span, given: given?, at: at?, question: question?, expect: expect? })
}

/// Two tests with the same name are indistinguishable in a report.
fn warn_of_twins(tests: &[RuleTest], sink: &Sink) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for test in tests {
        let Some(earlier) = first.get(test.name.as_str()) else {
            first.insert(&test.name, test.span);
            continue;
        };
        let message = format!("another test is called `{}`", test.name);
        let help = "give each test a name of its own, so that reports and `--run` can tell them apart";
        let warning = Diagnostic::warning(code::SAME_TEST_NAME, test.span, message).help(help);
        sink.push(warning.related(*earlier, "the first of that name"));
    }
}

impl RuleTest {
    /// Runs the test with its own engine and customer; `coverage` records what it exercises.
    #[must_use]
    pub fn run(&self, rules: &Arc<RuleSet>, coverage: Option<&mut Coverage>) -> TestResult {
        let failure = match self.play(rules, coverage) {
            Err(why) => Some(TestFailure::Refused(why)),
            Ok(record) => {
                let differences = self.expect.differences(&record);
                (!differences.is_empty()).then_some(TestFailure::Differs(differences))
            }
        };
        TestResult { name: self.name.clone(), place: rules.places.locate(self.span), failure }
    }

    fn play(&self, rules: &Arc<RuleSet>, mut coverage: Option<&mut Coverage>) -> Result<Arc<DecisionRecord>, String> {
        let ledger = Arc::new(MemoryLedger::default());
        let engine = Engine::new(Arc::clone(rules), ledger, Limits { decisions: 64 << 10 }, self.at);
        let mut journeys = coverage::Journeys::default();
        for Given { step, span } in &self.given {
            if let Some(coverage) = &mut coverage {
                journeys.pass_time(&engine, step.at, coverage);
            }
            step.clone().play(&engine).map_err(|why| format!("given at {}: {why}", rules.places.locate(*span)))?;
            if let Some(coverage) = &mut coverage {
                journeys.look(&engine, step.at, step.what.event(), coverage);
            }
        }
        let question = Question { explain: Explain::Full, ..self.question.clone() };
        let record = engine.decide(question, self.at).map_err(|error| error.to_string())?;
        if let Some(coverage) = coverage {
            journeys.pass_time(&engine, self.at, coverage);
            coverage.note_decision(&record);
        }
        Ok(record)
    }
}

impl TestFailure {
    /// The failure in one line, without the reasons.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Refused(why) => why.clone(),
            Self::Differs(differences) => {
                let lines = differences
                    .iter()
                    .map(|differs| format!("{}: expected {}, got {}", differs.field, differs.expected, differs.got));
                lines.collect::<Vec<_>>().join("; ")
            }
        }
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Differs(differences) => {
                let lines: Vec<String> = differences.iter().flat_map(lines).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// A difference for people: the expected value above the actual one, then the reasons.
fn lines(difference: &Difference) -> Vec<String> {
    let Difference { field, expected, got, why } = difference;
    let why = why.iter().map(|why| format!("{:23}{why}", ""));
    [format!("{field:11}  expected  {expected}"), format!("{:11}  got       {got}", "")]
        .into_iter()
        .chain(why)
        .collect()
}
