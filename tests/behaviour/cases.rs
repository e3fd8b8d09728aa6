//! Cases reported by people who run such systems, each with its rules and its input in `cases/NN-name`.

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
fn a_timeline_that_is_not_json_lines_is_explained() {
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
    // The command asks the server whether it is a text, and sends no other number.
    let address = server.address.clone();
    let ask = ["decide", "--customer", "c", "--channel", "web", "--context", "account=-9007199254740993", "--server"];
    let asked = tokio::task::spawn_blocking(move || tactful(&[&ask[..], &[address.as_str()]].concat())).await.unwrap();
    let told = err(&asked);
    assert_eq!(asked.status.code(), Some(2), "{told}");
    assert!(told.contains("make it a text: 'account=\"-9007199254740993\"'"), "{told}");
    server.stop().await;
}

/// What was decided for each customer of a timeline, under rules in which a text stands for another.
fn decided(name: &str, written: (&str, &str)) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    copy(&folder(&case(&format!("{name}/rules"))), place.path());
    let path = place.path().join("r.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(written.0));
    fs::write(&path, text.replace(written.0, written.1)).unwrap();
    let out = place.path().join("decided.jsonl");
    let (rules, out) = (place.path().display().to_string(), out.display().to_string());
    let played = tactful(&["replay", "--rules", &rules, &case(&format!("{name}/timeline.jsonl")), "--out", &out]);
    assert!(played.status.success(), "{}", err(&played));
    let lines = fs::read_to_string(out).unwrap();
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    lines
        .lines()
        .map(json)
        .map(|line| format!("{} {}", line["customer"].as_str().unwrap(), line["actions"][0]))
        .collect()
}

#[test]
fn a_city_is_the_same_however_its_accents_are_made() {
    let composed = "customer.city == \"Orl\u{e9}ans\"";
    let name = "43-accents-nfc-nfd";
    for written in [composed, "customer.city == \"Orle\u{301}ans\"", "customer.city == \"Orl\\u00e9ans\""] {
        // A trailing space makes it another text, which a rule can also match.
        assert_eq!(decided(name, (composed, written)), ["a \"note1\"", "b \"note1\"", "e null"], "{written}");
    }
    let with_blanks = "customer.city.matches(r\"^\\s*Orle\u{301}ans\\s*$\")";
    assert_eq!(decided(name, (composed, with_blanks)), ["a \"note1\"", "b \"note1\"", "e \"note1\""]);
}

const ACCENTS: &str = "
purposes:
  service: {basis: contract}
attributes:
  customer.city: {type: text, one_of: [Orl\u{e9}ans, Paris], purposes: [service]}
  customer.likes: {type: list, purposes: [service]}
context:
  place: {type: text, personal: false}
  activity: {type: text, one_of: [cr\u{e9}er, lire], personal: false}
events:
  visit: {fields: {page: text}, purposes: [service], keep: 90 days}
channels:
  web: {direction: inbound, interruption: {cr\u{e9}er: 1, lire: 90}}
actions:
  - id: hello
    title: Hello
    kind: service
    purpose: service
    eligible:
      - customer.city in [\"Orl\u{e9}ans\"]
      - '\"caf\u{e9}\" in customer.likes'
      - context.place.startsWith(\"Caf\u{e9}\")
      - context.place.matches(\"[\u{e9}]$\")
      - 'events.count(\"visit\", \"7d\", event.page == \"caf\u{e9}\") == 1'
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: H\u{e9}llo}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 7 days}
  time_zone: UTC
";

const ACCENTS_TESTED: &str = "
tests:
  - name: what looks alike is equal
    at: 2026-03-02T10:00:00Z
    given:
      - attributes: {customer.city: Orl\u{e9}ans, customer.likes: [caf\u{e9}]}
      - event: {type: visit, fields: {page: caf\u{e9}}}
    decide: {channel: web, context: {place: Caf\u{e9} Andr\u{e9}, activity: cr\u{e9}er}}
    expect: {action: hello, text: H\u{e9}llo}
";

#[test]
fn rules_and_tests_may_spell_accents_each_in_their_way() {
    let apart = |text: &str| text.replace('\u{e9}', "e\u{301}");
    for (rules, tests) in [
        (ACCENTS.to_owned(), ACCENTS_TESTED.to_owned()),
        (apart(ACCENTS), ACCENTS_TESTED.to_owned()),
        (ACCENTS.to_owned(), apart(ACCENTS_TESTED)),
        (apart(ACCENTS), apart(ACCENTS_TESTED)),
    ] {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("r.yaml"), rules).unwrap();
        fs::write(place.path().join("r.test.yaml"), tests).unwrap();
        let tested = tactful(&["test", &place.path().display().to_string()]);
        assert!(tested.status.success(), "{}{}", out(&tested), err(&tested));
    }
}

