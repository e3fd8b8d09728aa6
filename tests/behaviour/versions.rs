//! Rule sets that differ in everything a decision shows, so that a decision made of two of them would be seen.

use std::path::Path;

/// How many versions there are before they come again.
pub const VERSIONS: usize = 6;

/// Rule files of a version: file names with their texts. Names, points, texts, line numbers and the number of files
/// differ from version to version.
pub fn files(version: usize) -> Vec<(String, String)> {
    let lines = "# a line more\n".repeat(version);
    let base = format!(
        r#"{lines}purposes:
  service: {{basis: contract}}
context:
  of_{version}: {{type: text, personal: false}}
events:
  visit_{version}: {{purposes: [service], keep: {keep} days}}
channels:
  web: {{direction: inbound, interruption: {version}}}
journeys:
  visit:
    purpose: service
    start: {{event: visit_{version}}}
    stages: {{open-{version}: {{end: true}}}}
policy:
  pressure: {{half_life: 7 days, per_contact: {{web: 1}}}}
  hurt: {{half_life: 7 days}}
  time_zone: UTC
"#,
        keep = 10 + version
    );
    let actions = format!(
        r#"{lines}actions:
  - id: common
    title: Version {version}
    kind: service
    purpose: service
    relevance:
      base: 40
      add: [{{points: {version}, when: 'channel == "web"', because: "version {version}"}}]
    intrusiveness: 1
    treatments: {{web: {{content: content/{version}, text: "version {version}"}}}}
  - id: only-{version}
    title: Only in {version}
    kind: service
    purpose: service
    eligible: ['journey.visit.stage != "open-{version}"']
    relevance: {{base: 30}}
    intrusiveness: {version}
    treatments: {{web: {{text: "only in {version}"}}}}
  - id: never-{version}
    title: Never
    kind: service
    purpose: service
    eligible: ['context.of_{version} == "{version}"']
    relevance: {{base: 90}}
    intrusiveness: 1
    treatments: {{web: {{text: "never"}}}}
"#
    );
    let test = format!(
        "tests:\n  - {{name: version {version}, at: 2026-03-02T10:00:00Z, decide: {{channel: web}}, expect: {{action: common, text: version {version}}}}}\n"
    );
    vec![
        ("base.yaml".into(), base),
        (format!("actions-{}.yaml", version % 2), actions),
        ("common.test.yaml".into(), test),
    ]
}

/// Writes a version in place of what was there, one file after the other.
pub fn write(folder: &Path, version: usize) {
    let files = files(version);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !files.iter().any(|(name, _)| path.ends_with(name)) {
            std::fs::remove_file(path).unwrap();
        }
    }
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}
