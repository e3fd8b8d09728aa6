//! Prints diagnostics for people, with the source lines.
//!
//! Only the lines around a place are passed to annotate-snippets, so that a large file costs nothing, and every range
//! is clamped to the text, so that a diagnostic cannot make rendering fail.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};

use crate::domain::sources::{SourceFile, Sources, Span};
use crate::rules::diagnostic::{Diagnostic, Severity};

/// Columns of the output; texts are wrapped and source lines trimmed to it.
const WIDTH: usize = 80;
/// Longer source lines are not shown; only their position is.
const LONGEST_LINE: usize = 1_000;
/// A place that spans more lines is marked on its first line only.
const MOST_LINES: usize = 4;
/// Two places that are at most this many lines apart are shown together.
const NEAR: usize = 30;

/// Prints diagnostics in the order of their files and places: each with its line, marks, the help and, if there is one,
/// the corrected line. Diagnostics are separated by a blank line; there is none at the end.
#[must_use]
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let drawn = sorted(diagnostics).into_iter().map(|diagnostic| renderer.render(&groups(sources, diagnostic)));
    drawn.map(|drawn| drawn + "\n").collect::<Vec<_>>().join("\n")
}

fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
    sorted
}

/// One diagnostic: the error itself, its second place if that is far away, the corrected line.
fn groups<'s>(sources: &'s Sources, diagnostic: &'s Diagnostic) -> Vec<Group<'s>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let code = diagnostic.code.to_string();
    let indent = diagnostic.severity.name().len() + code.len() + 4;
    let title = level.primary_title(wrap(&diagnostic.message, WIDTH - indent)).id(code);
    let mut main = Group::with_title(title);
    let mut others = Vec::new();
    let excerpt = Excerpt::around(sources, diagnostic.span, near_related(sources, diagnostic));
    match &excerpt {
        Some(excerpt) => main = main.element(excerpt.marked(diagnostic)),
        None => main = main.elements(origin(sources, diagnostic.span)),
    }
    others.extend(far_related(sources, diagnostic, excerpt.as_ref()));
    let help = diagnostic.help.as_deref().unwrap_or("write it like this");
    match excerpt.as_ref().and_then(|excerpt| excerpt.corrected(diagnostic)) {
        Some(snippet) => others.push(Level::HELP.secondary_title(wrap(help, WIDTH - 6)).element(snippet)),
        None if diagnostic.help.is_some() => {
            main = main.element(Level::HELP.message(wrap(help, WIDTH - 14)));
        }
        None => {}
    }
    others.insert(0, main);
    others
}

/// The second place, if it can be shown together with the first.
fn near_related(sources: &Sources, diagnostic: &Diagnostic) -> Option<Span> {
    let (related, _) = diagnostic.related.as_ref()?;
    let lines = sources.locate(*related).line.abs_diff(sources.locate(diagnostic.span).line);
    (related.file == diagnostic.span.file && lines as usize <= NEAR).then_some(*related)
}

/// The second place, if it could not be shown together with the first.
fn far_related<'s>(sources: &'s Sources, diagnostic: &'s Diagnostic, shown: Option<&Excerpt<'_>>) -> Option<Group<'s>> {
    let (related, note) = diagnostic.related.as_ref()?;
    if shown.is_some_and(|shown| shown.holds(*related)) {
        return None;
    }
    let group = Group::with_title(Level::NOTE.secondary_title(wrap(note, WIDTH - 6)));
    Some(match Excerpt::around(sources, *related, None) {
        Some(excerpt) => group.element(excerpt.snippet(AnnotationKind::Primary.span(excerpt.local(*related)))),
        None => group.elements(origin(sources, *related)),
    })
}

/// Path, line and column without the line itself.
fn origin<'s>(sources: &'s Sources, span: Span) -> Option<Origin<'s>> {
    let place = sources.locate(span);
    let path = sources.file(span.file)?.path.as_str();
    Some(Origin::path(path).line(place.line as usize).char_column(place.column as usize))
}

/// Whole lines of one file.
struct Excerpt<'s> {
    file: &'s SourceFile,
    span: Span,
    /// Byte range of the lines.
    range: Range<usize>,
    /// Number of the first line.
    line: usize,
}

