//! What holds for every expression that the checker lets through: it comes out as its type says or as unknown,
//! listed texts stay listed, and learning more never changes what was known. Expressions are written from a
//! tape of random bytes, mostly of fitting types.

use proptest::prelude::*;

use super::{check_text, rules};
use crate::domain::expr::{FactId, FactTable, Facts, evaluate};
use crate::domain::time::{Moment, Period};
use crate::domain::value::{Operand, Truth, Type, Value};

/// Random choices; when they are used up, the first of everything.
struct Tape<'t> {
    bytes: std::slice::Iter<'t, u8>,
    bound: usize,
}

impl Tape<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(*self.bytes.next().unwrap_or(&0)) % count
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// An expression, now and then of another type.
    fn write(&mut self, kind: Type, depth: u32) -> String {
        let strange = self.below(60) == 59;
        let kind = if strange { Type::NAMES[self.below(Type::NAMES.len())].1 } else { kind };
        let depth = if self.below(4) == 0 { 0 } else { depth };
        match kind {
            Type::Flag => self.flag(depth),
            Type::Text => self.text(depth),
            Type::Number => self.number(depth),
            Type::Moment => self.moment(depth),
            Type::Duration => self.duration(depth),
            Type::List => self.list(depth),
        }
    }

    fn choose(&mut self, kind: Type, depth: u32) -> String {
        let (test, yes, no) = (self.write(Type::Flag, depth), self.write(kind, depth), self.write(kind, depth));
        format!("(({test}) ? ({yes}) : ({no}))")
    }

    fn two(&mut self, kind: Type, signs: &[&str], depth: u32) -> String {
        let (left, sign, right) = (self.write(kind, depth), self.pick(signs), self.write(kind, depth));
        format!("({left} {sign} {right})")
    }

    fn flag(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return self.pick(&["customer.vip", "has(customer.plan)", "has(context.topic)", "true"]).to_owned();
        };
        const ORDERED: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
        const EQUAL: [&str; 2] = ["==", "!="];
        let either = [Type::List, Type::Flag][self.below(2)];
        match self.below(13) {
            0 => self.two(Type::Flag, &["&&"], depth),
            1 => self.two(Type::Flag, &["||"], depth),
            2 => format!("!({})", self.write(Type::Flag, depth)),
            3 => self.two(Type::Number, &ORDERED, depth),
            4 => self.two(Type::Moment, &ORDERED, depth),
            5 => self.two(Type::Duration, &ORDERED, depth),
            6 => self.two(Type::Text, &EQUAL, depth),
            7 => self.two(either, &EQUAL, depth),
            8 => format!("({} in {})", self.write(Type::Text, depth), self.write(Type::List, depth)),
            9 => format!("({} in [1, 2, -3])", self.write(Type::Number, depth)),
            10 => {
                let (text, test) = (self.write(Type::Text, depth), self.pick(&["startsWith", "endsWith", "contains"]));
                format!("({text}).{test}({})", self.write(Type::Text, depth))
            }
            11 => {
                let (list, test) = (self.write(Type::List, depth), self.pick(&["exists", "all"]));
                self.bound += 1;
                let (name, body) = (self.bound, self.write(Type::Flag, depth));
                self.bound -= 1;
                format!("({list}).{test}(x{name}, {body})")
            }
            _ => self.choose(Type::Flag, depth),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        match (self.below(3), depth.checked_sub(1)) {
            (0, Some(depth)) => self.choose(Type::Text, depth),
            (1, _) if self.bound > 0 => format!("x{}", self.below(self.bound) + 1),
            _ => self
                .pick(&[
                    "customer.plan",
                    "customer.contract",
                    "'dsl'",
                    "context.topic",
                    "'speed'",
                    "channel",
                    "local.date",
                ])
                .to_owned(),
        }
    }

    fn number(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return self.pick(&["customer.age", "hurt", "2", "0", "-1.5", "1e300", "customer.spend"]).to_owned();
        };
        let sized = [Type::Text, Type::List][self.below(2)];
        match self.below(5) {
            0 | 1 => self.two(Type::Number, &["+", "-", "*", "/", "%"], depth),
            2 => format!("-({})", self.write(Type::Number, depth)),
            3 => format!("size({})", self.write(sized, depth)),
            _ => self.choose(Type::Number, depth),
        }
    }

    fn moment(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return self.pick(&["customer.since", "now", "timestamp('2026-03-02T10:00:00Z')"]).to_owned();
        };
        match self.below(3) {
            0 => format!("({} + {})", self.write(Type::Duration, depth), self.write(Type::Moment, depth)),
            1 => format!("({} - {})", self.write(Type::Moment, depth), self.write(Type::Duration, depth)),
            _ => self.choose(Type::Moment, depth),
        }
    }

    fn duration(&mut self, depth: u32) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return self.pick(&["customer.waited", "duration('36h')", "journey.broadband.in_stage_for"]).to_owned();
        };
        match self.below(4) {
            0 => self.two(Type::Duration, &["+", "-"], depth),
            1 => self.two(Type::Moment, &["-"], depth),
            2 => format!("-({})", self.write(Type::Duration, depth)),
            _ => self.choose(Type::Duration, depth),
        }
    }

    fn list(&mut self, depth: u32) -> String {
        match (self.below(3), depth.checked_sub(1)) {
            (0, Some(depth)) => self.choose(Type::List, depth),
            _ => self.pick(&["customer.tags", "customer.notes", "['vip', 'a']", "[]"]).to_owned(),
        }
    }

    fn value(&mut self, kind: Type, one_of: Option<&[compact_str::CompactString]>) -> Value {
        let text = |tape: &mut Self| match one_of {
            Some(texts) => texts[tape.below(texts.len())].clone(),
            None => tape.pick(&["", "a", "dsl", "2026-03-02"]).into(),
        };
        match kind {
            Type::Text => Value::Text(text(self)),
            Type::Flag => Value::Flag(self.below(2) == 0),
            Type::Number => Value::Number([0.0, 1.0, -2.5, 3.0, 1e300][self.below(5)]),
            Type::Moment => Value::Moment([Moment::DISTANT_PAST, Moment(0), Moment(1_772_442_000_000)][self.below(3)]),
            Type::Duration => Value::Duration([Period(0), Period::DAY, Period(-5)][self.below(3)]),
            Type::List => Value::List((0..self.below(3)).map(|_| text(self)).collect()),
        }
    }
}

