//! Builds nodes with places from the events of saphyr-parser, within limits, without recursion.
//!
//! Refused: anchors, aliases, tags, merge keys, a second document, duplicate keys, keys that are not text. Every plain
//! scalar is text here; `value` assigns its type.

use super::guard::{MAX_DEPTH, MAX_NODES, span, too_deep, too_many};
use super::mistake::{self, Failure, Stop};
use super::node::{Entry, MapKey, Node, NodeKind, Style};
use super::offset::Offsets;
use crate::domain::sources::{FileId, Span};
use crate::rules::code::{COMPLEX_KEY, DUPLICATE_KEY, MERGE_KEY, SEVERAL_DOCUMENTS};
use crate::rules::diagnostic::Diagnostic;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// Reads the whole text. Mistakes that do not prevent a tree go to `problems`; any other ends the reading.
pub(super) fn build(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) -> Result<Node, Stop> {
    let mut builder = Builder { file, text, open: Vec::new(), root: None, nodes: 0, documents: 0, problems };
    let offsets = Offsets::new(text);
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, place)) => {
                let range = (offsets.byte(place.start.index()), offsets.byte(place.end.index()));
                builder.event(event, range)?;
            }
            Err(error) => {
                let at = offsets.byte(error.marker().index());
                let open = builder.open.iter().rev().find(|open| open.style == Style::Flow);
                let failure = Failure { file, text, info: error.info(), at, open: open.map(|open| open.start) };
                return Err(mistake::explain(&failure));
            }
        }
    }
    builder.root.ok_or_else(|| Stop::here(mistake::nothing(file)))
}

/// A list or map that is not yet closed.
struct Open {
    start: usize,
    style: Style,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    /// Entries, and the key whose value is not read yet.
    Map(Vec<Entry>, Option<MapKey>),
}

struct Builder<'t, 'p> {
    file: FileId,
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    problems: &'p mut Vec<Diagnostic>,
}