#[tokio::test]
async fn a_fact_of_a_call_is_kept_in_one_spelling_and_a_customer_id_as_it_is() {
    let server = server("43-accents-nfc-nfd").await;
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let id = "Ren\u{e9}";
    let told = |customer: &str| proto::SetAttributesRequest {
        customer_id: customer.into(),
        ..attributes("customer.city", Kind::Text("Orle\u{301}ans".into()))
    };
    journeys.set_attributes(told(id)).await.unwrap();
    let mut held = async |customer: &str| {
        let request = proto::GetCustomerRequest { customer_id: customer.into() };
        journeys.get_customer(request).await.unwrap().into_inner().attributes
    };
    let city = held(id).await.get("customer.city").cloned().unwrap();
    assert_eq!(city.kind, Some(Kind::Text("Orl\u{e9}ans".into())));
    assert!(held("Rene\u{301}").await.is_empty(), "another id is another customer");
    server.stop().await;
}

#[test]
fn a_customer_never_reads_a_text_that_a_comment_cut() {
    let checked = tactful(&["check", &case("33-hash-in-text/rules")]);
    assert_eq!(checked.status.code(), Some(1));
    let told = err(&checked);
    assert!(told.contains("error[T0031]") && told.contains("+         text: 'Your offer #1 is waiting'"), "{told}");
}

/// The case of the cut text with another line in place of the text's.
fn told_of(line: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(folder(&case("33-hash-in-text/rules/r.yaml"))).unwrap();
    fs::write(place.path().join("r.yaml"), text.replace("        text: Your offer #1 is waiting", line)).unwrap();
    let checked = tactful(&["check", &place.path().display().to_string()]);
    if checked.status.success() { String::new() } else { err(&checked) }
}

#[test]
fn an_unambiguous_comment_may_follow_a_value() {
    for line in [
        "        text: \"Your offer #1 is waiting\" # the first",
        "        text: 'Your offer #1 is waiting' # the first",
        "        # the first\n        text: Your offer is waiting",
        "        text: Your offer#1 is waiting",
        "        text: | # the first\n          Your offer #1 is waiting",
        "        text: >\n          Your offer #1\n          is waiting",
        "        text: \"Your offer\" # one\n    worth: 1.5 # two\n    from: 2026-01-01T00:00:00Z # three\n    excludes: [] # four",
        "        text: \"Your offer\"\n    eligible: # one\n      - now > customer.since # two\n      - any: # three\n          - hurt < 5 # four",
        "        text: \"Your offer\"\n    limits:\n      - {at_most: 1, per: 7 days} # a week\n      - { # another\n         after: rejected, # no\n         wait: 9 days # long\n        }",
    ] {
        let line = line.replace("now > customer.since", "local.hour > 8");
        assert_eq!(told_of(&line), "", "{line}");
    }
    for line in [
        "        text: Your offer # 1 is waiting",
        "        text: Your offer\t#1 is waiting",
        "        text: Offer #1",
        "        content: offer #1",
        "        text: Your offer #1\n\n    worth: 1.5",
        "        text: Your\n          offer #1",
        "        {text: Your offer #1,\n         content: a}",
        "        {text: Your offer #1\n        }",
        "        {content: a, text: Your offer #1}",
        "        {text: Your offer #1, I say, content: a}",
    ] {
        let told = told_of(line);
        assert!(told.contains("error[T0031]") && told.matches("error[").count() == 1, "{line}\n{told}");
    }
}

