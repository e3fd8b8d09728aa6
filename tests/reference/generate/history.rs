//! Random histories: what happens to one or two customers, step by step. Each step is chosen when the answer to the one
//! before is known, so that outcomes name what was chosen and moments lie where answers say that something ends.

use std::collections::BTreeMap;

use super::change;
use super::declared::{Declared, Fact, Kind, Shape};
use super::random::Random;
use super::rules::Rules;
use super::times::{Times, length};
use super::values::{LENGTHS, NUMBERS, OUTCOMES, TEXTS};
use crate::story::{Answer, ConsentChange, Question, Reply, Step, Value, What};

const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Europe/London",
];

/// A question that was asked.
#[derive(Debug, Clone)]
struct Asked {
    number: usize,
    customer: String,
    channel: String,
    chosen: Vec<String>,
}

/// Writes one story.
pub struct Teller {
    pub rules: Rules,
    /// Rules by the number that `Reload` names.
    pub rule_sets: Vec<Rules>,
    customers: Vec<String>,
    times: Times,
    questions: usize,
    /// Those whose answers can still be named.
    asked: Vec<Asked>,
    ids: Vec<String>,
    trusted: bool,
    dropped: bool,
    erased: bool,
    restricted: bool,
    on_disk: bool,
    reloads: bool,
}

impl Teller {
    pub fn new(rules: Rules, on_disk: bool, random: &mut Random) -> Self {
        let begins = rules.about + random.within(-3, 3) * 3_600_000;
        let times = Times { begins, now: begins, past: vec![begins], zones: Vec::new(), hints: Vec::new() };
        let customers = ["anna", "ben"][..random.one_of(&[1, 1, 2])].iter().map(|name| (*name).to_owned()).collect();
        Self {
            rule_sets: vec![rules.clone()],
            rules,
            customers,
            times,
            questions: 0,
            asked: Vec::new(),
            ids: Vec::new(),
            trusted: true,
            dropped: false,
            erased: false,
            restricted: false,
            on_disk,
            reloads: true,
        }
    }

    /// The rules stay as they are.
    pub fn without_reloads(self) -> Self {
        Self { reloads: false, ..self }
    }

    pub fn begins(&self) -> i64 {
        self.times.begins
    }

    pub fn customers(&self) -> &[String] {
        &self.customers
    }

    /// The next step. Early on, customers agree and tell something of themselves.
    pub fn next(&mut self, place: usize, random: &mut Random) -> Step {
        let at = if place == 0 { self.times.now } else { self.times.next(&self.rules.declared, random) };
        let customer = random.one_of(&self.customers);
        let early = place < 4;
        if place < self.customers.len() && random.percent(75) {
            return Step { at, customer: self.customers[place].clone(), what: self.yes_to_all() };
        }
        let what = match random.below(100) {
            0..35 if !self.trusted => What::Trust(true),
            0..44 if !early => self.question(&customer, random),
            0..44 => self.consent(random),
            44..60 => self.event(random),
            60..69 => self.attributes(random),
            69..82 => self.consent(random),
            82..92 => self.outcome(&customer, random),
            92 if !early => What::Erase,
            93..96 if !early && self.reloads => self.reload(random),
            96..98 if !early => What::Trust(!self.trusted),
            98..100 if self.on_disk && self.trusted && !self.dropped => What::Restart,
            _ => self.question(&customer, random),
        };
        self.times.note(at);
        Step { at, customer, what }
    }

    /// Takes in what a step came to.
    pub fn heard(&mut self, step: &Step, reply: &Reply) {
        match (&step.what, reply) {
            (What::Decide(question), Reply::Answer(answer)) => self.heard_answer(step, question, answer),
            (What::Reload(number), Reply::Done) => {
                let before = std::mem::replace(&mut self.rules, self.rule_sets[*number].clone());
                let now = &self.rules.declared.purposes;
                let gone = |name: &String| now.iter().all(|purpose| purpose.name != *name);
                self.dropped |= before.declared.purposes.iter().any(|purpose| gone(&purpose.name));
                self.times.hint(step.at + length("30 days"));
            }
            (What::Trust(trusted), _) => self.trusted = *trusted,
            (What::Erase, _) => {
                self.erased = true;
                self.asked.retain(|asked| asked.customer != step.customer);
            }
            (What::Restart, _) => self.asked.clear(),
            _ => {}
        }
        if matches!(step.what, What::Decide(_)) {
            self.questions += 1;
        }
    }

