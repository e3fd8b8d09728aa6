//! Rule files to a rule set, and what the page has to know of it: the JSON of `GetRuleSetResponse`.

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tactful_core::domain::id::{EventTypeId, Id, IdMap, Vocabulary};
use tactful_core::domain::model::{EventType, Shape};
use tactful_core::domain::rule_set::RuleSet;
use tactful_core::domain::sources::{SourceFile, Sources};
use tactful_core::domain::value::Type;
use tactful_core::rules::diagnostic::{Diagnostic, Severity};
use tactful_core::rules::load as load_rules;

/// A rule file of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    path: String,
    text: String,
}

/// The rule set, if there is no error, and what the page is told.
pub fn load(files: Vec<RuleFile>) -> (Option<RuleSet>, Json) {
    let files = files.into_iter().map(|file| SourceFile { path: file.path, text: file.text }).collect();
    let loaded = load_rules(Sources::new(files), &Vocabulary::default());
    let found: Vec<Json> = loaded.diagnostics.iter().map(|one| diagnostic(one, &loaded.sources)).collect();
    let mut told = loaded.rule_set.as_ref().map_or_else(|| json!({}), declared);
    if let Some(told) = told.as_object_mut() {
        told.insert("diagnostics".into(), found.into());
    }
    (loaded.rule_set, told)
}

fn declared(set: &RuleSet) -> Json {
    let declared = &set.declared;
    json!({
        "ruleSet": set.hash,
        "actions": set.actions.len(),
        "journeys": set.journeys.len(),
        "purposes": names(&declared.purposes, set),
        "channels": names(&declared.channels, set),
        "actionIds": names(&set.actions, set),
        "context": facts(&declared.context, set, |fact| &fact.shape),
        "attributes": facts(&declared.attributes, set, |attribute| &attribute.shape),
        "events": declared.events.iter().map(|(id, kind)| event(id, kind, set)).collect::<Vec<_>>(),
    })
}

fn names<I: Id, T>(declared: &IdMap<I, T>, set: &RuleSet) -> Vec<String> {
    declared.ids().map(|id| set.vocabulary.name(id).to_owned()).collect()
}

fn facts<I: Id, T>(declared: &IdMap<I, T>, set: &RuleSet, shape: impl Fn(&T) -> &Shape) -> Vec<Json> {
    declared.iter().map(|(id, one)| fact(set.vocabulary.name(id), shape(one))).collect()
}

fn event(id: EventTypeId, kind: &EventType, set: &RuleSet) -> Json {
    let fields = kind.fields.iter().filter_map(|id| set.declared.fields.get(*id));
    let fields: Vec<Json> = fields.map(|field| fact(&field.name, &field.shape)).collect();
    json!({ "type": set.vocabulary.name(id), "fields": fields })
}

fn fact(name: &str, shape: &Shape) -> Json {
    let kind = match shape.kind {
        Type::Text => "FACT_TYPE_TEXT",
        Type::Number => "FACT_TYPE_NUMBER",
        Type::Flag => "FACT_TYPE_FLAG",
        Type::Moment => "FACT_TYPE_MOMENT",
        Type::Duration => "FACT_TYPE_SPAN",
        Type::List => "FACT_TYPE_LIST",
    };
    let one_of: Vec<String> = shape.one_of.iter().flatten().map(ToString::to_string).collect();
    json!({ "name": name, "type": kind, "oneOf": one_of })
}

fn diagnostic(found: &Diagnostic, sources: &Sources) -> Json {
    let (start, end) = (sources.locate(found.span), sources.locate_end(found.span));
    let severity = match found.severity {
        Severity::Error => "SEVERITY_ERROR",
        Severity::Warning => "SEVERITY_WARNING",
    };
    json!({
        "severity": severity,
        "code": found.code.to_string(),
        "message": found.message,
        "help": found.help.clone().unwrap_or_default(),
        "file": sources.file(found.span.file).map_or("", |file| sources.relative(file)),
        "line": start.line,
        "column": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}
