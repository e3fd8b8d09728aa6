//! `tactful customer export`: the right of access, and portability.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use zip::ZipArchive;

use crate::cli::connection::{Connection, Server, refused};
use crate::cli::{Failure, Verdict, counted, say_labelled};
use crate::grpc::proto::ExportCustomerRequest;
use crate::grpc::proto::privacy_service_client::PrivacyServiceClient;

/// Write everything that is kept about a customer into a folder (GDPR Art. 15)
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful customer export anna exports/anna\n  \
    tactful customer export anna exports/anna --portable --language de\n  tactful customer export anna - > anna.zip\n\n\
    index.html in it is a page for the customer, README.txt explains the other files. Only you may read \
    the folder. It needs the scope `privacy`.\n\nExit code 0 if it is done, 2 if not.")]
pub(super) struct Export {
    /// The customer's id
    #[arg(value_name = "CUSTOMER")]
    id: String,
    /// Folder to write it into, empty or absent; `-` writes a zip file to standard output
    folder: PathBuf,
    /// Only what the customer provided, for purposes of consent or contract (Art. 20)
    #[arg(long)]
    portable: bool,
    /// The language of the page, such as de; that of the newest consent record if left out
    #[arg(long, value_name = "TAG", default_value = "", hide_default_value = true)]
    language: String,
}

impl Export {
    pub(super) fn run(&self, server: &Server) -> Result<Verdict, Failure> {
        let to_output = self.folder == Path::new("-");
        if to_output && io::stdout().is_terminal() {
            return Err(Failure::new("a zip file is not for a terminal").help("redirect it: … - > customer.zip"));
        }
        if !to_output && self.folder.read_dir().is_ok_and(|mut found| found.next().is_some()) {
            let message = format!("`{}` is not empty", self.folder.display());
            return Err(Failure::new(message).help("name a folder that is empty or absent"));
        }
        let archive = server.run(async |server| self.fetch(server).await)?;
        let unwritten = |error: io::Error| {
            Failure::new(format!("the export cannot be written to `{}`: {error}", self.folder.display()))
        };
        if to_output {
            io::stdout().write_all(&archive).map_err(unwritten)?;
            return Ok(Verdict::InOrder);
        }
        let files = unpack(archive, &self.folder).map_err(unwritten)?;
        say_labelled("exported", &format!("{}: {} in {}", self.id, counted(files, "file"), self.folder.display()));
        say_labelled("read first", &self.folder.join("index.html").display().to_string());
        Ok(Verdict::InOrder)
    }

    async fn fetch(&self, server: Connection) -> Result<Vec<u8>, Failure> {
        let (customer_id, language) = (self.id.clone(), self.language.clone());
        let request = ExportCustomerRequest { customer_id, portable_only: self.portable, language };
        let refused = |status| refused(&status);
        let mut parts = PrivacyServiceClient::new(server).export_customer(request).await.map_err(refused)?.into_inner();
        let mut archive = Vec::new();
        while let Some(part) = parts.message().await.map_err(refused)? {
            archive.extend(part.chunk);
        }
        Ok(archive)
    }
}

/// Writes the files of an archive beside the folder, and renames them when all are there. Returns how many they are.
fn unpack(archive: Vec<u8>, folder: &Path) -> io::Result<usize> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(io::Error::from)?;
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(above)?;
    let mut unfinished = tempfile::Builder::new();
    unfinished.prefix(".tactful-export-");
    // Only its owner may open it.
    #[cfg(unix)]
    unfinished.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let unfinished = unfinished.tempdir_in(above)?;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(io::Error::from)?;
        let name = file.enclosed_name().ok_or_else(|| io::Error::other("the archive names a file outside"))?;
        let path = unfinished.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        io::copy(&mut file, &mut File::create(path)?)?;
    }
    if folder.exists() {
        std::fs::remove_dir(folder)?;
    }
    std::fs::rename(unfinished.path(), folder)?;
    // It is not there any more under its old name.
    let _ = unfinished.keep();
    Ok(archive.len())
}
