//! What holds for every command: its help, wrong words and values, a server that is not there, readers that have gone.

use std::process::{Command, Output, Stdio};

use clap::CommandFactory as _;
use tactful::cli::Cli;

use super::support::{TestServer, folder, rules};

/// A command of the tree, with all of its subcommands built.
struct Known {
    /// The words that name it, without `tactful`.
    path: Vec<String>,
    command: clap::Command,
}

impl Known {
    fn is_leaf(&self) -> bool {
        self.command.get_subcommands().all(|below| below.get_name() == "help")
    }

    fn calls_a_server(&self) -> bool {
        self.is_leaf() && self.command.get_arguments().any(|argument| argument.get_id() == "server")
    }

    /// The name in messages.
    fn name(&self) -> String {
        format!("tactful {}", self.path.join(" "))
    }

    /// The command line with the first possible value of each required argument.
    fn line(&self) -> Vec<String> {
        // One of several arguments is needed, which the definitions of the arguments do not say.
        let one_of: &[&str] = match self.path.last().map(String::as_str) {
            Some("simulate") => &["--from", "1"],
            Some("set") => &["--time-zone", "UTC"],
            _ => &[],
        };
        let mut words = self.path.clone();
        words.extend(one_of.iter().map(ToString::to_string));
        for argument in self.command.get_arguments().filter(|argument| argument.is_required_set()) {
            let possible = argument.get_possible_values().first().map(|value| value.get_name().to_owned());
            let named = if argument.get_id() == "rules" { "rules" } else { "1" };
            words.extend(argument.get_long().map(|long| format!("--{long}")));
            words.push(possible.unwrap_or_else(|| named.to_owned()));
        }
        if self.path.last().is_some_and(|word| word == "erase") {
            words.push("--yes".to_owned());
        }
        words
    }
}

