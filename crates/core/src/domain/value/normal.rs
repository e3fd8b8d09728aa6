//! One spelling for texts that are compared: Unicode's normal form C (UAX #15). An `é` may be one code point, as
//! Windows writes it, or an `e` and an accent, as file names of a Mac have it; both look alike, and must be equal.

use std::borrow::Cow;

use compact_str::CompactString;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::Value;

/// A text in normal form C. ASCII is returned unchanged.
#[must_use]
pub fn normal(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

impl Value {
    /// The value with its texts in normal form C.
    #[must_use]
    pub fn normal(&self) -> Cow<'_, Self> {
        match self {
            Self::Text(text) => match normal(text) {
                Cow::Borrowed(_) => Cow::Borrowed(self),
                Cow::Owned(text) => Cow::Owned(Self::Text(text.into())),
            },
            Self::List(items) if items.iter().any(|item| matches!(normal(item), Cow::Owned(_))) => {
                Cow::Owned(Self::List(items.iter().map(|item| CompactString::from(normal(item))).collect()))
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// As [`Self::normal`], consuming the value.
    #[must_use]
    pub fn into_normal(self) -> Self {
        let normal = match self.normal() {
            Cow::Owned(normal) => Some(normal),
            Cow::Borrowed(_) => None,
        };
        normal.unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_look_alike_are_equal() {
        for (written, kept) in [
            ("Orleans", "Orleans"),
            ("Orl\u{e9}ans", "Orl\u{e9}ans"),
            ("Orle\u{301}ans", "Orl\u{e9}ans"),
            ("\u{212b}ngstr\u{f6}m", "\u{c5}ngstr\u{f6}m"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("\u{fb01}n", "\u{fb01}n"),
            ("a ", "a "),
        ] {
            assert_eq!(normal(written), kept);
            assert_eq!(Value::Text(written.into()).normal().into_owned(), Value::Text(kept.into()));
            let list = |text: &str| Value::List([CompactString::from("x"), text.into()].into());
            assert_eq!(list(written).normal().into_owned(), list(kept));
        }
        assert!(matches!(normal("Orleans"), Cow::Borrowed(_)) && matches!(normal("Orl\u{e9}ans"), Cow::Borrowed(_)));
        assert!(matches!(Value::Number(1.0).normal(), Cow::Borrowed(_)));
    }
}
