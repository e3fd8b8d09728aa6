//! Log lines, metrics, signals and exit codes; docs/operations.md must list all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value as Json;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::value::Value;
use tactful::engine::Question;
use tactful::serve::metrics::exposition;

use super::support::{ask, attributes, consent, engine, folder, monday, rules};
use super::versions::write;

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a process of its own.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    log: Receiver<String>,
    metrics: String,
}

impl Process {
    /// Starts a server on free ports and waits for its greeting.
    fn start(root: &Path, flags: &[&str]) -> Self {
        let mut child = serve(root, flags).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (lines, log) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut metrics = String::new();
        let mut line = String::new();
        while !line.starts_with("try ") {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "no greeting: {:?}", log.try_iter().collect::<Vec<_>>());
            if let Some(url) = line.strip_prefix("metrics    http://") {
                metrics = url.trim().trim_end_matches("/metrics").to_owned();
            }
        }
        Self { child, out, log, metrics }
    }

    /// The next line of a JSON log.
    fn logged(&self) -> BTreeMap<String, Json> {
        // Text for people before the server is up, such as the number of warnings, is not part of the log.
        let mut line = self.log.recv_timeout(PATIENCE).unwrap();
        while !line.starts_with('{') {
            line = self.log.recv_timeout(PATIENCE).unwrap();
        }
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// The head and the body of a page beside the metrics.
    fn get(&self, path: &str) -> (String, String) {
        let mut connection = TcpStream::connect(&self.metrics).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn scrape(&self) -> String {
        let (head, page) = self.get("/metrics");
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
            "{head}"
        );
        page
    }

    /// Stops it; returns its exit code and its output after the greeting.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn serve(root: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--rules"]).arg(root.join("rules"));
    command.arg("--data").arg(root.join("data")).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("rules")).unwrap();
    write(&root.path().join("rules"), 0);
    root
}

/// The cells of the rows of a table in docs/operations.md, by the head of its first column.
fn documented(head: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder("docs/operations.md")).unwrap();
    let begin = text.find(&format!("\n| {head} |")).unwrap() + 1;
    let rows = text[begin..].lines().take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.split('|').skip(1).map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

#[cfg(unix)]
#[test]
fn every_metric_is_documented_and_every_documented_metric_is_there() {
    let root = root();
    let server = Process::start(root.path(), &["--metrics", "127.0.0.1:0"]);
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ok\n")] {
        assert_eq!(server.get(path).1, body);
    }
    let page = server.scrape();
    let mut found = BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let sample = |line: &&str| line.starts_with(&format!("{name}{{"));
        let label = page.lines().find(sample).map_or("", |line| line[name.len() + 1..].split('=').next().unwrap());
        found.insert((name.to_owned(), kind.to_owned(), label.to_owned()));
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
    }
    let told = documented("metric").iter().map(|row| (bare(&row[0]), row[1].clone(), bare(&row[2]))).collect();
    assert_eq!(found, told);
    assert_eq!(server.stop(), (Some(0), "stopped\n".to_owned()));
}

