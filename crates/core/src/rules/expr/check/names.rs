//! The names that expressions may read: `customer.age`, `journey.broadband.stage`, `local.hour`.

use super::{Checked, Checker};
use crate::domain::action::ActionKind;
use crate::domain::expr::{Fact, FactEntry, NO_STAGE, Node, Property};
use crate::domain::id::{Id, IdMap, PurposeId, PurposeSet, full_name};
use crate::domain::model::Shape;
use crate::domain::sources::Span;
use crate::domain::time::WEEKDAYS;
use crate::domain::value::Type;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::expr::ast::{Expr, ExprKind};
use crate::rules::name_kind::NameKind;

/// The first words of names.
pub(super) const ROOTS: [&str; 12] = [
    "customer", "context", "event", "journey", "events", "outcomes", "consent", "pressure", "hurt", "channel", "now",
    "local",
];
const JOURNEY_FACTS: [&str; 3] = ["stage", "entered", "in_stage_for"];
const LOCAL_FACTS: [&str; 4] = ["hour", "weekday", "month", "date"];

impl<'c> Checker<'c, '_> {
    /// A name alone or with dots.
    pub(super) fn name(&mut self, expr: &Expr) -> Option<Checked> {
        if let ExprKind::Name(name) = &expr.kind
            && let Some(index) = self.bound.iter().rposition(|(bound, _)| bound == name)
        {
            let one_of = self.bound.get(index).and_then(|(_, one_of)| one_of.clone());
            let inwards = self.bound.len() - 1 - index;
            return Some(Checked { node: Node::Variable(inwards), kind: Type::Text, one_of });
        }
        let Some(path) = path(expr) else {
            let help = "only declared names can be read, such as `customer.age`";
            return self.refuse(expr.span, code::EXPRESSION_UNKNOWN_NAME, "nothing can be read from this", help);
        };
        if self.scope.about_action {
            return self.property(&path, expr.span);
        }
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["customer", _, ..] => self.attribute(&path, expr.span),
            ["context", _, ..] => self.context(&path, expr.span),
            ["event", field] => self.event_field(field, &path, expr.span),
            ["journey", journey, what] => self.journey(journey, what, expr),
            ["pressure"] => self.plain(Fact::Pressure, Shape::of(Type::Number), &path),
            ["hurt"] => self.plain(Fact::Hurt, Shape::of(Type::Number), &path),
            ["now"] => self.plain(Fact::Now, Shape::of(Type::Moment), &path),
            ["channel"] => {
                let channels = self.names(&self.scope.declared.channels);
                self.plain(Fact::Channel, listed(channels), &path)
            }
            ["local", "hour"] => self.plain(Fact::LocalHour, Shape::of(Type::Number), &path),
            ["local", "month"] => self.plain(Fact::LocalMonth, Shape::of(Type::Number), &path),
            ["local", "date"] => self.plain(Fact::LocalDate, Shape::of(Type::Text), &path),
            ["local", "weekday"] => self.plain(Fact::LocalWeekday, listed(WEEKDAYS), &path),
            ["local", _] => self.unknown(&path, "name", expr.span, &LOCAL_FACTS.map(|name| format!("local.{name}"))),
            [root] if ROOTS.contains(root) => self.root_alone(root, expr.span),
            [word] => self.bare_word(word, expr.span),
            _ => self.unknown(&path, "name", expr.span, &ROOTS),
        }
    }

    /// `customer` without a dot and a name.
    fn root_alone<T>(&self, root: &str, span: Span) -> Option<T> {
        let help = match root {
            "events" => "ask it something: `events.count(\"order\", \"30d\")`, `events.last(\"order\")`",
            "outcomes" => "ask it something: `outcomes.last(\"newsletter\", \"dismissed\")`",
            "consent" => "ask it something: `consent.given(\"personalisation\")`",
            "journey" => "name a journey and its property: `journey.broadband.stage`",
            "local" => "name one of `local.hour`, `local.weekday`, `local.month`, `local.date`",
            _ => "add a name, as in `customer.age`, `context.topic`, `event.page`",
        };
        self.refuse(span, code::EXPRESSION_UNKNOWN_NAME, format!("`{root}` alone is not a value"), help)
    }

    /// A single unknown word is most often a text without its quotes.
    fn bare_word<T>(&self, word: &str, span: Span) -> Option<T> {
        let bound: Vec<&str> = self.bound.iter().map(|(name, _)| name.as_str()).chain(ROOTS).collect();
        let near = bound.iter().any(|root| strsim::damerau_levenshtein(root, word) <= (root.len() / 3).max(1));
        if near {
            return self.unknown(word, "name", span, &bound);
        }
        let message = format!("no name is called `{word}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_NAME, span, message);
        self.report(diagnostic.help("a text stands in quotes").replace(format!("\"{word}\"")));
        None
    }

    /// `action.kind`, in a lint of the policy.
    fn property(&mut self, path: &str, span: Span) -> Option<Checked> {
        let name = path.strip_prefix("action.").unwrap_or("");
        let Some(property) = Property::named(name) else {
            return self.unknown(
                path,
                "property of an action",
                span,
                &Property::ALL.map(|known| format!("action.{known}")),
            );
        };
        let shape = match property {
            Property::Kind => listed(ActionKind::ALL.map(ActionKind::name)),
            Property::Purpose => listed(self.names(&self.scope.declared.purposes)),
            Property::Asks => listed(self.names(&self.scope.declared.purposes).into_iter().chain([""])),
            Property::Group => listed(self.names(&self.scope.declared.groups).into_iter().chain([""])),
            Property::Channels => Shape { kind: Type::List, ..listed(self.names(&self.scope.declared.channels)) },
            _ => Shape::of(property.kind()),
        };
        self.plain(Fact::Action(property), shape, path)
    }

    fn attribute(&mut self, path: &str, span: Span) -> Option<Checked> {
        let declared = &self.scope.declared.attributes;
        let Some((id, attribute)) = self.find(path, declared) else {
            return self.undeclared(path, NameKind::Attribute, span, &self.names(declared));
        };
        if let Some(purposes) = attribute.purposes {
            self.readable(path, purposes, span)?;
        }
        let entry = entry(Fact::Attribute(id), &attribute.shape, attribute.sensitivity, path);
        self.intern(path.to_owned(), entry)
    }

    fn context(&mut self, path: &str, span: Span) -> Option<Checked> {
        let declared = &self.scope.declared.context;
        let Some((id, fact)) = self.find(path.strip_prefix("context.").unwrap_or(path), declared) else {
            let known: Vec<String> = self.names(declared).iter().map(|name| format!("context.{name}")).collect();
            return self.undeclared(path, NameKind::Context, span, &known);
        };
        self.plain(Fact::Context(id), fact.shape.clone(), path)
    }

    fn event_field(&mut self, name: &str, path: &str, span: Span) -> Option<Checked> {
        let Some(event) = self.scope.event else {
            let help = "`event.` is what just happened; use it in a journey's `when` or as a filter: \
                        `events.count(\"page_view\", \"7d\", event.page == \"fibre\")`";
            return self.refuse(span, code::EXPRESSION_NOT_HERE, "there is no event here", help);
        };
        let kind = self.scope.declared.events.get(event)?;
        let fields = || kind.fields.iter().filter_map(|id| Some((*id, self.scope.declared.fields.get(*id)?)));
        let Some((id, field)) = fields().find(|(_, field)| field.name == name) else {
            let known: Vec<String> = fields().map(|(_, field)| format!("event.{}", field.name)).collect();
            return self.unknown(path, "field", span, &known);
        };
        self.readable(path, field.purposes, span)?;
        let key = full_name(self.scope.vocabulary.name(event), name);
        let entry = entry(Fact::EventField(id), &field.shape, kind.sensitivity, path);
        self.intern(key, entry)
    }

    fn journey(&mut self, name: &str, what: &str, expr: &Expr) -> Option<Checked> {
        let (name_span, what_span) = match &expr.kind {
            ExprKind::Select(inner, _, what) => match &inner.kind {
                ExprKind::Select(_, _, name) => (*name, *what),
                _ => (expr.span, *what),
            },
            _ => (expr.span, expr.span),
        };
        let declared = &self.scope.declared.journeys;
        let Some((id, head)) = self.find(name, declared) else {
            return self.undeclared(name, NameKind::Journey, name_span, &self.names(declared));
        };
        let path = format!("journey.{name}.{what}");
        self.readable_alone(&path, "a journey", head.purpose, expr.span)?;
        let (fact, shape) = match what {
            "stage" => {
                let stages = head.stages.iter().map(|(stage, _)| stage.as_str());
                (Fact::Stage(id), listed(stages.chain([NO_STAGE])))
            }
            "entered" => (Fact::Entered(id), Shape::of(Type::Moment)),
            "in_stage_for" => (Fact::InStageFor(id), Shape::of(Type::Duration)),
            _ => return self.unknown(what, "fact of a journey", what_span, &JOURNEY_FACTS),
        };
        let entry = entry(fact, &shape, head.sensitivity, &path);
        self.intern(path, entry)
    }

    fn plain(&mut self, fact: Fact, shape: Shape, path: &str) -> Option<Checked> {
        self.intern(path.to_owned(), entry(fact, &shape, 0.0, path))
    }

    /// Looks a name up among what is declared.
    pub(super) fn find<I: Id, T>(&self, name: &str, declared: &'c IdMap<I, T>) -> Option<(I, &'c T)> {
        let id = self.scope.vocabulary.find::<I>(name)?;
        Some((id, declared.get(id)?))
    }

    /// Every name that is declared.
    pub(super) fn names<I: Id, T>(&self, declared: &'c IdMap<I, T>) -> Vec<&'c str> {
        declared.ids().map(|id| self.scope.vocabulary.name(id)).collect()
    }

    /// Refuses a fact that the purpose at hand may not read.
    pub(super) fn readable(&self, what: &str, purposes: PurposeSet, span: Span) -> Option<()> {
        let help = |own: &str| {
            format!(
                "add `{own}` to the purposes of `{what}` if the notice covers it, or give this rule another purpose"
            )
        };
        self.readable_or(what, purposes, span, help)
    }

    /// As [`Self::readable`], for journeys and actions, which have exactly one purpose.
    pub(super) fn readable_alone(&self, what: &str, kind: &str, purpose: PurposeId, span: Span) -> Option<()> {
        let other = self.scope.vocabulary.name(purpose);
        let help = |own: &str| {
            format!(
                "{kind} has one purpose: give this rule `purpose: {other}`, or read an attribute or an event that is \
                 kept for `{own}`"
            )
        };
        self.readable_or(what, PurposeSet::of(purpose), span, help)
    }

    fn readable_or(
        &self,
        what: &str,
        purposes: PurposeSet,
        span: Span,
        help: impl FnOnce(&str) -> String,
    ) -> Option<()> {
        if purposes.contains(self.scope.purpose) {
            return Some(());
        }
        let name = |id| self.scope.vocabulary.name(id);
        let own = name(self.scope.purpose);
        let others: Vec<&str> = purposes.iter().map(name).collect();
        let message = format!("the purpose `{own}` may not read `{what}`, which is kept for {}", others.join(", "));
        self.refuse(span, code::EXPRESSION_PURPOSE, message, &help(own))
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

fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> Shape {
    Shape { kind: Type::Text, one_of: Some(values.into_iter().map(Into::into).collect()) }
}
