//! docs/expressions.md: every example on the page compiles without a word, or is refused with the code beside it.

use std::collections::BTreeSet;

use tactful::domain::id::Vocabulary;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::rules::code::CATALOGUE;
use tactful::rules::load;

use super::support::folder;

/// What the declarations on the page need to be a rule set; `CONDITION` is one.
const REST: &str = "
channels: {web: {direction: inbound, interruption: 1}}
actions:
  - id: newsletter
    title: News
    kind: information
    purpose: service
    eligible:
      - |-
        CONDITION
    relevance: {base: 40}
    intrusiveness: 1
    treatments: {web: {text: News}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 7 days}
  time_zone: Europe/Berlin
";

fn page() -> String {
    std::fs::read_to_string(folder("docs/expressions.md")).unwrap()
}

/// The fenced blocks of a language, without their fences.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The rows of every table that has all of these columns, cut down to them.
fn rows(page: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|').replace("\\|", "\0");
        line.split('|').map(|cell| cell.trim().trim_matches('`').replace('\0', "|")).collect()
    };
    let lines: Vec<&str> = page.lines().collect();
    let tables = lines.split(|line| !line.starts_with('|')).filter(|table| table.len() > 2);
    let mut found = Vec::new();
    for table in tables {
        let head = cells(table[0]);
        let places: Option<Vec<usize>> =
            columns.iter().map(|column| head.iter().position(|name| name == column)).collect();
        let Some(places) = places else { continue };
        found.extend(table[2..].iter().map(|line| {
            let cells = cells(line);
            places.iter().map(|place| cells[*place].clone()).collect()
        }));
    }
    found
}

/// The codes of what is said about a condition of the page.
fn said(page: &str, condition: &str) -> BTreeSet<String> {
    let text = format!("{}{}", blocks(page, "yaml")[0], REST.replace("CONDITION", condition));
    let loaded = load(Sources::new(vec![SourceFile { path: "page.yaml".into(), text }]), &Vocabulary::default());
    let of_conditions = loaded.diagnostics.iter().filter(|problem| problem.code.0 < 300);
    of_conditions.map(|problem| format!("{} {}", problem.code, problem.message)).collect()
}

#[test]
fn every_example_of_the_page_compiles() {
    let page = page();
    let mut examples: Vec<String> = rows(&page, &["example"]).into_iter().flatten().collect();
    examples.extend(rows(&page, &["right"]).into_iter().flatten());
    examples.extend(blocks(&page, "cel").iter().flat_map(|block| block.lines()).map(str::to_owned));
    assert!(examples.len() > 60, "{}", examples.len());
    for example in examples {
        let said = said(&page, &example);
        assert!(said.is_empty(), "{example}: {said:#?}");
    }
}

#[test]
fn every_mistake_of_the_page_is_refused_with_its_code() {
    let page = page();
    let mistakes = rows(&page, &["code", "wrong"]);
    for mistake in &mistakes {
        let said = said(&page, &mistake[1]);
        assert!(said.len() == 1 && said.iter().all(|said| said.starts_with(&mistake[0])), "{mistake:?}: {said:#?}");
    }
    for (code, ..) in CATALOGUE.iter().filter(|(code, ..)| (200..300).contains(&code.0)) {
        assert!(mistakes.iter().any(|mistake| mistake[0] == code.to_string()), "{code} is not on the page");
    }
}
