//! `tactful simulate`: what draft rules would answer, beside what the rules in force answer.

use std::path::PathBuf;

use clap::Args;

use super::connection::{Connection, Server, refused};
use super::customer::consent::{status, words};
use super::decide::Level;
use super::fact::{FORMS, Fact, Place, wire};
use super::{Failure, Verdict, answer, json, labelled, no_rules, report, say};
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::grpc::convert::timestamp;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::rule_service_client::RuleServiceClient;
use crate::grpc::proto::{
    ConsentChange, DecideRequest, DecideResponse, GetDecisionRequest, RuleFile, SimulateDecisionRequest,
    SimulateDecisionResponse,
};
use crate::rule_files;

/// Show what draft rules would answer, without changing anything
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  tactful simulate --rules draft --customer anna --channel web\n  \
    tactful simulate --rules draft --from DECISION --explain full\n  \
    tactful simulate --rules draft --from DECISION --suppose personalisation=given\n\n{FORMS}\n\n\
    The draft is checked here first. It is asked with the customer's data of now, as far as the rules in force may \
    read it; --at asks for another moment. It needs the scope `simulate`, and --from also `read`.\n\n\
    Exit code 0 if there is an answer, 1 if the draft has errors, 2 if not."))]
pub(super) struct Simulate {
    /// Folder with the draft rules
    #[arg(long, value_name = "FOLDER")]
    rules: PathBuf,
    /// Ask the question of this past decision
    #[arg(long, value_name = "DECISION", conflicts_with_all = ["customer", "channel", "context", "group"])]
    from: Option<String>,
    /// The customer's id
    #[arg(long, required_unless_present = "from")]
    customer: Option<String>,
    /// The channel
    #[arg(long, required_unless_present = "from")]
    channel: Option<String>,
    /// A context fact; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = Fact::parse)]
    context: Vec<Fact>,
    /// Only actions of this group; may be repeated
    #[arg(long)]
    group: Vec<String>,
    /// At most this many actions
    #[arg(long)]
    max: Option<u32>,
    /// How much to explain
    #[arg(long, value_enum, default_value = "none")]
    explain: Level,
    /// The moment to decide at; now if left out
    #[arg(long, value_name = "MOMENT", value_parser = super::customer::moment)]
    at: Option<Moment>,
    /// A consent to suppose, such as `marketing.email=given` or `personalisation=withdrawn`; may be repeated
    #[arg(long, value_name = "PURPOSE=STATUS", value_parser = supposed)]
    suppose: Vec<ConsentChange>,
    /// Print the server's answer for the draft as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Simulate {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        if !self.rules.exists() {
            return Err(no_rules(&self.rules));
        }
        let found = rule_files::look(&self.rules);
        let files = found.below_folder().into_iter().map(|(path, text)| RuleFile { path, text }).collect();
        let loaded = found.load(&Vocabulary::default());
        if loaded.rule_set.is_none() {
            report(&loaded);
            return Ok(Verdict::Wrong);
        }
        let (before, draft) = self.server.run(async |server| self.ask(files, server).await)?;
        if self.json {
            json::print("SimulateDecisionResponse", &draft)?;
            return Ok(if draft.decision.is_some() { Verdict::InOrder } else { Verdict::Wrong });
        }
        let Some(decision) = &draft.decision else {
            draft
                .diagnostics
                .iter()
                .for_each(|found| say(&format!("{}:{}: {}", found.file, found.line, found.message)));
            return Ok(Verdict::Wrong);
        };
        let before = before.decision.unwrap_or_default();
        say(labelled("in force", &short(&before)).trim_end());
        say(labelled("draft", &short(decision)).trim_end());
        say(&format!("\n{}", answer::human(decision).trim_end()));
        Ok(Verdict::InOrder)
    }

    /// The answers of the rules in force and of the draft.
    async fn ask(
        &self,
        files: Vec<RuleFile>,
        server: Connection,
    ) -> Result<(SimulateDecisionResponse, SimulateDecisionResponse), Failure> {
        let question = self.question(&server).await?;
        let mut client = RuleServiceClient::new(server);
        let mut request = SimulateDecisionRequest {
            request: Some(question),
            files: Vec::new(),
            at: self.at.map(timestamp),
            consents: self.suppose.clone(),
        };
        let before = client.simulate_decision(request.clone()).await.map_err(|status| refused(&status))?;
        request.files = files;
        let draft = client.simulate_decision(request).await.map_err(|status| refused(&status))?;
        Ok((before.into_inner(), draft.into_inner()))
    }

    async fn question(&self, server: &Connection) -> Result<DecideRequest, Failure> {
        let asked = match &self.from {
            Some(id) => {
                let request = GetDecisionRequest { decision_id: id.clone() };
                let found = DecisionServiceClient::new(server.clone()).get_decision(request).await;
                let found = found.map_err(|status| refused(&status))?.into_inner();
                found.request.ok_or_else(|| Failure::new(format!("the question of decision `{id}` is not kept")))?
            }
            None => DecideRequest {
                customer_id: self.customer.clone().unwrap_or_default(),
                channel: self.channel.clone().unwrap_or_default(),
                context: wire(&self.context, Place::Context, server).await?,
                groups: self.group.clone(),
                ..DecideRequest::default()
            },
        };
        Ok(DecideRequest {
            max_actions: self.max.unwrap_or(asked.max_actions),
            explain: self.explain.wire().into(),
            request_id: String::new(),
            ..asked
        })
    }
}

/// A consent from its argument.
fn supposed(text: &str) -> Result<ConsentChange, String> {
    let (purpose, word) = text.split_once('=').ok_or("has no `=`; write PURPOSE=STATUS")?;
    let status =
        status(word).ok_or_else(|| format!("`{word}` is not a status; write one of {}", words().join(", ")))?;
    Ok(ConsentChange { purpose: purpose.to_owned(), status: status.into(), ..ConsentChange::default() })
}

/// What was said, in one line.
fn short(decision: &DecideResponse) -> String {
    let said = match &decision.silence {
        Some(silence) => format!("silence: {}", answer::reason(silence)),
        None => decision.actions.iter().map(|action| action.action_id.as_str()).collect::<Vec<_>>().join(", "),
    };
    format!("{said}  (rule set {})", decision.rule_set.get(..8).unwrap_or(&decision.rule_set))
}
