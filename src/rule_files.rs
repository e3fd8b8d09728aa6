//! Reads the rule files of a folder. What cannot be read is reported like any other mistake.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::id::Vocabulary;
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::{Diagnostic, FileId, SourceFile, Sources, Span};
use crate::domain::rules::{Loaded, load};

/// How many files a folder may hold.
const MOST_FILES: usize = 10_000;

/// Loads every `*.yaml` under a folder, or one file. Hidden files and folders are left out.
#[must_use]
pub fn read(root: &Path, vocabulary: &Vocabulary) -> Loaded {
    let mut paths = Vec::new();
    let mut failures: Vec<(PathBuf, io::Error)> = Vec::new();
    collect(root, &mut paths, &mut failures);
    let mut files = Vec::new();
    for path in paths {
        match fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => files.push(SourceFile { path: shown(&path), text }),
                Err(_) => failures.push((path, io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))),
            },
            Err(error) => failures.push((path, error)),
        }
    }
    // A file that cannot be read stands in the list with no text, so that its name can be shown.
    files.extend(failures.iter().map(|(path, _)| SourceFile { path: shown(path), text: String::new() }));
    let sources = Sources::under(&shown(root), files);
    if failures.is_empty() {
        return load(sources, vocabulary);
    }
    let readable = sources.iter().filter(|(_, file)| !failures.iter().any(|(path, _)| shown(path) == file.path));
    let readable = Sources::under(&shown(root), readable.map(|(_, file)| file.clone()).collect());
    let mut loaded = load(readable, vocabulary);
    let known = std::mem::replace(&mut loaded.sources, sources);
    loaded.rule_set = None;
    for diagnostic in &mut loaded.diagnostics {
        let moved = known.file(diagnostic.span.file).and_then(|file| find(&loaded.sources, &file.path));
        diagnostic.span.file = moved.unwrap_or(diagnostic.span.file);
    }
    loaded.diagnostics.extend(failures.iter().filter_map(|(path, error)| failure(&loaded.sources, path, error)));
    loaded
}

fn failure(sources: &Sources, path: &Path, error: &io::Error) -> Option<Diagnostic> {
    let file = find(sources, &shown(path))?;
    let (code, help) = match error.kind() {
        io::ErrorKind::InvalidData => (code::NOT_UTF8, "save it as UTF-8"),
        _ => (code::UNREADABLE_FILE, "check the path and who may read it"),
    };
    let message = format!("`{}` cannot be read: {error}", path.display());
    Some(Diagnostic::error(code, Span { file, start: 0, end: 0 }, message).help(help))
}

fn find(sources: &Sources, path: &str) -> Option<FileId> {
    sources.iter().find(|(_, file)| file.path == path).map(|(id, _)| id)
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>, failures: &mut Vec<(PathBuf, io::Error)>) {
    if paths.len() >= MOST_FILES {
        return;
    }
    if path.is_file() {
        paths.push(path.to_owned());
        return;
    }
    let entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return failures.push((path.to_owned(), error)),
    };
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if !hidden && (path.is_dir() || yaml) {
            collect(&path, paths, failures);
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/").trim_end_matches('/').to_owned()
}
