//! A borrowed list of texts.

use compact_str::CompactString;

use crate::domain::packed::Reader;

/// Texts in order, from a slice or packed. Two lists are equal when their texts are.
#[derive(Debug, Clone, Copy)]
pub enum Texts<'a> {
    /// One by one.
    Given(&'a [CompactString]),
    /// Each after its length.
    Packed(&'a [u8]),
}

impl<'a> Texts<'a> {
    /// The texts in the order in which they were given.
    pub fn iter(self) -> impl Iterator<Item = &'a str> + Clone {
        let (given, mut packed) = match self {
            Self::Given(items) => (items, Reader::default()),
            Self::Packed(bytes) => (&[][..], Reader(bytes)),
        };
        let unpack = move || packed.counted().and_then(|bytes| std::str::from_utf8(bytes).ok());
        given.iter().map(CompactString::as_str).chain(std::iter::from_fn(unpack))
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
