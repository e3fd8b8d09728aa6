//! `tactful proof`: what proves the consent ledger of a running server, without access to its disk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};

use super::connection::{Connection, Server, refused};
use super::{Failure, Verdict, json, say};
use crate::grpc::proto::consent_service_client::ConsentServiceClient;
use crate::grpc::proto::{GetCheckpointRequest, GetConsistencyProofRequest, GetReceiptRequest};

/// Print what proves the consent ledger of a running server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful proof checkpoint > kept/checkpoint\n  \
    tactful proof receipt anna RECORD > anna.tlog-proof\n\n\
    `tactful ledger verify-receipt` checks a receipt, and docs/proofs.md says how others do. It needs the scope `read`.\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Proof {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum What {
    Checkpoint(Checkpoint),
    Receipt(Receipt),
    Consistency(Consistency),
}

/// Print the newest signed head of the ledger, to keep in another place
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful proof checkpoint > kept/checkpoint\n  tactful proof checkpoint --key > kept/vkey\n\n\
    Exit code 0 if it is done, 2 if not."
)]
struct Checkpoint {
    /// Print the key that verifies it instead
    #[arg(long, conflicts_with = "json")]
    key: bool,
    /// Print the server's answer as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// Print the receipt of a record, for its customer to keep
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful proof receipt anna 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n  \
    tactful proof receipt anna RECORD > anna.tlog-proof\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct Receipt {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    customer: String,
    /// The record's id, as `tactful customer consent` prints it
    #[arg(value_name = "RECORD")]
    record: String,
    /// Print the server's answer as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// Print the proof that the ledger of one size begins with that of an earlier size, as a C2SP witness takes it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful proof consistency --from 1000 --to 2000\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct Consistency {
    /// How many records the earlier ledger had
    #[arg(long, value_name = "NUMBER")]
    from: u64,
    /// How many records the later one has
    #[arg(long, value_name = "NUMBER")]
    to: u64,
    /// Print the server's answer as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

impl Proof {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match &self.what {
            What::Checkpoint(checkpoint) => self.server.run(async |server| checkpoint.run(server).await),
            What::Receipt(receipt) => self.server.run(async |server| receipt.run(server).await),
            What::Consistency(consistency) => self.server.run(async |server| consistency.run(server).await),
        }
    }
}

impl Checkpoint {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let answer = ConsentServiceClient::new(server).get_checkpoint(GetCheckpointRequest {}).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        match (self.json, self.key) {
            (true, _) => json::print("GetCheckpointResponse", &answer)?,
            (false, true) => say(&answer.verifier_key),
            (false, false) => say(answer.checkpoint.trim_end()),
        }
        Ok(Verdict::InOrder)
    }
}

impl Receipt {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetReceiptRequest { record_id: self.record.clone(), customer_id: self.customer.clone() };
        let answer = ConsentServiceClient::new(server).get_receipt(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        match self.json {
            true => json::print("GetReceiptResponse", &answer)?,
            false => say(answer.tlog_proof.trim_end()),
        }
        Ok(Verdict::InOrder)
    }
}

impl Consistency {
    async fn run(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetConsistencyProofRequest { from_size: self.from, to_size: self.to };
        let answer = ConsentServiceClient::new(server).get_consistency_proof(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        if self.json {
            json::print("GetConsistencyProofResponse", &answer)?;
        } else {
            let hashes = answer.hashes.iter().map(|hash| STANDARD.encode(hash));
            say(&std::iter::once(format!("old {}", self.from)).chain(hashes).collect::<Vec<_>>().join("\n"));
        }
        Ok(Verdict::InOrder)
    }
}
