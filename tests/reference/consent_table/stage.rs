//! The stage: an engine, the reference model and the customers who live through the same skeleton, each followed by the
//! oracle.
//!
//! What happens to everybody (time passes, rules change) happens between the records of all customers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::Moment;
use tactful::domain::value::Operand;
use tactful::engine::{AttributeChange, Engine, Limits, Question};
use tactful::ledger::{Ledger, MemoryLedger};
use tactful::rules::load;

use super::history::{How, Said, Token};
use super::oracle::{Ask, Customer, DAY, LASTS, MINUTE, is_a_no};
use super::rules::{Kind, Terms, purposes, rebased, text};
use super::table::Effect;
use super::{files, rules_of};
use crate::convert;
use crate::engine::sources;
use crate::model::Model;
use crate::story::{self, ConsentChange, Reply, Step, Value, What};

/// A Monday morning in Berlin.
const MONDAY: i64 = 1_772_442_000_000;

/// One customer of the engine, with what the oracle makes of them.
struct Player {
    id: String,
    history: Vec<Token>,
    /// The purposes that the records are about, by place.
    about: Vec<usize>,
    customer: Customer,
}

/// How much was compared, and what differed.
#[derive(Debug, Default)]
pub struct Tally {
    pub histories: usize,
    pub compared: usize,
    pub differences: usize,
    /// Examples of each kind of difference.
    pub shown: BTreeMap<String, Vec<String>>,
}

impl Tally {
    /// Compares what the engine and the model say with what the document says.
    fn compare(&mut self, (kind, of): (&str, impl Fn() -> String), said: [String; 2], document: &str) {
        for (who, said) in ["engine", "model"].into_iter().zip(said) {
            self.compared += 1;
            if said != document {
                self.differences += 1;
                let kind = format!("{kind}: the {who} says `{said}`, the document `{document}`");
                let shown = self.shown.entry(kind).or_default();
                if shown.len() < 5 {
                    shown.push(of());
                }
            }
        }
    }

    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.compared += other.compared;
        self.differences += other.differences;
        for (kind, examples) in other.shown {
            let shown = self.shown.entry(kind).or_default();
            shown.extend(examples);
            shown.truncate(5);
        }
    }
}

/// An engine and a model, the rules they run, and the customers who live through the same skeleton.
pub struct Stage {
    engine: Engine,
    model: Model,
    ledger: Arc<MemoryLedger>,
    terms: Vec<Terms>,
    players: Vec<Player>,
    now: i64,
    before: i64,
    /// How long after each other records come, in milliseconds.
    spacing: i64,
    tally: Tally,
}

impl Stage {
    pub fn new(rules: &Arc<RuleSet>, histories: &[Vec<Token>], spacing: i64) -> Self {
        let terms = purposes();
        let ledger = Arc::new(MemoryLedger::default());
        let engine = Engine::new(
            Arc::clone(rules),
            Arc::clone(&ledger) as Arc<dyn Ledger>,
            Limits { decisions: 1 },
            Moment(MONDAY),
        );
        let model = Model::new(&files(text(&terms))).unwrap();
        let last = terms.len() - 1;
        let (second, first): (Vec<usize>, Vec<usize>) = (0..last).partition(|at| terms[*at].is_like_contract());
        let player = |(index, history): (usize, &Vec<Token>)| {
            [("a", &first), ("b", &second)].map(|(group, about)| Player {
                id: format!("{group}{index}"),
                history: history.clone(),
                about: about.clone(),
                customer: Customer::new(terms.len()),
            })
        };
        let players = histories.iter().enumerate().flat_map(player).collect();
        let tally = Tally { histories: histories.len(), ..Tally::default() };
        let mut stage = Self { engine, model, ledger, terms, players, now: MONDAY, before: MONDAY, spacing, tally };
        for at in 0..stage.players.len() {
            stage.tell(at, 0);
        }
        stage
    }

