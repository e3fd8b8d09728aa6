//! Calls that record steps, several at once, with the steps of each customer in their order.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use prost::Message;
use serde_json::Value as Json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::line::Entry;
use super::steps::{Item, MOST_BYTES, MOST_COUNTED, Step};
use crate::cli::Failure;
use crate::cli::connection::{Connection, refused};
use crate::grpc::convert::moment;
use crate::grpc::proto::consent_service_client::ConsentServiceClient;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::journey_service_client::JourneyServiceClient;
use crate::grpc::proto::{
    self, ConsentChange, ConsentStatus, ListConsentRecordsRequest, OutcomeRecord, RecordConsentRequest,
    RecordEventsRequest, RecordOutcomesRequest, RecordResult, ResultCode, SetAttributesRequest,
};

/// The most items of one call.
const MOST_ITEMS: usize = 2 * MOST_COUNTED;
/// The first pause before a call that was shed is repeated, and how often it is.
const PAUSE: Duration = Duration::from_millis(100);
const MOST_REPETITIONS: u32 = 60;

/// What became of an entry that was not recorded as it was written.
#[derive(Debug)]
pub(super) struct Remark {
    pub line: usize,
    pub entry: Entry,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The server cannot take it as it is.
    Rejected(String),
    /// The server may not store it, or this many parts of it: the word for why.
    NotStored(&'static str, u64),
}

/// Why no more can be sent.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server is gone, or has lost its disk: worth another try, from what is safe.
    Broken(Failure),
    /// It refuses this caller.
    Stop(Failure),
}

/// The words of results that say that the law forbids to store it, not that it is wrong.
const LAWFUL: [&str; 3] = ["no_lawful_purpose", "too_old", "erased"];

/// The work of one call.
enum Call {
    Consents(Vec<Item<ConsentChange>>, RecordConsentRequest),
    Attributes(Item<SetAttributesRequest>),
    Events(Vec<Item<proto::Event>>),
    Outcomes(Vec<Item<OutcomeRecord>>),
}

/// Sends steps over several connections.
#[derive(Debug)]
pub(super) struct Sender {
    pub connections: Vec<Connection>,
    pub at_once: usize,
    /// Whether the lines may have been sent before.
    pub in_doubt: bool,
}

impl Sender {
    /// Records the steps of customers, each customer's in order.
    pub async fn send(&self, mut steps: HashMap<String, VecDeque<Step>>) -> Result<Vec<Remark>, Trouble> {
        let mut remarks = Vec::new();
        while !steps.is_empty() {
            let next: Vec<Step> = steps.values_mut().filter_map(VecDeque::pop_front).collect();
            steps.retain(|_, steps| !steps.is_empty());
            let calls = calls(next).into_iter().zip(self.connections.iter().cycle());
            let mut answers = stream::iter(calls.map(|(call, connection)| self.call(call, connection.clone())))
                .buffer_unordered(self.at_once);
            while let Some(answer) = answers.next().await {
                remarks.extend(answer?);
            }
        }
        Ok(remarks)
    }

    async fn call(&self, call: Call, connection: Connection) -> Result<Vec<Remark>, Trouble> {
        match call {
            Call::Consents(changes, request) => self.consents(changes, request, connection).await,
            Call::Attributes(item) => attributes(item, connection).await,
            Call::Events(items) => {
                let mut client = JourneyServiceClient::new(connection);
                batch(items, async |events| {
                    client.record_events(RecordEventsRequest { events }).await.map(|answer| answer.into_inner().results)
                })
                .await
            }
            Call::Outcomes(items) => {
                let mut client = DecisionServiceClient::new(connection);
                batch(items, async |outcomes| {
                    let request = RecordOutcomesRequest { outcomes };
                    client.record_outcomes(request).await.map(|answer| answer.into_inner().results)
                })
                .await
            }
        }
    }

    async fn consents(
        &self,
        mut changes: Vec<Item<ConsentChange>>,
        mut request: RecordConsentRequest,
        connection: Connection,
    ) -> Result<Vec<Remark>, Trouble> {
        let mut client = ConsentServiceClient::new(connection);
        if self.in_doubt {
            let known = records(&request.customer_id, &mut client).await?;
            let count = changes.len();
            changes.retain(|change| !known.iter().any(|record| is_record_of(record, &change.message, &request)));
            if changes.is_empty() {
                return Ok(Vec::new());
            }
            if changes.len() < count {
                // The server may know the key with all changes; those that are left were refused then.
                request.idempotency_key.push_str("-rest");
            }
        }
        request.changes = changes.iter().map(|change| change.message.clone()).collect();
        let answer = repeated(async || client.record_consent(request.clone()).await).await;
        match answer {
            Ok(answer) => {
                let answer = answer.into_inner();
                stored(answer.results.iter().map(|result| (result.code(), result.reason.as_str())))?;
                let results = changes.into_iter().zip(answer.results);
                let refused = results.filter(|(_, result)| !result.accepted);
                Ok(refused.map(|(change, result)| remark(change.line, change.entry, &result.reason)).collect())
            }
            Err(status) if is_wrong(&status) => {
                let reject = |change: Item<_>| rejected(change.line, change.entry, status.message());
                Ok(changes.into_iter().map(reject).collect())
            }
            Err(status) => Err(trouble(&status)),
        }
    }
}

