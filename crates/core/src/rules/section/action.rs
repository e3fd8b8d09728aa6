//! `actions:` what could be said or done.

use crate::domain::model::{Action, Points, Relevance, Treatment};

use crate::domain::action::ActionKind;
use crate::domain::expr::FactTable;
use crate::domain::id::{ActionId, ChannelId, GroupId, IdMap, PurposeId, Vocabulary};
use crate::domain::model::{ActionHead, Condition, Declarations, Limit, Template};
use crate::rules::diagnostic::Code;
use crate::rules::expr::Scope;
use crate::rules::reader::{self, Fields};
use crate::rules::section::{condition, find, find_purpose, intern, limit, template};
use crate::rules::sink::Sink;
use crate::rules::source::{Node, NodeKind};
use crate::rules::{code, shape};

/// The fields of an action: a consent ask requires `asks`, all others `relevance`.
fn fields<'n>(node: &'n Node, sink: &'n Sink) -> Option<Fields<'n>> {
    let NodeKind::Map(entries) = &node.kind else { return Fields::of(node, &shape::ACTION, sink) };
    let ask = NodeKind::Text(ActionKind::ConsentAsk.name().to_owned());
    let asks = entries.iter().any(|entry| entry.key.text == "kind" && entry.value.kind == ask);
    Fields::needing(node, &shape::ACTION, Some(if asks { "asks" } else { "relevance" }), sink)
}

/// Reads an action's id, purpose and group, so that expressions and limits can name them.
pub fn read_head(
    node: &Node,
    vocabulary: &mut Vocabulary,
    declared: &mut Declarations,
    sink: &Sink,
) -> Option<(ActionId, ActionHead)> {
    let fields = fields(node, sink)?;
    let id_node = fields.required("id");
    let purpose = fields.required("purpose").and_then(|node| {
        let name = (reader::text(node, sink)?, node.span);
        find_purpose(name, (vocabulary, &declared.purposes), sink)
    });
    let id_node = id_node?;
    let name = reader::text(id_node, sink)?;
    reader::check_id(name, id_node.span, true, sink)?;
    if let Some(group) = fields.optional("group") {
        let name = reader::text(group, sink)?;
        reader::check_id(name, group.span, true, sink)?;
        declared.groups.insert(intern::<GroupId>(vocabulary, name, group.span, sink)?, ());
    }
    let id = intern(vocabulary, name, id_node.span, sink)?;
    Some((id, ActionHead { purpose: purpose?, span: id_node.span }))
}

/// Reads the rest of an action, and the codes of the warnings that it allows.
pub fn read(
    node: &Node,
    (id, head): (ActionId, &ActionHead),
    scope: Scope<'_>,
    facts: &mut FactTable,
) -> Option<(Action, Vec<Code>)> {
    let sink = scope.sink;
    let fields = fields(node, sink)?;
    let group = fields.optional("group").and_then(|node| scope.vocabulary.find(reader::text(node, sink)?));
    let title = fields.required("title").and_then(|node| reader::text(node, sink)).map(str::to_owned);
    let kind = fields.required("kind").and_then(|node| reader::one_of(node, &ActionKind::NAMES, sink));
    let asks = asks(&fields, kind, scope);
    let [eligible, applicable, suitable] =
        ["eligible", "applicable", "suitable"].map(|key| match fields.optional(key) {
            Some(node) => conditions(key, node, scope, facts),
            None => Some(Vec::new()),
        });
    let relevance = relevance(&fields, kind, scope, facts);
    let worth = fields.optional("worth").map(|node| reader::number(node, (0.0, 100.0), sink));
    let intrusiveness = fields.required("intrusiveness").and_then(|node| reader::number(node, (0.0, 1_000.0), sink));
    let limits = limits(&fields, id, scope);
    let treatments = fields.required("treatments").and_then(|node| treatments(node, scope, facts));
    let from = fields.optional("from").map(|node| reader::moment(node, sink));
    let until = fields.optional("until").map(|node| reader::moment(node, sink));
    let excludes = excludes(&fields, scope, id);
    let allow = allow(&fields, sink);
    if let (Some(Some(from)), Some(Some(until)), Some(node)) = (from, until, fields.optional("until"))
        && until <= from
    {
        let help = "let `until` be later than `from`";
        return reader::refuse(node.span, code::CONTRADICTION, "this ends before it begins".into(), help, sink);
    }
    fields.finish();
    let action = Action {
        id,
        title: title?,
        kind: kind?,
        group,
        purpose: head.purpose,
        asks: asks?,
        eligible: eligible?,
        applicable: applicable?,
        suitable: suitable?,
        relevance: relevance?,
        worth: worth.unwrap_or(Some(1.0))?,
        intrusiveness: intrusiveness?,
        limits: limits?,
        treatments: treatments?,
        from: from.map_or(Some(None), |moment| moment.map(Some))?,
        until: until.map_or(Some(None), |moment| moment.map(Some))?,
        excludes: excludes?,
        span: head.span,
    };
    Some((action, allow?))
}

