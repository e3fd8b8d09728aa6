//! The names that expressions may read: `customer.age`, `journey.broadband.stage`, `local.hour`.

use super::{Checked, Checker};
use crate::domain::id::PurposeSet;
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::{Diagnostic, Span};
use crate::domain::rules::expr::ast::{Expr, ExprKind};
use crate::domain::rules::expr::fact::{Fact, FactEntry};
use crate::domain::rules::expr::program::Node;
use crate::domain::rules::reader;
use crate::domain::rules::section::attribute::Shape;
use crate::domain::time::WEEKDAYS;
use crate::domain::value::Type;

/// The stage of a journey that has not begun.
pub const NO_STAGE: &str = "none";

/// The first words of names, for "did you mean".
const ROOTS: [&str; 11] =
    ["customer", "context", "event", "journey", "events", "outcomes", "pressure", "hurt", "channel", "now", "local"];

impl Checker<'_, '_> {
    /// A name alone or with dots.
    pub(super) fn name(&mut self, expr: &Expr) -> Option<Checked> {
        if let ExprKind::Name(name) = &expr.kind
            && let Some(index) = self.bound.iter().rposition(|bound| bound == name)
        {
            return Some(Checked::of(Node::Variable(index), Type::Text));
        }
        let Some(path) = path(expr) else {
            let help = "only declared names can be read, such as `customer.age`";
            return self.refuse(expr.span, code::EXPRESSION_UNKNOWN_NAME, "nothing can be read from this", help);
        };
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["customer", _, ..] => self.attribute(&path, expr.span),
            ["context", ..] if parts.len() > 1 => self.context(&path, expr.span),
            ["event", field] => self.event_field(field, &path, expr.span),
            ["journey", journey, what] => self.journey((journey, what), expr),
            ["pressure"] => self.plain(Fact::Pressure, Shape::of(Type::Number), &path),
            ["hurt"] => self.plain(Fact::Hurt, Shape::of(Type::Number), &path),
            ["now"] => self.plain(Fact::Now, Shape::of(Type::Moment), &path),
            ["channel"] => self.channel(&path),
            ["local", "hour"] => self.plain(Fact::LocalHour, Shape::of(Type::Number), &path),
            ["local", "month"] => self.plain(Fact::LocalMonth, Shape::of(Type::Number), &path),
            ["local", "date"] => self.plain(Fact::LocalDate, Shape::of(Type::Text), &path),
            ["local", "weekday"] => self.plain(Fact::LocalWeekday, listed(WEEKDAYS.iter().copied()), &path),
            [word] => self.bare_word(word, expr.span),
            _ => self.unknown(&path, "name", expr.span, &ROOTS.map(str::to_owned)),
        }
    }

    /// A word alone that names nothing is most often a text without its quotes.
    fn bare_word<T>(&self, word: &str, span: Span) -> Option<T> {
        let near = ROOTS.iter().any(|root| strsim::damerau_levenshtein(root, word) <= (root.len() / 3).max(1));
        if near {
            return self.unknown(word, "name", span, &ROOTS.map(str::to_owned));
        }
        let message = format!("no name is called `{word}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_NAME, span, message);
        let help = "a text stands in double quotes";
        self.scope.sink.push(diagnostic.help(help).replace(format!("\"{word}\"")));
        None
    }

    fn attribute(&mut self, path: &str, span: Span) -> Option<Checked> {
        let declared = &self.scope.declared.attributes;
        let found = self.scope.vocabulary.find(path).and_then(|id| Some((id, declared.get(id)?)));
        let Some((id, attribute)) = found else {
            let known: Vec<String> = declared.ids().map(|id| self.scope.vocabulary.name(id).to_owned()).collect();
            return self.unknown(path, "attribute", span, &known);
        };
        if let Some(purposes) = attribute.purposes {
            self.readable(path, purposes, span)?;
        }
        let entry = entry(Fact::Attribute(id), &attribute.shape, attribute.sensitivity, path);
        self.intern(path.to_owned(), entry)
    }

    fn context(&mut self, path: &str, span: Span) -> Option<Checked> {
        let declared = &self.scope.declared.context;
        let name = path.strip_prefix("context.").unwrap_or(path);
        let found = self.scope.vocabulary.find(name).and_then(|id| Some((id, declared.get(id)?)));
        let Some((id, fact)) = found else {
            let known: Vec<String> =
                declared.ids().map(|id| format!("context.{}", self.scope.vocabulary.name(id))).collect();
            return self.unknown(path, "context fact", span, &known);
        };
        let entry = entry(Fact::Context(id), &fact.shape, 0.0, path);
        self.intern(path.to_owned(), entry)
    }

    fn event_field(&mut self, name: &str, path: &str, span: Span) -> Option<Checked> {
        let Some(event) = self.scope.event else {
            let help = "`event.` is what just happened; use it in a journey's `when` or as a filter: \
                        `events.count(\"page_view\", \"7d\", event.page == \"fibre\")`";
            return self.refuse(span, code::EXPRESSION_NOT_HERE, "there is no event here", help);
        };
        let kind = self.scope.declared.events.get(event)?;
        let fields = &self.scope.declared.fields;
        let found = kind
            .fields
            .iter()
            .find_map(|id| fields.get(*id).filter(|field| field.name == name).map(|field| (*id, field)));
        let Some((id, field)) = found else {
            let known: Vec<String> = kind
                .fields
                .iter()
                .filter_map(|id| fields.get(*id))
                .map(|field| format!("event.{}", field.name))
                .collect();
            return self.unknown(path, "field", span, &known);
        };
        self.readable(path, field.purposes, span)?;
        let key = format!("{}/{name}", self.scope.vocabulary.name(event));
        let entry = entry(Fact::EventField(id), &field.shape, kind.sensitivity, path);
        self.intern(key, entry)
    }

    fn journey(&mut self, (name, what): (&str, &str), expr: &Expr) -> Option<Checked> {
        let (name_span, what_span, span) = match &expr.kind {
            ExprKind::Select(inner, _, what) => match &inner.kind {
                ExprKind::Select(_, _, name) => (*name, *what, expr.span),
                _ => (expr.span, *what, expr.span),
            },
            _ => (expr.span, expr.span, expr.span),
        };
        let declared = &self.scope.declared.journeys;
        let found = self.scope.vocabulary.find(name).and_then(|id| Some((id, declared.get(id)?)));
        let Some((id, head)) = found else {
            let known: Vec<String> = declared.ids().map(|id| self.scope.vocabulary.name(id).to_owned()).collect();
            return self.unknown(name, "journey", name_span, &known);
        };
        let path = format!("journey.{name}.{what}");
        self.readable(&path, PurposeSet::of(head.purpose), span)?;
        let (fact, shape) = match what {
            "stage" => {
                let stages = head.stages.iter().map(|(stage, _)| stage.as_str());
                (Fact::Stage(id), listed(stages.chain([NO_STAGE])))
            }
            "entered" => (Fact::Entered(id), Shape::of(Type::Moment)),
            "in_stage_for" => (Fact::InStageFor(id), Shape::of(Type::Duration)),
            _ => {
                return self.unknown(
                    what,
                    "fact of a journey",
                    what_span,
                    &["stage", "entered", "in_stage_for"].map(str::to_owned),
                );
            }
        };
        let entry = entry(fact, &shape, head.sensitivity, &path);
        self.intern(path, entry)
    }

    fn channel(&mut self, path: &str) -> Option<Checked> {
        let vocabulary = self.scope.vocabulary;
        let shape = listed(self.scope.declared.channels.ids().map(|id| vocabulary.name(id)));
        self.plain(Fact::Channel, shape, path)
    }

    fn plain(&mut self, fact: Fact, shape: Shape, path: &str) -> Option<Checked> {
        self.intern(path.to_owned(), entry(fact, &shape, 0.0, path))
    }

    pub(super) fn intern(&mut self, key: String, entry: FactEntry) -> Option<Checked> {
        let id = self.facts.intern(key, entry);
        self.fact(id)
    }

    /// Refuses a fact that the purpose at hand may not read.
    pub(super) fn readable(&self, what: &str, purposes: PurposeSet, span: Span) -> Option<()> {
        if purposes.contains(self.scope.purpose) {
            return Some(());
        }
        let name = |id| self.scope.vocabulary.name(id);
        let own = name(self.scope.purpose);
        let others: Vec<&str> = purposes.iter().map(name).collect();
        let message = format!("the purpose `{own}` may not read `{what}`, which is kept for {}", others.join(", "));
        let help = format!(
            "add `{own}` to the purposes of `{what}` if the notice covers it, or give this rule another purpose"
        );
        self.refuse(span, code::EXPRESSION_PURPOSE, &message, &help)
    }

    /// As [`Self::unknown`], for a name that stands in quotes.
    pub(super) fn unknown_text<T>(&self, name: &str, kind: &str, span: Span, known: &[String]) -> Option<T> {
        if self.scope.sink.is_broken(name) {
            return None;
        }
        let message = format!("no {kind} is called `{name}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_NAME, span, message);
        let quoted: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
        let known = quoted.iter().map(String::as_str);
        self.scope.sink.push(reader::suggest(diagnostic, &format!("\"{name}\""), known));
        None
    }

    pub(super) fn unknown<T>(&self, name: &str, kind: &str, span: Span, known: &[String]) -> Option<T> {
        if self.scope.sink.is_broken(name) {
            return None;
        }
        let message = format!("no {kind} is called `{name}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_NAME, span, message);
        self.scope.sink.push(reader::suggest(diagnostic, name, known.iter().map(String::as_str)));
        None
    }
}

/// `customer.address.city` as one text, where the expression is nothing but names and dots.
pub(super) fn path(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Select(inner, name, _) => Some(format!("{}.{name}", path(inner)?)),
        _ => None,
    }
}

pub(super) fn entry(fact: Fact, shape: &Shape, sensitivity: f64, text: &str) -> FactEntry {
    FactEntry { fact, kind: shape.kind, one_of: shape.one_of.clone(), sensitivity, text: text.to_owned() }
}

fn listed<'a>(values: impl Iterator<Item = &'a str>) -> Shape {
    Shape { kind: Type::Text, one_of: Some(values.map(Into::into).collect()) }
}