/// Steps that can be sent at the same time, in as few calls as may be.
fn calls(steps: Vec<Step>) -> Vec<Call> {
    let (mut calls, mut events, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Consents(changes, request) => calls.push(Call::Consents(changes, request)),
            Step::Attributes(item) => calls.push(Call::Attributes(item)),
            Step::Events(items) => pack(&mut events, items),
            Step::Outcomes(items) => pack(&mut outcomes, items),
        }
    }
    calls.extend(events.into_iter().map(Call::Events));
    calls.extend(outcomes.into_iter().map(Call::Outcomes));
    calls
}

/// Adds the items of one customer to the last call if they fit: items of one customer stay in one call, in order.
fn pack<T: Message>(calls: &mut Vec<Vec<Item<T>>>, items: Vec<Item<T>>) {
    let size = |items: &[Item<T>]| items.iter().map(|item| item.message.encoded_len()).sum::<usize>();
    match calls.last_mut() {
        Some(call) if call.len() + items.len() <= MOST_ITEMS && size(call) + size(&items) <= 2 * MOST_BYTES => {
            call.extend(items);
        }
        _ => calls.push(items),
    }
}

async fn attributes(item: Item<SetAttributesRequest>, connection: Connection) -> Result<Vec<Remark>, Trouble> {
    let mut client = JourneyServiceClient::new(connection);
    match repeated(async || client.set_attributes(item.message.clone()).await).await {
        Ok(answer) => {
            let dropped = answer.into_inner().dropped.len() as u64;
            let what = What::NotStored("no_lawful_purpose", dropped);
            let remark = Remark { line: item.line, entry: item.entry, what };
            Ok(Some(remark).filter(|_| dropped > 0).into_iter().collect())
        }
        Err(status) if is_wrong(&status) => Ok(vec![rejected(item.line, item.entry, status.message())]),
        Err(status) => Err(trouble(&status)),
    }
}

/// One call for all items; if the server refuses the message as a whole, one for each.
async fn batch<T: Message + Clone>(
    items: Vec<Item<T>>,
    mut call: impl AsyncFnMut(Vec<T>) -> Result<Vec<RecordResult>, Status>,
) -> Result<Vec<Remark>, Trouble> {
    let messages = |items: &[Item<T>]| items.iter().map(|item| item.message.clone()).collect::<Vec<_>>();
    let told = |items: &[Item<T>], results: Vec<RecordResult>| {
        let results = items.iter().zip(results).filter(|(_, result)| !result.accepted);
        results.map(|(item, result)| remark(item.line, item.entry, &result.reason)).collect::<Vec<_>>()
    };
    match repeated(async || call(messages(&items)).await).await {
        Ok(results) => {
            stored(results.iter().map(|result| (result.code(), result.reason.as_str())))?;
            return Ok(told(&items, results));
        }
        Err(status) if !is_wrong(&status) => return Err(trouble(&status)),
        Err(_) => {}
    }
    let mut remarks = Vec::new();
    for item in items {
        let one = std::slice::from_ref(&item);
        match repeated(async || call(messages(one)).await).await {
            Ok(results) => {
                stored(results.iter().map(|result| (result.code(), result.reason.as_str())))?;
                remarks.extend(told(one, results));
            }
            Err(status) if is_wrong(&status) => remarks.push(rejected(item.line, item.entry, status.message())),
            Err(status) => return Err(trouble(&status)),
        }
    }
    Ok(remarks)
}

/// Stops if an item could not be stored now: it is sent again from the last safe place.
fn stored<'r>(mut results: impl Iterator<Item = (ResultCode, &'r str)>) -> Result<(), Trouble> {
    match results.find(|(code, _)| *code == ResultCode::Unavailable) {
        Some((_, reason)) => Err(Trouble::Broken(Failure::new(reason))),
        None => Ok(()),
    }
}

/// Repeats a call that the server was too busy for.
async fn repeated<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut times = 0;
    loop {
        match call().await {
            Err(status)
                if times < MOST_REPETITIONS && matches!(status.code(), Code::ResourceExhausted | Code::Aborted) =>
            {
                times += 1;
                let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                tokio::time::sleep(asked.unwrap_or(PAUSE)).await;
            }
            answer => return answer,
        }
    }
}

