//! What docs/consent.md says, as a plain walk over one history. Shares no code with the engine, and keeps no registers:
//! whatever is asked, the whole history is read again.

use std::cmp::Reverse;

use super::history::{How, Said, Token};
use super::rules::{Kind, Terms};
use super::table::{Cell, ENDS, Effect, End, INTEREST, MARKETING, Row, cell, column, effect};

pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 24 * 60 * MINUTE;
/// How long a yes lasts, and how long the customer is not asked again after a "no".
pub const LASTS: i64 = 30 * DAY;
pub const COOLING_OFF: i64 = 60 * DAY;
/// How far the clock of a late source may be wrong.
const SKEW: i64 = 5 * MINUTE;

/// One record that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    row: Row,
    /// When it arrived, and which step of the history it was.
    arrived: i64,
    step: usize,
    live: bool,
    /// From when it counts.
    counts: i64,
    /// When it was said, as far as is known.
    said: i64,
    /// What was shown, for a yes.
    version: u32,
    basis: &'static str,
    until: i64,
}

impl Entry {
    /// Whether a yes comes after something that counts from its arrival.
    fn is_later_than(&self, no: &Self) -> bool {
        if self.live { self.step > no.step } else { self.counts > no.arrived }
    }
}

/// A fact that is held: the step at which it was told, and whether it may be read again one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    pub told: usize,
    pub withheld_for_good: bool,
}

/// Whether an ask may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Yes,
    NotBefore(i64),
    Never,
}

/// One customer's history, and what is held of them.
#[derive(Debug, Clone)]
pub struct Customer {
    own: Vec<Vec<Entry>>,
    restrictions: Vec<Entry>,
    erased: Option<Entry>,
    gone: bool,
    pub facts: Vec<Option<Fact>>,
}

impl Customer {
    pub fn new(purposes: usize) -> Self {
        let (own, facts) = (vec![Vec::new(); purposes], vec![None; purposes]);
        Self { own, restrictions: Vec::new(), erased: None, gone: false, facts }
    }

