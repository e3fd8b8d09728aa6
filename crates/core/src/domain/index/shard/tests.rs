//! Shards of hundreds of rows, with room for every value and with next to none: what survives is what was asked for.

#![allow(clippy::indexing_slicing, reason = "a test that fails should panic")]

use compact_str::CompactString;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::expr::{Comparison, FactId};
use crate::domain::id::Id;
use crate::domain::index::allowed::number;
use crate::domain::index::clause::Clause;
use crate::domain::value::{Operand, Truth, Value};

/// Three numbers, then texts.
const NUMBERS: u32 = 3;
const DIMENSIONS: u32 = 6;
const TEXTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug)]
struct Known(Vec<Option<Value>>);

impl Facts for Known {
    fn read(&self, fact: FactId) -> Operand<'_> {
        self.0[fact.0 as usize].as_ref().map_or(Operand::Unknown, Value::operand)
    }

    fn has(&self, _: FactId) -> Truth {
        Truth::Unknown
    }
}

fn value(fact: u32) -> BoxedStrategy<Value> {
    if fact < NUMBERS {
        (-5..25_i32).prop_map(|number| Value::Number(f64::from(number) / 2.0)).boxed()
    } else {
        select(TEXTS.to_vec()).prop_map(|text| Value::Text(CompactString::from(text))).boxed()
    }
}

fn demand(fact: u32) -> BoxedStrategy<Allowed> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let values = proptest::collection::vec(value(fact), 1..4);
    let listed = (values, any::<bool>()).prop_map(|(values, inside)| {
        if inside { Allowed::any_of(&values) } else { Allowed::none_of(&values) }.unwrap()
    });
    let how = if fact < NUMBERS {
        vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]
    } else {
        vec![Equal, NotEqual]
    };
    let compared = (select(how), value(fact)).prop_map(|(how, with)| Allowed::comparison(how, &with).unwrap());
    prop_oneof![listed, compared].boxed()
}

fn clause() -> impl Strategy<Value = Clause> {
    let facts = proptest::sample::subsequence((0..DIMENSIONS).collect::<Vec<_>>(), 0..4);
    let demands = facts.prop_flat_map(|facts| {
        facts
            .into_iter()
            .map(|fact| demand(fact).prop_map(move |allowed| (Dimension::Fact(FactId(fact)), allowed)))
            .collect::<Vec<_>>()
    });
    (demands, proptest::bool::weighted(0.9)).prop_map(|(demands, exact)| Clause { demands, exact })
}

fn entries() -> impl Strategy<Value = Vec<Vec<Clause>>> {
    proptest::collection::vec(proptest::collection::vec(clause(), 0..3), 1..200)
}

fn known() -> impl Strategy<Value = Known> {
    (0..DIMENSIONS).map(|fact| proptest::option::weighted(0.9, value(fact))).collect::<Vec<_>>().prop_map(Known)
}

fn contains(allowed: &Allowed, operand: Operand<'_>) -> bool {
    match (allowed, operand) {
        (Allowed::Texts(texts), Operand::Text(text)) => texts.contains(text),
        (Allowed::OtherTexts(texts), Operand::Text(text)) => !texts.contains(text),
        (Allowed::Numbers(ranges), operand) => number(operand).is_some_and(|value| {
            ranges.iter().any(|range| range.from.is_passed_by(value) && !range.to.is_passed_by(value))
        }),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn survivors_are_those_whose_demands_are_met(
        alternatives in entries(),
        customers in proptest::collection::vec(known(), 8),
        worth_a_column in select(vec![1, 4, 1_000]),
        words in select(vec![0, 20, 60, 1 << 20]),
    ) {
        let channel = ChannelId::at(0);
        let entry = |(index, alternatives): (usize, &Vec<Clause>)| Entry {
            action: ActionId::at(index),
            channels: vec![channel],
            alternatives: alternatives.clone(),
            sensitivity: Some(0.5),
            promise: Promise::default(),
        };
        let entries: Vec<Entry> = alternatives.iter().enumerate().map(entry).collect();
        let shard = Shard::within(Budget { worth_a_column, words }, &entries, &FactTable::default());
        let generous = words > 60 && worth_a_column == 1_000;
        for facts in &customers {
            let survivors: Vec<_> = shard.survivors(channel, facts).collect();
            for entry in &entries {
                let met = |clause: &&Clause| {
                    clause.demands.iter().all(|(dimension, allowed)| contains(allowed, dimension.read(facts)))
                };
                let holds = entry.alternatives.iter().filter(met).any(|clause| clause.exact);
                let may_hold = entry.alternatives.iter().any(|clause| met(&clause));
                let survivor = survivors.iter().find(|survivor| survivor.action == entry.action);
                prop_assert!(survivor.is_some() || !may_hold, "{:?} is lost", entry);
                prop_assert!(survivor.is_none_or(|survivor| survivor.holds.is_none()) || holds, "{:?} does not hold", entry);
                if generous {
                    prop_assert_eq!(survivor.is_some(), may_hold);
                    prop_assert_eq!(survivor.is_some_and(|survivor| survivor.holds.is_some()), holds);
                }
            }
        }
    }
}
