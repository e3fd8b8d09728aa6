//! No circle of files: what a file uses does not use it in turn, so that each can be read after those below it.
//!
//! A file uses what its `use` lines and its paths through `crate`, `self` or `super` name, outside of tests. A name is
//! looked up through the `use` lines of the modules on its way to the file that defines it. A parent may hand on what its
//! children define (`pub use`) and call them (`child::name`): that is how a folder has a face.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{SOURCES, sources};

/// Circles that are there, each with the reason. Only the first is meant to stay; take the others off this list as they
/// are opened.
const ALLOWED: [(&[&str], &str); 2] = [
    (
        &["domain::expr::fact", "domain::expr::program"],
        "a fact may hold a filter, which is a program, and a program reads facts: one recursive type",
    ),
    (
        &[
            "engine",
            "engine::customer",
            "engine::decisions",
            "engine::feed",
            "engine::log",
            "engine::operation",
            "engine::operations::consent",
            "engine::operations::consent::change",
            "engine::operations::consent::gpc",
            "engine::operations::consent::repetition",
            "engine::operations::consent::view",
            "engine::operations::decide",
            "engine::operations::resolve",
            "engine::persistence",
            "engine::rules",
            "engine::storage",
        ],
        "a customer remembers answers and consents, and an answer that is to be explained holds a copy of the customer: \
         one recursive type; the engine holds them and has its methods beside them",
    ),
];

type Steps = Vec<String>;

/// The modules of one crate, each a file.
#[derive(Default)]
struct Modules {
    code: BTreeMap<Steps, Code>,
}

/// One file as the graph sees it.
#[derive(Default)]
struct Code {
    /// What the file brings into scope: from the name to the whole path.
    names: BTreeMap<String, Steps>,
    /// Whole paths that the file uses.
    uses: BTreeSet<Steps>,
}

impl Modules {
    fn of(root: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let texts = sources(root).into_iter().filter(|(path, _)| !path.ends_with("tests.rs"));
        let module = |path: &Path| {
            let path = path.strip_prefix(&folder).unwrap().with_extension("");
            let steps: Steps = path.iter().map(|step| step.to_string_lossy().into_owned()).collect();
            match steps.split_last() {
                Some((last, parents)) if ["mod", "lib", "main"].contains(&last.as_str()) => parents.to_vec(),
                _ => steps,
            }
        };
        Self::from_texts(texts.map(|(path, text)| (module(&path), text)))
    }

    fn from_texts(texts: impl Iterator<Item = (Steps, String)>) -> Self {
        Self { code: texts.map(|(module, text)| (module.clone(), Code::of(&module, &text))).collect() }
    }

    /// The file in which a name is defined.
    fn home(&self, path: &[String]) -> Option<&Steps> {
        let mut path = path.to_vec();
        // A name that is handed on in a circle would never come home.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
            let (module, code) = self.code.get_key_value(&path[..length])?;
            match path.get(length).and_then(|name| code.names.get(name)) {
                Some(whole) => path = [whole, &path[length + 1..]].concat(),
                None => return Some(module),
            }
        }
        None
    }

    /// Which files a file uses, the root of the crate aside.
    fn graph(&self) -> BTreeMap<&Steps, BTreeSet<&Steps>> {
        let mut graph = BTreeMap::new();
        for (module, code) in self.code.iter().filter(|(module, _)| !module.is_empty()) {
            let homes = code.uses.iter().filter_map(|path| self.home(path));
            graph.insert(module, homes.filter(|home| *home != module && !home.is_empty()).collect());
        }
        graph
    }

    /// Every largest group of files each of which uses every other, at once or through others.
    fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let graph = self.graph();
        let reached = |from: &Steps| {
            let (mut reached, mut open): (BTreeSet<&Steps>, Vec<&Steps>) = Default::default();
            open.extend(&graph[from]);
            while let Some(next) = open.pop() {
                if reached.insert(next) {
                    open.extend(&graph[next]);
                }
            }
            reached
        };
        let reached: BTreeMap<&Steps, BTreeSet<&Steps>> = graph.keys().map(|from| (*from, reached(from))).collect();
        let circle = |from: &&Steps| {
            let back = reached[*from].iter().filter(|other| reached[**other].contains(*from));
            back.map(|module| module.join("::")).collect::<BTreeSet<_>>()
        };
        graph.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
    }
}