/// Whether the call is refused for what it says.
fn is_wrong(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::AlreadyExists | Code::OutOfRange)
}

fn trouble(status: &Status) -> Trouble {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented | Code::FailedPrecondition => {
            Trouble::Stop(refused(status))
        }
        _ => Trouble::Broken(refused(status)),
    }
}

fn remark(line: usize, entry: Entry, reason: &str) -> Remark {
    match LAWFUL.into_iter().find(|word| *word == reason) {
        Some(word) => Remark { line, entry, what: What::NotStored(word, 1) },
        None => rejected(line, entry, reason),
    }
}

fn rejected(line: usize, entry: Entry, reason: &str) -> Remark {
    Remark { line, entry, what: What::Rejected(reason.to_owned()) }
}

/// The consent records of a customer.
async fn records(customer: &str, client: &mut ConsentServiceClient<Connection>) -> Result<Vec<Json>, Trouble> {
    let mut request =
        ListConsentRecordsRequest { customer_id: customer.to_owned(), page_size: 500, ..Default::default() };
    let mut records = Vec::new();
    loop {
        let page = match repeated(async || client.list_consent_records(request.clone()).await).await {
            Ok(page) => page.into_inner(),
            Err(status) if is_wrong(&status) => return Ok(records),
            Err(status) => return Err(trouble(&status)),
        };
        records.extend(page.records_json_ld.iter().filter_map(|record| serde_json::from_str(record).ok()));
        if page.next_page_token.is_empty() {
            return Ok(records);
        }
        request.page_token = page.next_page_token;
    }
}

/// Whether a record was made by this change.
fn is_record_of(record: &Json, change: &ConsentChange, request: &RecordConsentRequest) -> bool {
    let text = |pointer: &str| record.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    let process = |name: &str| {
        let consent = text(&format!("/dpv:hasProcess/0/dpv:hasConsentStatus/{name}"));
        if consent.is_empty() { text(&format!("/dpv:hasProcess/0/dpv:hasRight/{name}")) } else { consent }
    };
    let at = change.claimed_at.map(|at| moment(at).to_string()).unwrap_or_default();
    let source = request.source.clone().unwrap_or_default();
    let status = ConsentStatus::try_from(change.status).unwrap_or_default();
    record.pointer("/tactful:source/tactful:deferred") == Some(&Json::Bool(true))
        && text("/dpv:hasProcess/0/dpv:hasPurpose/0/dpv:hasIdentifier") == change.purpose
        && process("tactful:status") == crate::cli::customer::consent::word(status)
        && process("dpv:isIndicatedAtTime") == at
        && process("dpv:hasIndicationMethod") == change.expression
        && text("/tactful:source/tactful:evidence") == source.evidence
        && text("/tactful:source/tactful:channel") == source.channel
        && text("/dpv:hasNotice/0/dpv:hasIdentifier") == change.notice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::consent::record::ConsentSource;
    use crate::domain::consent::{ConsentRecord, ConsentStatus as Status, json_ld};
    use crate::domain::time::Moment;
    use crate::grpc::convert::timestamp;

    #[test]
    fn a_record_is_known_again_by_what_was_said() {
        let at = Moment::parse("2025-11-03T09:12:00+01:00").unwrap();
        for status in [Status::Given, Status::Objected] {
            let record = ConsentRecord {
                record_id: "r".into(),
                customer: "anna".into(),
                purpose: "marketing".into(),
                claimed: Some(at),
                deferred: true,
                notice: "n".into(),
                language: "de".into(),
                expression: "ticked".into(),
                source: ConsentSource { channel: "web".into(), evidence: "form".into(), ..ConsentSource::default() },
                ..ConsentRecord::new(status, Moment(0), 1)
            };
            let record: Json = serde_json::from_str(&json_ld(&record)).unwrap();
            let sent = if status == Status::Given { ConsentStatus::Given } else { ConsentStatus::Objected };
            let change = ConsentChange {
                purpose: "marketing".into(),
                status: sent.into(),
                notice: "n".into(),
                expression: "ticked".into(),
                claimed_at: Some(timestamp(at)),
                ..ConsentChange::default()
            };
            let source = proto::ConsentSource { channel: "web".into(), evidence: "form".into(), ..Default::default() };
            let request = RecordConsentRequest { source: Some(source), ..RecordConsentRequest::default() };
            assert!(is_record_of(&record, &change, &request));
            let other = ConsentChange { expression: "said yes".into(), ..change.clone() };
            assert!(!is_record_of(&record, &other, &request));
            let other = ConsentChange { claimed_at: Some(timestamp(Moment(at.0 + 1))), ..change };
            assert!(!is_record_of(&record, &other, &request));
        }
    }
}
