//! `tactful customer consent`: shows the consents of one customer, and records a change.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use sha2::{Digest as _, Sha256};

use super::{Output, moment, verdict};
use crate::cli::answer;
use crate::cli::connection::{Connection, Server, refused};
use crate::cli::table::list;
use crate::cli::{Failure, Verdict, json, say, say_labelled};
use crate::domain::time::Moment;
use crate::grpc::convert::timestamp;
use crate::grpc::proto::consent_service_client::ConsentServiceClient;
use crate::grpc::proto::{
    ConsentChange, ConsentResult, ConsentSource, ConsentStatus, GetConsentRequest, ListConsentRecordsRequest,
    RecordConsentRequest, Standing, WithdrawConsentRequest,
};
use crate::serve::identity::tokens::hex;

const PREFIX: &str = "CONSENT_STATUS_";

/// What a change may say.
const STATUSES: [ConsentStatus; 8] = [
    ConsentStatus::Given,
    ConsentStatus::Refused,
    ConsentStatus::Withdrawn,
    ConsentStatus::Revoked,
    ConsentStatus::Objected,
    ConsentStatus::Restricted,
    ConsentStatus::RestrictionLifted,
    ConsentStatus::Returned,
];

/// What WithdrawConsent takes.
const DENIALS: [ConsentStatus; 4] =
    [ConsentStatus::Refused, ConsentStatus::Withdrawn, ConsentStatus::Objected, ConsentStatus::Restricted];

/// Show the consents of a customer, or record what the customer allows or denies
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful customer consent anna\n  \
    tactful customer consent anna marketing.email given --evidence form-4711\n  \
    tactful customer consent anna marketing.email withdrawn\n  \
    tactful customer consent anna objected              (to every purpose)\n  \
    tactful customer consent anna restricted\n\n\
    To show needs the scope `read`. To deny (withdrawn, refused, objected, restricted) needs `withdraw`; \
    everything else, and a denial with a notice or other details of a form, needs `consent`.\n\n\
    Exit code 0 if it is done, 1 if the server refused a change, 2 if it is not done.")]
pub(super) struct Consent {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// The purpose; left out for `restricted`, `restriction_lifted`, `returned`, and to deny every purpose
    #[arg(value_name = "PURPOSE")]
    purpose: Option<String>,
    /// What the customer says: given, refused, withdrawn, revoked, objected, restricted, restriction_lifted, returned
    #[arg(value_name = "STATUS", value_parser = PossibleValuesParser::new(STATUSES.map(word)), hide_possible_values = true)]
    status: Option<String>,
    /// Show the records behind it, newest first, as JSON-LD of the profile dpv-27560, one on a line
    #[arg(long, conflicts_with = "purpose")]
    records: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    output: Output,
}

/// How the customer said it.
#[derive(Debug, Args)]
struct Form {
    /// The notice that the customer was shown, such as notices/personalisation-v1.md
    #[arg(long, value_name = "NAME")]
    notice: Option<String>,
    /// File with the notice as the customer read it; its SHA-256 is recorded
    #[arg(long, value_name = "FILE")]
    notice_file: Option<PathBuf>,
    /// The language it was shown in, such as de-AT
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// How the customer expressed it, such as 'ticked a box'
    #[arg(long, value_name = "TEXT")]
    expression: Option<String>,
    /// When the customer expressed it, if not now
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    claimed_at: Option<Moment>,
    /// The end of a yes
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    valid_until: Option<Moment>,
    /// Your id of this change: with the same id it is recorded once
    #[arg(long = "id", value_name = "ID")]
    key: Option<String>,
}

/// Where it comes from.
#[derive(Debug, Args)]
struct Source {
    /// The proof: the id of a form, a recording or a letter
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,
    /// The channel
    #[arg(long)]
    channel: Option<String>,
    /// Who acted, if not the customer
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// It comes later than it was expressed: an import, a queue
    #[arg(long)]
    deferred: bool,
}

/// A status as rules write it.
pub(in crate::cli) fn word(status: ConsentStatus) -> String {
    status.as_str_name().trim_start_matches(PREFIX).to_lowercase()
}

/// The words that a change may have.
pub(in crate::cli) fn words() -> [String; 8] {
    STATUSES.map(word)
}

/// The status of a word.
pub(in crate::cli) fn status(word: &str) -> Option<ConsentStatus> {
    STATUSES.into_iter().find(|status| self::word(*status) == word)
}

impl Consent {
    pub(super) fn run(&self, server: &Server) -> Result<Verdict, Failure> {
        let (purpose, status) = match (&self.purpose, &self.status) {
            (None, _) if self.records => return server.run(async |server| self.list(server).await),
            (None, _) => return server.run(async |server| self.show(server).await),
            (Some(purpose), Some(word)) => (Some(purpose.clone()), status(word)),
            (Some(word), None) => (None, status(word)),
        };
        let Some(status) = status else {
            let purpose = self.purpose.as_deref().unwrap_or_default();
            let message = format!("what does {} say to `{purpose}`?", self.id);
            return Err(Failure::new(message)
                .help(format!("add a status, as in `tactful customer consent {} {purpose} given`", self.id)));
        };
        let is_denial = DENIALS.contains(&status);
        if is_denial && !self.form.is_filled() {
            return server.run(async |server| self.withdraw(server, purpose, status).await);
        }
        let change = self.form.change(purpose.unwrap_or_default(), status)?;
        server.run(async |server| self.record(server, change).await)
    }

