//! Writes entries: order, indentation, blank lines, columns, and what fits on one line.

use super::layout::{Collection, Comment, Piece, Value};
use crate::rules::shape::Form;
use crate::rules::source::Style;

/// A list or map in brackets stays in them if it fits into this many columns.
const WIDTH: usize = 120;
/// How much deeper entries are indented than their parent.
const STEP: usize = 2;

/// The whole file.
pub(super) fn document(mut whole: Collection<'_>, form: &Form) -> String {
    let mut writer = Writer { out: String::new(), lead: None, fresh: true };
    let first = whole.pieces.first().and_then(|piece| piece.key);
    let parted = whole.pieces.first().is_some_and(|piece| piece.blank);
    sort(&mut whole, Some(form));
    let moved = whole.pieces.first().and_then(|piece| piece.key) != first;
    let head = std::mem::take(&mut whole.head);
    writer.comments(&head, 0);
    if let Some(first) = whole.pieces.first_mut() {
        *first.top() = !head.is_empty() && (moved || parted);
    }
    let place = Place { indent: 0, column: whole.column };
    writer.entries(whole, place);
    writer.out
}

/// Sorts keys into the order of the table; unknown keys come last, in their own order.
fn sort(collection: &mut Collection<'_>, form: Option<&Form>) {
    for piece in &mut collection.pieces {
        let form = form.and_then(|form| match piece.key {
            Some((_, name)) => form.behind(name),
            None => form.item(),
        });
        if let Value::Collection(inner) = &mut piece.value {
            sort(inner, form);
        }
    }
    if let Some(shape) = form.and_then(Form::shape).filter(|_| collection.map) {
        let rank = |name: &str| shape.names().position(|known| known == name).unwrap_or(usize::MAX);
        collection.pieces.sort_by_key(|piece| piece.key.map(|(_, name)| rank(name)));
    }
}

/// Where entries go.
#[derive(Clone, Copy)]
struct Place {
    /// Where they begin.
    indent: usize,
    /// Where they began before.
    column: usize,
}

struct Writer {
    out: String,
    /// The dashes of items, which replace the indentation of the next line.
    lead: Option<String>,
    /// Whether nothing is written yet, so that a blank line would be the first line.
    fresh: bool,
}

