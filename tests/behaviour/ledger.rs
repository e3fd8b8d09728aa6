//! The ledger on disk: nothing acknowledged is lost, nothing damaged goes unseen.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tactful::domain::consent::record::ConsentSource;
use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::time::Moment;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::{self};
use tactful::ledger::{FileLedger, Ledger as _, OpenError};

use super::support::folder;

fn record(number: u64) -> ConsentRecord {
    ConsentRecord {
        record_id: format!("r-{number}"),
        customer: format!("customer-{}", number % 7).into(),
        purpose: "personalisation".into(),
        version: 1,
        basis: None,
        status: if number.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given },
        received: Moment(1_000 + i64::try_from(number).unwrap()),
        sequence: number,
        claimed: None,
        deferred: false,
        valid_until: Some(Moment(9_000_000)),
        notice: "notice-v2".into(),
        language: "de".into(),
        expression: "ticked".into(),
        source: ConsentSource::default(),
    }
}

/// A folder with a ledger of so many records, and the file's path.
fn written(count: u64) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let opened = FileLedger::open(folder.path()).unwrap();
    for number in 1..=count {
        assert_eq!(opened.ledger.append(&[record(number)]).unwrap(), number);
    }
    drop(opened);
    let path = folder.path().join("consent.ledger");
    (folder, path)
}

/// Waits until the writer of a dropped ledger has let go of the file.
fn reopen(folder: &Path) -> Result<tactful::ledger::Opened, OpenError> {
    for _ in 0..1_000_000 {
        match FileLedger::open(folder) {
            Err(OpenError::InUse(_)) => std::thread::yield_now(),
            other => return other,
        }
    }
    FileLedger::open(folder)
}

#[test]
fn records_come_back_whole_and_in_order() {
    let (folder, _) = written(20);
    let opened = reopen(folder.path()).unwrap();
    let expected: Vec<(u64, ConsentRecord)> = (1..=20).map(|number| (number, record(number))).collect();
    assert_eq!(opened.records, expected);
    assert_eq!(opened.ledger.append(&[record(21), record(22)]).unwrap(), 22);
}

#[test]
fn callers_share_syncs_and_each_learns_its_own_position() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(FileLedger::open(folder.path()).unwrap().ledger);
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                (0..25).map(|n| ledger.append(&[record(caller * 25 + n)]).unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut positions: Vec<u64> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=400).collect::<Vec<_>>());
    drop(ledger);
    assert_eq!(reopen(folder.path()).unwrap().records.len(), 400);
}

#[test]
fn a_torn_end_is_cut_and_kept_and_damage_closes_the_ledger() {
    let (folder, path) = written(10);
    drop(reopen(folder.path()).unwrap());
    let whole = fs::read(&path).unwrap();
    let last = whole.len() - 20;
    for cut in [whole.len() - 1, last, whole.len() - 200] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("consent.ledger"), &whole[..cut]).unwrap();
        let opened = reopen(folder.path()).unwrap();
        assert_eq!(opened.records.len(), 9, "cut at {cut}");
        let kept = fs::read(opened.repaired.unwrap()).unwrap();
        assert!(whole[..cut].ends_with(&kept) && !kept.is_empty());
    }
    for step in 0..400 {
        let bit = (step * 7_919) % (whole.len() * 8);
        let folder = tempfile::tempdir().unwrap();
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let path = folder.path().join("consent.ledger");
        fs::write(&path, &flipped).unwrap();
        assert!(matches!(reopen(folder.path()), Err(OpenError::Damaged { .. })), "bit {bit}");
        assert_eq!(fs::read(&path).unwrap(), flipped, "a damaged file is left as it is");
    }
}

/// A server process of its own, killed when dropped.
struct Server {
    child: Child,
    address: String,
    said: Vec<String>,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tactful"))
            .args(["serve", "--rules", "tests/fixtures/design", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
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
async fn what_was_acknowledged_is_there_after_a_kill() {
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
async fn a_damaged_ledger_serves_without_personal_data_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    say(&server, "anna", proto::ConsentStatus::Given).await.unwrap();
    drop(server);
    let path = data.path().join("consent.ledger");
    let mut bytes = fs::read(&path).unwrap();
    bytes[60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let server = Server::start(data.path());
    assert!(server.said.iter().any(|line| line.contains("NOT AVAILABLE")), "{:?}", server.said);
    assert!(!usable(&server, "anna").await);
    let refused = say(&server, "anna", proto::ConsentStatus::Given).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}
