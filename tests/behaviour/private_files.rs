//! Every folder and file with personal data can be read by its owner only: of the server, and of the commands that write
//! what a server answered.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::manual::Server;
use super::support::{copy, folder};

fn run(home: &Path, server: &str, line: &str, code: i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    let output = command.args(line.split(' ')).env("TACTFUL_SERVER", server).current_dir(home).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Everything below a folder, itself included.
fn below(path: &Path, found: &mut Vec<PathBuf>) {
    found.push(path.to_owned());
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| below(&entry.unwrap().path(), found));
    }
}

#[test]
fn what_holds_personal_data_can_be_read_by_its_owner_only() {
    let home = tempfile::tempdir().unwrap();
    copy(&folder("rules"), &home.path().join("rules"));
    std::fs::write(
        home.path().join("customers.jsonl"),
        "{\"customer\":\"ben\",\"attributes\":{\"customer.contract\":\"dsl\"}}\n{\"customer\":\"cleo\",\"events\":[{}]}\n",
    )
    .unwrap();
    let given: Vec<PathBuf> = ["rules", "customers.jsonl"].map(|name| home.path().join(name)).into();
    let server = Server::in_folder(home.path(), &["--audit", "logs/audit"]);
    for (line, code) in [
        ("customer consent anna personalisation given --evidence form-4711", 0),
        ("customer event anna page_view page=fibre", 0),
        ("decide --customer anna --channel web --context topic=speed --context activity=browsing", 0),
        ("import customers.jsonl", 1),
        ("backup backups/one", 0),
        ("customer export anna exports/anna", 0),
        ("customer erase anna --yes --receipt anna.tlog-proof", 0),
    ] {
        run(home.path(), &server.address, line, code);
    }
    drop(server);
    copy(&home.path().join("data-keys"), &home.path().join("other-keys"));
    run(home.path(), "", "restore backups/one --data other --accept-older", 0);
    run(home.path(), "", "data repair", 0);

    let mut found = Vec::new();
    below(home.path(), &mut found);
    found.retain(|path| path != home.path());
    let others = found.iter().filter(|path| !given.iter().any(|known| path.starts_with(known)));
    let others: Vec<&PathBuf> = others.filter(|path| !path.starts_with(home.path().join("other-keys"))).collect();
    for part in ["logs/audit/audit.jsonl", "data/decisions", "data-keys/audit", "customers.jsonl.rejected.jsonl"] {
        assert!(others.iter().any(|path| path.ends_with(part)), "{part}");
    }
    for part in ["customers.jsonl.progress", "backups/one/SHA256SUMS", "exports/anna/index.html", "other/ledger"] {
        assert!(others.iter().any(|path| path.ends_with(part)), "{part}");
    }
    let open = others.into_iter().filter(|path| path.metadata().unwrap().permissions().mode() & 0o077 != 0);
    assert_eq!(open.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn what_is_made_for_others_can_be_read_by_them() {
    let home = tempfile::tempdir().unwrap();
    for line in ["init", "man man", "schema rules --output schema.json"] {
        run(home.path(), "", line, 0);
    }
    for name in ["rules/catalogue.yaml", "man/tactful.1", "schema.json"] {
        let mode = home.path().join(name).metadata().unwrap().permissions().mode();
        // As far as the user's own mask lets it.
        let plain = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o666)).tempfile().unwrap();
        assert_eq!(mode & 0o777, plain.path().metadata().unwrap().permissions().mode() & 0o777, "{name}");
    }
}
