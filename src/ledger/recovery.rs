//! Opening a ledger: what its files hold, what is mended, and what is refused.
//!
//! Mended are a last frame whose writing was cut short, files that follow from the frames, and keys that an older copy
//! brought back. Anything else leaves the files as they are, and the ledger closed.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::book::Book;
use super::customer_keys::{KeyBlocks, KeyName};
use super::disk::{Disk, RealDisk, replace};
use super::frame::Link;
use super::notary::{HEAD, LogFolders, VERIFYING_KEY};
use super::past::Past;
use super::proof::{Checkpoint, Leaf, LogFile, SigningKey, Tree};
use super::register::{Erased, Register};
use super::scan::Scan;
use super::secrets::{Secrets, hex, random};
use super::segment;
use super::vault::Vault;
use super::{Head, LedgerSettings, Mended, OpenError};

/// The file that keeps other processes off.
const LOCK: &str = "lock";
/// The log's signing key, inside the keys folder.
const SIGNING_KEY: &str = "signing-key";
/// The folder of logs that were given up for a new one, inside the keys folder.
const EARLIER: &str = "earlier";
/// The folder of customer keys, inside the ledger's folder.
pub const CUSTOMER_KEYS: &str = "keys";

/// Everything that was found.
pub struct Recovered {
    /// Whose frames stand where.
    pub book: Book,
    /// What the records say together.
    pub past: Past,
    /// The hash of the last frame.
    pub previous: Link,
    /// First position and length of the last segment.
    pub last: Option<(u64, u64)>,
    /// The tree over every leaf, and files of the log that are not what it gives.
    pub log: (Tree, Vec<LogFile>),
    /// What was mended.
    pub mended: Vec<Mended>,
    /// The ledger's own secrets.
    pub secrets: Secrets,
    /// The log's signing key.
    pub key: SigningKey,
    /// Customer keys.
    pub blocks: KeyBlocks,
    /// The register of erasures.
    pub register: Register,
}

/// Says which file a disk's error is about.
pub fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Disk { path: path.clone(), error }
}

/// Reads and checks everything.
///
/// # Errors
/// When the disk refuses, or something is not as it was written.
pub fn recover(disk: &Arc<dyn Disk>, settings: &LedgerSettings, folders: &LogFolders) -> Result<Recovered, OpenError> {
    let names = disk.names(&folders.ledger).map_err(at(&folders.ledger))?;
    let firsts: Vec<u64> = names.iter().filter_map(|name| segment::first(name)).collect();
    let (mut secrets, mut key, new_log) = open_keys(&**disk, &folders.keys, firsts.is_empty())?;
    let (mut register, registered) = Register::open(&**disk, &folders.keys)?;
    let customer_keys = folders.ledger.join(CUSTOMER_KEYS);
    let (mut blocks, keys) = KeyBlocks::open(Arc::clone(disk), customer_keys.clone(), &secrets)?;
    let heads = read_heads(&**disk, settings, &key, new_log || firsts.is_empty());
    let mut growth = Growth::new(&**disk, &folders.log, heads);
    let mut scan = Scan::new(&**disk, &folders.ledger, Book::new(keys), &registered);
    scan.read(&firsts, |leaf| growth.take(leaf))?;
    let Scan { mut book, owners, past, erasures, previous, last, torn, .. } = scan;
    // Nothing is written, and no key replaced, before it is certain that this is the newest copy of the right ledger.
    let Growth { tree, unwritten, damaged: mut mended, other_head, .. } = growth.end();
    match other_head {
        None => {}
        Some(OpenError::OtherHead { .. } | OpenError::Head { .. }) if settings.accept_older => {
            let kept = folders.keys.join(EARLIER).join(key.name());
            key = begin_new_log(&**disk, (&folders.keys, &kept), &key)?;
            mended.push(Mended::NewLog(kept));
        }
        Some(error) => return Err(error),
    }

    let unregistered: Vec<Erased> = erasures.into_iter().filter(|erased| !registered.contains(erased)).collect();
    register.add(&unregistered).map_err(at(&folders.keys))?;
    let erased = [registered, unregistered].concat();
    let back: Vec<KeyName> =
        erased.iter().map(|erased| erased.key).filter(|key| book.keys().contains_key(key)).collect();
    if !back.is_empty() {
        blocks.shred(&back, book.keys(), &secrets).map_err(at(&customer_keys))?;
        mended.push(Mended::ErasedAgain(back.len()));
    }
    book.begin(owners, &erased);
    if secrets.is_rotating() {
        Vault::rewrap(disk, &settings.data, &secrets)?;
        let rewrapped = blocks.rewrap(book.keys(), &secrets).and_then(|()| secrets.end_rotation(&**disk));
        rewrapped.map_err(at(&customer_keys))?;
    }
    if let Some(torn) = torn {
        mended.push(torn.cut(&**disk)?);
    }
    let log = (tree, unwritten);
    Ok(Recovered { book, past, previous, last, log, mended, secrets, key, blocks, register })
}

/// The secrets, the signing key, and whether that is new. New secrets only where there is no ledger yet.
fn open_keys(disk: &dyn Disk, folder: &Path, new: bool) -> Result<(Secrets, SigningKey, bool), OpenError> {
    create_folders(disk, folder)?;
    let secrets = match Secrets::read(disk, folder)? {
        Some(secrets) => secrets,
        None if new => Secrets::create(disk, folder).map_err(at(folder))?,
        None => return Err(OpenError::KeysMissing(folder.to_owned())),
    };
    let path = folder.join(SIGNING_KEY);
    let found = read_if_there(disk, &path)?.map(zeroize::Zeroizing::new);
    let new_log = found.is_none();
    let key = match found {
        Some(text) => {
            let key = std::str::from_utf8(&text).ok().and_then(|text| SigningKey::parse(text.trim_end()).ok());
            key.ok_or(OpenError::Damaged { path, at: 0, records: 0, what: "it is not a signing key" })?
        }
        // Without the key that signed it, a head means nothing: an operator takes both away, or neither.
        None if read_if_there(disk, &folder.join(HEAD))?.is_some() => return Err(OpenError::KeysMissing(path)),
        None => create_signing_key(disk, &path).map_err(at(&path))?,
    };
    disk.sync_folder(folder).map_err(at(folder))?;
    Ok((secrets, key, new_log))
}

