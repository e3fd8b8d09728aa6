//! Commands that call a server: how they reach it, what they print, and what they say if a call fails.

use std::process::{Command, Output};
use std::sync::Arc;

use tactful::serve::Door;
use tactful::serve::identity::tokens::random;
use tactful::serve::identity::{Identities, IdentitySettings};
use tactful::serve::tls::{Tls, TlsSettings};

use super::door::{Authority, entry, write};
use super::support::{TestServer, folder, monday};

/// A command against a server, on a thread of its own; variables are pairs of name and value.
async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder("."));
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The error of a command that cannot be done.
async fn error(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (code, out, err) = run(arguments, variables).await;
    assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
    err
}

const DECIDE: [&str; 5] = ["decide", "--customer", "anna", "--channel", "web"];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

#[tokio::test]
async fn commands_reach_a_server_behind_tls_and_tokens_and_say_what_is_missing() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.certify("localhost");
    write(files.path(), "ca.pem", &authority.0.pem());
    write(files.path(), "other.pem", &other.0.pem());
    let settings = TlsSettings {
        certificate: write(files.path(), "cert.pem", &certificate),
        key: write(files.path(), "key.pem", &key),
        client_ca: None,
        client_crl: None,
    };
    let token = random().unwrap();
    write(files.path(), "token", &format!("{token}\n"));
    let tokens = write(files.path(), "tokens.toml", &entry(&token, &["decide".into()], ""));
    let identities = Identities::new(IdentitySettings { tokens: Some(tokens), ..IdentitySettings::default() });
    let door = Door {
        tls: Some(Arc::new(Tls::new(settings).unwrap())),
        identities: Some(Arc::new(identities.unwrap())),
        ..Door::default()
    };
    let server = TestServer::behind(door).await;
    let port = server.address.rsplit(':').next().unwrap();
    let (tls, by_number) = (format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}"));
    let (ca, other, token_file) = (path("ca.pem"), path("other.pem"), path("token"));
    let variables = [("TACTFUL_SERVER", tls.as_str()), ("TACTFUL_CA", &ca)];

    let flags = ["--server", &tls, "--ca", &ca, "--token-file", &token_file];
    let (code, out, err) = run(&with(&DECIDE, &flags), &[]).await;
    assert!(code == 0 && out.contains("  id "), "{out}{err}");
    let (code, out, err) = run(&DECIDE, &with_token(&variables, &token)).await;
    assert!(code == 0 && out.contains("  id "), "{out}{err}");

    let said = error(&DECIDE, &variables).await;
    assert!(said.contains("TACTFUL_TOKEN"), "{said}");
    let said = error(&DECIDE, &with_token(&variables, "tct_nonsense")).await;
    assert!(said.contains("token") && !said.contains("tct_nonsense"), "{said}");
    let said = error(&["clock", "show"], &with_token(&variables, &token)).await;
    assert!(said.contains("lacks the scope `admin`") && said.contains("tactful token new --scope"), "{said}");
    let said = error(&["backup", &path("backup")], &with_token(&variables, &token)).await;
    assert!(said.contains("lacks the scope `admin`"), "{said}");
    let said = error(&with(&DECIDE, &["--ca", &other]), &variables).await;
    assert!(said.contains(" is not trusted: ") && said.contains("--ca"), "{said}");
    let said = error(&with(&DECIDE, &["--server", &by_number]), &variables).await;
    assert!(said.contains(" is not trusted: "), "a name that the certificate does not have: {said}");
    let said = error(&with(&DECIDE, &["--server", &server.address]), &[]).await;
    assert!(said.contains("https://"), "{said}");
    let said = error(&with(&DECIDE, &["--ca", "no/such/file"]), &variables).await;
    assert!(said.contains("`no/such/file` of --ca"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn commands_show_their_certificate_to_a_server_that_asks_for_one() {
    let files = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.certify("localhost");
    let (client, client_key) = clients.certify("spiffe://example/shop");
    let ca = write(files.path(), "ca.pem", &authority.0.pem()).display().to_string();
    let client = write(files.path(), "client.pem", &client).display().to_string();
    let client_key = write(files.path(), "client-key.pem", &client_key).display().to_string();
    let settings = TlsSettings {
        certificate: write(files.path(), "cert.pem", &certificate),
        key: write(files.path(), "key.pem", &key),
        client_ca: Some(write(files.path(), "clients.pem", &clients.0.pem())),
        client_crl: None,
    };
    let tls = Some(Arc::new(Tls::new(settings).unwrap()));
    let server = TestServer::behind(Door { tls, ..Door::default() }).await;
    let address = server.address.replace("http://127.0.0.1", "https://localhost");
    let variables = [("TACTFUL_SERVER", address.as_str()), ("TACTFUL_CA", &ca)];
    let shown = with(&DECIDE, &["--client-cert", &client, "--client-key", &client_key]);
    let (code, out, err) = run(&shown, &variables).await;
    assert!(code == 0 && out.contains("  id "), "{out}{err}");
    let said = error(&DECIDE, &variables).await;
    assert!(said.contains("--client-cert"), "{said}");
    server.stop().await;
}

fn with_token<'a>(variables: &[(&'a str, &'a str)], token: &'a str) -> Vec<(&'a str, &'a str)> {
    [variables, &[("TACTFUL_TOKEN", token)]].concat()
}

#[tokio::test]
async fn a_server_that_is_not_there_or_has_no_tls_is_named() {
    let server = TestServer::start(super::support::rules("tests/fixtures/design"), "rules".into()).await;
    let tls = server.address.replace("http://", "https://");
    let said = error(&with(&DECIDE, &["--server", &tls]), &[]).await;
    assert!(said.contains("does not speak TLS") && said.contains("http://"), "{said}");
    let address = server.address.clone();
    server.stop().await;
    for command in [with(&DECIDE, &["--server", &address]), vec!["clock", "show", "--server", &address]] {
        let said = error(&command, &[]).await;
        assert!(said.contains(&format!("no server answers at {address}")) && said.contains("tactful serve"), "{said}");
    }
    let said = error(&with(&DECIDE, &["--server", "ftp://x"]), &[]).await;
    assert!(said.contains("`ftp://x` is not the address of a server"), "{said}");
}

#[tokio::test]
async fn no_help_shows_the_token() {
    let variables = [("TACTFUL_TOKEN", "tct_hidden")];
    let (code, out, _) = run(&["decide", "--help"], &variables).await;
    assert!(code == 0 && out.contains("TACTFUL_TOKEN") && !out.contains("tct_hidden"), "{out}");
}

/// A command that must succeed; what it prints.
async fn said(server: &TestServer, line: &str) -> String {
    let arguments: Vec<&str> = line.split(' ').collect();
    let (code, out, err) = run(&arguments, &[("TACTFUL_SERVER", &server.address)]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{line}: {out}");
    let longest = out.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(longest <= 80 || line.contains("--json"), "{line}: more than 80 columns\n{out}");
    out
}

/// The JSON that a command prints.
async fn json(server: &TestServer, line: &str) -> serde_json::Value {
    serde_json::from_str(&said(server, &format!("{line} --json")).await).unwrap()
}

async fn sample() -> TestServer {
    TestServer::start(super::support::rules("rules"), "rules".into()).await
}

const ASK: &str = "decide --customer anna --channel web --context topic=speed --context activity=browsing";

#[tokio::test]
async fn a_customer_is_told_changed_and_shown_by_commands_alone() {
    let server = sample().await;
    assert!(said(&server, ASK).await.starts_with("speed-test"));
    let given = said(&server, "customer consent anna personalisation given --evidence form-4711").await;
    assert!(given.contains("recorded   personalisation given, by anna"), "{given}");
    assert!(given.contains("now        its data may be used: until 2027-"), "{given}");
    let set = said(&server, "customer set anna customer.contract=dsl customer.age=34 --time-zone Europe/Berlin").await;
    assert_eq!(set, "set        2 attributes of anna, time zone Europe/Berlin\n");
    let event = said(&server, "customer event anna page_view page=fibre --id view-1").await;
    assert_eq!(event, "recorded   page_view of anna\n");
    let again = said(&server, "customer event anna page_view page=fibre --id view-1").await;
    assert!(again.starts_with("repeated"), "{again}");
    let answer = json(&server, ASK).await;
    assert_eq!(answer["actions"][0]["actionId"], "fibre-upgrade", "{answer}");
    let id = answer["decisionId"].as_str().unwrap();
    let outcome = said(&server, &format!("customer outcome anna fibre-upgrade not_now --decision {id}")).await;
    assert_eq!(outcome, "recorded   fibre-upgrade not_now by anna\n");

    let shown = said(&server, "customer show anna").await;
    for line in ["attribute  customer.age = 34", "attribute  customer.contract = dsl", "journey    broadband: "] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let shown = json(&server, "customer show anna").await;
    assert_eq!(shown["attributes"]["customer.age"]["number"], 34.0, "{shown}");
    let decision = said(&server, &format!("decision show {id}")).await;
    assert!(decision.contains("for anna on web") && decision.contains("fibre-upgrade"), "{decision}");
    assert_eq!(json(&server, &format!("decision show {id}")).await["decision"]["decisionId"], id);

    let gone = said(&server, "customer set anna customer.age=").await;
    assert_eq!(gone, "set        1 attribute of anna\n");
    assert!(!said(&server, "customer show anna").await.contains("customer.age"));
    let no = said(&server, "customer consent anna personalisation withdrawn").await;
    assert!(no.contains("its data may not be used: withdrawn"), "{no}");
    let dropped = said(&server, "customer set anna customer.age=34").await;
    assert!(dropped.contains("dropped    customer.age: no lawful purpose covers it"), "{dropped}");
    let table = said(&server, "customer consent anna").await;
    let row = table.lines().find(|line| line.contains("personalisation")).unwrap();
    assert!(row.contains("withdrawn") && row.contains(" no "), "{table}");
    let standings = json(&server, "customer consent anna").await;
    let of = |purpose: &str| {
        standings["standings"].as_array().unwrap().iter().find(|known| known["purpose"] == purpose).unwrap().clone()
    };
    assert_eq!((of("personalisation")["usable"].clone(), of("service")["usable"].clone()), (false.into(), true.into()));
    server.stop().await;
}

#[tokio::test]
async fn what_the_server_refuses_ends_with_one_and_says_why() {
    let server = sample().await;
    let variables = [("TACTFUL_SERVER", server.address.as_str())];
    for (line, why) in [
        ("customer consent anna personalisatoin given", "did you mean"),
        ("customer consent anna service given", "basis_needs_no_consent"),
        ("customer event anna page_wiew", "page_view"),
        ("customer outcome anna no-such-action accepted", "no-such-action"),
        ("customer event anna page_view page=fibre", "no_lawful_purpose"),
    ] {
        let (code, out, err) = run(&line.split(' ').collect::<Vec<_>>(), &variables).await;
        assert!(code == 1 && out.starts_with("refused ") && out.contains(why), "{line}: {code} {out}{err}");
    }
    for (line, why) in [
        ("customer set anna customer.contrakt=dsl", "customer.contract"),
        ("customer consent anna personalisation", "add a status"),
        ("customer consent anna personalisation perhaps", "restriction_lifted"),
        ("customer set anna customer.contract", "NAME=VALUE"),
        ("customer event anna page_view --at yesterday", "2026-03-02T10:00:00Z"),
        ("decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7", "019cae3a-5f20-7000-9d53-6a1f0c28e4b7"),
    ] {
        let said = error(&line.split(' ').collect::<Vec<_>>(), &variables).await;
        assert!(said.contains(why), "{line}: {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_denial_needs_no_purpose_and_a_restriction_names_none() {
    let server = sample().await;
    said(&server, "customer consent anna personalisation given").await;
    let all = said(&server, "customer consent anna objected --evidence letter-1").await;
    assert!(all.contains("own_products objected") && all.contains("personalisation objected"), "{all}");
    let restricted = said(&server, "customer consent anna restricted").await;
    assert!(restricted.contains("every purpose restricted"), "{restricted}");
    said(&server, "customer consent anna restriction_lifted").await;
    // With a notice it is a record of its own, with its hash.
    let refused = "customer consent anna personalisation refused --notice-file rules/notices/personalisation-v1.md";
    assert!(said(&server, refused).await.contains("personalisation refused"));
    let records = server.engine.export("anna", monday()).unwrap().records.unwrap();
    assert!(records.iter().any(|record| record.1.notice_hash.is_some()));
    server.stop().await;
}

#[tokio::test]
async fn an_export_is_a_folder_or_a_zip_file_and_an_erasure_asks_first() {
    let server = sample().await;
    let given = "customer consent anna personalisation given --language de-AT --expression <b>ticked</b> \
        --notice notices/personalisation-v1.md --notice-file rules/notices/personalisation-v1.md";
    said(&server, given).await;
    let files = tempfile::tempdir().unwrap();
    let to = files.path().join("exports/anna");
    let export = format!("customer export anna {}", to.display());
    let variables = [("TACTFUL_SERVER", server.address.as_str())];
    let (code, out, err) = run(&export.split(' ').collect::<Vec<_>>(), &variables).await;
    assert!(code == 0 && out.contains("exported   anna: "), "{out}{err}");
    assert!(std::fs::read_to_string(to.join("README.txt")).unwrap().contains("profile.json"));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&to).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "others may not open it");
    }
    let page = std::fs::read_to_string(to.join("index.html")).unwrap();
    for words in [
        "<html lang=\"de\">",
        "Was Sie uns gesagt haben",
        "Sie haben zugestimmt",
        "&lt;b&gt;ticked&lt;/b&gt;",
        "Sein Fingerabdruck (SHA-256) ist derselbe",
        "02.03.2026, 09:00 Uhr",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let notice = std::fs::read_to_string(folder("rules/notices/personalisation-v1.md")).unwrap();
    let (bold, plain) = notice.lines().nth(2).and_then(|line| line.strip_prefix("**")?.split_once("**")).unwrap();
    assert!(page.contains(&format!("<strong>{bold}</strong>{plain}")), "the text that was shown\n{page}");
    let english = files.path().join("exports/english");
    said(&server, &format!("customer export anna {} --language en", english.display())).await;
    assert!(std::fs::read_to_string(english.join("index.html")).unwrap().contains("you said yes"));
    assert_eq!(std::fs::read_dir(to.join("consents")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 2, "nothing else is left");
    let said_no = error(&export.split(' ').collect::<Vec<_>>(), &variables).await;
    assert!(said_no.contains("is not empty"), "{said_no}");
    let zip = raw(&server, &["customer", "export", "anna", "-", "--portable"], "").await;
    assert!(zip.status.success() && zip.stdout.starts_with(b"PK"));

    for typed in ["", "ana\n"] {
        let refused = raw(&server, &["customer", "erase", "anna"], typed).await;
        assert_eq!(refused.status.code(), Some(2), "{typed:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was erased"));
    }
    assert_eq!(server.engine.export("anna", monday()).unwrap().records.unwrap().len(), 1);
    let erased = raw(&server, &["customer", "erase", "anna"], "anna\n").await;
    let text = String::from_utf8_lossy(&erased.stdout);
    assert!(erased.status.success() && text.contains("the key of 1 consent record"), "{text}");
    assert!(said(&server, "customer erase anna --yes").await.contains("0 consent records"));
    assert_eq!(json(&server, "customer erase anna --yes").await["recordsShredded"], 0);
    server.stop().await;
}

/// A command with a text on standard input.
async fn raw(server: &TestServer, arguments: &[&str], input: &str) -> Output {
    use std::io::Write as _;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(arguments).env("TACTFUL_SERVER", &server.address);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // It may have ended before it read anything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn decisions_are_watched_as_they_are_made() {
    use std::io::{BufRead as _, BufReader};
    let server = sample().await;
    for json in [false, true] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        command.args(["decision", "watch", "--channel", "web", "--count", "1"]).args(json.then_some("--json"));
        command.env("TACTFUL_SERVER", &server.address);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut watching = command.spawn().unwrap();
        let begun = BufReader::new(watching.stderr.take().unwrap());
        let begun = tokio::task::spawn_blocking(move || begun.lines().next().unwrap().unwrap()).await.unwrap();
        assert!(begun.contains("Ctrl-C"));
        said(&server, "decide --customer ben --channel phone").await;
        said(&server, "decide --customer ben --channel web --context topic=speed --context activity=browsing").await;
        let seen = tokio::task::spawn_blocking(move || watching.wait_with_output().unwrap()).await.unwrap();
        let seen = String::from_utf8(seen.stdout).unwrap();
        assert_eq!(seen.lines().count(), 1, "{seen}");
        let customer = if json { "\"customerId\":\"ben\"" } else { "  ben  web  speed-test" };
        assert!(seen.contains(customer), "{seen}");
    }
    server.stop().await;
}

const TYPED: &str = r#"
purposes: {service: {basis: contract}}
attributes: {customer.zip: {type: text, purposes: [service]}, customer.age: {type: number, purposes: [service]}}
context:
  zip: {type: text, personal: false}
  size: {type: number, personal: false}
  since: {type: moment, personal: false}
  wait: {type: duration, personal: false}
  has: {type: list, personal: false}
  new: {type: flag, personal: false}
events: {order: {fields: {code: text, amount: number}, purposes: [service], keep: 1 year}}
channels: {web: {direction: inbound, interruption: 0}}
actions:
  - id: hello
    title: Hello
    kind: service
    purpose: service
    applicable:
      - context.zip == "10115" && context.size == 3 && context.since > timestamp("2026-01-01T00:00:00Z")
      - context.wait > duration("1d") && "tv" in context.has && context.new
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: hello}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

