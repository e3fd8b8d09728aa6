//! Reads a file into entries, each with the comments that belong to it.
//!
//! Between two scalars there are only spaces, line breaks, YAML indicators and comments, so every `#` there begins a
//! comment. A comment after a value belongs to its entry, one on its own line to the entry below; at the end of a list
//! or map, comments with the indentation of its entries belong to it.

use std::collections::VecDeque;

use crate::rules::source::{Entry, Node, NodeKind, Style};

/// A comment, or a mark that begins or ends a document.
#[derive(Debug, Clone)]
pub(super) struct Comment<'t> {
    /// From its `#` to the end of the line.
    pub text: &'t str,
    /// Whether there is a blank line above it.
    pub blank: bool,
    at: usize,
    /// Its column, if it has its own line.
    column: Option<usize>,
}

impl<'t> Comment<'t> {
    /// A comment that is moved.
    pub(super) fn moved(text: &'t str) -> Self {
        Self { text, blank: false, at: 0, column: None }
    }
}

/// An entry of a map, or an item of a list.
#[derive(Debug)]
pub(super) struct Piece<'t> {
    /// Comments on lines of their own above it.
    pub above: Vec<Comment<'t>>,
    /// Whether there is a blank line directly above it.
    pub blank: bool,
    /// Its key as written, and its form; `None` in a list.
    pub key: Option<(&'t str, &'t str)>,
    /// The comment after its key or value.
    pub beside: Option<&'t str>,
    /// The column of the value, if it is completely on the line of its key.
    pub column: Option<usize>,
    /// The value, laid out.
    pub value: Value<'t>,
}

impl Piece<'_> {
    /// Whether there is a blank line above it and its comments.
    pub(super) fn top(&mut self) -> &mut bool {
        self.above.first_mut().map_or(&mut self.blank, |comment| &mut comment.blank)
    }
}

/// The value after a key or a dash.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// A scalar as it is written.
    Scalar(&'t str, Style),
    /// A list or a map.
    Collection(Collection<'t>),
}

/// A list or a map.
#[derive(Debug)]
pub(super) struct Collection<'t> {
    /// Whether it is a map.
    pub map: bool,
    /// Whether it is in brackets, on one line.
    pub flow: bool,
    /// The column of its entries, if they have their own lines.
    pub column: usize,
    /// Comments at its beginning that belong to no entry.
    pub head: Vec<Comment<'t>>,
    /// The entries, in the order of the file.
    pub pieces: Vec<Piece<'t>>,
    /// Comments at its end.
    pub tail: Vec<Comment<'t>>,
}

/// The column of what follows a collection.
#[derive(Clone, Copy)]
struct Next {
    at: usize,
    column: Option<usize>,
}

/// The whole file; `None` if it is a single scalar.
pub(super) fn document<'t>(text: &'t str, node: &'t Node) -> Option<Collection<'t>> {
    let mut reader = Reader { text, lines: line_starts(text), comments: comments(text, node).into(), end: 0 };
    let Value::Collection(mut whole) = reader.value(node, Next { at: usize::MAX, column: None }) else { return None };
    whole.tail.extend(reader.comments);
    if let Some(first) = whole.pieces.first_mut() {
        whole.head.append(&mut first.above);
    }
    Some(whole)
}

/// Every comment outside of scalars, and every mark of a document.
pub(super) fn comments<'t>(text: &'t str, node: &Node) -> Vec<Comment<'t>> {
    let mut found = Vec::new();
    let mut from = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut tokens = Vec::new();
    collect_tokens(text, node, &mut tokens);
    for (start, end) in tokens.into_iter().chain([(text.len(), text.len())]) {
        comments_between(text, from, start, &mut found);
        from = end;
    }
    found
}

/// The places of keys and scalars, in order.
fn collect_tokens(text: &str, node: &Node, tokens: &mut Vec<(usize, usize)>) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| collect_tokens(text, item, tokens)),
        NodeKind::Map(entries) => entries.iter().for_each(|Entry { key, value }| {
            tokens.push((key.span.start as usize, key.span.end as usize));
            collect_tokens(text, value, tokens);
        }),
        _ => tokens.extend(scalar(text, node, tokens.last().map_or(0, |(_, end)| *end))),
    }
}

