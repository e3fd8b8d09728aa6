//! Diagnostics as other programs read them.

use serde_json::{Value, json};
use tactful::cli::machine;
use tactful::domain::sources::{FileId, SourceFile, Sources, Span};
use tactful::rules::code::{RESERVED_START, UNKNOWN_NAME};
use tactful::rules::diagnostic::Diagnostic;

use super::commands::{out, tactful};

fn sources() -> Sources {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    Sources::new(vec![file("rules/größe, 1.yaml", "é: ü\nwhen: !has(x)\n"), file("rules/z.yaml", "a: b\nc: d\n")])
}

fn span(file: u16, start: u32, end: u32) -> Span {
    Span { file: FileId(file), start, end }
}

fn mistakes() -> [Diagnostic; 2] {
    let long = Diagnostic::warning(UNKNOWN_NAME, span(1, 3, 9), "over two lines");
    let help = "write 100 %,\nas said: `'!has(x)'`";
    [long, Diagnostic::error(RESERVED_START, span(0, 13, 20), "a leading `!`").help(help).replace("'!has(x)'")]
}

#[test]
fn json_is_a_list_in_the_order_of_places() {
    let expected = json!([
        {
            "severity": "error", "code": "T0017", "message": "a leading `!`",
            "help": "write 100 %,\nas said: `'!has(x)'`", "file": "rules/größe, 1.yaml",
            "line": 2, "column": 7, "end_line": 2, "end_column": 14, "replacement": "'!has(x)'",
        },
        {
            "severity": "warning", "code": "T0105", "message": "over two lines", "help": null, "file": "rules/z.yaml",
            "line": 1, "column": 4, "end_line": 2, "end_column": 5, "replacement": null,
        },
    ]);
    assert_eq!(machine::json::list(&sources(), &mistakes()), expected);
    assert_eq!(machine::json::list(&sources(), &[]), json!([]));
}

#[test]
fn github_commands_escape_what_would_end_them() {
    let expected = "::error file=rules/größe%2C 1.yaml,line=2,endLine=2,col=7,endColumn=13,\
        title=T0017%3A value begins with a YAML sign::a leading `!`%0Ahelp: write 100 %25,%0Aas said: `'!has(x)'`\n\
        ::warning file=rules/z.yaml,line=1,endLine=2,title=T0105%3A unknown name::over two lines\n";
    assert_eq!(machine::github::commands(&sources(), &mistakes()), expected);
    assert_eq!(machine::github::commands(&sources(), &[]), "");
}

#[test]
fn sarif_names_rules_places_and_fixes() {
    let log = machine::sarif::log(&sources(), &mistakes());
    assert_sarif(&log);
    let results = &log["runs"][0]["results"];
    assert_eq!(results[0]["ruleId"], "T0017");
    let uri = "rules/gr%C3%B6%C3%9Fe%2C%201.yaml";
    let region = json!({"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 14});
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(*place, json!({"artifactLocation": {"uri": uri}, "region": region}));
    let change = &results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(*change, json!({"deletedRegion": region, "insertedContent": {"text": "'!has(x)'"}}));
    assert_eq!(results[1]["fixes"], json!([]));
}

/// What the SARIF 2.1.0 schema asks of the parts that are used.
fn assert_sarif(log: &Value) {
    assert_eq!((log["version"].as_str(), log["runs"].as_array().map(Vec::len)), (Some("2.1.0"), Some(1)));
    assert!(log["$schema"].as_str().unwrap().starts_with("https://"));
    let driver = &log["runs"][0]["tool"]["driver"];
    assert_eq!(driver["name"], "tactful");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["shortDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        assert!(rule["help"]["text"].as_str().is_some_and(|text| text.contains("Right:")), "{rule}");
    }
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        for place in result["locations"].as_array().into_iter().flatten() {
            let place = &place["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.is_ascii() && !uri.contains(' ') && !uri.starts_with("./"), "{uri}");
            let number = |key: &str| place["region"][key].as_u64().unwrap();
            let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
            assert!(start.0 >= 1 && start.1 >= 1 && start <= end, "{result}");
        }
    }
}

#[test]
fn every_broken_folder_comes_in_every_format() {
    for name in ["broken-test", "lost-link", "missing-sections", "no-rule-files", "not-utf8", "open-end"] {
        let path = format!("tests/behaviour/broken/{name}");
        let run = |format: &str| tactful(&["check", &path, "--format", format]);
        let (human, json, github, sarif) = (run("human"), run("json"), run("github"), run("sarif"));
        let codes = [&human, &json, &github, &sarif].map(|output| output.status.code());
        assert!(codes.iter().all(|code| *code == codes[0]), "{name}: {codes:?}");
        let object: Value = serde_json::from_str(&out(&json)).unwrap();
        let log: Value = serde_json::from_str(&out(&sarif)).unwrap();
        assert_sarif(&log);
        let count = object["diagnostics"].as_array().unwrap().len();
        assert_eq!(count as u64, object["errors"].as_u64().unwrap() + object["warnings"].as_u64().unwrap());
        assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), count, "{name}");
        assert_eq!(out(&github).lines().count(), count, "{name}");
        assert!(out(&github).lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
    }
}