#[tokio::test]
async fn values_are_of_the_type_that_the_rules_declare() {
    let server = TestServer::start(super::support::rules_of(TYPED), "rules".into()).await;
    let typed = "decide --customer anna --channel web --context size=3 --context since=2026-03-01T10:00:00Z \
        --context wait=3d --context has=[dsl,tv] --context new=true --context zip=";
    for zip in ["10115", "\"10115\""] {
        let answer = json(&server, &format!("{typed}{zip}")).await;
        assert_eq!(answer["actions"][0]["actionId"], "hello", "{zip}: {answer}");
    }
    said(&server, "customer set anna customer.zip=4111111111111111111 customer.age=34").await;
    let shown = said(&server, "customer show anna").await;
    assert!(shown.contains("customer.zip = 4111111111111111111") && shown.contains("customer.age = 34"), "{shown}");
    said(&server, "customer set anna customer.zip=").await;
    assert!(!said(&server, "customer show anna").await.contains("customer.zip"));
    let event = said(&server, "customer event anna order code=007 amount=12.5").await;
    assert_eq!(event, "recorded   order of anna\n");
    let variables = [("TACTFUL_SERVER", server.address.as_str())];
    let wrong = error(&["customer", "set", "anna", "customer.age=4111111111111111111"], &variables).await;
    assert!(wrong.contains("customer.age=\"4111111111111111111\""), "{wrong}");
    server.stop().await;
}
