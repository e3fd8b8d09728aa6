//! Test results as JUnit XML, as GitLab, Jenkins and GitHub's reporters read it: one suite per file, and for each test
//! its file, its line and its duration.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Timed;
use crate::cli::{counted, render};
use crate::rules::Loaded;
use crate::scenario::test::TestFailure;

/// The document for completed tests.
pub(super) fn document(results: &[Timed]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Timed>> = BTreeMap::new();
    for timed in results {
        suites.entry(&timed.result.place.file).or_default().push(timed);
    }
    let suites = suites.into_iter().map(|(file, tests)| {
        let cases: String = tests.iter().map(|timed| case(timed)).collect();
        element("  ", "testsuite", &format!("name=\"{}\" {}", escape(file), totals(&tests)), &cases)
    });
    whole(&totals(&results.iter().collect::<Vec<_>>()), &suites.collect::<String>())
}

/// The document if the rules have errors and no test ran: one failed test.
pub(super) fn broken(loaded: &Loaded, root: &Path) -> String {
    let root = root.to_string_lossy();
    let message = counted(loaded.counts().0, "error");
    let text = escape(&render::render(&loaded.sources, &loaded.diagnostics, false));
    let error = format!("      <error message=\"{message}\">{text}</error>\n");
    let attributes = format!(r#"name="the rule files have no errors" classname="{}" time="0""#, class(&root));
    let case = element("    ", "testcase", &attributes, &error);
    let totals = r#"tests="1" failures="0" errors="1" skipped="0" time="0""#;
    whole(totals, &element("  ", "testsuite", &format!("name=\"{}\" {totals}", escape(&root)), &case))
}

fn whole(totals: &str, suites: &str) -> String {
    let root = element("", "testsuites", &format!("name=\"tactful\" {totals}"), suites);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}")
}

fn totals(tests: &[&Timed]) -> String {
    let failures = tests.iter().filter_map(|timed| timed.result.failure.as_ref());
    let (differ, refused): (Vec<_>, Vec<_>) = failures.partition(|failure| matches!(failure, TestFailure::Differs(_)));
    let took = seconds(tests.iter().map(|timed| timed.took).sum());
    let (tests, differ, refused) = (tests.len(), differ.len(), refused.len());
    format!(r#"tests="{tests}" failures="{differ}" errors="{refused}" skipped="0" time="{took}""#)
}

fn case(Timed { result, took }: &Timed) -> String {
    let place = &result.place;
    let attributes = format!(
        r#"name="{}" classname="{}" file="{}" line="{}" time="{}""#,
        escape(&result.name),
        class(&place.file),
        escape(&place.file),
        place.line,
        seconds(*took)
    );
    let Some(failure) = &result.failure else { return format!("    <testcase {attributes}/>\n") };
    let name = if matches!(failure, TestFailure::Differs(_)) { "failure" } else { "error" };
    let (summary, text) = (escape(&failure.summary()), escape(&format!("{place}\n{failure}")));
    let failure = format!("      <{name} message=\"{summary}\">{text}</{name}>\n");
    element("    ", "testcase", &attributes, &failure)
}

/// An element with child elements, on separate lines.
fn element(indent: &str, name: &str, attributes: &str, inner: &str) -> String {
    format!("{indent}<{name} {attributes}>\n{inner}{indent}</{name}>\n")
}

/// `rules/offers/fibre.test.yaml` as `rules.offers.fibre`: readers group names at the dots.
fn class(file: &str) -> String {
    let stem = file.strip_suffix(".test.yaml").or_else(|| file.strip_suffix(".test.yml")).unwrap_or(file);
    escape(&stem.trim_matches(['/', '.']).replace('/', "."))
}

fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}

/// A text escaped for an attribute or an element. Characters that XML 1.0 does not allow become `�`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Readers normalise these to spaces in an attribute unless they are escaped.
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::sources::Location;
    use crate::scenario::test::TestResult;

    fn timed(name: &str, file: &str, failure: Option<TestFailure>) -> Timed {
        let place = Location { file: file.to_owned(), line: 7, column: 11 };
        Timed { result: TestResult { name: name.to_owned(), place, failure }, took: Duration::from_micros(1_500) }
    }

    #[test]
    fn suites_are_files_and_what_is_refused_is_an_error() {
        let refused = Some(TestFailure::Refused("no `x` & \"y\"\nsecond <line>".to_owned()));
        let results = [
            timed("a", "rules/b.test.yaml", None),
            timed("b", "rules/a.test.yaml", refused),
            timed("c", "rules/b.test.yaml", None),
        ];
        insta::assert_snapshot!(document(&results), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="tactful" tests="3" failures="0" errors="1" skipped="0" time="0.004500">
          <testsuite name="rules/a.test.yaml" tests="1" failures="0" errors="1" skipped="0" time="0.001500">
            <testcase name="b" classname="rules.a" file="rules/a.test.yaml" line="7" time="0.001500">
              <error message="no `x` &amp; &quot;y&quot;&#10;second &lt;line&gt;">rules/a.test.yaml:7:11&#10;no `x` &amp; &quot;y&quot;&#10;second &lt;line&gt;</error>
            </testcase>
          </testsuite>
          <testsuite name="rules/b.test.yaml" tests="2" failures="0" errors="0" skipped="0" time="0.003000">
            <testcase name="a" classname="rules.b" file="rules/b.test.yaml" line="7" time="0.001500"/>
            <testcase name="c" classname="rules.b" file="rules/b.test.yaml" line="7" time="0.001500"/>
          </testsuite>
        </testsuites>
        "##);
        assert!(roxmltree::Document::parse(&document(&[])).is_ok());
    }

    proptest! {
        /// Any name, path or failure is read back unchanged; characters that XML does not allow are replaced.
        #[test]
        fn any_text_round_trips(name in any::<String>(), why in any::<String>(), file in any::<String>()) {
            let text = document(&[timed(&name, &file, Some(TestFailure::Refused(why.clone())))]);
            let read = roxmltree::Document::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let case = read.descendants().find(|node| node.has_tag_name("testcase")).unwrap();
            let error = read.descendants().find(|node| node.has_tag_name("error")).unwrap();
            let kept = |c: char| if escape(&c.to_string()) == "\u{fffd}" { '\u{fffd}' } else { c };
            let held = |text: &str| text.chars().map(kept).collect::<String>();
            prop_assert_eq!(case.attribute("name").map(str::to_owned), Some(held(&name)));
            prop_assert_eq!(case.attribute("file").map(str::to_owned), Some(held(&file)));
            prop_assert_eq!(error.attribute("message").map(str::to_owned), Some(held(&why)));
            prop_assert_eq!(error.text().map(str::to_owned), Some(held(&format!("{file}:7:11\n{why}"))));
        }
    }
}
