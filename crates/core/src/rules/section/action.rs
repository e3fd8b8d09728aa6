//! `actions:` what could be said or done.

use crate::domain::model::{Action, Points, Relevance, Treatment};

use crate::domain::action::ActionKind;
use crate::domain::expr::FactTable;
use crate::domain::id::{ActionId, ChannelId, GroupId, IdMap, PurposeId, Vocabulary};
use crate::domain::model::{ActionHead, Condition, Declarations, Template};
use crate::rules::diagnostic::Code;
use crate::rules::expr::Scope;
use crate::rules::fields::Fields;
use crate::rules::names::{Names, intern};
use crate::rules::reader;
use crate::rules::section::{condition, limit, template};
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
    let names = Names { vocabulary, declared, sink };
    let purpose = fields.required("purpose").and_then(|node| names.purpose(reader::name(node, sink)?));
    let name = reader::name(id_node?, sink)?;
    reader::check_id(name, true, sink)?;
    if let Some(group) = fields.optional("group") {
        let group = reader::name(group, sink)?;
        reader::check_id(group, true, sink)?;
        declared.groups.insert(intern::<GroupId>(vocabulary, group, sink)?, ());
    }
    let id = intern(vocabulary, name, sink)?;
    Some((id, ActionHead { purpose: purpose?, span: name.span }))
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
    let title = fields.need("title");
    let kind = fields.need("kind");
    let asks = asks(&fields, kind, scope);
    let [eligible, applicable, suitable] =
        ["eligible", "applicable", "suitable"].map(|key| match fields.optional(key) {
            Some(node) => conditions(key, node, scope, facts),
            None => Some(Vec::new()),
        });
    let relevance = relevance(&fields, kind, scope, facts);
    let worth = fields.may("worth");
    let intrusiveness = fields.need("intrusiveness");
    let limits = fields.list_with("limits", |item| limit::read(item, Some(id), scope.names()));
    let treatments = fields.required("treatments").and_then(|node| treatments(node, scope, facts));
    let (from, until) = (fields.may("from"), fields.may("until"));
    let excludes = excludes(&fields, scope, id);
    let allow = fields.list_with("allow", |item| reader::one_of(item, &code::ALLOWABLE, sink));
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
        worth: worth?.unwrap_or(1.0),
        intrusiveness: intrusiveness?,
        limits: limits?,
        treatments: treatments?,
        from: from?,
        until: until?,
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
    let name = reader::name(node, sink)?;
    let id = scope.names().purpose(name)?;
    let name = name.text;
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
        Some(_) => inner.need("base"),
        None => Some(0.0),
    };
    let add = inner.list_with("add", |item| points(item, scope, facts));
    inner.finish();
    Some(Relevance { base: base?, add: add? })
}

fn points(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Points> {
    let fields = Fields::of(node, &shape::ADDED, scope.sink)?;
    let points = fields.need("points");
    let when = fields.required("when").and_then(|node| condition::read(node, scope, facts));
    let because = fields.may_with("because", |node| template::read(node, scope, facts));
    fields.finish();
    Some(Points { points: points?, when: when?, because: because? })
}

fn treatments(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<IdMap<ChannelId, Treatment>> {
    let entries = reader::map(node, "treatments", scope.sink)?;
    let mut treatments = IdMap::default();
    for entry in entries {
        let channel = scope.names().channel(entry.key.spanned());
        let fields = Fields::of(&entry.value, &shape::TREATMENT, scope.sink)?;
        let content = fields.given::<String>("content").unwrap_or_default().into();
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

fn excludes(fields: &Fields<'_>, scope: Scope<'_>, own: ActionId) -> Option<Vec<ActionId>> {
    let Some(node) = fields.optional("excludes") else { return Some(Vec::new()) };
    let names = reader::names(node, scope.sink)?.into_iter().map(|name| {
        let id = scope.names().action(name)?;
        if id == own {
            let help = "remove it from the list";
            return reader::refuse(
                name.span,
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
