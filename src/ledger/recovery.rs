//! Opens a ledger: reads and checks all its files, and repairs or refuses.
//!
//! Three faults are repaired: a torn last frame, missing or damaged files that are derived from the frames, and keys of
//! erased customers that an older copy of the data folder has brought back. After any other fault the files stay
//! unchanged and the ledger stays closed.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::customer_keys::KeyBlocks;
use super::data_folder::VERIFYING_KEY;
use super::disk::{Disk, RealDisk, replace};
use super::erasure_register::{self, ErasureRegister, RegisteredErasure};
use super::file_key;
use super::folder::{create_folders, lock, read_if_exists};
use super::frame::Link;
use super::frame_index::FrameIndex;
use super::proof::{Checkpoint, Leaf, LogFile, SigningKey, Tree, TreeHead};
use super::record_summary::RecordSummary;
use super::scan::FrameScan;
use super::secrets::{Secrets, hex, random};
use super::segment::{self, LastSegment};
use super::signer::HEAD;
use super::vault::Vault;
use super::{KeyName, LedgerSettings, OpenError, Repair};
use crate::io_at::AtPath as _;

/// The log's signing key, inside the keys folder.
const SIGNING_KEY: &str = "signing-key";
/// The folder of the keys of earlier logs, inside the keys folder.
const EARLIER: &str = "earlier";

/// The state of a ledger that was read and repaired.
pub struct RecoveredLedger {
    pub index: FrameIndex,
    pub summary: RecordSummary,
    /// The hash of the last frame.
    pub previous: Link,
    /// The segment to append to.
    pub last: Option<LastSegment>,
    /// The Merkle tree over all leaves.
    pub tree: Tree,
    /// Files of the published log that are missing or damaged.
    pub unwritten: Vec<LogFile>,
    pub repairs: Vec<Repair>,
    pub secrets: Secrets,
    /// The log's signing key.
    pub key: SigningKey,
    /// The customer keys.
    pub blocks: KeyBlocks,
    pub register: ErasureRegister,
}

/// Reads, checks and repairs the files of a ledger.
///
/// # Errors
/// When the disk fails, or a fault cannot be repaired.
pub fn recover(disk: &Arc<dyn Disk>, settings: &LedgerSettings) -> Result<RecoveredLedger, OpenError> {
    let (data, keys_folder) = (settings.data_folder(), &settings.keys);
    let (ledger, customer_keys) = (data.ledger(), data.record_keys());
    let names = disk.file_names(&ledger).at(&ledger)?;
    let firsts: Vec<u64> = names.iter().filter_map(|name| segment::first(name)).collect();
    let (mut secrets, mut key, new_log) = open_keys(&**disk, keys_folder, firsts.is_empty())?;
    let (mut register, registered) = ErasureRegister::open(&**disk, keys_folder)?;
    let (mut blocks, keys) = KeyBlocks::open(Arc::clone(disk), customer_keys.clone(), &secrets)?;
    let heads = read_heads(&**disk, settings, &key, new_log || firsts.is_empty());
    let mut log = LogCheck::new(&**disk, data.log(), heads);
    let mut scan = FrameScan::new(&**disk, &ledger, FrameIndex::new(keys), &registered);
    scan.read(&firsts, |leaf| log.append(leaf))?;
    let FrameScan { mut index, owners, summary, erasures, previous, last, torn, .. } = scan;
    // Checked before anything is written or a key replaced: this is the latest copy of the right ledger.
    let LogCheck { tree, unwritten, mut repairs, other_head, .. } = log.finish();
    if new_log && !firsts.is_empty() {
        repairs.push(Repair::NewKey(keys_folder.join(SIGNING_KEY)));
    }
    match other_head {
        None => {}
        Some(OpenError::OtherHead { .. } | OpenError::Head { .. }) if settings.accept_older => {
            let archive = keys_folder.join(EARLIER).join(key.name());
            key = begin_new_log(&**disk, keys_folder, &archive, &key)?;
            repairs.push(Repair::NewLog(archive));
        }
        Some(error) => return Err(error),
    }

    let unregistered: Vec<RegisteredErasure> =
        erasures.into_iter().filter(|erased| !registered.contains(erased)).collect();
    register.add(&unregistered).at(keys_folder)?;
    let erased = [registered, unregistered].concat();
    let restored: Vec<KeyName> =
        erased.iter().map(|erased| erased.key).filter(|key| index.keys().contains_key(key)).collect();
    if !restored.is_empty() {
        blocks.shred(&restored, index.keys(), &secrets).at(&customer_keys)?;
        repairs.push(Repair::ErasedAgain(restored.len()));
    }
    index.load_records(owners, &erased);
    if secrets.is_rotating() {
        Vault::rewrap(disk, &data, &secrets)?;
        file_key::rewrap_all(&data, &secrets)?;
        let rewrapped = blocks.rewrap(index.keys(), &secrets).and_then(|()| secrets.end_rotation(&**disk));
        rewrapped.at(&customer_keys)?;
    }
    if let Some(torn) = torn {
        repairs.push(torn.cut_off(&**disk)?);
    }
    Ok(RecoveredLedger { index, summary, previous, last, tree, unwritten, repairs, secrets, key, blocks, register })
}