    /// Every customer tells everything about themselves again.
    fn tell(&mut self, at: usize, step: usize) {
        let player = &mut self.players[at];
        player.customer.settle(&self.terms, self.now);
        player.customer.told(&self.terms, (step, self.now));
        let declared = (0..self.terms.len()).filter(|place| !self.terms[*place].retired);
        let value = Some(Value::Text(step.to_string()));
        let values: BTreeMap<_, _> = declared.map(|place| (format!("customer.f{place}"), value.clone())).collect();
        let change: AttributeChange = convert::attributes(&player.id, &values, "");
        self.engine.set_attributes(change, Moment(self.now)).unwrap();
        self.happens(at, What::Attributes { values, time_zone: String::new() });
    }

    /// Something happens to a customer of the model.
    fn happens(&mut self, at: usize, what: What) -> Reply {
        let step = Step { at: self.now, customer: self.players[at].id.clone(), what };
        self.model.play(&step, 0)
    }

    pub fn step(&mut self, step: usize, skeleton: Option<Said>) {
        self.before = self.now;
        self.now += if skeleton == Some(Said::Expired) { LASTS + DAY } else { self.spacing };
        if let Some(said) = skeleton {
            self.happens_to_all(said);
            return;
        }
        for at in 0..self.players.len() {
            self.record(at, step);
            self.tell(at, step);
        }
    }

    fn happens_to_all(&mut self, said: Said) {
        // What time did before is done before the rules change.
        if said != Said::Expired {
            self.engine.sweep(Moment(self.now));
            let last = self.terms.len() - 1;
            for terms in &mut self.terms[..last] {
                match said {
                    Said::Retired => terms.retired = true,
                    Said::Rebased => (terms.basis, terms.version) = (rebased(terms.basis), terms.version + 1),
                    _ => terms.version += 1,
                }
            }
            let files = files(text(&self.terms));
            let active = self.engine.reload(|vocabulary| load(sources(&files), vocabulary), Moment(self.now));
            assert!(!active.refused(), "{:#?}", active.reading.diagnostics);
            assert_eq!(self.model.reload(&files, self.now), Reply::Done);
        }
        for player in &mut self.players {
            player.customer.settle(&self.terms, self.now);
        }
    }

    /// When a record claims to have been made.
    fn claimed(&self, token: Token, step: usize) -> Option<i64> {
        let claimed = match token.how {
            How::Live => return None,
            How::Bare | How::Recent => self.now - 20 * MINUTE,
            How::Late => self.before - 30 * MINUTE,
            How::Tie => self.before + 5 * MINUTE,
            How::Imported => MONDAY - DAY + i64::try_from(step).unwrap() * MINUTE,
        };
        token.is_deferred().then_some(claimed)
    }

    fn record(&mut self, at: usize, step: usize) {
        let (now, terms) = (self.now, &self.terms);
        let token = self.players[at].history[step - 1];
        let claimed = self.claimed(token, step);
        let player = &mut self.players[at];
        // A yes that ended since has taken with it what was kept for it.
        player.customer.settle(terms, now);
        if token.said == Said::Erased {
            player.customer.erase((step, now));
            self.engine.erase(&player.id, Moment(now)).unwrap();
            self.happens(at, What::Erase);
            return;
        }
        let about = match token {
            _ if token.concerns_everything() => Vec::new(),
            Token { wider: true, .. } => vec![terms.len() - 1],
            _ => player.about.clone(),
        };
        let expected = player.customer.arrives(token, (step, now, claimed), &about, terms);
        player.customer.settle(terms, now);
        let (deferred, evidence) = (token.is_deferred(), token.how != How::Bare);
        let changes = changes(token, (now, claimed), (&about, terms));
        let request = convert::consent_request(&player.id, &changes, (deferred, evidence));
        let answer = self.engine.record_consent(request, Moment(now)).unwrap();
        let what = What::Consent { changes: changes.clone(), deferred, evidence };
        let Reply::Consent(results) = self.happens(at, what) else { panic!("the model refuses {changes:?}") };
        let Player { id, history, .. } = &self.players[at];
        let word = |refused: Option<String>| refused.unwrap_or_default();
        for (((ours, theirs), expected), change) in answer.results.iter().zip(results).zip(expected).zip(&changes) {
            let of = || format!("{id} {history:?} {} at step {step}", change.purpose);
            self.tally.compare(("taken", of), [word(convert::change_result(ours)), word(theirs)], expected);
        }
    }

