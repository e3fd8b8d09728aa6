//! The forms of values in words, which editors show for a wrong value.

use super::{Form, Name};

impl Form {
    /// What to write as the value of such a key, for an editor that finds something else.
    #[must_use]
    pub fn wanted(&self) -> Option<String> {
        Some(match self {
            Self::Text | Self::Exact => "write a text; in quotes if it is a number, `true`, `false` or `null`".into(),
            Self::Zone => "name a zone of the IANA database, such as Europe/Berlin".into(),
            Self::Flag => "write true or false".into(),
            Self::False => "this must be false".into(),
            Self::Number(least, most) => format!("write a number from {least} to {most}"),
            Self::Whole(least, most) => format!("write a whole number from {least} to {most}"),
            Self::Period => "write a duration with its unit, such as 30 days, 2h 30m or 13 months".into(),
            Self::Moment => "write a moment with its offset, such as 2026-03-02T10:00:00+01:00".into(),
            Self::TimeOfDay => "write hours and minutes in quotes, such as \"21:00\"".into(),
            Self::Condition => "write an expression, such as customer.age >= 18, or one of any:, all:, none:".into(),
            Self::List(..) => "write a list: - before each item, or all of them in [ ]".into(),
            Self::Map(shape) => match shape.alone {
                "" => format!("{} is a map of key: value lines", shape.what),
                alone => format!("{} is a map of key: value lines, such as {{{alone}: ...}}", shape.what),
            },
            Self::Name(name) | Self::NewName(name) => name.wanted(),
            Self::Fact | Self::Word(_) | Self::Explained(_) | Self::Either(_) => return None,
            Self::Names(..) | Self::NewNames(..) | Self::Words(..) => "write a map: one name: value a line".into(),
        })
    }
}

impl Name {
    /// The characters of such a name.
    #[must_use]
    pub fn wanted(self) -> String {
        let (start, signs) = match self {
            Self::Attribute => ("customer. and ", "lowercase letters, digits, _ and ."),
            Self::Action | Self::Group | Self::Stage => ("", "lowercase letters, digits, -, _ and ."),
            Self::Field | Self::Journey => ("", "lowercase letters, digits and _"),
            _ => ("", "lowercase letters, digits, _ and ."),
        };
        format!("a name here is made of {start}{signs}, and begins with a letter")
    }
}
