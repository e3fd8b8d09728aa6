//! The audit log on disk: one line of JSON for each privileged call, appended and synced before the call acts. Entries
//! that wait are synced together. Of a customer there is a pseudonym only, made with a key that lies elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::identity::tokens::hex;
use crate::clock::Clock;
use crate::grpc::audit::{AuditEntry, AuditLog};

/// The name of the thread that writes.
const THREAD: &str = "audit";
/// The file that is appended to.
pub const CURRENT: &str = "audit.jsonl";
/// How long a file may become, in bytes, until the next is begun.
const LONGEST: u64 = 64 * 1024 * 1024;
/// How many earlier files are kept.
const KEPT: usize = 32;

/// A key that makes pseudonyms.
pub type Key = [u8; 32];

/// The pseudonym of a customer: without the key it tells nothing, with it the lines of a customer are found.
#[must_use]
pub fn pseudonym(key: &Key, customer: &str) -> String {
    // A key of any length is accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(customer.as_bytes());
    hex(&mac.finalize().into_bytes().into())
}

/// Reads the key of a file, or makes one.
///
/// # Errors
/// When it can be neither read nor made.
pub fn read_key(path: &Path) -> io::Result<Key> {
    if let Ok(bytes) = fs::read(path) {
        return bytes.try_into().map_err(|_| io::Error::other("it has not 32 bytes"));
    }
    let mut key = Key::default();
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

/// A line and who waits for it.
type Waiting = (String, oneshot::Sender<()>);

/// The audit log of a folder.
#[derive(Debug)]
pub struct AuditFile {
    lines: Sender<Waiting>,
    thread: JoinHandle<()>,
    key: Key,
    clock: Clock,
}

impl AuditFile {
    /// Opens the log in a folder, which is created if needed, and starts the thread that writes it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(folder: &Path, key: Key, clock: Clock) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut writer = Writer::open(folder.to_owned())?;
        let (lines, waiting) = channel();
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || writer.run(&waiting))?;
        Ok(Self { lines, thread, key, clock })
    }
}

#[tonic::async_trait]
impl AuditLog for AuditFile {
    async fn keep(&self, entry: AuditEntry) -> bool {
        let AuditEntry { caller, method, customer } = entry;
        let customer = if customer.is_empty() { String::new() } else { pseudonym(&self.key, &customer) };
        let at = self.clock.now().to_string();
        let line = json!({"at": at, "caller": caller, "method": method, "customer": customer});
        let (reply, kept) = oneshot::channel();
        self.lines.send((format!("{line}\n"), reply)).is_ok() && kept.await.is_ok()
    }

    fn ended_thread(&self) -> Option<&'static str> {
        self.thread.is_finished().then_some(THREAD)
    }
}

/// The thread that writes.
struct Writer {
    folder: PathBuf,
    file: File,
    length: u64,
}

impl Writer {
    fn open(folder: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(folder.join(CURRENT))?;
        let length = file.metadata()?.len();
        // The name of a new file must survive a power cut as its lines do.
        File::open(&folder)?.sync_all()?;
        Ok(Self { folder, file, length })
    }

    fn run(&mut self, waiting: &Receiver<Waiting>) {
        while let Ok(first) = waiting.recv() {
            let together: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
            match self.write(&together) {
                Ok(()) => {
                    for (_, reply) in together {
                        // A caller who has gone away is not told.
                        _ = reply.send(());
                    }
                }
                Err(error) => tracing::error!(%error, "the audit log cannot be written; privileged calls are refused"),
            }
        }
    }

    fn write(&mut self, waiting: &[Waiting]) -> io::Result<()> {
        if self.length >= LONGEST {
            self.begin_next()?;
        }
        let lines: String = waiting.iter().map(|(line, _)| line.as_str()).collect();
        // A line that was cut off by an error must not swallow the next one.
        let whole = self.file.metadata()?.len() == self.length;
        let lines = if whole { lines } else { format!("\n{lines}") };
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()?;
        self.length = self.file.metadata()?.len();
        Ok(())
    }

    /// Puts the file aside and begins another; removes the oldest.
    fn begin_next(&mut self) -> io::Result<()> {
        let mut earlier = earlier(&self.folder)?;
        let number = earlier.last().map_or(1, |(number, _)| number.saturating_add(1));
        let aside = self.folder.join(format!("audit-{number:08}.jsonl"));
        fs::rename(self.folder.join(CURRENT), &aside)?;
        earlier.push((number, aside));
        let too_many = earlier.len().saturating_sub(KEPT);
        for (_, path) in earlier.iter().take(too_many) {
            fs::remove_file(path)?;
        }
        *self = Self::open(self.folder.clone())?;
        Ok(())
    }
}

/// The files that were put aside, oldest first, with their numbers.
fn earlier(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = name.strip_prefix("audit-").and_then(|rest| rest.strip_suffix(".jsonl")?.parse().ok());
        files.extend(number.map(|number| (number, path)));
    }
    files.sort_unstable();
    Ok(files)
}

/// Every file of the log, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files = earlier(folder)?.into_iter().map(|(_, path)| path);
    Ok(files.chain(std::iter::once(folder.join(CURRENT)).filter(|path| path.exists())).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::time::Moment;

    fn entry(customer: &str) -> AuditEntry {
        AuditEntry { caller: "dpo".into(), method: "PrivacyService/EraseCustomer", customer: customer.into() }
    }

    #[tokio::test]
    async fn an_entry_is_in_the_file_when_the_call_goes_on_and_names_no_customer() {
        let folder = tempfile::tempdir().unwrap();
        let key = read_key(&folder.path().join("key")).unwrap();
        assert_eq!(read_key(&folder.path().join("key")).unwrap(), key);
        let clock = Clock(Arc::new(|| Moment(0)));
        let log = AuditFile::open(&folder.path().join("audit"), key, clock).unwrap();
        assert!(log.keep(entry("anna")).await && log.keep(entry("")).await);
        let text = fs::read_to_string(folder.path().join("audit").join(CURRENT)).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["customer"], pseudonym(&key, "anna").as_str());
        assert_eq!((lines[0]["caller"].as_str(), lines[1]["customer"].as_str()), (Some("dpo"), Some("")));
        assert!(!text.contains("anna") && lines.len() == 2, "{text}");
    }

    #[test]
    fn a_long_file_is_put_aside_and_the_oldest_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=KEPT {
            fs::write(folder.path().join(format!("audit-{number:08}.jsonl")), "old\n").unwrap();
        }
        let mut writer = Writer::open(folder.path().to_owned()).unwrap();
        let write = |writer: &mut Writer| writer.write(&[("{}\n".into(), oneshot::channel().0)]).unwrap();
        write(&mut writer);
        writer.length = LONGEST;
        write(&mut writer);
        let files = files(folder.path()).unwrap();
        assert_eq!(files.len(), KEPT + 1);
        assert!(!folder.path().join("audit-00000001.jsonl").exists());
        assert!(files.iter().any(|path| path.ends_with(format!("audit-{:08}.jsonl", KEPT + 1))));
    }
}
