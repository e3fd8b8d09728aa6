//! The texts of rule files, and places in them.
//!
//! A span is a byte range in one file; line and column are computed only when they are printed.

use std::fmt;
use std::sync::Arc;

use super::notice::Notices;

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
    files: Vec<SourceFile>,
    notices: Arc<Notices>,
    places: Arc<Places>,
}

/// The folder of the notices, inside the rule folder.
pub const NOTICES: &str = "notices/";

/// Whether a file, by its path inside the rule folder, is a notice rather than rules.
#[must_use]
pub fn is_notice(path: &str) -> bool {
    path.starts_with(NOTICES) && !path.ends_with(".yaml") && !path.ends_with(".yml")
}

/// The paths of rule files and where their lines begin, without their texts: a rule set in memory needs no more to name
/// a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    root: String,
    files: Vec<FilePlaces>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FilePlaces {
    path: String,
    /// The first byte of each line.
    line_starts: Vec<u32>,
    /// The bytes that begin no character, because columns count characters.
    continuations: Vec<u32>,
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
    pub fn new(files: Vec<SourceFile>) -> Self {
        Self::under("", files)
    }

    /// Files of one folder, whose paths begin with the folder's.
    #[must_use]
    pub fn under(root: &str, mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let places = Places { root: root.to_owned(), files: Vec::new() };
        let (notices, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| is_notice(places.relative(&file.path)));
        let notices = notices.into_iter().map(|file| (places.relative(&file.path).to_owned(), file.text));
        let notices = Arc::new(Notices::new(notices));
        let places = Places { files: files.iter().map(FilePlaces::of).collect(), ..places };
        Self { files, notices, places: Arc::new(places) }
    }

    /// The notices of the folder.
    #[must_use]
    pub fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }

    /// Where files and lines begin, without the texts.
    #[must_use]
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// A file's path inside the folder, the same wherever the folder is.
    #[must_use]
    pub fn relative<'f>(&self, file: &'f SourceFile) -> &'f str {
        self.places.relative(&file.path)
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
        self.places.locate(span)
    }

    /// Where a span ends.
    #[must_use]
    pub fn locate_end(&self, span: Span) -> Location {
        self.places.place(span.file, span.end.max(span.start))
    }

    /// Line and column at which a span begins.
    #[must_use]
    pub fn position(&self, span: Span) -> (u32, u32) {
        self.places.line_and_column(span.file, span.start)
    }
}

impl Places {
    /// The path of each file, as the user named it.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }

    /// A path inside the folder, the same wherever the folder is.
    #[must_use]
    pub fn relative<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(&self.root).unwrap_or(path).trim_start_matches('/')
    }

    /// Where a span begins.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        self.place(span.file, span.start)
    }

    /// Where a span begins, with the path inside the folder.
    #[must_use]
    pub fn locate_inside(&self, span: Span) -> Location {
        let place = self.locate(span);
        Location { file: self.relative(&place.file).to_owned(), ..place }
    }

    fn place(&self, file: FileId, offset: u32) -> Location {
        let (line, column) = self.line_and_column(file, offset);
        let file = self.files.get(usize::from(file.0)).map_or_else(String::new, |file| file.path.clone());
        Location { file, line, column }
    }

    fn line_and_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let Some(FilePlaces { line_starts, continuations, .. }) = self.files.get(usize::from(file.0)) else {
            return (1, 1);
        };
        let line = line_starts.partition_point(|start| *start <= offset).max(1);
        let start = line_starts.get(line - 1).copied().unwrap_or(0);
        let before = |offset: u32| continuations.partition_point(|at| *at < offset);
        let within = u32::try_from(before(offset) - before(start)).unwrap_or(0);
        (u32::try_from(line).unwrap_or(u32::MAX), offset - start - within + 1)
    }
}

impl FilePlaces {
    fn of(file: &SourceFile) -> Self {
        let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let after_breaks = file.text.match_indices('\n').map(|(at, _)| byte(at + 1));
        let continuations = file.text.bytes().enumerate().filter(|(_, value)| value & 0xc0 == 0x80);
        Self {
            path: file.path.clone(),
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            continuations: continuations.map(|(at, _)| byte(at)).collect(),
        }
    }
}
