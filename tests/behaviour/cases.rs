//! Needs that people who run such systems told of, each with its rules and its input in `cases/NN-name`.

use std::fs;
use std::path::Path;

use super::commands::{err, out, tactful};
use super::support::{copy, folder};

/// The path of an input.
fn case(path: &str) -> String {
    format!("tests/behaviour/cases/{path}")
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