/// The secrets, the signing key, and whether the signing key is new. Secrets are created only if there is no ledger yet
/// (`new`).
pub fn open_keys(disk: &dyn Disk, folder: &Path, new: bool) -> Result<(Secrets, SigningKey, bool), OpenError> {
    create_folders(disk, folder)?;
    let secrets = match Secrets::read(disk, folder)? {
        Some(secrets) => secrets,
        None if new => Secrets::create(disk, folder).at(folder)?,
        None => return Err(OpenError::KeysMissing(Secrets::path(folder))),
    };
    let path = folder.join(SIGNING_KEY);
    let found = read_signing_key(disk, &path)?;
    let new_log = found.is_none();
    let key = match found {
        Some(key) => key,
        // Without the key that signed it, a head cannot be verified: an operator must remove both files or neither.
        None if read_if_exists(disk, &folder.join(HEAD))?.is_some() => return Err(OpenError::KeysMissing(path)),
        None => create_signing_key(disk, &path).at(&path)?,
    };
    disk.sync_folder(folder).at(folder)?;
    Ok((secrets, key, new_log))
}

fn read_signing_key(disk: &dyn Disk, path: &Path) -> Result<Option<SigningKey>, OpenError> {
    let Some(text) = read_if_exists(disk, path)?.map(zeroize::Zeroizing::new) else { return Ok(None) };
    let key = std::str::from_utf8(&text).ok().and_then(|text| SigningKey::parse(text.trim_end()).ok());
    let damaged = || OpenError::Damaged { path: path.to_owned(), at: 0, records: 0, what: "it is not a signing key" };
    key.map(Some).ok_or_else(damaged)
}

/// What is wrong with the keys folder of a ledger. Nothing is changed.
///
/// # Errors
/// When the ledger's folder cannot be read.
pub fn inspect_keys(settings: &LedgerSettings) -> Result<Vec<OpenError>, OpenError> {
    let ledger = settings.data_folder().ledger();
    let names = RealDisk.file_names(&ledger).at(&ledger)?;
    // Then a start creates what is missing.
    let is_empty = !names.iter().any(|name| segment::first(name).is_some());
    let (keys, missing) = (&settings.keys, |path| Some(OpenError::KeysMissing(path)));
    let secrets = match Secrets::read(&RealDisk, keys) {
        Ok(Some(_)) => None,
        Ok(None) => missing(Secrets::path(keys)),
        Err(error) => Some(error),
    };
    let signing_key = keys.join(SIGNING_KEY);
    let head = match read_signing_key(&RealDisk, &signing_key) {
        Ok(Some(key)) => read_heads(&RealDisk, settings, &key, false).err(),
        Ok(None) => missing(signing_key),
        Err(error) => Some(error),
    };
    let register = erasure_register::read(&RealDisk, keys).err();
    let found = secrets.into_iter().chain(head).chain(register);
    Ok(found.filter(|error| !(is_empty && matches!(error, OpenError::KeysMissing(_)))).collect())
}

fn create_signing_key(disk: &dyn Disk, path: &Path) -> io::Result<SigningKey> {
    let name = format!("tactful-ledger-{}", hex(&*random::<8>()?));
    let key = SigningKey::new(&name, &*random()?).map_err(io::Error::other)?;
    let text = zeroize::Zeroizing::new(key.secret_text() + "\n");
    replace(disk, path, text.as_bytes())?;
    Ok(key)
}

