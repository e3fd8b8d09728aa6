//! `tactful import`: the same state after a kill as without, bad lines in a file of their own, tables as lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::support::{TestServer, folder, monday, rules};

/// Customers of whom every hundredth has a bad line: not JSON, a field that no rule declares, or a wrong type.
const CUSTOMERS: usize = 600;

async fn sample() -> TestServer {
    TestServer::start(rules("rules"), "rules".into()).await
}

fn command(server: &TestServer, file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.arg("import").arg(file).args(more).env("TACTFUL_SERVER", &server.address);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit code of an import, and what it prints.
async fn import(server: &TestServer, file: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = command(server, file, more);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn customers() -> String {
    let mut text = String::new();
    for number in 0..CUSTOMERS {
        match number % 300 {
            99 => writeln!(text, "{{\"customer\": \"c{number}\", \"events\": [").unwrap(),
            199 => writeln!(text, "{{\"customer\":\"c{number}\",\"attributes\":{{\"customer.contrakt\":\"dsl\"}}}}")
                .unwrap(),
            299 => {
                writeln!(text, "{{\"customer\":\"c{number}\",\"attributes\":{{\"customer.age\":\"old\"}}}}").unwrap()
            }
            _ => writeln!(text, "{}", customer(number)).unwrap(),
        }
    }
    text
}

fn customer(number: usize) -> String {
    let day = 1 + number % 28;
    let at = |month: usize| format!("2026-{month:02}-{day:02}T09:00:00Z");
    let events: Vec<String> = (0..20)
        .map(|page| format!(r#"{{"type":"page_view","at":"{}","fields":{{"page":"p{page}"}}}}"#, at(1)))
        .collect();
    let contacts: Vec<String> = (0..5)
        .map(|hour| format!(r#"{{"action":"newsletter","channel":"email","at":"2026-01-{day:02}T1{hour}:00:00Z"}}"#))
        .collect();
    format!(
        r#"{{"customer":"c{number}","time_zone":"Europe/Berlin","consents":[{{"purpose":"personalisation","status":"given","at":"{0}","evidence":"form-{number}"}},{{"purpose":"marketing.email","status":"given","at":"{0}","evidence":"form-{number}"}}],"attributes":{{"customer.contract":"dsl","customer.age":{1}}},"events":[{2}],"contacts":[{3}],"outcomes":[{{"action":"newsletter","outcome":"dismissed","at":"{4}"}}]}}"#,
        "2025-12-01T10:00:00Z",
        18 + number % 60,
        events.join(","),
        contacts.join(","),
        at(2)
    )
}

/// Everything that a server keeps about a customer but the ids of records.
fn kept(server: &TestServer, customer: &str) -> String {
    let export = server.engine.export(customer, monday()).unwrap();
    let (state, relation) = (&export.state, export.state.relation());
    let attributes: Vec<_> = state.attributes().iter().map(|(id, held)| format!("{id:?} {:?}", held.value())).collect();
    let events: Vec<_> = state.events().newest_first().map(|event| format!("{:?} {}", event.kind, event.at)).collect();
    let records: Vec<_> =
        export.records.unwrap().into_iter().map(|(_, record)| (record.purpose, record.claimed)).collect();
    format!(
        "{attributes:?}\n{events:?}\n{:?}\n{:?}\n{:?}\n{records:?}",
        relation.contacts, relation.outcomes, relation.zone
    )
}

fn file(home: &Path, name: &str, text: &str) -> PathBuf {
    let path = home.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_killed_import_goes_on_and_ends_as_if_it_had_not_been_killed() {
    let home = tempfile::tempdir().unwrap();
    let (whole, cut) = (file(home.path(), "whole.jsonl", &customers()), file(home.path(), "cut.jsonl", &customers()));
    let (one, other) = (sample().await, sample().await);
    let (code, out, err) = import(&one, &whole, &["--json"]).await;
    assert_eq!(code, 1, "{out}{err}");
    let expected: Json = serde_json::from_str(&out).unwrap();
    let good = CUSTOMERS - CUSTOMERS / 100;
    assert_eq!(
        (expected["events"].as_u64(), expected["rejected"].as_u64()),
        (Some(20 * good as u64), Some(6)),
        "{out}"
    );
    assert_eq!(expected["consents"], 2 * good, "{out}");

    let mut child = command(&other, &cut, &[]).spawn().unwrap();
    let progress = home.path().join("cut.jsonl.progress");
    let sent = move || {
        let text = std::fs::read_to_string(&progress).ok()?;
        serde_json::from_str::<Json>(&text).ok()?.get("sent")?.as_u64()
    };
    // The second chunk is being sent, the first is not known to be safe.
    let killed = tokio::task::spawn_blocking(move || {
        while sent().is_none_or(|sent| sent <= 500) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        sent().unwrap()
    });
    assert!(killed.await.unwrap() > 500);
    let (code, out, err) = import(&other, &cut, &["--json"]).await;
    assert_eq!((code, serde_json::from_str::<Json>(&out).unwrap()), (1, expected), "{err}");
    for number in 0..CUSTOMERS {
        let customer = format!("c{number}");
        assert_eq!(kept(&one, &customer), kept(&other, &customer), "{customer}");
    }
    assert!(kept(&one, "c0").contains("purpose: ") || kept(&one, "c0").matches("marketing.email").count() == 1);
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(read("whole.jsonl.rejected.jsonl"), read("cut.jsonl.rejected.jsonl"));
    let (code, out, _) = import(&other, &cut, &[]).await;
    assert!(code == 1 && out.starts_with("imported   600 lines"), "done is done: {out}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn what_is_rejected_says_why_and_can_be_imported_once_it_is_right() {
    let home = tempfile::tempdir().unwrap();
    let server = sample().await;
    let text = [
        r#"{"customer":"anna","attributes":{"customer.contract":"dsl"},"events":[{"type":"order","at":"2026-02-01T10:00:00Z","fields":{"product":"dsl"}},{"type":"ordre","at":"2026-02-01T10:00:00Z"}],"consents":[{"purpose":"personalisatoin","status":"given","at":"2026-01-01T10:00:00Z"}]}"#,
        r#"{"customer":"ben","events":[{"type":"page_view","at":"2026-02-01T10:00:00Z","fields":{"page":"fibre"}}]}"#,
        r#"{"customer":"cleo","events":[{"type":"order","at":"yesterday"}],"outcomes":[{"action":"newsletter","outcome":"liked","at":"2026-02-01T10:00:00Z"}]}"#,
        r#"{"customer":"dora","evnts":[]}"#,
        r#"{"customer":"","time_zone":"Europe/Berlin"}"#,
    ];
    let path = file(home.path(), "customers.jsonl", &text.join("\n"));
    let (code, out, err) = import(&server, &path, &[]).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("not stored 1: no lawful purpose covers it (no_lawful_purpose)"), "{out}");
    let rejected = std::fs::read_to_string(home.path().join("customers.jsonl.rejected.jsonl")).unwrap();
    let lines: Vec<Json> = rejected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons: Vec<String> = lines.iter().map(|line| line["reasons"].to_string()).collect();
    assert_eq!(lines.iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert!(
        reasons[0].contains("consents[0]: unknown_purpose") && reasons[0].contains("events[0]: type: "),
        "{rejected}"
    );
    assert!(reasons[0].contains("did you mean `order`?"), "{rejected}");
    assert_eq!((lines[0]["events"].as_array().unwrap().len(), &lines[0]["attributes"]), (1, &Json::Null));
    assert!(
        reasons[1].contains("events[0].at: `yesterday`") && reasons[1].contains("`liked` is not one of"),
        "{rejected}"
    );
    assert!(reasons[2].contains("unknown field `evnts`") && reasons[3].contains("customer: is missing"), "{rejected}");

    let right =
        rejected.lines().next().unwrap().replace("ordre", "order").replace("personalisatoin", "personalisation");
    let path = file(home.path(), "right.jsonl", &right);
    let (code, out, err) = import(&server, &path, &[]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        kept(&server, "anna").matches("+00:00").count() + kept(&server, "anna").matches('Z').count(),
        2,
        "{}",
        kept(&server, "anna")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_table_says_the_same_as_lines() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = (sample().await, sample().await);
    let table = "customer,time_zone,customer.contract,customer.contract_ends,consent.purpose,consent.status,consent.at,consent.evidence,event.type,event.at,event.fields.page,contact.action,contact.at,contact.channel\n\
        anna,Europe/Berlin,dsl,2026-09-01T00:00:00Z,personalisation,given,2026-01-01T10:00:00Z,\"form, page 2\",,,,,,\n\
        anna,,,,,,,,page_view,2026-02-01T10:00:00Z,fibre,newsletter,2026-02-02T10:00:00Z,email\n\
        ben,,cable,,,,,,,,,,,\n\
        cleo,,dsl\n";
    let lines = [
        r#"{"customer":"anna","time_zone":"Europe/Berlin","attributes":{"customer.contract":"dsl","customer.contract_ends":"2026-09-01T00:00:00Z"},"consents":[{"purpose":"personalisation","status":"given","at":"2026-01-01T10:00:00Z","evidence":"form, page 2"}]}"#,
        r#"{"customer":"anna","events":[{"type":"page_view","at":"2026-02-01T10:00:00Z","fields":{"page":"fibre"}}],"contacts":[{"action":"newsletter","at":"2026-02-02T10:00:00Z","channel":"email"}]}"#,
    ];
    let (code, out, err) = import(&one, &file(home.path(), "a.csv", table), &[]).await;
    assert!(code == 1 && out.contains("rejected   parts of 2 lines"), "{out}{err}");
    let rejected = std::fs::read_to_string(home.path().join("a.csv.rejected.jsonl")).unwrap();
    assert!(rejected.contains("\"line\":4") && rejected.contains("cable"), "{rejected}");
    assert!(rejected.contains("has 3 cells, and the header has 14"), "{rejected}");
    let (code, ..) = import(&other, &file(home.path(), "b.jsonl", &lines.join("\n")), &[]).await;
    assert_eq!((code, kept(&one, "anna")), (0, kept(&other, "anna")));
    let wrong = file(home.path(), "c.csv", "customer,customer.contrakt\nanna,dsl\n");
    let (code, _, err) = import(&one, &wrong, &[]).await;
    assert!(
        code == 2 && err.contains("c.csv:1: no column and no attribute is called `customer.contrakt`; did you mean"),
        "{err}"
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn an_import_that_cannot_go_on_says_so() {
    let home = tempfile::tempdir().unwrap();
    let server = sample().await;
    let path = file(home.path(), "a.jsonl", "{\"customer\":\"anna\",\"time_zone\":\"Europe/Berlin\"}\n");
    let (code, out, err) = import(&server, &path, &[]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    file(home.path(), "a.jsonl", "{\"customer\":\"anna\"}\n{}\n");
    let (code, _, err) = import(&server, &path, &[]).await;
    assert!(code == 2 && err.contains("has changed since its import began"), "{err}");
    let (code, _, err) = import(&server, &home.path().join("none.jsonl"), &[]).await;
    assert!(code == 2 && err.contains("none.jsonl` cannot be read"), "{err}");
    assert!(folder("docs/import.md").exists());
    server.stop().await;
}