impl<'s> Excerpt<'s> {
    /// The lines of a place, and of a second one; `None` if a line is too long to show.
    fn around(sources: &'s Sources, span: Span, second: Option<Span>) -> Option<Self> {
        let file = sources.file(span.file)?;
        let mut range = lines_of(&file.text, clamp(&file.text, span));
        if let Some(second) = second {
            let more = lines_of(&file.text, clamp(&file.text, second));
            range = range.start.min(more.start)..range.end.max(more.end);
        }
        let shown = file.text.get(range.clone())?;
        if shown.lines().any(|line| line.len() > LONGEST_LINE) {
            return None;
        }
        let start = Span { start: u32::try_from(range.start).ok()?, ..span };
        let line = sources.locate(start).line as usize;
        Some(Self { file, span, range, line })
    }

    fn holds(&self, span: Span) -> bool {
        let place = clamp(&self.file.text, span);
        span.file == self.span.file && self.range.start <= place.start && place.start <= self.range.end
    }

    /// A place relative to the excerpt; for a place that spans many lines, its first line.
    fn local(&self, span: Span) -> Range<usize> {
        let place = clamp(&self.file.text, span);
        let marked = self.file.text.get(place.clone()).unwrap_or("");
        let first = marked.lines().next().map_or(0, str::len);
        let end = if marked.lines().count() > MOST_LINES { place.start + first } else { place.end };
        let last = self.range.len();
        let start = place.start.saturating_sub(self.range.start).min(last);
        start..end.saturating_sub(self.range.start).clamp(start, last)
    }

    /// The lines; carriage returns become spaces, so that no symbol is printed for them.
    fn text(&self) -> Cow<'s, str> {
        let text = self.file.text.get(self.range.clone()).unwrap_or("");
        if text.contains('\r') { Cow::Owned(text.replace('\r', " ")) } else { Cow::Borrowed(text) }
    }

    fn snippet(&self, annotation: Annotation<'s>) -> Snippet<'s, Annotation<'s>> {
        let snippet = Snippet::source(self.text()).path(self.file.path.as_str()).line_start(self.line);
        snippet.annotation(annotation)
    }

    /// The place, and the second one if it is in the excerpt.
    fn marked(&self, diagnostic: &'s Diagnostic) -> Snippet<'s, Annotation<'s>> {
        let snippet = self.snippet(AnnotationKind::Primary.span(self.local(diagnostic.span)));
        match &diagnostic.related {
            Some((related, note)) if self.holds(*related) => {
                snippet.annotation(AnnotationKind::Context.span(self.local(*related)).label(note))
            }
            _ => snippet,
        }
    }

    /// The corrected line.
    fn corrected(&self, diagnostic: &'s Diagnostic) -> Option<Snippet<'s, Patch<'s>>> {
        let replacement = diagnostic.replacement.as_deref()?;
        let place = clamp(&self.file.text, diagnostic.span);
        let one_line = !self.file.text.get(place.clone())?.contains('\n');
        let changes = self.file.text.get(place)? != replacement;
        let patch = Patch::new(self.local(diagnostic.span), replacement);
        let snippet = Snippet::source(self.text()).path(self.file.path.as_str()).line_start(self.line);
        (one_line && changes).then(|| snippet.patch(patch))
    }
}

