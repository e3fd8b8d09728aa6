//! Makes a story small that engine and model tell differently, and shows it.

use serde_yaml::Value;

use crate::compare::Difference;
use crate::engine::loaded;
use crate::generate::rules::merged;
use crate::generate::yaml::plain;
use crate::play::{Story, replay};
use crate::story::{Step, What};
use crate::{simpler, words};

use tactful::domain::id::Vocabulary;
use tactful::domain::time::Moment;

/// How often a story is played to find a smaller one.
const MOST_PLAYS: usize = 2_500;

/// A story that is being made smaller, and what must stay different in it.
pub struct Shrinker {
    pub story: Story,
    rules: Vec<Value>,
    pub difference: Difference,
    plays: usize,
}

impl Shrinker {
    /// Nothing if the story does not fail when it is played again.
    pub fn new(story: &Story) -> Option<Self> {
        let (_, difference) = replay(story).err()?;
        let rules = story.rule_sets.iter().map(merged).collect();
        Some(Self { story: story.clone(), rules, difference, plays: 0 })
    }

    /// Whether a story fails in the same way; then it takes the place of the one before.
    fn takes(&mut self, mut story: Story) -> bool {
        if self.plays >= MOST_PLAYS {
            return false;
        }
        self.plays += 1;
        match replay(&story) {
            Err((place, difference)) if difference.kind == self.difference.kind => {
                story.steps.truncate(place + 1);
                self.story = story;
                self.difference = difference;
                true
            }
            _ => false,
        }
    }

    pub fn shrink(&mut self) {
        let cut = self.story.clone();
        self.takes(cut);
        self.takes(Story { on_disk: false, ..self.story.clone() });
        self.drop_steps();
        // From here on, rules are one plain file each.
        let files = self.rules.iter().map(|rules| vec![("rules.yaml".to_owned(), plain(rules))]).collect();
        if self.takes(Story { rule_sets: files, ..self.story.clone() }) {
            for _ in 0..3 {
                let before = self.plays;
                self.drop_rule_sets();
                (0..self.rules.len()).for_each(|number| self.simplify_rules(number));
                self.drop_steps();
                self.simplify_steps();
                if self.plays == before || self.plays >= MOST_PLAYS {
                    break;
                }
            }
        }
        self.drop_steps();
        self.simplify_steps();
    }

    fn drop_steps(&mut self) {
        let mut size = self.story.steps.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < self.story.steps.len() {
                let steps = without(&self.story.steps, from, size);
                if !self.takes(Story { steps, ..self.story.clone() }) {
                    from += size;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    fn simplify_steps(&mut self) {
        for place in 0..self.story.steps.len() {
            let mut tried = 0;
            while let Some(step) =
                self.story.steps.get(place).and_then(|step| simpler::step(step).into_iter().nth(tried))
            {
                let mut steps = self.story.steps.clone();
                steps[place] = step;
                if !self.takes(Story { steps, ..self.story.clone() }) {
                    tried += 1;
                }
            }
            self.move_earlier(place);
        }
    }

    /// Everything from a step on happens earlier, as early as it can.
    fn move_earlier(&mut self, place: usize) {
        for share in [1, 2, 4, 16] {
            let before = place.checked_sub(1).and_then(|place| self.story.steps.get(place)).map(|step| step.at);
            let Some(step) = self.story.steps.get(place) else { return };
            let gap = (step.at - before.unwrap_or(self.story.begins)) / share;
            if gap <= 0 {
                return;
            }
            let mut steps = self.story.steps.clone();
            steps.iter_mut().skip(place).for_each(|step| step.at -= gap);
            self.takes(Story { steps, ..self.story.clone() });
        }
    }

    /// Without reloads, where one set of rules is enough.
    fn drop_rule_sets(&mut self) {
        for number in 1..self.rules.len() {
            let named = |step: &Step| matches!(step.what, What::Reload(named) if named == number);
            if !self.story.steps.iter().any(named) {
                self.story.rule_sets[number] = self.story.rule_sets[0].clone();
                self.rules[number] = self.rules[0].clone();
            }
        }
    }

    /// Takes away what can be taken away of one set of rules, the largest parts first.
    fn simplify_rules(&mut self, number: usize) {
        let named = number == 0 || self.story.steps.iter().any(|step| step.what == What::Reload(number));
        if !named {
            return;
        }
        let mut tried = 0;
        let mut candidates = simpler::rules(&self.rules[number]);
        while let Some(rules) = candidates.get(tried).cloned() {
            if self.plays >= MOST_PLAYS {
                return;
            }
            let mut rule_sets = self.story.rule_sets.clone();
            rule_sets[number] = vec![("rules.yaml".to_owned(), plain(&rules))];
            let loads = loaded(&rule_sets[number], &Vocabulary::default()).is_ok();
            if loads && self.takes(Story { rule_sets, ..self.story.clone() }) {
                candidates = simpler::rules(&rules);
                self.rules[number] = rules;
            } else {
                tried += 1;
            }
        }
    }

    /// What kind of difference this is: rules and steps that are left say more than the difference alone.
    pub fn key(&self) -> String {
        let mut steps: Vec<&str> = self.story.steps.iter().map(|step| words::name(&step.what)).collect();
        steps.dedup();
        format!("{} [{}]", self.difference.kind, steps.join(" "))
    }

    pub fn show(&self) -> String {
        let mut shown = format!("=== {}\n", self.key());
        let named =
            |number: &usize| *number == 0 || self.story.steps.iter().any(|step| step.what == What::Reload(*number));
        for number in (0..self.story.rule_sets.len()).filter(named) {
            for (path, text) in &self.story.rule_sets[number] {
                shown.push_str(&format!("--- rules {number}, {path}\n{text}"));
            }
        }
        shown.push_str(&format!(
            "--- steps, from {}{}\n",
            Moment(self.story.begins),
            if self.story.on_disk { ", on disk" } else { "" }
        ));
        for step in &self.story.steps {
            shown.push_str(&words::step(step));
            shown.push('\n');
        }
        let Difference { kind, engine, model } = &self.difference;
        shown.push_str(&format!("--- {kind}\nengine: {engine}\nmodel:  {model}\n"));
        shown
    }
}

/// Steps without some of them; outcomes of decisions keep naming theirs.
fn without(steps: &[Step], from: usize, count: usize) -> Vec<Step> {
    let gone = |place: usize| (from..from + count).contains(&place);
    let mut numbers = Vec::new();
    let mut next = 0;
    for (place, step) in steps.iter().enumerate() {
        if matches!(step.what, What::Decide(_)) {
            numbers.push((!gone(place)).then_some(next));
            next += usize::from(!gone(place));
        }
    }
    let left = steps.iter().enumerate().filter(|(place, _)| !gone(*place));
    let renumbered = left.filter_map(|(_, step)| {
        let mut step = step.clone();
        if let What::Outcome { decision: Some(number), .. } = &mut step.what {
            *number = numbers.get(*number).copied().flatten()?;
        }
        Some(step)
    });
    renumbered.collect()
}