#[test]
fn an_invisible_character_is_named() {
    for (rules, what) in [("rules", "expression"), ("other", "value")] {
        let checked = tactful(&["check", &case(&format!("35-zero-width-in-literal/{rules}"))]);
        let told = err(&checked).replace("\n              ", " ");
        assert_eq!(checked.status.code(), Some(1), "{told}");
        let message = format!("error[T0032]: an invisible character, U+200B zero width space, stands in this {what}");
        assert!(told.contains(&message) && told.matches("error[").count() == 1, "{told}");
    }
}

#[test]
fn a_text_for_people_may_contain_invisible_characters_with_an_effect() {
    for text in [
        "9\u{a0}\u{20ac} a month",
        "50\u{202f}% off, \u{1f469}\u{200d}\u{1f4bb}",
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
        "Donau\u{ad}schiff",
    ] {
        assert_eq!(told_of(&format!("        text: {text}")), "", "{text:?}");
        assert_eq!(
            told_of(&format!("        text: \"x\"\n    group: {text}")).matches("error[T0032]").count(),
            1,
            "{text:?}"
        );
    }
    for text in ["off\u{200b}er", "off\u{200d}er", "off\u{2063}er", "off\u{3164}er"] {
        assert!(told_of(&format!("        text: {text}")).contains("error[T0032]"), "{text:?}");
    }
    assert_eq!(told_of("        text: \"off\\u200ber\""), "", "an escape is meant");
    assert_eq!(told_of("        text: \"off\\u202eer\""), "", "an escape is meant");
    assert!(told_of("        text: off\u{202e}er").contains("error[T0002]"));
    let condition =
        |written: &str| format!("        text: \"x\"\n    eligible:\n      - context.topic == \"{written}\"");
    assert_eq!(told_of(&condition("off\\u200ber")), "", "an escape is meant");
    for c in ["\u{200b}", "\u{a0}", "\u{200f}", "\u{fe0f}", "\u{3000}"] {
        assert_eq!(told_of(&condition(&format!("off{c}er"))).matches("error[T0032]").count(), 1, "{c:?}");
    }
}

#[test]
fn a_word_that_is_true_or_false_to_some_gets_the_fix_that_its_place_takes() {
    let checked = tactful(&["check", &case("65-norway-fix-is-false/rules")]);
    let told = err(&checked);
    assert_eq!((checked.status.code(), told.matches("error[T0016]").count()), (Some(1), 2), "{told}");
    assert!(told.contains("help: quote it: `\"n\"`") && told.contains("help: quote it: `\"No\"`"), "{told}");
    assert!(!told.contains("false`"), "{told}");
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(folder(&case("65-norway-fix-is-false/rules/r.yaml"))).unwrap();
    let fixed = text.replace("id: n\n", "id: \"n\"\n").replace("title: No\n", "title: \"No\"\n");
    fs::write(place.path().join("r.yaml"), &fixed).unwrap();
    let path = place.path().display().to_string();
    assert!(tactful(&["check", &path]).status.success());
    for (right, wrong, help) in [
        ("direct_marketing: true", "direct_marketing: yes", "help: write `true`"),
        ("personal: false", "personal: NO", "help: write `false`"),
        ("type: text, personal: false", "type: text, one_of: [no], personal: false", "help: quote it: `\"no\"`"),
    ] {
        fs::write(place.path().join("r.yaml"), fixed.replacen(right, wrong, 1)).unwrap();
        let told = err(&tactful(&["check", &path]));
        assert!(told.contains(help) && told.matches("error[").count() == 1, "{wrong}: {told}");
    }
}

#[test]
fn the_fix_for_not_loads() {
    let condition = |written: &str| format!("        text: \"x\"\n    eligible:\n      - {written}");
    for (written, fix) in [
        ("not hurt > 5", "'!(hurt > 5)'"),
        ("not (hurt > 5)", "'!(hurt > 5)'"),
        ("not hurt > 5 && pressure < 3", "'!(hurt > 5)'"),
        ("pressure < 3 && not hurt > 5", "!(hurt > 5)"),
        ("not context.topic == \"a\"", "'!(context.topic == \"a\")'"),
    ] {
        let told = told_of(&condition(written));
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("help: write `{fix}`")), "{written}: {told}");
        let fixed = if fix.starts_with('\'') { fix.to_owned() } else { format!("pressure < 3 && {fix}") };
        assert_eq!(told_of(&condition(&fixed)), "", "{fixed}");
    }
    assert_eq!(told_of(&condition("none:\n          - hurt > 5")), "");
}

