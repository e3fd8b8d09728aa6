//! The reference model: a second, plain interpreter of rule files and customer histories.
//!
//! Written from the documents alone, to be held against the engine. It is read like a specification: no index, no cache,
//! nothing packed; every formula as the documents write it. Each function names the section from which it comes.

mod actions;
mod arrive;
mod ask;
mod consent;
mod customer;
mod decide;
mod expression;
mod journey;
mod limits;
mod moments;
mod quiet;
mod read;
mod rules;
mod score;
mod suppose;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod view;

use std::collections::BTreeMap;

use super::story::{Answer, Held, Question, Reply, RuleFiles, Step, What};
use consent::{browser_objects, record_all, standing};
use customer::{Customer, pass_time};
use decide::Scene;
use rules::{Limit, Purpose, Rules};

/// Everything that is known: the rules in force, all customers, and whether the ledger can be trusted.
#[derive(Clone)]
pub struct Model {
    rules: Rules,
    /// Every purpose that was ever declared, as it was declared last.
    known: BTreeMap<String, Purpose>,
    /// Purposes that the rules in force lack, and since when.
    missing: BTreeMap<String, i64>,
    trusted: bool,
    customers: BTreeMap<String, Customer>,
}

/// What holds for every customer at one moment.
pub struct World<'a> {
    pub rules: &'a Rules,
    pub known: &'a BTreeMap<String, Purpose>,
    pub missing: &'a BTreeMap<String, i64>,
    pub trusted: bool,
    pub now: i64,
}

impl Model {
    pub fn new(rules: &RuleFiles) -> Result<Model, String> {
        let rules = read::read(rules)?;
        let known = rules.purposes.clone();
        Ok(Model { rules, known, missing: BTreeMap::new(), trusted: true, customers: BTreeMap::new() })
    }

    fn world(&self, now: i64) -> World<'_> {
        World { rules: &self.rules, known: &self.known, missing: &self.missing, trusted: self.trusted, now }
    }

    /// Other rules. "A changed `basis` with the same version is refused when rules are reloaded" (docs/rules.md,
    /// "Purposes").
    pub fn reload(&mut self, rules: &RuleFiles, at: i64) -> Reply {
        let Ok(rules) = read::read(rules) else { return Reply::RulesRefused };
        // "A name means one thing for good": a retired one does not come back.
        let broken = rules.purposes.iter().any(|(name, new)| {
            let rebased = |old: &Purpose| old.version == new.version && old.basis != new.basis;
            self.known.get(name).is_some_and(|old| rebased(old) || old.retired && !new.retired)
        });
        if broken {
            return Reply::RulesRefused;
        }
        self.everybody(at, |_, _| {});
        for name in self.rules.purposes.keys().filter(|name| !rules.purposes.contains_key(*name)) {
            self.missing.insert(name.clone(), at);
        }
        self.missing.retain(|name, _| !rules.purposes.contains_key(name));
        self.known.extend(rules.purposes.clone());
        self.rules = rules;
        self.everybody(at, |_, _| {});
        Reply::Done
    }

    /// One thing that happens. Time passes first; what is no longer lawful after it goes at once.
    pub fn play(&mut self, step: &Step, index_of_question: usize) -> Reply {
        match &step.what {
            What::Reload(_) => return Reply::Done,
            // docs/consent.md: facts of a purpose that is missing have no grace over a restart.
            What::Restart => {
                self.missing.values_mut().for_each(|since| *since = i64::MIN / 2);
                return Reply::Done;
            }
            What::Trust(trusted) => {
                self.everybody(step.at, |_, _| {});
                self.trusted = *trusted;
                return Reply::Done;
            }
            _ => {}
        }
        let mut customer = self.customers.remove(&step.customer).unwrap_or_default();
        let world = self.world(step.at);
        pass_time(&world, &mut customer);
        let reply = happen(&world, &mut customer, step, index_of_question);
        pass_time(&world, &mut customer);
        self.customers.insert(step.customer.clone(), customer);
        reply
    }

    /// Time passes for all customers.
    fn everybody(&mut self, at: i64, then: impl Fn(&World, &mut Customer)) {
        let mut customers = std::mem::take(&mut self.customers);
        for customer in customers.values_mut() {
            let world = self.world(at);
            pass_time(&world, customer);
            then(&world, customer);
        }
        self.customers = customers;
    }

    /// A customer as of a moment, without a trace in the model.
    fn as_of(&self, customer: &str, world: &World) -> Customer {
        let mut customer = self.customers.get(customer).cloned().unwrap_or_default();
        pass_time(world, &mut customer);
        customer
    }

    /// A rehearsal.
    pub fn decide(&self, customer: &str, question: &Question, at: i64) -> Answer {
        let (world, mut customer) = (self.world(at), self.as_of(customer, &self.world(at)));
        if question.gpc {
            browser_objects(&world, &mut customer);
            pass_time(&world, &mut customer);
        }
        answer(&world, &customer, question)
    }

    /// Rehearsals under what a flip of an action supposes, one for each way in which it can have come about.
    pub fn suppose(&self, customer: &str, question: &Question, action: &str, at: i64) -> Vec<Answer> {
        let world = self.world(at);
        let mut customer = self.as_of(customer, &world);
        if question.gpc {
            browser_objects(&world, &mut customer);
        }
        // Until the supposed moment, time passes.
        let world = self.world(question.supposed.at.unwrap_or(at));
        pass_time(&world, &mut customer);
        let Some(action) = world.rules.action(action) else { return Vec::new() };
        let cases = suppose::cases(&world, &customer, question, action);
        cases.iter().map(|(customer, question)| answer(&world, customer, question)).collect()
    }

    pub fn held(&self, customer: &str, at: i64) -> Held {
        let world = self.world(at);
        held(&world, &self.as_of(customer, &world))
    }
}

