//! Resolves names to ids once, at the edge; anything invalid is reported with its field and its fix.

use std::fmt;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::domain::id::{ActionId, ChannelId, ContextId, EventTypeId, FieldId, GroupId, Id, IdMap};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{NOT_EXACT, Type, Value, is_exact};
use crate::engine::{EngineError, FieldViolation};
use crate::rules::reader;

/// The longest customer id, and every other id, in bytes.
pub(super) const LONGEST_ID: usize = 256;
/// The longest text of a fact, in bytes.
const LONGEST_TEXT: usize = 4_096;
/// The most items of a list, and the most facts of one call.
const MOST_ITEMS: usize = 64;
/// How far ahead of the server's clock a source's clock may be.
const AHEAD: Period = Period(5 * 60_000);

/// The facts of the moment; up to four need no allocation.
pub(super) type ContextFacts = SmallVec<[(ContextId, Value); 4]>;

/// Refuses an invalid customer id.
///
/// # Errors
/// With the field and the fix.
pub(in crate::engine) fn check_customer(id: &str, rules: &RuleSet) -> Result<(), EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.id("customer_id", id);
    EngineError::refuse(resolver.violations)
}

/// Refuses a customer id that was never valid. One with a space at an end was valid once, and its customer has the rights
/// of every other.
///
/// # Errors
/// With the field and the fix.
pub(in crate::engine) fn check_stored_customer(id: &str, rules: &RuleSet) -> Result<(), EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.required("customer_id", id);
    resolver.bounded_id("customer_id", id);
    EngineError::refuse(resolver.violations)
}

/// Refuses a filter of decisions that can match none: its customer's id or its channel is invalid. Empty means all.
///
/// # Errors
/// With the field and the fix.
pub(in crate::engine) fn check_filter(customer: &str, channel: &str, rules: &RuleSet) -> Result<(), EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.optional_id("customer_id", customer);
    if !channel.is_empty() {
        resolver.channel("channel", channel);
    }
    EngineError::refuse(resolver.violations)
}

/// Collects the errors of a request, against the rules in force.
pub(super) struct Resolver<'r> {
    pub rules: &'r RuleSet,
    pub violations: Vec<FieldViolation>,
}

impl<'r> Resolver<'r> {
    pub fn new(rules: &'r RuleSet) -> Self {
        Self { rules, violations: Vec::new() }
    }

    pub fn refuse(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.violations.push(FieldViolation::new(field, description));
    }

    /// Refuses a name that the rules do not declare.
    fn unknown(&mut self, field: String, description: String) {
        self.violations.push(FieldViolation::unknown(field, description));
    }

    /// Checks a required id.
    pub fn id(&mut self, field: &str, id: &str) {
        self.required(field, id);
        self.optional_id(field, id);
    }

    fn required(&mut self, field: &str, id: &str) {
        if id.is_empty() {
            self.refuse(field, "is required");
        }
    }

    /// Whether a list or map of a call is short enough.
    pub fn few(&mut self, field: &str, count: usize) -> bool {
        if count > MOST_ITEMS {
            self.refuse(field, format!("has {count} entries, at most {MOST_ITEMS} are allowed"));
        }
        count <= MOST_ITEMS
    }

