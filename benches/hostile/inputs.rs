//! Generated hostile rule files: each is a folder, with the expected result.

use std::fs;
use std::path::Path;

/// The expected result of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds sound rules and loads.
    Loads,
    /// It is refused.
    Refused,
}

/// One folder of hostile files.
pub struct Input {
    /// What it is.
    pub name: &'static str,
    /// Fills the folder.
    pub write: Box<dyn Fn(&Path)>,
    /// The expected result.
    pub verdict: Verdict,
}

const MIB: usize = 1 << 20;

/// A sound rule set; `{more}` takes more actions.
const SOUND: &str = r#"purposes:
  service: {basis: contract}
context:
  topic: {type: text, personal: false}
channels:
  web: {direction: inbound, interruption: 1}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
actions:
  - {id: hello, title: Hello, kind: service, purpose: service, relevance: {base: 60}, intrusiveness: 1, treatments: {web: {text: Hello}}}
"#;

/// Every input.
pub fn all() -> Vec<Input> {
    let mut all = nested();
    all.extend(large());
    all.extend(many());
    all.extend(expressions());
    all.extend(bytes());
    #[cfg(unix)]
    all.extend(files());
    all
}

fn text(name: &'static str, text: impl Into<Vec<u8>>) -> Input {
    let text = text.into();
    let write = Box::new(move |folder: &Path| fs::write(folder.join("rules.yaml"), &text).unwrap());
    Input { name, write, verdict: Verdict::Refused }
}

fn several(name: &'static str, files: Vec<String>) -> Input {
    let write = Box::new(move |folder: &Path| {
        for (number, text) in files.iter().enumerate() {
            fs::write(folder.join(format!("{number:05}.yaml")), text).unwrap();
        }
    });
    Input { name, write, verdict: Verdict::Refused }
}

fn loads(input: Input) -> Input {
    Input { verdict: Verdict::Loads, ..input }
}

fn nested() -> Vec<Input> {
    let steps: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let aliases: String = (1..60)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")))
        .collect();
    vec![
        text("200,000 × [", "[".repeat(200_000)),
        text("200,000 × {", "{".repeat(200_000)),
        text("200,000 × {a: [", "{a: [".repeat(200_000)),
        text("200,000 × -", "- ".repeat(200_000)),
        text("200,000 × ?", "? ".repeat(200_000)),
        text("200,000 × quote", "\"".repeat(200_000)),
        text("200,000 × ]", "]".repeat(200_000)),
        text("1,000 steps of indentation", steps),
        text("billion laughs", format!("a0: &a0 [lol]\n{aliases}")),
        text("100,000 anchors", numbered(100_000, |n| format!("k{n}: &a{n} x\n"))),
        text("an alias of itself", "a: &a [*a, *a]\n"),
    ]
}

fn large() -> Vec<Input> {
    vec![
        text("1 MiB and a byte", format!("{}\n", "#".repeat(MIB))),
        text("a line of 1 MiB", format!("a: {}\n", "x".repeat(MIB - 10))),
        text("a line of 1 MiB, 100 mistakes", format!("{}\n", "[!a, ".repeat(200_000))),
        text("a quoted line of 1 MiB", format!("a: \"{}\n", "x ".repeat(MIB / 2 - 10))),
        text("1 MiB of `: `", ": ".repeat(MIB / 2)),
        text("1 MiB of commas", format!("[{}]", ",".repeat(MIB - 2))),
        text("1 MiB of blanks", " ".repeat(MIB)),
        text("1 MiB of line feeds", "\n".repeat(MIB)),
        text("1 MiB of tabs", "\t".repeat(MIB)),
        text("1 MiB of %", "%\n".repeat(MIB / 2)),
        text("1 MiB of comments", "#\n".repeat(MIB / 2)),
        text("1 MiB of digits", format!("a: {}\n", "9".repeat(MIB - 10))),
        text("a text block of 1 MiB", format!("a: |\n{}", "  x\n".repeat(MIB / 4 - 8))),
        text("a folded text of 50,000 lines", format!("a: x\n{}", "  - y\n".repeat(50_000))),
        text("1 MiB on one key", format!("? {}\n: x\n", "k".repeat(MIB - 10))),
    ]
}

