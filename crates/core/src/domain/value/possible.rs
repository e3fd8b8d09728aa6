//! The truths that something can have: at the moments of an interval, or for the values of facts that are withheld.

use super::Truth;

/// A set of truths; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possible {
    /// It can be true.
    pub holds: bool,
    /// It can be false.
    pub fails: bool,
    /// It can be unknown.
    pub unknown: bool,
}

impl Possible {
    /// Surely true.
    pub const TRUE: Self = Self { holds: true, fails: false, unknown: false };
    /// True or false.
    pub const OPEN: Self = Self { holds: true, fails: true, unknown: false };
    /// Anything.
    pub const ANY: Self = Self { holds: true, fails: true, unknown: true };

    /// Surely true, and nothing else.
    #[must_use]
    pub fn is_sure(self) -> bool {
        self == Self::TRUE
    }

    /// The truths of the negation.
    #[expect(clippy::should_implement_trait, reason = "as for `Truth`")]
    #[must_use]
    pub fn not(self) -> Self {
        Self { holds: self.fails, fails: self.holds, ..self }
    }

    /// The truths of the conjunction, whichever go together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            holds: self.holds && other.holds,
            fails: self.fails || other.fails,
            unknown: self.unknown && (other.holds || other.unknown) || other.unknown && self.holds,
        }
    }

    /// The truths of the disjunction, whichever go together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

impl From<Truth> for Possible {
    fn from(truth: Truth) -> Self {
        Self { holds: truth == Truth::True, fails: truth == Truth::False, unknown: truth == Truth::Unknown }
    }
}