    /// A record arrives for the purposes at these places (for none if it concerns everything): the word for each, empty
    /// where it is taken.
    pub fn arrives(
        &mut self,
        token: Token,
        (step, now, claimed): (usize, i64, Option<i64>),
        at: &[usize],
        purposes: &[Terms],
    ) -> Vec<&'static str> {
        let deferred = token.is_deferred();
        let entry = |row, permits: bool| Entry {
            row,
            arrived: now,
            step,
            live: !deferred,
            counts: if permits && deferred { claimed.unwrap_or(now).min(now) - SKEW } else { now },
            said: claimed.filter(|_| deferred).unwrap_or(now).min(now),
            version: 0,
            basis: "",
            until: i64::MAX,
        };
        if at.is_empty() {
            return vec![self.concerns_everything(token, entry)];
        }
        let refused: Vec<&str> = at.iter().map(|place| refused(token, &purposes[*place])).collect();
        if self.gone {
            let returns = token.said == Said::Given && !deferred && refused.contains(&"");
            if !returns {
                return vec!["erased"; at.len()];
            }
            self.gone = false;
        }
        for (place, _) in at.iter().zip(&refused).filter(|(_, refused)| refused.is_empty()) {
            let terms = &purposes[*place];
            let entry = entry(token.said.row(), token.said == Said::Given);
            let until = entry.counts + LASTS + if entry.live || terms.kind == Kind::Plain { 0 } else { SKEW };
            self.own[*place].push(Entry { version: terms.version, basis: terms.basis, until, ..entry });
        }
        refused
    }

    fn concerns_everything(&mut self, token: Token, entry: impl Fn(Row, bool) -> Entry) -> &'static str {
        if token.said == Said::Returned {
            let word = match token.how {
                How::Live => "",
                How::Bare => "evidence_required",
                _ => "must_be_live",
            };
            return match (self.gone, word) {
                (true, "") => {
                    self.gone = false;
                    ""
                }
                (true, _) => "erased",
                (false, "") => "not_erased",
                (false, word) => word,
            };
        }
        if self.gone {
            return "erased";
        }
        let lifts = token.said == Said::Lifted;
        self.restrictions.push(entry(if lifts { Row::Given } else { Row::Restricted }, lifts));
        ""
    }

    /// The customer is erased.
    pub fn erase(&mut self, (step, now): (usize, i64)) {
        *self = Self::new(self.own.len());
        let erased = Entry {
            row: Row::Objected,
            arrived: now,
            step,
            live: true,
            counts: now,
            said: now,
            version: 0,
            basis: "",
            until: i64::MAX,
        };
        (self.erased, self.gone) = (Some(erased), true);
    }

    /// The "no"s that hold for a purpose: its own and those to the wider one, which is the last.
    fn holding(&self, place: usize, terms: &Terms) -> Vec<Entry> {
        let column = column(terms);
        let wider = self.own.last().filter(|_| place + 1 < self.own.len()).into_iter().flatten();
        let erased = self.erased.filter(|_| [INTEREST, MARKETING].contains(&column));
        let nos = self.own[place].iter().chain(wider).filter(|entry| entry.row != Row::Given).copied();
        let taken = |no: &Entry| cell(no.row, column) != Cell::Refused;
        let ended = |no: &Entry| {
            let (_, ends) = ENDS.iter().find(|(row, _)| *row == no.row).unwrap();
            self.yeses(place).any(|yes| yes.is_later_than(no) && (yes.live || ends[column] == End::Yes))
        };
        nos.chain(erased).filter(|no| taken(no) && !ended(no)).collect()
    }

    /// After an erasure, a late yes may be from before, and has no effect.
    fn yeses(&self, place: usize) -> impl Iterator<Item = &Entry> {
        self.own[place].iter().filter(|entry| entry.row == Row::Given && (entry.live || self.erased.is_none()))
    }

    fn latest_yes(&self, place: usize) -> Option<&Entry> {
        // Live ones count in the order of arrival; of late ones that claim one moment, the narrower counts.
        let arrival = |yes: &Entry| if yes.live { yes.step } else { 0 };
        self.yeses(place).max_by_key(|yes| (yes.counts, arrival(yes), Reverse((yes.until, yes.version))))
    }

    fn is_restricted(&self) -> bool {
        let of = |row| self.restrictions.iter().filter(move |entry| entry.row == row);
        of(Row::Restricted).any(|no| !of(Row::Given).any(|lifted| lifted.is_later_than(no)))
    }

    /// What the table makes of a purpose now, and the word for why it may not be used.
    pub fn stands(&self, place: usize, terms: &Terms, (now, trusted): (i64, bool)) -> (Effect, &'static str) {
        let mut effects = vec![effect(Row::None, terms)];
        let mut word = "";
        let name = |word: &mut &'static str, said| *word = if word.is_empty() { said } else { word };
        if self.gone {
            effects.push(effect(Row::Erased, terms));
            name(&mut word, "erased");
        }
        if terms.retired {
            effects.push(effect(Row::Retired, terms));
            name(&mut word, "retired");
        }
        let holding = self.holding(place, terms);
        effects.extend(holding.iter().map(|no| effect(no.row, terms)));
        if let Some(latest) = holding.iter().max_by_key(|no| no.step) {
            name(&mut word, latest.row.word());
        }
        if terms.asks() {
            match self.latest_yes(place) {
                None => name(&mut word, if trusted { "no_record" } else { "ledger_unavailable" }),
                Some(yes) if yes.version != terms.version || yes.basis != terms.basis => {
                    effects.push(effect(Row::Over, terms));
                    name(&mut word, "superseded");
                }
                Some(yes) if now >= yes.until => {
                    effects.push(effect(Row::Over, terms));
                    name(&mut word, "expired");
                }
                Some(_) => effects[0] = effect(Row::Given, terms),
            }
        }
        if !trusted {
            effects.push(effect(Row::Untrusted, terms));
            name(&mut word, "ledger_unavailable");
        }
        if self.is_restricted() {
            effects.push(effect(Row::Restricted, terms));
            name(&mut word, "restricted");
        }
        (effects.into_iter().max().unwrap(), word)
    }

    /// Whether the customer may be asked for a purpose.
    pub fn ask(&self, place: usize, terms: &Terms, (now, trusted): (i64, bool)) -> Ask {
        let agreed = self.stands(place, terms, (now, true)).0 == Effect::Use;
        if self.gone || terms.retired || !trusted || self.is_restricted() || agreed {
            return Ask::Never;
        }
        let holding = self.holding(place, terms);
        if holding.iter().any(|no| no.row == Row::Objected) {
            return Ask::Never;
        }
        let latest = holding.iter().map(|no| no.arrived + COOLING_OFF).max();
        latest.filter(|until| *until > now).map_or(Ask::Yes, Ask::NotBefore)
    }

    /// Whether a late yes came after the latest "no" that holds, and so lost; or every "no" was said before the newest yes
    /// in person, and one arrived late.
    pub fn needs_reconfirm(&self, place: usize, terms: &Terms) -> bool {
        let Some(latest) = self.holding(place, terms).into_iter().map(|no| no.step).max() else { return false };
        let late = |entry: &&Entry| entry.row == Row::Given && !entry.live;
        let lost = self.own[place].iter().filter(late).any(|yes| latest < yes.step);
        let wider = self.own.last().filter(|_| place + 1 < self.own.len()).into_iter().flatten();
        let nos = self.own[place].iter().chain(wider).filter(|entry| entry.row != Row::Given);
        let in_person = self.yeses(place).filter(|yes| yes.live).map(|yes| yes.arrived).max();
        lost || in_person.zip(nos.map(|no| no.said).max()).is_some_and(|(yes, no)| yes > no)
    }

    /// Time passes, or something was recorded: data that may not be stored is deleted.
    pub fn settle(&mut self, purposes: &[Terms], now: i64) {
        for (place, terms) in purposes.iter().enumerate() {
            let denied = self.gone || terms.retired || !self.holding(place, terms).is_empty();
            let yes = self.latest_yes(place);
            let kept = !denied && (!terms.asks() || yes.is_some_and(|yes| now < yes.until));
            let restricted = self.is_restricted();
            self.facts[place] = self.facts[place]
                .map(|fact| Fact { withheld_for_good: fact.withheld_for_good || !kept, ..fact })
                .filter(|fact| !fact.withheld_for_good || restricted);
        }
    }

    /// Every fact is told again.
    pub fn told(&mut self, purposes: &[Terms], (step, now): (usize, i64)) {
        for (place, terms) in purposes.iter().enumerate() {
            if self.stands(place, terms, (now, true)).0 == Effect::Use {
                self.facts[place] = Some(Fact { told: step, withheld_for_good: false });
            }
        }
    }
}

/// Whether the word for a denial is a "no" of the customer's or of others.
pub fn is_a_no(word: &str) -> bool {
    ["refused", "withdrawn", "revoked", "objected"].contains(&word)
}

/// The word with which a record for one purpose is refused; empty if it is taken.
fn refused(token: Token, terms: &Terms) -> &'static str {
    let row = token.said.row();
    if row == Row::Given && terms.retired {
        return "purpose_retired";
    }
    if row == Row::Given && terms.basis == "explicit_consent" && token.how == How::Bare {
        return "evidence_required";
    }
    match (cell(row, column(terms)), row) {
        (Cell::Refused, Row::Objected) => "basis_allows_no_objection",
        (Cell::Refused, _) => "basis_needs_no_consent",
        _ => "",
    }
}