fn happen(world: &World, customer: &mut Customer, step: &Step, number: usize) -> Reply {
    let recorded = |taken: Result<(), &str>| Reply::Recorded(taken.err().map(str::to_string));
    match &step.what {
        What::Consent { changes, deferred, evidence } => {
            record_all(world, customer, changes, (*deferred, *evidence)).map_or(Reply::Invalid, Reply::Consent)
        }
        What::Event { id, kind, occurred, fields } => {
            recorded(arrive::event(world, customer, &arrive::NewEvent { id, kind, occurred: *occurred, fields }))
        }
        What::Attributes { values, time_zone } => recorded(arrive::attributes(world, customer, values, time_zone)),
        What::Outcome { id, decision, action, outcome, channel, occurred } => {
            let (decision, occurred) = (*decision, *occurred);
            let new = arrive::NewOutcome { id, decision, action, outcome, channel, occurred };
            recorded(arrive::outcome(world, customer, &new))
        }
        What::Erase => {
            customer::erase(customer, world.now);
            Reply::Done
        }
        What::Decide(question) => asked(world, customer, question, number),
        What::Reload(_) | What::Restart | What::Trust(_) => Reply::Done,
    }
}

/// `Decide`: a browser's objection is recorded first; what is chosen is reserved. A rehearsal does neither, and is
/// decided as if it had (C8).
fn asked(world: &World, customer: &mut Customer, question: &Question, number: usize) -> Reply {
    let mut after = customer.clone();
    if question.gpc {
        browser_objects(world, &mut after);
        pass_time(world, &mut after);
    }
    let refused = refuses(world, question);
    if refused && !question.rehearsal {
        // What the browser said counts all the same.
        *customer = after;
        return Reply::Invalid;
    }
    if refused {
        return Reply::Invalid;
    }
    let answer = answer(world, &after, question);
    for chosen in &answer.chosen {
        let action = world.rules.action(&chosen.action).expect("what is chosen is declared");
        arrive::reserve(world, &mut after, action, (&question.channel, number));
    }
    if !question.rehearsal {
        *customer = after;
    }
    Reply::Answer(Box::new(answer))
}

/// What is not declared is refused.
fn refuses(world: &World, question: &Question) -> bool {
    let facts_fit = question.context.iter().all(|(name, value)| {
        world.rules.context.get(name).is_some_and(|declared| arrive::fits(declared, &arrive::normal(value)))
    });
    let group = |name: &String| world.rules.actions.iter().any(|action| action.group == *name);
    !facts_fit
        || !world.rules.channels.contains_key(&question.channel)
        || !question.groups.iter().all(group)
        || question.max_actions > 20
}

fn answer(world: &World, customer: &Customer, question: &Question) -> Answer {
    decide::decide(Scene { world, customer, question })
}

fn held(world: &World, customer: &Customer) -> Held {
    let mut held = Held::default();
    for name in world.rules.purposes.keys() {
        held.standings.insert(name.clone(), standing(world, customer, name));
    }
    for (name, fact) in &customer.attributes {
        held.attributes.insert(name.clone(), fact.value.clone());
    }
    for event in &customer.events {
        let fields = event.fields.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
        held.events.push((event.at, event.kind.clone(), fields));
    }
    held.events.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    for (name, progress) in &customer.journeys {
        held.journeys.insert(name.clone(), (progress.stage.clone(), progress.entered));
    }
    let mut count = |limit: &Limit, of: Option<&rules::Action>| {
        let place = of.map_or("policy", |action| action.id.as_str());
        let used = limits::used(world, customer, limit, of);
        if limit.at_most.is_some() {
            held.limits.insert(format!("{place}/{}", limit.label), u32::try_from(used).unwrap_or(u32::MAX));
        }
    };
    world.rules.policy.limits.iter().for_each(|limit| count(limit, None));
    for action in &world.rules.actions {
        action.limits.iter().for_each(|limit| count(limit, Some(action)));
    }
    held
}
