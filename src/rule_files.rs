//! The rule files of a folder: reads them from disk, then loads them. An unreadable file is reported like any other
//! mistake.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::domain::id::Vocabulary;
use crate::domain::sources::{NOTICES, SourceFile, Sources, Span};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::sink::MOST_MISTAKES;
use crate::rules::size::MAX_BYTES;
use crate::rules::source::MAX_FILE_BYTES;
use crate::rules::{Loaded, code, load};

/// The most files in a folder.
const MOST_FILES: usize = 2_000;

/// Every rule file of a folder as it is on disk at one moment, not yet parsed. Two reads are equal if nothing has
/// changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFiles {
    root: String,
    files: Vec<SourceFile>,
    /// Files and folders that could not be read; an unreadable file is also in the list of files, without text, so that
    /// its name can be shown.
    failures: Vec<Unreadable>,
}

/// A file or folder that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unreadable {
    path: String,
    kind: io::ErrorKind,
    why: String,
}

/// Loads every `*.yaml` under a folder, or one file, and the notices. Hidden files and folders are left out.
#[must_use]
pub fn read(root: &Path, vocabulary: &Vocabulary) -> Loaded {
    look(root).load(vocabulary)
}

/// Reads every `*.yaml` under a folder, or one file, and every file in the folder `notices` there. Hidden files and folders
/// are left out.
#[must_use]
pub fn look(root: &Path) -> RuleFiles {
    let Walk { paths, mut failures, .. } = Walk::of(root, MOST_FILES);
    let folder = if root.is_file() { root.parent().unwrap_or(root) } else { root };
    let (mut files, mut bytes) = (Vec::new(), 0);
    for path in paths {
        match read_text(&path) {
            Ok(text) => {
                bytes += text.len();
                files.push(SourceFile { path: shown(&path), text });
            }
            Err(error) => failures.push((path, error)),
        }
        if bytes > MAX_BYTES {
            files.clear();
            failures = vec![(root.to_owned(), too_much(&format!("{} MiB", MAX_BYTES >> 20)))];
            break;
        }
    }
    let unreadable = |(path, error): (PathBuf, io::Error)| Unreadable {
        path: shown(&path),
        kind: error.kind(),
        why: error.to_string(),
    };
    let failures: Vec<Unreadable> = failures.into_iter().map(unreadable).collect();
    files.extend(failures.iter().map(|failure| SourceFile { path: failure.path.clone(), text: String::new() }));
    RuleFiles { root: shown(folder), files, failures }
}

/// The text of a file, read up to the maximum size of a rule file.
fn read_text(path: &Path) -> io::Result<String> {
    let most = MAX_FILE_BYTES as u64 + 1;
    let file = fs::File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE_BYTES {
        let why = format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes).map_err(|error| {
        let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = sound.filter(|byte| **byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 in line {line}"))
    })
}

fn too_much(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, format!("it holds more than {what} of rules"))
}

impl RuleFiles {
    /// The readable files: each by its path below the folder, and its text.
    #[must_use]
    pub fn below_folder(&self) -> Vec<(String, String)> {
        let unreadable = |path: &str| self.failures.iter().any(|failure| failure.path == path);
        let below = |path: &str| path.strip_prefix(&self.root).unwrap_or(path).trim_start_matches('/').to_owned();
        let files = self.files.iter().filter(|file| !unreadable(&file.path));
        files.map(|file| (below(&file.path), file.text.clone())).collect()
    }

    /// The files as sources, and the diagnostics of unreadable ones.
    #[must_use]
    pub fn sources(self) -> (Sources, Vec<Diagnostic>) {
        let sources = Sources::under(&self.root, self.files);
        let unreadable = self.failures.iter().map(|failure| failure.diagnostic(&sources)).collect();
        (sources, unreadable)
    }

