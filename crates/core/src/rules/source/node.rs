//! What the YAML of a file is read into: values that know their place, and how they are written.

use crate::domain::sources::Span;
use crate::rules::diagnostic::Diagnostic;

/// One value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands; of a block list or map, from its first entry to the end of its last.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
    /// How it is written.
    pub style: Style,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// `~`, `null`, or an empty value.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// Any number.
    Number(f64),
    /// Text, decoded.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order it is written; no key occurs twice.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key and its place.
    pub key: MapKey,
    /// What the key holds; `Null` if the line ends after the key.
    pub value: Node,
}

/// A borrowed text with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<'n> {
    /// The text.
    pub text: &'n str,
    /// Where it stands.
    pub span: Span,
}

impl MapKey {
    /// The same, borrowed.
    #[must_use]
    pub fn spanned(&self) -> Spanned<'_> {
        Spanned { text: &self.text, span: self.span }
    }
}

/// A key with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapKey {
    /// The key's text, decoded.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// How a value is written: scalars in any style but `Flow`; lists and maps in `Block` or `Flow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In `'...'`.
    SingleQuoted,
    /// In `"..."`.
    DoubleQuoted,
    /// A text after `|` or `>`; a list or map by indentation.
    Block,
    /// In `[...]` or `{...}`.
    Flow,
}

/// The result of reading one file.
#[derive(Debug)]
pub struct Reading {
    /// The tree, as far as it could be read.
    pub node: Option<Node>,
    /// Lines that were skipped because of mistakes with an unknown extent.
    pub lost: Vec<Span>,
    /// Every mistake that was found.
    pub found: Vec<Diagnostic>,
}