    fn heard_answer(&mut self, step: &Step, question: &Question, answer: &Answer) {
        self.times.hint(answer.valid_until);
        if let Some(at) = answer.silence.as_ref().and_then(|silence| silence.retry_after) {
            // Twice, for this is where most can go wrong.
            self.times.hint(at);
            self.times.hint(at);
        }
        if !question.rehearsal {
            self.asked.push(Asked {
                number: self.questions,
                customer: step.customer.clone(),
                channel: question.channel.clone(),
                chosen: answer.chosen.iter().map(|chosen| chosen.action.clone()).collect(),
            });
        }
    }

    fn question(&mut self, _customer: &str, random: &mut Random) -> What {
        let declared = &self.rules.declared;
        let mut question = Question { channel: random.one_of(&declared.channels), ..Question::default() };
        for fact in &declared.context {
            if random.percent(65) {
                question.context.insert(fact.name.clone(), value(fact, declared, self.times.now, random));
            }
        }
        if random.percent(12) {
            let groups: Vec<String> = declared.actions.iter().filter_map(|action| action.group.clone()).collect();
            question.groups.extend(random.some_of(&groups));
        }
        question.max_actions = random.one_of(&[0, 0, 0, 1, 2, 3, 20]);
        question.rehearsal = random.percent(20);
        let objects = declared.purposes.iter().any(|purpose| purpose.gpc);
        question.gpc = random.percent(if objects { 12 } else { 2 });
        if random.percent(1) {
            match random.below(4) {
                0 => question.channel = "fax".into(),
                1 => question.groups.push("nobody".into()),
                2 => question.max_actions = 21,
                _ => drop(question.context.insert("weather".into(), Value::Flag(true))),
            }
        }
        What::Decide(question)
    }

    /// An id of its own, none, or one that came before.
    fn id(&mut self, random: &mut Random) -> String {
        match random.below(100) {
            0..12 => String::new(),
            12..24 if !self.ids.is_empty() => random.one_of(&self.ids),
            _ => {
                let id = format!("i{}", self.ids.len());
                self.ids.push(id.clone());
                id
            }
        }
    }

    fn event(&mut self, random: &mut Random) -> What {
        let id = self.id(random);
        let declared = &self.rules.declared;
        let Some(event) = random.some_of(&declared.events) else { return self.attributes(random) };
        let mut fields = BTreeMap::new();
        for field in &event.fields {
            if random.percent(80) {
                fields.insert(field.name.clone(), value(field, declared, self.times.now, random));
            }
        }
        let mut kind = event.name;
        if random.percent(1) {
            if random.percent(50) {
                kind = "nothing".into();
            } else {
                fields.insert("colour".into(), Value::Text("a".into()));
            }
        }
        let occurred = self.times.occurred(declared, random);
        if let Some(at) = occurred {
            self.times.note(at);
        }
        // A journey that it moves may leave the stage then.
        if let Some(wait) = random.some_of(&declared.waits) {
            self.times.hint(occurred.unwrap_or(self.times.now) + wait);
        }
        What::Event { id, kind, occurred, fields }
    }

    fn attributes(&mut self, random: &mut Random) -> What {
        let declared = &self.rules.declared;
        let mut values = BTreeMap::new();
        for _ in 0..random.one_of(&[1, 2, 3, 5]) {
            let Some(fact) = random.some_of(&declared.attributes) else { break };
            let value = (!random.percent(8)).then(|| value(&fact, declared, self.times.now, random));
            values.insert(fact.name, value);
        }
        if random.percent(1) {
            values.insert("customer.nothing".into(), Some(Value::Flag(true)));
        }
        let time_zone = match random.below(100) {
            0..15 => random.one_of(&ZONES).to_owned(),
            15 => "Europe/Atlantis".to_owned(),
            _ => String::new(),
        };
        if !time_zone.is_empty() {
            self.times.zones.push(time_zone.clone());
        }
        What::Attributes { values, time_zone }
    }

