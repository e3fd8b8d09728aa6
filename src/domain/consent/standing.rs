//! What the ledger says about one customer now.
//!
//! Two max-registers for each purpose, the latest grant and the latest restriction, so that any order,
//! duplication or split of one history gives one standing. Equal keys: the restrictive one wins.

use smallvec::SmallVec;

use super::record::{ConsentRecord, ConsentStatus, OrderKey};
use crate::domain::id::PurposeId;
use crate::domain::purpose::Basis;
use crate::domain::time::Moment;

/// The latest grant of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Where it stands in the history.
    pub key: OrderKey,
    /// Ends here (exclusive), if the customer limited it.
    pub until: Moment,
    /// Version of the purpose that was shown.
    pub version: u32,
    /// The basis that the purpose rested on then; nothing in records from before bases were written.
    pub basis: Option<Basis>,
    /// Its place in the ledger.
    pub position: u64,
}

/// The latest restriction of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction {
    /// Where it stands in the history.
    pub key: OrderKey,
    /// What it was.
    pub status: ConsentStatus,
    /// Version of the purpose then.
    pub version: u32,
    /// Its place in the ledger.
    pub position: u64,
}

/// Everything recorded about one purpose, folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// The latest grant.
    pub grant: Option<Grant>,
    /// The latest grant that came live from the customer: the only kind that clears an objection.
    pub live_grant: Option<OrderKey>,
    /// The latest restriction of any kind.
    pub restriction: Option<Restriction>,
    /// The latest objection.
    pub objection: Option<OrderKey>,
}

/// One customer's standing for every purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    purposes: SmallVec<[(PurposeId, Registers); 2]>,
    restricted: Option<OrderKey>,
    lifted: Option<OrderKey>,
    position: u64,
    erased: bool,
}

impl Standing {
    /// The standing of somebody who was erased, and of whom nothing has been recorded since.
    #[must_use]
    pub fn erased() -> Self {
        Self { erased: true, ..Self::default() }
    }

    /// Whether the customer was erased before anything that is recorded here.
    #[must_use]
    pub fn was_erased(&self) -> bool {
        self.erased
    }

    /// Whether the customer was erased and has not come back: nothing may be kept or done. Only a yes in person, given
    /// since then, is a way back; an import never is.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.erased && self.purposes.iter().all(|(_, registers)| registers.live_grant.is_none())
    }

    /// The registers of a purpose; empty if nothing was ever recorded.
    #[must_use]
    pub fn registers(&self, purpose: PurposeId) -> Registers {
        self.purposes.iter().find(|(id, _)| *id == purpose).map_or_else(Registers::default, |(_, found)| *found)
    }

    /// Whether processing is restricted to storage. A tie is a restriction.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.restricted.is_some_and(|key| self.lifted.is_none_or(|lifted| lifted <= key))
    }

    /// The newest ledger position folded in.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether anything was ever recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.position == 0 && self.purposes.is_empty() && self.restricted.is_none()
    }

    /// Folds one record in; folding it again changes nothing.
    pub fn apply(&mut self, purpose: Option<PurposeId>, record: &ConsentRecord, position: u64) {
        self.position = self.position.max(position);
        let key = record.order();
        match (record.status, purpose) {
            (ConsentStatus::Restricted, _) => raise(&mut self.restricted, key),
            (ConsentStatus::RestrictionLifted, _) => raise(&mut self.lifted, key),
            (ConsentStatus::Given, Some(purpose)) => self.grant(purpose, record, position),
            (ConsentStatus::Expired, _) | (_, None) => {}
            (status, Some(purpose)) => {
                self.restrict(purpose, Restriction { key, status, version: record.version, position });
            }
        }
    }

    fn grant(&mut self, purpose: PurposeId, record: &ConsentRecord, position: u64) {
        let grant = Grant {
            key: record.order(),
            until: record.valid_until.unwrap_or(Moment::DISTANT_FUTURE),
            version: record.version,
            basis: record.basis,
            position,
        };
        let registers = self.entry(purpose);
        // Between two grants with one key the narrower wins, whichever came first.
        let rank = |grant: &Grant| (grant.key, std::cmp::Reverse((grant.until, grant.version, grant.position)));
        if registers.grant.as_ref().is_none_or(|held| rank(held) < rank(&grant)) {
            registers.grant = Some(grant);
        }
        if !record.deferred {
            raise(&mut registers.live_grant, grant.key);
        }
    }

    fn restrict(&mut self, purpose: PurposeId, restriction: Restriction) {
        let registers = self.entry(purpose);
        if restriction.status == ConsentStatus::Objected {
            raise(&mut registers.objection, restriction.key);
        }
        let rank = |restriction: &Restriction| (restriction.key, restriction.status, restriction.position);
        if registers.restriction.as_ref().is_none_or(|held| rank(held) < rank(&restriction)) {
            registers.restriction = Some(restriction);
        }
    }

    fn entry(&mut self, purpose: PurposeId) -> &mut Registers {
        let index = match self.purposes.binary_search_by_key(&purpose, |(id, _)| *id) {
            Ok(index) => index,
            Err(index) => {
                self.purposes.insert(index, (purpose, Registers::default()));
                index
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the index was found or made one line above")]
        &mut self.purposes[index].1
    }
}

fn raise(register: &mut Option<OrderKey>, key: OrderKey) {
    *register = (*register).max(Some(key));
}

#[cfg(test)]
mod tests {
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

    /// Many changes in little time, so that they meet; half of them late, all by clocks that are wrong by up to the skew
    /// that is allowed for.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let purpose = prop_oneof![3 => Just(PURPOSE), 1 => Just(WIDER)];
        let status = prop_oneof![
            3 => Just(ConsentStatus::Given),
            1 => Just(ConsentStatus::Withdrawn),
            1 => Just(ConsentStatus::Refused),
            1 => Just(ConsentStatus::Revoked),
            1 => Just(ConsentStatus::Objected),
        ];
        let delay = prop_oneof![Just(0_i64), 1_i64..2_000_000, 1_i64..10];
        let at = prop_oneof![0_i64..2_000_000, 0_i64..10];
        let step = (purpose, status, at, delay, -300_000_i64..=300_000);
        let step = step.prop_map(|(purpose, status, at, delay, skew)| Step { purpose, status, at, delay, skew });
        proptest::collection::vec(step, 0..7)
    }

    /// The last word, in the order in which things really happened: yes or no. Knows nothing of registers or keys.
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
                version: 1,
                basis: None,
                status: step.status,
                received: Moment(step.at + step.delay),
                sequence,
                claimed: Some(Moment(step.at + step.skew)),
                deferred: step.delay > 0,
                valid_until: None,
                notice: String::new(),
                language: String::new(),
                expression: String::new(),
                source: crate::domain::consent::record::ConsentSource::default(),
            })
            .collect()
    }

    #[test]
    fn a_tie_is_a_no() {
        let mut yes = records(&[Step { purpose: PURPOSE, status: ConsentStatus::Given, at: 5, delay: 0, skew: 0 }]);
        let mut no = yes.clone();
        no[0].status = ConsentStatus::Withdrawn;
        yes.append(&mut no);
        let verdict = lawful(&fold(&yes), PURPOSE, &terms(), Stage::Evaluation, Moment(10));
        assert!(!verdict.allows());
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
}
