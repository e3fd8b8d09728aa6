//! `tactful decide`: asks a running server for the next step.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::connection::{Server, refused};
use super::fact::{FORMS, Fact, Place, wire};
use super::{Failure, Verdict, answer, json, say};
use crate::grpc::proto;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;

/// Ask a running server for the next step of one customer
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  tactful decide --customer anna --channel web --context topic=speed\n  \
    tactful decide --customer anna --channel web --explain full\n  \
    tactful decide --customer anna --channel phone --json\n\n{FORMS}\n\n\
    Exit code 0 if there is an answer, 2 if not."))]
pub(super) struct Decide {
    /// The customer's id
    #[arg(long)]
    customer: String,
    /// The channel
    #[arg(long)]
    channel: String,
    /// A context fact; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = Fact::parse)]
    context: Vec<Fact>,
    /// Only actions of this group; may be repeated
    #[arg(long)]
    group: Vec<String>,
    /// At most this many actions
    #[arg(long, default_value_t = 1)]
    max: u32,
    /// How much to explain
    #[arg(long, value_enum, default_value = "none")]
    explain: Level,
    /// Decide without reserving, counting or recording anything
    #[arg(long)]
    dry_run: bool,
    /// The customer's browser sends `Sec-GPC: 1`: it objects to purposes with `gpc: objects`
    #[arg(long)]
    gpc: bool,
    /// Print the answer as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// How much an answer explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    /// Reasons of the chosen actions
    None,
    /// How many actions passed each gate
    Funnel,
    /// Every action, why it lost and what would have let it win
    Full,
}

impl Level {
    /// The level as it is sent.
    pub(super) fn wire(self) -> proto::ExplainLevel {
        match self {
            Self::None => proto::ExplainLevel::Unspecified,
            Self::Funnel => proto::ExplainLevel::Funnel,
            Self::Full => proto::ExplainLevel::Full,
        }
    }
}

impl Decide {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let answer = self.server.run(async |server| {
            let context = wire(&self.context, Place::Context, &server).await?;
            let mut request = Request::new(proto::DecideRequest { context, ..self.request() });
            if self.gpc {
                request.metadata_mut().insert("sec-gpc", MetadataValue::from_static("1"));
            }
            let answer = DecisionServiceClient::new(server).decide(request).await;
            Ok(answer.map_err(|status| refused(&status))?.into_inner())
        })?;
        if self.json {
            json::print("DecideResponse", &answer)?;
        } else {
            say(answer::human(&answer).trim_end());
        }
        Ok(Verdict::InOrder)
    }

    /// The question, but for its context.
    fn request(&self) -> proto::DecideRequest {
        proto::DecideRequest {
            customer_id: self.customer.clone(),
            channel: self.channel.clone(),
            request_id: String::new(),
            context: HashMap::new(),
            max_actions: self.max,
            groups: self.group.clone(),
            explain: self.explain.wire().into(),
            validate_only: self.dry_run,
            fallback: proto::Fallback::Unspecified.into(),
        }
    }
}
