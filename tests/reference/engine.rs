//! Plays a story on the engine as the server does, in virtual time, in memory or on disk, and tells what it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tactful::domain::decide::Explain;
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::engine::{DecisionRecord, Engine, EngineError, GpcObjection, Limits, Outcome};
use tactful::ledger::{LedgerSettings, MemoryLedger};
use tactful::node::Node;
use tactful::rules::diagnostic::Severity;
use tactful::rules::{Loaded, load};

use crate::convert;
use crate::story::{Answer, Held, Question, Reply, RuleFiles, Step, What};

/// The engine, and what a story says of it so far.
pub struct Player {
    engine: Option<Engine>,
    home: Option<tempfile::TempDir>,
    rules: RuleFiles,
    /// Ids of decisions, by the number of their questions.
    decisions: Vec<String>,
    run: u32,
}

/// The result of a step, and the further questions to the model.
#[derive(Debug, Clone)]
pub struct Played {
    pub reply: Reply,
    /// Which change would have chosen an action, in words.
    pub flips: BTreeMap<String, String>,
    /// Where the engine contradicts itself.
    pub contradiction: Option<String>,
}

impl Played {
    fn of(reply: Reply) -> Self {
        Self { reply, flips: BTreeMap::new(), contradiction: None }
    }
}

pub fn sources(files: &RuleFiles) -> Sources {
    let rules = files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() });
    Sources::new(rules.chain(notices(files)).collect())
}

/// A text for every notice that the files name.
fn notices(files: &RuleFiles) -> impl Iterator<Item = SourceFile> {
    let ends = |letter: char| letter.is_whitespace() || "\"',}".contains(letter);
    let named = files.iter().flat_map(|(_, text)| text.match_indices("notices/").map(|(at, _)| &text[at..]));
    let names: BTreeSet<&str> = named.map(|rest| rest.split(ends).next().unwrap_or(rest)).collect();
    names.into_iter().map(|name| SourceFile { path: name.to_owned(), text: format!("The text of {name}.") })
}

/// The rules, or every mistake in them.
pub fn loaded(files: &RuleFiles, names: &Vocabulary) -> Result<Arc<RuleSet>, String> {
    let Loaded { rule_set, diagnostics, sources, .. } = load(sources(files), names);
    let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let told = errors.map(|found| {
        let place = sources.locate(found.span);
        let file = sources.file(found.span.file).map_or("", |file| file.text.as_str());
        let there = file.get(found.span.start.saturating_sub(80) as usize..found.span.end as usize).unwrap_or("");
        format!("{} {}:{} {}: {there}", found.code, place.file, place.line, found.message)
    });
    rule_set.map(Arc::new).ok_or_else(|| told.collect::<Vec<_>>().join("\n"))
}

impl Player {
    pub fn new(rules: &RuleFiles, begins: i64, on_disk: bool) -> Result<Self, String> {
        let mut player = Self {
            engine: None,
            home: on_disk.then(|| tempfile::tempdir().unwrap()),
            rules: rules.clone(),
            decisions: Vec::new(),
            run: 1,
        };
        player.open(begins)?;
        Ok(player)
    }