/// A span as a range of the text, on character boundaries, with start ≤ end.
fn clamp(text: &str, span: Span) -> Range<usize> {
    let boundary = |at: u32| {
        let at = (at as usize).min(text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

/// The whole lines around a range, without the last line break.
fn lines_of(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(range.end..).and_then(|behind| behind.find('\n')).map_or(text.len(), |at| range.end + at);
    let lines = text.get(start..end).unwrap_or("");
    start..start + lines.strip_suffix('\r').unwrap_or(lines).len()
}

/// Wraps a text at spaces into lines of at most `width` characters; text in backticks is not broken.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    let mut quoted = false;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && !quoted && column + 1 + length_to_break(text, wrapped.len() + 1) > width {
            wrapped.push('\n');
            column = 0;
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
        quoted ^= word.matches('`').count() % 2 == 1;
    }
    wrapped
}

/// The number of characters from an offset to the next space outside backticks.
fn length_to_break(text: &str, offset: usize) -> usize {
    let mut quoted = false;
    let rest = text.get(offset..).unwrap_or("");
    let unbroken = rest.chars().take_while(|c| {
        quoted ^= *c == '`';
        quoted || *c != ' '
    });
    unbroken.count()
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::domain::sources::{FileId, SourceFile, Sources, Span};
    use crate::rules::diagnostic::{Code, Diagnostic};
    use proptest::prelude::*;

    fn sources() -> Sources {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        Sources::new(vec![
            file("rules/a.yaml", "é: ü\nwhen: !has(x)\nkind: ofer\nkind: offer\n"),
            file("rules/b.yaml", &format!("a: b\r\n{}c: d\r\n{}\n", "# x\n".repeat(100), "x".repeat(5000))),
            file("rules/c.yaml", ""),
        ])
    }

    fn span(file: u16, start: u32, end: u32) -> Span {
        Span { file: FileId(file), start, end }
    }

    fn check(diagnostic: &Diagnostic, expected: &[&str]) {
        let drawn = render(&sources(), std::slice::from_ref(diagnostic), false);
        assert!(drawn.ends_with('\n') && !drawn.ends_with("\n\n"));
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "\n{drawn}");
        assert_eq!(drawn.lines().map(str::trim_end).collect::<Vec<_>>(), expected, "\n{drawn}");
    }

    #[test]
    fn draws_the_corrected_line() {
        let help = "quote the whole expression: `'!has(x)'`";
        let mistake = Diagnostic::error(Code(17), span(0, 13, 20), "YAML reads a leading `!` as a tag");
        check(
            &mistake.help(help).replace("'!has(x)'"),
            &[
                "error[T0017]: YAML reads a leading `!` as a tag",
                " --> rules/a.yaml:2:7",
                "  |",
                "2 | when: !has(x)",
                "  |       ^^^^^^^",
                "  |",
                "help: quote the whole expression: `'!has(x)'`",
                "  |",
                "2 - when: !has(x)",
                "2 + when: '!has(x)'",
                "  |",
            ],
        );
    }

    #[test]
    fn draws_a_second_place_nearby() {
        let mistake = Diagnostic::error(Code(12), span(0, 32, 36), "the key `kind` stands here a second time");
        check(
            &mistake.related(span(0, 21, 25), "first here").help("remove one"),
            &[
                "error[T0012]: the key `kind` stands here a second time",
                " --> rules/a.yaml:4:1",
                "  |",
                "3 | kind: ofer",
                "  | ---- first here",
                "4 | kind: offer",
                "  | ^^^^",
                "  |",
                "  = help: remove one",
            ],
        );
    }

    #[test]
    fn draws_a_second_place_far_away_and_wraps() {
        let message = "the purpose `a` is used by nothing, which is a pity because it was so carefully declared";
        let mistake = Diagnostic::warning(Code(301), span(1, 0, 1), message);
        check(
            &mistake.related(span(0, 0, 2), "declared here too"),
            &[
                "warning[T0301]: the purpose `a` is used by nothing, which is a pity because it",
                "                was so carefully declared",
                " --> rules/b.yaml:1:1",
                "  |",
                "1 | a: b",
                "  | ^",
                "  |",
                "note: declared here too",
                " --> rules/a.yaml:1:1",
                "  |",
                "1 | é: ü",
                "  | ^",
            ],
        );
    }

    #[test]
    fn names_places_that_it_cannot_draw() {
        let mistake = Diagnostic::error(Code(14), span(1, 600, 700), "this is not valid YAML");
        let expected = ["error[T0014]: this is not valid YAML", "--> rules/b.yaml:103:189", " = help: fix it"];
        check(&mistake.help("fix it").replace("y"), &expected);
        check(&Diagnostic::error(Code(25), span(9, 0, 0), "no such file"), &["error[T0025]: no such file"]);
        let empty = ["error[T0004]: this file is empty", " --> rules/c.yaml:1:1", "  |", "1 |", "  | ^"];
        check(&Diagnostic::error(Code(4), span(2, 0, 0), "this file is empty"), &empty);
    }

    #[test]
    fn sorts_by_file_and_place() {
        let at = |file, start| Diagnostic::error(Code(14), span(file, start, start), format!("{file}-{start}"));
        let drawn = render(&sources(), &[at(1, 3), at(0, 9), at(2, 0), at(0, 0)], false);
        let titles: Vec<&str> = drawn.lines().filter_map(|line| line.strip_prefix("error[T0014]: ")).collect();
        assert_eq!(titles, ["0-0", "0-9", "1-3", "2-0"]);
        assert_eq!(render(&sources(), &[], true), "");
        assert!(render(&sources(), &[at(0, 0)], true).contains("\u{1b}["));
    }

    proptest! {
        #[test]
        fn draws_any_span(file in 0_u16..4, start in 0_u32..600, end in 0_u32..600, second in 0_u32..600, text in any::<String>()) {
            let mistake = Diagnostic::error(Code(14), span(file, start, end), text.clone()).help(text.clone());
            let mistake = mistake.replace(text.clone()).related(span(file, second, end), text);
            prop_assert!(!render(&sources(), &[mistake], true).is_empty());
        }
    }
}