fn comments_between<'t>(text: &'t str, from: usize, to: usize, found: &mut Vec<Comment<'t>>) {
    let (mut at, mut blank) = (from, false);
    for part in text.get(from..to).unwrap_or("").split_inclusive('\n') {
        let fresh = text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(['\n', '\u{feff}']));
        let marked = fresh && (part.starts_with("---") || part.starts_with("..."));
        if marked {
            found.push(Comment { text: part.get(..3).unwrap_or(""), blank, at, column: Some(0) });
        }
        if let Some(sign) = part.find('#') {
            let before = text.get(..at + sign).unwrap_or("");
            let line = before.get(before.rfind('\n').map_or(0, |end| end + 1)..).unwrap_or("");
            let own = line.trim_start_matches('\u{feff}').bytes().all(|byte| byte == b' ');
            let rest = text.get(at + sign..).unwrap_or("");
            let words = rest.lines().next().unwrap_or("").trim_end();
            found.push(Comment { text: words, blank, at: at + sign, column: own.then_some(line.len()) });
        }
        blank = fresh && part.trim().is_empty();
        at += part.len();
    }
}

/// The range of a scalar, if it is written at all; `from` is the end of the last key or scalar.
///
/// A text block begins with its header; blank lines at its end are part of it if its header keeps them.
fn scalar(text: &str, node: &Node, from: usize) -> Option<(usize, usize)> {
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    if node.style != Style::Block {
        return (start < end).then_some((start, end));
    }
    let header = first_sign(text, from..end.max(start), &['|', '>'])?;
    let rest = text.get(header..).unwrap_or("");
    let line = rest.find('\n').unwrap_or(rest.len());
    let end = end.max(header + rest.get(..line).unwrap_or("").trim_end().len());
    if !rest.get(..line).and_then(|header| header.split('#').next()).is_some_and(|header| header.contains('+')) {
        return Some((header, end));
    }
    let blanks = text.get(end..).unwrap_or("").split_inclusive('\n').take_while(|line| line.trim().is_empty());
    Some((header, end + blanks.map(str::len).sum::<usize>()))
}

