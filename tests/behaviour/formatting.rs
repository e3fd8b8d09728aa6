//! `tactful fmt`: the sample files, changed in every way that means nothing, come out in one layout; nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tactful::domain::sources::FileId;
use tactful::rules::format::format;
use tactful::rules::shape::{Form, RULE_FILE};
use tactful::rules::source::{self, Node, NodeKind, Style};
use tactful::scenario::shape::TEST_FILE;

use super::commands::{err, out, tactful};
use super::support::folder;

/// The text of every sample file, with its form.
fn samples() -> Vec<(PathBuf, String, Form)> {
    fn walk(path: &Path, found: &mut Vec<(PathBuf, String, Form)>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() {
                walk(&path, found);
            } else if name.ends_with(".yaml") {
                let shape = if name.ends_with(".test.yaml") { &TEST_FILE } else { &RULE_FILE };
                found.push((path.clone(), fs::read_to_string(&path).unwrap(), Form::Map(shape)));
            }
        }
    }
    let mut found = Vec::new();
    ["rules", "examples", "tests/fixtures/design"].iter().for_each(|path| walk(&folder(path), &mut found));
    found.sort_by(|one, two| one.0.cmp(&two.0));
    found
}

/// A change of the text that leaves its meaning, made at a place that `seed` chooses.
fn change(text: &str, kind: u8, seed: usize, number: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let chosen = seed % lines.len();
    let with_line = |new: &str| {
        let mut lines = lines.clone();
        lines.insert(chosen, new);
        lines.join("\n") + "\n"
    };
    match kind {
        0 => with_line(&format!("{}#c{number}-", " ".repeat(seed % 11))),
        1 if !lines[chosen].is_empty() => {
            let mut lines = lines.clone();
            let longer = format!("{} #c{number}-", lines[chosen]);
            lines[chosen] = &longer;
            lines.join("\n") + "\n"
        }
        2 => with_line(""),
        3 => lines.iter().map(|line| " ".repeat(line.len() - line.trim_start().len()) + line + "\n").collect(),
        _ => change_node(text, kind, seed).unwrap_or_else(|| text.to_owned()),
    }
}

fn change_node(text: &str, kind: u8, seed: usize) -> Option<String> {
    let node = source::read(FileId::default(), text, &mut Vec::new())?;
    let mut maps = Vec::new();
    collect_maps(&node, kind == 6, &mut maps);
    let map = *maps.get(seed % maps.len().max(1))?;
    let NodeKind::Map(entries) = &map.kind else { return None };
    let place = |index: usize| (entries[index].key.span.start as usize, entries[index].value.span.end as usize);
    match kind {
        // A line break within brackets.
        4 => {
            let (start, _) = place(seed % entries.len());
            Some(format!("{}\n{}{}", &text[..start], " ".repeat(60), &text[start..]))
        }
        // Two keys within brackets change places.
        5 if entries.len() > 1 => {
            let index = seed % (entries.len() - 1);
            let ((a, b), (c, d)) = (place(index), place(index + 1));
            Some([&text[..a], &text[c..d], &text[b..c], &text[a..b], &text[d..]].concat())
        }
        // Two keys on lines of their own change places, with what stands above the second.
        6 if entries.len() > 2 => {
            let index = 1 + seed % (entries.len() - 2);
            let line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
            let (a, b) = (line(place(index).0), line(place(index + 1).0));
            let end = text[place(index + 1).1..].find('\n').map_or(text.len(), |more| place(index + 1).1 + more + 1);
            Some([&text[..a], &text[b..end], &text[a..b], &text[end..]].concat())
        }
        _ => None,
    }
}

/// Maps in brackets, or those on lines of their own whose keys may stand in any order.
fn collect_maps<'n>(node: &'n Node, block: bool, found: &mut Vec<&'n Node>) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| collect_maps(item, block, found)),
        NodeKind::Map(entries) => {
            let known =
                entries.iter().any(|entry| ["kind", "decide", "keep", "half_life"].contains(&entry.key.text.as_str()));
            if !entries.is_empty() && block == (node.style == Style::Block) && (known || !block) {
                found.push(node);
            }
            entries.iter().for_each(|entry| collect_maps(&entry.value, block, found));
        }
        _ => {}
    }
}

/// What a file says, as another YAML reader understands it.
fn meaning(text: &str) -> serde_json::Value {
    serde_yaml::from_str(text).unwrap()
}

/// The names that each map declares, in order: there the order is the author's, and may mean something.
fn declared(node: &Node, form: &Form, names: &mut Vec<Vec<String>>) {
    match &node.kind {
        NodeKind::List(items) => {
            items.iter().for_each(|item| form.item().into_iter().for_each(|form| declared(item, form, names)));
        }
        NodeKind::Map(entries) => {
            if form.shape().is_none() {
                names.push(entries.iter().map(|entry| entry.key.text.clone()).collect());
            }
            for entry in entries {
                form.behind(&entry.key.text).into_iter().for_each(|form| declared(&entry.value, form, names));
            }
        }
        _ => {}
    }
}

