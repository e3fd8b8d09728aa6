//! Enums whose values are words: `words!` writes their table once, and everything that is read from it.

/// An enum in which every value has a word; `words!` makes it one.
pub trait Word: Copy + 'static {
    /// Every value with its word, in order.
    const WORDS: &'static [(&'static str, Self)];
}

/// Declares an enum in which every value has a word, as people write it.
///
/// The values keep their order: some are stored as a number ([`index`], [`at`]), so new ones go to the end there.
///
/// [`index`]: crate::domain::action::Outcome::index
/// [`at`]: crate::domain::action::Outcome::at
#[macro_export]
macro_rules! words {
    (
        $(#[$doc:meta])*
        $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in order.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// Every value with its word, in order.
            pub const NAMES: [(&'static str, Self); Self::ALL.len()] = [$(($word, Self::$variant)),*];

            /// The word for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value with this word.
            #[must_use]
            pub fn named(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// Its place in the order, from 0.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The value at a place in the order.
            #[must_use]
            pub fn at(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }
        }

        impl $crate::domain::word::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &Self::NAMES;
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    words! {
        /// A colour.
        enum Colour {
            /// As a rose.
            Red = "red",
            /// As the sea.
            DeepBlue = "deep_blue",
        }
    }

    #[test]
    fn every_value_has_one_word_and_one_place() {
        for (index, (word, colour)) in Colour::NAMES.into_iter().enumerate() {
            assert_eq!((colour.name(), colour.index()), (word, index));
            assert_eq!((Colour::named(word), Colour::at(index)), (Some(colour), Some(colour)));
        }
        assert_eq!(Colour::ALL, [Colour::Red, Colour::DeepBlue]);
        assert_eq!((Colour::named("DeepBlue"), Colour::at(2)), (None, None));
        assert_eq!(format!("{:>5}|{}", Colour::Red, Colour::DeepBlue), "  red|deep_blue");
    }
}
