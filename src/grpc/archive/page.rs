//! All data held about one customer as a page that a browser shows, in the customer's language.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value as Json;

use super::html::{self, escaped};
use crate::domain::consent::{ConsentRecord, NoticeHash};
use crate::domain::time::Moment;
use crate::engine::CustomerExport;

const STYLE: &str = include_str!("page.css");
const ENGLISH: &str = include_str!("texts/en.toml");
const GERMAN: &str = include_str!("texts/de.toml");

/// The texts of one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    language: String,
    /// How a moment is written, for strftime.
    moment: String,
    title: String,
    intro: String,
    portable: String,
    lost: String,
    customer: String,
    taken: String,
    zone: String,
    none: String,
    yes: String,
    no: String,
    purposes: String,
    purpose: String,
    basis: String,
    allowed: String,
    why: String,
    consents: String,
    consents_note: String,
    unreadable: String,
    when: String,
    what: String,
    how: String,
    until: String,
    late: String,
    by: String,
    recorded_by: String,
    every_purpose: String,
    notice: String,
    notice_same: String,
    notice_changed: String,
    notice_unproven: String,
    notice_missing: String,
    facts: String,
    name: String,
    value: String,
    kept_for: String,
    journeys: String,
    stage: String,
    since: String,
    events: String,
    details: String,
    contacts: String,
    channel: String,
    outcome: String,
    unconfirmed: String,
    outcomes: String,
    decisions: String,
    decisions_note: String,
    silence: String,
    reasons: String,
    rights: String,
    rights_text: String,
    /// Words for statuses, denials, bases and outcomes.
    words: BTreeMap<String, String>,
}

/// The parts of an export as they are in the other files.
pub struct Parts {
    /// profile.json.
    pub profile: Json,
    /// events.jsonl.
    pub events: Vec<Json>,
    /// standings.jsonl.
    pub standings: Vec<Json>,
    /// disclosures.jsonl.
    pub contacts: Vec<Json>,
    /// outcomes.jsonl.
    pub outcomes: Vec<Json>,
    /// decisions.jsonl.
    pub decisions: Vec<Json>,
}

struct Page<'e> {
    export: &'e CustomerExport,
    texts: Texts,
    zone: TimeZone,
    html: String,
}

/// What an export holds, and its language.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// Only what the customer provided, for purposes of consent or contract.
    pub portable_only: bool,
    /// The language of the page, a BCP 47 tag; may be empty.
    pub language: &'w str,
}

/// The page. Without a language it is in that of the newest consent record, and in English if there is no page in it.
pub fn page(export: &CustomerExport, parts: &Parts, wanted: Wanted<'_>) -> String {
    let Wanted { portable_only, language } = wanted;
    let spoken = export.records.iter().flatten().rev().map(|(_, record)| record.language.as_str());
    let language = std::iter::once(language).chain(spoken).find(|tag| !tag.is_empty()).unwrap_or("en");
    let german = language.split('-').next().is_some_and(|main| main.eq_ignore_ascii_case("de"));
    // Both files are tested.
    let Ok(texts) = toml::from_str::<Texts>(if german { GERMAN } else { ENGLISH }) else { return String::new() };
    let zone = export.state.relation().zone.clone().unwrap_or(TimeZone::UTC);
    let mut page = Page { export, texts, zone, html: String::new() };
    page.head(portable_only);
    page.purposes(&parts.standings);
    page.consents();
    page.facts(&parts.profile);
    page.events(&parts.events);
    if !portable_only {
        page.contacts(&parts.contacts);
        page.outcomes(&parts.outcomes);
        page.decisions(&parts.decisions);
    }
    page.foot();
    page.html
}

