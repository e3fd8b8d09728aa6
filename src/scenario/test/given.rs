//! The steps before a test's question, and the question: read from the test file and checked against the rules, so that
//! a misspelt name is reported at its place when the file is read, not when the test runs.

use compact_str::CompactString;

use crate::domain::consent::ConsentStatus;
use crate::domain::id::{Id, IdMap};
use crate::domain::model::Shape as FactShape;
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::Span;
use crate::domain::time::{self, Moment};
use crate::domain::value::{Type, Value, normal};
use crate::engine::{AttributeChange, ConsentChange, ConsentRequest, EventInput, OutcomeInput, Question};
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::fields::Fields;
use crate::rules::name_kind::NameKind;
use crate::rules::reader;
use crate::rules::sink::Sink;
use crate::rules::source::{Node, NodeKind, Spanned};
use crate::scenario::shape;
use crate::scenario::step::{Step, What};

/// The one customer of a rule test.
pub(super) const CUSTOMER: &str = "test";

/// What an entry of `given` can be.
const KINDS: [&str; 6] = ["event", "consent", "attributes", "outcome", "decide", "time_zone"];

/// A step of a test with its place.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub step: Step,
    pub span: Span,
}

/// The rules that names are checked against, and the sink for errors.
#[derive(Clone, Copy)]
pub(super) struct Known<'r> {
    pub rules: &'r RuleSet,
    pub sink: &'r Sink,
}

impl<'r> Known<'r> {
    /// Reads `given:`, sorted by time.
    pub fn given(self, node: &Node, test: Moment) -> Option<Vec<Given>> {
        let mut entries = reader::every(reader::list(node, self.sink)?.iter().map(|item| self.entry(item, test)))?;
        entries.sort_by_key(|entry| entry.step.at);
        Some(entries)
    }

    fn entry(self, node: &Node, test: Moment) -> Option<Given> {
        let fields = Fields::of(node, &shape::GIVEN, self.sink)?;
        let at = self.when(&fields, test);
        let kinds = KINDS.map(|kind| fields.optional(kind));
        fields.finish();
        let at = at?;
        let what = match kinds {
            [Some(node), None, None, None, None, None] => self.event(node, at).map(What::Event),
            [None, Some(node), None, None, None, None] => self.consent(node).map(What::Consent),
            [None, None, Some(node), None, None, zone] => self.attributes(Some(node), zone).map(What::Attributes),
            [None, None, None, Some(node), None, None] => self.outcome(node, at).map(What::Outcome),
            [None, None, None, None, Some(node), None] => self.question(node).map(|ask| What::Decide(ask, None)),
            [None, None, None, None, None, Some(zone)] => self.attributes(None, Some(zone)).map(What::Attributes),
            _ => {
                let message = "an entry of `given` is one thing that happened".to_owned();
                let names = KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let help = format!("write one of {names}; `time_zone` may stand beside `attributes`");
                reader::refuse(node.span, code::MISSING_KEY, message, &help, self.sink)
            }
        };
        Some(Given { step: Step { at, what: what? }, span: node.span })
    }

    fn when(self, fields: &Fields<'_>, test: Moment) -> Option<Moment> {
        let (at, node) = match (fields.optional("at"), fields.optional("ago")) {
            (None, None) => return Some(test),
            (Some(node), None) => (reader::moment(node, self.sink)?, node),
            (None, Some(node)) => (test - reader::period(node, self.sink)?, node),
            (Some(_), Some(node)) => {
                let help = "keep one: `at` is a moment, `ago` a duration before the test's own moment";
                let message = "an entry has `at` or `ago`, not both".to_owned();
                return reader::refuse(node.span, code::CONTRADICTION, message, help, self.sink);
            }
        };
        if at <= test {
            return Some(at);
        }
        let message = format!("{at} is after the test's own moment, {test}");
        reader::refuse(node.span, code::CONTRADICTION, message, "give what came before the question", self.sink)
    }

