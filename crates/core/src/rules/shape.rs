//! The shape of rule files: every map with known keys, its keys in order, the form of their values, and their
//! descriptions.
//!
//! One table for several uses: `reader` refuses keys that are not in it, `format` writes keys in its order, `schema`
//! turns it into completion and descriptions for editors, and docs/rules.md repeats its descriptions (a test compares
//! them). This file defines the types of the table; `declaration` and `rule` contain its lines.

mod declaration;
mod rule;
mod wanted;

pub use declaration::*;
pub use rule::*;

/// A map with known keys.
#[derive(Debug)]
pub struct Shape {
    /// How messages name it, as "an action".
    pub what: &'static str,
    /// Its keys, in the order in which they are written.
    pub keys: &'static [Key],
    /// The main key, for which a value alone is probably meant, such as `base` in `relevance: 30`; empty if there is
    /// none.
    pub alone: &'static str,
    /// Which optional keys are required in combination.
    pub needs: Needs,
}

/// One key of a map.
#[derive(Debug)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// Whether it is always required.
    pub required: bool,
    /// Its description, as in docs/rules.md.
    pub about: &'static str,
}

/// Requirements on optional keys.
#[derive(Debug)]
pub enum Needs {
    /// No such requirement.
    Nothing,
    /// At least one of these sets of keys.
    AnyOf(&'static [&'static [&'static str]]),
    /// Exactly one of these sets of keys.
    OneOf(&'static [&'static [&'static str]]),
}

/// The form of a key's value.
#[derive(Debug)]
pub enum Form {
    /// A text that people read.
    Text,
    /// A text that is compared or looked up, so that every character counts.
    Exact,
    /// A time zone.
    Zone,
    /// `true` or `false`.
    Flag,
    /// Only `false`.
    False,
    /// A number between two bounds, both included.
    Number(f64, f64),
    /// A whole number between two bounds, both included.
    Whole(u32, u32),
    /// A duration.
    Period,
    /// A moment with its offset.
    Moment,
    /// A time of day.
    TimeOfDay,
    /// One condition: an expression, or a map of the shape [`CONDITION_GROUP`].
    Condition,
    /// The value of a fact of this kind, by its declaration.
    Fact,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// One of these words, each with what it means.
    Explained(fn() -> Vec<(&'static str, &'static str)>),
    /// The name of something that is declared somewhere.
    Name(Name),
    /// A name that is declared here.
    NewName(Name),
    /// A list with at least this many items.
    List(&'static Form, usize),
    /// A map with known keys.
    Map(&'static Shape),
    /// A map whose keys are names that are declared somewhere.
    Names(Name, &'static Form),
    /// A map whose keys are names that are declared here.
    NewNames(Name, &'static Form),
    /// A map whose keys are some of these words.
    Words(fn() -> Vec<&'static str>, &'static Form),
    /// Any of these.
    Either(&'static [Form]),
}

/// The kinds of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A purpose.
    Purpose,
    /// An attribute of a customer.
    Attribute,
    /// A context fact.
    Context,
    /// An event.
    Event,
    /// A field of an event.
    Field,
    /// A channel.
    Channel,
    /// A journey.
    Journey,
    /// A stage of a journey.
    Stage,
    /// An action.
    Action,
    /// A group of actions.
    Group,
    /// What the customer is doing: a value of the context fact `activity`, or `default`.
    Activity,
}

impl Shape {
    /// A key by its name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

impl Form {
    /// Whether it is a number.
    #[must_use]
    pub fn takes_number(&self) -> bool {
        matches!(self, Self::Number(..) | Self::Whole(..))
    }

    /// The words that it can be.
    #[must_use]
    pub fn words(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Word(words) => Some(words()),
            Self::Explained(words) => Some(words().into_iter().map(|(word, _)| word).collect()),
            _ => None,
        }
    }

    /// The known keys of a map of this form.
    #[must_use]
    pub fn shape(&self) -> Option<&'static Shape> {
        match self {
            Self::Map(shape) => Some(shape),
            Self::Condition => Some(&CONDITION_GROUP),
            Self::Either(forms) => forms.iter().find_map(Self::shape),
            _ => None,
        }
    }

    /// The form of the value of a key, in a map of this form.
    #[must_use]
    pub fn behind(&self, key: &str) -> Option<&'static Form> {
        match self {
            Self::Names(_, form) | Self::NewNames(_, form) | Self::Words(_, form) => Some(form),
            Self::Either(forms) => forms.iter().find_map(|form| form.behind(key)),
            _ => self.shape()?.key(key).map(|key| &key.form),
        }
    }

    /// The form of the items, in a list of this form.
    #[must_use]
    pub fn item(&self) -> Option<&'static Form> {
        match self {
            Self::List(form, _) => Some(form),
            Self::Either(forms) => forms.iter().find_map(Self::item),
            _ => None,
        }
    }
}

/// A required key.
#[must_use]
pub const fn must(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, required: true, about }
}

/// An optional key.
#[must_use]
pub const fn may(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, required: false, about }
}

/// The words of a fixed set.
#[must_use]
pub fn words<T>(names: &[(&'static str, T)]) -> Vec<&'static str> {
    names.iter().map(|(name, _)| *name).collect()
}
