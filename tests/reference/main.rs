//! The engine against a model of it that was written from the documents alone.
//!
//! Random rule sets and random histories are played through both, and everything that they say is compared. What differs
//! is made small and shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails should panic, wherever it stands"
)]

mod compare;
mod consent_table;
mod convert;
mod engine;
mod flip;
mod generate;
mod generated;
mod model;
mod moments;
mod mutate;
mod play;
mod run;
mod shrink;
mod simpler;
mod smoke;
mod story;
mod words;

use std::sync::atomic::Ordering;

/// `MUTATED=2000 cargo test --release --test reference misread -- --nocapture` prints the table.
#[test]
fn misread_rules_are_detected() {
    let sets = std::env::var("MUTATED").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let shares = mutate::shares(sets, 1);
    let (made, shown) = shares.values().fold((0, 0), |sum, share| (sum.0 + share.0, sum.1 + share.1));
    for (key, (made, shown)) in &shares {
        println!("{key:50} {shown:4} of {made:4} show");
    }
    println!("{} keys: {shown} of {made} changes show", shares.len());
    // Of 25 rule sets 28 of 57 show: some keys are misread only once or twice, in a handful of stories.
    assert!(shown * 5 > made * 2, "many mistakes show");
}

#[test]
fn the_engine_agrees_with_the_model() {
    let tally = run::run(&run::Extent::asked());
    let (sets, questions) = (tally.sets.load(Ordering::Relaxed), tally.questions.load(Ordering::Relaxed));
    println!("{}{sets} rule sets, {questions} questions, {} differences", tally.show(), tally.count());
    // As documented, one other body in 2,047 is taken for the one that came with an id before. Which one that is differs
    // from run to run, as bodies may hold the id of a decision.
    let taken_for_the_same = tally.count_of("recorded taken for reused");
    assert!(taken_for_the_same <= 1 + questions / 50_000, "{taken_for_the_same} bodies are taken for others");
    assert_eq!(tally.count() - taken_for_the_same, 0, "the engine differs from the model");
}