    fn event(self, node: &Node, at: Moment) -> Option<EventInput> {
        let fields = Fields::of(node, &shape::GIVEN_EVENT, self.sink)?;
        let events = &self.rules.declared.events;
        let kind = fields.required("type").and_then(|node| {
            let name = reader::name(node, self.sink)?;
            Some((name.text, self.find(name, NameKind::Event, events)?))
        });
        let event_id = fields.may("id");
        let channel = fields.may_with("channel", |node| self.channel(node));
        let given = fields.optional("fields");
        fields.finish();
        let (kind, id) = kind?;
        let declared = &self.rules.declared.fields;
        let declared: Vec<_> = events.get(id)?.fields.iter().filter_map(|id| declared.get(*id)).collect();
        let values = given.map(|node| {
            self.values(node, "the fields of an event", |name| {
                let found = declared.iter().find(|field| field.name == name.text).map(|field| &field.shape);
                let names = declared.iter().map(|field| field.name.as_str());
                found.or_else(|| reader::unknown(name, &format!("field of `{kind}`"), names, self.sink))
            })
        });
        Some(EventInput {
            event_id: event_id?.unwrap_or_default(),
            customer: CUSTOMER.to_owned(),
            kind: kind.to_owned(),
            channel: channel?.unwrap_or_default(),
            occurred: Some(at),
            fields: values.unwrap_or_else(|| Some(Vec::new()))?,
        })
    }

    fn consent(self, node: &Node) -> Option<ConsentRequest> {
        let fields = Fields::of(node, &shape::GIVEN_CONSENT, self.sink)?;
        let status: Option<ConsentStatus> = fields.need("status");
        let valid_until = fields.may("valid_until");
        let everything = status.is_some_and(ConsentStatus::concerns_everything);
        let purpose = match fields.optional("purpose") {
            None if everything => Some(String::new()),
            Some(node) if everything => {
                let message = "this status concerns everything, not one purpose".to_owned();
                reader::refuse(node.span, code::CONTRADICTION, message, "remove `purpose`", self.sink)
            }
            _ => fields
                .required("purpose")
                .and_then(|node| self.name(node, NameKind::Purpose, &self.rules.declared.purposes)),
        };
        fields.finish();
        let change = ConsentChange { valid_until: valid_until?, ..ConsentChange::new(purpose?, status?) };
        let customer = CUSTOMER.to_owned();
        Some(ConsentRequest { customer, changes: vec![change], ..ConsentRequest::default() })
    }

    fn attributes(self, given: Option<&Node>, zone: Option<&Node>) -> Option<AttributeChange> {
        let declared = &self.rules.declared.attributes;
        let entries = given.map_or(Some(&[][..]), |node| reader::map(node, "the attributes", self.sink));
        let attributes = entries?.iter().map(|entry| {
            let id = self.find(entry.key.spanned(), NameKind::Attribute, declared)?;
            let value = match entry.value.kind {
                NodeKind::Null => None,
                _ => Some(self.value(&entry.value, &declared.get(id)?.shape)?),
            };
            Some((entry.key.text.clone(), value))
        });
        let time_zone = zone.map_or(Some(""), |node| {
            let name = reader::text(node, self.sink)?;
            let help = "name a zone of the IANA database, such as `Europe/Berlin`";
            let refuse =
                || reader::refuse(node.span, code::BAD_ZONE, format!("`{name}` is not a time zone"), help, self.sink);
            time::zone(name).map(|_| name).or_else(refuse)
        });
        let attributes = reader::every(attributes);
        Some(AttributeChange {
            customer: CUSTOMER.to_owned(),
            attributes: attributes?,
            time_zone: time_zone?.to_owned(),
        })
    }