/// One line for each number.
fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn action(number: usize) -> String {
    format!(
        "  - {{id: a{number}, title: T, kind: offer, purpose: service, eligible: ['context.topic == \"t{number}\"'], \
         relevance: {{base: 60}}, intrusiveness: 1, treatments: {{web: {{text: T}}}}}}\n"
    )
}

/// Files with `each` actions.
fn catalogue(files: usize, each: usize, line: impl Fn(usize) -> String) -> Vec<String> {
    let file = |file: usize| format!("actions:\n{}", numbered(each, |number| line(file * each + number)));
    std::iter::once(SOUND.to_owned()).chain((0..files).map(file)).collect()
}

fn many() -> Vec<Input> {
    let declared = |count| {
        format!(
            "{SOUND}attributes:\n{}",
            numbered(count, |n| format!("  customer.a{n}: {{type: text, personal: false}}\n"))
        )
    };
    let unknown = numbered(2_000, |n| {
        format!(
            "  - {{id: b{n}, title: T, kind: ofer, purpose: servic, asks: b, relevance: {{base: 60}}, intrusiveness: 1, treatments: {{wep: {{text: T}}}}}}\n"
        )
    });
    let reading = numbered(2_000, |n| action(n).replace("context.topic", &format!("customer.b{n}")));
    vec![
        several("100,000 actions in one folder", catalogue(50, 2_000, action)),
        several("100,000 empty actions", catalogue(4, 25_000, |_| "  - {}\n".to_owned())),
        several("100,000 actions with an id", catalogue(4, 25_000, |n| format!("  - {{id: a{n}}}\n"))),
        several("100,000 actions in blocks", catalogue(100, 1_000, |n| action(n).replace("{id", "\n    {id"))),
        text("100,000 keys", numbered(100_000, |n| format!("k{n}: 1\n"))),
        text("90,000 unknown sections", numbered(90_000, |n| format!("k{n}:\n"))),
        text("60,000 times the same key", "k: 1\n".repeat(60_000)),
        text("60,000 unknown keys", format!("policy:\n{}", numbered(60_000, |n| format!("  k{n}:\n")))),
        text("30,000 booleans", "- yes\n".repeat(30_000)),
        text("50,000 texts on one line", format!("attributes: {{a: {{one_of: [{}]}}}}\n", "x, ".repeat(50_000))),
        text("25,000 ends of a text behind commas", format!("actions: [{{text: a{}}}]\n", ", b c".repeat(25_000))),
        text("20,000 comments in braces", format!("actions:\n{}", "  - {text: a #1}\n".repeat(20_000))),
        text("20,000 brackets not closed", format!("actions:\n{}", "  - id: a\n    limits: [{\n".repeat(20_000))),
        text("30,000 lines too deep", "- a\n    - b\n".repeat(30_000)),
        text("2,000 actions of unknown names", format!("{SOUND}{unknown}")),
        text(
            "2,000 near misses among 5,000 names",
            format!("{}actions:\n{reading}", declared(5_000).replace("actions:", "x:")),
        ),
        several("2,000 files that are empty", vec![String::new(); 2_000]),
        several("10,001 files", vec!["{}\n".to_owned(); 10_001]),
        several("2,000 files, each broken", vec!["a: [\n".to_owned(); 2_000]),
        several("40 files of 1 MiB", vec!["#\n".repeat(MIB / 2); 40]),
    ]
}

/// One action with these conditions.
fn conditions(lines: impl IntoIterator<Item = String>) -> String {
    let lines: String = lines.into_iter().map(|line| format!("      - '{line}'\n")).collect();
    let head = "  - id: bomb\n    title: T\n    kind: offer\n    purpose: service\n    relevance: {base: 60}\n    intrusiveness: 1\n";
    format!("{SOUND}{head}    treatments: {{web: {{text: T}}}}\n    eligible:\n{lines}")
}

