//! `tactful backup`: copies the data of a running server.

use std::path::PathBuf;

use clap::Args;

use super::decide::connect;
use super::{Failure, Verdict, counted, say};
use crate::backup::{BackupError, BackupSummary, BackupWriter};
use crate::grpc::proto::BackupRequest;
use crate::grpc::proto::admin_service_client::AdminServiceClient;

/// Copy the data of a running server, without the keys folder, while it serves
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful backup backups/2026-03-02\n  tactful backup backups/2026-03-02 --server http://127.0.0.1:6000\n\n\
    It contains everything that was acknowledged before: consents, contacts, journeys. It does not contain the keys folder, \
    and cannot be read without it. Copy the keys folder to another place whenever you take a backup.\n\
    `tactful restore` restores a backup. If the server is stopped, copy the data folder instead."
)]
pub(super) struct Backup {
    /// Folder to write it into; must be empty or absent
    folder: PathBuf,
    /// The server's address
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "TACTFUL_SERVER")]
    server: String,
}

impl Backup {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
        let BackupSummary { ledger, key, files, bytes } = runtime.block_on(self.write())?;
        let records = counted(usize::try_from(ledger.head.size).unwrap_or(usize::MAX), "record");
        say(&format!("ledger     {records}, head {}, verified with {key}", ledger.head.root));
        say("keys       not included: without a copy of the server's keys folder, this backup cannot be read");
        say(&format!("backup     {}: {}, {bytes} bytes", self.folder.display(), counted(files, "file")));
        Ok(Verdict::InOrder)
    }

    async fn write(&self) -> Result<BackupSummary, Failure> {
        let mut client = AdminServiceClient::new(connect(&self.server).await?);
        let broken = |status: tonic::Status| {
            Failure::new(format!("no backup was taken: {}", status.message()))
                .help("look at the server's log, and try again")
        };
        // The server makes one backup at a time, so no other writes into this folder once it has accepted the call.
        let mut parts = client.backup(BackupRequest {}).await.map_err(broken)?.into_inner();
        let mut writer = BackupWriter::begin(&self.folder).map_err(refused)?;
        loop {
            match parts.message().await.map_err(broken)? {
                Some(part) if part.done => return writer.finish().map_err(refused),
                Some(part) => writer.add(&part.path, &part.chunk).map_err(refused)?,
                None => return Err(broken(tonic::Status::unknown("the server ended it too early"))),
            }
        }
    }
}

fn refused(error: BackupError) -> Failure {
    let help = match error {
        BackupError::NotEmpty(_) => "name a folder that is empty or absent",
        BackupError::Unverified(_) => "`tactful ledger verify` says more about the server's data folder",
        _ => "nothing was written; choose another folder, or fix this and try again",
    };
    Failure::new(error.to_string()).help(help)
}