    /// Loads the files. An unreadable file is a mistake like any other.
    #[must_use]
    pub fn load(self, vocabulary: &Vocabulary) -> Loaded {
        let sources = Sources::under(&self.root, self.files);
        if self.failures.is_empty() {
            return load(sources, vocabulary);
        }
        let unreadable: HashSet<&str> = self.failures.iter().map(|failure| failure.path.as_str()).collect();
        let readable = sources.iter().filter(|(_, file)| !unreadable.contains(file.path.as_str()));
        let files = readable.map(|(_, file)| file.clone());
        let mut loaded = load(Sources::under(&self.root, files.collect()), vocabulary);
        let known = std::mem::replace(&mut loaded.sources, sources);
        loaded.rule_set = None;
        for diagnostic in &mut loaded.diagnostics {
            let moved = known.file(diagnostic.span.file).and_then(|file| loaded.sources.find(&file.path));
            diagnostic.span.file = moved.unwrap_or(diagnostic.span.file);
        }
        // An empty folder is then a consequence of the unreadable files.
        loaded.diagnostics.retain(|diagnostic| diagnostic.code != code::NO_RULE_FILES);
        let failures = self.failures.iter().take(MOST_MISTAKES);
        let unreadable: Vec<_> = failures.map(|failure| failure.diagnostic(&loaded.sources)).collect();
        loaded.diagnostics.extend(unreadable);
        loaded
    }
}

impl Unreadable {
    fn diagnostic(&self, sources: &Sources) -> Diagnostic {
        // A notice has no place among the rule files; the message names it.
        let file = sources.find(&self.path).unwrap_or_default();
        let (code, help) = match self.kind {
            io::ErrorKind::InvalidData => (code::NOT_UTF8, "save it as UTF-8"),
            io::ErrorKind::FileTooLarge => {
                (code::FILE_TOO_LARGE, "split it: sections of the same name in several files are merged")
            }
            io::ErrorKind::QuotaExceeded => {
                (code::TOO_MANY, "put several rules into one file, or name a smaller folder")
            }
            _ => (code::UNREADABLE_FILE, "check the path and who may read it"),
        };
        let message = format!("`{}` cannot be read: {}", self.path, self.why);
        Diagnostic::error(code, Span { file, start: 0, end: 0 }, message).help(help)
    }
}

/// Walks folders and follows links. Each folder is entered once, so a cycle of links ends.
#[derive(Default)]
struct Walk {
    paths: Vec<PathBuf>,
    failures: Vec<(PathBuf, io::Error)>,
    entered: HashSet<PathBuf>,
    full: bool,
    /// The folder of the notices: every file in it is read.
    notices: PathBuf,
}

impl Walk {
    fn of(root: &Path, most: usize) -> Self {
        let folder = if root.is_file() { root.parent().unwrap_or(root) } else { root };
        let mut walk = Self { notices: folder.join(NOTICES), ..Self::default() };
        walk.visit(root, most);
        if root.is_file() && walk.notices.is_dir() {
            walk.visit(&walk.notices.clone(), most);
        }
        if walk.full {
            walk.paths.clear();
            walk.failures = vec![(root.to_owned(), too_much(&format!("{most} files")))];
        }
        walk
    }

    fn visit(&mut self, path: &Path, most: usize) {
        if path.is_file() {
            self.full |= self.paths.len() >= most;
            return self.paths.push(path.to_owned());
        }
        let entries = match self.enter(path) {
            Ok(entries) => entries,
            Err(error) => return self.failures.push((path.to_owned(), error)),
        };
        for entry in entries {
            if self.full {
                return;
            }
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if !hidden && (path.is_dir() || yaml || path.starts_with(&self.notices)) {
                self.visit(&path, most);
            }
        }
    }

    /// The content of a folder, in order of names; `None` if it was visited before.
    fn enter(&mut self, path: &Path) -> io::Result<Vec<fs::DirEntry>> {
        if !self.entered.insert(fs::canonicalize(path)?) {
            return Ok(Vec::new());
        }
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        // Folders come before links to them, so that a file has its real path.
        entries.sort_by_key(|entry| (entry.file_type().is_ok_and(|kind| kind.is_symlink()), entry.file_name()));
        Ok(entries)
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/").trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_one_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = read(&folder.path().join("gone"), &Vocabulary::default());
        let codes: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, [code::UNREADABLE_FILE]);
    }

    #[test]
    fn too_many_files_are_an_error_and_never_a_part_of_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yml", "c.yaml", "d.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let whole = Walk::of(folder.path(), 3);
        assert_eq!((whole.paths.len(), whole.failures.len()), (3, 0));
        let cut = Walk::of(folder.path(), 2);
        let (path, error) = cut.failures.first().unwrap();
        assert_eq!((path.as_path(), cut.paths.len()), (folder.path(), 0));
        assert!(error.to_string().contains("more than 2 files"), "{error}");
    }
}