/// Every command, `tactful` itself first.
fn tree() -> Vec<Known> {
    fn add(command: &clap::Command, path: &[String], known: &mut Vec<Known>) {
        known.push(Known { path: path.to_vec(), command: command.clone() });
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            add(below, &[path, &[below.get_name().to_owned()]].concat(), known);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut known = Vec::new();
    add(&command, &[], &mut known);
    assert!(known.len() > 50, "{}", known.len());
    known
}

/// A command without a terminal and without input.
fn piped(words: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(words).current_dir(folder(".")).stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_help_of_every_command_fits_80_columns_and_says_how_it_ends() {
    for known in tree() {
        for flag in ["--help", "-h"] {
            let words = [&known.path[..], &[flag.to_owned()]].concat();
            let (code, out, err) = output(piped(&words).env("COLUMNS", "200"));
            assert_eq!((code, err.as_str()), (Some(0), ""), "{}", known.name());
            assert!(widest(&out) <= 80, "{} {flag}: {} columns\n{out}", known.name(), widest(&out));
            assert!(!out.contains('\u{1b}'), "{} {flag} has colours in a pipe", known.name());
            if known.is_leaf() {
                assert!(out.contains("Examples:\n  "), "{} {flag} has no example\n{out}", known.name());
                let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(
                    words.contains("xit code") || words.contains("exits with code"),
                    "{}: no exit code",
                    known.name()
                );
            }
        }
    }
}

/// The command line of an example, as a shell would pass it: until a redirection or a remark, without variables.
fn example(line: &str) -> Option<Vec<String>> {
    let (_, line) = line.split_once("tactful ")?;
    let end = [" > ", " < ", " && ", "  ", ") "].iter().filter_map(|mark| line.find(mark)).min();
    let line = line[..end.unwrap_or(line.len())].trim_end_matches(')');
    let (mut words, mut word, mut quote) = (vec!["tactful".to_owned()], String::new(), None);
    for character in line.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    words.push(word);
    Some(words)
}

#[test]
fn every_example_can_be_run_and_paragraphs_wrap_at_any_width() {
    let mut examples = 0;
    for known in tree() {
        let Some(after) = known.command.get_after_help().map(ToString::to_string) else { continue };
        for paragraph in after.split("\n\n") {
            let lines: Vec<&str> = paragraph.lines().collect();
            let wraps = lines.iter().skip(1).all(|line| line.starts_with("  "));
            assert!(wraps, "{}: a line break inside a paragraph\n{paragraph}", known.name());
            for line in lines.iter().filter(|line| line.starts_with("  ")) {
                assert!(line.chars().count() <= 80, "{}: {line}", known.name());
                let Some(words) = example(line) else { continue };
                let parsed = Cli::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{}: `{line}`: {}", known.name(), parsed.unwrap_err());
                examples += 1;
            }
        }
    }
    assert!(examples > 80, "{examples}");
}

#[test]
fn wrong_words_and_values_are_refused_with_the_usage() {
    for known in tree() {
        let wrong = |more: &[&str]| {
            let more: Vec<String> = more.iter().map(ToString::to_string).collect();
            let (code, out, err) = output(&mut piped(&[&known.path[..], &more].concat()));
            assert_eq!((code, out.as_str()), (Some(2), ""), "{} {more:?}: {err}", known.name());
            assert!(err.starts_with("error: ") && err.contains("--help"), "{} {more:?}: {err}", known.name());
            assert!(!err.contains('\u{1b}'), "{} {more:?} has colours in a pipe", known.name());
            err
        };
        assert!(wrong(&["--no-such-flag"]).contains("--no-such-flag"));
        if !known.is_leaf() {
            assert!(wrong(&["no-such-command"]).contains("no-such-command"));
        }
        for argument in known.command.get_arguments().filter(|argument| !argument.get_possible_values().is_empty()) {
            let Some(long) = argument.get_long().filter(|_| argument.get_action().takes_values()) else { continue };
            let said = wrong(&[&format!("--{long}"), "no-such-value"]);
            let first = argument.get_possible_values().first().unwrap().get_name().to_owned();
            assert!(said.contains("no-such-value") && said.contains(&first), "{} --{long}: {said}", known.name());
        }
    }
}

/// Words by which a command is told to print for programs.
const JSON: [&str; 2] = ["json", "format"];

#[test]
fn every_command_that_calls_a_server_prints_json_if_asked() {
    for known in tree().into_iter().filter(Known::calls_a_server) {
        let has =
            known.command.get_arguments().any(|argument| argument.get_long().is_some_and(|long| JSON.contains(&long)));
        let writes_files = known.path.last().is_some_and(|word| word == "export");
        assert!(has || writes_files, "{} has no --json", known.name());
    }
}

/// The address of a server that is gone.
async fn gone() -> String {
    let server = TestServer::start(rules("tests/fixtures/design"), "rules".into()).await;
    let address = server.address.clone();
    server.stop().await;
    address
}

#[tokio::test]
async fn every_command_says_that_no_server_is_there() {
    let address = gone().await;
    let callers: Vec<Known> = tree().into_iter().filter(Known::calls_a_server).collect();
    for name in ["tactful decide", "tactful import", "tactful backup", "tactful customer erase", "tactful clock show"] {
        assert!(callers.iter().any(|known| known.name() == name), "{name}");
    }
    for known in callers {
        for (server, said) in [
            (address.as_str(), format!("error: no server answers at {address}\nhelp: start one with `tactful serve`")),
            (
                "ftp://x",
                "error: `ftp://x` is not the address of a server\nhelp: write it as 127.0.0.1:50051".to_owned(),
            ),
        ] {
            let mut command = piped(&known.line());
            command.env("TACTFUL_SERVER", server);
            let (code, out, err) = tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap();
            assert_eq!((code, out.as_str()), (Some(2), ""), "{}: {err}", known.name());
            assert!(err.contains(&said), "{}: {err}", known.name());
        }
    }
}

/// The exit code of a command whose readers have gone.
fn unread(mut command: Command) -> Option<i32> {
    let (reader, out) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(out.try_clone().unwrap()).stderr(out).status().unwrap().code()
}

/// The exit code of a panic.
const PANIC: Option<i32> = Some(101);

#[tokio::test]
async fn no_command_panics_if_nobody_reads_what_it_prints() {
    let address = gone().await;
    let home = tempfile::tempdir().unwrap();
    for known in tree().into_iter().filter(|known| known.path.first().is_none_or(|word| word != "serve")) {
        let help = [&known.path[..], &["--help".to_owned()]].concat();
        for words in [help, known.line(), [&known.path[..], &["--no-such-flag".to_owned()]].concat()] {
            let mut command = piped(&words);
            // What it would write, it writes there; there are no rules, and no data.
            command.current_dir(home.path()).env("TACTFUL_SERVER", &address);
            let code = tokio::task::spawn_blocking(move || unread(command)).await.unwrap();
            assert!(code.is_some() && code != PANIC, "{words:?}: {code:?}");
        }
    }
}

#[tokio::test]
async fn no_command_panics_if_nobody_reads_the_answer_of_a_server() {
    let server = TestServer::start(rules("rules"), "rules".into()).await;
    for line in [
        "decide --customer anna --channel web --explain full",
        "customer consent anna personalisation given",
        "customer consent anna --records",
        "customer show anna",
        "customer export anna -",
        "decision list",
        "report",
        "proof checkpoint",
        "clock show",
        "check rules",
        "test rules --coverage",
        "customer erase anna --yes",
    ] {
        for more in ["", " --json"] {
            let words: Vec<String> = format!("{line}{more}").split(' ').map(str::to_owned).collect();
            let mut command = piped(&words);
            command.env("TACTFUL_SERVER", &server.address);
            let code = tokio::task::spawn_blocking(move || unread(command)).await.unwrap();
            assert!(code.is_some() && code != PANIC, "{words:?}: {code:?}");
        }
    }
    server.stop().await;
}