/// Whether the keys of every map stand in the order of the table.
fn is_in_order(node: &Node, form: &Form) -> bool {
    match &node.kind {
        NodeKind::List(items) => form.item().is_none_or(|form| items.iter().all(|item| is_in_order(item, form))),
        NodeKind::Map(entries) => {
            let rank = |name: &str| form.shape().and_then(|shape| shape.names().position(|known| known == name));
            entries.iter().map(|entry| rank(&entry.key.text)).is_sorted()
                && entries.iter().all(|e| form.behind(&e.key.text).is_none_or(|form| is_in_order(&e.value, form)))
        }
        _ => true,
    }
}

fn comment_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with('#')).collect();
    lines.sort_unstable();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_file_keeps_its_meaning_and_its_comments_and_formatting_is_idempotent(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0_u8..7, 0_usize..100_000), 0..12),
    ) {
        let samples = samples();
        let (path, text, form) = file.get(&samples);
        let (mut text, mut comments) = (text.clone(), 0);
        for (kind, seed) in changes {
            let changed = change(&text, kind, seed, comments);
            let mut problems = Vec::new();
            if source::read(FileId::default(), &changed, &mut problems).is_some() && problems.is_empty() && changed != text {
                text = changed;
                comments += usize::from(kind < 2);
            }
        }
        let formatted = format(FileId::default(), &text, form).unwrap_or_else(|why| panic!("{path:?}: {why:?}\n{text}"));
        prop_assert_eq!(meaning(&formatted), meaning(&text));
        let again = format(FileId::default(), &formatted, form).unwrap();
        prop_assert_eq!(&again, &formatted, "a second time");
        for number in 0..comments {
            prop_assert_eq!(formatted.matches(&format!("#c{number}-")).count(), 1, "{}", formatted);
        }
        let lines = comment_lines(&formatted);
        let lost: Vec<_> = comment_lines(&text).into_iter().filter(|line| lines.binary_search(line).is_err()).collect();
        prop_assert!(lost.is_empty(), "{:?}\n{}", lost, formatted);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let read = |text: &str| source::read(FileId::default(), text, &mut Vec::new()).unwrap();
        let (one, two) = (read(&text), read(&formatted));
        prop_assert!(is_in_order(&two, form), "{}", formatted);
        declared(&one, form, &mut before);
        declared(&two, form, &mut after);
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }
}

#[test]
fn the_sample_and_the_examples_are_laid_out() {
    let output = tactful(&["fmt", "--check", "rules", "examples"]);
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
}

#[test]
fn files_are_replaced_as_a_whole_and_broken_ones_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let broken = "actions: [\n";
    fs::create_dir(path("rules")).unwrap();
    fs::write(path("elsewhere.yaml"), "channels:\n    web:   {direction: inbound}\n").unwrap();
    fs::write(path("rules/broken.yaml"), broken).unwrap();
    fs::write(path("rules/done.yaml"), "channels: {}\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path("elsewhere.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("../elsewhere.yaml", path("rules/link.yaml")).unwrap();
    }
    #[cfg(not(unix))]
    fs::rename(path("elsewhere.yaml"), path("rules/link.yaml")).unwrap();
    let rules = path("rules").display().to_string();

    let check = tactful(&["fmt", "--check", &rules]);
    assert_eq!(check.status.code(), Some(1));
    let shown = out(&check);
    assert!(shown.contains("-    web:   {direction: inbound}\n+  web: {direction: inbound}"), "{shown}");
    assert!(shown.contains("1 of 3 files would change, 1 left alone"), "{shown}");
    assert!(fs::read_to_string(path("rules/link.yaml")).unwrap().contains("    web:"), "a check changes nothing");

    let fmt = tactful(&["fmt", &rules]);
    assert_eq!(fmt.status.code(), Some(1), "one file has mistakes");
    assert!(err(&fmt).contains("broken.yaml:1:10"), "{}", err(&fmt));
    assert!(out(&fmt).contains("link.yaml\n1 of 3 files changed, 1 left alone"), "{}", out(&fmt));
    assert_eq!(fs::read_to_string(path("rules/broken.yaml")).unwrap(), broken);
    assert_eq!(fs::read_to_string(path("rules/link.yaml")).unwrap(), "channels:\n  web: {direction: inbound}\n");
    assert_eq!(fs::read_dir(path("rules")).unwrap().count(), 3, "nothing is left lying about");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert!(fs::symlink_metadata(path("rules/link.yaml")).unwrap().is_symlink());
        assert_eq!(fs::metadata(path("elsewhere.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    }
    fs::remove_file(path("rules/broken.yaml")).unwrap();
    let again = tactful(&["fmt", "--check", &rules]);
    assert!(again.status.success() && out(&again) == "ok: 2 files\n", "{}", out(&again));
    assert_eq!(tactful(&["fmt", "no/such/folder"]).status.code(), Some(2));
}

#[test]
fn standard_input_is_laid_out_for_editors() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let run = |name: &str, text: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        command.args(["fmt", "--stdin", name]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let test = run("a.test.yaml", "tests:\n- at: x\n  name: hello\n");
    assert_eq!((out(&test).as_str(), test.status.code()), ("tests:\n  - name: hello\n    at: x\n", Some(0)));
    let broken = run("a.yaml", "a: [\n");
    assert_eq!((out(&broken).as_str(), broken.status.code()), ("", Some(1)));
    assert!(err(&broken).contains("a.yaml:1:4"), "{}", err(&broken));
}