    /// Compares everything visible of all customers.
    pub fn look(mut self) -> Tally {
        self.now += 1;
        for trusted in [true, false] {
            self.trust(trusted);
            for at in 0..self.players.len() {
                self.look_at(at, trusted);
            }
        }
        self.trust(true);
        self.start_again();
        self.ask_when_cooled();
        self.tally
    }

    fn trust(&mut self, trusted: bool) {
        self.engine.trust_ledger(trusted);
        self.happens(0, What::Trust(trusted));
    }

    /// Another process reads the same standings from the ledger.
    fn start_again(&mut self) {
        let rules =
            if self.terms == purposes() { Arc::clone(&self.engine.rules().set) } else { rules_of(text(&self.terms)) };
        let ledger = Arc::clone(&self.ledger) as Arc<dyn Ledger>;
        let (now, tally) = (Moment(self.now), &mut self.tally);
        let again = Engine::new(rules, ledger, Limits { decisions: 1 }, now);
        for Player { id, history, .. } in &self.players {
            let stands = |engine: &Engine| format!("{:?}", engine.standing(id, now).unwrap());
            let now = stands(&self.engine);
            tally.compare(("again", || format!("{id} {history:?}")), [stands(&again), now.clone()], &now);
        }
    }

    fn look_at(&mut self, at: usize, trusted: bool) {
        let Self { engine, model, terms, players, now, tally, .. } = self;
        let Player { id, history, customer, .. } = &mut players[at];
        let (now, moment) = (*now, Moment(*now));
        customer.settle(terms, now);
        let (standing, kept) = (engine.standing(id, moment).unwrap(), model.held(id, now));
        let said = [said(engine, (id, "says"), moment), said_by(model, (id, "says"), now)];
        let asked = [asked(engine, id, moment), asked_by(model, id, now)];
        let held = trusted.then(|| [held(engine, id, moment), held_by(&kept)]);
        let trust = if trusted { "" } else { ", untrusted" };
        for (place, terms) in terms.iter().enumerate() {
            let of = || format!("{id} {history:?} {}{trust}", terms.name);
            let (effect, word) = customer.stands(place, terms, (now, trusted));
            let view = standing.iter().find(|view| view.purpose == terms.name).unwrap();
            let theirs = &kept.standings[&terms.name];
            let denial = view.denial.map_or("", |denial| denial.name());
            tally.compare(("denied", of), [denial.to_owned(), theirs.denied_because.clone()], word);
            let usable = [view.usable, theirs.usable].map(|usable| usable.to_string());
            tally.compare(("usable", of), usable, &(effect == Effect::Use).to_string());
            if trusted {
                let reconfirm = is_a_no(word) && customer.needs_reconfirm(place, terms);
                let needs = [view.needs_reconfirm, theirs.needs_reconfirm].map(|needs| needs.to_string());
                tally.compare(("reconfirm", of), needs, &reconfirm.to_string());
            }
            let fact = customer.facts[place];
            let readable = fact.filter(|fact| effect == Effect::Use && !fact.withheld_for_good);
            let expected = match effect {
                Effect::Drop | Effect::Gone => "not said".to_owned(),
                _ => readable.map_or("nothing".to_owned(), |fact| fact.told.to_string()),
            };
            let action = format!("say-{place}");
            tally.compare(("said", of), [0, 1].map(|of| find(&said[of], &action, "not said")), &expected);
            let may = customer.ask(place, terms, (now, trusted)) == Ask::Yes && terms.asks();
            let asked = [0, 1].map(|of| asked[of].contains(&format!("ask-{place}")).to_string());
            tally.compare(("asked", of), asked, &may.to_string());
            if let Some(held) = &held {
                let name = format!("customer.f{place}");
                let expected = fact.map_or("gone".to_owned(), |fact| fact.told.to_string());
                tally.compare(("held", of), [0, 1].map(|of| find(&held[of], &name, "gone")), &expected);
            }
        }
    }

