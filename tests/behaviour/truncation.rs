//! A truncated file is refused, at whatever byte it was cut; the rest never loads as a looser rule set.
//!
//! The sample files begin with `---` and end with `...`. So the claim is stronger than "no less restrictive": what
//! loads after a cut is the same rule set, place by place. A cut test file leaves the rules as they are.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use tactful::domain::id::Vocabulary;
use tactful::domain::sources::{FileId, SourceFile, Sources};
use tactful::rule_files;
use tactful::rules::{Loaded, load, source};

use super::support::folder;

const FOLDERS: [&str; 6] = [
    "rules",
    "examples/bank-calls/rules",
    "examples/email-experiment/rules",
    "examples/email-experiment/always-mens",
    "examples/email-experiment/always-silence",
    "examples/email-experiment/always-womens",
];

fn is_test(path: &str) -> bool {
    path.ends_with(".test.yaml")
}

/// The files of every sample folder, as they are read.
fn samples() -> Vec<Vec<SourceFile>> {
    let read = |path: &&str| rule_files::read(&folder(path), &Vocabulary::default()).sources;
    FOLDERS.iter().map(|path| read(path).iter().map(|(_, file)| file.clone()).collect()).collect()
}

fn rule_files_of_all() -> Vec<SourceFile> {
    samples().into_iter().flatten().filter(|file| !is_test(&file.path)).collect()
}

fn refused(text: &str) -> bool {
    let mut found = Vec::new();
    source::read(FileId(0), text, &mut found);
    !found.is_empty()
}

/// Everything that decides, with its places; the hash, which names the files' bytes, aside.
fn meaning(loaded: &Loaded) -> Option<String> {
    let rules = loaded.rule_set.as_ref()?;
    let facts: Vec<_> = rules.facts.iter().collect();
    Some(format!("{:?}", (&rules.declared, &rules.journeys, &rules.actions, &rules.policy, facts)))
}

/// Every sample set with its meaning.
static WHOLE: LazyLock<Vec<(Vec<SourceFile>, String)>> = LazyLock::new(|| {
    let meaning = |files: &Vec<SourceFile>| meaning(&load_with_notices(files.clone()));
    samples().into_iter().map(|files| (files.clone(), meaning(&files).expect("a sample that loads"))).collect()
});

/// Cuts one file of a set and loads the set.
fn load_cut(files: &[SourceFile], file: usize, at: usize) -> Loaded {
    let mut files = files.to_vec();
    files[file].text.truncate(at);
    load_with_notices(files)
}

/// Loads files of a sample folder with the notices of all of them.
fn load_with_notices(mut files: Vec<SourceFile>) -> Loaded {
    for folder in FOLDERS.iter().map(|path| folder(path).join("notices")).filter(|path| path.is_dir()) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = format!("notices/{}", entry.file_name().display());
            files.push(SourceFile { path, text: std::fs::read_to_string(entry.path()).unwrap() });
        }
    }
    load(Sources::new(files), &Vocabulary::default())
}

/// A cut set is refused or means what the whole one means.
fn check_cut(files: &[SourceFile], whole: &str, file: usize, at: usize) {
    let loaded = load_cut(files, file, at);
    let same = meaning(&loaded).is_none_or(|meaning| meaning == whole);
    assert!(same, "{} cut at byte {at} loads as another rule set", files[file].path);
}

fn boundaries(text: &str) -> impl Iterator<Item = usize> {
    (0..=text.len()).filter(|at| text.is_char_boundary(*at))
}

/// Where the last line that must be there begins.
fn end_mark(text: &str) -> usize {
    text.rfind("\n...").expect("an end mark") + 1
}

/// The dangerous cuts are those between two lines: what is left there is often sound YAML.
#[test]
fn every_sample_file_cut_at_any_line_is_refused() {
    let mut left_sound = 0;
    for SourceFile { path, text } in rule_files_of_all() {
        assert!(!refused(&text), "{path}");
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at <= end_mark(&text));
        for at in std::iter::once(0).chain(lines) {
            let left = &text[..at];
            assert!(refused(left), "{path} cut at byte {at}");
            left_sound += usize::from(!refused(&left.replacen("---", "", 1)));
        }
    }
    assert!(left_sound > 300, "only {left_sound} cuts would have been read without the marks");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_file_is_refused_or_changes_nothing(folder: Index, file: Index, at: Index) {
        let (files, whole) = &WHOLE[folder.index(WHOLE.len())];
        let file = file.index(files.len());
        let cuts: Vec<usize> = boundaries(&files[file].text).collect();
        check_cut(files, whole, file, cuts[at.index(cuts.len())]);
    }
}

/// Half an hour without optimisation: `cargo test --release --test behaviour every_byte -- --ignored`.
#[test]
#[ignore = "loads the samples a hundred thousand times"]
fn every_sample_file_cut_at_every_byte() {
    for (files, whole) in WHOLE.iter() {
        for (file, source) in files.iter().enumerate() {
            boundaries(&source.text).for_each(|at| check_cut(files, whole, file, at));
        }
    }
}

/// A cut in the middle of a character is not UTF-8, and a file on disk may be cut there, too.
#[test]
fn a_cut_within_a_character_is_refused() {
    let from = folder("examples/email-experiment/rules");
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = to.path().join("words.yaml");
    let text = "---\ncontext:\n  topic: {type: text, one_of: [größe], personal: false}\n...\n";
    let load_first = |bytes: usize| {
        fs::write(&path, &text.as_bytes()[..bytes]).unwrap();
        rule_files::read(to.path(), &Vocabulary::default())
    };
    assert!(load_first(text.len()).rule_set.is_some());
    let within = text.find('ö').unwrap() + 1;
    assert!(load_first(within).rule_set.is_none());
}

#[test]
fn the_marks_belong_together() {
    let cases = [
        ("a: b\n", false),
        ("---\na: b\n...\n", false),
        ("\u{feff}# head\n\n--- # open\na: b\n... # closed\n\n# tail\n", false),
        ("---\r\na: b\r\n...\r\n", false),
        ("---\na: b\n...", false),
        ("---\na: b\n", true),
        ("# head\n---\na: b\n# ...\n", true),
        ("---\na:\n  ...\n", true),
        ("---\na: |\n  b\n  ...\n", true),
        ("---\na: b\n..", true),
        ("---x: b\n", false),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), expected, "{text:?}");
    }
}
