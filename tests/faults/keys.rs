//! A keys folder of which a file is damaged, cut, or missing: no personal data is used, `tactful data check` names the file
//! and what to do, and nothing that a customer denied or erased comes back.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::ledger::Repair;
use tactful::node::Node;
use tactful::serve::{CUSTOMERS_HEALTH, LEDGER_HEALTH};

use super::home::{Home, consent, copy_folder, decide, err, files, later, out, says_hello, stop, tactful};
use super::server_process::ServerProcess;

/// Without any one of them, personal data cannot be used.
const NEEDED: [&str; 3] = ["secrets", "signing-key", "head"];

/// Anna has given her consent, Ben has withdrawn it, Carl was erased, and each of them was told.
fn home() -> Home {
    let home = Home::new();
    let (engine, _) = home.open(later(0));
    for customer in ["anna", "ben", "carl"] {
        assert!(says_hello(&engine, customer, later(0)));
        consent(&engine, customer, Given, later(0));
    }
    consent(&engine, "ben", Withdrawn, later(0));
    engine.erase("carl", later(0)).unwrap();
    stop(engine);
    home
}

fn copy_of(home: &Home) -> Home {
    let copy = Home::new();
    copy_folder(home.path(), copy.path());
    copy
}

fn key_file(home: &Home, name: &str) -> PathBuf {
    home.path().join("data-keys").join(name)
}

/// Every way in which a file is damaged; the last byte of a file may be the end of a line, which is not needed.
fn damages(whole: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let flipped = |place: usize| {
        let mut bytes = whole.to_vec();
        bytes[place] ^= 4;
        (format!("bit 2 of byte {place}"), Some(bytes))
    };
    let cut = |length: usize| (format!("cut to {length} bytes"), Some(whole[..length].to_vec()));
    let places = (0..whole.len() - 1).step_by(whole.len() / 4);
    let lengths = [0, whole.len() / 2, whole.len() - 2];
    places.map(flipped).chain(lengths.map(cut)).chain([("missing".to_owned(), None)]).collect()
}

