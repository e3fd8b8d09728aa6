//! `tactful customer erase`: the right to erasure.

use std::path::PathBuf;

use clap::Args;

use super::Output;
use crate::cli::connection::{Server, refused};
use crate::cli::{Failure, Verdict, counted, json, print_err, say_labelled};
use crate::grpc::proto::EraseCustomerRequest;
use crate::grpc::proto::privacy_service_client::PrivacyServiceClient;

/// Erase a customer for good (GDPR Art. 17)
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful customer erase anna\n  tactful customer erase anna --yes --receipt anna.tlog-proof\n\n\
    It deletes all data, past decisions and the key of the consent records. Nothing brings them back. Without --yes it \
    asks for the customer's id again. The receipt proves that the ledger has the erasure, and names no one. It needs \
    the scope `privacy`.\n\nExit code 0 if it is done, 2 if not."
)]
pub(super) struct Erase {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Write the receipt to this file; `tactful ledger verify-receipt` checks it
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Erase {
    pub(super) fn run(&self, server: &Server) -> Result<Verdict, Failure> {
        if !self.yes && !self.is_confirmed() {
            return Err(Failure::new("nothing was erased: the id was not repeated")
                .help("type the customer's id to confirm, or pass --yes"));
        }
        let request = EraseCustomerRequest { customer_id: self.id.clone() };
        let erased = server.run(async |server| {
            let answer = PrivacyServiceClient::new(server).erase_customer(request).await;
            Ok(answer.map_err(|status| refused(&status))?.into_inner())
        })?;
        if let Some(path) = &self.receipt {
            if erased.tlog_proof.is_empty() {
                return Err(Failure::new(format!("{} was erased, but the server has no receipt now", self.id))
                    .help("repeat the command: it may be repeated"));
            }
            let unwritten = |error| {
                let message = format!("{} was erased, but `{}` cannot be written: {error}", self.id, path.display());
                Failure::new(message).help("repeat the command with another file: it may be repeated")
            };
            std::fs::write(path, &erased.tlog_proof).map_err(unwritten)?;
        }
        if self.output.json {
            json::print("EraseCustomerResponse", &erased)?;
            return Ok(Verdict::InOrder);
        }
        let records = counted(usize::try_from(erased.records_shredded).unwrap_or(usize::MAX), "consent record");
        say_labelled("erased", &format!("{}: all data, and the key of {records}", self.id));
        say_labelled(
            "position",
            &format!("{} of the ledger records an erasure, without a name", erased.ledger_position),
        );
        if let Some(path) = &self.receipt {
            say_labelled("receipt", &path.display().to_string());
        }
        Ok(Verdict::InOrder)
    }

    fn is_confirmed(&self) -> bool {
        print_err(&format!("This deletes everything about {} for good. Type the id to confirm: ", self.id));
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).is_ok() && typed.trim_end_matches(['\r', '\n']) == self.id
    }
}