/// A list of conditions that is not empty.
fn conditions(key: &str, node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Vec<Condition>> {
    let message = format!("an empty `{key}` excludes no customer");
    reader::filled(node, &message, "list the conditions; or remove it, if it is for everybody", scope.sink)?;
    condition::read_list(node, scope, facts)
}

/// `asks:` belongs to consent asks, and only to them.
fn asks(fields: &Fields<'_>, kind: Option<ActionKind>, scope: Scope<'_>) -> Option<Option<PurposeId>> {
    let sink = scope.sink;
    let ask = kind == Some(ActionKind::ConsentAsk);
    let Some(node) = fields.optional("asks") else { return (!ask).then_some(None) };
    if !ask {
        let help = "make its kind `consent_ask`, or remove `asks`";
        return reader::refuse(
            node.span,
            code::CONTRADICTION,
            "only a consent ask asks for a purpose".into(),
            help,
            sink,
        );
    }
    let name = reader::text(node, sink)?;
    let id = find_purpose((name, node.span), (scope.vocabulary, &scope.declared.purposes), sink)?;
    if id == scope.purpose {
        let message = format!("this asks for `{name}` and serves it, so it could only ask once the answer is yes");
        let help = "give it another `purpose`, one that may be served while it asks, such as a service's";
        return reader::refuse(node.span, code::CONTRADICTION, message, help, sink);
    }
    let purpose = scope.declared.purposes.get(id)?;
    if !purpose.basis.needs_consent() {
        let message = format!("`{name}` rests on `{}`: there is nothing to ask", purpose.basis.name());
        return reader::refuse(
            node.span,
            code::CONTRADICTION,
            message,
            "ask for a purpose whose basis is `consent`",
            sink,
        );
    }
    if purpose.cooling_off.is_none() {
        let message = format!("`{name}` does not say how long to wait after a no");
        let help = "add `cooling_off: 180 days` (or another time) to the purpose";
        return reader::refuse(node.span, code::NO_DEFAULT_ALLOWED, message, help, sink);
    }
    Some(Some(id))
}

/// A consent ask's relevance is what the consent would gain; it may only add to it.
fn relevance(
    fields: &Fields<'_>,
    kind: Option<ActionKind>,
    scope: Scope<'_>,
    facts: &mut FactTable,
) -> Option<Relevance> {
    let sink = scope.sink;
    let ask = kind == Some(ActionKind::ConsentAsk);
    let Some(node) = fields.optional("relevance") else { return ask.then(Relevance::default) };
    let inner = Fields::of(node, &shape::RELEVANCE, sink)?;
    let base = if ask { inner.optional("base") } else { Some(inner.required("base")?) };
    let base = match base {
        Some(node) if ask => {
            let help = "remove `base`; add points with `add` if you like";
            let message = "a consent ask's relevance is what the consent would gain".to_owned();
            return reader::refuse(node.span, code::CONTRADICTION, message, help, sink);
        }
        Some(node) => reader::number(node, (0.0, 100.0), sink),
        None => Some(0.0),
    };
    let add: Vec<Option<Points>> = match inner.optional("add") {
        Some(node) => reader::list(node, sink)?.iter().map(|item| points(item, scope, facts)).collect(),
        None => Vec::new(),
    };
    inner.finish();
    Some(Relevance { base: base?, add: add.into_iter().collect::<Option<_>>()? })
}

fn points(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Points> {
    let fields = Fields::of(node, &shape::ADDED, scope.sink)?;
    let points = fields.required("points").and_then(|node| reader::number(node, (-1_000.0, 1_000.0), scope.sink));
    let when = fields.required("when").and_then(|node| condition::read(node, scope, facts));
    let because = fields.optional("because").map(|node| template::read(node, scope, facts));
    fields.finish();
    Some(Points { points: points?, when: when?, because: because.map_or(Some(None), |read| read.map(Some))? })
}

fn limits(fields: &Fields<'_>, id: ActionId, scope: Scope<'_>) -> Option<Vec<Limit>> {
    let Some(node) = fields.optional("limits") else { return Some(Vec::new()) };
    let items = reader::list(node, scope.sink)?;
    let read: Vec<Option<Limit>> =
        items.iter().map(|item| limit::read(item, Some(id), (scope.vocabulary, scope.declared), scope.sink)).collect();
    read.into_iter().collect()
}

fn treatments(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<IdMap<ChannelId, Treatment>> {
    let entries = reader::map(node, "treatments", scope.sink)?;
    let mut treatments = IdMap::default();
    for entry in entries {
        let channel = find(
            (&entry.key.text, entry.key.span),
            "channel",
            (scope.vocabulary, &scope.declared.channels),
            scope.sink,
        );
        let fields = Fields::of(&entry.value, &shape::TREATMENT, scope.sink)?;
        let content = fields.optional("content").and_then(|node| reader::text(node, scope.sink)).unwrap_or("").into();
        let text = match fields.optional("text") {
            Some(node) => template::read(node, scope, facts),
            None => Some(Template::default()),
        };
        fields.finish();
        let treatment = Treatment { content, text: text?, span: entry.key.span };
        if treatment.content.is_empty() && treatment.text.is_empty() {
            let help = "give it `content`, `text` or both";
            return reader::refuse(
                entry.key.span,
                code::MISSING_KEY,
                "a treatment needs something to show or say".into(),
                help,
                scope.sink,
            );
        }
        treatments.insert(channel?, treatment);
    }
    if treatments.is_empty() {
        let help = "add a treatment for each channel on which it may be said";
        return reader::refuse(
            node.span,
            code::EMPTY_LIST,
            "without a treatment it can never be said".into(),
            help,
            scope.sink,
        );
    }
    Some(treatments)
}

fn allow(fields: &Fields<'_>, sink: &Sink) -> Option<Vec<Code>> {
    let Some(node) = fields.optional("allow") else { return Some(Vec::new()) };
    let codes: Vec<Option<Code>> =
        reader::list(node, sink)?.iter().map(|item| reader::one_of(item, &code::ALLOWABLE, sink)).collect();
    codes.into_iter().collect()
}

fn excludes(fields: &Fields<'_>, scope: Scope<'_>, own: ActionId) -> Option<Vec<ActionId>> {
    let Some(node) = fields.optional("excludes") else { return Some(Vec::new()) };
    let names = reader::texts(node, scope.sink)?.into_iter().map(|name| {
        let id = find(name, "action", (scope.vocabulary, &scope.declared.actions), scope.sink)?;
        if id == own {
            let help = "remove it from the list";
            return reader::refuse(
                name.1,
                code::CONTRADICTION,
                "an action cannot exclude itself".into(),
                help,
                scope.sink,
            );
        }
        Some(id)
    });
    names.collect()
}
