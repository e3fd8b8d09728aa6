//! What helps to edit rule files: the table of keys, and that the reference says the same.

use tactful::rules::shape::{self, Form, Shape};
use tactful::scenario::shape as test_shape;

use super::support::folder;

/// The tables of the reference by the section they stand in, one after another.
const TABLES: [(&str, &Shape); 12] = [
    ("Purposes", &shape::PURPOSE),
    ("Attributes", &shape::ATTRIBUTE),
    ("Context", &shape::CONTEXT),
    ("Events", &shape::EVENT),
    ("Channels", &shape::CHANNEL),
    ("Journeys", &shape::JOURNEY),
    ("Journeys", &shape::STAGE),
    ("Actions", &shape::ACTION),
    ("Policy", &shape::POLICY),
    ("How a test is written", &test_shape::TEST),
    ("How a test is written", &test_shape::EXPECTATION),
    ("Lints of your own", &shape::LINT),
];

#[test]
fn the_reference_lists_every_key_in_order_and_in_the_words_that_editors_show() {
    let pages = ["docs/rules.md", "docs/testing.md", "docs/lints.md"];
    let text: String = pages.iter().map(|page| std::fs::read_to_string(folder(page)).unwrap()).collect();
    let mut found = tables(&text).into_iter();
    for (section, shape) in TABLES {
        let (heading, rows) = found.next().unwrap_or_else(|| panic!("{section}: no table"));
        assert_eq!(heading, section);
        let mut wanted = Vec::new();
        lines(shape, "", &mut wanted);
        assert_eq!(rows, wanted, "{section}");
    }
    assert_eq!(found.next(), None, "a table that is not compared");
}

type Rows = Vec<(String, String)>;

/// Every table whose first column is `key`: its section, and its rows' first and last column.
fn tables(text: &str) -> Vec<(String, Rows)> {
    let link = regex::Regex::new(r"\[([^]]+)\]\([^)]+\)").unwrap();
    let (mut section, mut tables, mut open) = (String::new(), Vec::<(String, Rows)>::new(), false);
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        } else if line.starts_with("| key |") {
            tables.push((section.clone(), Vec::new()));
        } else if let (true, Some((_, rows)), [first, .., last]) = (open, tables.last_mut(), &cells[..])
            && line.starts_with("| `")
        {
            rows.push((first.trim_matches('`').to_owned(), link.replace_all(last, "$1").into_owned()));
        }
        open = line.starts_with("| key |") || open && line.starts_with('|');
    }
    tables
}

/// The keys of a shape as the reference lists them; the policy's together with those of the maps behind them.
fn lines(shape: &Shape, above: &str, found: &mut Rows) {
    let nested = !above.is_empty() || shape.what == shape::POLICY.what;
    for key in shape.keys {
        let name = format!("{above}{}", key.name);
        match &key.form {
            Form::Map(inner) if nested => lines(inner, &format!("{name}."), found),
            _ => found.push((name, key.about.to_owned())),
        }
    }
}
