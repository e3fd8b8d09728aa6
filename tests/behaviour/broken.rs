//! Broken rule files, each with the diagnostics that a person sees.
//!
//! `broken/NAME.yaml` is read together with the sound files in `broken/base`, so that it shows its own mistake only;
//! `broken/NAME/` is a folder, checked as it is; a few inputs too large to keep are made here. The printed output is
//! beside the input in `NAME.snap`: one mistake, one diagnostic.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use tactful::cli::render::render;
use tactful::domain::id::Vocabulary;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::rules::code::{CATALOGUE, FAILED_TEST, READERS_DISAGREE};
use tactful::rules::{load, source};

use super::commands::{err, out, tactful};
use super::support::folder;

/// No line of a diagnostic is wider, but for corrected lines, which are shown whole.
const WIDTH: usize = 80;
/// The fewest inputs there may be.
const ENOUGH: usize = 60;

/// Broken inputs with what is drawn for them.
fn cases() -> Vec<(String, String)> {
    let files = inputs(true).map(|(name, path)| (drawn(&name, fs::read_to_string(path).unwrap()), name));
    let made = [
        ("file-too-large", format!("{}\n", "# all work and no play\n".repeat(50_000))),
        ("too-many-values", "- a\n".repeat(source::MAX_NODES + 1)),
    ];
    let made = made.map(|(name, text)| (drawn(name, text), name.to_owned()));
    let folders = inputs(false).map(|(name, _)| {
        let checked = tactful(&["check", &format!("tests/behaviour/broken/{name}")]);
        (format!("{}\n{}", err(&checked), out(&checked)), name)
    });
    files.chain(made).chain(folders).map(|(drawn, name)| (name, drawn)).collect()
}

fn inputs(files: bool) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder("tests/behaviour/broken")).unwrap().map(|entry| entry.unwrap().path());
    let wanted = move |path: &PathBuf| match path.extension() {
        None => !files && !path.ends_with("base"),
        Some(extension) => files && extension == "yaml",
    };
    let mut paths: Vec<PathBuf> = entries.filter(wanted).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
}

/// What a check draws for a file beside the sound ones; its own policy takes the place of theirs.
fn drawn(name: &str, text: String) -> String {
    let base = |file: &str| SourceFile {
        path: format!("base/{file}.yaml"),
        text: fs::read_to_string(folder("tests/behaviour/broken/base").join(file).with_extension("yaml")).unwrap(),
    };
    let mut files = vec![base("common")];
    if !text.lines().any(|line| line == "policy:") {
        files.push(base("policy"));
    }
    files.push(SourceFile { path: format!("{name}.yaml"), text });
    let loaded = load(Sources::new(files), &Vocabulary::default());
    let mut diagnostics = loaded.diagnostics;
    for (id, file) in loaded.sources.iter() {
        source::read_twice(id, &file.text, &mut diagnostics);
    }
    render(&loaded.sources, &diagnostics, false)
}

/// The codes of the diagnostics in a drawing, in their order.
fn codes(drawn: &str) -> Vec<&str> {
    let heads = drawn.lines().filter_map(|line| line.strip_prefix("error[").or_else(|| line.strip_prefix("warning[")));
    heads.filter_map(|head| head.split(']').next()).collect()
}

#[test]
fn every_mistake_is_drawn_with_its_place_and_its_fix() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    let cases = cases();
    assert!(cases.len() >= ENOUGH, "only {} broken inputs", cases.len());
    for (name, drawn) in &cases {
        insta::assert_snapshot!(name.as_str(), drawn);
    }
    let drawings = fs::read_dir(folder("tests/behaviour/broken")).unwrap().map(|entry| entry.unwrap().path());
    let snapshots = drawings.filter(|path| path.extension().is_some_and(|extension| extension == "snap")).count();
    assert_eq!(snapshots, cases.len(), "a snapshot without an input");
}

#[test]
fn every_code_is_shown_by_a_broken_input_and_explained() {
    let cases = cases();
    let shown: BTreeSet<&str> = cases.iter().flat_map(|(_, drawn)| codes(drawn)).collect();
    let missing = CATALOGUE.iter().map(|(code, ..)| *code).filter(|code| !shown.contains(code.to_string().as_str()));
    // A safety net: no text is known that the two YAML readers read differently. If you find one, add it here. A
    // failing rule test is found by deciding, not by reading: `operations.rs` and `watching.rs` show it.
    assert_eq!(missing.collect::<Vec<_>>(), [READERS_DISAGREE, FAILED_TEST], "no broken input shows these");
    for (code, title, _) in CATALOGUE {
        let explained = tactful(&["explain", &code.to_string()]);
        assert!(out(&explained).starts_with(&format!("{code}: {title}\n\n")), "{code}");
    }
}

#[test]
fn one_mistake_is_one_diagnostic() {
    let several = [
        "expression-two-mistakes",
        "limit-with-three-mistakes",
        "missing-keys-of-several",
        "missing-sections",
        "time-without-quotes",
    ];
    for (name, drawn) in cases() {
        let found = codes(&drawn);
        let more = several.contains(&name.as_str());
        assert!(found.len() == 1 || more && found.len() > 1, "{name}: {found:?}\n{drawn}");
    }
}

#[test]
fn diagnostics_fit_on_a_page_of_80_columns() {
    let aside = |line: &str| line.trim_start().starts_with(|c: char| c.is_ascii_digit()) || line.starts_with("ok: ");
    for (name, drawn) in cases() {
        let wide = drawn.lines().find(|line| line.chars().count() > WIDTH && !aside(line));
        assert_eq!(wide, None, "{name}");
    }
}
