//! `tactful customer set`: attributes and time zone of one customer.

use clap::Args;

use super::Output;
use crate::cli::connection::{Connection, refused};
use crate::cli::fact::{FORMS, Fact, Place, wire};
use crate::cli::{Failure, Verdict, counted, json, say_labelled};
use crate::grpc::proto::SetAttributesRequest;
use crate::grpc::proto::journey_service_client::JourneyServiceClient;

/// Set attributes of a customer
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  tactful customer set anna customer.contract=dsl customer.age=34\n  \
    tactful customer set anna customer.age=             (removes it)\n  \
    tactful customer set anna --time-zone Europe/Berlin\n\n{FORMS}\n\n\
    An attribute that no lawful purpose covers is dropped before it is stored. It needs the scope `events`.\n\n\
    Exit code 0 if it is done, 1 if the server refused a part of it, 2 if not."))]
pub(super) struct Set {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// Attributes and their values; without a value it is removed
    #[arg(value_name = "NAME=VALUE", value_parser = Fact::parse, required_unless_present = "time_zone")]
    attributes: Vec<Fact>,
    /// The customer's time zone, for quiet hours, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Set {
    pub(super) async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = SetAttributesRequest {
            customer_id: self.id.clone(),
            attributes: wire(&self.attributes, Place::Attributes, &server).await?,
            time_zone: self.time_zone.clone().unwrap_or_default(),
        };
        let sent = request.attributes.len();
        let answer = JourneyServiceClient::new(server).set_attributes(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("SetAttributesResponse", &answer)?;
            return Ok(Verdict::InOrder);
        }
        let stored = counted(sent.saturating_sub(answer.dropped.len()), "attribute");
        let zone = self.time_zone.as_ref().map_or_else(String::new, |zone| format!(", time zone {zone}"));
        say_labelled("set", &format!("{stored} of {}{zone}", self.id));
        for name in &answer.dropped {
            say_labelled("dropped", &format!("{name}: no lawful purpose covers it"));
        }
        Ok(Verdict::InOrder)
    }
}