    async fn show(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetConsentRequest { customer_id: self.id.clone() };
        let answer = ConsentServiceClient::new(server).get_consent(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("GetConsentResponse", &answer)?;
            return Ok(Verdict::InOrder);
        }
        let mut table = list(&["purpose", "basis", "usable", "why, until when"]);
        for standing in &answer.standings {
            let status = match standing.status() {
                ConsentStatus::Unspecified => None,
                status => Some(word(status)).filter(|word| *word != standing.denied_because),
            };
            let usable = if standing.usable { "yes" } else { "no" };
            let remark = Some(remark(standing)).filter(|remark| !remark.is_empty());
            let why = status.into_iter().chain(remark).collect::<Vec<_>>().join(", ");
            table.add_row([&standing.purpose, &standing.lawful_basis, usable, &why].map(str::to_owned));
        }
        say(&table.to_string());
        Ok(Verdict::InOrder)
    }

    /// Prints every record, page by page.
    async fn list(&self, server: Connection) -> Result<Verdict, Failure> {
        let mut client = ConsentServiceClient::new(server);
        let mut request = ListConsentRecordsRequest { customer_id: self.id.clone(), ..Default::default() };
        loop {
            let page = client.list_consent_records(request.clone()).await;
            let page = page.map_err(|status| refused(&status))?.into_inner();
            page.records_json_ld.iter().for_each(|record| say(record));
            if page.next_page_token.is_empty() {
                return Ok(Verdict::InOrder);
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn withdraw(
        &self,
        server: Connection,
        purpose: Option<String>,
        status: ConsentStatus,
    ) -> Result<Verdict, Failure> {
        let request = WithdrawConsentRequest {
            customer_id: self.id.clone(),
            purposes: purpose.into_iter().collect(),
            status: status.into(),
            source: Some(self.source.sent()),
        };
        let answer = ConsentServiceClient::new(server).withdraw_consent(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("WithdrawConsentResponse", &answer)?;
        } else if answer.results.is_empty() {
            say_labelled("recorded", "nothing: there is no purpose that can be denied");
        }
        Ok(self.tell(&answer.results, status))
    }

    async fn record(&self, server: Connection, change: ConsentChange) -> Result<Verdict, Failure> {
        let status = change.status();
        let request = RecordConsentRequest {
            customer_id: self.id.clone(),
            changes: vec![change],
            idempotency_key: self.form.key.clone().unwrap_or_default(),
            source: Some(self.source.sent()),
        };
        let answer = ConsentServiceClient::new(server).record_consent(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("RecordConsentResponse", &answer)?;
        }
        Ok(self.tell(&answer.results, status))
    }

    /// Prints what became of each change, unless it was printed as JSON.
    fn tell(&self, results: &[ConsentResult], status: ConsentStatus) -> Verdict {
        for result in results.iter().filter(|_| !self.output.json) {
            let purpose = if result.purpose.is_empty() { "every purpose" } else { &result.purpose };
            let what = format!("{purpose} {}", word(status));
            if !result.accepted {
                say_labelled("refused", &format!("{what}: {}", result.reason));
                continue;
            }
            say_labelled("recorded", &format!("{what}, by {}", self.id));
            if let Some(standing) = result.standing.as_ref().filter(|standing| !standing.purpose.is_empty()) {
                let usable = if standing.usable { "its data may be used" } else { "its data may not be used" };
                let remark = remark(standing);
                say_labelled("now", &if remark.is_empty() { usable.to_owned() } else { format!("{usable}: {remark}") });
            }
            say_labelled("record", &result.record_id);
        }
        verdict(results.iter().map(|result| result.accepted))
    }
}

/// A moment to the minute, as people write it.
fn minute(at: Moment) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// Why data may not be used, or until when it may.
fn remark(standing: &Standing) -> String {
    let until = answer::moment(standing.until.as_ref()).map(|until| format!("until {}", minute(until)));
    let denied = Some(standing.denied_because.clone()).filter(|denied| !denied.is_empty());
    let again =
        standing.needs_reconfirm.then(|| "ask again: a late yes lost to a no, or a late no ended a yes".to_owned());
    denied.into_iter().chain(until).chain(again).collect::<Vec<_>>().join(", ")
}

impl Form {
    /// Whether it says anything that WithdrawConsent has no place for.
    fn is_filled(&self) -> bool {
        let texts = [&self.notice, &self.language, &self.expression, &self.key];
        let moments = [self.claimed_at, self.valid_until];
        texts.into_iter().any(Option::is_some) || moments.iter().any(Option::is_some) || self.notice_file.is_some()
    }

    fn change(&self, purpose: String, status: ConsentStatus) -> Result<ConsentChange, Failure> {
        let notice_hash = match &self.notice_file {
            None => String::new(),
            Some(path) => {
                let text = std::fs::read(path);
                let wrong = |error| Failure::new(format!("the notice `{}` cannot be read: {error}", path.display()));
                hex(&Sha256::digest(text.map_err(wrong)?).into())
            }
        };
        Ok(ConsentChange {
            purpose,
            status: status.into(),
            notice: self.notice.clone().unwrap_or_default(),
            language: self.language.clone().unwrap_or_default(),
            expression: self.expression.clone().unwrap_or_default(),
            claimed_at: self.claimed_at.map(timestamp),
            valid_until: self.valid_until.map(timestamp),
            notice_hash,
        })
    }
}

impl Source {
    fn sent(&self) -> ConsentSource {
        ConsentSource {
            channel: self.channel.clone().unwrap_or_default(),
            deferred: self.deferred,
            actor: self.actor.clone().unwrap_or_default(),
            evidence: self.evidence.clone().unwrap_or_default(),
        }
    }
}