impl Writer {
    fn blank(&mut self) {
        if !self.fresh {
            self.out.push('\n');
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        let lead = self.lead.take().unwrap_or_else(|| " ".repeat(indent));
        self.out.extend([lead.as_str(), text]);
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.fresh = false;
    }

    fn comments(&mut self, comments: &[Comment<'_>], indent: usize) {
        for comment in comments {
            if comment.blank {
                self.blank();
            }
            // Document marks are at the beginning of a line, and only there.
            let indent = if comment.text.starts_with('#') { indent } else { 0 };
            self.line(indent, comment.text);
        }
    }

    fn collection(&mut self, mut collection: Collection<'_>, place: Place) {
        self.fresh = true;
        if !collection.head.is_empty() {
            self.comments(&std::mem::take(&mut collection.head), place.indent);
            if let Some(first) = collection.pieces.first_mut() {
                *first.top() = true;
            }
        }
        let column = collection.column;
        self.entries(collection, Place { column, ..place });
    }

    fn entries(&mut self, collection: Collection<'_>, place: Place) {
        let width = column(&collection.pieces, place.indent);
        for mut piece in collection.pieces {
            if piece.key.is_none() {
                hoist(&mut piece, place.indent);
            }
            self.comments(&piece.above, place.indent);
            if piece.blank {
                self.blank();
            }
            match piece.key {
                Some((key, _)) => self.entry(key, width, piece, place),
                None => self.item(piece, place),
            }
        }
        self.comments(&collection.tail, place.indent);
    }

    fn item(&mut self, piece: Piece<'_>, place: Place) {
        let lead = self.lead.take().unwrap_or_else(|| " ".repeat(place.indent));
        self.lead = Some(lead + "- ");
        match inline(&piece.value, place.indent + STEP) {
            Some(text) => self.line(0, &beside(text, piece.beside)),
            None => self.deeper("", piece, place),
        }
    }

    fn entry(&mut self, key: &str, width: usize, piece: Piece<'_>, place: Place) {
        let length = key.chars().count();
        match inline(&piece.value, place.indent + length + STEP) {
            Some(text) => {
                let padding = " ".repeat(width.saturating_sub(length).max(1));
                self.line(place.indent, &beside(format!("{key}:{padding}{text}"), piece.beside));
            }
            None => self.deeper(key, piece, place),
        }
    }

    /// Writes a value that needs more than one line.
    fn deeper(&mut self, key: &str, piece: Piece<'_>, place: Place) {
        match piece.value {
            Value::Scalar(raw, style) => {
                let begin = if key.is_empty() { String::new() } else { format!("{key}: ") };
                self.scalar(&begin, raw, style, place);
                if let Some(comment) = piece.beside {
                    self.out.pop();
                    self.out.extend([" ", comment, "\n"]);
                }
            }
            Value::Collection(collection) => {
                if !key.is_empty() {
                    self.line(place.indent, &beside(format!("{key}:"), piece.beside));
                }
                self.collection(collection, Place { indent: place.indent + STEP, ..place });
            }
        }
    }

    /// Writes a scalar of several lines: the first unchanged, the others with their new indentation.
    fn scalar(&mut self, begin: &str, raw: &str, style: Style, place: Place) {
        let mut lines = raw.split('\n').map(|line| line.trim_end_matches('\r'));
        let first = lines.next().unwrap_or("");
        self.line(place.indent, &format!("{begin}{first}"));
        let rest: Vec<&str> = lines.collect();
        let (before, after) = match style {
            Style::Block => block_indent(first, &rest, place),
            _ => (usize::MAX, place.indent + STEP),
        };
        for line in &rest {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let content = line.get(spaces.min(before)..).unwrap_or("");
            let content = if style == Style::Plain { content.trim_end() } else { content };
            let indent = if content.is_empty() { 0 } else { after };
            self.out.extend([&" ".repeat(indent), content, "\n"]);
        }
        if raw.ends_with('\n') {
            self.out.pop();
        }
    }
}

/// The old and the new indentation of a text block.
fn block_indent(header: &str, lines: &[&str], place: Place) -> (usize, usize) {
    let header = header.split('#').next().unwrap_or("");
    if header.contains(|c: char| c.is_ascii_digit()) {
        // The header has the indentation, relative to the entries.
        return (place.column, place.indent);
    }
    let first = lines.iter().find(|line| !line.trim().is_empty());
    (first.map_or(0, |line| line.len() - line.trim_start_matches(' ').len()), place.indent + STEP)
}

/// A comment cannot be between a dash and its entry: it moves above the dash.
fn hoist(piece: &mut Piece<'_>, indent: usize) {
    let fits = inline(&piece.value, indent + STEP).is_some();
    let Value::Collection(collection) = &mut piece.value else { return };
    if fits {
        return;
    }
    let mut moved = std::mem::take(&mut collection.head);
    moved.extend(piece.beside.take().map(Comment::moved));
    if let Some(first) = collection.pieces.first_mut() {
        if first.key.is_none() {
            hoist(first, indent + STEP);
        }
        moved.append(&mut first.above);
    }
    if let Some(top) = moved.first_mut() {
        top.blank = std::mem::take(&mut piece.blank);
    }
    piece.above.append(&mut moved);
}

fn beside(text: String, comment: Option<&str>) -> String {
    match comment {
        Some(comment) => format!("{text} {comment}"),
        None => text,
    }
}

/// The column of the values of a map, relative to the keys; 1 if each follows its key directly.
///
/// Values are aligned in a column if the author began to: if the values of two keys of different length are aligned.
fn column(pieces: &[Piece<'_>], indent: usize) -> usize {
    let length = |piece: &Piece<'_>| piece.key.map_or(0, |(key, _)| key.chars().count());
    let mut set: Vec<(usize, usize)> = pieces.iter().filter_map(|piece| Some((piece.column?, length(piece)))).collect();
    set.sort_unstable();
    let in_column = set.windows(2).any(|pair| matches!(pair, [(one, a), (two, b)] if one == two && a != b));
    if !in_column {
        return 1;
    }
    let fits = |piece: &Piece<'_>| inline(&piece.value, indent + length(piece) + STEP).filter(|text| !text.is_empty());
    pieces.iter().filter(|piece| fits(piece).is_some()).map(length).max().unwrap_or(0) + 1
}

/// A value that fits on the line of its key or dash, which already takes `taken` columns.
fn inline(value: &Value<'_>, taken: usize) -> Option<String> {
    let mut text = String::new();
    match value {
        Value::Scalar(raw, _) if raw.contains('\n') => return None,
        Value::Scalar(raw, _) => text.push_str(raw),
        Value::Collection(collection) => flow(collection, WIDTH.saturating_sub(taken), &mut text)?,
    }
    Some(text)
}

/// Writes a collection in brackets; `None` if it does not fit, has comments, or was not in brackets on one line.
fn flow(collection: &Collection<'_>, room: usize, text: &mut String) -> Option<()> {
    let (open, close) = if collection.map { ('{', '}') } else { ('[', ']') };
    text.push(open);
    let commented = !collection.head.is_empty() || !collection.tail.is_empty();
    if !collection.pieces.is_empty() && (!collection.flow || commented) {
        return None;
    }
    for (index, piece) in collection.pieces.iter().enumerate() {
        if !piece.above.is_empty() || piece.beside.is_some() || text.chars().count() > room {
            return None;
        }
        if index > 0 {
            text.push_str(", ");
        }
        if let Some((key, _)) = piece.key {
            text.extend([key, ": "]);
        }
        match &piece.value {
            Value::Scalar(raw, _) => text.push_str(raw),
            Value::Collection(inner) => flow(inner, room, text)?,
        }
    }
    text.push(close);
    (collection.pieces.is_empty() || text.chars().count() <= room).then_some(())
}
