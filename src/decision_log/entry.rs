//! The entries of the log, and their bytes.
//!
//! What stays readable until the customer is erased (steps, time, rules, purposes) lies beside the sealed values, so
//! that the values can be overwritten alone. Integers are little-endian:
//!
//! ```text
//! 0  4  "TfE1", by which reading goes on behind damage
//! 4  u16 length of the content, u16 of the sealed customer id, u32 of the sealed values
//! 12 u32 CRC-32C of bytes 4 to 12 and the content
//! 16 …  the content, the sealed customer id, the sealed values
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ledger::FileKey;

const MARK: &[u8; 4] = b"TfE1";
/// The bytes before the content.
const HEAD: usize = 16;

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// It was overwritten.
    Erased,
    /// A decision was made.
    Decision(LoggedDecision),
    /// An outcome was recorded.
    Outcome(LoggedOutcome),
}

/// What stays readable of a decision until its customer is erased.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// The customer's pseudonym.
    pub customer: [u8; 20],
    /// The decision's id.
    pub id: [u8; 16],
    /// When it was made, in milliseconds since 1970.
    pub at: i64,
    /// The channel's number.
    pub channel: u8,
    /// The numbers of the steps, best first.
    pub actions: Vec<u16>,
    /// The place of the reason for silence in the list of all reasons.
    pub silence: Option<u8>,
    /// The purposes that were used, a bit for each.
    pub purposes: u64,
    /// The newest position of the ledger that it knew of.
    pub position: u64,
    /// The customer's revocation epoch.
    pub epoch: u64,
    /// The hash of the rule set.
    pub rules: [u8; 16],
    /// Whether its values say where each action stopped.
    pub sampled: bool,
}

/// What is logged of an outcome.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoggedOutcome {
    /// The customer's pseudonym.
    pub customer: [u8; 20],
    /// The key of the decision; 0 if it is not known.
    pub decision: u64,
    /// When it happened, in milliseconds since 1970.
    pub at: i64,
    /// The action's number.
    pub action: u16,
    /// The channel's number.
    pub channel: Option<u8>,
    /// The place of the outcome in the list of all outcomes.
    pub outcome: u8,
    /// The newest position of the ledger that the customer's standing knew of.
    pub position: u64,
}

/// The values of a decision: what was read from the customer, and what a caller told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DecisionValues<'a> {
    /// The id of the request.
    pub request_id: Cow<'a, str>,
    /// The facts of the moment.
    pub context: Vec<(Cow<'a, str>, LoggedValue<'a>)>,
    /// The most steps that were asked for.
    pub max_actions: u32,
    /// The groups that were asked for.
    pub groups: Vec<Cow<'a, str>>,
    /// How much was to be explained: nothing, the funnel, everything.
    pub explain: u8,
    /// Until when the answer was the same.
    pub valid_until: i64,
    /// What was said of each step, in their order.
    pub actions: Vec<ActionValues<'a>>,
    /// What was said of a silence.
    pub silence: Option<SilenceValues<'a>>,
    /// Whether a full history had dropped something.
    pub truncated: bool,
    /// Of a decision of the sample: each action and the gate at which it stopped.
    pub stopped: Vec<(u16, u8)>,
}

/// The values of one step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ActionValues<'a> {
    /// The content key.
    pub content: Cow<'a, str>,
    /// The text.
    pub text: Cow<'a, str>,
    /// The terms of the score, in the order of the formula.
    pub terms: [f64; 8],
    /// The highest sensitivity that was used.
    pub personal: f64,
    /// The reasons.
    pub because: Vec<Cow<'a, str>>,
}

/// The values of a silence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SilenceValues<'a> {
    /// The reason in words.
    pub detail: Cow<'a, str>,
    /// The action that came nearest, and what it lacked.
    pub nearest: Option<(u16, f64)>,
    /// When something would be said.
    pub retry_after: Option<i64>,
}

/// A value of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LoggedValue<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A moment, in milliseconds since 1970.
    Moment(i64),
    /// A length of time, in milliseconds.
    Duration(i64),
    /// Texts.
    List(Vec<Cow<'a, str>>),
}

