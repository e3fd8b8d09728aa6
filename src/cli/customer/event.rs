//! `tactful customer event`: one thing that a customer did, or that happened to them.

use clap::Args;

use super::{Output, moment, recorded, verdict};
use crate::cli::connection::{Connection, refused};
use crate::cli::fact::{FORMS, Fact, Place, wire};
use crate::cli::{Failure, Verdict, json};
use crate::domain::time::Moment;
use crate::grpc::convert::timestamp;
use crate::grpc::proto::journey_service_client::JourneyServiceClient;
use crate::grpc::proto::{self, RecordEventsRequest};

/// Record an event of a customer
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  tactful customer event anna page_view page=fibre\n  \
    tactful customer event anna complaint --at 2026-03-02T10:00:00Z\n\n{FORMS}\n\n\
    What no lawful purpose covers is dropped before it is stored. With an --id, a repetition counts once. It needs the \
    scope `events`.\n\nExit code 0 if it is done, 1 if the server refused a part of it, 2 if not."))]
pub(super) struct Event {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// What happened: an id under `events` of the rules
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Fields of the event
    #[arg(value_name = "NAME=VALUE", value_parser = Fact::parse)]
    fields: Vec<Fact>,
    /// The channel
    #[arg(long)]
    channel: Option<String>,
    /// When it happened; now if left out
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<Moment>,
    /// Your id of this event: with the same id it counts once
    #[arg(long = "id", value_name = "ID")]
    event_id: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Event {
    pub(super) async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let event = proto::Event {
            event_id: self.event_id.clone().unwrap_or_default(),
            customer_id: self.id.clone(),
            r#type: self.kind.clone(),
            channel: self.channel.clone().unwrap_or_default(),
            occurred_at: self.at.map(timestamp),
            fields: wire(&self.fields, Place::Event(&self.kind), &server).await?,
        };
        let answer = JourneyServiceClient::new(server).record_events(RecordEventsRequest { events: vec![event] }).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("RecordEventsResponse", &answer)?;
        } else {
            answer.results.iter().for_each(|result| recorded(result, &format!("{} of {}", self.kind, self.id)));
        }
        Ok(verdict(answer.results.iter().map(|result| result.accepted)))
    }
}
