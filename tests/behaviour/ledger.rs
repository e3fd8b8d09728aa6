//! The ledger on disk: nothing acknowledged is lost, and all damage is detected.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tactful::domain::consent::{ConsentRecord, ConsentStatus, json_ld};
use tactful::domain::time::Moment;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;
use tactful::grpc::proto::{self};
use tactful::ledger::proof::{Checkpoint, Receipt, SigningKey};
use tactful::ledger::{FileLedger, Ledger as _, LedgerError, LedgerSettings, OpenError, OpenedLedger};

use super::support::{self, folder};

/// The record of a number.
pub fn record(number: u64) -> ConsentRecord {
    let status = if number.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given };
    ConsentRecord {
        record_id: format!("r-{number}"),
        customer: format!("customer-{}", number % 7).into(),
        purpose: "personalisation".into(),
        valid_until: Some(Moment(9_000_000)),
        notice: "notice-v2".into(),
        language: "de".into(),
        expression: "ticked".into(),
        ..ConsentRecord::new(status, Moment(1_000 + i64::try_from(number).unwrap()), number)
    }
}

/// A folder with a ledger of this many records.
pub fn written(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let opened = FileLedger::open(&settings(folder.path())).unwrap();
    for number in 1..=count {
        assert_eq!(opened.ledger.append(&[record(number)]).unwrap(), number);
    }
    folder
}

/// The settings of a ledger in `data`, with its keys in `data-keys`.
pub fn settings(folder: &Path) -> LedgerSettings {
    LedgerSettings::of(&folder.join("data"))
}

/// Every record that may be read, with its position.
fn everything(opened: &OpenedLedger) -> Vec<(u64, ConsentRecord)> {
    opened.ledger.records_at(1..=u64::MAX).unwrap()
}

/// The records that `record` makes, with their positions.
pub fn records(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, ConsentRecord)> {
    numbers.map(|number| (number, record(number))).collect()
}

#[test]
fn records_come_back_whole_and_in_order() {
    let folder = written(20);
    let opened = FileLedger::open(&settings(folder.path())).unwrap();
    assert_eq!(everything(&opened), records(1..=20));
    assert_eq!(opened.repairs, []);
    assert_eq!(opened.ledger.append(&[record(21), record(22)]).unwrap(), 22);
    let mine = opened.ledger.records("customer-1").unwrap();
    let numbers: Vec<u64> = mine.iter().map(|(position, _)| *position).collect();
    assert_eq!(numbers, [1, 8, 15, 22]);
    assert!(mine.iter().all(|(position, held)| *held == record(*position)));
}

