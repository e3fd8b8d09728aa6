//! Continues after a mistake: the wrong part is overwritten with filler of the same length, so that places stay valid,
//! and the text is read again. If the extent of the mistake is unknown, the smallest list item or section around it is
//! skipped.

use super::guard::{MAX_PROBLEMS, span};
use super::line::{indent, line_at, line_before, trimmed, with_children};
use super::mistake::Stop;
use super::node::{Node, Reading};
use crate::domain::sources::{FileId, Span};
use crate::rules::code::{EMPTY_FILE, NESTED_TOO_DEEP, SEVERAL_DOCUMENTS, TOO_MANY_NODES, YAML_SYNTAX, YAML_UNCLOSED};
use crate::rules::diagnostic::Diagnostic;
use std::ops::Range;

/// A text that is read repeatedly, each time with less content.
pub(super) struct Recovery<'t> {
    file: FileId,
    text: &'t str,
    /// The text with the wrong parts overwritten.
    pub patched: String,
    blanked: Vec<Range<usize>>,
    /// Whole lines that were skipped.
    lost: Vec<Range<usize>>,
    /// Whether a mistake with an unknown extent was skipped.
    unsure: bool,
    /// Every mistake so far.
    pub found: Vec<Diagnostic>,
}

impl<'t> Recovery<'t> {
    /// Starts with a text and the mistakes in single characters.
    pub fn new(file: FileId, text: &'t str, patched: &str, characters: Vec<Diagnostic>) -> Self {
        let mut recovery = Self {
            file,
            text,
            patched: patched.to_owned(),
            blanked: Vec::new(),
            lost: Vec::new(),
            unsure: false,
            found: Vec::new(),
        };
        for problem in characters {
            let range = problem.span.start as usize..problem.span.end as usize;
            let line = line_at(text, range.start);
            let indents = text.get(line.start..range.start).is_some_and(|before| before.trim().is_empty());
            match text.get(range.clone()).and_then(|written| written.chars().next()) {
                // The indentation of a line with tabs is unknown.
                Some('\t') if indents => {
                    recovery.blank(range.start..line.end, "#");
                    recovery.lost.push(range.start..line.end);
                }
                Some('%') => recovery.blank(range, "#"),
                Some('\r') => recovery.blank(range, "\n"),
                _ => recovery.blank(range, " "),
            }
            recovery.found.push(problem);
        }
        recovery
    }

    /// Adds mistakes that were found with a complete tree, or at a skipped stop.
    pub fn add(&mut self, problems: Vec<Diagnostic>) {
        let about_text = |problem: &Diagnostic| !self.blanked.iter().any(|range| overlaps(range, problem.span));
        let more: Vec<Diagnostic> = problems.into_iter().filter(about_text).collect();
        self.found.extend(more);
    }

    /// Overwrites what stopped the parser; true if reading again is useful.
    pub fn pass_over(&mut self, stop: Stop) -> bool {
        let at = stop.diagnostic.span.start as usize;
        let echo = self.is_echo(&stop.diagnostic);
        if let Some((range, filler)) = stop.blank
            && self.blanks(&range, filler)
        {
            self.add(Some(stop.diagnostic).filter(|_| !echo).into_iter().collect());
            self.blank(range, filler);
            return true;
        }
        let hopeless = [EMPTY_FILE, NESTED_TOO_DEEP, SEVERAL_DOCUMENTS, TOO_MANY_NODES].contains(&stop.diagnostic.code);
        let block = if hopeless { None } else { self.block(at) };
        // After a stop with an unknown extent, the next one may be consequential.
        if !self.unsure && !echo {
            self.add(vec![stop.diagnostic]);
        }
        let Some(block) = block else { return false };
        self.blank(block.clone(), "#");
        self.lost.push(block);
        self.unsure = true;
        true
    }

    /// Whether a mistake in brackets or indentation is on a line that already has one, or nothing is left.
    fn is_echo(&self, problem: &Diagnostic) -> bool {
        let line = line_at(self.text, problem.span.start as usize);
        let same_line =
            |found: &Diagnostic| line.start <= found.span.start as usize && found.span.start as usize <= line.end;
        match problem.code {
            YAML_SYNTAX | YAML_UNCLOSED => self.found.iter().any(same_line),
            EMPTY_FILE => !self.found.is_empty(),
            _ => false,
        }
    }

    /// The smallest block around a place that is not skipped yet.
    fn block(&self, at: usize) -> Option<Range<usize>> {
        let line = line_at(self.text, at.min(self.text.len()));
        let (mut item, mut section) = (None, None);
        let (mut start, mut depth) = (line.start, indent(self.text, &line));
        while let Some(above) = line_before(self.text, start).filter(|_| depth > 0) {
            let column = indent(self.text, &above);
            if column < depth {
                let dash = self.text.get(trimmed(self.text, above.clone())).is_some_and(|line| line.starts_with("- "));
                item = item.or_else(|| dash.then(|| with_children(self.text, above.clone())));
                depth = column;
            }
            if column == 0 {
                section = Some(with_children(self.text, above.clone()));
            }
            start = above.start;
        }
        let own = with_children(self.text, line);
        [Some(own), item, section].into_iter().flatten().find(|range| self.blanks(range, "#"))
    }

    fn blanks(&self, range: &Range<usize>, filler: &str) -> bool {
        self.patched
            .get(range.clone())
            .is_some_and(|written| !written.is_empty() && written != filler.repeat(range.len()))
    }

    fn blank(&mut self, range: Range<usize>, filler: &str) {
        if self.blanks(&range, filler) {
            self.patched.replace_range(range.clone(), &filler.repeat(range.len()));
        }
        self.blanked.push(range);
    }

    /// The result, with a note about skipped lines.
    pub fn finish(mut self, node: Option<Node>) -> Reading {
        let whole = 0..self.text.len();
        let lost: Vec<Range<usize>> = if node.is_none() { vec![whole] } else { std::mem::take(&mut self.lost) };
        let lost: Vec<Range<usize>> = lost.into_iter().map(|range| trimmed(self.text, range)).collect();
        let many_lines =
            |range: &&Range<usize>| self.text.get((*range).clone()).is_some_and(|text| text.contains('\n'));
        let note = match lost.iter().filter(many_lines).collect::<Vec<_>>().as_slice() {
            [] => None,
            [one] if node.is_some() => Some(format!("lines {} to {}", self.line(one.start), self.line(one.end))),
            _ => Some("this file".to_owned()),
        };
        let lost: Vec<Span> = lost.iter().map(|range| span(self.file, range.start, range.end)).collect();
        let blamed = |problem: &&mut Diagnostic| node.is_none() || lost.iter().any(|lost| touches(*lost, problem.span));
        if let (Some(note), Some(problem)) = (note, self.found.iter_mut().find(blamed)) {
            let note = format!("what else is wrong in {note} shows when this is fixed");
            problem.help = Some(problem.help.take().map_or_else(|| note.clone(), |help| format!("{help}; {note}")));
        }
        self.found.sort_by_key(|diagnostic| diagnostic.span);
        self.found.truncate(MAX_PROBLEMS);
        Reading { node, lost, found: self.found }
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
    }
}

fn overlaps(range: &Range<usize>, span: Span) -> bool {
    (span.start as usize) < range.end && range.start < span.end as usize
}

fn touches(lost: Span, place: Span) -> bool {
    lost.start <= place.start && place.start <= lost.end
}
