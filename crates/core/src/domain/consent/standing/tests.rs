//! The registers against an oracle that has none.

use proptest::prelude::*;

use super::*;
use crate::domain::consent::gate::{Stage, lawful};
use crate::domain::id::PurposeSet;
use crate::domain::purpose::{Basis, Purpose};

const PURPOSE: PurposeId = PurposeId(3);

fn terms() -> Purpose {
    Purpose {
        basis: Basis::Consent,
        version: 1,
        direct_marketing: false,
        gpc_objects: false,
        retired: false,
        expires_after: None,
        cooling_off: None,
        notice: None,
        ancestors: PurposeSet::of(WIDER),
    }
}

const WIDER: PurposeId = PurposeId(1);

/// What a customer really did, and how a source reported it.
#[derive(Debug, Clone)]
struct Step {
    purpose: PurposeId,
    status: ConsentStatus,
    at: i64,
    delay: i64,
    skew: i64,
}

/// Many changes close together, so that they collide; half of them late, all from clocks that are wrong by up to
/// the tolerated skew.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let purpose = prop_oneof![3 => Just(PURPOSE), 1 => Just(WIDER)];
    let status = prop_oneof![
        3 => Just(ConsentStatus::Given),
        1 => Just(ConsentStatus::Withdrawn),
        1 => Just(ConsentStatus::Refused),
        1 => Just(ConsentStatus::Revoked),
        1 => Just(ConsentStatus::Objected),
    ];
    let at = prop_oneof![0_i64..2_000_000, 0_i64..10];
    let step = (purpose, status, at, prop_oneof![Just(0_i64), 1_i64..2_000_000, 1_i64..10], -300_000_i64..=300_000);
    let step = step.prop_map(|(purpose, status, at, delay, skew)| Step { purpose, status, at, delay, skew });
    proptest::collection::vec(step, 0..7)
}

/// The last word in the true order of events: yes or no. An oracle without registers or keys.
fn last_word(steps: &[Step]) -> bool {
    let mut truth: Vec<&Step> = steps.iter().collect();
    truth.sort_by_key(|step| step.at);
    truth.iter().fold(false, |said_yes, step| match (step.status, step.purpose) {
        (ConsentStatus::Given, PURPOSE) => true,
        (ConsentStatus::Given, _) => said_yes,
        _ => false,
    })
}

fn records(steps: &[Step]) -> Vec<ConsentRecord> {
    let mut arrivals: Vec<&Step> = steps.iter().collect();
    arrivals.sort_by_key(|step| step.at + step.delay);
    arrivals
        .into_iter()
        .zip(1..)
        .map(|(step, sequence)| ConsentRecord {
            record_id: format!("r{sequence}"),
            customer: "c".into(),
            purpose: if step.purpose == PURPOSE { "wide.narrow".into() } else { "wide".into() },
            claimed: Some(Moment(step.at + step.skew)),
            deferred: step.delay > 0,
            ..ConsentRecord::new(step.status, Moment(step.at + step.delay), sequence)
        })
        .collect()
}

#[test]
fn a_tie_is_a_no() {
    let mut yes = records(&[Step { purpose: PURPOSE, status: ConsentStatus::Given, at: 5, delay: 0, skew: 0 }]);
    yes.push(ConsentRecord { status: ConsentStatus::Withdrawn, ..yes[0].clone() });
    assert!(!lawful(&fold(&yes), PURPOSE, &terms(), Stage::Evaluation, Moment(10)).allows());
}

#[test]
fn a_grant_ends_at_the_very_moment_at_which_it_ends() {
    let mut records = records(&[Step { purpose: PURPOSE, status: ConsentStatus::Given, at: 5, delay: 0, skew: 0 }]);
    records[0].valid_until = Some(Moment(10));
    let at = |now| lawful(&fold(&records), PURPOSE, &terms(), Stage::Evaluation, Moment(now)).allows();
    assert_eq!((at(5), at(9), at(10), at(11)), (true, true, false, false));
}

fn fold<'a>(records: impl IntoIterator<Item = &'a ConsentRecord>) -> Standing {
    let mut standing = Standing::default();
    for record in records {
        let purpose = if record.purpose == "wide" { WIDER } else { PURPOSE };
        standing.apply(Some(purpose), record, record.sequence);
    }
    standing
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Packed registers equal unpacked ones, also for large numbers, ends, versions and bases.
    #[test]
    fn packed_registers_are_the_registers(
        steps in steps(),
        ends in proptest::collection::vec(proptest::option::of(0_i64..9), 7),
        versions in proptest::collection::vec((0_u32..300, 0_u64..6_000_000_000, 0_usize..8), 7),
    ) {
        let mut records = records(&steps);
        let mut standing = Standing::default();
        let mut full = [Registers::default(); 2];
        let mut newest = 0;
        for ((record, end), (version, add, basis)) in records.iter_mut().zip(ends).zip(versions) {
            record.valid_until = end.map(Moment);
            record.version = version;
            record.basis = Basis::at(basis);
            record.sequence += add;
            let narrow = record.purpose != "wide";
            let position = record.sequence ^ 1;
            newest = newest.max(position);
            standing.apply(Some(if narrow { PURPOSE } else { WIDER }), record, position);
            let registers = &mut full[usize::from(narrow)];
            match record.status {
                ConsentStatus::Given => registers.give(record, position, false),
                status => {
                    let restriction = Restriction { key: record.order(), status, version, position };
                    registers.restrict(restriction, record.said());
                }
            }
        }
        prop_assert_eq!([WIDER, PURPOSE].map(|purpose| standing.registers(purpose)), full);
        prop_assert_eq!([WIDER, PURPOSE].map(|purpose| standing.grant(purpose)), full.map(|full| full.grant));
        prop_assert_eq!(standing.position(), newest);
        prop_assert_eq!(standing.is_empty(), steps.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_gives_one_standing_and_never_a_yes_after_a_no(
        steps in steps(),
        shuffle in any::<u64>(),
        again in 0_usize..7,
    ) {
        let records = records(&steps);
        let standing = fold(&records);
        let mut shuffled: Vec<&ConsentRecord> = records.iter().chain(records.iter().skip(again)).collect();
        shuffled.sort_by_key(|record| record.sequence.wrapping_mul(shuffle | 1) ^ shuffle);
        prop_assert_eq!(&standing, &fold(shuffled));

        let verdict = lawful(&standing, PURPOSE, &terms(), Stage::Evaluation, Moment(1_000_000_000));
        prop_assert!(last_word(&steps) || !verdict.allows(), "{:?}", verdict);
        let prompt = steps.iter().all(|step| step.delay == 0);
        prop_assert!(!prompt || last_word(&steps) == verdict.allows(), "live changes are believed: {:?}", verdict);
    }
}
