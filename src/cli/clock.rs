//! `tactful clock`: the time of a running server, and whether it believes its machine's clock.

use clap::{Args, Subcommand};

use super::connection::{Server, refused};
use super::{Failure, Verdict, json, say};
use crate::domain::time::{Moment, Period};
use crate::grpc::convert::moment;
use crate::grpc::proto::admin_service_client::AdminServiceClient;
use crate::grpc::proto::{AcceptClockRequest, GetClockRequest, GetClockResponse};

const CODES: &str = "Exit code 0 if the clock is believed, 1 if it is not, 2 if the server cannot be asked.";

/// Show the time of a running server, or confirm the clock of its machine
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  tactful clock show\n  tactful clock accept\n\n\
    If the machine's clock is set by more than five minutes, the server goes on without that step: grants would end and \
    data would be deleted at the wrong moment. Its health service `tactful.clock` then reports NOT_SERVING, until the clock \
    is right again or `tactful clock accept` confirms it.\n\n{CODES}"))]
pub(super) struct Clock {
    #[command(subcommand)]
    command: ClockCommand,
    /// Print the server's answer as JSON, as the protocol maps it
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    /// Show the server's time, and how far the machine's clock is from it
    #[command(after_help = format!("Examples:\n  tactful clock show\n  tactful clock show --json\n\n{CODES}"))]
    Show,
    /// Believe the machine's clock from now on, and let data past its time be deleted
    #[command(after_help = format!("Examples:\n  tactful clock accept\n\n{CODES}"))]
    Accept,
}

impl Clock {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        self.server.run(async |server| {
            let mut client = AdminServiceClient::new(server);
            let refused = |status| refused(&status);
            if let ClockCommand::Accept = self.command {
                client.accept_clock(AcceptClockRequest {}).await.map_err(refused)?;
            }
            let answer = client.get_clock(GetClockRequest {}).await.map_err(refused)?.into_inner();
            let (lines, verdict) = describe(&answer);
            if self.json {
                json::print("GetClockResponse", &answer)?;
            } else {
                lines.iter().for_each(|(label, text)| say(&format!("{label:<10} {text}")));
            }
            Ok(verdict)
        })
    }
}

/// What people read about a server's clock.
fn describe(answer: &GetClockResponse) -> (Vec<(&'static str, String)>, Verdict) {
    let time = answer.time.map_or(Moment::default(), moment);
    let mut lines = vec![("time", time.to_string())];
    let step = answer.step.map(|step| Period(step.seconds.saturating_mul(1_000) + i64::from(step.nanos) / 1_000_000));
    let verdict = match step {
        None => {
            lines.push(("machine", "its clock is believed".to_owned()));
            Verdict::InOrder
        }
        Some(step) => {
            let (by, side) = (Period(step.0.saturating_abs()), if step.0 < 0 { "behind" } else { "ahead" });
            let text = format!("its clock is {by} {side}, and not believed; `tactful clock accept` confirms it");
            lines.push(("machine", text));
            Verdict::Wrong
        }
    };
    if let Some(until) = answer.purges_held_until.map(moment) {
        let text = format!("none until {until}: the clock was far ahead of the newest record at the start");
        lines.push(("deletions", text));
    }
    (lines, verdict)
}
