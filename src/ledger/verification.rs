//! Whether a ledger is what it says: frames against each other, records against leaves, leaves against signed
//! checkpoints and published tiles.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::chain::Seen;
use super::content::{self, Content};
use super::inspection::{Held, Inspection};
use super::notary::HEAD;
use super::proof::{Checkpoint, LogFile, Tree, VerifyingKey};
use super::{Head, OpenError};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Size and root over every record.
    pub head: Head,
    /// Records that were opened and are what their leaves commit to.
    pub opened: u64,
    /// Records of erased customers, which nobody can open.
    pub erased: u64,
    /// Records that stayed closed because there is no keys folder.
    pub sealed: u64,
    /// Checkpoints that are signed and whose trees are the ledger's, with their sizes.
    pub checkpoints: Vec<(PathBuf, u64)>,
    /// Files of the published log that are what the records give.
    pub tiles: usize,
    /// A frame at the end that was never finished, and so never acknowledged.
    pub unfinished: Option<(PathBuf, usize)>,
    /// Everything that is not as it must be.
    pub wrong: Vec<String>,
}

/// Verifies a ledger against the key that signs it, and against checkpoints that were kept elsewhere.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(
    inspection: &Inspection,
    key: &VerifyingKey,
    kept: Vec<(PathBuf, String)>,
) -> Result<Verification, OpenError> {
    // The checkpoints first: what they cover was durable before, so it must be there whatever a server does meanwhile.
    let mut walk = Walk::new(inspection, key, kept)?;
    walk.check_heads();
    let read = inspection.read(1, |seen| {
        walk.take(seen);
        ControlFlow::Continue(())
    });
    walk.open_again()?;
    match read {
        Ok(unfinished) => {
            walk.check_missing();
            walk.found.unfinished = unfinished;
        }
        Err(damaged @ OpenError::Damaged { .. }) => walk.found.wrong.push(damaged.to_string()),
        Err(error) => return Err(error),
    }
    walk.found.head = head(&walk.tree);
    Ok(walk.found)
}

struct Walk<'i> {
    inspection: &'i Inspection,
    tree: Tree,
    checkpoints: Vec<(PathBuf, Checkpoint)>,
    /// How many records the published log covers.
    published: u64,
    /// Frames whose keys were not there, perhaps because they are new: where they stand.
    unopened: Vec<(u64, PathBuf, usize)>,
    found: Verification,
}

impl<'i> Walk<'i> {
    fn new(inspection: &'i Inspection, key: &VerifyingKey, kept: Vec<(PathBuf, String)>) -> Result<Self, OpenError> {
        let tree = Tree::default();
        let mut found = Verification {
            head: head(&tree),
            opened: 0,
            erased: 0,
            sealed: 0,
            checkpoints: Vec::new(),
            tiles: 0,
            unfinished: None,
            wrong: Vec::new(),
        };
        let published = inspection.checkpoint()?;
        let last = inspection.folders.keys.join(HEAD);
        let last = std::fs::read_to_string(&last).map(|note| (last, note)).ok().filter(|_| inspection.has_keys());
        let (mut checkpoints, mut covered) = (Vec::new(), 0);
        for (index, (path, note)) in [published].into_iter().chain(last).chain(kept).enumerate() {
            match Checkpoint::open(&note, key) {
                Ok(checkpoint) => {
                    covered = if index == 0 { checkpoint.size } else { covered };
                    checkpoints.push((path, checkpoint));
                }
                Err(error) => found.wrong.push(format!("`{}`: {error}", path.display())),
            }
        }
        Ok(Self { inspection, tree, checkpoints, published: covered, unopened: Vec::new(), found })
    }

    /// Takes a frame: its leaf into the tree, its record against the leaf.
    fn take(&mut self, seen: &Seen<'_>) {
        let full = self.tree.append(&seen.header.leaf);
        if self.tree.size() <= self.published {
            full.iter().for_each(|file| self.check_tile(file));
        }
        self.check_heads();
        let held = self.inspection.open(seen);
        self.check_record(seen, &held);
    }

    fn check_record(&mut self, seen: &Seen<'_>, held: &Held) {
        let (position, file, offset) = (seen.header.position, seen.file, seen.offset);
        match held {
            Held::Content(Content::Record(record, salt)) if content::leaf(record, salt) == seen.header.leaf => {
                self.found.opened += 1;
            }
            Held::Content(Content::Record(..)) => {
                self.wrong_at(file, offset, position, "is not what its leaf commits to")
            }
            Held::Content(Content::Damaged) => self.wrong_at(file, offset, position, "does not open with its key"),
            Held::Content(Content::NoKey) => self.unopened.push((position, file.to_owned(), offset)),
            Held::Erased => self.found.erased += 1,
            Held::Sealed => self.found.sealed += 1,
        }
    }

    fn wrong_at(&mut self, file: &Path, offset: usize, position: u64, what: &str) {
        self.found.wrong.push(format!("`{}` at byte {offset}: record {position} {what}", file.display()));
    }

