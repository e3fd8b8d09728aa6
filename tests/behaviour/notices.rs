//! The notices that customers read: their files are there, and records, rules and exports hold to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tactful::domain::consent::{ConsentStatus, NoticeHash};
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::engine::{ConsentRequest, ItemCode};
use tactful::grpc::proto;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;
use tactful::rule_files;
use tactful::rules::Loaded;

use super::commands::{err, out, tactful};
use super::rights::unzip;
use super::support::{TestServer, consent, copy, engine, folder, monday, rules};

const DESIGN: &str = "tests/fixtures/design";
const DECLARED: &str = "notices/personalisation-v2.md";
const OLD: &str = "notices/personalisation-v1.md";

fn text(path: &str) -> String {
    fs::read_to_string(folder(DESIGN).join(path)).unwrap()
}

fn hash(path: &str) -> NoticeHash {
    NoticeHash::of(&text(path))
}

/// A copy of the rules to change.
fn copied() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    copy(&folder(DESIGN), place.path());
    place
}

fn loaded(place: &Path) -> Loaded {
    rule_files::read(place, &Vocabulary::default())
}

fn name(place: &Path) -> String {
    loaded(place).rule_set.map(|set| set.hash).unwrap()
}

/// A yes that says which text was read.
fn yes(customer: &str, notice: &str, hash: Option<NoticeHash>) -> ConsentRequest {
    let mut yes = consent(customer, "personalisation", ConsentStatus::Given);
    (yes.changes[0].notice, yes.changes[0].notice_hash) = (notice.into(), hash);
    yes
}

#[test]
fn a_notice_without_a_file_is_an_error_with_its_place_and_the_fix() {
    let place = copied();
    fs::remove_file(place.path().join(DECLARED)).unwrap();
    let checked = tactful(&["check", &place.path().display().to_string()]);
    let told = out(&checked) + &err(&checked);
    assert_eq!(checked.status.code(), Some(1), "{told}");
    assert!(told.contains("T0118") && told.contains("rules.yaml:4:"), "{told}");
    assert!(told.contains("there is no notice `notices/personalisation-v2.md`") && told.contains(OLD), "{told}");
    fs::write(place.path().join(DECLARED), " \n").unwrap();
    let empty = loaded(place.path());
    assert!(empty.rule_set.is_none() && empty.diagnostics[0].message.contains("is empty"), "{:?}", empty.diagnostics);
    fs::write(place.path().join(DECLARED), [0xff, 0xfe]).unwrap();
    let unreadable = loaded(place.path());
    assert!(unreadable.rule_set.is_none(), "it cannot be read out either");
    assert!(
        unreadable.diagnostics.iter().any(|found| found.message.contains(DECLARED)),
        "{:?}",
        unreadable.diagnostics
    );
    fs::remove_dir_all(place.path().join("notices")).unwrap();
    let none = loaded(place.path()).diagnostics;
    assert!(none[0].help.as_ref().unwrap().contains("a file in the folder `notices` beside the rules"), "{none:?}");
    let one_file = rule_files::read(&folder(DESIGN).join("rules.yaml"), &Vocabulary::default());
    assert!(one_file.rule_set.is_some(), "the notices beside one file are read: {:?}", one_file.diagnostics);
}

#[test]
fn the_name_of_the_rules_changes_with_the_text_of_a_notice() {
    let place = copied();
    let before = name(place.path());
    assert_eq!(before, name(&folder(DESIGN)), "wherever the folder is");
    for path in [DECLARED, OLD] {
        fs::write(place.path().join(path), "another text\n").unwrap();
        assert_ne!(name(place.path()), before, "{path}");
        fs::write(place.path().join(path), text(path)).unwrap();
        assert_eq!(name(place.path()), before, "{path}");
    }
}