/// The first of these characters outside comments, in a range without scalars.
fn first_sign(text: &str, range: std::ops::Range<usize>, signs: &[char]) -> Option<usize> {
    let mut at = range.start;
    for line in text.get(range)?.split_inclusive('\n') {
        if let Some(sign) = line.split('#').next().and_then(|code| code.find(signs)) {
            return Some(at + sign);
        }
        at += line.len();
    }
    None
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Reader<'t> {
    text: &'t str,
    lines: Vec<usize>,
    comments: VecDeque<Comment<'t>>,
    /// Where the last scalar or key ended.
    end: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self, node: &'t Node, next: Next) -> Value<'t> {
        match &node.kind {
            NodeKind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| (None, item)).collect();
                Value::Collection(self.collection(node, &items, next))
            }
            NodeKind::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|entry| (Some(entry), &entry.value)).collect();
                Value::Collection(self.collection(node, &entries, next))
            }
            _ => {
                let Some((start, end)) = scalar(self.text, node, self.end) else {
                    return Value::Scalar("", node.style);
                };
                self.end = end;
                Value::Scalar(self.slice(start, end), node.style)
            }
        }
    }

    fn collection(&mut self, node: &'t Node, entries: &[(Option<&'t Entry>, &'t Node)], next: Next) -> Collection<'t> {
        let (start, end) = (node.span.start as usize, node.span.end as usize);
        let block = node.style == Style::Block;
        let column = if block { Some(self.column(start)) } else { None };
        let next = if block { next } else { Next { at: end, column: None } };
        let mut pieces = Vec::new();
        for (index, (entry, value)) in entries.iter().enumerate() {
            let next = entries.get(index + 1).map_or(next, |(entry, item)| {
                let dash = || first_sign(self.text, value.span.end as usize..item.span.start as usize, &['-']);
                let at = entry.map_or_else(dash, |entry| Some(entry.key.span.start as usize));
                let at = at.unwrap_or(item.span.start as usize);
                Next { at, column }
            });
            pieces.push(self.piece(*entry, value, next));
        }
        let mut tail = Vec::new();
        while self.comments.front().is_some_and(|comment| {
            let inside = comment.column.is_some_and(|own| column <= Some(own) && next.column < Some(own));
            comment.at < next.at && (!block || inside)
        }) {
            tail.extend(self.comments.pop_front());
        }
        if !block {
            self.end = end;
        }
        let flow = !block && !self.slice(start, end).contains('\n');
        let head = pieces.first_mut().map_or_else(Vec::new, split_head);
        let map = matches!(node.kind, NodeKind::Map(_));
        Collection { map, flow, column: column.unwrap_or(0), head, pieces, tail }
    }

    fn piece(&mut self, entry: Option<&'t Entry>, node: &'t Node, next: Next) -> Piece<'t> {
        let start = entry.map_or(node.span.start, |entry| entry.key.span.start) as usize;
        let mut above = self.comments_before(start);
        let blank = self.is_blank_above(start);
        let key = entry.map(|entry| (self.slice(start, entry.key.span.end as usize), entry.key.text.as_str()));
        let mut beside = None;
        if let Some(entry) = entry {
            self.end = entry.key.span.end as usize;
            match node.kind {
                NodeKind::List(_) | NodeKind::Map(_) => beside = self.comment_beside(node.span.start as usize),
                _ => {
                    let written = scalar(self.text, node, self.end).map(|(start, _)| self.comments_before(start));
                    above.extend(written.unwrap_or_default());
                }
            }
        }
        let column = entry.and_then(|entry| self.column_behind(entry));
        let mut value = self.value(node, next);
        if let Value::Collection(Collection { pieces, tail, .. }) = &mut value
            && pieces.is_empty()
        {
            above.append(tail);
        }
        if let Some(text) = self.comment_beside(next.at) {
            // If both the key and the value have a comment, the key's goes above the entry.
            let first = beside.replace(text);
            above.extend(first.map(Comment::moved));
        }
        Piece { above, blank, key, beside, column, value }
    }

    fn comments_before(&mut self, at: usize) -> Vec<Comment<'t>> {
        let count = self.comments.iter().take_while(|comment| comment.at < at).count();
        self.comments.drain(..count).collect()
    }

    /// The next comment, if it is on the line where the last scalar ended, and before `until`.
    fn comment_beside(&mut self, until: usize) -> Option<&'t str> {
        let comment = self.comments.front()?;
        let beside = comment.column.is_none() && comment.at < until && comment.at >= self.end;
        if !beside || self.slice(self.end, comment.at).contains('\n') {
            return None;
        }
        self.comments.pop_front().map(|comment| comment.text)
    }

    /// Values in brackets are not aligned in columns, so only the first key of a line counts.
    fn column_behind(&self, entry: &Entry) -> Option<usize> {
        let (start, span) = (entry.key.span.start as usize, entry.value.span);
        let simple = span.start < span.end && entry.value.style != Style::Block && self.is_first(start);
        (simple && !self.slice(start, span.end as usize).contains('\n')).then(|| self.column(span.start as usize))
    }

    /// Whether there are only dashes before an offset on its line.
    fn is_first(&self, at: usize) -> bool {
        let line = self.lines.get(self.line(at)).copied().unwrap_or(0);
        self.slice(line, at).bytes().all(|byte| matches!(byte, b' ' | b'-'))
    }

    fn column(&self, at: usize) -> usize {
        let line = self.lines.get(self.line(at)).copied().unwrap_or(0);
        self.slice(line, at).trim_start_matches('\u{feff}').chars().count()
    }

    /// The number of the line that holds an offset, from 0.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Whether the line above is blank, for the first item on its line.
    fn is_blank_above(&self, at: usize) -> bool {
        let line = self.line(at);
        let start = self.lines.get(line).copied().unwrap_or(0);
        let above = line.checked_sub(1).and_then(|above| self.lines.get(above)).copied();
        let blank = |above| above >= self.end && self.slice(above, start).trim().is_empty();
        self.is_first(at) && above.is_some_and(blank)
    }

    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or("")
    }
}

/// Removes and returns the comments that a blank line separates from the first entry.
fn split_head<'t>(first: &mut Piece<'t>) -> Vec<Comment<'t>> {
    let parted = if first.blank { first.above.len() } else { first.above.iter().rposition(|c| c.blank).unwrap_or(0) };
    first.above.drain(..parted).collect()
}
