//! All data held about one customer as a zip file: JSON for programs, and a page for people.

mod html;
mod page;

use std::collections::BTreeSet;
use std::io::{self, Cursor, Write as _};

use serde_json::{Value as Json, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::domain::action::Outcome;
use crate::domain::consent::{NoticeHash, json_ld};
use crate::domain::customer::ContactState;
use crate::domain::id::{Id, PurposeSet};
use crate::domain::notice::Notice;
use crate::domain::purpose::Basis;
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::Score;
use crate::domain::value::Operand;
use crate::engine::{CustomerExport, DecisionRecord, StandingView};

pub use page::Wanted;
use page::{Parts, page};

const README: &str = include_str!("archive/README.txt");
const LOST: &str = "Some of what was kept under this customer id cannot be read, because files were damaged or are missing.\n\
                    This archive lacks it. What is concerned was kept before ";
const LEFT_OUT: &str = include_str!("archive/left-out.txt");

/// The bytes of the archive. A portable one contains only what the customer provided, for purposes of consent or
/// contract.
pub fn write(export: &CustomerExport, wanted: Wanted<'_>) -> io::Result<Vec<u8>> {
    let portable_only = wanted.portable_only;
    let mut archive = Archive { zip: ZipWriter::new(Cursor::new(Vec::new())) };
    let left_out = if portable_only { LEFT_OUT } else { "" };
    archive.text("README.txt", &format!("{README}{left_out}"))?;
    let covers = |purposes| !portable_only || is_portable(purposes, &export.rules);
    let parts = Parts {
        profile: profile(export, portable_only, covers),
        events: events(export, covers).collect(),
        standings: export.standings.iter().map(standing).collect(),
        contacts: disclosures(export).collect(),
        outcomes: outcomes(export).collect(),
        decisions: export.decisions.iter().map(|record| decision(record)).collect(),
    };
    archive.text("index.html", &page(export, &parts, wanted))?;
    archive.json("profile.json", &parts.profile)?;
    archive.lines("events.jsonl", &parts.events)?;
    archive.lines("standings.jsonl", &parts.standings)?;
    if !portable_only {
        archive.lines("disclosures.jsonl", &parts.contacts)?;
        archive.lines("outcomes.jsonl", &parts.outcomes)?;
        archive.lines("decisions.jsonl", &parts.decisions)?;
    }
    if let Some(before) = export.unreadable {
        archive.text("NOT-READABLE.txt", &format!("{LOST}{before}.\n"))?;
    }
    archive.proofs(export)?;
    Ok(archive.zip.finish().map_err(io::Error::from)?.into_inner())
}

/// The texts that the customer read, by their hashes in the records, each once.
fn notices_read(export: &CustomerExport) -> impl Iterator<Item = &Notice> {
    let records = export.records.iter().flatten();
    let read: BTreeSet<_> = records.filter_map(|(_, record)| record.notice_hash).map(|hash| hash.0).collect();
    read.into_iter().filter_map(|hash| export.rules.notices.by_hash(NoticeHash(hash)))
}

/// The first digits of a hash, which tell the versions of a notice apart.
fn short(hash: NoticeHash) -> String {
    hash.to_string().chars().take(8).collect()
}

struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
}

impl Archive {
    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(name, options).map_err(io::Error::from)?;
        self.zip.write_all(text.as_bytes())
    }

    fn json(&mut self, name: &str, value: &Json) -> io::Result<()> {
        self.text(name, &format!("{value:#}\n"))
    }

    fn lines(&mut self, name: &str, values: &[Json]) -> io::Result<()> {
        let lines: Vec<String> = values.iter().map(|value| format!("{value}\n")).collect();
        self.text(name, &lines.concat())
    }

    /// The consent records, and what proves that they are in the ledger.
    fn proofs(&mut self, export: &CustomerExport) -> io::Result<()> {
        match &export.records {
            Ok(records) => {
                for (position, record) in records {
                    self.text(&format!("consents/{position:08}.jsonld"), &json_ld(record))?;
                }
            }
            Err(trouble) => self.text("consents/NOT-READABLE.txt", &format!("{trouble}\n"))?,
        }
        for notice in notices_read(export) {
            let name = notice.path.rsplit('/').next().unwrap_or(&notice.path);
            self.text(&format!("notices/{}-{name}", short(notice.hash)), &notice.text)?;
        }
        for (position, receipt) in &export.receipts {
            self.text(&format!("receipts/{position:08}.tlog-proof"), receipt)?;
        }
        if let Some(head) = &export.head {
            self.text("checkpoint.txt", &head.checkpoint)?;
            self.text("log.vkey", &format!("{}\n", head.verifier_key))?;
        }
        Ok(())
    }
}

/// Whether a fact is stored for a purpose that rests on the customer's consent or contract (Art. 20(1)(a)).
fn is_portable(purposes: PurposeSet, rules: &RuleSet) -> bool {
    let portable = |basis: Basis| basis.needs_consent() || basis == Basis::Contract;
    purposes.iter().filter_map(|id| rules.purpose(id)).any(|purpose| portable(purpose.basis))
}