impl LoggedDecision {
    /// Its key: the half of its id that contacts keep.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.id.last_chunk().map_or(0, |half| u64::from_be_bytes(*half))
    }
}

impl Content {
    /// The customer's pseudonym.
    pub fn customer(&self) -> Option<[u8; 20]> {
        match self {
            Self::Erased => None,
            Self::Decision(decision) => Some(decision.customer),
            Self::Outcome(outcome) => Some(outcome.customer),
        }
    }

    /// The newest position of the ledger that was known.
    pub fn position(&self) -> Option<u64> {
        match self {
            Self::Erased => None,
            Self::Decision(decision) => Some(decision.position),
            Self::Outcome(outcome) => Some(outcome.position),
        }
    }

    /// The key of a decision: the half of its id that contacts keep.
    pub fn key(&self) -> Option<u64> {
        match self {
            Self::Decision(decision) => Some(decision.key()),
            Self::Erased | Self::Outcome(_) => None,
        }
    }

    /// When it happened.
    pub fn at(&self) -> Option<i64> {
        match self {
            Self::Erased => None,
            Self::Decision(decision) => Some(decision.at),
            Self::Outcome(outcome) => Some(outcome.at),
        }
    }
}

/// Whether an entry is about a person, in any spelling of the id.
pub fn of_person(content: &Content, person: &[u8; 12]) -> bool {
    content.customer().is_some_and(|customer| customer.starts_with(person))
}

/// The part of an entry that a nonce is for.
#[derive(Debug, Clone, Copy)]
enum Part {
    Customer,
    Values,
}

/// An offset is used once in a file, whose key no other file has.
fn nonce(offset: u64, part: Part) -> [u8; 24] {
    let mut nonce = [0; 24];
    let [a, b, c, d, e, f, g, h, kind, ..] = &mut nonce;
    for (to, from) in [a, b, c, d, e, f, g, h].into_iter().zip(offset.to_le_bytes()) {
        *to = from;
    }
    *kind = part as u8;
    nonce
}

/// Appends the bytes of an entry that will lie at an offset; `None` if it is too long.
pub fn write(
    out: &mut Vec<u8>,
    (offset, key): (u64, &FileKey),
    content: &Content,
    sealed: Option<(&str, &DecisionValues<'_>)>,
) -> Option<()> {
    let content = postcard::to_allocvec(content).ok()?;
    let (mut customer, mut values) = (Vec::new(), Vec::new());
    if let Some((id, plain)) = sealed {
        let plain = postcard::to_extend(plain, Vec::with_capacity(256)).ok()?;
        customer = key.seal(nonce(offset, Part::Customer), &content, id.as_bytes())?;
        values = key.seal(nonce(offset, Part::Values), &content, &plain)?;
    }
    let lengths = Lengths::of(content.len(), customer.len(), values.len())?;
    out.extend(lengths.head(&content));
    [content, customer, values].iter().for_each(|part| out.extend_from_slice(part));
    Some(())
}

/// The bytes that take the place of an erased entry.
pub fn erased(found: &Found<'_>) -> Vec<u8> {
    let Lengths { content, customer, values } = found.lengths;
    let blank = vec![0; usize::from(content)];
    let rest = usize::from(customer) + values as usize;
    [found.lengths.head(&blank).as_slice(), &blank, &vec![0; rest]].concat()
}

/// The lengths of the parts of an entry.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    content: u16,
    customer: u16,
    values: u32,
}

impl Lengths {
    fn of(content: usize, customer: usize, values: usize) -> Option<Self> {
        let (content, customer) = (content.try_into().ok()?, customer.try_into().ok()?);
        Some(Self { content, customer, values: values.try_into().ok()? })
    }

    fn bytes(self) -> [u8; 8] {
        let ([a, b], [c, d], [e, f, g, h]) =
            (self.content.to_le_bytes(), self.customer.to_le_bytes(), self.values.to_le_bytes());
        [a, b, c, d, e, f, g, h]
    }

