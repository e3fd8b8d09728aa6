//! The layers, held by a test: who may name whom, how long a file may be, and what the domain never touches.
//!
//! Reads the sources as text, so that it needs nothing of the crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of the layers: each may name those of a lower rank only, and itself.
const RANKS: [(&str, u8); 13] = [
    ("domain", 0),
    ("sync", 0),
    ("ledger", 1),
    ("rule_files", 1),
    ("telemetry", 1),
    ("load", 1),
    ("store", 2),
    ("backup", 3),
    ("engine", 3),
    ("scenario", 4),
    ("grpc", 4),
    ("serve", 5),
    ("cli", 6),
];

/// Inside the domain: what each part may name besides itself and the base.
const DOMAIN: [(&str, &[&str]); 6] = [
    ("rules", &[]),
    ("customer", &[]),
    ("consent", &[]),
    ("view", &["rules", "customer", "consent"]),
    ("decide", &["rules", "customer", "consent", "view"]),
    ("record", &["rules", "customer", "consent", "view"]),
];

/// Words that have no place in the domain: it knows no clock, no file, no network, no lock.
const FOREIGN: [&str; 10] =
    ["tokio", "tonic", "prost", "std::fs", "std::net", "SystemTime", "Instant", "Mutex", "RwLock", "async fn"];

/// The longest a source file may be.
const LONGEST_FILE: usize = 500;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(!found.is_empty(), "no sources under {}", root.display());
    found
}

/// The part of `src` that a file belongs to: `domain` for `src/domain/rules/mod.rs`.
fn part(path: &Path, below: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let first =
        path.strip_prefix(root).unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Every module named after a prefix such as `crate::`, comments aside.
fn named(text: &str, prefix: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = Vec::new();
    for line in code {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let inside = group.split('}').next().unwrap_or("");
                names.extend(inside.split(',').map(|name| name.trim().split("::").next().unwrap_or("").to_owned()));
            } else {
                names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    names
}

#[test]
fn every_layer_names_only_those_below() {
    let rank = |name: &str| RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank);
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = part(&path, "src");
        let Some(own_rank) = rank(&own) else { continue };
        for name in named(&text, "crate::") {
            if name != own && rank(&name).is_some_and(|other| other >= own_rank) {
                wrong.push(format!("{}: `{own}` names `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn parts_of_the_domain_keep_apart() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src/domain") {
        let own = part(&path, "src/domain");
        let Some((_, allowed)) = DOMAIN.iter().find(|(known, _)| *known == own) else { continue };
        let parts = named(&text, "crate::domain::");
        for name in parts.iter().filter(|name| DOMAIN.iter().any(|(known, _)| known == name)) {
            if *name != own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: `{own}` names `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src/domain") {
        let code = text.lines().take_while(|line| !line.contains("#[cfg(test)]"));
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            wrong.extend(
                FOREIGN.iter().filter(|word| line.contains(*word)).map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_module_names_serde_yaml() {
    let naming = sources("src").into_iter().filter(|(_, text)| {
        text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("serde_yaml"))
    });
    let folders: Vec<String> = naming.map(|(path, _)| path.display().to_string()).collect();
    assert!(folders.iter().all(|path| path.contains("domain/rules/source")), "{folders:?}");
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with a head paragraph", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