    /// A yes to everything that can be given.
    fn yes_to_all(&self) -> What {
        let purposes = self.rules.declared.purposes.iter().filter(|purpose| purpose.is_asked());
        let changes = purposes.map(|purpose| ConsentChange {
            purpose: purpose.name.clone(),
            status: "given".into(),
            claimed: None,
            valid_until: None,
        });
        let changes: Vec<ConsentChange> = changes.collect();
        if changes.is_empty() {
            return What::Attributes { values: BTreeMap::new(), time_zone: "Europe/London".into() };
        }
        What::Consent { changes, deferred: false, evidence: true }
    }

    fn consent(&mut self, random: &mut Random) -> What {
        let deferred = random.percent(20);
        let count = random.one_of(&[1, 1, 1, 1, 2, 3]);
        let changes = (0..count).map(|_| self.consent_change(deferred, random)).collect();
        What::Consent { changes, deferred, evidence: random.percent(80) }
    }

    fn consent_change(&mut self, deferred: bool, random: &mut Random) -> ConsentChange {
        let everything = if self.restricted { 15 } else { 5 };
        let status = match random.below(100) {
            0..48 => "given",
            48..56 => "refused",
            56..66 => "withdrawn",
            66..72 => "revoked",
            72..82 => "objected",
            82..84 if self.erased => "returned",
            84 => random.one_of(&["expired", "erased", "returned"]),
            85..100 if random.percent(everything * 3) => {
                let lifted = self.restricted && random.percent(70);
                self.restricted = !lifted;
                if lifted { "restriction_lifted" } else { "restricted" }
            }
            _ => "given",
        };
        let for_all = ["restricted", "restriction_lifted", "returned", "expired", "erased"].contains(&status);
        let names: Vec<String> = self.rules.declared.purposes.iter().map(|purpose| purpose.name.clone()).collect();
        let asked = self.rules.declared.purposes.iter().filter(|purpose| purpose.is_asked());
        let asked: Vec<String> = asked.map(|purpose| purpose.name.clone()).collect();
        let purpose = match random.below(100) {
            _ if for_all && !random.percent(3) => String::new(),
            0 => "unheard_of".to_owned(),
            1..4 => random.one_of(&self.rule_sets[0].declared.purposes).name,
            4..75 if !asked.is_empty() => random.one_of(&asked),
            _ => random.one_of(&names),
        };
        let now = self.times.now;
        let claimed = match random.below(100) {
            0..60 if deferred => Some(self.past_moment(random)),
            0..12 => Some(now + random.one_of(&[-1, 0, 1, -60_000, 299_999, 300_000, 300_001, -300_000, -300_001])),
            _ => None,
        };
        let ends = if status == "given" { 15 } else { 2 };
        let valid_until = random.percent(ends).then(|| now + length(random.one_of(&LENGTHS)) + random.within(-1, 1));
        let valid_until = if random.percent(3) { valid_until.map(|_| now - 1) } else { valid_until };
        valid_until.into_iter().for_each(|at| self.times.hint(at));
        ConsentChange { purpose, status: status.to_owned(), claimed, valid_until }
    }

    fn past_moment(&self, random: &mut Random) -> i64 {
        let past = random.one_of(&self.times.past) + random.one_of(&[0, 0, 1, -1, 300_000, 299_999, 300_001]);
        if random.percent(70) {
            past.min(self.times.now + 300_000)
        } else {
            self.times.now - length(random.one_of(&LENGTHS)) + random.within(-1, 1)
        }
    }

