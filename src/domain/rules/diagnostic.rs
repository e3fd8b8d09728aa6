//! What is wrong in a rule file: where, what, and how to mend it.
//!
//! Diagnostics are data; `cli::render` draws them. A span is a byte range in one file, so a line and a
//! column are computed only when somebody looks.

use std::fmt;

/// A rule file's place in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u16);

/// A byte range in one rule file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A stable name for a kind of mistake, shown as `T0102`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:04}", self.0)
    }
}

/// How bad it is: an error keeps the rule set from loading, a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The rule set cannot be used.
    Error,
    /// The rule set works; something in it is probably not meant.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// What is wrong: lowercase, no full stop, input in backticks.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Text that would replace the span, where that is obvious.
    pub replacement: Option<String>,
    /// A second place that explains the first, with a note.
    pub related: Option<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            help: None,
            replacement: None,
            related: None,
        }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the text that should stand in the span.
    #[must_use]
    pub fn replace(mut self, replacement: impl Into<String>) -> Self {
        self.replacement = Some(replacement.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related = Some((span, note.into()));
        self
    }
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as the user would name it, with `/` between folders.
    pub path: String,
    /// Contents.
    pub text: String,
}

/// The files that a rule set was read from, in path order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    root: String,
    files: Vec<SourceFile>,
    line_starts: Vec<Vec<u32>>,
}

/// A place a person can go to; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Sources {
    /// Files sorted by path, so that the same folder always gives the same rule set.
    #[must_use]
    pub fn new(mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let line_starts = files.iter().map(|file| line_starts(&file.text)).collect();
        Self { root: String::new(), files, line_starts }
    }

    /// Files of one folder, whose paths begin with the folder's.
    #[must_use]
    pub fn under(root: &str, files: Vec<SourceFile>) -> Self {
        Self { root: root.to_owned(), ..Self::new(files) }
    }

    /// A file's path inside the folder, the same wherever the folder is.
    #[must_use]
    pub fn relative<'f>(&self, file: &'f SourceFile) -> &'f str {
        file.path.strip_prefix(&self.root).unwrap_or(&file.path).trim_start_matches('/')
    }

    /// Every file with its id.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// The file behind an id.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::from(id.0))
    }

    /// The file with a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<FileId> {
        let place = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        u16::try_from(place).ok().map(FileId)
    }

    /// Where a span begins.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        self.place(span.file, span.start)
    }

    /// Where a span ends.
    #[must_use]
    pub fn locate_end(&self, span: Span) -> Location {
        self.place(span.file, span.end.max(span.start))
    }

    /// Line and column at which a span begins.
    #[must_use]
    pub fn position(&self, span: Span) -> (u32, u32) {
        self.line_and_column(span.file, span.start)
    }

    fn place(&self, file: FileId, offset: u32) -> Location {
        let (line, column) = self.line_and_column(file, offset);
        Location { file: self.file(file).map_or_else(String::new, |source| source.path.clone()), line, column }
    }

    fn line_and_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let starts = self.line_starts.get(usize::from(file.0)).map_or(&[][..], Vec::as_slice);
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0) as usize;
        let before = self.file(file).and_then(|source| source.text.get(start..(offset as usize).max(start)));
        let column = before.unwrap_or("").chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let after_breaks = text.match_indices('\n').map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
    std::iter::once(0).chain(after_breaks).collect()
}
