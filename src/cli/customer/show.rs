//! `tactful customer show`: what is kept about one customer.

use clap::Args;

use super::Output;
use crate::cli::answer::moment;
use crate::cli::connection::{Connection, refused};
use crate::cli::table::list;
use crate::cli::{Failure, Verdict, json, labelled, say};
use crate::grpc::convert::value;
use crate::grpc::proto::journey_service_client::JourneyServiceClient;
use crate::grpc::proto::{GetCustomerRequest, GetCustomerResponse};

/// Show attributes, journeys, pressure, hurt and contact limits of a customer
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful customer show anna\n  tactful customer show anna --json\n\n\
    It needs the scope `read`. `tactful customer consent anna` shows the consents.\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Show {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    #[command(flatten)]
    output: Output,
}

impl Show {
    pub(super) async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetCustomerRequest { customer_id: self.id.clone() };
        let answer = JourneyServiceClient::new(server).get_customer(request).await;
        let customer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("GetCustomerResponse", &customer)?;
        } else {
            say(human(&customer).trim_end());
        }
        Ok(Verdict::InOrder)
    }
}

fn human(customer: &GetCustomerResponse) -> String {
    let mut text = labelled("customer", &customer.customer_id);
    let pressure = format!("{:.1} points, hurt {:.1} points", customer.pressure, customer.hurt);
    text.push_str(&labelled("pressure", &pressure));
    for journey in &customer.journeys {
        let since = moment(journey.entered_at.as_ref()).map_or_else(String::new, |at| format!(", since {at}"));
        text.push_str(&labelled("journey", &format!("{}: {}{since}", journey.journey, journey.stage)));
    }
    let mut attributes: Vec<_> = customer.attributes.iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    if attributes.is_empty() {
        text.push_str(&labelled("attributes", "none that may be read now"));
    }
    for (name, wire) in attributes {
        let known = value(wire.clone()).map_or_else(String::new, |value| value.to_string());
        text.push_str(&labelled("attribute", &format!("{name} = {known}")));
    }
    let used: Vec<_> = customer.limits.iter().filter(|limit| limit.used > 0).collect();
    if used.is_empty() {
        return text + &labelled("limits", "none is used");
    }
    let mut table = list(&["limit", "used", "of", "next contact leaves it"]);
    for limit in used {
        let refills = moment(limit.refills_at.as_ref()).map_or_else(String::new, |at| at.to_string());
        table.add_row([limit.limit.clone(), limit.used.to_string(), limit.at_most.to_string(), refills]);
    }
    text + "\n" + &table.to_string()
}