#[test]
fn a_yes_to_another_text_is_refused_and_a_no_never() {
    let engine = engine(&rules(DESIGN));
    let say = |customer: &str, request| {
        let told = engine.record_consent(request, monday()).unwrap().results.remove(0);
        let recorded = engine.consent_records(customer).unwrap().last().map(|(_, record)| record.clone());
        (told, recorded)
    };
    for (hash, why) in [
        (
            hash(OLD),
            "is that of `notices/personalisation-v1.md`, and the purpose declares `notices/personalisation-v2.md`",
        ),
        (NoticeHash([0x5a; 32]), "is not that of `notices/personalisation-v2.md`, which the purpose declares"),
    ] {
        for deferred in [false, true] {
            let request = ConsentRequest { deferred, ..yes("anna", DECLARED, Some(hash)) };
            let (told, recorded) = say("anna", request);
            assert_eq!((told.accepted, told.code, recorded), (false, ItemCode::Invalid, None));
            assert_eq!(told.reason, format!("notice_hash: {why}"));
        }
    }
    let mut no = yes("ben", DECLARED, Some(NoticeHash([0x5a; 32])));
    no.changes[0].status = ConsentStatus::Withdrawn;
    let (told, recorded) = say("ben", no);
    assert!(told.accepted && recorded.unwrap().notice_hash == Some(NoticeHash([0x5a; 32])));
    for (customer, notice, given, kept) in [
        ("cara", DECLARED, Some(hash(DECLARED)), Some(hash(DECLARED))),
        ("dora", "", Some(hash(DECLARED)), Some(hash(DECLARED))),
        ("emil", DECLARED, None, Some(hash(DECLARED))),
        ("finn", "as read out on the phone", None, None),
    ] {
        let (told, recorded) = say(customer, yes(customer, notice, given));
        assert!(told.accepted, "{customer}: {told:?}");
        assert_eq!(recorded.unwrap().notice_hash, kept, "{customer}");
    }
    let mut unbound = consent("gina", "marketing.email", ConsentStatus::Given);
    unbound.changes[0].notice_hash = Some(NoticeHash([0x5a; 32]));
    assert!(say("gina", unbound).0.accepted, "a purpose without a notice says nothing of it");
}

/// The files of a customer's archive.
async fn exported(server: &TestServer, customer: &str) -> BTreeMap<String, String> {
    let request =
        proto::ExportCustomerRequest { customer_id: customer.into(), portable_only: false, language: String::new() };
    let mut chunks =
        PrivacyServiceClient::new(server.channel.clone()).export_customer(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = chunks.message().await.unwrap() {
        bytes.extend(part.chunk);
    }
    unzip(bytes)
}

/// The text of a version that is not declared any more is found by the hash in the record.
#[tokio::test]
async fn an_export_shows_the_text_that_was_read() {
    let place = copied();
    let path = place.path().join("rules.yaml");
    let now = fs::read_to_string(&path).unwrap();
    fs::write(&path, now.replace(DECLARED, OLD)).unwrap();
    let before: Arc<RuleSet> = rules(&place.path().display().to_string());
    let server = TestServer::start(before, place.path().to_owned()).await;
    assert!(server.engine.record_consent(yes("anna", OLD, None), monday()).unwrap().results[0].accepted);
    fs::write(&path, now).unwrap();
    server.engine.reload(|names| rule_files::read(place.path(), names), monday());
    let refused = server.engine.record_consent(yes("anna", OLD, Some(hash(OLD))), monday()).unwrap();
    assert!(!refused.results[0].accepted, "the rules declare another text now");
    let archive = exported(&server, "anna").await;
    let short: String = hash(OLD).to_string().chars().take(8).collect();
    assert_eq!(archive.get(&format!("notices/{short}-personalisation-v1.md")), Some(&text(OLD)));
    assert_eq!(archive.keys().filter(|name| name.starts_with("notices/")).count(), 1, "only what was read");
    assert!(archive["README.txt"].contains("notices/"));
    assert!(exported(&server, "nobody").await.keys().all(|name| !name.starts_with("notices/")));
    server.stop().await;
}

#[test]
fn the_sample_rules_have_notices_that_say_what_a_customer_must_know() {
    let sample = rules("rules");
    let consents = sample.declared.purposes.iter().filter(|(_, purpose)| purpose.basis.needs_consent());
    let notices: Vec<_> = consents.map(|(_, purpose)| sample.notice(purpose).unwrap()).collect();
    assert_eq!(notices.len(), 2);
    for notice in notices {
        for said in ["What we ask", "What we use", "Who gets it", "How long", "Your choice"] {
            assert!(notice.text.contains(said), "{}: {said}", notice.path);
        }
    }
}