    fn open(&mut self, at: i64) -> Result<(), String> {
        self.run += 1;
        let (limits, born) = (Limits { decisions: 4 << 20 }, Moment(at));
        let Some(home) = &self.home else {
            let rules = loaded(&self.rules, &Vocabulary::default())?;
            self.engine = Some(Engine::new(rules, Arc::new(MemoryLedger::default()), limits, born));
            return Ok(());
        };
        let data = home.path().join("data");
        let settings = LedgerSettings { reserve_bytes: 64 * 1024, ..LedgerSettings::of(&data) };
        let node = Node::open(settings).map_err(|error| error.to_string())?;
        let rules = loaded(&self.rules, &node.vocabulary)?;
        self.engine = Some(node.engine(rules, limits, None, born));
        Ok(())
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// Plays a step; `rule_sets` are those that reloads name.
    pub fn play(&mut self, step: &Step, rule_sets: &[RuleFiles]) -> Played {
        let (customer, now) = (step.customer.as_str(), Moment(step.at));
        let engine = self.engine.as_ref().unwrap();
        let reply = match &step.what {
            What::Consent { changes, deferred, evidence } => {
                let request = convert::consent_request(customer, changes, (*deferred, *evidence));
                match engine.record_consent(request, now) {
                    Ok(answer) => Reply::Consent(answer.results.iter().map(convert::change_result).collect()),
                    Err(_) => Reply::Invalid,
                }
            }
            What::Event { id, kind, occurred, fields } => {
                let event = convert::event(customer, (id, kind), *occurred, fields);
                convert::item(engine.record_events(vec![event], now))
            }
            What::Attributes { values, time_zone } => {
                let change = convert::attributes(customer, values, time_zone);
                match engine.set_attributes(change, now) {
                    Ok(_) => Reply::Recorded(None),
                    Err(EngineError::NotStored(_)) => Reply::Recorded(Some("ledger_unavailable".into())),
                    Err(_) => Reply::Invalid,
                }
            }
            What::Outcome { decision, .. } => {
                let id = decision.and_then(|number| self.decisions.get(number)).map_or("", String::as_str);
                if decision.is_some() && id.is_empty() {
                    // A rehearsal has no id, and neither has what was refused.
                    Reply::Recorded(Some("invalid".into()))
                } else {
                    convert::item(engine.record_outcomes(vec![convert::outcome(customer, id, &step.what)], now))
                }
            }
            What::Decide(question) => return self.decide(customer, question, now),
            What::Erase => match engine.erase(customer, now) {
                Ok(_) => Reply::Done,
                Err(_) => Reply::Invalid,
            },
            What::Reload(number) => return Played::of(self.reload(&rule_sets[*number], now)),
            What::Restart => {
                self.restart(step.at);
                Reply::Done
            }
            What::Trust(trusted) => {
                engine.trust_ledger(*trusted);
                Reply::Done
            }
        };
        Played::of(reply)
    }

    /// The server looks at everybody now and then; what was due before other rules come is done by those before.
    fn reload(&mut self, files: &RuleFiles, now: Moment) -> Reply {
        self.sweep(now.0);
        let active = self.engine().reload(|names| load(sources(files), names), now);
        if active.reading.outcome == Outcome::Refused {
            return Reply::RulesRefused;
        }
        self.rules.clone_from(files);
        Reply::Done
    }

    /// Stops in order or is killed, and starts again; in memory there is nothing to start from.
    fn restart(&mut self, at: i64) {
        if self.home.is_none() {
            return;
        }
        let engine = self.engine.take().unwrap();
        // What is not counted is written as soon as it is due; what is counted is in the journal.
        if self.run.is_multiple_of(2) {
            engine.write_behind().unwrap();
        } else {
            engine.write_due().unwrap();
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(engine.wait_durable());
        }
        drop(engine);
        self.open(at).unwrap();
    }

    /// Asks twice: for reasons of the chosen only, without consequences, and then in full.
    fn decide(&mut self, customer: &str, question: &Question, now: Moment) -> Played {
        let engine = self.engine.as_ref().unwrap();
        let mut played = Played::of(Reply::Invalid);
        let asked = convert::question(customer, question);
        if question.gpc
            && !question.rehearsal
            && let Some(signal) = GpcObjection::new(customer, engine.rules())
            && let Some(objection) = engine.execute_blocking(&signal, now).unwrap()
        {
            drop(engine.record_consent(objection, now));
        }
        let short = tactful::engine::Question { validate_only: true, explain: Explain::Chosen, ..asked.clone() };
        let short = engine.decide(short, now);
        let full = engine.decide(tactful::engine::Question { explain: Explain::Full, ..asked }, now);
        let mut id = String::new();
        match (&short, &full) {
            (Ok(short), Ok(full)) => {
                let (short, answer) = (convert::answer(short), convert::answer(full));
                if short != (Answer { candidates: BTreeMap::new(), ..answer.clone() }) {
                    played.contradiction = Some(format!("asked shortly: {short:#?}\nasked in full: {answer:#?}"));
                }
                played.flips = flips(full);
                id = full.id();
                played.reply = Reply::Answer(Box::new(answer));
            }
            (Err(EngineError::Invalid(_)), Err(EngineError::Invalid(_))) => {}
            (short, full) => played.contradiction = Some(format!("{:?}, {:?}", short.is_ok(), full.is_ok())),
        }
        self.decisions.push(id);
        played
    }

    /// A rehearsal that explains nothing; `None` if it is refused.
    pub fn rehearse(&self, customer: &str, question: &Question, at: i64) -> Option<Answer> {
        let asked = tactful::engine::Question {
            validate_only: true,
            explain: Explain::Chosen,
            ..convert::question(customer, question)
        };
        self.engine().decide(asked, Moment(at)).ok().map(|record| convert::answer(&record))
    }

    /// What is held of a customer.
    pub fn held(&self, customer: &str, at: i64) -> Held {
        let engine = self.engine();
        let export = engine.export(customer, Moment(at)).unwrap();
        let view = engine.customer(customer, Moment(at)).unwrap();
        convert::held(&export, &view)
    }

    /// Does what the server does in the background; it must not be visible.
    pub fn sweep(&self, at: i64) {
        self.engine().sweep(Moment(at));
        self.engine().purge_expired_batch(Moment(at));
    }
}

fn flips(record: &DecisionRecord) -> BTreeMap<String, String> {
    let candidates = record.explanation().into_iter().flat_map(|explanation| &explanation.candidates);
    let flips = candidates.filter_map(|loser| {
        let name = record.rules.vocabulary.name(loser.action).to_owned();
        Some((name, loser.flip.clone()?))
    });
    flips.collect()
}

/// Names of purposes.
pub fn names(purposes: tactful::domain::id::PurposeSet, rules: &RuleSet) -> BTreeSet<String> {
    purposes.iter().map(|id| rules.vocabulary.name(id).to_owned()).collect()
}
