//! Limits and cool-downs, of one action and of the whole policy.

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::id::{ActionId, GroupId};
use crate::domain::model::{Limit, LimitRule, LimitScope};
use crate::domain::sources::Span;
use crate::domain::time::Period;
use crate::rules::fields::Fields;
use crate::rules::names::Names;
use crate::rules::reader;
use crate::rules::sink::Sink;
use crate::rules::source::Node;
use crate::rules::{code, shape};

/// Reads one limit; `action` is set for the limits of an action.
pub fn read(node: &Node, action: Option<ActionId>, names: Names<'_>) -> Option<Limit> {
    let sink = names.sink;
    let shape = if action.is_some() { &shape::ACTION_LIMIT } else { &shape::POLICY_LIMIT };
    let fields = Fields::of(node, shape, sink)?;
    let rule = rule(&fields, node, sink);
    let label = fields.given("id");
    let channels = fields.may_with("channels", |node| {
        let help = "leave `channels` out to count and stop on all of them";
        reader::filled(node, "an empty `channels` limits nothing", help, sink)?;
        reader::names(node, sink)?.into_iter().map(|name| names.channel(name)).collect()
    });
    let mut scope = LimitScope { action, ..LimitScope::default() };
    if action.is_none() {
        let (kinds, groups) = (kinds(&fields, sink), groups(&fields, names));
        (scope.kinds, scope.groups) = (kinds?, groups?);
    }
    scope.channels = channels?.unwrap_or_default();
    fields.finish();
    let rule = rule?;
    Some(Limit { label: label.unwrap_or_else(|| describe(rule)), rule, scope, span: node.span })
}

fn rule(fields: &Fields<'_>, node: &Node, sink: &Sink) -> Option<LimitRule> {
    let at_most = fields.optional("at_most");
    let after = fields.optional("after");
    let per = fields.optional("per");
    let wait = fields.optional("wait");
    let outcome = fields.optional("outcome");
    match (at_most, per, after, wait) {
        (Some(count), Some(per), None, None) => {
            let outcome = outcome.map_or(Some(Outcome::Presented), |node| counted_outcome(node, sink));
            let (count, per) = (at_most_count(count, sink), reader::period(per, sink));
            Some(LimitRule::AtMost { count: count?, per: per?, outcome: outcome? })
        }
        (None, None, Some(after), Some(wait)) if outcome.is_none() => {
            let (outcome, wait) = (counted_outcome(after, sink), reader::period(wait, sink));
            Some(LimitRule::After { outcome: outcome?, wait: wait? })
        }
        _ => {
            let help = "write `{at_most: 3, per: 7 days}` or `{after: rejected, wait: 90 days}`";
            reader::refuse(node.span, code::MISSING_KEY, "this is neither a limit nor a cool-down".into(), help, sink)
        }
    }
}

fn counted_outcome(node: &Node, sink: &Sink) -> Option<Outcome> {
    match Outcome::named(reader::text(node, sink)?) {
        Some(outcome) => counted(outcome, node.span, sink),
        None => reader::one_of(node, &COUNTED, sink),
    }
}

/// The outcomes that can be counted: all but `not_presented`, which removes a contact and is not stored.
pub const COUNTED: [(&str, Outcome); 8] = {
    let [one, two, three, four, five, six, seven, eight, _] = Outcome::NAMES;
    [one, two, three, four, five, six, seven, eight]
};

/// Refuses an outcome that is never counted.
pub fn counted(outcome: Outcome, span: Span, sink: &Sink) -> Option<Outcome> {
    if COUNTED.iter().any(|(_, known)| *known == outcome) {
        return Some(outcome);
    }
    let message = format!("`{}` is never counted: the contact simply does not count", outcome.name());
    let help = "name what the customer did, such as `rejected`, or `presented` for every contact";
    reader::refuse(span, code::CONTRADICTION, message, help, sink)
}

fn at_most_count(node: &Node, sink: &Sink) -> Option<u32> {
    let count = reader::whole(node, (0, 100), sink)?;
    if count > 0 {
        return Some(count);
    }
    let help = "`at_most: 0` would never let it be said; remove the action, or give it an end date";
    reader::refuse(node.span, code::BAD_NUMBER, "a limit of 0 silences for ever".into(), help, sink)
}

/// Service and repair are counted and stopped only where a limit names them.
fn kinds(fields: &Fields<'_>, sink: &Sink) -> Option<Vec<ActionKind>> {
    let Some(node) = fields.optional("kinds") else {
        return Some(ActionKind::NAMES.iter().map(|(_, kind)| *kind).filter(|kind| !kind.helps()).collect());
    };
    let help = "leave `kinds` out to limit everything but service and repair";
    reader::filled(node, "an empty `kinds` limits nothing", help, sink)?;
    reader::list(node, sink)?.iter().map(|item| reader::one_of(item, &ActionKind::NAMES, sink)).collect()
}

/// The groups of these rules' actions; the vocabulary also has those of older rules.
fn groups(fields: &Fields<'_>, names: Names<'_>) -> Option<Vec<GroupId>> {
    let sink = names.sink;
    let Some(node) = fields.optional("groups") else { return Some(Vec::new()) };
    reader::filled(node, "an empty `groups` limits nothing", "leave `groups` out to limit all of them", sink)?;
    reader::names(node, sink)?.into_iter().map(|name| names.group(name)).collect()
}

fn describe(rule: LimitRule) -> String {
    let every = |per: Period| per.to_string().strip_prefix("1 ").map_or_else(|| per.to_string(), str::to_owned);
    match rule {
        LimitRule::AtMost { count, per, outcome: Outcome::Presented } => format!("{count} per {}", every(per)),
        LimitRule::AtMost { count, per, outcome } => format!("{count} {} per {}", outcome.name(), every(per)),
        LimitRule::After { outcome, wait } => format!("{wait} after {}", outcome.name()),
    }
}
