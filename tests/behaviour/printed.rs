//! What commands print: at 80 columns in a pipe, with `--json`, and when no server is there. Golden.

use std::process::Command;

use clap::CommandFactory as _;
use regex::Regex;
use tactful::cli::Cli;

use super::support::{TestServer, folder, rules};

/// What a line of shell prints, with the parts that differ from run to run replaced.
async fn printed(server: &TestServer, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(line.split(' ')).env("TACTFUL_SERVER", &server.address).current_dir(folder("."));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let code = output.status.code().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    if !line.contains("--json") {
        // An error and its help are a line each, unless they go to a terminal.
        let is_error = |line: &str| line.starts_with("error: ") || line.starts_with("help: ");
        let shown = text.lines().filter(|line| !is_error(line));
        let longest = shown.map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest <= 80, "{line}: more than 80 columns\n{text}");
    }
    let mut text = text.replace(&server.address, "http://127.0.0.1:PORT");
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"[0-9a-f]{32}", "<rule set>"),
        (r"\(rule set [0-9a-f]{8}\)", "(rule set …)"),
        (r#""tlogProof": "[^"]+""#, "\"tlogProof\": \"…\""),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    format!("$ tactful {line}\n{}{text}\n", if code == 0 { String::new() } else { format!("(exit code {code})\n") })
}

/// A day at the sample's server: each command that calls one, and what it prints for people and for programs.
const LINES: [&str; 22] = [
    "customer consent anna",
    "decide --customer anna --channel web --context topic=speed --context activity=browsing",
    "customer consent anna personalisation given --evidence form-4711 --expression ticked",
    "customer consent anna personalisation",
    "customer consent anna personalisatoin given",
    "customer set anna customer.contract=dsl --time-zone Europe/Berlin",
    "customer set anna customer.contrakt=dsl",
    "customer event anna page_view page=fibre --id view-1",
    "customer event anna page_view page=fibre --id view-1",
    "customer event anna page_wiew",
    "decide --customer anna --channel web --context topic=speed --context activity=browsing --explain funnel",
    "customer outcome anna fibre-upgrade not_now",
    "customer show anna",
    "customer consent anna marketing.email refused",
    "decide --customer anna --channel web --context topic=speed --context activity=browsing",
    "decide --customer anna --channel fax",
    "simulate --rules tests/fixtures/design --customer anna --channel web",
    "decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7",
    "customer consent anna personalisation withdrawn",
    "clock show",
    "customer erase anna --yes",
    "customer show anna",
];

#[tokio::test]
async fn commands_print_what_they_printed() {
    for json in [false, true] {
        let server = TestServer::start(rules("rules"), "rules".into()).await;
        let mut text = String::new();
        for line in LINES {
            let with_json = json && line != "clock show";
            text.push_str(&printed(&server, &format!("{line}{}", if with_json { " --json" } else { "" })).await);
        }
        insta::assert_snapshot!(if json { "json" } else { "human" }, text);
        server.stop().await;
    }
}

/// Arguments that make a command whole: the first possible value of each that is required.
fn required(command: &clap::Command) -> Vec<String> {
    // One of several arguments is needed, which the definitions of the arguments do not say.
    let one_of: &[&str] = match command.get_name() {
        "simulate" => &["--from", "1"],
        "set" => &["--time-zone", "UTC"],
        _ => &[],
    };
    let mut arguments: Vec<String> = one_of.iter().map(ToString::to_string).collect();
    for argument in command.get_arguments().filter(|argument| argument.is_required_set()) {
        let possible = argument.get_possible_values().first().map(|value| value.get_name().to_owned());
        let named = if argument.get_id() == "rules" { "rules" } else { "1" };
        arguments.extend(argument.get_long().map(|long| format!("--{long}")));
        arguments.push(possible.unwrap_or_else(|| named.to_owned()));
    }
    arguments
}

/// Every command that calls a server, with what it needs.
fn callers(command: &clap::Command, path: &[String]) -> Vec<Vec<String>> {
    let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() {
        let calls = command.get_arguments().any(|argument| argument.get_id() == "server");
        return if calls { vec![[path, &required(command)].concat()] } else { Vec::new() };
    }
    below.into_iter().flat_map(|below| callers(below, &[path, &[below.get_name().to_owned()]].concat())).collect()
}

#[tokio::test]
async fn every_command_says_that_no_server_is_there() {
    let server = TestServer::start(rules("tests/fixtures/design"), "rules".into()).await;
    let address = server.address.clone();
    server.stop().await;
    let mut command = Cli::command();
    command.build();
    let callers = callers(&command, &[]);
    for words in
        ["decide", "simulate", "import", "backup"].map(|word| vec![word]).into_iter().chain([vec!["customer", "erase"]])
    {
        assert!(
            callers.iter().any(|known| known.starts_with(&words.iter().map(ToString::to_string).collect::<Vec<_>>())),
            "{words:?}"
        );
    }
    for arguments in callers {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        let yes = arguments.iter().any(|word| word == "erase").then_some("--yes");
        command.args(&arguments).args(yes).env("TACTFUL_SERVER", &address).current_dir(folder("."));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{arguments:?}: {said}");
        assert!(said.contains(&format!("error: no server answers at {address}\nhelp: ")), "{arguments:?}: {said}");
    }
}

#[test]
fn the_help_of_every_command_fits() {
    fn look(command: &mut clap::Command, path: &str) {
        let help = command.render_long_help().to_string();
        let longest = help.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest <= 110, "{path}: {longest} columns\n{help}");
        for below in command.get_subcommands_mut() {
            let path = format!("{path} {}", below.get_name());
            look(below, &path);
        }
    }
    look(&mut Cli::command(), "tactful");
}