    fn outcome(&mut self, customer: &str, random: &mut Random) -> What {
        let id = self.id(random);
        let declared = &self.rules.declared;
        let own: Vec<Asked> = self.asked.iter().filter(|asked| asked.customer == customer).cloned().collect();
        let chosen: Vec<Asked> = own.iter().filter(|asked| !asked.chosen.is_empty()).cloned().collect();
        let recent = &chosen[chosen.len().saturating_sub(4)..];
        let outcome = match random.below(100) {
            0..30 => "presented".to_owned(),
            30..42 => "not_presented".to_owned(),
            42..75 if !declared.outcomes.is_empty() => random.one_of(&declared.outcomes),
            _ => random.one_of(&OUTCOMES).to_owned(),
        };
        let any_action = |random: &mut Random| random.one_of(&declared.actions).id;
        let occurred = self.times.occurred(declared, random);
        match random.some_of(recent) {
            Some(asked) if random.percent(65) => {
                let action = if random.percent(95) { random.one_of(&asked.chosen) } else { any_action(random) };
                let channel = if random.percent(60) { String::new() } else { asked.channel };
                What::Outcome { id, decision: Some(asked.number), action, outcome, channel, occurred }
            }
            _ => {
                let channels = declared.channels.iter().cloned().chain([String::new()]).collect::<Vec<_>>();
                let channel = if random.percent(2) { "fax".to_owned() } else { random.one_of(&channels) };
                let action = if random.percent(1) { "nothing".to_owned() } else { any_action(random) };
                What::Outcome { id, decision: None, action, outcome, channel, occurred }
            }
        }
    }

    fn reload(&mut self, random: &mut Random) -> What {
        let changed = if self.rule_sets.len() > 1 && random.percent(25) {
            random.one_of(&self.rule_sets)
        } else {
            change::changed(&self.rules, random)
        };
        self.rule_sets.push(changed);
        What::Reload(self.rule_sets.len() - 1)
    }
}

/// A value of a fact, most often one that rules compare with.
pub fn value(fact: &Fact, declared: &Declared, now: i64, random: &mut Random) -> Value {
    if random.percent(1) {
        return wrong(&fact.shape, random);
    }
    match fact.shape.kind {
        Kind::Text => Value::Text(a_text(&fact.shape, declared, random)),
        Kind::Number => Value::Number(a_number(declared, random)),
        Kind::Flag => Value::Flag(random.percent(60)),
        Kind::Moment => {
            let near = random.some_of(&declared.moments).unwrap_or(now);
            let period = random.some_of(&declared.periods).unwrap_or(0);
            let at = random.one_of(&[near, near, now, now - period, now + period, now - length("10 days")]);
            Value::Moment(at + random.one_of(&[-1, 0, 0, 1]))
        }
        Kind::Duration => {
            let period = random.some_of(&declared.periods).unwrap_or(1);
            Value::Duration(period + random.one_of(&[-1, 0, 0, 1]))
        }
        Kind::List => {
            let items = (0..random.one_of(&[0, 1, 2, 3])).map(|_| a_text(&fact.shape, declared, random));
            Value::List(items.collect())
        }
    }
}

fn a_text(shape: &Shape, declared: &Declared, random: &mut Random) -> String {
    match (&shape.one_of, random.some_of(&declared.texts)) {
        (Some(listed), _) => random.one_of(listed),
        (None, Some(written)) if random.percent(60) => written,
        _ => random.one_of(&TEXTS).to_owned(),
    }
}

fn a_number(declared: &Declared, random: &mut Random) -> f64 {
    match random.below(100) {
        0 => random.one_of(&[
            9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            -9_007_199_254_740_991.0,
            -9_007_199_254_740_992.0,
            1e300,
        ]),
        1..4 => 10.5,
        4..54 => random.some_of(&declared.numbers).unwrap_or(3.0) + random.one_of(&[-1.0, 0.0, 0.0, 1.0]),
        _ => random.one_of(&NUMBERS).parse().unwrap_or(12.0),
    }
}

/// A value that the declaration does not allow.
fn wrong(shape: &Shape, random: &mut Random) -> Value {
    match shape.kind {
        Kind::Text if shape.one_of.is_some() && random.percent(50) => Value::Text("never listed".into()),
        Kind::Number => Value::Text("3".into()),
        _ => Value::Number(3.0),
    }
}
