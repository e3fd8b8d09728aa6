//! `tactful backup`: copies the data of a running server.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::connection::{Connection, Server, refused};
use super::{Failure, Verdict, counted, say, say_labelled};
use crate::backup::{BackupError, BackupSummary, BackupWriter};
use crate::grpc::proto::BackupRequest;
use crate::grpc::proto::admin_service_client::AdminServiceClient;

/// Copy the data of a running server, without the keys folder, while it serves
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful backup backups/2026-03-02\n  tactful backup backups/2026-03-02 --server 127.0.0.1:6000\n\n\
    It contains everything that was acknowledged before: consents, contacts, journeys. It does not contain the keys folder, \
    and cannot be read without it. Copy the keys folder to another place whenever you take a backup.\n\n\
    `tactful restore` restores a backup. If the server is stopped, copy the data folder instead.\n\nExit code 0 if it is done, 2 if not."
)]
pub(super) struct Backup {
    /// Folder to write it into; must be empty or absent
    folder: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Backup {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let BackupSummary { ledger, key, files, bytes } = self.server.run(async |server| self.write(server).await)?;
        if self.json {
            let result = json!({
                "folder": self.folder, "files": files, "bytes": bytes,
                "records": ledger.head.size, "head": ledger.head.root.to_string(), "verifierKey": key.to_string(),
            });
            say(&format!("{result:#}"));
            return Ok(Verdict::InOrder);
        }
        let records = counted(usize::try_from(ledger.head.size).unwrap_or(usize::MAX), "record");
        say(&format!("ledger     {records}, head {}, verified with {key}", ledger.head.root));
        say_labelled("keys", "not included: without a copy of the server's keys folder, this backup cannot be read");
        let backup = format!("{}: {}, {bytes} bytes", self.folder.display(), counted(files, "file"));
        say_labelled("backup", &backup);
        Ok(Verdict::InOrder)
    }

    async fn write(&self, server: Connection) -> Result<BackupSummary, Failure> {
        let mut client = AdminServiceClient::new(server);
        let broken = |status: tonic::Status| {
            let Failure { message, help } = refused(&status);
            Failure::new(format!("no backup was taken: {message}"))
                .help(help.unwrap_or_else(|| "look at the server's log, and try again".to_owned()))
        };
        // The server makes one backup at a time, so no other writes into this folder once it has accepted the call.
        let mut parts = client.backup(BackupRequest {}).await.map_err(broken)?.into_inner();
        let mut writer = BackupWriter::begin(&self.folder).map_err(unwritten)?;
        loop {
            match parts.message().await.map_err(broken)? {
                Some(part) if part.done => return writer.finish().map_err(unwritten),
                Some(part) => writer.add(&part.path, &part.chunk).map_err(unwritten)?,
                None => return Err(broken(tonic::Status::unknown("the server ended it too early"))),
            }
        }
    }
}

fn unwritten(error: BackupError) -> Failure {
    let help = match error {
        BackupError::NotEmpty(_) => "name a folder that is empty or absent",
        BackupError::Unverified(_) => "`tactful ledger verify` says more about the server's data folder",
        _ => "nothing was written; choose another folder, or fix this and try again",
    };
    Failure::new(error.to_string()).help(help)
}
