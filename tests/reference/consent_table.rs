//! The table of docs/consent.md, played: every ordered sequence of up to three records, live, late and imported, also for a
//! wider purpose, on every basis, plain, for direct marketing and with `gpc: objects`, against an oracle that knows the
//! document alone.
//!
//! All purposes stand in one rule set, so that one history serves them all: the records of the first group of customers
//! are about the purposes that take a yes, those of the second about the others, where a yes does not bring an erased
//! customer back. The reference model lives through all of it beside the engine: both have to say what the document says.

mod history;
mod oracle;
mod rules;
mod stage;
mod table;

use std::sync::Arc;

use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;

use crate::engine::loaded;
use crate::story::RuleFiles;
use history::{How, Said, Token, histories, skeletons};
use rules::{purposes, text};
use stage::{Stage, Tally};
use table::{Cell, Effect, Row, TABLE};

fn files(text: String) -> RuleFiles {
    vec![("rules.yaml".to_owned(), text)]
}

fn rules_of(text: String) -> Arc<RuleSet> {
    loaded(&files(text), &Vocabulary::default()).unwrap()
}

/// How long after each other records come: an hour, or all in one millisecond.
const SPACINGS: [i64; 2] = [60 * oracle::MINUTE, 0];

/// Plays those histories over a skeleton that are chosen by their number.
fn play(rules: &Arc<RuleSet>, skeleton: &[Option<Said>], (one_in, spacing): (usize, i64)) -> Tally {
    let all = histories(skeleton).into_iter().enumerate();
    let chosen = all.filter(|(number, history)| {
        // What follows a return takes three records to see.
        let returns = |token: &Token| token.how == How::Live && matches!(token.said, Said::Given | Said::Returned);
        let comes_back = history[0].said == Said::Erased && history.get(1).is_some_and(returns);
        comes_back && spacing > 0 || ((number * 2_654_435_769) >> 7).is_multiple_of(one_in)
    });
    let chosen: Vec<Vec<Token>> = chosen.map(|(_, history)| history).collect();
    let mut tally = Tally::default();
    for some in chosen.chunks(1_000) {
        let mut stage = Stage::new(rules, some, spacing);
        for (step, slot) in (1..).zip(skeleton) {
            stage.step(step, *slot);
        }
        tally.add(stage.look());
    }
    tally
}

/// Plays a share of the histories of a length: with records an hour apart, and within one millisecond.
fn play_all(length: usize, one_in: [usize; 2]) {
    let rules = rules_of(text(&purposes()));
    let mut tally = Tally::default();
    for shares in one_in.into_iter().zip(SPACINGS) {
        skeletons(length).iter().for_each(|skeleton| tally.add(play(&rules, skeleton, shares)));
    }
    let (purposes, Tally { histories, compared, differences, shown }) = (purposes().len(), tally);
    println!(
        "{histories} sequences of {length} on {purposes} purposes, {compared} comparisons, {differences} differences"
    );
    assert!(differences == 0, "{shown:#?}");
}

#[test]
fn every_record_means_what_the_table_says() {
    play_all(1, [1, 1]);
}

#[test]
fn every_pair_of_records_means_what_the_table_says() {
    play_all(2, [1, if all() { 1 } else { 5 }]);
}

/// A fixed share of them, and all with `TACTFUL_CONSENT_TABLE=all`.
#[test]
fn every_triple_of_records_means_what_the_table_says() {
    play_all(3, if all() { [1, 1] } else { [97, 970] });
}

fn all() -> bool {
    std::env::var("TACTFUL_CONSENT_TABLE").is_ok_and(|wanted| wanted == "all")
}

/// The table of the page equals the data of the oracle.
#[test]
fn the_page_says_what_the_oracle_knows() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/consent.md")).unwrap();
    let table = page.split("## What each record means").nth(1).unwrap();
    let lines = table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows = lines.skip(2).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        (row(cells[0]), cells[1..].iter().map(|text| cell(text)).collect::<Vec<_>>())
    });
    let rows: Vec<_> = rows.collect();
    let known: Vec<_> = TABLE.iter().map(|(row, cells)| (*row, cells.to_vec())).collect();
    assert_eq!(rows, known);
}

fn row(text: &str) -> Row {
    match text {
        "none" => Row::None,
        "`GIVEN`" => Row::Given,
        "`REFUSED`" => Row::Refused,
        "`WITHDRAWN`" => Row::Withdrawn,
        "`REVOKED`" => Row::Revoked,
        "`OBJECTED`" => Row::Objected,
        "`RESTRICTED`" => Row::Restricted,
        "a ledger that cannot be trusted" => Row::Untrusted,
        "expired, superseded" => Row::Over,
        "retired" => Row::Retired,
        "erased" => Row::Erased,
        other => panic!("the oracle does not know `{other}`"),
    }
}

fn cell(text: &str) -> Cell {
    let first = text.split([' ', ',', ';', '(']).next().unwrap();
    match (first, text) {
        ("USE", _) => Cell::Is(Effect::Use),
        ("MASK", _) => Cell::Is(Effect::Mask),
        ("DROP", _) => Cell::Is(Effect::Drop),
        ("GONE", _) => Cell::Is(Effect::Gone),
        ("refused", _) => Cell::Refused,
        (_, "does not happen") => Cell::Never,
        (_, text) if text.starts_with("as its basis") => Cell::AsItsBasis,
        (_, text) => Cell::As(row(text.trim_start_matches("as ").split([' ', ',', ';']).next().unwrap())),
    }
}
