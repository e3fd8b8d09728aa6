//! `tactful ledger`: verifies the consent ledger, and proves its contents. Every command except `rotate-key` only
//! reads, and works while a server runs.

mod checkpoint;
mod export;
mod proof;
mod receipt;
mod rotate_key;
mod verify;
mod verify_receipt;

use std::path::Path;

use clap::{Args, Subcommand};

use super::open_node::LedgerPlace;
use super::{Failure, Verdict, say, say_err};
use crate::ledger::proof::{KeyError, VerifyingKey};
use crate::ledger::{InspectError, Inspection, OpenError};

/// Verify the consent ledger, and prove what is in it
#[derive(Debug, Args)]
#[command(
    after_help = "Every command but rotate-key only reads, and works while a server runs. docs/proofs.md explains what they prove."
)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Verify),
    Checkpoint(checkpoint::Checkpoint),
    Receipt(receipt::Receipt),
    VerifyReceipt(verify_receipt::VerifyReceipt),
    Proof(proof::Proof),
    Export(export::Export),
    RotateKey(rotate_key::RotateKey),
}

impl Ledger {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.command {
            Command::Verify(command) => command.run(),
            Command::Checkpoint(command) => command.run(),
            Command::Receipt(command) => command.run(),
            Command::VerifyReceipt(command) => command.run(),
            Command::Proof(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::RotateKey(command) => command.run(),
        }
    }
}

impl LedgerPlace {
    fn inspect(&self) -> Result<Inspection, Failure> {
        Inspection::open(&self.settings()).map_err(|error| {
            let help = match error {
                OpenError::Damaged { .. } => "restore it from a copy; without the keys folder, records stay closed",
                _ => "name the folder of the ledger with --data",
            };
            Failure::new(error.to_string()).help(help)
        })
    }
}

/// The key to verify with, and its source.
fn verifying_key(given: Option<&String>, inspection: &Inspection) -> Result<(VerifyingKey, String), Failure> {
    if let Some(text) = given {
        return Ok((parse_key(text)?, "the one you gave".into()));
    }
    let (path, text) = inspection
        .published_key()
        .map_err(|error| Failure::new(error.to_string()).help("start the server once, or give the key with --key"))?;
    let key = VerifyingKey::parse(text.trim_end());
    let key = key.map_err(|error| Failure::new(format!("`{}` {error}", path.display())))?;
    Ok((key, path.display().to_string()))
}

fn parse_key(text: &str) -> Result<VerifyingKey, Failure> {
    VerifyingKey::parse(text).map_err(|error| {
        let failure = Failure::new(format!("`{text}` {error}"));
        match error {
            KeyError::Shape => failure.help("it looks like `tactful-ledger-1f2e3d4c+9a8b7c6d+AS1t…`"),
            _ => failure,
        }
    })
}

/// The result of a failed proof: the ledger is damaged, or the proof is impossible.
fn unproved(error: &InspectError) -> Result<Verdict, Failure> {
    let help = match error {
        InspectError::NotSigned { asked: 0, .. } => "positions count from 1",
        InspectError::NotSigned { .. } => "a record is signed within a second of its coming, if the server runs",
        InspectError::NoRecord(_) => "`tactful ledger export` shows every record that can be read",
        InspectError::Erased(_) => "their key is gone for good",
        InspectError::Sealed(_) => "name the keys folder with --keys",
        InspectError::Open(OpenError::Disk(_)) => "name the folder of the ledger with --data",
        _ => {
            say_err(&format!("error: {error}"));
            return Ok(Verdict::Wrong);
        }
    };
    Err(Failure::new(error.to_string()).help(help))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))
}
