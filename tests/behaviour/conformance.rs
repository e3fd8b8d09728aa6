//! Expressions against the conformance tests of CEL. Every case passes, or is refused when rules load for a
//! reason that is listed here, or differs by a rule that is listed here; docs/expressions.md shows the table.
//! An error of CEL passes where it is unknown here.
//!
//! The cases come from a package registry at test time: `tests/cel/run` fetches them and runs this.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value as Json;
use tactful::domain::expr::{FactId, FactTable, Facts, evaluate};
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources, Span};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::{Operand, Truth, Value};
use tactful::rules::diagnostic::{Diagnostic, Severity};
use tactful::rules::expr::ast::{Expr, ExprKind};
use tactful::rules::expr::{Checked, Scope, check, parser};
use tactful::rules::load;
use tactful::rules::sink::Sink;

use super::support::folder;

/// Whether a reason fits a case and what is said about it.
type Fits = fn(&Case, &str) -> bool;

/// Why a case is refused by design; the first reason that fits counts. What fits none has failed.
const REFUSALS: [(&str, Fits); 20] = [
    ("libraries of extensions: text, math, optionals, encoders, bindings, blocks, two-variable macros", |case, _| {
        case.file.ends_with("_ext")
            || case.file == "macros2"
            || case.file == "optionals"
            || case.text.contains("optional.")
    }),
    ("maps, messages, enums and names in backticks", |case, said| {
        let named = ["TestAllTypes", "NestedEnum", "GlobalEnum", "google.protobuf"];
        said.contains("there are no maps") || named.iter().any(|name| case.text.contains(name)) || said.contains("```")
    }),
    ("bytes", |_, said| said.contains("bytes are not a value here")),
    ("unsigned numbers", |_, said| said.contains("is an unsigned number")),
    ("`null`", |_, said| said.contains("`null` is not a value here")),
    ("indexing", |_, said| said.contains("`[...]` behind a value is left out")),
    ("whole numbers beyond 9,007,199,254,740,991", |_, said| said.contains("T0201") && said.contains("is too large")),
    ("conversions and dynamic types", |_, said| no_function(said, "int uint double string bytes bool type dyn")),
    ("`map`, `filter` and `exists_one`", |_, said| no_function(said, "map filter exists_one existsOne")),
    ("the parts of a moment", |_, said| {
        let parts = "Date DayOfMonth DayOfWeek DayOfYear FullYear Hours Milliseconds Minutes Month Seconds";
        parts.split(' ').any(|part| no_function(said, &format!("get{part}")))
    }),
    ("types as values", |case, said| {
        let types = "bool int uint double null_type string bytes list map type";
        case.file == "conversions" && said.contains("T0202") && types.split(' ').any(|name| name == case.text)
    }),
    ("what does not fit together, with the checker of CEL switched off", |case, said| {
        case.unchecked && ["T0202", "T0203", "T0206", "T0212"].iter().any(|code| said.starts_with(code))
    }),
    ("an order of flags", |_, said| said.contains("a flag is neither more nor less")),
    ("joining texts and lists with `+`", |_, said| said.contains("cannot be combined like this")),
    ("division by a constant zero, which fails in CEL when it is evaluated", |_, said| said.contains("T0209")),
    ("lists of other things than texts", |case, said| {
        let list = case.text.starts_with('[') || case.text.contains(" [") || case.text.contains("([");
        list && (said.contains("expected a text, found") || said.contains("a text is compared with a"))
    }),
    (
        "durations that are not above zero or below a millisecond, moments as numbers or at the end of 9999",
        |_, said| ["T0213", "T0109", "expected a moment in quotes"].iter().any(|part| said.contains(part)),
    ),
    ("the empty list behind `in`", |_, said| said.contains("T0114")),
    ("more than 32 levels", |_, said| said.contains("T0211")),
    ("constants out of bounds, which fail in CEL when they are evaluated", |_, said| said.contains("is out of bounds")),
];

/// What comes out otherwise than in CEL, by a rule of docs/expressions.md.
const DIFFERENCES: [(&str, &[&str]); 3] = [
    ("numbers do not overflow at 2^63", &["5000000000 * 5000000000", "(-5000000000) * 5000000000"]),
    ("`%` takes fractions", &["47.5 % 5.5"]),
    ("texts that look alike are equal (normal form C)", &[r"'Am\u00E9lie' == 'Ame\u0301lie'"]),
];

fn no_function(said: &str, names: &str) -> bool {
    names.split(' ').any(|name| said.contains(&format!("no function is called `{name}`")))
}

