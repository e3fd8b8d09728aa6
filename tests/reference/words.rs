//! Steps of a story as people read them.

use std::collections::BTreeMap;

use tactful::domain::time::Moment;

use crate::story::{Question, Step, Value, What};

pub fn name(what: &What) -> &'static str {
    match what {
        What::Consent { .. } => "consent",
        What::Event { .. } => "event",
        What::Attributes { .. } => "attributes",
        What::Outcome { .. } => "outcome",
        What::Decide(_) => "decide",
        What::Erase => "erase",
        What::Reload(_) => "reload",
        What::Restart => "restart",
        What::Trust(_) => "trust",
    }
}

fn moment(at: i64) -> String {
    Moment(at).to_string()
}

fn when(occurred: Option<i64>) -> String {
    occurred.map_or_else(String::new, |at| format!(", occurred {}", moment(at)))
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Moment(at) => moment(*at),
        Value::Duration(length) => format!("{length} ms"),
        Value::List(items) => format!("{items:?}"),
    }
}

fn values(map: &BTreeMap<String, Value>) -> String {
    map.iter().map(|(name, given)| format!("{name}: {}", value(given))).collect::<Vec<_>>().join(", ")
}

pub fn step(step: &Step) -> String {
    let what = match &step.what {
        What::Consent { changes, deferred, evidence } => {
            let changes = changes.iter().map(|change| {
                let until = change.valid_until.map_or_else(String::new, |at| format!(", valid until {}", moment(at)));
                let claimed = change.claimed.map_or_else(String::new, |at| format!(", claimed {}", moment(at)));
                format!("{} {}{claimed}{until}", change.purpose, change.status)
            });
            let deferred = if *deferred { ", deferred" } else { "" };
            let evidence = if *evidence { ", evidence" } else { "" };
            format!("{}{deferred}{evidence}", changes.collect::<Vec<_>>().join("; "))
        }
        What::Event { id, kind, occurred, fields } => {
            format!("{kind} {{{}}}, id {id:?}{}", values(fields), when(*occurred))
        }
        What::Attributes { values, time_zone } => {
            let given = values
                .iter()
                .map(|(name, given)| format!("{name}: {}", given.as_ref().map_or_else(|| "removed".to_owned(), value)));
            let zone = if time_zone.is_empty() { String::new() } else { format!(", zone {time_zone}") };
            format!("{}{zone}", given.collect::<Vec<_>>().join(", "))
        }
        What::Outcome { id, decision, action, outcome, channel, occurred } => {
            let decision = decision.map_or_else(|| "no decision".to_owned(), |number| format!("question {number}"));
            format!("{action} {outcome} on {channel:?} of {decision}, id {id:?}{}", when(*occurred))
        }
        What::Decide(question) => asked(question),
        What::Reload(number) => format!("rules {number}"),
        What::Trust(trusted) => trusted.to_string(),
        What::Erase | What::Restart => String::new(),
    };
    format!("{} {} {} {what}", moment(step.at), step.customer, name(&step.what))
}

fn asked(question: &Question) -> String {
    let Question { channel, context, groups, max_actions, rehearsal, gpc, .. } = question;
    let marks = [(*rehearsal, ", rehearsal"), (*gpc, ", gpc")];
    let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(", groups {groups:?}") };
    format!("{channel} {{{}}}{groups}, most {max_actions}{marks}", values(context))
}
