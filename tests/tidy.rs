//! Tests of the layers: which module may name which, the length of files, and what the core never uses.
//!
//! Reads the sources as text, so that it needs nothing of the crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

#[path = "tidy/circles.rs"]
mod circles;

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of the layers: each may name those of a lower rank only, and itself. The core is a crate of its
/// own, so that the compiler keeps it from naming any of these.
const RANKS: [(&str, u8); 19] = [
    ("clock", 0),
    ("descriptors", 0),
    ("failpoint", 0),
    ("io_at", 0),
    ("sync", 0),
    ("unique_id", 0),
    ("ledger", 1),
    ("rule_files", 1),
    ("telemetry", 1),
    ("decision_log", 2),
    ("store", 2),
    ("backup", 3),
    ("storage", 3),
    ("engine", 4),
    ("node", 5),
    ("scenario", 5),
    ("grpc", 5),
    ("serve", 6),
    ("cli", 7),
];

/// Where the kernel is, and the front end above it.
const DOMAIN: &str = "crates/core/src/domain";
const RULES: &str = "crates/core/src/rules";

/// Every folder with sources.
const SOURCES: [&str; 3] = ["src", "crates/core/src", "tools/bench/src"];

/// The base of the kernel: every part of the core may name these.
const BASE: [&str; 10] = ["action", "id", "mod", "notice", "packed", "purpose", "sources", "time", "value", "word"];

/// What stands at the top of the repository, and nothing else.
const TOP: [&str; 30] = [
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "benches",
    "buf.yaml",
    "build.rs",
    "check",
    "clients",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "docs",
    "examples",
    "ghz",
    "proto",
    "rules",
    "rustfmt.toml",
    "schema",
    "src",
    "tests",
    "tools",
    "web",
];

/// Inside the kernel: what each part may name apart from itself and the base.
const KERNEL: [(&str, &[&str]); 10] = [
    ("expr", &[]),
    ("model", &["expr"]),
    ("scoring", &["model"]),
    ("index", &["expr", "model", "scoring"]),
    ("rule_set", &["expr", "model", "index"]),
    ("customer", &[]),
    ("consent", &[]),
    ("view", &["expr", "model", "rule_set", "customer", "consent"]),
    ("transition", &["expr", "model", "rule_set", "customer", "consent", "view"]),
    ("decide", &["expr", "model", "scoring", "index", "rule_set", "customer", "consent", "view", "transition"]),
];

/// What the front end may name of the kernel apart from its base: compiled rules, not customers.
const FRONT_END: [&str; 5] = ["expr", "model", "scoring", "index", "rule_set"];

/// The crates that the core may use: none of them has a clock, a thread, a file or a network in what is used of it.
const CORE_DEPENDENCIES: [&str; 14] = [
    "compact_str",
    "foldhash",
    "jiff",
    "libm",
    "regex",
    "saphyr-parser",
    "serde",
    "serde_json",
    "serde_yaml",
    "sha2",
    "smallvec",
    "strsim",
    "thiserror",
    "unicode-normalization",
];

/// Words that have no place in the core: it knows no clock, no file, no network, no lock, no thread.
const FOREIGN: [&str; 11] = [
    "tokio",
    "tonic",
    "prost",
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant",
    "Mutex",
    "RwLock",
    "async fn",
];

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

fn every_source() -> impl Iterator<Item = (PathBuf, String)> {
    SOURCES.into_iter().flat_map(sources)
}

