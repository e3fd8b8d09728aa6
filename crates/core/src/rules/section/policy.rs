//! `policy:` the settings for all actions: arbitration, pressure, hurt, limits and the time zone.

use crate::domain::model::{Arbitration, Hurt, Policy, Pressure};
use jiff::tz::TimeZone;

use super::lint::{self, Lints};
use crate::domain::action::Outcome;
use crate::domain::id::IdMap;
use crate::domain::time::{self, Period};
use crate::rules::expr::Scope;
use crate::rules::fields::Fields;
use crate::rules::names::Names;
use crate::rules::reader;
use crate::rules::section::limit;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node, NodeKind};
use crate::rules::{code, shape};

/// The default of `retry_within`.
const RETRY_WITHIN: Period = Period(7 * Period::DAY.0);

/// Reads the policy and its lints; the keys may be in several files.
pub fn read(entries: &[&Entry], scope: Scope<'_>) -> Option<(Policy, Lints)> {
    let (names, sink) = (scope.names(), scope.sink);
    let first = entries.first()?;
    let entries = entries.iter().map(|entry| (*entry).clone()).collect();
    let merged = Node { span: first.key.span, kind: NodeKind::Map(entries), style: first.value.style };
    let fields = Fields::of(&merged, &shape::POLICY, sink)?;
    let arbitration = fields.may_with("arbitration", |node| arbitration(node, sink));
    let pressure = fields.required("pressure").and_then(|node| pressure(node, names));
    let hurt = fields.required("hurt").and_then(|node| hurt(node, sink));
    let limits = fields.list_with("limits", |item| limit::read(item, None, names));
    let retry_within = fields.may("retry_within");
    let zone = fields.required("time_zone").and_then(|node| zone(node, sink));
    let lints = fields.may_with("lints", |node| lint::read(node, scope));
    fields.finish();
    let (zone_name, zone) = zone?;
    let policy = Policy {
        arbitration: arbitration?.unwrap_or_default(),
        pressure: pressure?,
        hurt: hurt?,
        limits: limits?,
        retry_within: retry_within?.unwrap_or(RETRY_WITHIN),
        zone,
        zone_name,
    };
    Some((policy, lints?.unwrap_or_default()))
}

/// Settings that are missing, or wrong and reported, have their defaults.
fn arbitration(node: &Node, sink: &Sink) -> Option<Arbitration> {
    let fields = Fields::of(node, &shape::ARBITRATION, sink)?;
    let usual = Arbitration::default();
    let weights = fields.optional("weights").and_then(|node| Fields::of(node, &shape::WEIGHTS, sink));
    let weight = |key, usual| weights.as_ref().and_then(|weights| weights.given(key)).unwrap_or(usual);
    let read = Arbitration {
        personal_discount: fields.given("personal_discount").unwrap_or(usual.personal_discount),
        personal: weight("personal", usual.personal),
        pressure: weight("pressure", usual.pressure),
        hurt: weight("hurt", usual.hurt),
        threshold: fields.given("threshold").unwrap_or(usual.threshold),
    };
    if let Some(weights) = weights {
        weights.finish();
    }
    fields.finish();
    Some(read)
}

fn pressure(node: &Node, names: Names<'_>) -> Option<Pressure> {
    let sink = names.sink;
    let fields = Fields::of(node, &shape::PRESSURE, sink)?;
    let half_life = fields.need("half_life");
    let node = fields.required("per_contact")?;
    let mut per_contact = IdMap::default();
    for entry in reader::map(node, "per_contact", sink)? {
        let channel = names.channel(entry.key.spanned());
        per_contact.insert(channel?, fields.entry("per_contact", &entry.value)?);
    }
    for id in names.declared.channels.ids().filter(|id| per_contact.get(*id).is_none()) {
        let name = names.vocabulary.name(id);
        let help = format!("add `{name}: 5` (or another number; 0 if it weighs nothing)");
        let message = format!("`per_contact` does not say what a contact on `{name}` weighs");
        reader::refuse::<()>(node.span, code::NO_DEFAULT_ALLOWED, message, &help, sink);
    }
    fields.finish();
    Some(Pressure { half_life: half_life?, per_contact })
}

fn hurt(node: &Node, sink: &Sink) -> Option<Hurt> {
    let fields = Fields::of(node, &shape::HURT, sink)?;
    let half_life = fields.need("half_life");
    let mut per_outcome = Vec::new();
    if let Some(node) = fields.optional("per_outcome") {
        for entry in reader::map(node, "per_outcome", sink)? {
            let Some(outcome) = Outcome::named(&entry.key.text) else {
                let names = limit::COUNTED.iter().map(|(name, _)| *name);
                return reader::unknown(entry.key.spanned(), "outcome", names, sink);
            };
            if outcome == Outcome::Presented {
                let help = "what a contact weighs is said under `pressure.per_contact`";
                let message = "`presented` is a contact, and does not hurt".into();
                return reader::refuse(entry.key.span, code::CONTRADICTION, message, help, sink);
            }
            let outcome = limit::counted(outcome, entry.key.span, sink)?;
            per_outcome.push((outcome, fields.entry("per_outcome", &entry.value)?));
        }
    }
    fields.finish();
    Some(Hurt { half_life: half_life?, per_outcome })
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