/// What became of a case.
enum Outcome {
    Passed,
    Refused(&'static str),
    Differs(&'static str),
    Failed(String),
}

struct Case {
    file: String,
    text: String,
    unchecked: bool,
    variables: Vec<Variable>,
    error: bool,
    kind: Option<String>,
    value: Option<Json>,
}

struct Variable {
    name: String,
    kind: Option<String>,
    value: Option<Value>,
}

impl Case {
    fn read(line: &str) -> Self {
        let json: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        let variable = |json: &Json| Variable {
            name: json["name"].as_str().unwrap().to_owned(),
            kind: json["type"].as_str().map(str::to_owned),
            value: value(&json["value"]),
        };
        Self {
            file: text("file").unwrap(),
            text: text("expr").unwrap(),
            unchecked: json["unchecked"] == Json::Bool(true),
            variables: json["variables"].as_array().unwrap().iter().map(variable).collect(),
            error: json["error"] == Json::Bool(true),
            kind: text("type"),
            value: json.get("value").cloned(),
        }
    }

    fn play(&self) -> Outcome {
        if self.variables.iter().any(|variable| variable.kind.is_none() || variable.name.contains('.')) {
            return Outcome::Refused("variables of types that do not exist here, or with dots in their names");
        }
        let rules = self.rules();
        let mut facts = FactTable::default();
        let checked = match self.check(&rules, &mut facts) {
            Ok(checked) => checked,
            Err(said) => return self.refused(&said),
        };
        let given = Given { case: self, facts: &facts };
        self.judge(&checked, evaluate(&checked.node, &given))
    }

    /// A rule set in which the variables are facts of the context, called `v0`, `v1` and so on.
    fn rules(&self) -> RuleSet {
        let mut context = String::new();
        for (number, variable) in self.variables.iter().enumerate() {
            let kind = variable.kind.as_deref().unwrap_or("text");
            writeln!(context, "  v{number}: {{type: {kind}, personal: false}}").unwrap();
        }
        let text = RULES.replace("CONTEXT", &context);
        let loaded = load(Sources::new(vec![SourceFile { path: "a.yaml".into(), text }]), &Vocabulary::default());
        loaded.rule_set.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
    }

    fn check(&self, rules: &RuleSet, facts: &mut FactTable) -> Result<Checked, Vec<String>> {
        let say = |problem: &Diagnostic| format!("{} {}", problem.code, problem.message);
        let mut tree = parser::parse(&self.text, &|_, _| Span::default()).map_err(|problem| vec![say(&problem)])?;
        self.rename(&mut tree);
        let (sink, sources) = (Sink::default(), Sources::default());
        let scope = Scope {
            vocabulary: &rules.vocabulary,
            declared: &rules.declared,
            purpose: rules.vocabulary.find("service").unwrap(),
            event: None,
            about_action: false,
            sink: &sink,
            sources: &sources,
        };
        let checked = check(&tree, Span::default(), scope, facts);
        let found = sink.into_sorted();
        let errors = found.iter().filter(|problem| problem.severity == Severity::Error);
        checked.ok_or_else(|| errors.map(say).collect())
    }

    /// `x` becomes `context.v0`.
    fn rename(&self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Name(name) => {
                let Some(number) = self.variables.iter().position(|variable| variable.name == *name) else { return };
                let root = Box::new(Expr { span: expr.span, kind: ExprKind::Name("context".into()) });
                expr.kind = ExprKind::Select(root, format!("v{number}"), expr.span);
            }
            ExprKind::List(items) => items.iter_mut().for_each(|item| self.rename(item)),
            ExprKind::Select(inner, ..) | ExprKind::Unary(_, inner) => self.rename(inner),
            ExprKind::Call { target, arguments, .. } => {
                target.as_deref_mut().into_iter().chain(arguments).for_each(|part| self.rename(part));
            }
            ExprKind::Binary(_, left, right) => [left, right].into_iter().for_each(|part| self.rename(part)),
            ExprKind::Conditional(a, b, c) => [a, b, c].into_iter().for_each(|part| self.rename(part)),
            ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Flag(_) => {}
        }
    }

    fn refused(&self, said: &[String]) -> Outcome {
        let said = said.join("; ");
        match REFUSALS.iter().find(|(_, fits)| fits(self, &said)) {
            Some((reason, _)) => Outcome::Refused(reason),
            None => Outcome::Failed(format!("refused: {said}")),
        }
    }

    fn judge(&self, checked: &Checked, found: Operand<'_>) -> Outcome {
        if let Some(kind) = &self.kind
            && *kind != checked.kind.to_string()
        {
            return Outcome::Failed(format!("a {} and not a {kind}", checked.kind));
        }
        let fits = match &self.value {
            _ if self.error => found == Operand::Unknown,
            Some(json) => value(json).as_ref().map(Value::operand) == Some(found),
            None => true,
        };
        let differs = || DIFFERENCES.iter().find(|(_, texts)| texts.contains(&self.text.as_str()));
        match (fits, differs()) {
            (true, _) => Outcome::Passed,
            (false, Some((rule, _))) => Outcome::Differs(rule),
            (false, None) => Outcome::Failed(format!("came out as {found}")),
        }
    }
}

/// A value as `cases.mjs` writes it.
fn value(json: &Json) -> Option<Value> {
    let (kind, given) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "number" => Value::Number(given.as_f64()?),
        "flag" => Value::Flag(given.as_bool()?),
        "text" => Value::Text(given.as_str()?.into()),
        "list" => Value::List(given.as_array()?.iter().filter_map(|item| Some(item.as_str()?.into())).collect()),
        "moment" => Value::Moment(Moment::parse(given.as_str()?).ok()?),
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
        "duration" => Value::Duration(Period(given.as_f64()? as i64)),
        _ => return None,
    })
}