/// Replaces the signing key, because one log must not sign two histories. The head and the keys of the old log are
/// copied to `archive`. If this is interrupted, the old head does not match the new key, and the ledger stays closed.
fn begin_new_log(disk: &dyn Disk, keys: &Path, archive: &Path, old: &SigningKey) -> Result<SigningKey, OpenError> {
    create_folders(disk, archive)?;
    let copy = |name| replace(disk, &archive.join(name), &zeroize::Zeroizing::new(disk.read(&keys.join(name))?));
    [SIGNING_KEY, HEAD].into_iter().try_for_each(copy).at(archive)?;
    let public = format!("{}\n", old.verifying_key());
    replace(disk, &archive.join(VERIFYING_KEY), public.as_bytes()).at(archive)?;
    let path = keys.join(SIGNING_KEY);
    Ok(create_signing_key(disk, &path).at(&path)?)
}

/// Locks the ledger of a data folder against other processes until the result is dropped; `None` if the data folder has
/// no ledger.
///
/// # Errors
/// When the disk fails, or another process has the lock.
pub fn lock_ledger(settings: &LedgerSettings) -> Result<Option<Box<dyn Any + Send + Sync>>, OpenError> {
    let folder = settings.data_folder().ledger();
    folder.exists().then(|| lock(&RealDisk, &folder)).transpose()
}

/// The heads that the ledger must contain: the last one that it signed, and the one that the operator expects.
fn read_heads(
    disk: &dyn Disk,
    settings: &LedgerSettings,
    key: &SigningKey,
    new_log: bool,
) -> Result<Vec<Checkpoint>, OpenError> {
    let path = settings.keys.join(HEAD);
    let last = match read_if_exists(disk, &path)? {
        Some(bytes) => Some((path, String::from_utf8_lossy(&bytes).into_owned())),
        None if new_log => None,
        None => return Err(OpenError::KeysMissing(path)),
    };
    let open = |(path, note): (PathBuf, String)| {
        Checkpoint::open(&note, &key.verifying_key()).map_err(|error| OpenError::Head { path, error })
    };
    last.into_iter().chain(settings.expected_head.clone()).map(open).collect()
}

/// Rebuilds the Merkle tree from the leaves, and compares it with the heads and with the files of the published log.
struct LogCheck<'d> {
    disk: &'d dyn Disk,
    log: PathBuf,
    heads: Vec<Checkpoint>,
    tree: Tree,
    /// Files of the log that are missing or damaged.
    unwritten: Vec<LogFile>,
    /// The damaged ones of them.
    repairs: Vec<Repair>,
    /// The first head that cannot be verified or that the tree does not have.
    other_head: Option<OpenError>,
}

impl<'d> LogCheck<'d> {
    fn new(disk: &'d dyn Disk, log: PathBuf, heads: Result<Vec<Checkpoint>, OpenError>) -> Self {
        let (heads, other_head) = heads.map_or_else(|error| (Vec::new(), Some(error)), |heads| (heads, None));
        let tree = Tree::default();
        let mut check = Self { disk, log, heads, tree, unwritten: Vec::new(), repairs: Vec::new(), other_head };
        check.check_heads();
        check
    }

    fn append(&mut self, leaf: &Leaf) -> Result<(), OpenError> {
        for file in self.tree.append(leaf) {
            let path = self.log.join(&file.path);
            match read_if_exists(self.disk, &path)? {
                Some(bytes) if bytes == file.bytes => continue,
                Some(_) => self.repairs.push(Repair::LogFile(path)),
                None => {}
            }
            self.unwritten.push(file);
        }
        self.check_heads();
        Ok(())
    }

    /// Ends the check: heads that are larger than the tree are missing.
    fn finish(mut self) -> Self {
        let later = self.heads.iter().find(|head| head.size > self.tree.size());
        self.other_head = self.other_head.or_else(|| later.map(|head| other_head(&self.tree, head)));
        self
    }

    fn check_heads(&mut self) {
        let differs = |head: &&Checkpoint| head.size == self.tree.size() && head.root != self.tree.root();
        if let Some(head) = self.heads.iter().find(differs) {
            self.other_head.get_or_insert_with(|| other_head(&self.tree, head));
        }
    }
}

fn other_head(tree: &Tree, head: &Checkpoint) -> OpenError {
    OpenError::OtherHead { found: tree.head(), signed: TreeHead { size: head.size, root: head.root } }
}