    fn outcome(self, node: &Node, at: Moment) -> Option<OutcomeInput> {
        let fields = Fields::of(node, &shape::GIVEN_OUTCOME, self.sink)?;
        let action = fields.required("action").and_then(|node| self.name(node, NameKind::Action, &self.rules.actions));
        let outcome = fields.need("outcome");
        let outcome_id = fields.may("id");
        let channel = fields.may_with("channel", |node| self.channel(node));
        fields.finish();
        Some(OutcomeInput {
            outcome_id: outcome_id?.unwrap_or_default(),
            decision_id: String::new(),
            customer: CUSTOMER.to_owned(),
            action: action?,
            channel: channel?.unwrap_or_default(),
            outcome: outcome?,
            occurred: Some(at),
        })
    }

    /// Reads `decide:`.
    pub fn question(self, node: &Node) -> Option<Question> {
        let fields = Fields::of(node, &shape::QUESTION, self.sink)?;
        let declared = &self.rules.declared;
        let channel = fields.required("channel").and_then(|node| self.channel(node));
        let context = fields.may_with("context", |node| {
            self.values(node, "the context", |name| {
                declared.context.get(self.find(name, NameKind::Context, &declared.context)?).map(|fact| &fact.shape)
            })
        });
        let groups = fields.list_with("groups", |item| self.name(item, NameKind::Group, &declared.groups));
        let max_actions = fields.may("max_actions");
        fields.finish();
        Some(Question {
            customer: CUSTOMER.into(),
            channel: channel?.into(),
            context: context?.unwrap_or_default().into(),
            groups: groups?,
            max_actions: max_actions?.unwrap_or(0),
            ..Question::default()
        })
    }

    fn channel(self, node: &Node) -> Option<String> {
        self.name(node, NameKind::Channel, &self.rules.declared.channels)
    }

    /// A text that names a declared item.
    pub fn name<I: Id, T>(self, node: &Node, kind: NameKind, declared: &IdMap<I, T>) -> Option<String> {
        let name = reader::name(node, self.sink)?;
        self.find(name, kind, declared).map(|_| name.text.to_owned())
    }

    fn find<I: Id, T>(self, name: Spanned<'_>, kind: NameKind, declared: &IdMap<I, T>) -> Option<I> {
        let vocabulary = &self.rules.vocabulary;
        let found = vocabulary.find::<I>(name.text).filter(|id| declared.get(*id).is_some());
        let names = || declared.ids().map(|id| vocabulary.name(id));
        found.or_else(|| reader::undeclared(name, kind, names(), self.sink))
    }

    /// Names with values; `shape` returns what a name may hold, or reports an error.
    fn values(
        self,
        node: &Node,
        what: &str,
        shape: impl Fn(Spanned<'_>) -> Option<&'r FactShape>,
    ) -> Option<Vec<(CompactString, Value)>> {
        reader::every(reader::map(node, what, self.sink)?.iter().map(|entry| {
            let shape = shape(entry.key.spanned())?;
            Some((entry.key.text.as_str().into(), self.value(&entry.value, shape)?))
        }))
    }

    fn value(self, node: &Node, shape: &FactShape) -> Option<Value> {
        let allowed = |Spanned { text, span }: Spanned<'_>| {
            let text = &*normal(text);
            let Some(allowed) = &shape.one_of else { return Some(CompactString::from(text)) };
            if let Some(found) = allowed.iter().find(|allowed| *allowed == text) {
                return Some(found.clone());
            }
            let message = format!("`{text}` is not one of {}", allowed.join(", "));
            let diagnostic = Diagnostic::error(code::NOT_ONE_OF, span, message);
            self.sink.push(reader::suggest(diagnostic, text, allowed.iter().map(CompactString::as_str)));
            None
        };
        Some(match shape.kind {
            Type::Text => Value::Text(allowed(reader::name(node, self.sink)?)?),
            Type::Number => Value::Number(reader::exact(node, self.sink)?),
            Type::Flag => Value::Flag(reader::flag(node, self.sink)?),
            Type::Moment => Value::Moment(reader::moment(node, self.sink)?),
            Type::Duration => Value::Duration(reader::period(node, self.sink)?),
            Type::List => {
                let items = reader::names(node, self.sink)?.into_iter().map(allowed);
                Value::List(reader::every(items)?.into())
            }
        })
    }
}
