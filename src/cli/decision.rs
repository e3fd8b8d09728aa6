//! `tactful decision`: shows a past decision, and decisions as they are made.

use clap::{Args, Subcommand};

use super::connection::{Connection, Server, refused};
use super::{Failure, Verdict, answer, json, labelled, say};
use crate::grpc::convert::value;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::{GetDecisionRequest, GetDecisionResponse, WatchDecisionsRequest};

/// Show decisions that a running server has made
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n  \
    tactful decision watch --channel web\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Decision {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(Show),
    Watch(Watch),
}

/// Show a past decision with its question and its reasons
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n  \
    tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7 --json\n\n\
    Decisions are kept for a day, and as many as `tactful serve --keep-decisions` says. It needs the scope `read`.")]
struct Show {
    /// The decision's id, as `tactful decide` prints it
    id: String,
    /// Print it as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// Print decisions as they are made, one on a line, until you stop it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful decision watch\n  tactful decision watch --channel web --count 10 --json\n\n\
    A reader that cannot keep up misses decisions. It needs the scope `watch`."
)]
struct Watch {
    /// Only decisions on this channel
    #[arg(long)]
    channel: Option<String>,
    /// Only decisions about this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Stop after this many
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Print each as JSON on one line, as the protocol maps it
    #[arg(long)]
    json: bool,
}

impl Decision {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match &self.verb {
            Verb::Show(show) => self.server.run(async |server| show.run(server).await),
            Verb::Watch(watch) => self.server.run(async |server| watch.run(server).await),
        }
    }
}

impl Show {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetDecisionRequest { decision_id: self.id.clone() };
        let found = DecisionServiceClient::new(server).get_decision(request).await;
        let found = found.map_err(|status| refused(&status))?.into_inner();
        if self.json {
            json::print("GetDecisionResponse", &found)?;
        } else {
            say(human(&found).trim_end());
        }
        Ok(Verdict::InOrder)
    }
}

impl Watch {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = WatchDecisionsRequest {
            customer_id: self.customer.clone().unwrap_or_default(),
            channel: self.channel.clone().unwrap_or_default(),
        };
        let refused = |status| refused(&status);
        let mut decisions =
            DecisionServiceClient::new(server).watch_decisions(request).await.map_err(refused)?.into_inner();
        // For those who wait for it; standard output has decisions only.
        eprintln!("watching; stop it with Ctrl-C");
        let mut seen = 0;
        while self.count.is_none_or(|count| seen < count) {
            let Some(made) = decisions.message().await.map_err(refused)? else { break };
            seen += 1;
            if self.json {
                json::print_line("WatchDecisionsResponse", &made)?;
            } else if let Some(decision) = &made.decision {
                say(&one_line(decision));
            }
        }
        Ok(Verdict::InOrder)
    }
}

fn human(found: &GetDecisionResponse) -> String {
    let mut text = String::new();
    let at = answer::moment(found.decided_at.as_ref()).map_or_else(String::new, |at| at.to_string());
    if let Some(request) = &found.request {
        text.push_str(&labelled("decided", &format!("{at}, for {} on {}", request.customer_id, request.channel)));
        let mut context: Vec<_> = request.context.iter().collect();
        context.sort_by_key(|(name, _)| *name);
        for (name, wire) in context {
            let known = value(wire.clone()).map_or_else(String::new, |value| value.to_string());
            text.push_str(&labelled("context", &format!("{name} = {known}")));
        }
    }
    if let Some(decision) = &found.decision {
        text.push_str(&format!("rules      {}\n\n{}", decision.rule_set, answer::human(decision)));
    }
    text
}

/// Time, customer, channel, and what was said.
fn one_line(found: &GetDecisionResponse) -> String {
    let at = answer::moment(found.decided_at.as_ref()).map_or_else(String::new, |at| at.to_string());
    let (customer, channel) = found.request.as_ref().map_or(("", ""), |asked| (&asked.customer_id, &asked.channel));
    let said = found.decision.as_ref().map_or_else(String::new, |decision| match &decision.silence {
        Some(silence) => format!("silence: {}", answer::reason(silence)),
        None => decision.actions.iter().map(|action| action.action_id.as_str()).collect::<Vec<_>>().join(", "),
    });
    format!("{at}  {customer}  {channel}  {said}")
}
