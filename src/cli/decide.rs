//! `tactful decide`: asks a running server for the next step.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use tonic::transport::{Channel, Endpoint};

use super::table::table;
use super::{Failure, Verdict, say};
use crate::domain::value::{NOT_EXACT, is_exact};
use crate::grpc::proto;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;

mod print;

/// Ask a running server for the next step of one customer
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decide --customer anna --channel web --context topic=speed\n  \
    tactful decide --customer anna --channel web --explain full\n  tactful decide --customer anna --channel phone --json")]
pub(super) struct Decide {
    /// The customer's id
    #[arg(long)]
    customer: String,
    /// The channel
    #[arg(long)]
    channel: String,
    /// A context fact, as NAME=VALUE; may be repeated. Digits are a number: write 'zip="10115"' for a text of digits
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, proto::Value)>,
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
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// The server's address
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "TACTFUL_SERVER")]
    server: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Reasons of the chosen actions
    None,
    /// How many actions passed each gate
    Funnel,
    /// Every action, why it lost and what would have let it win
    Full,
}

impl Decide {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
        let answer = runtime.block_on(self.ask())?;
        if self.json {
            say(&serde_json::to_string_pretty(&print::json(&answer))
                .map_err(|error| Failure::new(error.to_string()))?);
        } else {
            say(print::human(&answer).trim_end());
        }
        Ok(Verdict::InOrder)
    }

    async fn ask(&self) -> Result<proto::DecideResponse, Failure> {
        let mut client = DecisionServiceClient::new(connect(&self.server).await?);
        let request = self.request();
        let refused = |status: tonic::Status| {
            let failure = Failure::new(status.message());
            match status.code() {
                tonic::Code::Unavailable => failure.help("is the server running? start it with `tactful serve`"),
                _ => failure,
            }
        };
        Ok(client.decide(request).await.map_err(refused)?.into_inner())
    }

    fn request(&self) -> proto::DecideRequest {
        let explain = match self.explain {
            Level::None => proto::ExplainLevel::Unspecified,
            Level::Funnel => proto::ExplainLevel::Funnel,
            Level::Full => proto::ExplainLevel::Full,
        };
        proto::DecideRequest {
            customer_id: self.customer.clone(),
            channel: self.channel.clone(),
            request_id: String::new(),
            context: self.context.iter().cloned().collect::<HashMap<_, _>>(),
            max_actions: self.max,
            groups: self.group.clone(),
            explain: explain.into(),
            validate_only: self.dry_run,
            fallback: proto::Fallback::Unspecified.into(),
        }
    }
}

/// Connects to a server.
pub(super) async fn connect(server: &str) -> Result<Channel, Failure> {
    let address = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let endpoint = Endpoint::from_shared(address)
        .map_err(|_| Failure::new(format!("`{server}` is not an address")).help("write it as 127.0.0.1:50051"))?;
    let endpoint = endpoint.connect_timeout(std::time::Duration::from_secs(5));
    endpoint.connect().await.map_err(|_| {
        Failure::new(format!("no server answers at {server}"))
            .help("start one with `tactful serve`, or name it with --server")
    })
}

/// A number or a flag where the text is one; write `topic='"5"'` for the text 5.
fn value(name: &str, text: &str) -> Result<proto::Value, String> {
    use proto::value::Kind;
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let kind = match (quoted, text.parse::<f64>(), text.parse::<bool>()) {
        (Some(text), ..) => Kind::Text(text.to_owned()),
        (None, Ok(number), _) if is_exact(number) => Kind::Number(number),
        (None, Ok(number), _) if number.is_finite() => {
            return Err(format!("{text} {NOT_EXACT}: '{name}=\"{text}\"'"));
        }
        (None, _, Ok(flag)) => Kind::Flag(flag),
        _ => Kind::Text(text.to_owned()),
    };
    Ok(proto::Value { kind: Some(kind) })
}

fn pair(text: &str) -> Result<(String, proto::Value), String> {
    match text.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.to_owned(), value(name, text)?)),
        _ => Err("write it as NAME=VALUE, as in `topic=speed`".to_owned()),
    }
}
