//! A copy of the stored customers that is made while they are written, all as they were at one moment: their keys, and
//! everything in the embedded store as one file of pairs.
//!
//! ```text
//! 0  8  "TFLPAIR1"
//! 8  …  each pair: u8 1 for a customer and 0 for what is none, u32 length of its key, u32 length of its value, key, value
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::StoreError;
use super::codec;
use super::database::{Batch, Database};
use super::file::{CustomerStore, RECORDS, disk, pseudonym};
use crate::ledger::{CUSTOMERS, PART, Take};

/// The file of pairs, inside a backup.
pub const PAIRS: &str = "customers/pairs";
const MAGIC: &[u8; 8] = b"TFLPAIR1";
/// How many pairs are written at once.
const PAIRS_AT_ONCE: usize = 1_000;

impl CustomerStore {
    /// Hands over a copy, named as in the data folder. Nobody waits for whoever takes it. What was counted and is in the
    /// journal alone is not in it: write that behind before.
    ///
    /// # Errors
    /// When the disk refuses, or nobody takes it any more.
    pub fn copy(&self, take: &mut Take<'_>) -> Result<(), StoreError> {
        let failed = disk(&self.folder);
        let (blocks, snapshot) = {
            // Nobody gives out keys or takes them away meanwhile.
            let _alone = self.writing();
            (self.keys().vault.blocks().map_err(&failed)?, self.database.snapshot())
        };
        blocks.into_iter().try_for_each(|(name, bytes)| take(&name, bytes)).map_err(&failed)?;
        let mut bytes = MAGIC.to_vec();
        for pair in snapshot.pairs() {
            let (is_customer, (key, value)) = pair?;
            bytes.push(is_customer.into());
            [&key, &value].iter().for_each(|part| bytes.extend(length(part).to_le_bytes()));
            [key, value].iter().for_each(|part| bytes.extend_from_slice(part));
            if bytes.len() >= PART {
                take(PAIRS, std::mem::take(&mut bytes)).map_err(&failed)?;
            }
        }
        take(PAIRS, bytes).map_err(failed)
    }

    /// How many customers there are, and how many of them are not as they were written.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count(&self) -> Result<(usize, usize), StoreError> {
        let (keys, mut known, mut damaged) = (self.keys(), 0, 0);
        for pair in self.database.snapshot().pairs() {
            let (is_customer, (key, value)) = pair?;
            if is_customer {
                known += 1;
                let opened = pseudonym(&key).and_then(|who| codec::decode(&keys.open(who, &value)?.1));
                damaged += usize::from(opened.is_none());
            }
        }
        Ok((known, damaged))
    }
}

/// Makes the embedded store of a data folder from a file of pairs.
///
/// # Errors
/// When the disk refuses, or the file is not as it was written.
pub fn unpack(file: &Path, data: &Path) -> Result<(), StoreError> {
    let failed = disk(file);
    let mut pairs = Pairs(BufReader::new(File::open(file).map_err(&failed)?));
    if pairs.part(MAGIC.len()).map_err(&failed)? != MAGIC {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is not a file of customers")));
    }
    let database = Database::open(&data.join(CUSTOMERS).join(RECORDS))?;
    let mut batch = Batch::default();
    while let Some((is_customer, [key, value])) = pairs.next().map_err(&failed)? {
        if is_customer {
            batch.customers.push((key, Some(value)));
        } else {
            batch.metadata.push((key, value));
        }
        if batch.customers.len() + batch.metadata.len() == PAIRS_AT_ONCE {
            database.commit(std::mem::take(&mut batch))?;
        }
    }
    database.commit(batch)
}

/// A file of pairs that is read.
struct Pairs(BufReader<File>);

impl Pairs {
    /// Whether the next is a customer, with its key and its value.
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
