//! The ids of events and outcomes that a customer has had, so that a repetition counts once.

/// The kinds of ids: one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// Of events.
    Event,
    /// Of outcomes.
    Outcome,
}

/// An id as it is stored, in six bytes: 36 bits of its hash, the kind, and 11 bits of the hash of what came with it.
///
/// Of 4,096 stored ids, a new one is mistaken for one once in 17 million times; another body under an id is taken for the
/// same once in 2,047 times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownId([u8; 6]);

/// The bits of the hash of an id, in the number that the bytes are.
const ID: u64 = (1 << 36) - 1;
const KIND: u32 = 36;
const BODY: u32 = 37;
/// How many bodies are told apart. Zero stands for any: what came with ids of before is not known.
const BODIES: u64 = (1 << 11) - 1;

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is new.
    New,
    /// It came before, with the same.
    Before,
    /// It came before, with something else.
    WithAnother,
}

impl KnownId {
    /// An id by its hash, and by the hash of what came with it.
    #[must_use]
    pub fn new(kind: IdKind, id: u64, body: u64) -> Self {
        Self::packed(kind, id, 1 + body % BODIES)
    }

    /// An id of which it is not known what came with it.
    #[must_use]
    pub fn without_body(kind: IdKind, id: u64) -> Self {
        Self::packed(kind, id, 0)
    }

    fn packed(kind: IdKind, id: u64, body: u64) -> Self {
        let kind = match kind {
            IdKind::Event => 0,
            IdKind::Outcome => 1,
        };
        let [a, b, c, d, e, f, ..] = (id & ID | kind << KIND | body << BODY).to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    /// As it was packed.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// As it is packed.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    fn number(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// Whether both are of one kind.
    #[must_use]
    pub fn is_of_kind_of(self, other: Self) -> bool {
        (self.number() ^ other.number()) >> KIND & 1 == 0
    }

    /// What a stored id says of a new one.
    #[must_use]
    pub fn says_of(self, new: Self) -> Seen {
        let (held, new) = (self.number(), new.number());
        if (held ^ new) << (u64::BITS - BODY) != 0 {
            return Seen::New;
        }
        let (held, new) = (held >> BODY, new >> BODY);
        if held == new || held == 0 || new == 0 { Seen::Before } else { Seen::WithAnother }
    }
}
