//! `policy:` the settings for all actions: arbitration, pressure, hurt, limits and the time zone.

use crate::domain::model::{Arbitration, Hurt, Policy, Pressure};
use jiff::tz::TimeZone;

use super::lint::{self, Lints};
use crate::domain::action::Outcome;
use crate::domain::id::{IdMap, Vocabulary};
use crate::domain::model::{Declarations, Limit};
use crate::domain::time;
use crate::rules::expr::Scope;
use crate::rules::reader::{self, Fields};
use crate::rules::section::{find, limit};
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, MapKey, Node, NodeKind};
use crate::rules::{code, shape};

/// Reads the policy and its lints; the keys may be in several files.
pub fn read(entries: &[&Entry], scope: Scope<'_>) -> Option<(Policy, Lints)> {
    let (declared, sink) = ((scope.vocabulary, scope.declared), scope.sink);
    let first = entries.first()?;
    let entries = entries.iter().map(|entry| (*entry).clone()).collect();
    let merged = Node { span: first.key.span, kind: NodeKind::Map(entries), style: first.value.style };
    let fields = Fields::of(&merged, &shape::POLICY, sink)?;
    let arbitration = match fields.optional("arbitration") {
        Some(node) => arbitration(node, sink),
        None => Some(Arbitration::default()),
    };
    let pressure = fields.required("pressure").and_then(|node| pressure(node, declared, sink));
    let hurt = fields.required("hurt").and_then(|node| hurt(node, sink));
    let limits = match fields.optional("limits") {
        Some(node) => limits(node, declared, sink),
        None => Some(Vec::new()),
    };
    let zone = fields.required("time_zone").and_then(|node| zone(node, sink));
    let lints = fields.optional("lints").map(|node| lint::read(node, scope));
    fields.finish();
    let (zone_name, zone) = zone?;
    let policy =
        Policy { arbitration: arbitration?, pressure: pressure?, hurt: hurt?, limits: limits?, zone, zone_name };
    Some((policy, lints.unwrap_or_else(|| Some(Lints::default()))?))
}

/// Settings that are missing, or wrong and reported, have their defaults.
fn arbitration(node: &Node, sink: &Sink) -> Option<Arbitration> {
    let fields = Fields::of(node, &shape::ARBITRATION, sink)?;
    let usual = Arbitration::default();
    let number = |fields: &Fields<'_>, key, most, otherwise| {
        fields.optional(key).and_then(|node| reader::number(node, (0.0, most), sink)).unwrap_or(otherwise)
    };
    let personal_discount = number(&fields, "personal_discount", 1.0, usual.personal_discount);
    let threshold = number(&fields, "threshold", 1_000.0, usual.threshold);
    let mut weights = fields.optional("weights").and_then(|node| Fields::of(node, &shape::WEIGHTS, sink));
    let mut weight =
        |key, otherwise| weights.as_mut().map_or(otherwise, |fields| number(fields, key, 1_000.0, otherwise));
    let personal = weight("personal", usual.personal);
    let pressure = weight("pressure", usual.pressure);
    let hurt = weight("hurt", usual.hurt);
    if let Some(weights) = weights {
        weights.finish();
    }
    fields.finish();
    Some(Arbitration { personal_discount, personal, pressure, hurt, threshold })
}

fn pressure(node: &Node, (vocabulary, declared): (&Vocabulary, &Declarations), sink: &Sink) -> Option<Pressure> {
    let fields = Fields::of(node, &shape::PRESSURE, sink)?;
    let half_life = fields.required("half_life").and_then(|node| reader::period(node, sink));
    let weights = fields.required("per_contact");
    fields.finish();
    let node = weights?;
    let mut per_contact = IdMap::default();
    for entry in reader::map(node, "per_contact", sink)? {
        let MapKey { text, span } = &entry.key;
        let channel = find((text, *span), "channel", (vocabulary, &declared.channels), sink);
        per_contact.insert(channel?, reader::number(&entry.value, (0.0, 1_000.0), sink)?);
    }
    for id in declared.channels.ids().filter(|id| per_contact.get(*id).is_none()) {
        let name = vocabulary.name(id);
        let help = format!("add `{name}: 5` (or another number; 0 if it weighs nothing)");
        let message = format!("`per_contact` does not say what a contact on `{name}` weighs");
        reader::refuse::<()>(node.span, code::NO_DEFAULT_ALLOWED, message, &help, sink);
    }
    Some(Pressure { half_life: half_life?, per_contact })
}

fn hurt(node: &Node, sink: &Sink) -> Option<Hurt> {
    let fields = Fields::of(node, &shape::HURT, sink)?;
    let half_life = fields.required("half_life").and_then(|node| reader::period(node, sink));
    let outcomes = fields.optional("per_outcome");
    fields.finish();
    let mut per_outcome = Vec::new();
    if let Some(node) = outcomes {
        for entry in reader::map(node, "per_outcome", sink)? {
            let Some(outcome) = Outcome::named(&entry.key.text) else {
                let names = limit::COUNTED.iter().map(|(name, _)| *name);
                return reader::unknown((&entry.key.text, entry.key.span), "outcome", names, sink);
            };
            if outcome == Outcome::Presented {
                let help = "what a contact weighs is said under `pressure.per_contact`";
                let message = "`presented` is a contact, and does not hurt".into();
                return reader::refuse(entry.key.span, code::CONTRADICTION, message, help, sink);
            }
            let outcome = limit::counted(outcome, entry.key.span, sink)?;
            per_outcome.push((outcome, reader::number(&entry.value, (0.0, 1_000.0), sink)?));
        }
    }
    Some(Hurt { half_life: half_life?, per_outcome })
}

fn limits(node: &Node, declared: (&Vocabulary, &Declarations), sink: &Sink) -> Option<Vec<Limit>> {
    let items = reader::list(node, sink)?;
    let read: Vec<Option<Limit>> = items.iter().map(|item| limit::read(item, None, declared, sink)).collect();
    read.into_iter().collect()
}

fn zone(node: &Node, sink: &Sink) -> Option<(String, TimeZone)> {
    let name = reader::text(node, sink)?;
    match time::zone(name) {
        Some(zone) => Some((name.to_owned(), zone)),
        None => {
            let help = "name a zone of the IANA database, such as `Europe/Berlin`";
            reader::refuse(node.span, code::BAD_ZONE, format!("`{name}` is not a time zone"), help, sink)
        }
    }
}
