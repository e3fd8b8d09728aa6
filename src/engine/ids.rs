//! Ids of decisions and consent records.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::domain::customer::contact::DecisionKey;
use crate::domain::time::Moment;
use crate::unique_id::unique_id;

/// The id of a decision; all zeros if nothing was recorded for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DecisionId(Uuid);

impl DecisionId {
    /// A new id.
    fn new(now: Moment) -> Self {
        Self(unique_id(now))
    }

    /// The id with this text; `None` for one of another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The half that contacts keep. It is random, and never that of an id from before this layout, which were below
    /// 2⁶³.
    #[must_use]
    pub fn key(self) -> DecisionKey {
        DecisionKey(self.0.as_u64_pair().1)
    }

    /// When it was made.
    #[must_use]
    pub fn at(self) -> Moment {
        let [a, b, c, d, e, f, ..] = self.bytes();
        Moment(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// The id with these bytes.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Whether it is the id of a decision for which nothing was recorded.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { Ok(()) } else { self.0.hyphenated().fmt(f) }
    }
}

/// The id of a decision as a caller names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedDecision {
    /// An id of now.
    Unique(DecisionId),
    /// An id from before UUIDs: `d-`, the start of its process and its number there, in hexadecimal.
    Numbered {
        /// The lower half of the moment at which the process started.
        run: u32,
        /// The number of the decision in that process.
        number: u64,
    },
}

impl NamedDecision {
    /// The decision with this id; `None` if it is not the id of a decision.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((run, number)) = text.strip_prefix("d-").and_then(|rest| rest.split_once('-')) else {
            return DecisionId::parse(text).filter(|id| !id.is_none()).map(Self::Unique);
        };
        let (run, number) = (u32::from_str_radix(run, 16).ok()?, u64::from_str_radix(number, 16).ok()?);
        Some(Self::Numbered { run, number })
    }

    /// Whether a contact with this key is of the decision.
    #[must_use]
    pub fn is(self, key: DecisionKey) -> bool {
        match self {
            Self::Unique(id) => id.key() == key,
            // The key was the number, counted from 2²⁰ for each millisecond before the start.
            Self::Numbered { run, number } => key.0.checked_sub(number).is_some_and(|first| {
                let start = first >> 20;
                key != DecisionKey::default() && start << 20 == first && start & u64::from(u32::MAX) == u64::from(run)
            }),
        }
    }
}

/// The source of the ids of decisions and consent records.
#[derive(Debug)]
pub struct Ids {
    next_record: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { next_record: AtomicU64::new(1) }
    }
}

impl Ids {
    /// The id of a new decision.
    pub fn decision(&self, now: Moment) -> DecisionId {
        DecisionId::new(now)
    }

    /// The sequence number and the id of a new consent record.
    pub fn record(&self, now: Moment) -> (u64, String) {
        (self.next_record.fetch_add(1, Ordering::AcqRel), unique_id(now).hyphenated().to_string())
    }

    /// Continues after a sequence number of consent records.
    pub fn continue_after(&self, sequence: u64) {
        self.next_record.fetch_max(sequence + 1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOW: Moment = Moment(1_772_442_000_123);

    #[test]
    fn ids_have_the_layout_of_uuid_version_7() {
        let id = Ids::default().decision(NOW);
        let uuid = id.0;
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(uuid.as_u64_pair().0 >> 16, 1_772_442_000_123);
        assert_eq!(DecisionId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_string().len(), 36);
        assert_eq!((DecisionId::default().to_string().as_str(), DecisionId::parse("d-adc69a80-2")), ("", None));
    }

    /// As a process that started now gave them out: its start in milliseconds is `0x19c_adc6_9afb`.
    #[test]
    fn an_id_from_before_names_the_key_that_it_stood_for() {
        let start = 1_772_442_000_123_u64;
        let named = NamedDecision::parse(&format!("d-{:08x}-{:x}", start & 0xffff_ffff, 17)).unwrap();
        assert!(named.is(DecisionKey((start << 20) + 17)) && !named.is(DecisionKey((start << 20) + 18)));
        assert!(!named.is(DecisionKey(((start + 1) << 20) + 17)), "another process");
        assert!(named.is(DecisionKey(((start + (1 << 32)) << 20) + 17)), "seven weeks later, of another customer");
        assert!(!named.is(Ids::default().decision(NOW).key()) && !named.is(DecisionKey::default()));
        for wrong in ["", "d-1", "d-x-1", "7", "00000000-0000-0000-0000-000000000000"] {
            assert_eq!(NamedDecision::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_of_a_thread_sort_in_the_order_in_which_they_were_made() {
        let ids = Ids::default();
        let made: Vec<DecisionId> = (0..3_000).map(|number| ids.decision(Moment(NOW.0 + number / 1_500))).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn the_halves_that_contacts_keep_differ_over_threads_and_are_none_of_before() {
        let made = || -> Vec<u64> { (0..10_000).map(|_| Ids::default().decision(NOW).key().0).collect() };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(made)).collect();
        let keys: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(keys.iter().all(|key| *key >= 1 << 63));
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        let random: [u64; 2] = keys.iter().fold([0, u64::MAX], |[any, all], key| [any | key, all & key]);
        assert_eq!(random, [u64::MAX >> 2 | 1 << 63, 1 << 63], "all other bits are random");
    }
}
