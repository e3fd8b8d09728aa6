//! Needs that people who run such systems told of, each with its rules and its input in `cases/NN-name`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use tactful::grpc::proto;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::value::Kind;

use super::commands::{err, out, tactful};
use super::support::{TestServer, copy, folder, rules};

/// The path of an input.
fn case(path: &str) -> String {
    format!("tests/behaviour/cases/{path}")
}

/// A server under the rules of a case.
async fn server(name: &str) -> TestServer {
    let path = case(&format!("{name}/rules"));
    TestServer::start(rules(&path), folder(&path)).await
}

fn attributes(name: &str, kind: Kind) -> proto::SetAttributesRequest {
    let attributes = HashMap::from([(name.to_owned(), proto::Value { kind: Some(kind) })]);
    proto::SetAttributesRequest { customer_id: "c".into(), attributes, time_zone: String::new() }
}

/// What `tactful replay` says of a timeline of this text under the rules of a case.
fn replayed(name: &str, timeline: &[u8]) -> (Option<i32>, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("timeline.jsonl");
    fs::write(&path, timeline).unwrap();
    let output = tactful(&["replay", "--rules", &case(&format!("{name}/rules")), &path.display().to_string()]);
    (output.status.code(), out(&output) + &err(&output))
}

#[test]
fn a_timeline_that_begins_with_a_byte_order_mark_is_read() {
    let path = case("41-bom-timeline/timeline.jsonl");
    assert!(fs::read(folder(&path)).unwrap().starts_with(b"\xef\xbb\xbf"));
    let output = tactful(&["replay", "--rules", &case("41-bom-timeline/rules"), &path]);
    assert!(output.status.success() && out(&output).contains("decisions   1\n"), "{}{}", out(&output), err(&output));
}

#[test]
fn a_timeline_that_is_no_lines_of_json_is_explained() {
    let ask = r#"{"at":"2026-03-02T12:00:00Z","customer":"c","decide":{"channel":"web"}}"#;
    let utf16: Vec<u8> = format!("\u{feff}{ask}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = [
        (
            format!("[{ask}]\n").into_bytes(),
            "timeline.jsonl:1: a list begins here; a timeline has one JSON object a line",
        ),
        (b"\xef\xbb\xbf[\n".to_vec(), "timeline.jsonl:1: a list begins here"),
        (
            format!("{ask}\n\n{}", ask.replace(",", ",\n")).into_bytes(),
            "timeline.jsonl:3: this JSON does not end on its line",
        ),
        (b"{\"at\": 5}\n".to_vec(), "timeline.jsonl:1: invalid type: integer `5`, expected a string (column 8)"),
        (utf16, "timeline.jsonl:1: is not UTF-8"),
    ];
    for (timeline, why) in told {
        let (code, said) = replayed("41-bom-timeline", &timeline);
        assert!(code == Some(2) && said.contains(why), "{said}");
    }
}

#[test]
fn rules_and_tests_that_begin_with_a_byte_order_mark_are_read() {
    let place = tempfile::tempdir().unwrap();
    copy(&folder("tests/fixtures/coverage"), place.path());
    for file in super::support::files(place.path()) {
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("\u{feff}{text}")).unwrap();
    }
    let checked = |path: &Path| tactful(&["test", &path.display().to_string()]);
    let (marked, plain) = (checked(place.path()), checked(&folder("tests/fixtures/coverage")));
    assert!(marked.status.success(), "{}{}", out(&marked), err(&marked));
    assert_eq!(out(&marked), out(&plain));
}

#[test]
fn a_number_that_loses_its_last_digits_is_refused_wherever_it_comes_in() {
    let name = "44-big-account-number";
    let test = tactful(&["test", &case(&format!("{name}/rules"))]);
    let told = err(&test);
    assert_eq!(test.status.code(), Some(1), "{told}");
    assert!(told.contains("T0107") && told.contains("r.test.yaml:6:40") && told.contains("type: text"), "{told}");
    let played =
        tactful(&["replay", "--rules", &case(&format!("{name}/rules")), &case(&format!("{name}/timeline.jsonl"))]);
    let told = err(&played);
    assert_eq!(played.status.code(), Some(2), "{told}");
    assert!(told.contains("attributes.customer.account: 9007199254740993 is beyond 9007199254740991"), "{told}");
    let asked = tactful(&["decide", "--customer", "c", "--channel", "web", "--context", "account=-9007199254740993"]);
    let told = err(&asked);
    assert_eq!(asked.status.code(), Some(2), "{told}");
    assert!(told.contains("make it a text: 'account=\"-9007199254740993\"'"), "{told}");
}

#[test]
fn a_number_that_is_exact_is_taken_and_read_out_unchanged() {
    let line = |what: &str| format!("{{\"at\":\"2026-03-02T12:00:00Z\",\"customer\":\"c\",{what}}}\n");
    for (number, taken) in
        [("9007199254740991", true), ("-9007199254740991", true), ("9007199254740992", false), ("1e16", false)]
    {
        let timeline = line(&format!("\"attributes\":{{\"customer.account\":{number}}}"));
        assert_eq!(replayed("44-big-account-number", timeline.as_bytes()).0 == Some(0), taken, "{number}");
    }
    let place = tempfile::tempdir().unwrap();
    copy(&folder(&case("44-big-account-number/rules")), place.path());
    let tests = fs::read_to_string(place.path().join("r.test.yaml")).unwrap();
    fs::write(place.path().join("r.test.yaml"), tests.replace("9007199254740993", "9007199254740991")).unwrap();
    let test = tactful(&["test", &place.path().display().to_string()]);
    assert!(test.status.success(), "{}{}", out(&test), err(&test));
}

#[tokio::test]
async fn a_number_that_may_have_lost_its_last_digits_is_refused_in_a_call() {
    let server = server("44-big-account-number").await;
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    for (number, taken) in [(9_007_199_254_740_991.0, true), (9_007_199_254_740_992.0, false), (-1e18, false)] {
        let set = journeys.set_attributes(attributes("customer.account", Kind::Number(number))).await;
        let why = set.as_ref().err().map(|status| status.message().to_owned()).unwrap_or_default();
        assert!(set.is_ok() == taken && (taken || why.contains("make it a text")), "{number}: {why}");
    }
    server.stop().await;
}