impl Page<'_> {
    fn head(&mut self, portable_only: bool) {
        let (texts, customer) = (&self.texts, escaped(&self.export.customer));
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let portable =
            if portable_only { format!("<p><strong>{}</strong></p>\n", texts.portable) } else { String::new() };
        let lost = self.export.unreadable.map_or_else(String::new, |before| {
            format!("<p><strong>{} {}.</strong></p>\n", texts.lost, self.moment(before))
        });
        self.html = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p>{}</p>\n{portable}{lost}\
             <dl><dt>{}</dt><dd>{customer}</dd><dt>{}</dt><dd>{}</dd></dl>\n<p class=\"soft\">{} {}.</p>\n",
            texts.language,
            texts.title,
            texts.title,
            texts.intro,
            texts.customer,
            texts.taken,
            self.moment(self.export.at),
            texts.zone,
            escaped(zone),
        );
    }

    fn purposes(&mut self, standings: &[Json]) {
        let row = |standing: &Json| {
            let is_usable = standing["usable"] == Json::Bool(true);
            let status = if is_usable { text(standing, "status") } else { text(standing, "why_not") };
            let since = self.at(standing, "since");
            let until = self.at(standing, "until");
            let until = if until.is_empty() { until } else { format!("{} {until}", self.texts.until) };
            vec![
                escaped(text(standing, "purpose")),
                self.word(text(standing, "lawful_basis")),
                if is_usable { self.texts.yes.clone() } else { self.texts.no.clone() },
                joined([self.word(status), since, until]),
            ]
        };
        let rows = standings.iter().map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.purpose, &texts.basis, &texts.allowed, &texts.why].map(String::clone);
        self.section(&texts.purposes.clone(), "", &columns, rows);
    }

    fn consents(&mut self) {
        let Ok(records) = &self.export.records else {
            self.html.push_str(&format!("<h2>{}</h2>\n<p>{}</p>\n", self.texts.consents, self.texts.unreadable));
            return;
        };
        let mut shown: Vec<(&str, Option<NoticeHash>)> = Vec::new();
        for (_, record) in records.iter().filter(|(_, record)| !record.notice.is_empty()) {
            if !shown.contains(&(record.notice.as_str(), record.notice_hash)) {
                shown.push((record.notice.as_str(), record.notice_hash));
            }
        }
        let rows = records.iter().rev().map(|(_, record)| self.consent(record, &shown)).collect();
        let texts = &self.texts;
        let columns = [&texts.when, &texts.purpose, &texts.what, &texts.how].map(String::clone);
        self.section(&texts.consents.clone(), &texts.consents_note.clone(), &columns, rows);
        for (number, (name, hash)) in (1..).zip(&shown) {
            let notices = &self.export.rules.notices;
            let read = hash.and_then(|hash| notices.by_hash(hash)).or_else(|| notices.find(name));
            self.notice(number, (*name, *hash), read.map(|notice| notice.text.as_str()));
        }
    }

    fn consent(&self, record: &ConsentRecord, shown: &[(&str, Option<NoticeHash>)]) -> Vec<String> {
        let texts = &self.texts;
        let labelled = |label: &str, value: &str| match value {
            "" => String::new(),
            value => format!("{label} {}", escaped(value)),
        };
        let notice = shown.iter().position(|known| *known == (record.notice.as_str(), record.notice_hash));
        let notice = notice.map_or_else(String::new, |place| {
            let number = place + 1;
            format!("<a href=\"#notice-{number}\">{} {number}</a>", texts.notice)
        });
        let late = match record.claimed {
            Some(claimed) if claimed != record.received => format!("{} {}", texts.late, self.moment(record.received)),
            _ => String::new(),
        };
        let until =
            record.valid_until.map_or_else(String::new, |until| format!("{} {}", texts.until, self.moment(until)));
        vec![
            self.moment(record.claimed.unwrap_or(record.received)),
            if record.purpose.is_empty() { texts.every_purpose.clone() } else { escaped(&record.purpose) },
            joined([self.word(record.status.name()), until]),
            joined([
                escaped(&record.expression),
                labelled("", &record.source.channel),
                labelled("", &record.source.evidence),
                labelled(&texts.by, &record.source.actor),
                labelled(&texts.recorded_by, &record.recorded_by),
                late,
                notice,
            ]),
        ]
    }

    /// A text that was shown, and whether it is the one that was read.
    fn notice(&mut self, number: usize, (name, hash): (&str, Option<NoticeHash>), text: Option<&str>) {
        let texts = &self.texts;
        let shown = hash.map(|hash| escaped(&hash.to_string())).unwrap_or_default();
        let now = text.map(NoticeHash::of);
        let remark = match (text, hash) {
            (None, _) => format!("{} <code>{}</code> <code>{shown}</code>", texts.notice_missing, escaped(name)),
            (Some(_), None) => texts.notice_unproven.clone(),
            (Some(_), Some(hash)) if now == Some(hash) => texts.notice_same.clone(),
            (Some(_), Some(_)) => format!("{} <code>{shown}</code>", texts.notice_changed),
        };
        let quoted =
            text.map_or_else(String::new, |text| format!("<blockquote>\n{}</blockquote>\n", html::notice(text)));
        let heading = format!("<h3 id=\"notice-{number}\">{} {number}</h3>\n", texts.notice);
        self.html.push_str(&format!("{heading}<p class=\"soft\">{remark}</p>\n{quoted}"));
    }

    fn facts(&mut self, profile: &Json) {
        let known = profile["attributes"].as_object().into_iter().flatten();
        let row = |(name, fact): (&String, &Json)| vec![escaped(name), plain(&fact["value"]), plain(&fact["kept_for"])];
        let rows = known.map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.name, &texts.value, &texts.kept_for].map(String::clone);
        let journeys = [&texts.name, &texts.stage, &texts.since, &texts.kept_for].map(String::clone);
        let (facts, where_to) = (texts.facts.clone(), texts.journeys.clone());
        self.section(&facts, "", &columns, rows);
        let Some(begun) = profile["journeys"].as_array().filter(|begun| !begun.is_empty()) else { return };
        let row = |journey: &Json| {
            let since = self.at(journey, "entered_at");
            vec![plain(&journey["journey"]), plain(&journey["stage"]), since, plain(&journey["kept_for"])]
        };
        let rows = begun.iter().map(row).collect();
        self.section(&where_to, "", &journeys, rows);
    }

    fn events(&mut self, events: &[Json]) {
        let row = |event: &Json| {
            vec![self.at(event, "at"), plain(&event["type"]), plain(&event["fields"]), plain(&event["kept_for"])]
        };
        let rows = events.iter().rev().map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.when, &texts.what, &texts.details, &texts.kept_for].map(String::clone);
        self.section(&texts.events.clone(), "", &columns, rows);
    }

    fn contacts(&mut self, contacts: &[Json]) {
        let row = |contact: &Json| {
            let outcomes = contact["outcomes"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let mut outcomes: Vec<String> = outcomes.map(|outcome| self.word(outcome)).collect();
            if contact["confirmed"] == Json::Bool(false) {
                outcomes.push(self.texts.unconfirmed.clone());
            }
            let channel = plain(&contact["to_channel"]);
            vec![self.at(contact, "at"), self.action(text(contact, "action")), channel, outcomes.join(", ")]
        };
        let rows = contacts.iter().rev().map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.when, &texts.what, &texts.channel, &texts.outcome].map(String::clone);
        self.section(&texts.contacts.clone(), "", &columns, rows);
    }

    fn outcomes(&mut self, outcomes: &[Json]) {
        let row = |entry: &Json| {
            let (action, channel) = (self.action(text(entry, "action")), plain(&entry["channel"]));
            vec![self.at(entry, "at"), action, channel, self.word(text(entry, "outcome"))]
        };
        let rows = outcomes.iter().rev().map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.when, &texts.what, &texts.channel, &texts.outcome].map(String::clone);
        self.section(&texts.outcomes.clone(), "", &columns, rows);
    }

    fn decisions(&mut self, decisions: &[Json]) {
        let row = |decision: &Json| {
            let actions = decision["actions"].as_array().into_iter().flatten();
            let said: Vec<String> = actions.clone().map(|action| self.action(text(action, "action"))).collect();
            let because = actions.flat_map(|action| action["because"].as_array().into_iter().flatten());
            let because: Vec<String> = because.map(plain).collect();
            let silence = decision["silence"].get("detail").map(plain).unwrap_or_default();
            let what = if said.is_empty() { self.texts.silence.clone() } else { said.join(", ") };
            vec![self.at(decision, "at"), what, plain(&decision["channel"]), joined([because.join(", "), silence])]
        };
        let rows = decisions.iter().rev().map(row).collect();
        let texts = &self.texts;
        let columns = [&texts.when, &texts.what, &texts.channel, &texts.reasons].map(String::clone);
        self.section(&texts.decisions.clone(), &texts.decisions_note.clone(), &columns, rows);
    }

    fn foot(&mut self) {
        let Texts { rights, rights_text, .. } = &self.texts;
        self.html.push_str(&format!("<h2>{rights}</h2>\n<p>{rights_text}</p>\n</main>\n</body>\n</html>\n"));
    }

    /// A heading, a note and a table. Cells are HTML.
    fn section(&mut self, heading: &str, note: &str, columns: &[String], rows: Vec<Vec<String>>) {
        let html = &mut self.html;
        html.push_str(&format!("<h2>{heading}</h2>\n"));
        if rows.is_empty() {
            html.push_str(&format!("<p>{}</p>\n", self.texts.none));
            return;
        }
        if !note.is_empty() {
            html.push_str(&format!("<p class=\"soft\">{note}</p>\n"));
        }
        // A wide table is scrolled, also with the keyboard.
        html.push_str(&format!(
            "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"{heading}\"><table>\n<thead><tr>"
        ));
        columns.iter().for_each(|column| html.push_str(&format!("<th scope=\"col\">{column}</th>")));
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            html.push_str("<tr>");
            row.iter().for_each(|cell| html.push_str(&format!("<td>{cell}</td>")));
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table></div>\n");
    }

    fn moment(&self, at: Moment) -> String {
        let Ok(at) = Timestamp::from_millisecond(at.0) else { return escaped(&at.to_string()) };
        let at = at.to_zoned(self.zone.clone());
        let shown = at.strftime(&self.texts.moment).to_string();
        format!("<time datetime=\"{}\">{}</time>", at.timestamp(), escaped(&shown))
    }

    /// A moment of a document; empty without one.
    fn at(&self, of: &Json, key: &str) -> String {
        Moment::parse(text(of, key)).map_or_else(|_| String::new(), |at| self.moment(at))
    }

    fn word(&self, word: &str) -> String {
        self.texts.words.get(word).cloned().unwrap_or_else(|| escaped(word))
    }

    /// The title of an action, or its id if the rules do not declare it any more.
    fn action(&self, id: &str) -> String {
        let rules = &self.export.rules;
        let action = rules.vocabulary.find(id).and_then(|found| rules.actions.get(found));
        action.map_or_else(|| escaped(id), |action| escaped(&action.title))
    }
}

fn text<'j>(of: &'j Json, key: &str) -> &'j str {
    of.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// Values separated by commas, without the empty ones.
fn joined<const COUNT: usize>(parts: [String; COUNT]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// A value for people, as HTML.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => escaped(text),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(members) => {
            let member = |(name, value): (&String, &Json)| format!("{}: {}", escaped(name), plain(value));
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        }
        other => escaped(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_every_text_and_the_same_words() {
        let [english, german] = [ENGLISH, GERMAN].map(|texts| toml::from_str::<Texts>(texts).unwrap());
        assert_eq!((english.language.as_str(), german.language.as_str()), ("en", "de"));
        assert!(english.words.keys().eq(german.words.keys()));
    }

    #[test]
    fn nothing_of_a_customer_is_taken_for_markup() {
        assert_eq!(plain(&serde_json::json!({"a<": ["<i>", 3, true, null]})), "a&lt;: &lt;i&gt;, 3, true, ");
    }
}