type Built = Result<(), Stop>;

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, range: (usize, usize)) -> Built {
        match event {
            Event::DocumentStart(_) => self.document(range),
            Event::Alias(_) => Err(mistake::sign(self.file, self.text, range.0)),
            Event::Scalar(value, style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), range)?;
                self.scalar(value.into_owned(), style, range)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), range)?;
                self.enter(Items::List(Vec::new()), range)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), range)?;
                self.enter(Items::Map(Vec::new(), None), range)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.leave(range);
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, range: (usize, usize)) -> Built {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let place = span(self.file, range.0, range.1);
        Err(Stop::here(
            Diagnostic::error(SEVERAL_DOCUMENTS, place, "a second document begins here")
                .help("put it into a file of its own, or remove the `---`"),
        ))
    }

    fn refuse_properties(&self, anchor: usize, tagged: bool, range: (usize, usize)) -> Built {
        if anchor == 0 && !tagged { Ok(()) } else { Err(mistake::sign(self.file, self.text, range.0)) }
    }

    fn enter(&mut self, items: Items, range: (usize, usize)) -> Built {
        self.count(range)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Stop::here(too_deep(span(self.file, range.0, range.1))));
        }
        let bracket = self.text.get(range.0..).is_some_and(|rest| rest.starts_with(['[', '{']));
        let within_flow = self.open.last().is_some_and(|open| open.style == Style::Flow);
        let style = if within_flow || bracket && range.1 > range.0 { Style::Flow } else { Style::Block };
        self.open.push(Open { start: range.0, style, items });
        Ok(())
    }

    /// saphyr-parser's span includes spaces and a comment after the last bracket, so only its start is used.
    fn leave(&mut self, range: (usize, usize)) {
        let Some(open) = self.open.pop() else { return };
        let last = match &open.items {
            Items::List(items) => items.last().map(|item| item.span),
            Items::Map(entries, _) => entries.last().map(|entry| entry.value.span.max(entry.key.span)),
        };
        let bracket = range.0 < range.1 && self.text.get(range.0..).is_some_and(|rest| rest.starts_with([']', '}']));
        let end = match last {
            Some(last) if open.style == Style::Block || !bracket => last.end as usize,
            _ => range.0 + usize::from(bracket),
        };
        let kind = match open.items {
            Items::List(items) => NodeKind::List(items),
            Items::Map(entries, _) => {
                self.refuse_duplicates(&entries);
                NodeKind::Map(entries)
            }
        };
        self.add(Node { span: span(self.file, open.start, end.max(open.start)), kind, style: open.style });
    }

    fn scalar(&mut self, value: String, style: ScalarStyle, range: (usize, usize)) -> Built {
        self.count(range)?;
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let place = span(self.file, range.0, self.scalar_end(style, value.is_empty(), range));
        let nothing = style == Style::Plain && value.is_empty();
        if let Some(Open { items: Items::Map(_, key @ None), .. }) = self.open.last_mut() {
            if nothing || style == Style::Plain && value == "<<" {
                self.problems.push(bad_key(place, nothing));
            }
            *key = Some(MapKey { text: value, span: place });
        } else {
            let kind = if nothing { NodeKind::Null } else { NodeKind::Text(value) };
            self.add(Node { span: place, kind, style });
        }
        Ok(())
    }

    /// saphyr-parser's span of a scalar includes trailing spaces and comments; they are cut off here.
    fn scalar_end(&self, style: Style, empty: bool, range: (usize, usize)) -> usize {
        let raw = self.text.get(range.0..range.1).unwrap_or("");
        range.0
            + match style {
                Style::Plain if empty => 0,
                Style::SingleQuoted | Style::DoubleQuoted => quoted_length(raw),
                _ => raw.trim_end_matches([' ', '\t', '\n', '\r']).len(),
            }
    }

    /// Adds a finished value to its parent.
    fn add(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(entries, key)) => match key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => {
                    let message = "a key must be text, not a list or a map";
                    let problem = Diagnostic::error(COMPLEX_KEY, node.span, message);
                    self.problems.push(problem.help("write one line for each key"));
                    *key = Some(MapKey { text: String::new(), span: node.span });
                }
            },
        }
    }

    fn count(&mut self, range: (usize, usize)) -> Built {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Stop::here(too_many(span(self.file, range.0, range.1))))
    }

    fn refuse_duplicates(&mut self, entries: &[Entry]) {
        let mut seen: HashMap<&str, Span> = HashMap::with_capacity(entries.len());
        for Entry { key, .. } in entries {
            let Some(first) = seen.get(key.text.as_str()) else {
                seen.insert(&key.text, key.span);
                continue;
            };
            let message = format!("the key `{}` stands here a second time", key.text);
            let problem = Diagnostic::error(DUPLICATE_KEY, key.span, message).related(*first, "first here");
            self.problems.push(problem.help("YAML readers keep the first, the last or neither: remove one"));
        }
    }
}

fn bad_key(place: Span, nothing: bool) -> Diagnostic {
    if nothing {
        return Diagnostic::error(COMPLEX_KEY, place, "a key is missing before the `:`").help("name what this is");
    }
    Diagnostic::error(MERGE_KEY, place, "`<<` merges maps in some YAML readers and not in others")
        .help("write the keys out")
}

/// The length of a quoted scalar that begins at the text's start, with both quotes.
fn quoted_length(raw: &str) -> usize {
    let quote = raw.chars().next().unwrap_or('"');
    let mut skip = false;
    let mut characters = raw.char_indices().skip(1).peekable();
    while let Some((offset, c)) = characters.next() {
        if std::mem::take(&mut skip) {
            continue;
        }
        skip = c == '\\' && quote == '"'
            || c == quote && characters.peek().is_some_and(|next| next.1 == '\'') && quote == '\'';
        if c == quote && !skip {
            return offset + 1;
        }
    }
    raw.len()
}