    /// Opens with the keys of now what did not open with the keys of before: a customer may have come, or gone.
    fn open_again(&mut self) -> Result<(), OpenError> {
        if self.unopened.is_empty() {
            return Ok(());
        }
        let (unopened, now) = (std::mem::take(&mut self.unopened), self.inspection.again()?);
        let waiting = unopened.iter().map(|(position, ..)| *position);
        let (Some(first), Some(last)) = (waiting.clone().min(), waiting.max()) else { return Ok(()) };
        let read = now.read(first, |seen| {
            if unopened.iter().any(|(position, ..)| *position == seen.header.position) {
                self.check_record(seen, &now.open(seen));
            }
            if seen.header.position < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for (position, file, offset) in std::mem::take(&mut self.unopened) {
            self.wrong_at(&file, offset, position, "has no key, and nobody erased its customer");
        }
        read.map(drop)
    }

    /// Compares the tree with every checkpoint of its size.
    fn check_heads(&mut self) {
        let size = self.tree.size();
        for (path, checkpoint) in self.checkpoints.iter().filter(|(_, checkpoint)| checkpoint.size == size) {
            if checkpoint.root == self.tree.root() {
                self.found.checkpoints.push((path.clone(), size));
            } else {
                let (path, found, signed) = (path.display(), head(&self.tree), checkpoint.root);
                self.found.wrong.push(format!("`{path}` signs the root {signed}, but there are {found}"));
            }
        }
        if size == self.published {
            self.tree.partial_files(0).iter().for_each(|file| self.check_tile(file));
        }
    }

    /// What is signed must be there.
    fn check_missing(&mut self) {
        let size = self.tree.size();
        for (path, checkpoint) in self.checkpoints.iter().filter(|(_, checkpoint)| checkpoint.size > size) {
            let (path, signed) = (path.display(), checkpoint.size);
            self.found.wrong.push(format!("`{path}` is signed for {signed} records, and there are only {size}"));
        }
    }

    /// Compares a file of the published log with what the records give. A partial tile may have given way to the full
    /// one, which begins with it.
    fn check_tile(&mut self, file: &LogFile) {
        let log = &self.inspection.folders.log;
        let path = log.join(&file.path);
        let read = match (std::fs::read(&path), file.path.split_once(".p/")) {
            (Err(error), Some((full, _))) if error.kind() == io::ErrorKind::NotFound => std::fs::read(log.join(full))
                .map(|mut bytes| {
                    bytes.truncate(file.bytes.len());
                    bytes
                }),
            (read, _) => read,
        };
        match read {
            Ok(bytes) if bytes == file.bytes => self.found.tiles += 1,
            Ok(_) => self.found.wrong.push(format!("`{}` is not what the records give", path.display())),
            Err(error) => self.found.wrong.push(format!("`{}`: {error}", path.display())),
        }
    }
}

fn head(tree: &Tree) -> Head {
    Head { size: tree.size(), root: tree.root() }
}

#[cfg(test)]
mod tests {
    use super::super::customer_keys;
    use super::super::disk::RealDisk;
    use super::super::frame::{self, Link};
    use super::super::recovery::CUSTOMER_KEYS;
    use super::super::secrets::Secrets;
    use super::super::{FileLedger, Ledger as _, LedgerSettings, erasure, payload, seal, segment};
    use super::*;
    use crate::domain::time::Moment;

    /// No reader but this one opens every record and compares it: whoever has the keys could write another text than
    /// the one whose leaf is signed.
    #[test]
    fn a_record_that_is_not_what_its_leaf_commits_to_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let settings = LedgerSettings::of(&folder.path().join("data"));
        let folders = settings.folders();
        let mut record = erasure::record(1, Moment(0));
        record.customer = "anna".into();
        let ledger = FileLedger::open(&settings).unwrap().ledger;
        ledger.append(&[record.clone()]).unwrap();
        drop(ledger);

        let inspection = Inspection::of(&settings).unwrap();
        let mut header = None;
        let mut keep = |seen: &Seen<'_>| {
            header = Some(seen.header);
            ControlFlow::Continue(())
        };
        inspection.read(1, &mut keep).unwrap();
        let header = header.unwrap();
        let secrets = Secrets::read(&RealDisk, &folders.keys).unwrap().unwrap();
        let blocks = customer_keys::read(&RealDisk, &folders.ledger.join(CUSTOMER_KEYS), &secrets).unwrap();
        let (_, key) = blocks.iter().flat_map(|(_, block)| block).find(|(name, _)| *name == header.key).unwrap();
        record.customer = "bea".into();
        let sealed = seal::seal(&header, key, &payload::write(&record).unwrap()).unwrap();
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &header, &sealed, &Link::default());
        std::fs::write(segment::path(&folders.ledger, 1), bytes).unwrap();

        let (_, text) = inspection.published_key().unwrap();
        let found = verify(&inspection, &VerifyingKey::parse(text.trim_end()).unwrap(), Vec::new()).unwrap();
        assert_eq!(found.wrong.len(), 1, "{:?}", found.wrong);
        assert!(found.wrong[0].ends_with("at byte 0: record 1 is not what its leaf commits to"), "{:?}", found.wrong);
    }
}
