//! The table of docs/consent.md as data, and what ends each "no".

use super::rules::{Kind, Terms};

/// What may be said and read, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Use,
    Mask,
    Drop,
    Gone,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    None,
    Given,
    Refused,
    Withdrawn,
    Revoked,
    Objected,
    Restricted,
    Untrusted,
    Over,
    Retired,
    Erased,
}

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    Is(Effect),
    Refused,
    As(Row),
    AsItsBasis,
    Never,
}

/// The columns of the table.
pub const COLUMNS: usize = 4;
const CONSENT: usize = 0;
const CONTRACT: usize = 1;
pub const INTEREST: usize = 2;
pub const MARKETING: usize = 3;

const DROP: Cell = Cell::Is(Effect::Drop);
const MASK: Cell = Cell::Is(Effect::Mask);
const USE: Cell = Cell::Is(Effect::Use);
const GONE: Cell = Cell::Is(Effect::Gone);
const OBJECTED: Cell = Cell::As(Row::Objected);
const WITHDRAWN: Cell = Cell::As(Row::Withdrawn);

/// The table of docs/consent.md, "What each record means".
pub const TABLE: [(Row, [Cell; COLUMNS]); 11] = [
    (Row::None, [DROP, USE, USE, Cell::AsItsBasis]),
    (Row::Given, [USE, Cell::Refused, USE, Cell::AsItsBasis]),
    (Row::Refused, [DROP, Cell::Refused, OBJECTED, OBJECTED]),
    (Row::Withdrawn, [DROP, Cell::Refused, OBJECTED, OBJECTED]),
    (Row::Revoked, [DROP, Cell::Refused, DROP, DROP]),
    (Row::Objected, [WITHDRAWN, Cell::Refused, DROP, DROP]),
    (Row::Restricted, [DROP, MASK, MASK, DROP]),
    (Row::Untrusted, [DROP, MASK, MASK, DROP]),
    (Row::Over, [DROP, Cell::Never, Cell::Never, Cell::AsItsBasis]),
    (Row::Retired, [DROP; COLUMNS]),
    (Row::Erased, [GONE; COLUMNS]),
];

/// What ends a "no" of the customer's, or of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A later yes, in person or late.
    Yes,
    /// A later yes in person.
    LiveYes,
}

/// What ends each "no", by column; the contract's column takes none.
pub const ENDS: [(Row, [End; COLUMNS]); 4] = [
    (Row::Refused, [End::Yes, End::Yes, End::LiveYes, End::LiveYes]),
    (Row::Withdrawn, [End::Yes, End::Yes, End::LiveYes, End::LiveYes]),
    (Row::Revoked, [End::Yes; COLUMNS]),
    (Row::Objected, [End::LiveYes; COLUMNS]),
];

pub fn cell(row: Row, column: usize) -> Cell {
    TABLE.iter().find(|(known, _)| *known == row).unwrap().1[column]
}

pub fn column(terms: &Terms) -> usize {
    if terms.kind == Kind::Plain { basis_column(terms) } else { MARKETING }
}

fn basis_column(terms: &Terms) -> usize {
    match terms.basis {
        "consent" | "explicit_consent" => CONSENT,
        "public_task" | "legitimate_interest" => INTEREST,
        _ => CONTRACT,
    }
}

/// The effect of a row on a purpose.
pub fn effect(row: Row, terms: &Terms) -> Effect {
    match cell(row, column(terms)) {
        Cell::Is(effect) => effect,
        Cell::As(other) => effect_in(other, column(terms)),
        Cell::AsItsBasis => effect_in(row, basis_column(terms)),
        // A record that is not taken changes nothing.
        Cell::Refused | Cell::Never => effect_in(Row::None, basis_column(terms)),
    }
}

fn effect_in(row: Row, column: usize) -> Effect {
    match cell(row, column) {
        Cell::Is(effect) => effect,
        Cell::Refused | Cell::Never => effect_in(Row::None, column),
        other => panic!("{row:?} in column {column} is {other:?}"),
    }
}

impl Row {
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Objected => "objected",
            other => panic!("{other:?} is not a word for a denial"),
        }
    }
}
