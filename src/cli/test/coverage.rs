//! Coverage as a table: how much of the rules the tests exercised, and the places of the rest.

use comfy_table::{CellAlignment, ColumnConstraint};
use serde_json::{Value, json};

use crate::cli::table::list;
use crate::scenario::test::{Exercise, Item};

/// How many places that were not exercised are shown; JSON has all of them.
const MOST_SHOWN: usize = 50;

/// Parses a percentage such as `90` or `92.5`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches(['%', ' ']).parse::<f64>().ok();
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| "a share is between 0 and 100".to_owned())
}

/// The exercised share, in percent; 100 if there is nothing to exercise.
#[expect(clippy::cast_precision_loss, reason = "rules have far fewer parts than 2^52")]
pub(super) fn share(items: &[Item]) -> f64 {
    let exercised = items.iter().filter(|item| item.exercised).count();
    if items.is_empty() { 100.0 } else { 100.0 * exercised as f64 / items.len() as f64 }
}

/// A table of the shares by kind, and the places that were not exercised.
pub(super) fn table_of(items: &[Item]) -> String {
    let mut sums = list(&["coverage", "exercised", "of", "%"]);
    for (name, items) in by_kind(items).filter(|(_, items)| !items.is_empty()) {
        sums.add_row(row(name, &items));
    }
    sums.add_row(row("everything", items));
    sums.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    let missed: Vec<&Item> = items.iter().filter(|item| !item.exercised).collect();
    if missed.is_empty() {
        return sums.trim_fmt();
    }
    let mut places = list(&["at", "not exercised"]);
    for item in missed.iter().take(MOST_SHOWN) {
        places.add_row([format!("{}:{}", item.place.file, item.place.line), item.missed.clone()]);
    }
    // A place broken over two lines cannot be copied or clicked.
    places.column_iter_mut().take(1).for_each(|column| {
        column.set_constraint(ColumnConstraint::ContentWidth);
    });
    let more = match missed.len().saturating_sub(MOST_SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} more: `--format json` lists them all"),
    };
    format!("{}\n\n{}{more}", sums.trim_fmt(), places.trim_fmt())
}

/// The same for programs.
pub(super) fn json(items: &[Item]) -> Value {
    let count = |items: &[Item]| items.iter().filter(|item| item.exercised).count();
    let kinds: Vec<Value> = by_kind(items)
        .map(|(name, items)| json!({ "kind": name, "exercised": count(&items), "of": items.len() }))
        .collect();
    let missed: Vec<Value> = items
        .iter()
        .filter(|item| !item.exercised)
        .map(|item| json!({ "what": item.missed, "file": item.place.file, "line": item.place.line, "column": item.place.column }))
        .collect();
    json!({ "percent": share(items), "exercised": count(items), "of": items.len(), "kinds": kinds, "missed": missed })
}

fn by_kind(items: &[Item]) -> impl Iterator<Item = (&'static str, Vec<Item>)> {
    let of = |kind| items.iter().filter(|item| item.kind == kind).cloned().collect::<Vec<_>>();
    Exercise::NAMES.into_iter().map(move |(name, kind)| (name, of(kind)))
}

/// The share is rounded down: what is shown as 90.0 is not below 90.
fn row(name: &str, items: &[Item]) -> [String; 4] {
    let exercised = items.iter().filter(|item| item.exercised).count();
    let share = (share(items) * 10.0).floor() / 10.0;
    [name.to_owned(), exercised.to_string(), items.len().to_string(), format!("{share:.1}")]
}