    /// Who may be asked again when cooling-off is over is asked just before and just then.
    fn ask_when_cooled(&mut self) {
        let mut moments: Vec<(i64, usize)> = Vec::new();
        for (at, player) in self.players.iter().enumerate() {
            for (place, terms) in self.terms.iter().enumerate().filter(|(_, terms)| terms.asks()) {
                if let Ask::NotBefore(until) = player.customer.ask(place, terms, (self.now, true)) {
                    moments.extend([(until - 1, at), (until, at)]);
                }
            }
        }
        moments.sort_unstable();
        moments.dedup();
        let asked_first = self.now;
        for (now, at) in moments {
            let Self { engine, model, terms, players, tally, .. } = &mut *self;
            let Player { id, history, customer, .. } = &players[at];
            let asked = [asked(engine, id, Moment(now)), asked_by(model, id, now)];
            for (place, terms) in terms.iter().enumerate().filter(|(_, terms)| terms.asks()) {
                let may = customer.ask(place, terms, (now, true)) == Ask::Yes;
                let asked = [0, 1].map(|of| asked[of].contains(&format!("ask-{place}")).to_string());
                let of = || format!("{id} {history:?} {}, {} ms later", terms.name, now - asked_first);
                tally.compare(("asked", of), asked, &may.to_string());
            }
        }
    }
}

fn find(texts: &[(String, String)], name: &str, otherwise: &str) -> String {
    texts.iter().find(|(known, _)| known == name).map_or(otherwise, |(_, text)| text).to_owned()
}

/// The changes that a record is made of.
fn changes(
    token: Token,
    (now, claimed): (i64, Option<i64>),
    (about, terms): (&[usize], &[Terms]),
) -> Vec<ConsentChange> {
    let status = token.said.status().name().to_owned();
    let change = ConsentChange { purpose: String::new(), status, claimed, valid_until: None };
    if token.concerns_everything() {
        return vec![change];
    }
    let named = about.iter().map(|at| {
        let Terms { name, kind, .. } = &terms[*at];
        let ends = token.said == Said::Given && *kind != Kind::Plain;
        let valid_until = ends.then_some(claimed.unwrap_or(now) + LASTS);
        ConsentChange { purpose: name.clone(), valid_until, ..change.clone() }
    });
    named.collect()
}

/// What is said to a customer, with its text.
fn said(engine: &Engine, (customer, group): (&str, &str), now: Moment) -> Vec<(String, String)> {
    let question = Question {
        customer: customer.into(),
        channel: "web".into(),
        groups: vec![group.into()],
        max_actions: 20,
        validate_only: true,
        ..Question::default()
    };
    let record = engine.decide(question, now).unwrap();
    let name = |id| record.rules.vocabulary.name(id).to_owned();
    record.decision.actions.iter().map(|chosen| (name(chosen.action), chosen.text.to_string())).collect()
}

fn said_by(model: &Model, (customer, group): (&str, &str), now: i64) -> Vec<(String, String)> {
    let (channel, groups) = ("web".to_owned(), vec![group.to_owned()]);
    let question = story::Question { channel, groups, max_actions: 20, rehearsal: true, ..Default::default() };
    let answer = model.decide(customer, &question, now);
    answer.chosen.into_iter().map(|chosen| (chosen.action, chosen.text)).collect()
}

fn asked_by(model: &Model, customer: &str, now: i64) -> Vec<String> {
    said_by(model, (customer, "asks"), now).into_iter().map(|(action, _)| action).collect()
}

fn asked(engine: &Engine, customer: &str, now: Moment) -> Vec<String> {
    said(engine, (customer, "asks"), now).into_iter().map(|(action, _)| action).collect()
}

/// Every stored fact, readable or not.
fn held(engine: &Engine, customer: &str, now: Moment) -> Vec<(String, String)> {
    let export = engine.export(customer, now).unwrap();
    let name = |id| export.rules.vocabulary.name(id).to_owned();
    let text = |value| match value {
        Operand::Text(text) => text.to_owned(),
        other => panic!("{other:?}"),
    };
    export.state.attributes().iter().map(|(id, held)| (name(id), text(held.value()))).collect()
}

fn held_by(held: &story::Held) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    held.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}