/// The part of a folder that a file belongs to: `engine` for `src/engine/mod.rs`.
fn part(path: &Path, below: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let first =
        path.strip_prefix(root).unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Every module named after a prefix such as `crate::`, comments aside, in groups over several lines, too.
fn named(text: &str, prefix: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                c if begins && !c.is_whitespace() => {
                    names.push(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

#[test]
fn modules_are_named_in_groups_and_over_lines() {
    let text = "use crate::{\n    a::{b, c},\n    d,\n};\n// crate::e\nuse crate::f::g;";
    assert_eq!(named(text, "crate::"), ["a", "d", "f"]);
}

#[test]
fn every_module_has_its_layer() {
    let known = |name: &str| ["lib", "main"].contains(&name) || RANKS.iter().any(|(known, _)| *known == name);
    let unknown: Vec<String> =
        sources("src").iter().map(|(path, _)| part(path, "src")).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "give these a rank in RANKS: {unknown:?}");
    let known = |name: &str| BASE.contains(&name) || KERNEL.iter().any(|(known, _)| *known == name);
    let parts = sources(DOMAIN).into_iter().map(|(path, _)| part(&path, DOMAIN));
    let unknown: Vec<String> = parts.filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "say in KERNEL what these may name: {unknown:?}");
}

/// A path through many `super` could reach a neighbour that the layers hide.
#[test]
fn no_module_climbs_past_its_part() {
    let climbs = every_source().filter(|(_, text)| text.contains("super::super::super::"));
    let climbs: Vec<String> = climbs.map(|(path, _)| path.display().to_string()).collect();
    assert!(climbs.is_empty(), "name these by `crate::`: {climbs:?}");
}

/// Keys, data folders and leftovers of a run never get into the repository.
#[test]
fn the_top_of_the_repository_is_known() {
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    // Sources that were unpacked from an archive have no list of files.
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else { return };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tops: std::collections::BTreeSet<&str> = listed.lines().filter_map(|path| path.split('/').next()).collect();
    let unknown: Vec<&&str> = tops.iter().filter(|top| !TOP.contains(top)).collect();
    assert!(unknown.is_empty(), "not known at the top of the repository: {unknown:?}");
}

#[test]
fn every_layer_names_only_those_below() {
    let rank = |name: &str| RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank);
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = part(&path, "src");
        // `every_module_has_its_layer` says which have none; the crate's root names all.
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
fn parts_of_the_kernel_keep_apart() {
    let mut wrong = Vec::new();
    for (path, text) in sources(DOMAIN) {
        let own = part(&path, DOMAIN);
        if named(&text, "crate::").iter().any(|name| name == "rules") && !is_test_code(&text, "crate::rules") {
            wrong.push(format!("{}: the kernel names the front end", path.display()));
        }
        let allowed = KERNEL.iter().find(|(known, _)| *known == own).map_or(&[][..], |(_, allowed)| allowed);
        let parts = named(&text, "crate::domain::");
        for name in parts.iter().filter(|name| KERNEL.iter().any(|(known, _)| known == name)) {
            if *name != own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: `{own}` names `{name}`", path.display()));
            }
        }
    }
    for (path, text) in sources(RULES) {
        let parts = named(&text, "crate::domain::");
        let foreign = parts
            .iter()
            .filter(|name| KERNEL.iter().any(|(known, _)| known == name) && !FRONT_END.contains(&name.as_str()));
        wrong.extend(foreign.map(|name| format!("{}: the front end names `{name}`", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a word stands only below the first `#[cfg(test)]` of a file.
fn is_test_code(text: &str, word: &str) -> bool {
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    !code.contains(word)
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources("crates/core/src").into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
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
fn the_core_uses_the_listed_crates() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let section = manifest.split("[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let used: Vec<&str> = section.lines().filter_map(|line| line.split(['.', ' ']).next()).collect();
    let used: Vec<&str> = used.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(used, CORE_DEPENDENCIES);
}

#[test]
fn one_module_names_serde_yaml() {
    let naming = every_source().filter(|(_, text)| {
        text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("serde_yaml"))
    });
    let folders: Vec<String> = naming.map(|(path, _)| path.display().to_string()).collect();
    assert!(folders.iter().all(|path| path.contains("core/src/rules/source")), "{folders:?}");
}

/// A file that no module declares is not compiled, and nothing else would notice it.
#[test]
fn every_file_is_declared_by_a_module() {
    let undeclared: Vec<String> = every_source()
        .filter(|(path, _)| !["lib.rs", "main.rs"].iter().any(|root| path.ends_with(root)))
        .filter(|(path, _)| {
            let module = if path.ends_with("mod.rs") { path.parent().unwrap() } else { path.as_path() };
            let (name, folder) = (module.file_stem().unwrap().to_string_lossy(), module.parent().unwrap());
            let parents =
                [folder.join("mod.rs"), folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
            let declared = format!("mod {name};");
            !parents.iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| text.contains(&declared))
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(undeclared.is_empty(), "declare or remove these: {undeclared:?}");
}

#[test]
fn files_are_short_and_say_what_they_hold() {
    let mut wrong = Vec::new();
    for (path, text) in every_source() {
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

/// The dependencies of Cargo.lock: name, version and where each comes from (ours come from nowhere).
fn locked() -> Vec<(String, String, Option<String>)> {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| (field(package, "name").unwrap(), field(package, "version").unwrap(), field(package, "source")))
        .collect()
}

/// `cargo deny` says the same, where it is installed.
#[test]
fn each_crate_has_one_version_or_a_reason() {
    let deny = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let excused: Vec<&str> = deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")).collect();
    let excused: Vec<&str> = excused.iter().filter_map(|line| line.split('"').next()).collect();
    assert!(!excused.is_empty(), "deny.toml has no list of duplicates in the form that this test reads");
    let mut versions = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (name, version, _) in locked() {
        versions.entry(name).or_default().push(version);
    }
    let mut wrong = Vec::new();
    for (name, versions) in &versions {
        let is_excused = |version: &&String| excused.contains(&format!("{name}@{version}").as_str());
        if versions.iter().filter(|version| !is_excused(version)).count() > 1 {
            wrong.push(format!("{name} is here as {}: say in deny.toml why, or use one", versions.join(", ")));
        }
    }
    let is_needed = |excuse: &&&str| {
        let (name, version) = excuse.split_once('@').unwrap();
        versions.get(name).is_some_and(|known| known.len() > 1 && known.iter().any(|known| known == version))
    };
    wrong.extend(excused.iter().filter(|excuse| !is_needed(excuse)).map(|excuse| format!("deny.toml: no {excuse}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_comes_from_the_public_registry() {
    let foreign = locked().into_iter().filter(|(name, _, source)| {
        let ours = name.starts_with("tactful") && source.is_none();
        !ours && source.as_deref() != Some("registry+https://github.com/rust-lang/crates.io-index")
    });
    let foreign: Vec<String> = foreign.map(|(name, ..)| name).collect();
    assert!(foreign.is_empty(), "not from crates.io: {foreign:?}");
}
