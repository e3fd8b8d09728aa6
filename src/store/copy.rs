//! Copies the stored customers to a backup and back, without interrupting flushes: the encryption keys, and a snapshot
//! of the embedded store as one file of pairs.
//!
//! ```text
//! 0  8  "TFLPAIR1"
//! 8  …  each pair: u8 1 for a customer and 0 for metadata, u32 length of its key, u32 length of its value, key, value
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::StoreError;
use super::codec;
use super::customer_store::{CustomerStore, pseudonym};
use super::database::{Batch, Database};
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::{CopySink, DataFolder, PART};

const MAGIC: &[u8; 8] = b"TFLPAIR1";
/// The number of pairs in one batch of a restore.
const RESTORE_BATCH: usize = 1_000;

/// The number of customers in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerCount {
    /// All customers, damaged ones included.
    pub total: usize,
    /// Customers whose bytes are damaged.
    pub damaged: usize,
}

impl CustomerStore {
    /// Passes a copy to `sink`, with the paths of a data folder. Only the keys are read under the lock; flushes do not
    /// wait for the sink. Entries of the contact log are not copied, so flush everything first.
    ///
    /// # Errors
    /// When the disk or the sink fails.
    pub fn copy(&self, sink: &mut CopySink<'_>) -> Result<(), StoreError> {
        let (blocks, snapshot) = {
            // Locked, so that the keys and the snapshot belong together.
            let _writer = self.writer();
            (self.keys().vault.blocks().at(&self.folder)?, self.database.snapshot()?)
        };
        blocks.into_iter().try_for_each(|(name, bytes)| sink(&name, bytes)).at(&self.folder)?;
        let mut bytes = MAGIC.to_vec();
        for pair in snapshot.pairs() {
            let (is_customer, (key, value)) = pair?;
            bytes.push(is_customer.into());
            [&key, &value].iter().for_each(|part| bytes.extend(length(part).to_le_bytes()));
            [key, value].iter().for_each(|part| bytes.extend_from_slice(part));
            if bytes.len() >= PART {
                sink(DataFolder::PAIRS, std::mem::take(&mut bytes)).at(&self.folder)?;
            }
        }
        Ok(sink(DataFolder::PAIRS, bytes).at(&self.folder)?)
    }

    /// Counts the customers, and opens each to find the damaged ones.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn count(&self) -> Result<CustomerCount, StoreError> {
        let (keys, mut count) = (self.keys(), CustomerCount { total: 0, damaged: 0 });
        for pair in self.database.snapshot()?.pairs() {
            let (is_customer, (key, value)) = pair?;
            if is_customer {
                count.total += 1;
                let opened = pseudonym(&key).and_then(|who| codec::decode(&keys.open(who, &value)?.1));
                count.damaged += usize::from(opened.is_none());
            }
        }
        Ok(count)
    }
}

/// Creates the embedded store of a data folder from a file of pairs.
///
/// # Errors
/// When the disk fails, or the file is damaged.
pub fn unpack(file: &Path, data: &Path) -> Result<(), StoreError> {
    let mut pairs = PairReader(BufReader::new(File::open(file).at(file)?));
    if pairs.part(MAGIC.len()).at(file)? != MAGIC {
        return Err(IoAt::new(file, io::Error::new(io::ErrorKind::InvalidData, "it is not a file of customers")).into());
    }
    let database = Database::open(&DataFolder::new(data).customer_records())?;
    let mut batch = Batch::default();
    while let Some((is_customer, [key, value])) = pairs.next().at(file)? {
        if is_customer {
            batch.customers.push((key, Some(value)));
        } else {
            batch.metadata.push((key, value));
        }
        if batch.customers.len() + batch.metadata.len() == RESTORE_BATCH {
            database.commit(std::mem::take(&mut batch))?;
        }
    }
    database.commit(batch)
}

struct PairReader(BufReader<File>);

impl PairReader {
    /// The next pair, with whether it is a customer; `None` at the end of the file.
    fn next(&mut self) -> io::Result<Option<(bool, [Vec<u8>; 2])>> {
        let mut is_customer = [0];
        if self.0.read(&mut is_customer)? == 0 {
            return Ok(None);
        }
        let lengths = [self.length()?, self.length()?];
        let [key, value] = lengths.map(|length| self.part(length));
        Ok(Some((is_customer == [1], [key?, value?])))
    }

    fn length(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn part(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn length(part: &[u8]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}
