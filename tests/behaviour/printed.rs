//! What commands print: at 80 columns in a pipe, and with `--json`. Golden.

use std::process::Command;

use regex::Regex;

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
