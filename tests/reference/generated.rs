//! What is generated is fit to test with: every rule set loads, and over a hundred of them everything that the documents
//! name is there.

use std::collections::BTreeMap;

use tactful::domain::id::Vocabulary;

use crate::engine::{Player, loaded};
use crate::generate::change;
use crate::generate::coverage::Coverage;
use crate::generate::history::Teller;
use crate::generate::random::Random;
use crate::generate::rules::Rules;
use crate::story::{Reply, RuleFiles, What};

#[test]
fn every_rule_set_loads() {
    let mut refused = Vec::new();
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let rules = Rules::random(&mut random);
        let changed = change::changed(&rules, &mut random);
        for (what, files) in [("random", rules.files(&mut random)), ("changed", changed.files(&mut random))] {
            if let Err(mistakes) = loaded(&files, &Vocabulary::default()) {
                refused.push(format!("{what} rules of seed {seed}:\n{mistakes}"));
            }
        }
    }
    assert!(refused.is_empty(), "{} are refused\n{}", refused.len(), refused.join("\n\n"));
}

#[test]
fn a_hundred_rule_sets_hold_every_key_and_word() {
    for first in [0, 1_000_000] {
        let mut coverage = Coverage::expected();
        (first..first + 100).for_each(|seed| coverage.count(&Rules::random(&mut Random::new(seed)).value));
        for (name, count) in &coverage.0 {
            println!("{count:4}  {name}");
        }
        assert!(coverage.missing().is_empty(), "never generated: {:?}", coverage.missing());
    }
}

#[test]
fn stories_come_to_every_gate_and_every_silence() {
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let rules = Rules::random(&mut random);
        let files = rules.files(&mut random);
        let mut teller = Teller::new(rules, seed % 50 == 7, &mut random);
        let mut player = Player::new(&files, teller.begins(), seed % 50 == 7).unwrap();
        let mut rule_sets: Vec<RuleFiles> = vec![files];
        for place in 0..40 {
            let step = teller.next(place, &mut random);
            while rule_sets.len() < teller.rule_sets.len() {
                rule_sets.push(teller.rule_sets[rule_sets.len()].files(&mut random));
            }
            let played = player.play(&step, &rule_sets);
            if let Some(contradiction) = played.contradiction {
                println!("seed {seed}, step {place}: {contradiction}");
            }
            note(&step.what, &played.reply, &mut shares);
            if !played.flips.is_empty() {
                *shares.entry("flips".into()).or_default() += played.flips.len();
            }
            teller.heard(&step, &played.reply);
        }
        for customer in teller.customers() {
            player.held(customer, i64::MAX / 4);
        }
    }
    for (what, count) in &shares {
        println!("{count:6}  {what}");
    }
}

fn note(what: &What, reply: &Reply, shares: &mut BTreeMap<String, usize>) {
    let mut count = |what: String| *shares.entry(what).or_default() += 1;
    match reply {
        Reply::Answer(answer) => {
            count(format!("answer with {}", answer.chosen.len()));
            if let Some(silence) = &answer.silence {
                count(format!("silence {}", silence.reason));
                count(format!("retry {}", silence.retry_after.is_some()));
            }
            answer.candidates.values().for_each(|candidate| count(format!("gate {}", candidate.gate)));
        }
        Reply::Consent(results) => {
            let What::Consent { changes, .. } = what else { return };
            for (change, result) in changes.iter().zip(results) {
                count(format!("consent {} {}", change.status, result.as_deref().unwrap_or("taken")));
            }
        }
        reply => count(format!("{reply:?} to {}", format!("{what:?}").split([' ', '(', '{']).next().unwrap())),
    }
}