/// The variables of a case as facts.
struct Given<'c> {
    case: &'c Case,
    facts: &'c FactTable,
}

impl Facts for Given<'_> {
    fn read(&self, fact: FactId) -> Operand<'_> {
        let name = self.facts.get(fact).map(|entry| entry.text.as_str());
        let number = name.and_then(|name| name.strip_prefix("context.v")?.parse::<usize>().ok());
        let variable = number.and_then(|number| self.case.variables.get(number));
        variable.and_then(|variable| variable.value.as_ref()).map_or(Operand::Unknown, Value::operand)
    }

    fn has(&self, fact: FactId) -> Truth {
        (self.read(fact) != Operand::Unknown).into()
    }
}

const RULES: &str = "
purposes: {service: {basis: contract}}
context:
  other: {type: text, personal: false}
CONTEXT
channels: {web: {direction: inbound, interruption: 1}}
actions:
  - {id: a, title: A, kind: service, purpose: service, relevance: {base: 1}, intrusiveness: 1, treatments: {web: {text: Hi}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 7 days}
  time_zone: UTC
";

#[test]
#[ignore = "the cases come from a package registry: run tests/cel/run"]
fn cel() {
    let cases = std::env::var("TACTFUL_CEL_CASES").expect("run tests/cel/run");
    let cases = fs::read_to_string(cases).unwrap();
    let mut files: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    for case in cases.lines().map(Case::read) {
        let (column, reason) = match case.play() {
            Outcome::Passed => (0, None),
            Outcome::Refused(reason) => (1, Some(reason)),
            Outcome::Differs(reason) => (2, Some(reason)),
            Outcome::Failed(why) => {
                failed.push(format!("{}: {}\n    {why}", case.file, case.text));
                (3, None)
            }
        };
        files.entry(case.file).or_default()[column] += 1;
        reason.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
    }
    let table = table(&files, &reasons);
    println!("{table}");
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    let page = fs::read_to_string(folder("docs/expressions.md")).unwrap();
    assert!(page.contains(&table), "docs/expressions.md shows another table");
}

/// The tables of docs/expressions.md: files with what became of their cases, and reasons.
fn table(files: &BTreeMap<String, [usize; 4]>, reasons: &BTreeMap<&str, usize>) -> String {
    let mut table = "| file | cases | passed | refused | differs | failed |\n|---|--:|--:|--:|--:|--:|\n".to_owned();
    let mut row = |name: &str, [passed, refused, differs, failed]: [usize; 4]| {
        let cases = passed + refused + differs + failed;
        writeln!(table, "| {name} | {cases} | {passed} | {refused} | {differs} | {failed} |").unwrap();
    };
    for (name, counts) in files {
        row(name, *counts);
    }
    row("**all**", [0, 1, 2, 3].map(|column| files.values().map(|counts| counts[column]).sum()));
    table.push_str("\n| refused or different because of | cases |\n|---|--:|\n");
    let mut reasons: Vec<(&&str, &usize)> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in reasons {
        writeln!(table, "| {reason} | {count} |").unwrap();
    }
    table
}