/// Facts by their place: given, absent (which `has` tells) or withheld.
struct Table(Vec<(Option<Value>, Truth)>);

impl Facts for Table {
    fn read(&self, fact: FactId) -> Operand<'_> {
        self.0[fact.0 as usize].0.as_ref().map_or(Operand::Unknown, Value::operand)
    }

    fn has(&self, fact: FactId) -> Truth {
        self.0[fact.0 as usize].1
    }
}

/// Knowledge of every fact, and an extension of it.
fn tables(facts: &FactTable, tape: &mut Tape<'_>) -> (Table, Table) {
    let mut rows = (Vec::new(), Vec::new());
    for (_, entry) in facts.iter() {
        let known = (Some(tape.value(entry.kind, entry.one_of.as_deref())), Truth::True);
        let (some, more) = match tape.below(4) {
            0 => ((None, Truth::Unknown), (None, Truth::Unknown)),
            1 => ((None, Truth::Unknown), known),
            2 => ((None, Truth::False), (None, Truth::False)),
            _ => (known.clone(), known),
        };
        rows.0.push(some);
        rows.1.push(more);
    }
    (Table(rows.0), Table(rows.1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_checked_expression_comes_out_as_its_type_says(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        known in prop::collection::vec(any::<u8>(), 80),
        kind in 0..6_usize,
    ) {
        let text = Tape { bytes: bytes.iter(), bound: 0 }.write(Type::NAMES[kind].1, 4);
        let mut facts = FactTable::default();
        let (checked, found) = check_text(&text, rules(), &mut facts);
        let Some(checked) = checked else {
            prop_assert!(!found.is_empty(), "{text}");
            return Ok(());
        };
        let (some, more) = tables(&facts, &mut Tape { bytes: known.iter(), bound: 0 });
        let (known, refined) = (evaluate(&checked.node, &some), evaluate(&checked.node, &more));
        for value in [known, refined] {
            prop_assert!(value.kind().is_none_or(|kind| kind == checked.kind), "{text}: {value:?}");
            let texts: Vec<&str> = match value {
                Operand::Text(text) => vec![text],
                Operand::List(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            let listed = |text: &&str| checked.one_of.as_ref().is_none_or(|listed| listed.iter().any(|one| one == text));
            prop_assert!(texts.iter().all(listed), "{text}: {value:?} {:?}", checked.one_of);
        }
        prop_assert!(known == Operand::Unknown || known == refined, "{text}: {known:?} became {refined:?}");
    }

    #[test]
    fn no_text_makes_the_checker_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        with in r#"[a-z0-9 "'().,!=<>?:&|%/*+\-\[\]\PC]{0,4}"#,
    ) {
        let text = Tape { bytes: bytes.iter(), bound: 0 }.write(Type::Flag, 4);
        let mut letters: Vec<char> = text.chars().collect();
        let place = at.index(letters.len());
        letters.splice(place..(place + 1), with.chars());
        let text: String = letters.into_iter().collect();
        let (checked, found) = check_text(&text, rules(), &mut FactTable::default());
        prop_assert!(checked.is_some() || !found.is_empty(), "{text}");
        for problem in found {
            prop_assert!(text.get(problem.span.start as usize..problem.span.end as usize).is_some(), "{problem:?}");
        }
    }
}

/// Most of what the tape writes passes, or the properties above would say little.
#[test]
fn most_expressions_pass() {
    let mut passed = 0;
    for seed in 0..300_u32 {
        let bytes: Vec<u8> = (0..200_u32)
            .map(|place| (seed.wrapping_mul(2_654_435_761) ^ place.wrapping_mul(40_503 + seed)).to_le_bytes()[1])
            .collect();
        let text = Tape { bytes: bytes.iter(), bound: 0 }.write(Type::Flag, 3);
        passed += usize::from(check_text(&text, rules(), &mut FactTable::default()).0.is_some());
    }
    assert!(passed > 60, "{passed} of 300");
}