#[test]
fn metrics_count_what_happened_and_name_no_customer() {
    let engine = Arc::new(engine(&rules("tests/fixtures/design")));
    let decide = |question: Question| tactful::sync::block_on(engine.decide_async(question, monday()));
    let question = ask("mrs-secret", "web", &[("topic", "speed"), ("activity", "browsing")]);
    decide(question.clone()).unwrap();
    decide(Question { validate_only: true, ..question.clone() }).unwrap();
    decide(Question { channel: "wep".into(), ..question }).unwrap_err();
    engine.record_consent(consent("mrs-secret", "personalisation", ConsentStatus::Withdrawn), monday()).unwrap();
    engine.set_attributes(attributes("mrs-secret", &[("customer.age", Value::Number(40.0))]), monday()).unwrap();
    engine.trust_ledger(false);
    let page = exposition(&engine, None);
    for line in [
        "tactful_decisions_total{answer=\"no_consent\"} 1",
        "tactful_decisions_total{answer=\"invalid\"} 1",
        "tactful_decisions_total{answer=\"action\"} 0",
        "tactful_decision_duration_seconds_count 2",
        "tactful_decision_duration_seconds_bucket{le=\"0.1\"} 2",
        "tactful_decision_duration_seconds_bucket{le=\"+Inf\"} 2",
        "tactful_decisions_truncated_total 0",
        "tactful_customers 1",
        "tactful_facts_dropped_total 1",
        "tactful_ledger_trusted 0",
        "tactful_ledger_records 1",
        "tactful_rule_files_refused 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!page.contains("secret"), "{page}");
}

#[cfg(unix)]
#[test]
fn the_log_says_what_becomes_of_the_rules_in_documented_lines() {
    let root = root();
    let rules = root.path().join("rules");
    let server = Process::start(root.path(), &[]);
    let mut lines = vec![server.logged()];
    write(&rules, 1);
    lines.push(server.logged());
    fs::write(rules.join("base.yaml"), "purposes: [").unwrap();
    lines.push(server.logged());
    write(&rules, 1);
    lines.push(server.logged());
    server.signal("-TERM");
    lines.push(server.logged());

    let told = documented("level");
    for line in &lines {
        let message = line["message"].as_str().unwrap();
        let row = told.iter().find(|row| {
            let documented = row[1].split('`').filter(|part| !part.is_empty());
            row[0] == line["level"].as_str().unwrap()
                && documented.into_iter().any(|part| message.starts_with(part.split('…').next().unwrap()))
        });
        let row = row.unwrap_or_else(|| panic!("not documented: {line:?}"));
        let fields: BTreeSet<&str> = line.keys().map(String::as_str).collect();
        let named = row[2].split('`').skip(1).step_by(2).chain(["timestamp", "level", "message"]).collect();
        assert_eq!(fields, named, "{message}");
    }
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let [serving, changed, refused, again, stopping] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((*serving, *changed, *again), ("serving", "rules changed", "the rule files are in order again"));
    let running = lines[1]["rule_set"].as_str().unwrap();
    assert!(refused.starts_with(&format!("running {} since ", &running[..8])), "{refused}");
    assert!(refused.contains("; the files on disk have ") && refused.ends_with(" errors"), "{refused}");
    assert!(lines[2]["first"].as_str().unwrap().contains(".yaml:"), "{lines:?}");
    assert!(stopping.starts_with("stopping"), "{stopping}");
}

#[cfg(unix)]
#[test]
fn a_server_that_reads_its_rules_once_reads_them_again_on_hangup() {
    let root = root();
    let rules = root.path().join("rules");
    let server = Process::start(root.path(), &["--once"]);
    assert_eq!(server.logged()["message"], "serving");
    write(&rules, 1);
    server.signal("-HUP");
    assert_eq!(server.logged()["message"], "rules changed");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn rules_that_fail_their_tests_do_not_start_unless_the_tests_are_left_out() {
    let root = root();
    let test = "tests:\n  - name: louder\n    at: 2026-03-02T10:00:00Z\n    decide: {channel: web}\n    expect: {action: only-0}\n";
    fs::write(root.path().join("rules/louder.test.yaml"), test).unwrap();
    let refused = serve(root.path(), &[]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(
        told.contains("error[T0401]: the rule test `louder` fails") && told.contains("louder.test.yaml:2:"),
        "{told}"
    );
    assert!(told.contains("--skip-tests"), "{told}");
    drop(Process::start(root.path(), &["--skip-tests"]));
}

#[test]
fn metrics_are_not_shown_to_other_machines_unawares() {
    let root = root();
    let refused = serve(root.path(), &["--metrics", "0.0.0.0:0"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("`0.0.0.0:0`") && told.contains("--allow-insecure"), "{told}");
}

/// What `tactful config` prints in a folder with this file, or its error.
fn config(
    file: &str,
    variables: &[(&str, &str)],
    flags: &[&str],
) -> Result<BTreeMap<String, (String, String)>, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tactful.toml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(["config", "--config", "tactful.toml"]).args(flags).envs(variables.iter().copied());
    let ran = command.current_dir(folder.path()).output().unwrap();
    if ran.status.code() == Some(2) {
        return Err(String::from_utf8(ran.stderr).unwrap());
    }
    assert_eq!(ran.status.code(), Some(0));
    let text = String::from_utf8(ran.stdout).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [name, from, value @ ..] = cells.as_slice() else { return None };
        Some(((*name).to_owned(), (value.join(" "), (*from).to_owned())))
    };
    Ok(text.lines().filter_map(row).collect())
}

#[test]
fn flags_come_before_variables_before_the_file_before_what_is_built_in() {
    let file = "listen = \"127.0.0.1:1\"\nmax-connections = 10\nthreads = 3\nonce = true\nallow-origin = [\"https://a.example\", \"https://b.example\"]\n";
    let shown =
        config(file, &[("TACTFUL_MAX_CONNECTIONS", "20"), ("TACTFUL_THREADS", "4")], &["--threads", "5"]).unwrap();
    let setting = |name: &str| shown.get(name).map(|(value, from)| (value.as_str(), from.as_str()));
    assert_eq!(setting("listen"), Some(("127.0.0.1:1", "file")), "{shown:?}");
    assert_eq!(setting("max-connections"), Some(("20", "TACTFUL_MAX_CONNECTIONS")));
    assert_eq!(setting("threads"), Some(("5", "flag")));
    assert_eq!(setting("once"), Some(("true", "file")));
    assert_eq!(setting("keep-decisions"), Some(("64MiB", "default")));
    assert_eq!(setting("allow-origin"), Some(("https://a.example, https://b.example", "file")));
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_the_fix() {
    for (file, told) in [
        ("lisen = \"127.0.0.1:1\"", "did you mean `listen`"),
        ("listen = \"nowhere\"", "invalid value 'nowhere'"),
        ("listen = ", "line 1"),
        ("threads = [1, 2]", "`threads` takes one value"),
        ("tls-cert = \"a.pem\"", "`tls-cert` is given without what it needs"),
        ("listen = \"0.0.0.0:1\"", "there is no TLS and no token"),
        ("keys = \"data/keys\"", "the keys folder is inside the data folder"),
    ] {
        let error = config(file, &[], &[]).expect_err(file);
        assert!(error.contains(told), "{told}: {error}");
    }
}