fn write(path: &PathBuf, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

/// What a start that uses personal data must know.
fn assert_in_order(home: &Home, what: &str) {
    let (engine, _) = home.open(later(1));
    let advised = |customer: &str| !decide(&engine, customer, "phone", later(1)).decision.actions.is_empty();
    assert!(advised("anna"), "{what}: a consent is lost");
    assert!(!advised("ben"), "{what}: a withdrawn consent is used");
    assert!(!says_hello(&engine, "anna", later(1)), "{what}: a contact is lost");
    assert!(engine.consent_records("carl").unwrap().is_empty(), "{what}: an erased customer is back");
    stop(engine);
}

#[test]
fn a_damaged_or_missing_file_of_keys_is_named_and_no_personal_data_is_used() {
    let home = home();
    let mut checked = 0;
    for name in NEEDED {
        let whole = fs::read(key_file(&home, name)).unwrap();
        for (how, bytes) in damages(&whole) {
            let (copy, what) = (copy_of(&home), format!("{name}, {how}"));
            let path = key_file(&copy, name);
            write(&path, bytes.as_deref());
            let node = Node::open(copy.settings()).unwrap();
            let trouble = node.trouble.as_ref().unwrap_or_else(|| panic!("{what}: nothing is noticed")).to_string();
            assert!(trouble.contains(&format!("data-keys/{name}`")), "{what}: {trouble}");
            drop(node);
            let (engine, _) = copy.open(later(1));
            for customer in ["anna", "ben", "carl", "never seen"] {
                assert!(!says_hello(&engine, customer, later(1)), "{what}: {customer}");
                assert!(decide(&engine, customer, "phone", later(1)).decision.actions.is_empty(), "{what}: {customer}");
            }
            drop(engine);
            assert_eq!(fs::read(&path).ok(), bytes, "{what}: it stays as it was");
            if checked % 4 == 0 || how == "missing" {
                let check = tactful(&["data", "check", "--data", &copy.data()]);
                assert_eq!(check.status.code(), Some(1), "{what}: {}", err(&check));
                let said = err(&check).split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(said.contains(&format!("data-keys/{name}`")) && said.contains("go on put it back"), "{said}");
            }
            checked += 1;
            if how == "missing" {
                write(&path, Some(&whole));
                assert_in_order(&copy, &what);
            }
        }
    }
    println!("{checked} damaged files of keys, each named");
}

#[test]
fn without_a_copy_of_its_signing_key_a_ledger_goes_on_under_another_and_says_so() {
    let home = home();
    fs::write(key_file(&home, "signing-key"), "damaged").unwrap();
    for name in ["signing-key", "head"] {
        fs::rename(key_file(&home, name), home.path().join(name)).unwrap();
    }
    let check = tactful(&["data", "check", "--data", &home.data()]);
    assert_eq!(check.status.code(), Some(1), "it is not silent: {}", out(&check));
    let node = Node::open(home.settings()).unwrap();
    assert!(node.trouble.is_none() && matches!(node.repairs[..], [Repair::NewKey(_), ..]), "{:?}", node.repairs);
    drop(node);
    assert_in_order(&home, "another signing key");
    let check = tactful(&["data", "check", "--data", &home.data()]);
    assert!(check.status.success(), "{}", err(&check));
}

/// What the register lacks, the ledger has.
#[test]
fn a_damaged_register_of_erasures_brings_nobody_back() {
    let home = home();
    let whole = fs::read(key_file(&home, "erased")).unwrap();
    for (how, bytes) in damages(&whole) {
        let copy = copy_of(&home);
        let path = key_file(&copy, "erased");
        write(&path, bytes.as_deref());
        let node = Node::open(copy.settings()).unwrap();
        if let Some(trouble) = &node.trouble {
            assert!(trouble.to_string().contains("data-keys/erased`"), "{how}: {trouble}");
            drop(node);
            let check = tactful(&["data", "check", "--data", &copy.data()]);
            assert!(check.status.code() == Some(1) && err(&check).contains("move it"), "{how}: {}", err(&check));
            fs::remove_file(&path).unwrap();
        } else {
            drop(node);
        }
        assert_in_order(&copy, &how);
        assert_eq!(fs::read(&path).unwrap(), whole, "{how}: the erasure is registered again");
    }
}

/// The keys folder notes how far the customers were written.
#[test]
fn a_damaged_note_of_the_newest_customers_is_reported() {
    let home = home();
    let whole = fs::read(key_file(&home, "customers")).unwrap();
    for (how, bytes) in damages(&whole) {
        let copy = copy_of(&home);
        write(&key_file(&copy, "customers"), bytes.as_deref());
        let missing = bytes.is_none();
        let check = tactful(&["data", "check", "--data", &copy.data()]);
        assert_eq!(check.status.code(), Some(if missing { 0 } else { 1 }), "{how}: {}", err(&check));
        assert!(missing || err(&check).contains("data-keys/customers` is damaged"), "{how}: {}", err(&check));
        let (engine, recovery) = copy.open(later(1));
        assert_eq!(recovery.head_damaged, !missing, "{how}");
        stop(engine);
        assert_in_order(&copy, &how);
    }
}

#[test]
fn secrets_of_a_later_version_are_refused_by_name() {
    use sha2::Digest as _;
    let home = home();
    let path = key_file(&home, "secrets");
    let text = fs::read_to_string(&path).unwrap().replace("tactful secrets 1", "tactful secrets 2");
    let body = text.split("sha256 ").next().unwrap();
    let sum: String = sha2::Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&path, format!("{body}sha256 {sum}\n")).unwrap();
    let trouble = Node::open(home.settings()).unwrap().trouble.unwrap().to_string();
    assert!(trouble.contains("data-keys/secrets` was written by a later version (format 2; this one reads up to 1)"));
    let check = tactful(&["data", "check", "--data", &home.data()]);
    assert!(err(&check).contains("start the version that wrote them"), "{}", err(&check));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_secrets_says_so_and_its_health_is_red() {
    let home = home();
    fs::remove_file(key_file(&home, "secrets")).unwrap();
    let before = files(&home.path().join("data-keys"));
    let server = ServerProcess::start(home.path()).await;
    assert!(!server.is_well(LEDGER_HEALTH).await && !server.is_well(CUSTOMERS_HEALTH).await);
    assert_eq!(server.says("never seen", "web").await, None, "no limit is known");
    assert_eq!(server.says("never seen", "chat").await.as_deref(), Some("help"), "no limit counts it");
    server.signal(Signal::TERM);
    let (_, said, _) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert!(said.contains("data-keys/secrets` is missing") && said.contains("no backup has it"), "{said}");
    assert_eq!(files(&home.path().join("data-keys")), before, "no other secrets are made");
}
