//! `tactful customer outcome`: how a customer took a step.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Output, moment, recorded, verdict};
use crate::cli::connection::{Connection, refused};
use crate::cli::{Failure, Verdict, json};
use crate::domain::time::Moment;
use crate::grpc::convert::timestamp;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::{self, OutcomeRecord, RecordOutcomesRequest};

const PREFIX: &str = "OUTCOME_";

/// Record the outcome of a step
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful customer outcome anna fibre-upgrade accepted\n  \
    tactful customer outcome anna fibre-upgrade presented --decision ID\n\n\
    Without --decision it belongs to the newest contact with this action. It needs the scope `outcomes`.\n\n\
    Exit code 0 if it is done, 1 if the server refused a part of it, 2 if not.")]
pub(super) struct Outcome {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// The action's id
    action: String,
    /// The outcome
    #[arg(value_parser = PossibleValuesParser::new(words()))]
    outcome: String,
    /// The decision that chose the step
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// The channel, if no decision is named
    #[arg(long)]
    channel: Option<String>,
    /// When it happened; now if left out
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<Moment>,
    /// Your id of this outcome: with the same id it counts once
    #[arg(long = "id", value_name = "ID")]
    outcome_id: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// The outcomes, as rules write them.
pub(in crate::cli) fn words() -> Vec<String> {
    let outcomes = (1..).map_while(|number| proto::Outcome::try_from(number).ok());
    outcomes.map(|outcome| outcome.as_str_name().trim_start_matches(PREFIX).to_lowercase()).collect()
}

/// The outcome of a word.
pub(in crate::cli) fn named(word: &str) -> Option<proto::Outcome> {
    proto::Outcome::from_str_name(&format!("{PREFIX}{}", word.to_uppercase()))
        .filter(|outcome| *outcome != proto::Outcome::Unspecified)
}

impl Outcome {
    pub(super) async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let record = OutcomeRecord {
            outcome_id: self.outcome_id.clone().unwrap_or_default(),
            decision_id: self.decision.clone().unwrap_or_default(),
            customer_id: self.id.clone(),
            action_id: self.action.clone(),
            outcome: named(&self.outcome).unwrap_or_default().into(),
            occurred_at: self.at.map(timestamp),
            channel: self.channel.clone().unwrap_or_default(),
        };
        let request = RecordOutcomesRequest { outcomes: vec![record] };
        let answer = DecisionServiceClient::new(server).record_outcomes(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.output.json {
            json::print("RecordOutcomesResponse", &answer)?;
        } else {
            let what = format!("{} {} by {}", self.action, self.outcome, self.id);
            answer.results.iter().for_each(|result| recorded(result, &what));
        }
        Ok(verdict(answer.results.iter().map(|result| result.accepted)))
    }
}