fn read_if_there(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

fn create_signing_key(disk: &dyn Disk, path: &Path) -> io::Result<SigningKey> {
    let name = format!("tactful-ledger-{}", hex(&*random::<8>()?));
    let key = SigningKey::new(&name, &*random()?).map_err(io::Error::other)?;
    let text = zeroize::Zeroizing::new(key.secret_text() + "\n");
    replace(disk, path, text.as_bytes())?;
    Ok(key)
}

/// Gives a ledger a new signing key, because no log may sign two histories. Head and key of the old log are kept. If this
/// is cut short, the old head does not fit the new key, and the ledger stays closed.
fn begin_new_log(disk: &dyn Disk, (keys, kept): (&Path, &Path), old: &SigningKey) -> Result<SigningKey, OpenError> {
    create_folders(disk, kept)?;
    let keep = |name| replace(disk, &kept.join(name), &zeroize::Zeroizing::new(disk.read(&keys.join(name))?));
    [SIGNING_KEY, HEAD].into_iter().try_for_each(keep).map_err(at(kept))?;
    let public = format!("{}\n", old.verifying_key());
    replace(disk, &kept.join(VERIFYING_KEY), public.as_bytes()).map_err(at(kept))?;
    let path = keys.join(SIGNING_KEY);
    create_signing_key(disk, &path).map_err(at(&path))
}

/// Keeps other processes off a ledger's folder, as long as what comes back lives.
///
/// # Errors
/// When the disk refuses, or another process has it.
pub fn lock(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    let lock = disk.lock(&folder.join(LOCK)).map_err(at(folder))?;
    lock.ok_or_else(|| OpenError::InUse(folder.to_owned()))
}

/// Keeps every server off a data folder that has a ledger, as long as what comes back lives.
///
/// # Errors
/// When the disk refuses, or another process has it.
pub fn lock_out(settings: &LedgerSettings) -> Result<Option<Box<dyn Any + Send + Sync>>, OpenError> {
    let folder = settings.folders().ledger;
    folder.exists().then(|| lock(&RealDisk, &folder)).transpose()
}

/// Makes a folder and those above it, and their names durable.
///
/// # Errors
/// When the disk refuses.
pub fn create_folders(disk: &dyn Disk, folder: &Path) -> Result<(), OpenError> {
    let above: Vec<&Path> = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    let create = |folder: &Path| match disk.create_folder(folder)? {
        true => disk.sync_folder(folder.parent().filter(|above| *above != "").unwrap_or(Path::new("."))),
        false => Ok(()),
    };
    above.into_iter().rev().try_for_each(|folder| create(folder).map_err(at(folder)))
}

/// The heads that the ledger must contain: the last that it signed, and the one that the operator knows.
fn read_heads(
    disk: &dyn Disk,
    settings: &LedgerSettings,
    key: &SigningKey,
    new_log: bool,
) -> Result<Vec<Checkpoint>, OpenError> {
    let path = settings.keys.join(HEAD);
    let kept = match read_if_there(disk, &path)? {
        Some(bytes) => Some((path, String::from_utf8_lossy(&bytes).into_owned())),
        None if new_log => None,
        None => return Err(OpenError::KeysMissing(path)),
    };
    let open = |(path, note): (PathBuf, String)| {
        Checkpoint::open(&note, &key.verifying_key()).map_err(|error| OpenError::Head { path, error })
    };
    kept.into_iter().chain(settings.expected_head.clone()).map(open).collect()
}

/// The tree as it grows over every leaf. It must have these heads.
struct Growth<'d> {
    disk: &'d dyn Disk,
    log: &'d Path,
    heads: Vec<Checkpoint>,
    tree: Tree,
    /// Files of the log that must be written, since they are missing or damaged.
    unwritten: Vec<LogFile>,
    damaged: Vec<Mended>,
    /// The first head that it does not have, or that counts for nothing.
    other_head: Option<OpenError>,
}

impl<'d> Growth<'d> {
    fn new(disk: &'d dyn Disk, log: &'d Path, heads: Result<Vec<Checkpoint>, OpenError>) -> Self {
        let (heads, other_head) = heads.map_or_else(|error| (Vec::new(), Some(error)), |heads| (heads, None));
        let tree = Tree::default();
        let mut growth = Self { disk, log, heads, tree, unwritten: Vec::new(), damaged: Vec::new(), other_head };
        growth.check_heads();
        growth
    }

    fn take(&mut self, leaf: &Leaf) -> Result<(), OpenError> {
        for file in self.tree.append(leaf) {
            let path = self.log.join(&file.path);
            match read_if_there(self.disk, &path)? {
                Some(bytes) if bytes == file.bytes => continue,
                Some(_) => self.damaged.push(Mended::LogFile(path)),
                None => {}
            }
            self.unwritten.push(file);
        }
        self.check_heads();
        Ok(())
    }

    /// There are no more leaves: heads that have not come by now are not there.
    fn end(mut self) -> Self {
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
    let found = Head { size: tree.size(), root: tree.root() };
    OpenError::OtherHead { found, signed: Head { size: head.size, root: head.root } }
}
