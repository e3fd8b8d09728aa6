//! What the ledger says about one customer now.
//!
//! Two max-registers for each purpose, the latest grant and the latest restriction, so that any order,
//! duplication or split of one history gives one standing. Equal keys: the restrictive one wins.

use super::record::{ConsentRecord, ConsentStatus, OrderKey};
use crate::domain::id::PurposeId;
use crate::domain::purpose::Basis;
use crate::domain::time::Moment;

/// The latest grant of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its place in the customer's history.
    pub key: OrderKey,
    /// Ends here (exclusive), if the customer limited it.
    pub until: Moment,
    /// Version of the purpose that was shown.
    pub version: u32,
    /// The lawful basis at that time; none if the record is older than this field.
    pub basis: Option<Basis>,
    /// Its place in the ledger.
    pub position: u64,
}

/// The latest restriction of a purpose. The order is that of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Restriction {
    /// Its place in the customer's history.
    pub key: OrderKey,
    /// What it was.
    pub status: ConsentStatus,
    /// Its place in the ledger.
    pub position: u64,
    /// Version of the purpose then.
    pub version: u32,
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
    pub objection: Option<Restriction>,
    /// The customer's own latest "no": refused, withdrawn or objected. Each of them stops a purpose that an objection
    /// stops.
    pub refusal: Option<Restriction>,
    /// When the latest late or imported yes arrived, in the order of arrival; 0 if none did.
    pub late_yes: u64,
    /// The latest moment at which a "no" was said: that of its arrival, or for a late one the moment that it claims.
    pub said_no: Option<Moment>,
}

/// One customer's standing for every purpose.
///
/// Nearly every purpose has one grant in person without an end and nothing else: such a plain grant is packed into 16
/// bytes. The registers of all other purposes are stored unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The plain grants, by purpose.
    plain: Box<[PlainGrant]>,
    rest: Option<Box<Rest>>,
}

/// The parts that few customers have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    purposes: Vec<(PurposeId, Registers)>,
    restricted: Option<OrderKey>,
    lifted: Option<OrderKey>,
    erased: bool,
    /// The customer came back after an erasure without a yes to any purpose.
    returned: bool,
    /// The newest ledger position folded in, where no plain grant has a newer one.
    position: u64,
}

impl Rest {
    const NONE: Self =
        Self { purposes: Vec::new(), restricted: None, lifted: None, erased: false, returned: false, position: 0 };
}

impl Standing {
    /// The standing of a customer who was erased, without later records.
    #[must_use]
    pub fn erased() -> Self {
        Self { plain: Box::default(), rest: Some(Box::new(Rest { erased: true, ..Rest::NONE })) }
    }

    /// Whether the customer was erased before anything that is recorded here.
    #[must_use]
    pub fn was_erased(&self) -> bool {
        self.rest().erased
    }