impl Code {
    fn of(module: &[String], text: &str) -> Self {
        let text = text.split("#[cfg(test)]").next().unwrap();
        let lines = text.lines().map(|line| line.split("//").next().unwrap());
        let (mut code, mut body, mut open) = (Self::default(), String::new(), None::<String>);
        for line in lines {
            let start = line.trim_start();
            let (public, start) = match start.strip_prefix("pub") {
                Some(rest) => (true, rest.trim_start_matches(|c| c != ' ').trim_start()),
                None => (false, start),
            };
            match (&mut open, start.strip_prefix("use ")) {
                (Some(statement), _) => statement.push_str(line),
                (None, Some(tree)) => open = Some(format!("{}{tree}", if public { "pub " } else { "" })),
                (None, None) => {
                    body.push_str(line);
                    body.push('\n');
                }
            }
            if let Some(statement) = open.take_if(|statement| statement.trim_end().ends_with(';')) {
                let (public, tree) = match statement.strip_prefix("pub ") {
                    Some(tree) => (true, tree),
                    None => (false, statement.as_str()),
                };
                for (path, name) in leaves(tree.trim_end().trim_end_matches(';')) {
                    let whole = whole(module, &path);
                    code.uses.extend((!public).then(|| whole.clone()));
                    code.names.insert(name, whole);
                }
            }
        }
        code.uses.extend(paths(&body).iter().map(|path| whole(module, path)));
        code
    }
}

/// Every path of a tree of `use`, and the name under which it is known.
fn leaves(tree: &str) -> Vec<(Steps, String)> {
    let tree = tree.trim();
    if let Some((before, group)) = tree.split_once('{') {
        let prefix: Steps = steps(before);
        let (mut parts, mut depth) = (vec![String::new()], 0);
        for c in group[..group.rfind('}').unwrap()].chars() {
            match c {
                ',' if depth == 0 => {
                    parts.push(String::new());
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            parts.last_mut().unwrap().push(c);
        }
        let inner = parts.iter().filter(|part| !part.trim().is_empty()).flat_map(|part| leaves(part));
        return inner
            .map(|(path, name)| {
                let path = if path == ["self"] { prefix.clone() } else { [&prefix[..], &path].concat() };
                let name = if name == "self" { path.last().unwrap().clone() } else { name };
                (path, name)
            })
            .collect();
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = steps(path);
    let name = if alias.is_empty() { path.last().unwrap().clone() } else { alias.trim().to_owned() };
    vec![(path, name)]
}

fn steps(path: &str) -> Steps {
    path.split("::").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty() && step != "*").collect()
}

/// A path as seen from the root of the crate.
fn whole(module: &[String], path: &[String]) -> Steps {
    let (mut base, mut rest) = (module.to_vec(), path);
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    [&base[..], rest].concat()
}

/// The paths in code that begin at the crate, at the file itself, or at a parent.
fn paths(body: &str) -> Vec<Steps> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = body.split(|c| !is_path(c)).filter(|word| word.contains("::"));
    let begins = |path: &Steps| path.first().is_some_and(|first| ["crate", "self", "super"].contains(&first.as_str()));
    words.filter(|word| !word.starts_with("::")).map(steps).filter(begins).collect()
}

#[test]
fn no_circle_of_files() {
    let circles: BTreeSet<BTreeSet<String>> =
        SOURCES.into_iter().flat_map(|root| Modules::of(root).circles()).collect();
    let within =
        |circle: &BTreeSet<String>, allowed: &[&str]| circle.iter().all(|file| allowed.contains(&file.as_str()));
    let new: Vec<_> = circles.iter().filter(|circle| !ALLOWED.iter().any(|(files, _)| within(circle, files))).collect();
    assert!(new.is_empty(), "these files use each other; move what they share into a file of its own: {new:#?}");
    let opened: Vec<_> =
        ALLOWED.iter().filter(|(files, _)| !circles.iter().any(|circle| within(circle, files))).collect();
    assert!(opened.is_empty(), "no circle any more, take it off the list: {opened:#?}");
}

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let texts = files.iter().map(|(module, text)| (steps(module), (*text).to_owned()));
    Modules::from_texts(texts).circles().into_iter().map(|circle| circle.into_iter().collect()).collect()
}

#[test]
fn circles_are_found_through_parents_and_paths() {
    let face = ("a", "mod b;\nmod c;\npub use b::B;\npub use c::C;");
    assert_eq!(circles(&[face, ("a::b", "use super::C;"), ("a::c", "fn f(b: crate::a::B) {}")]), [["a::b", "a::c"]]);
    assert_eq!(circles(&[face, ("a::b", "use super::C;"), ("a::c", "#[cfg(test)]\nuse super::B;")]), [[""; 0]; 0]);
    let user = ("a", "mod b;\nuse b::{\n    self, B as Other,\n};\npub struct A;");
    assert_eq!(circles(&[user, ("a::b", "use super::A;")]), [["a", "a::b"]]);
    let face = ("a", "mod b;\npub use b::B;\npub struct A;\nfn f() { b::g() }");
    assert_eq!(circles(&[face, ("a::b", "use super::A;")]), [[""; 0]; 0]);
}
