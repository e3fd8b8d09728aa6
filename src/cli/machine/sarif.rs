//! A log in the Static Analysis Results Interchange Format, which code scanning and editors read.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Region, sorted};
use crate::domain::sources::Sources;
use crate::rules::code;
use crate::rules::diagnostic::{Code, Diagnostic};

/// A log of one run, with the rules that its results name.
#[must_use]
pub fn log(sources: &Sources, diagnostics: &[Diagnostic]) -> Value {
    let codes: Vec<Code> =
        diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<BTreeSet<_>>().into_iter().collect();
    let results = sorted(diagnostics).into_iter().map(|diagnostic| result(sources, diagnostic, &codes));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tactful",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    let (title, text) = code::explain(code).unwrap_or_default();
    json!({"id": code.to_string(), "shortDescription": {"text": title}, "help": {"text": text}})
}

fn result(sources: &Sources, diagnostic: &Diagnostic, codes: &[Code]) -> Value {
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!("\n{help}"));
    // An error of the folder itself has no file.
    let place = sources.file(diagnostic.span.file).map(|_| Region::of(sources, diagnostic));
    let location = |place| json!({"physicalLocation": {"artifactLocation": artifact(place), "region": region(place)}});
    json!({
        "ruleId": diagnostic.code.to_string(),
        "ruleIndex": codes.binary_search(&diagnostic.code).ok(),
        "level": diagnostic.severity.name(),
        "message": {"text": format!("{}{help}", diagnostic.message)},
        "locations": place.iter().map(location).collect::<Vec<_>>(),
        "fixes": place.iter().filter_map(|place| fix(place, diagnostic)).collect::<Vec<_>>(),
    })
}

fn fix(place: &Region, diagnostic: &Diagnostic) -> Option<Value> {
    let text = diagnostic.help.as_deref().unwrap_or("write it like this");
    let change = json!({"deletedRegion": region(place), "insertedContent": {"text": diagnostic.replacement.as_ref()?}});
    let changes = json!([{"artifactLocation": artifact(place), "replacements": [change]}]);
    Some(json!({"description": {"text": text}, "artifactChanges": changes}))
}

fn artifact(place: &Region) -> Value {
    json!({"uri": uri(&place.path)})
}

fn region(place: &Region) -> Value {
    json!({
        "startLine": place.start.0, "startColumn": place.start.1, "endLine": place.end.0, "endColumn": place.end.1,
    })
}

/// A path as a URI: a relative path unchanged, an absolute one with its scheme.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encoded: String = path
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    match encoded.strip_prefix("./") {
        Some(relative) => relative.to_owned(),
        None if encoded.starts_with('/') => format!("file://{encoded}"),
        None => encoded,
    }
}