    /// Whether the customer was erased and has not returned: nothing may be stored or done. Only a later yes in person
    /// or a later record of their return ends this; an import never does.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.was_erased()
            && !self.rest().returned
            && self.plain.is_empty()
            && self.rest().purposes.iter().all(|(_, registers)| registers.live_grant.is_none())
    }

    /// The registers of a purpose; empty if nothing was ever recorded.
    #[must_use]
    pub fn registers(&self, purpose: PurposeId) -> Registers {
        match self.plain_grant(purpose) {
            Some(grant) => Registers { live_grant: Some(grant.key), grant: Some(grant), ..Registers::default() },
            None => self.full(purpose).copied().unwrap_or_default(),
        }
    }

    /// The latest grant of a purpose.
    #[must_use]
    pub fn grant(&self, purpose: PurposeId) -> Option<Grant> {
        self.plain_grant(purpose).or_else(|| self.full(purpose)?.grant)
    }

    /// Whether there are only grants in person, and no "no" of any kind.
    pub(super) fn has_only_grants(&self) -> bool {
        self.rest.is_none()
    }

    /// The latest restriction of a purpose.
    #[must_use]
    pub fn restriction(&self, purpose: PurposeId) -> Option<Restriction> {
        self.full(purpose)?.restriction
    }

    /// The latest objection to a purpose.
    #[must_use]
    pub fn objection(&self, purpose: PurposeId) -> Option<Restriction> {
        self.full(purpose)?.objection
    }

    /// The customer's own latest "no" to a purpose.
    #[must_use]
    pub fn refusal(&self, purpose: PurposeId) -> Option<Restriction> {
        self.full(purpose)?.refusal
    }

    /// Whether processing is restricted to storage. A tie is a restriction.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        let Rest { restricted, lifted, .. } = self.rest();
        restricted.is_some_and(|key| lifted.is_none_or(|lifted| lifted <= key))
    }

    /// The newest ledger position folded in.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.plain.iter().map(|grant| read(grant).position).fold(self.rest().position, u64::max)
    }

    /// Whether anything was ever recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.position() == 0
            && self.plain.is_empty()
            && self.rest().purposes.is_empty()
            && self.rest().restricted.is_none()
            && !self.rest().returned
    }

    /// Folds one record in; folding it again changes nothing.
    pub fn apply(&mut self, purpose: Option<PurposeId>, record: &ConsentRecord, position: u64) {
        let (key, newest) = (record.order(), position.max(self.position()));
        match (record.status, purpose) {
            (ConsentStatus::Restricted, _) => raise(&mut self.rest_mut().restricted, key),
            (ConsentStatus::RestrictionLifted, _) => raise(&mut self.rest_mut().lifted, key),
            (ConsentStatus::Returned, _) => self.rest_mut().returned = true,
            (ConsentStatus::Given, Some(purpose)) => {
                let erased = self.was_erased();
                self.change(purpose, |registers| registers.give(record, position, erased));
            }
            (ConsentStatus::Expired, _) | (_, None) => {}
            (status, Some(purpose)) => {
                let restriction = Restriction { key, status, position, version: record.version };
                self.change(purpose, |registers| registers.restrict(restriction, record.said()));
            }
        }
        self.fold_position(newest);
    }

    /// Adds an objection without a record, for "what if".
    pub fn object(&mut self, purpose: PurposeId, at: Moment) {
        let key = OrderKey { at, sequence: u64::MAX };
        let objection = Restriction { key, status: ConsentStatus::Objected, position: 0, version: 0 };
        let newest = self.position();
        self.change(purpose, |registers| registers.restrict(objection, at));
        self.fold_position(newest);
    }

    /// Stores the newest position folded in, unless a plain grant has it.
    fn fold_position(&mut self, newest: u64) {
        let said = self.plain.iter().any(|grant| read(grant).position == newest);
        if !said {
            self.rest_mut().position = newest;
        } else if let Some(rest) = &mut self.rest {
            rest.position = 0;
        }
        self.rest.take_if(|rest| **rest == Rest::NONE);
    }

    fn rest(&self) -> &Rest {
        static NONE: Rest = Rest::NONE;
        self.rest.as_deref().unwrap_or(&NONE)
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_with(|| Box::new(Rest::NONE))
    }

    #[inline]
    fn plain_grant(&self, purpose: PurposeId) -> Option<Grant> {
        self.plain.iter().find(|[known, ..]| *known == purpose.0).map(read)
    }

    fn full(&self, purpose: PurposeId) -> Option<&Registers> {
        self.rest.as_ref()?.purposes.iter().find(|(id, _)| *id == purpose).map(|(_, found)| found)
    }

    /// Changes the registers of a purpose, and stores them packed if they fit.
    fn change(&mut self, purpose: PurposeId, change: impl FnOnce(&mut Registers)) {
        let mut registers = self.registers(purpose);
        change(&mut registers);
        let mut grants: Vec<PlainGrant> = self.plain.iter().filter(|[id, ..]| *id != purpose.0).copied().collect();
        if let Some(rest) = &mut self.rest {
            rest.purposes.retain(|(id, _)| *id != purpose);
        }
        if let Some(grant) = registers.plain(purpose) {
            grants.insert(grants.partition_point(|[id, ..]| *id < purpose.0), grant);
        } else {
            let full = &mut self.rest_mut().purposes;
            full.insert(full.partition_point(|(id, _)| *id < purpose), (purpose, registers));
        }
        // A copy allocates its exact length; a truncated vector would keep its capacity.
        self.plain = Box::from(grants.as_slice());
    }
}

