//! Typed values, and truth that may be unknown.

mod exact;
mod normal;
mod packed;
mod possible;
mod texts;

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::time::{Moment, Period};

pub use exact::{LARGEST_EXACT, NOT_EXACT, is_exact};
pub use normal::normal;
pub use packed::PackedValue;
pub use possible::Possible;
pub use texts::Texts;

crate::words! {
    /// The types of facts.
    pub enum Type {
        /// A text.
        Text = "text",
        /// A number; whole and fractional alike.
        Number = "number",
        /// True or false.
        Flag = "flag",
        /// A moment in time.
        Moment = "moment",
        /// A length of time.
        Duration = "duration",
        /// A list of texts.
        List = "list",
    }
}

/// An owned value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(CompactString),
    /// A finite number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A moment.
    Moment(Moment),
    /// A length of time.
    Duration(Period),
    /// Texts.
    List(Arc<[CompactString]>),
}

impl Value {
    /// The type of the value.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.operand().kind().unwrap_or(Type::Text)
    }

    /// The same value, borrowed.
    #[must_use]
    pub fn operand(&self) -> Operand<'_> {
        match self {
            Self::Text(text) => Operand::Text(text),
            Self::Number(number) => Operand::Number(*number),
            Self::Flag(flag) => Operand::Flag(*flag),
            Self::Moment(moment) => Operand::Moment(*moment),
            Self::Duration(period) => Operand::Duration(*period),
            Self::List(items) => Operand::List(Texts::Given(items)),
        }
    }
}

impl fmt::Debug for Value {
    /// Shows the type only: values are personal data and must not appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.kind())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operand().fmt(f)
    }
}

/// A value while an expression is evaluated: borrowed, and possibly unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand<'a> {
    /// Withheld, or never given.
    Unknown,
    /// A text.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A moment.
    Moment(Moment),
    /// A length of time.
    Duration(Period),
    /// Texts.
    List(Texts<'a>),
}

impl Operand<'_> {
    /// The type; `None` for the unknown.
    #[must_use]
    pub fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Unknown => return None,
            Self::Text(_) => Type::Text,
            Self::Number(_) => Type::Number,
            Self::Flag(_) => Type::Flag,
            Self::Moment(_) => Type::Moment,
            Self::Duration(_) => Type::Duration,
            Self::List(_) => Type::List,
        })
    }

    /// The owned value; `None` for the unknown.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        Some(match *self {
            Self::Unknown => return None,
            Self::Text(text) => Value::Text(text.into()),
            Self::Number(number) => Value::Number(number),
            Self::Flag(flag) => Value::Flag(flag),
            Self::Moment(moment) => Value::Moment(moment),
            Self::Duration(period) => Value::Duration(period),
            Self::List(items) => Value::List(items.iter().map(CompactString::from).collect()),
        })
    }

    /// As a truth value: unknown unless it is a flag.
    #[must_use]
    pub fn truth(&self) -> Truth {
        match self {
            Self::Flag(true) => Truth::True,
            Self::Flag(false) => Truth::False,
            _ => Truth::Unknown,
        }
    }
}

impl fmt::Display for Operand<'_> {
    /// The value as shown in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Moment(moment) => write!(f, "{moment}"),
            Self::Duration(period) => write!(f, "{period}"),
            Self::List(items) => f.write_str(&items.iter().collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Kleene's three-valued truth. A condition fires on [`Truth::True`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Depends on facts that are unknown.
    Unknown,
}

impl From<bool> for Truth {
    fn from(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }
}

impl Truth {
    /// Both hold: false as soon as one is false, whatever the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    /// One holds: true as soon as one is true, whatever the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// The negation; the unknown stays unknown.
    #[expect(clippy::should_implement_trait, reason = "`!` on a truth would hide that it has three values")]
    #[must_use]
    pub fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }

    /// Whether a condition with this result holds.
    #[must_use]
    pub fn holds(self) -> bool {
        self == Self::True
    }

    /// As an operand.
    #[must_use]
    pub fn operand(self) -> Operand<'static> {
        match self {
            Self::True => Operand::Flag(true),
            Self::False => Operand::Flag(false),
            Self::Unknown => Operand::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, False, True, Unknown};

    const ALL: [Truth; 3] = [True, False, Unknown];

    #[test]
    fn kleene_laws_hold_for_every_combination() {
        for a in ALL {
            assert_eq!(a.not().not(), a);
            assert_eq!(a.and(True), a);
            assert_eq!(a.and(False), False);
            assert_eq!(a.or(False), a);
            assert_eq!(a.or(True), True);
            for b in ALL {
                assert_eq!(a.and(b), b.and(a));
                assert_eq!(a.and(b).not(), a.not().or(b.not()));
                for c in ALL {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                    assert_eq!(a.and(b.or(c)), a.and(b).or(a.and(c)));
                }
            }
        }
    }

    #[test]
    fn learning_more_never_turns_a_result_around() {
        let refine = |truth| if truth == Unknown { vec![True, False] } else { vec![truth] };
        for a in ALL {
            for b in ALL {
                for (x, y) in refine(a).into_iter().flat_map(|x| refine(b).into_iter().map(move |y| (x, y))) {
                    assert!(a.and(b) == Unknown || a.and(b) == x.and(y));
                    assert!(a.or(b) == Unknown || a.or(b) == x.or(y));
                }
            }
        }
    }
}
