//! A story played by the engine and by the model, side by side, up to the first thing in which they differ.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::compare::{self, Difference};
use crate::engine::{Played, Player};
use crate::flip;
use crate::model::Model;
use crate::story::{Answer, Question, Reply, RuleFiles, Step, What};

/// Rules and steps.
#[derive(Debug, Clone)]
pub struct Story {
    /// The first is in force when the story begins, the others are those that reloads name.
    pub rule_sets: Vec<RuleFiles>,
    pub begins: i64,
    pub on_disk: bool,
    pub steps: Vec<Step>,
}

/// Engine and model, brought to the same point of a story.
pub struct Pair {
    player: Player,
    model: Model,
    questions: usize,
    customers: Vec<String>,
}

/// What was answered, or how the two differ.
pub type Outcome = Result<Reply, Difference>;

fn difference(kind: &str, engine: impl Into<String>, model: impl Into<String>) -> Difference {
    Difference { kind: kind.to_owned(), engine: engine.into(), model: model.into() }
}

impl Pair {
    pub fn new(rules: &RuleFiles, begins: i64, on_disk: bool) -> Result<Self, Difference> {
        Self::apart((rules, rules), begins, on_disk)
    }

    /// Engine and model under rules of their own.
    pub fn apart((ours, theirs): (&RuleFiles, &RuleFiles), begins: i64, on_disk: bool) -> Result<Self, Difference> {
        let player = Player::new(ours, begins, on_disk).map_err(|why| difference("engine refuses rules", why, ""))?;
        let model = Model::new(theirs).map_err(|why| difference("model refuses rules", "", why))?;
        Ok(Self { player, model, questions: 0, customers: Vec::new() })
    }

    /// Plays a step on both; `looks` says whether everything that is held is compared after it.
    pub fn play(&mut self, step: &Step, rule_sets: &[RuleFiles], looks: bool) -> Outcome {
        if !self.customers.contains(&step.customer) {
            self.customers.push(step.customer.clone());
        }
        let Played { reply, flips, contradiction } = self.player.play(step, rule_sets);
        if let Some(contradiction) = contradiction {
            return Err(difference("the engine contradicts itself", contradiction, ""));
        }
        // Of what stood before the answer counted.
        let wrong = match &step.what {
            What::Decide(question) if question.rehearsal || !question.gpc => {
                flips.iter().find_map(|(action, words)| self.compare_flip(step, question, (action, words)).err())
            }
            _ => None,
        };
        let wrong = wrong.or_else(|| self.compare_moments(step, &reply));
        let theirs = match &step.what {
            What::Reload(number) => self.model.reload(&rule_sets[*number], step.at),
            _ => self.model.play(step, self.questions),
        };
        compare::replies(&reply, &theirs)?;
        self.questions += usize::from(matches!(step.what, What::Decide(_)));
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if looks {
            for customer in &self.customers {
                compare::held(&self.player.held(customer, step.at), &self.model.held(customer, step.at))?;
            }
        }
        Ok(reply)
    }

    /// The moments that an answer names are true: the model answers at other moments as the engine promised.
    fn compare_moments(&self, step: &Step, reply: &Reply) -> Option<Difference> {
        let (What::Decide(question), Reply::Answer(answer)) = (&step.what, reply) else { return None };
        // The answer stands for a customer who has objected, and the model has not heard it yet.
        if question.gpc {
            return None;
        }
        let why = self.model.contradiction(&step.customer, question, step.at, answer)?;
        let named = (answer.valid_until, answer.silence.as_ref().map(|silence| silence.retry_after));
        Some(difference("moments", format!("at {}: {named:?}", step.at), why)).filter(|_| !compare::is_known("moments"))
    }

    /// Under what a flip supposes, its action is chosen.
    fn compare_flip(&self, step: &Step, question: &Question, (action, words): (&str, &str)) -> Result<(), Difference> {
        let Some(supposed) = flip::read(words, action) else {
            return Err(difference("a flip cannot be read", words, ""));
        };
        let question = Question { supposed, rehearsal: true, ..question.clone() };
        let answers = self.model.suppose(&step.customer, &question, action, step.at);
        let chosen = |answer: &Answer| answer.chosen.iter().any(|chosen| chosen.action == action);
        if answers.iter().any(chosen) || compare::is_known("flip") {
            return Ok(());
        }
        let why = answers.first().and_then(|answer| answer.candidates.get(action));
        let why = why.map_or_else(|| "cannot be".to_owned(), |candidate| format!("{candidate:?}"));
        Err(difference("flip", format!("{action}: {words}"), why))
    }

    /// The model loads other rules, and the engine does not.
    pub fn misread(&mut self, rules: &RuleFiles, at: i64) {
        self.model.reload(rules, at);
    }

    pub fn sweep(&self, at: i64) {
        self.player.sweep(at);
    }
}

/// Plays a whole story; where the two differ, that with the place of the step.
pub fn replay(story: &Story) -> Result<(), (usize, Difference)> {
    let place = std::cell::Cell::new(0);
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut pair = Pair::new(&story.rule_sets[0], story.begins, story.on_disk)?;
        for (index, step) in story.steps.iter().enumerate() {
            place.set(index);
            pair.play(step, &story.rule_sets, true)?;
        }
        Ok(())
    }));
    let outcome = played.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    outcome.map_err(|difference| (place.get(), difference))
}

/// What panicked, as a difference.
pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Difference {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    difference(&format!("panic: {}", text.lines().next().unwrap_or("").chars().take(80).collect::<String>()), text, "")
}