const SOUND: &str = "
purposes:
  service: {basis: contract}
channels:
  web: {direction: inbound, interruption: 0}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
";

const OFFERS: &str = "
actions:
  - id: first
    title: First
    kind: offr
    purpose: service
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: Hello}}
  - id: second
    title: Second
    kind: service
    purpose: service
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: Hello}}
  - id: third
    title: Third
    kind: service
    purpose: service
    relevance: {base: 500}
    intrusiveness: 1
    treatments: {web: {text: Hello}}
context:
  topic: {type: txt, personal: false}
";

/// The codes and lines of what is said of the offers, with one line put in place of another.
fn said(old: &str, new: &str) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    assert!(OFFERS.contains(old), "{old}");
    fs::write(place.path().join("offers.yaml"), OFFERS.replacen(old, new, 1)).unwrap();
    fs::write(place.path().join("rules.yaml"), SOUND).unwrap();
    let checked = tactful(&["check", &place.path().display().to_string(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let errors = json["diagnostics"].as_array().unwrap().iter().filter(|found| found["severity"] == "error");
    errors.map(|found| format!("{}:{}", found["code"].as_str().unwrap(), found["line"])).collect()
}

#[test]
fn a_mistake_in_the_yaml_hides_no_other_one_elsewhere_in_its_file() {
    let others = ["T0104:5", "T0107:21", "T0104:25"];
    assert_eq!(said("", ""), others);
    for (old, new, own) in [
        ("    title: Second", "    title: \"Second", "T0015:11"),
        ("    title: Second", "    limits: [{at_most: 1", "T0015:11"),
        ("    title: Second", "    limits: [{at_most: 1]}", "T0015:11"),
        ("    title: Second", "    title: Sec\u{202e}ond", "T0002:11"),
        ("    title: Second", "    title: Sec\u{0}ond", "T0002:11"),
        ("    title: Second", "\ttitle: Second", "T0003:11"),
        ("    title: Second", "    title: Second: two", "T0027:11"),
        ("    title: Second", "    title Second", "T0014:11"),
        ("    title: Second", "      title: Second", "T0019:11"),
        ("    title: Second", "    title: [Second]]", "T0015:11"),
        ("    title: Second", "    title: &second Second", "T0008:11"),
        ("    title: Second", "    title: !second Second", "T0017:11"),
        ("    title: Second", "    title: @Second", "T0017:11"),
        (
            "    treatments: {web: {text: Hello}}\n  - id: second",
            "    treatments: {web: {text: \"Hello}}\n  - id: second",
            "T0015:9",
        ),
        ("  - id: second", "\u{a0} - id: second", "T0032:10"),
        ("  - id: second", "   - id: second", "T0014:10"),
    ] {
        let said = said(old, new);
        assert!(said.contains(&own.to_owned()), "{new:?}: {said:?}");
        let missing: Vec<&&str> = others.iter().filter(|other| !said.contains(&(**other).to_owned())).collect();
        assert!(missing.is_empty() && said.len() <= 5, "{new:?}: {said:?}");
    }
}

#[test]
fn skipped_lines_are_reported() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("offers.yaml"), format!("{OFFERS}---\n{OFFERS}")).unwrap();
    fs::write(place.path().join("rules.yaml"), SOUND).unwrap();
    let told = err(&tactful(&["check", &place.path().display().to_string()]));
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("error[T0005]") && told.contains("what else is wrong in this file shows when this is fixed"));
    assert_eq!(told.matches("error[").count(), 1, "no name of that file is missed: {told}");
}

#[test]
fn a_file_of_tabs_alone_has_one_mistake() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("rules.yaml"), "\t\t\n").unwrap();
    let told = err(&tactful(&["check", &place.path().display().to_string()]));
    assert_eq!(told.matches("error[").count(), 1, "{told}");
}
