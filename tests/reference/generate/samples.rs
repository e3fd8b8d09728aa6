//! The rule sets that come with Tactful, as they are on disk.

use std::path::Path;

use tactful::domain::id::Vocabulary;
use tactful::rule_files;

use crate::story::RuleFiles;

const FOLDERS: [&str; 3] = ["rules", "examples/email-experiment/rules", "examples/bank-calls/rules"];

pub fn all() -> Vec<RuleFiles> {
    FOLDERS.iter().map(|folder| files(folder)).collect()
}

fn files(folder: &str) -> RuleFiles {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let sources = rule_files::read(&path, &Vocabulary::default()).sources;
    let files = sources.iter().map(|(_, file)| (sources.relative(file).to_owned(), file.text.clone()));
    files.filter(|(path, _)| !path.ends_with(".test.yaml")).collect()
}