    /// Checks an id that may be empty. Ids are compared byte by byte, so one that another system would write differently
    /// is refused.
    pub fn optional_id(&mut self, field: &str, id: &str) {
        self.bounded_id(field, id);
        if id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return;
        }
        if id.trim() != id {
            self.refuse(field, "begins or ends with a space; remove it");
        } else if id.contains(char::is_control) {
            self.refuse(field, "has a control character; remove it");
        }
    }

    fn bounded_id(&mut self, field: &str, id: &str) {
        if id.len() > LONGEST_ID {
            self.refuse(field, format!("is {} bytes long, at most {LONGEST_ID} are allowed", id.len()));
        }
    }

    pub fn channel(&mut self, field: &str, name: &str) -> Option<ChannelId> {
        self.declared((field, "channel"), name, &self.rules.declared.channels)
    }

    pub fn action(&mut self, field: &str, name: &str) -> Option<ActionId> {
        self.declared((field, "action"), name, &self.rules.actions)
    }

    pub fn event(&mut self, field: &str, name: &str) -> Option<EventTypeId> {
        self.declared((field, "event type"), name, &self.rules.declared.events)
    }

    /// A group without actions matches nothing, so an unknown group is reported as an error.
    pub fn group(&mut self, field: &(impl fmt::Display + ?Sized), name: &str) -> Option<GroupId> {
        let known = self.rules.vocabulary.find::<GroupId>(name);
        let used = known.filter(|id| self.rules.declared.groups.get(*id).is_some());
        if used.is_none() {
            self.unknown(field.to_string(), format!("no action has the group `{name}`"));
        }
        used
    }

    pub fn context(&mut self, facts: &[(CompactString, Value)]) -> ContextFacts {
        let mut resolved = ContextFacts::new();
        if !self.few("context", facts.len()) {
            return resolved;
        }
        for (name, value) in facts {
            let field = format_args!("context[{name}]");
            let rules = self.rules;
            let Some(id) = self.declared::<ContextId, _>((&field, "context fact"), name, &rules.declared.context)
            else {
                continue;
            };
            let value = value.normal();
            let refused = rules.declared.context.get(id).and_then(|fact| fact.shape.refuses(&value));
            if self.fits(&field, &value, refused) {
                resolved.push((id, value.into_owned()));
            }
        }
        resolved
    }

    pub fn event_fields(
        &mut self,
        prefix: &str,
        kind: EventTypeId,
        given: &[(CompactString, Value)],
    ) -> Vec<(FieldId, Value)> {
        let rules = self.rules;
        let ids = rules.declared.events.get(kind).map_or(&[][..], |kind| kind.fields.as_slice());
        let mut resolved = Vec::with_capacity(given.len());
        for (name, value) in given.iter() {
            let place = format_args!("{prefix}fields[{name}]");
            let known = ids.iter().filter_map(|id| Some((*id, rules.declared.fields.get(*id)?)));
            let known: Vec<_> = known.collect();
            let Some((id, field)) = known.iter().find(|(_, field)| field.name == *name) else {
                let names: Vec<&str> = known.iter().map(|(_, field)| field.name.as_str()).collect();
                self.unknown(place.to_string(), unknown("field", name, &names));
                continue;
            };
            let value = value.normal();
            if self.fits(&place, &value, field.shape.refuses(&value)) {
                resolved.push((*id, value.into_owned()));
            }
        }
        resolved
    }

    /// Whether a value may be stored, by its declaration and by its size.
    pub fn fits(&mut self, field: &impl fmt::Display, value: &Value, refused: Option<String>) -> bool {
        let text_too_long = |text: &str| text.len() > LONGEST_TEXT;
        let size = match value {
            Value::Text(text) => text_too_long(text),
            Value::List(items) => items.len() > MOST_ITEMS || items.iter().any(|item| text_too_long(item)),
            Value::Number(number) => {
                if !is_exact(*number) {
                    let why = if number.is_finite() { NOT_EXACT } else { "must be a finite number" };
                    self.refuse(field.to_string(), why);
                    return false;
                }
                false
            }
            Value::Flag(_) | Value::Moment(_) | Value::Duration(_) => false,
        };
        if size {
            let kind = if value.kind() == Type::List { "list" } else { "text" };
            let description = format!("is too long a {kind}: {LONGEST_TEXT} bytes a text, {MOST_ITEMS} items a list");
            self.refuse(field.to_string(), description);
        }
        if let Some(reason) = &refused {
            self.refuse(field.to_string(), reason.clone());
        }
        !size && refused.is_none()
    }

    /// The time of an event: now if absent, never in the future.
    pub fn occurred(&mut self, field: &str, at: Option<Moment>, now: Moment) -> Moment {
        match at {
            Some(at) if at > now + AHEAD => {
                self.refuse(field, format!("{at} is more than {AHEAD} in the future; check the clock of the source"));
                now
            }
            // A clock that is a little fast makes nothing happen in the future.
            Some(at) => at.min(now),
            None => now,
        }
    }

    fn declared<I: Id, T>(
        &mut self,
        (field, kind): (&(impl fmt::Display + ?Sized), &str),
        name: &str,
        declared: &IdMap<I, T>,
    ) -> Option<I> {
        let vocabulary = &self.rules.vocabulary;
        let found = vocabulary.find::<I>(name).filter(|id| declared.get(*id).is_some());
        if found.is_none() {
            let known: Vec<&str> = declared.ids().map(|id| vocabulary.name(id)).collect();
            if name.is_empty() {
                self.refuse(field.to_string(), format!("is required: {}", listed(&known)));
            } else {
                self.unknown(field.to_string(), unknown(kind, name, &known));
            }
        }
        found
    }
}

/// "no channel is called `wb`; did you mean `web`?"
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let shown: String = name.chars().take(64).collect();
    match reader::nearest(&shown, known) {
        Some(near) => format!("no {kind} is called `{shown}`; did you mean `{near}`?"),
        None => format!("no {kind} is called `{shown}`; {}", listed(known)),
    }
}

fn listed(known: &[&str]) -> String {
    if known.is_empty() {
        return "the rules declare none".to_owned();
    }
    format!("the rules declare {}", reader::first_names(known.to_vec()))
}

/// A stable hash of an id of some kind, for the memory of known ids.
pub(super) fn hash_id(kind: &str, id: &str) -> Option<u64> {
    (!id.is_empty()).then(|| hash(&(kind, id)))
}

/// A hash that is the same in every process.
pub(super) fn hash(value: &impl std::hash::Hash) -> u64 {
    use std::hash::BuildHasher;
    foldhash::quality::FixedState::with_seed(0x7461_6374_6675_6c00).hash_one(value)
}

/// A hash of a value.
pub(super) fn hash_value(value: &Value) -> u64 {
    match value.normal().as_ref() {
        Value::Text(text) => hash(&(0, text)),
        Value::Number(number) => hash(&(1, number.to_bits())),
        Value::Flag(flag) => hash(&(2, flag)),
        Value::Moment(at) => hash(&(3, at)),
        Value::Duration(period) => hash(&(4, period)),
        Value::List(items) => hash(&(5, items)),
    }
}