#[test]
fn callers_share_syncs_and_each_learns_its_own_position() {
    let folder = written(0);
    let ledger = FileLedger::open(&settings(folder.path())).unwrap().ledger;
    let mut positions: Vec<u64> = std::thread::scope(|scope| {
        let append =
            |caller: u64| (0..25_u64).map(|n| ledger.append(&[record(caller * 25 + n)]).unwrap()).collect::<Vec<_>>();
        let callers: Vec<_> = (0..16_u64).map(|caller| scope.spawn(move || append(caller))).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    positions.sort_unstable();
    assert_eq!(positions, (1..=400).collect::<Vec<_>>());
    drop(ledger);
    assert_eq!(everything(&FileLedger::open(&settings(folder.path())).unwrap()).len(), 400);
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let settings = LedgerSettings { segment_bytes: 2_000, ..settings(folder.path()) };
    let ledger = FileLedger::open(&settings).unwrap().ledger;
    for number in 1..=20 {
        ledger.append(&[record(number)]).unwrap();
    }
    drop(ledger);
    let names: Vec<String> = names(&settings.data.join("ledger"));
    let segments = names.iter().filter(|name| name.ends_with(".segment")).count();
    assert!(segments > 4, "{names:?}");
    let opened = FileLedger::open(&settings).unwrap();
    assert_eq!(everything(&opened), records(1..=20));
    assert_eq!(opened.ledger.records("customer-1").unwrap().len(), 3);
}

/// The names of the files in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn after_a_rotation_the_records_open_and_an_earlier_copy_does_not() {
    let folder = written(5);
    let settings = settings(folder.path());
    let keys = settings.data.join("ledger/keys");
    let block = keys.join(&names(&keys)[0]);
    let before = fs::read(&block).unwrap();
    FileLedger::rotate_key(&settings).unwrap();
    let opened = FileLedger::open(&settings).unwrap();
    assert_eq!(everything(&opened), records(1..=5));
    assert!(matches!(FileLedger::rotate_key(&settings), Err(OpenError::InUse(_))));
    drop(opened);
    fs::write(&block, before).unwrap();
    let refused = FileLedger::open(&settings);
    assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_rotation_begins_no_ledger_and_touches_no_older_copy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = FileLedger::rotate_key(&settings(folder.path()));
    assert!(matches!(refused, Err(OpenError::Disk(_))), "{refused:?}");
    assert_eq!(names(folder.path()), Vec::<String>::new());

    let folder = written(5);
    let (settings, older) = (settings(folder.path()), folder.path().join("older"));
    support::copy(&settings.data, &older);
    FileLedger::open(&settings).unwrap().ledger.append(&[record(6)]).unwrap();
    let secrets = fs::read(settings.keys.join("secrets")).unwrap();
    let refused = FileLedger::rotate_key(&LedgerSettings { data: older, ..settings.clone() });
    assert!(matches!(refused, Err(OpenError::OtherHead { .. })), "{refused:?}");
    assert_eq!(fs::read(settings.keys.join("secrets")).unwrap(), secrets);
    assert_eq!(everything(&FileLedger::open(&settings).unwrap()), records(1..=6));
}

#[test]
fn a_ledger_that_lacks_the_head_that_is_expected_stays_closed() {
    let folder = written(5);
    let settings = settings(folder.path());
    let at_five = FileLedger::open(&settings).unwrap().ledger.checkpoint().unwrap();
    let shorter = folder.path().join("shorter");
    support::copy(folder.path(), &shorter);
    FileLedger::open(&settings).unwrap().ledger.append(&[record(6)]).unwrap();
    let at_six = FileLedger::open(&settings).unwrap().ledger.checkpoint().unwrap();
    let expecting = |folder: &Path, note: &str| {
        let expected_head = Some(("kept".into(), note.to_owned()));
        FileLedger::open(&LedgerSettings { expected_head, ..super::ledger::settings(folder) })
    };
    assert_eq!(everything(&expecting(folder.path(), &at_five).unwrap()), records(1..=6), "it may have grown since");
    // Everything was reset to five records, including the signed head: only a head from another place detects it.
    let refused = expecting(&shorter, &at_six);
    let Err(OpenError::OtherHead { found, signed }) = refused else { panic!("{refused:?}") };
    assert_eq!((found.size, signed.size), (5, 6));
    assert!(FileLedger::open(&super::ledger::settings(&shorter)).is_ok());
    let refused = expecting(folder.path(), &at_six.replace("\n6\n", "\n7\n"));
    assert!(matches!(&refused, Err(OpenError::Head { path, .. }) if path.ends_with("kept")), "{refused:?}");

    fs::write(shorter.join("kept"), at_six).unwrap();
    let server = Server::start_with(&shorter, &["--expect-head", shorter.join("kept").to_str().unwrap()]);
    let alarm = server.said.iter().any(|line| line.contains("NOT AVAILABLE") && line.contains("5 records"));
    assert!(alarm, "{:?}", server.said);
}

#[test]
fn two_processes_do_not_share_a_ledger() {
    let folder = written(1);
    let _held = FileLedger::open(&settings(folder.path())).unwrap();
    assert!(matches!(FileLedger::open(&settings(folder.path())), Err(OpenError::InUse(_))));
}

#[test]
fn a_checkpoint_covers_what_was_acknowledged_and_receipts_hold() {
    let folder = written(0);
    let ledger = FileLedger::open(&settings(folder.path())).unwrap().ledger;
    let key = fs::read_to_string(folder.path().join("data-keys/signing-key")).unwrap();
    let key = SigningKey::parse(key.trim_end()).unwrap().verifying_key();
    for number in 1..=300 {
        ledger.append(&[record(number)]).unwrap();
        if number % 50 == 0 {
            assert_eq!(Checkpoint::open(&ledger.checkpoint().unwrap(), &key).unwrap().size, number);
        }
    }
    for position in [1, 2, 255, 256, 257, 300] {
        let receipt = Receipt::open(&ledger.receipt(position).unwrap(), &key).unwrap();
        assert_eq!(receipt.index + 1, position);
        let text = String::from_utf8(receipt.record).unwrap();
        assert_eq!(text, json_ld(&record(position)));
    }
    assert!(matches!(ledger.receipt(301), Err(LedgerError::NotFound(_))));
    assert!(matches!(ledger.receipt(0), Err(LedgerError::NotFound(_))));
}

/// A server process of its own, killed when dropped.
pub struct Server {
    pub child: Child,
    pub address: String,
    said: Vec<String>,
}

impl Server {
    fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::over(&folder("tests/fixtures/design"), data, arguments)
    }

    pub fn over(rules: &Path, data: &Path, arguments: &[&str]) -> Self {
        Self::begin(Command::new(env!("CARGO_BIN_EXE_tactful")).args(["serve"]).args(arguments), rules, data)
    }

    /// A server whose process has these variables.
    pub fn with_variables(rules: &Path, data: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        Self::begin(command.args(["serve"]).envs(variables.iter().copied()), rules, data)
    }

    fn begin(command: &mut Command, rules: &Path, data: &Path) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--rules"])
            .arg(rules)
            .arg("--data")
            .arg(data.join("data"))
            .current_dir(folder("."))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with("try") {
                break;
            }
        }
        let listening = said.iter().find_map(|line| line.strip_prefix("listening")).unwrap();
        let address = format!("http://{}", listening.split_whitespace().next().unwrap());
        Self { child, address, said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn usable(server: &Server, customer: &str) -> bool {
    let mut client = ConsentServiceClient::connect(server.address.clone()).await.unwrap();
    let request = proto::GetConsentRequest { customer_id: customer.into() };
    let standings = client.get_consent(request).await.unwrap().into_inner().standings;
    standings.iter().any(|standing| standing.purpose == "personalisation" && standing.usable)
}

async fn say(server: &Server, customer: &str, status: proto::ConsentStatus) -> Result<(), tonic::Status> {
    let mut client = ConsentServiceClient::connect(server.address.clone()).await.unwrap();
    let change =
        proto::ConsentChange { purpose: "personalisation".into(), status: status.into(), ..Default::default() };
    let request =
        proto::RecordConsentRequest { customer_id: customer.into(), changes: vec![change], ..Default::default() };
    client.record_consent(request).await.map(drop)
}

#[tokio::test]
async fn acknowledged_records_survive_a_kill() {
    use proto::ConsentStatus::{Given, Withdrawn};
    let data = tempfile::tempdir().unwrap();
    for cycle in 0..5 {
        let server = Server::start(data.path());
        if cycle > 0 {
            assert!(usable(&server, &format!("yes-{}", cycle - 1)).await);
            assert!(!usable(&server, &format!("no-{}", cycle - 1)).await);
        }
        say(&server, &format!("yes-{cycle}"), Given).await.unwrap();
        say(&server, &format!("no-{cycle}"), Given).await.unwrap();
        say(&server, &format!("no-{cycle}"), Withdrawn).await.unwrap();
        drop(server);
    }
}

#[tokio::test]
async fn with_a_damaged_ledger_the_server_reports_it_and_uses_no_personal_data() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    say(&server, "anna", proto::ConsentStatus::Given).await.unwrap();
    drop(server);
    let path = data.path().join("data/ledger/00000000000000000001.segment");
    let mut bytes = fs::read(&path).unwrap();
    bytes[60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let server = Server::start(data.path());
    assert!(server.said.iter().any(|line| line.contains("NOT AVAILABLE")), "{:?}", server.said);
    assert!(!usable(&server, "anna").await);
    let refused = say(&server, "anna", proto::ConsentStatus::Given).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn an_export_brings_receipts_that_hold_without_the_server() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    say(&server, "anna", proto::ConsentStatus::Given).await.unwrap();
    say(&server, "ben", proto::ConsentStatus::Given).await.unwrap();
    say(&server, "anna", proto::ConsentStatus::Withdrawn).await.unwrap();
    let mut client = PrivacyServiceClient::connect(server.address.clone()).await.unwrap();
    let request =
        proto::ExportCustomerRequest { customer_id: "anna".into(), portable_only: false, ..Default::default() };
    let mut stream = client.export_customer(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        bytes.extend(part.chunk);
    }
    client.erase_customer(proto::EraseCustomerRequest { customer_id: "anna".into() }).await.unwrap();
    drop(server);

    let (files, elsewhere) = (super::rights::unzip(bytes), tempfile::tempdir().unwrap());
    let receipts: Vec<&String> = files.keys().filter(|name| name.starts_with("receipts/")).collect();
    assert_eq!(receipts, ["receipts/00000001.tlog-proof", "receipts/00000003.tlog-proof"]);
    let key = files["log.vkey"].trim_end();
    for name in receipts {
        let path = elsewhere.path().join("receipt");
        fs::write(&path, &files[name]).unwrap();
        let command = ["ledger", "verify-receipt", "receipt", "--key", key];
        let output = Command::new(env!("CARGO_BIN_EXE_tactful")).args(command).current_dir(elsewhere.path()).output();
        let output = output.unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && shown.trim_end().ends_with(", verified"), "{shown}");
        let consent = &files[&name.replace("receipts/", "consents/").replace("tlog-proof", "jsonld")];
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (record, _) = shown.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(json(record), json(consent));
        fs::write(&path, files[name].replacen("index ", "index 1", 1)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tactful")).args(command).current_dir(elsewhere.path()).output();
        assert!(!output.unwrap().status.success());
    }
}