fn profile(export: &CustomerExport, portable_only: bool, covers: impl Fn(PurposeSet) -> bool) -> Json {
    let (rules, state) = (&export.rules, &export.state);
    let attributes = state.attributes().iter().filter(|(_, held)| covers(held.purposes)).map(|(id, held)| {
        let fact = json!({"value": plain(held.value()), "kept_for": names(held.purposes, rules)});
        (name(id, rules), fact)
    });
    let attributes: serde_json::Map<String, Json> = attributes.collect();
    let mut profile = json!({
        "customer_id": export.customer,
        "taken_at": export.at.to_string(),
        "rule_set": rules.hash,
        "attributes": attributes,
        "time_zone": state.relation().zone.as_ref().and_then(|zone| zone.iana_name()),
    });
    if !portable_only && let Some(profile) = profile.as_object_mut() {
        let journeys = state.relation().journeys.iter().map(|journey| {
            let stage = rules.vocabulary.local_name(journey.stage);
            json!({
                "journey": name(journey.journey, rules), "stage": stage, "kept_for": [name(journey.purpose, rules)],
                "started_at": journey.started.to_string(), "entered_at": journey.entered.to_string(),
            })
        });
        profile.insert("journeys".into(), journeys.collect());
    }
    profile
}

fn events(export: &CustomerExport, covers: impl Fn(PurposeSet) -> bool) -> impl Iterator<Item = Json> {
    let rules = &export.rules;
    let mut events: Vec<Json> = Vec::new();
    for event in export.state.events().newest_first().filter(|event| covers(event.purposes)) {
        let fields = event
            .fields
            .iter()
            .filter(|(_, held)| covers(held.purposes))
            .map(|(id, held)| (rules.vocabulary.local_name(id).to_owned(), plain(held.value())));
        let fields: serde_json::Map<String, Json> = fields.collect();
        events.push(json!({
            "type": name(event.kind, rules), "at": event.at.to_string(),
            "fields": fields, "kept_for": names(event.purposes, rules),
        }));
    }
    events.into_iter().rev()
}

/// The contacts with the customer: each one disclosed something to a channel.
fn disclosures(export: &CustomerExport) -> impl Iterator<Item = Json> {
    let rules = &export.rules;
    export.state.relation().contacts.iter().map(|contact| {
        let purpose = rules.actions.get(contact.action).map(|action| name(action.purpose, rules));
        json!({
            "at": contact.at.to_string(),
            "to_channel": contact.channel.map(|channel| name(channel, rules)),
            "action": name(contact.action, rules),
            "purpose": purpose,
            "confirmed": contact.state == ContactState::Counted,
            "outcomes": contact.outcomes.iter().map(Outcome::name).collect::<Vec<_>>(),
        })
    })
}

fn outcomes(export: &CustomerExport) -> impl Iterator<Item = Json> {
    let rules = &export.rules;
    export.state.relation().outcomes.iter().map(|entry| {
        json!({
            "at": entry.at.to_string(),
            "action": name(entry.action, rules),
            "outcome": entry.outcome.name(),
            "channel": entry.channel.map(|channel| name(channel, rules)),
        })
    })
}

fn standing(view: &StandingView) -> Json {
    json!({
        "purpose": view.purpose,
        "lawful_basis": view.basis,
        "status": view.status.map(|status| status.name()),
        "usable": view.usable,
        "why_not": view.denial.map(|denial| denial.name()),
        "since": view.since.map(|at| at.to_string()),
        "until": view.until.map(|at| at.to_string()),
    })
}

fn decision(record: &DecisionRecord) -> Json {
    let rules = &record.rules;
    let asked = record.question.context.iter().map(|(name, value)| (name.to_string(), plain(value.operand())));
    let asked: serde_json::Map<String, Json> = asked.collect();
    let actions = record.decision.actions.iter().map(|chosen| {
        json!({
            "action": name(chosen.action, rules), "text": *chosen.text, "content": *chosen.content,
            "because": chosen.because.iter().map(|words| &**words).collect::<Vec<_>>(), "score": score(chosen.score),
        })
    });
    let silence = record.decision.silence.as_ref();
    let explained = record.explanation().into_iter().flat_map(|explanation| &explanation.candidates);
    let considered = explained.map(|loser| {
        json!({
            "action": name(loser.action, rules), "gate": loser.gate.name(), "reason": loser.reason,
            "rule": format!("{}:{}", loser.rule.file, loser.rule.line), "would_change_it": loser.flip,
        })
    });
    json!({
        "decision_id": record.id(),
        "at": record.at.to_string(),
        "channel": record.question.channel.as_str(),
        "told_by_the_channel": asked,
        "actions": actions.collect::<Vec<_>>(),
        "silence": silence.map(|silence| json!({"reason": silence.reason.name(), "detail": silence.detail})),
        "considered": considered.collect::<Vec<_>>(),
        "purposes_used": names(record.decision.purposes_used, rules),
        "ledger_position": record.decision.ledger_position,
        "rule_set": record.rule_set(),
    })
}

fn score(score: Score) -> Json {
    let whole = [("total", score.total), ("personal", score.personal), ("intrusiveness", score.intrusiveness())];
    let terms = score.terms().map(|(term, value)| (term.name(), value));
    terms.chain(whole).map(|(name, value)| (name.to_owned(), Json::from(value))).collect()
}

fn plain(value: Operand<'_>) -> Json {
    match value {
        Operand::Unknown => Json::Null,
        Operand::Text(text) => json!(text),
        Operand::Number(number) => json!(number),
        Operand::Flag(flag) => json!(flag),
        Operand::Moment(at) => json!(at.to_string()),
        Operand::Duration(period) => json!({"milliseconds": period.0}),
        Operand::List(items) => items.iter().collect(),
    }
}

fn name<I: Id>(id: I, rules: &RuleSet) -> String {
    rules.vocabulary.name(id).to_owned()
}

fn names(purposes: PurposeSet, rules: &RuleSet) -> Vec<String> {
    purposes.iter().map(|id| name(id, rules)).collect()
}
