//! Maps a place within a scalar's decoded text to the file. YAML only changes the whitespace of a scalar (indentation,
//! folding) and doubles `'` in '...', so both texts are walked by their visible characters.

use super::node::{Node, NodeKind, Style};
use crate::domain::sources::Span;

/// The file's range for `start..end` of the node's text; `None` if it is not exact.
impl Node {
    /// Maps a byte range within this scalar's text to the file, where `source` is the file's text. Exact
    /// unless the scalar is double-quoted with escapes, or not a scalar; then the whole node.
    #[must_use]
    pub fn inner_span(&self, source: &str, start: usize, end: usize) -> Span {
        inner(self, source, start, end).unwrap_or(self.span)
    }
}

fn inner(node: &Node, source: &str, start: usize, end: usize) -> Option<Span> {
    let NodeKind::Text(decoded) = &node.kind else { return None };
    let raw = source.get(node.span.start as usize..node.span.end as usize)?;
    let quotes = match node.style {
        Style::Plain | Style::Block => 0,
        Style::SingleQuoted => 1,
        Style::DoubleQuoted if !raw.contains('\\') => 1,
        Style::DoubleQuoted | Style::Flow => return None,
    };
    let raw = raw.get(quotes..raw.len().checked_sub(quotes)?)?;
    let base = node.span.start as usize + quotes;
    let range = if raw == decoded {
        (start, end.max(start))
    } else {
        aligned(raw, decoded, (start, end), node.style == Style::SingleQuoted)?
    };
    let narrow = |offset: usize| u32::try_from(base + offset).ok();
    Some(Span { file: node.span.file, start: narrow(range.0)?, end: narrow(range.1)? })
        .filter(|span| span.end <= node.span.end)
}

/// The same range in `raw`, by counting visible characters.
fn aligned(raw: &str, decoded: &str, range: (usize, usize), doubled: bool) -> Option<(usize, usize)> {
    let visible = |until: usize| Some(decoded.get(..until)?.chars().filter(|c| !c.is_whitespace()).count());
    let (first, behind) = (visible(range.0)?, visible(range.1)?);
    let start = pieces(raw, doubled).nth(first).map_or(raw.len(), |(offset, _)| offset);
    let end = match behind.checked_sub(1) {
        Some(last) => pieces(raw, doubled).nth(last).map(|(offset, length)| offset + length)?,
        None => start,
    };
    Some((start, end.max(start)))
}

/// The visible characters of a raw scalar: offset and length; with `doubled`, `''` is one.
fn pieces(raw: &str, doubled: bool) -> impl Iterator<Item = (usize, usize)> {
    let mut skip = false;
    raw.char_indices().filter_map(move |(offset, c)| {
        if std::mem::take(&mut skip) || c.is_whitespace() {
            return None;
        }
        skip = doubled && c == '\'';
        Some((offset, if skip { 2 } else { c.len_utf8() }))
    })
}
