//! `tactful decision`: shows a past decision, lists past decisions, and prints decisions as they are made.

use clap::{Args, Subcommand};

use super::connection::{Connection, Server, refused};
use super::{Failure, Verdict, answer, counted, json, labelled, say, say_err};
use crate::domain::time::Moment;
use crate::grpc::convert::value;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::{GetDecisionRequest, GetDecisionResponse, ListDecisionsRequest, WatchDecisionsRequest};
use crate::grpc::timestamp;

/// Show decisions that a running server has made
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n  \
    tactful decision list --customer anna\n  tactful decision watch --channel web\n\n\
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
    List(List),
    Watch(Watch),
}

/// Show a past decision with its question and its reasons
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n  \
    tactful decision show 019cae3a-5f20-7000-9d53-6a1f0c28e4b7 --json\n\n\
    Decisions are kept as long as `tactful serve --decision-log-days` says. It needs the scope `read`.\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct Show {
    /// The decision's id, as `tactful decide` prints it
    id: String,
    /// Print it as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// List past decisions, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful decision list --customer anna\n  \
    tactful decision list --channel web --from 2026-03-02T00:00:00Z --json\n\n\
    Without --customer it reads more, and takes longer. It needs the scope `read`.\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct List {
    /// Only decisions about this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only decisions that chose this action
    #[arg(long, value_name = "ID")]
    action: Option<String>,
    /// Only decisions on this channel
    #[arg(long)]
    channel: Option<String>,
    /// Only decisions from this moment on, such as 2026-03-02T10:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Only decisions before this moment
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// List at most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    count: usize,
    /// Print each as JSON on one line, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// Print decisions as they are made, one on a line, until you stop it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful decision watch\n  tactful decision watch --channel web --count 10 --json\n\n\
    A reader that cannot keep up misses decisions. It needs the scope `watch`.\n\n\
    Exit code 0 if it is done, 2 if not."
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
            Verb::List(list) => self.server.run(async |server| list.run(server).await),
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

impl List {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let mut client = DecisionServiceClient::new(server);
        let mut request = ListDecisionsRequest {
            customer_id: self.customer.clone().unwrap_or_default(),
            action_id: self.action.clone().unwrap_or_default(),
            channel: self.channel.clone().unwrap_or_default(),
            from: self.from.map(timestamp),
            to: self.to.map(timestamp),
            ..ListDecisionsRequest::default()
        };
        let mut left = self.count;
        while left > 0 {
            request.page_size = u32::try_from(left.min(500)).unwrap_or(500);
            let page = client.list_decisions(request.clone()).await.map_err(|status| refused(&status))?.into_inner();
            for found in page.decisions.iter().take(left) {
                if self.json {
                    json::print_line("GetDecisionResponse", found)?;
                } else {
                    say(&entry(found));
                }
            }
            left = left.saturating_sub(page.decisions.len());
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if !self.json && left == self.count {
            say("no decisions");
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
        say_err("watching; stop it with Ctrl-C");
        let mut seen = 0;
        while self.count.is_none_or(|count| seen < count) {
            let Some(made) = decisions.message().await.map_err(refused)? else { break };
            seen += 1;
            let missed = usize::try_from(made.missed).unwrap_or(usize::MAX);
            if missed > 0 {
                say_err(&format!("missed {}: more are made than are read here", counted(missed, "decision")));
            }
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
        text.push_str(&format!("rule set   {}\n\n{}", decision.rule_set, answer::human(decision)));
    }
    text
}

/// Time, customer and channel, what was said, and the id; an empty line follows.
fn entry(found: &GetDecisionResponse) -> String {
    let [at, customer, channel, said, id] = parts(found);
    let decided = labelled("decided", &format!("{at}, for {customer} on {channel}"));
    format!("{decided}{}{}", labelled("said", &said), labelled("id", &id))
}

/// Time, customer, channel, and what was said.
fn one_line(found: &GetDecisionResponse) -> String {
    let [at, customer, channel, said, _] = parts(found);
    format!("{at}  {customer}  {channel}  {said}")
}

/// Time, customer, channel, what was said, and the id.
fn parts(found: &GetDecisionResponse) -> [String; 5] {
    let at = answer::moment(found.decided_at.as_ref()).map_or_else(String::new, |at| at.to_string());
    let (customer, channel) = found.request.as_ref().map_or(("", ""), |asked| (&asked.customer_id, &asked.channel));
    let said = found.decision.as_ref().map_or_else(String::new, |decision| match &decision.silence {
        Some(silence) => format!("silence: {}", answer::reason(silence)),
        None => decision.actions.iter().map(|action| action.action_id.as_str()).collect::<Vec<_>>().join(", "),
    });
    let id = found.decision.as_ref().map_or_else(String::new, |decision| decision.decision_id.clone());
    [at, customer.to_string(), channel.to_string(), said, id]
}