fn expressions() -> Vec<Input> {
    let pattern =
        |pattern: &str, times| conditions((0..times).map(|_| format!("context.topic.matches(\"{pattern}\")")));
    let one = |text: String| conditions([text]);
    vec![
        text("1,000 × (a{1000}){1000}", pattern("(a{1000}){1000}", 1_000)),
        text("1,000 × nested repetitions", pattern("((((a{10}){10}){10}){10}){10}", 1_000)),
        text("1,000 × \\\\pL{500}", pattern("\\\\pL{500}", 1_000)),
        text("1,000 × (a+)+$", pattern("(a+)+$ (b|", 1_000)),
        text("a pattern of 500 brackets", pattern(&"(".repeat(500), 1)),
        text("2,000 brackets in an expression", one("(".repeat(2_000))),
        text("2,000 × ! in an expression", one("!".repeat(2_000))),
        text("2,000 × - in an expression", one("-".repeat(2_000))),
        text("a chain of 1,000 ?:", one("a ? b : ".repeat(250))),
        text("an expression of 900 kB", one("a + ".repeat(225_000))),
        loads(text(
            "100 expressions of 70 terms",
            conditions((0..100).map(|_| vec!["size(context.topic) > 1"; 70].join(" && "))),
        )),
        text("50,000 broken expressions", conditions((0..50_000).map(|_| "a b".to_owned()))),
        text(
            "5,000 open templates",
            format!("{SOUND}{}", numbered(5_000, |n| action(n).replace("text: T", "text: \"{\""))),
        ),
    ]
}

fn bytes() -> Vec<Input> {
    let random: Vec<u8> = (0..MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        text("1 MiB that is not UTF-8", random),
        text("1 MiB of NUL bytes", vec![0; MIB]),
        text("1 MiB of control characters", vec![1; MIB]),
        text("1 MiB of carriage returns", vec![b'\r'; MIB]),
        text("1 MiB of byte order marks", "\u{feff}".repeat(MIB / 3)),
        text("1 MiB of reversed text", "\u{202e}".repeat(MIB / 3)),
        text(
            "numbers without end",
            format!("{SOUND}  - {{id: x, intrusiveness: 1e999999999, worth: -0x{}}}\n", "f".repeat(10_000)),
        ),
        loads(text("a byte order mark before sound rules", format!("\u{feff}{SOUND}"))),
        loads(text("sound rules with carriage returns", SOUND.replace('\n', "\r\n"))),
    ]
}

#[cfg(unix)]
fn files() -> Vec<Input> {
    use std::os::unix::fs::symlink;
    let sound = |folder: &Path| fs::write(folder.join("a.yaml"), SOUND).unwrap();
    let input = |name, write: fn(&Path), verdict| Input {
        name,
        write: Box::new(move |folder: &Path| {
            sound(folder);
            write(folder);
        }),
        verdict,
    };
    vec![
        input(
            "links in a circle",
            |folder| {
                fs::create_dir(folder.join("team")).unwrap();
                symlink(".", folder.join("round")).unwrap();
                symlink("..", folder.join("team/up")).unwrap();
            },
            Verdict::Loads,
        ),
        input("a link to itself", |folder| symlink("self.yaml", folder.join("self.yaml")).unwrap(), Verdict::Refused),
        input("a link to nothing", |folder| symlink("gone", folder.join("gone.yaml")).unwrap(), Verdict::Refused),
        input(
            "a link to an endless device",
            |folder| symlink("/dev/zero", folder.join("zero.yaml")).unwrap(),
            Verdict::Refused,
        ),
        input("a folder called x.yaml", |folder| fs::create_dir(folder.join("x.yaml")).unwrap(), Verdict::Loads),
        input(
            "a pipe",
            |folder| {
                let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.yaml")).status();
                assert!(made.is_ok_and(|status| status.success()), "mkfifo");
            },
            Verdict::Refused,
        ),
        input(
            "10 GiB with nothing in it",
            |folder| {
                fs::File::create(folder.join("sparse.yaml")).unwrap().set_len(10 << 30).unwrap();
            },
            Verdict::Refused,
        ),
        input(
            "2,000 links to nothing",
            |folder| {
                (0..2_000).for_each(|number| symlink("gone", folder.join(format!("{number}.yaml"))).unwrap());
            },
            Verdict::Refused,
        ),
    ]
}
