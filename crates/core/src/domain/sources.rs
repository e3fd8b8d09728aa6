//! The texts of rule files, and places in them.
//!
//! A span is a byte range in one file; line and column are computed only when they are printed.

use std::fmt;

/// A rule file's place in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u16);

/// A byte range in one rule file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file, as numbered in its [`Sources`].
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as the user named it, with `/` between folders.
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
