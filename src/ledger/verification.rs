//! Verifies a ledger: the chain of frames, records against leaves, and leaves against signed checkpoints and published
//! tiles.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::chain::FrameRef;
use super::content::{self, Content};
use super::inspection::{Inspection, StoredRecord};
use super::nonce_list::NonceList;
use super::proof::{Checkpoint, LogFile, Tree, TreeHead, VerifyingKey};
use super::signer::HEAD;

/// The result of verifying a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The head over all records.
    pub head: TreeHead,
    /// The number of decrypted records that match their leaves.
    pub opened: u64,
    /// The number of records of erased customers, which cannot be decrypted.
    pub erased: u64,
    /// The number of records that were not decrypted because the keys folder is missing.
    pub sealed: u64,
    /// The signed checkpoints that the ledger contains, with their sizes.
    pub checkpoints: Vec<(PathBuf, u64)>,
    /// The number of files of the published log that match the records.
    pub tiles: usize,
    /// The file and the offset of a torn last frame, which was never acknowledged.
    pub torn: Option<(PathBuf, usize)>,
    /// Descriptions of everything that is wrong; empty if the ledger is intact.
    pub problems: Vec<String>,
}

/// Verifies a ledger against the key that signs it, and against further checkpoints, each with its file.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(
    inspection: &Inspection,
    key: &VerifyingKey,
    checkpoints: Vec<(PathBuf, String)>,
) -> Result<Verification, OpenError> {
    // Checkpoints are read before frames: what they cover must exist, whatever a server appends meanwhile.
    let mut verifier = Verifier::new(inspection, key, checkpoints)?;
    verifier.check_heads();
    let read = inspection.read(1, |frame| {
        verifier.add_frame(frame);
        ControlFlow::Continue(())
    });
    verifier.retry_without_key()?;
    if let Some((first, second)) = std::mem::take(&mut verifier.nonces).repeated() {
        verifier.result.problems.push(format!("frame {second} is frame {first} a second time"));
    }
    match read {
        Ok(torn) => {
            verifier.check_missing();
            verifier.result.torn = torn;
        }
        Err(damaged @ OpenError::Damaged { .. }) => verifier.result.problems.push(damaged.to_string()),
        Err(error) => return Err(error),
    }
    verifier.result.head = verifier.tree.head();
    Ok(verifier.result)
}

struct Verifier<'i> {
    inspection: &'i Inspection,
    tree: Tree,
    nonces: NonceList,
    checkpoints: Vec<(PathBuf, Checkpoint)>,
    /// The number of records that the published checkpoint covers.
    published: u64,
    /// Position, file and offset of frames whose keys were missing, perhaps because they were added meanwhile.
    without_key: Vec<(u64, PathBuf, usize)>,
    result: Verification,
}

impl<'i> Verifier<'i> {
    fn new(inspection: &'i Inspection, key: &VerifyingKey, further: Vec<(PathBuf, String)>) -> Result<Self, OpenError> {
        let tree = Tree::default();
        let mut result = Verification {
            head: tree.head(),
            opened: 0,
            erased: 0,
            sealed: 0,
            checkpoints: Vec::new(),
            tiles: 0,
            torn: None,
            problems: Vec::new(),
        };
        let published = inspection.checkpoint()?;
        let last = inspection.folders.keys.join(HEAD);
        let last = std::fs::read_to_string(&last).map(|note| (last, note)).ok().filter(|_| inspection.has_keys());
        let (mut checkpoints, mut covered) = (Vec::new(), 0);
        for (index, (path, note)) in [published].into_iter().chain(last).chain(further).enumerate() {
            match Checkpoint::open(&note, key) {
                Ok(checkpoint) => {
                    covered = if index == 0 { checkpoint.size } else { covered };
                    checkpoints.push((path, checkpoint));
                }
                Err(error) => result.problems.push(format!("`{}`: {error}", path.display())),
            }
        }
        let (nonces, without_key) = (NonceList::default(), Vec::new());
        Ok(Self { inspection, tree, nonces, checkpoints, published: covered, without_key, result })
    }

    /// Appends the leaf of a frame to the tree, and checks its record.
    fn add_frame(&mut self, frame: &FrameRef<'_>) {
        self.nonces.add(frame.header.head.random, frame.header.position);
        let full = self.tree.append(&frame.header.head.leaf);
        if self.tree.size() <= self.published {
            full.iter().for_each(|file| self.check_tile(file));
        }
        self.check_heads();
        let record = self.inspection.open_record(frame);
        self.check_record(frame, &record);
    }

    fn check_record(&mut self, frame: &FrameRef<'_>, stored: &StoredRecord) {
        let (position, file, offset) = (frame.header.position, frame.file, frame.offset);
        match stored {
            StoredRecord::Content(Content::Record(record, salt))
                if content::leaf(record, salt) == frame.header.head.leaf =>
            {
                self.result.opened += 1;
            }
            StoredRecord::Content(Content::Record(..)) => {
                self.report(file, offset, position, "does not match its leaf")
            }
            StoredRecord::Content(Content::Damaged) => {
                self.report(file, offset, position, "cannot be decrypted with its key")
            }
            StoredRecord::Content(Content::NoKey) => self.without_key.push((position, file.to_owned(), offset)),
            StoredRecord::Erased => self.result.erased += 1,
            StoredRecord::Sealed => self.result.sealed += 1,
        }
    }