    fn head(self, content: &[u8]) -> Vec<u8> {
        let sum = crc32c::crc32c_append(crc32c::crc32c(&self.bytes()), content);
        [MARK.as_slice(), &self.bytes(), &sum.to_le_bytes()].concat()
    }
}

/// An entry in the bytes of a file.
#[derive(Debug)]
pub struct Found<'b> {
    /// Where it lies in the file.
    pub offset: u64,
    /// What it says.
    pub content: Content,
    lengths: Lengths,
    plain: &'b [u8],
    customer: &'b [u8],
    values: &'b [u8],
}

impl<'b> Found<'b> {
    /// The entry at the beginning of bytes that lie at an offset; `None` if they are no whole entry.
    pub fn read(bytes: &'b [u8], offset: u64) -> Option<Self> {
        let (mark, rest) = bytes.split_first_chunk::<4>()?;
        let ([a, b, c, d, e, f, g, h], rest) = rest.split_first_chunk::<8>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let (content, customer) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let lengths = Lengths { content, customer, values: u32::from_le_bytes([*e, *f, *g, *h]) };
        let (plain, rest) = rest.split_at_checked(usize::from(content))?;
        let (customer, rest) = rest.split_at_checked(usize::from(customer))?;
        let (values, _) = rest.split_at_checked(lengths.values as usize)?;
        let expected = crc32c::crc32c_append(crc32c::crc32c(&lengths.bytes()), plain);
        if mark != MARK || expected != u32::from_le_bytes(*sum) {
            return None;
        }
        let (content, _) = postcard::take_from_bytes(plain).ok()?;
        Some(Self { offset, content, lengths, plain, customer, values })
    }

    /// The length of the whole entry.
    pub fn length(&self) -> usize {
        HEAD + self.plain.len() + self.customer.len() + self.values.len()
    }

    /// Where its values lie in the file.
    pub fn values_at(&self) -> (u64, usize) {
        let before = HEAD + self.plain.len() + self.customer.len();
        (self.offset + before as u64, self.values.len())
    }

    /// Whether it has values that were not overwritten.
    pub fn has_values(&self) -> bool {
        self.values.iter().any(|byte| *byte != 0)
    }

    /// The customer's id; `None` if it is damaged, or the key is.
    pub fn customer(&self, key: &FileKey) -> Option<String> {
        let id = key.unseal(nonce(self.offset, Part::Customer), self.plain, self.customer)?;
        String::from_utf8(id).ok()
    }

    /// Its values; `None` if they were overwritten or are damaged, or the key is.
    pub fn values(&self, key: &FileKey) -> Option<DecisionValues<'static>> {
        let plain = key.unseal(nonce(self.offset, Part::Values), self.plain, self.values)?;
        postcard::from_bytes(&plain).ok()
    }
}

/// The whole entries in bytes that lie at an offset. What is not an entry is skipped, and counted as one damaged place.
pub fn read_all<'b>(bytes: &'b [u8], offset: u64, mut visit: impl FnMut(Found<'b>)) -> Damage {
    let (mut rest, mut at, mut damage) = (bytes, offset, Damage::default());
    let mut whole = true;
    while !rest.is_empty() {
        let (step, found) = match Found::read(rest, at) {
            Some(found) => (found.length(), Some(found)),
            None => (next_mark(rest), None),
        };
        if whole && found.is_none() {
            damage.places += 1;
            damage.first = damage.first.or(Some(at));
        }
        whole = found.is_some();
        found.into_iter().for_each(&mut visit);
        rest = rest.get(step..).unwrap_or(&[]);
        at += step as u64;
    }
    damage
}

/// What is damaged in the bytes of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// How many places.
    pub places: u64,
    /// Where the first is.
    pub first: Option<u64>,
}

/// The distance to the next place where an entry may begin, behind the first byte.
fn next_mark(bytes: &[u8]) -> usize {
    let behind = bytes.get(1..).unwrap_or(&[]);
    let found = behind.windows(MARK.len()).position(|window| window == MARK);
    found.map_or(bytes.len(), |place| place + 1)
}