/// A grant in person without an end, as it is packed: purpose, basis and version in one byte, then moment, order of
/// arrival and place in the ledger.
type PlainGrant = [u8; 16];

/// How many bits of a packed byte are the version; the others are the basis.
const VERSION_BITS: u32 = 5;

fn read(plain: &PlainGrant) -> Grant {
    let [_, terms, a, b, c, d, e, f, rest @ ..] = *plain;
    let [g, h, i, j, k, l, m, n] = rest;
    let basis = usize::from(terms >> VERSION_BITS).wrapping_sub(1);
    Grant {
        key: OrderKey {
            at: Moment(i64::from_le_bytes([0, 0, a, b, c, d, e, f]) >> 16),
            sequence: u64::from(u32::from_le_bytes([g, h, i, j])),
        },
        until: Moment::DISTANT_FUTURE,
        version: u32::from(terms & ((1 << VERSION_BITS) - 1)),
        basis: Basis::at(basis),
        position: u64::from(u32::from_le_bytes([k, l, m, n])),
    }
}

impl Registers {
    /// The registers as a plain grant, if they hold nothing else and their numbers fit.
    fn plain(&self, purpose: PurposeId) -> Option<PlainGrant> {
        let grant = self.grant?;
        let basis = grant.basis.map_or(Some(0), |basis| u8::try_from(basis.index() + 1).ok())?;
        let [a, b, c, d, e, f, ..] = grant.key.at.0.to_le_bytes();
        let [g, h, i, j] = u32::try_from(grant.key.sequence).ok()?.to_le_bytes();
        let [k, l, m, n] = u32::try_from(grant.position).ok()?.to_le_bytes();
        let version = u8::try_from(grant.version).ok()?;
        // A number that did not fit reads back as another.
        let terms = basis << VERSION_BITS | version;
        let plain = [purpose.0, terms, a, b, c, d, e, f, g, h, i, j, k, l, m, n];
        let only = Self { live_grant: Some(grant.key), grant: Some(read(&plain)), ..Self::default() };
        (*self == only).then_some(plain)
    }

    /// Folds a grant. After an erasure, only the arrival of a late grant is recorded: it may be from before.
    fn give(&mut self, record: &ConsentRecord, position: u64, erased: bool) {
        if record.deferred {
            self.late_yes = self.late_yes.max(record.sequence);
            if erased {
                return;
            }
        }
        let grant = Grant {
            key: record.order(),
            until: record.valid_until.unwrap_or(Moment::DISTANT_FUTURE),
            version: record.version,
            basis: record.basis,
            position,
        };
        // Of two grants with equal keys the narrower wins, in either order of arrival.
        let rank = |grant: &Grant| (grant.key, std::cmp::Reverse((grant.until, grant.version, grant.position)));
        if self.grant.as_ref().is_none_or(|held| rank(held) < rank(&grant)) {
            self.grant = Some(grant);
        }
        if !record.deferred {
            raise(&mut self.live_grant, grant.key);
        }
    }

    fn restrict(&mut self, restriction: Restriction, said: Moment) {
        raise(&mut self.said_no, said);
        if restriction.status == ConsentStatus::Objected {
            raise(&mut self.objection, restriction);
        }
        if matches!(restriction.status, ConsentStatus::Refused | ConsentStatus::Withdrawn | ConsentStatus::Objected) {
            raise(&mut self.refusal, restriction);
        }
        raise(&mut self.restriction, restriction);
    }
}

fn raise<T: Ord + Copy>(register: &mut Option<T>, latest: T) {
    *register = (*register).max(Some(latest));
}

#[cfg(test)]
mod tests;