    fn report(&mut self, file: &Path, offset: usize, position: u64, what: &str) {
        self.result.problems.push(format!("`{}` at byte {offset}: record {position} {what}", file.display()));
    }

    /// Checks again the records whose keys were missing, with the keys that exist now: the customer may have been added
    /// or erased meanwhile.
    fn retry_without_key(&mut self) -> Result<(), OpenError> {
        if self.without_key.is_empty() {
            return Ok(());
        }
        let (retried, current) = (std::mem::take(&mut self.without_key), self.inspection.with_current_keys()?);
        let positions = retried.iter().map(|(position, ..)| *position);
        let (Some(first), Some(last)) = (positions.clone().min(), positions.max()) else { return Ok(()) };
        let read = current.read(first, |frame| {
            if retried.iter().any(|(position, ..)| *position == frame.header.position) {
                self.check_record(frame, &current.open_record(frame));
            }
            if frame.header.position < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for (position, file, offset) in std::mem::take(&mut self.without_key) {
            self.report(&file, offset, position, "has no key, and its customer was not erased");
        }
        read.map(drop)
    }

    /// Compares the tree with every checkpoint of its size.
    fn check_heads(&mut self) {
        let size = self.tree.size();
        for (path, checkpoint) in self.checkpoints.iter().filter(|(_, checkpoint)| checkpoint.size == size) {
            if checkpoint.root == self.tree.root() {
                self.result.checkpoints.push((path.clone(), size));
            } else {
                let (path, found, signed) = (path.display(), self.tree.head(), checkpoint.root);
                self.result.problems.push(format!("`{path}` signs the root {signed}, but there are {found}"));
            }
        }
        if size == self.published {
            self.tree.partial_files(0).iter().for_each(|file| self.check_tile(file));
        }
    }

    /// Reports the checkpoints that cover more records than there are.
    fn check_missing(&mut self) {
        let size = self.tree.size();
        for (path, checkpoint) in self.checkpoints.iter().filter(|(_, checkpoint)| checkpoint.size > size) {
            let (path, signed) = (path.display(), checkpoint.size);
            self.result.problems.push(format!("`{path}` is signed for {signed} records, but there are only {size}"));
        }
    }

    /// Compares a file of the published log with the records. A partial tile may have been replaced by the full one,
    /// which begins with it.
    fn check_tile(&mut self, file: &LogFile) {
        let log = self.inspection.folders.data.log();
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
            Ok(bytes) if bytes == file.bytes => self.result.tiles += 1,
            Ok(_) => self.result.problems.push(format!("`{}` does not match the records", path.display())),
            Err(error) => self.result.problems.push(format!("`{}`: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::customer_keys;
    use super::super::disk::RealDisk;
    use super::super::frame::{self, Header, Link};
    use super::super::secrets::Secrets;
    use super::super::{FileLedger, Ledger as _, LedgerSettings, erasure, payload, seal, segment};
    use super::*;
    use crate::domain::time::Moment;

    /// Only verification compares every decrypted record with its leaf: an attacker with the keys could write a record
    /// other than the one whose leaf is signed.
    #[test]
    fn a_record_that_is_not_what_its_leaf_commits_to_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let settings = LedgerSettings::of(&folder.path().join("data"));
        let folders = settings.folders();
        let mut record = erasure::record(Moment(0));
        record.customer = "anna".into();
        let ledger = FileLedger::open(&settings).unwrap().ledger;
        ledger.append(&[record.clone()]).unwrap();
        drop(ledger);

        let inspection = Inspection::open(&settings).unwrap();
        let mut header = None;
        let mut keep = |frame: &FrameRef<'_>| {
            header = Some(frame.header);
            ControlFlow::Continue(())
        };
        inspection.read(1, &mut keep).unwrap();
        let header = header.unwrap();
        let secrets = Secrets::read(&RealDisk, &folders.keys).unwrap().unwrap();
        let blocks = customer_keys::read(&RealDisk, &folders.data.record_keys(), &secrets).unwrap();
        let (_, key) = blocks.iter().flat_map(|(_, block)| block).find(|(name, _)| *name == header.head.key).unwrap();
        record.customer = "bea".into();
        let (head, sealed) = seal::seal(header.head, &[1; 24], key, &payload::encode(&record).unwrap()).unwrap();
        let header = Header { head, ..header };
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &header, &sealed, &Link::default());
        std::fs::write(segment::path(&folders.data.ledger(), 1), bytes).unwrap();

        let (_, text) = inspection.published_key().unwrap();
        let found = verify(&inspection, &VerifyingKey::parse(text.trim_end()).unwrap(), Vec::new()).unwrap();
        let problems = found.problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].ends_with("at byte 0: record 1 does not match its leaf"), "{problems:?}");
    }
}
