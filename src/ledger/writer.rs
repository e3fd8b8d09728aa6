//! The one writer. Callers that come while the disk is busy share the next sync; nobody waits for more callers.
//!
//! The first write or sync that fails is final: nothing is retried on that file, and everything later is refused. Only
//! a full disk is not final: it takes restrictions into the room that was kept for them, and refuses the rest.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use compact_str::CompactString;

use super::book::Book;
use super::customer_keys::{KeyBlocks, KeyName};
use super::disk::is_full;
use super::frame::{self, Header, Kind, Link};
use super::notary::{Newest, Word};
use super::proof::{Leaf, Salt};
use super::register::{Erased, Register};
use super::reserve::Reserve;
use super::secrets::{Secrets, random};
use super::segment::Segments;
use super::{Erasure, LedgerError, content, erasure, payload, seal};
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::time::Moment;

/// How many records share one sync at most.
const MOST_RECORDS: usize = 512;

/// What a caller wants, and where to say what came of it.
pub enum Job {
    /// To append records.
    Append(Append),
    /// To erase a customer.
    Erase(CompactString, Moment, Sender<Result<Erasure, LedgerError>>),
}

/// Records to append.
pub struct Append {
    /// All or none of them.
    pub records: Vec<ConsentRecord>,
    /// The position of the last.
    pub done: Sender<Result<u64, LedgerError>>,
}

impl Append {
    fn permits(&self) -> bool {
        self.records.iter().any(|record| record.status.permits())
    }
}

/// What readers share with the writer.
pub type SharedBook = Arc<RwLock<Book>>;

/// The book, to look into.
pub fn look(book: &SharedBook) -> RwLockReadGuard<'_, Book> {
    book.read().unwrap_or_else(PoisonError::into_inner)
}

fn change(book: &SharedBook) -> RwLockWriteGuard<'_, Book> {
    book.write().unwrap_or_else(PoisonError::into_inner)
}

/// The parts that only the writer has.
pub struct Writer {
    /// Where frames go.
    pub segments: Segments,
    /// Where customer keys are.
    pub blocks: KeyBlocks,
    /// Where erasures are registered.
    pub register: Register,
    /// Room for restrictions.
    pub reserve: Reserve,
    /// The ledger's own secrets.
    pub secrets: Arc<Secrets>,
    /// What readers see.
    pub book: SharedBook,
    /// Who signs what was written.
    pub notary: Sender<Word>,
    /// What was signed.
    pub newest: Newest,
    /// The hash of the last frame.
    pub previous: Link,
    /// Why nothing is written any more.
    pub broken: Option<LedgerError>,
}

/// Frames that are ready to be written.
struct Batch {
    bytes: Vec<u8>,
    frames: Vec<(Option<(CompactString, KeyName)>, usize)>,
    leaves: Vec<Leaf>,
    next: u64,
    previous: Link,
}

impl Writer {
    /// Writes until nobody is left to ask.
    pub fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let (mut appends, mut count, mut job) = (Vec::new(), 0, Some(first));
            while let Some(taken) = job.take() {
                match taken {
                    Job::Append(append) => {
                        count += append.records.len();
                        appends.push(append);
                    }
                    Job::Erase(customer, now, done) => {
                        self.commit(std::mem::take(&mut appends));
                        // A caller that has gone away needs no answer.
                        drop(done.send(self.erase(&customer, now)));
                    }
                }
                job = if count < MOST_RECORDS { jobs.try_recv().ok() } else { None };
            }
            self.commit(appends);
        }
    }

    /// Writes and syncs what callers want; each learns the position of its last record.
    fn commit(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let (grants, restrictions): (Vec<Append>, Vec<Append>) = if self.broken.is_some() || self.reserve.keep() {
            (Vec::new(), appends)
        } else {
            appends.into_iter().partition(Append::permits)
        };
        refuse(grants);
        match self.try_commit(restrictions) {
            Ok(()) => {}
            Err(full) => {
                let (grants, restrictions) = full.into_iter().partition(Append::permits);
                refuse(grants);
                self.reserve.release();
                if let Err(left) = self.try_commit(restrictions) {
                    let error = self.break_down("the disk is full");
                    left.into_iter().for_each(|append| drop(append.done.send(Err(error.clone()))));
                }
            }
        }
    }

    /// Gives back what did not fit on the disk; of that, nothing was written.
    fn try_commit(&mut self, appends: Vec<Append>) -> Result<(), Vec<Append>> {
        if appends.is_empty() {
            return Ok(());
        }
        match self.write_records(&appends) {
            Ok(positions) => {
                appends.into_iter().zip(positions).for_each(|(append, at)| drop(append.done.send(Ok(at))));
            }
            Err(error) if is_full(&error) => return Err(appends),
            Err(error) => {
                let error = self.break_down(&error.to_string());
                appends.into_iter().for_each(|append| drop(append.done.send(Err(error.clone()))));
            }
        }
        Ok(())
    }

    fn break_down(&mut self, why: &str) -> LedgerError {
        let reason = format!("the ledger's disk failed, and nothing more is written to it: {why}");
        self.broken.get_or_insert(LedgerError::Unavailable(reason)).clone()
    }

    /// Why nothing may be written, if so.
    fn check(&self) -> io::Result<()> {
        if let Some(broken) = &self.broken {
            return Err(io::Error::other(broken.to_string()));
        }
        self.newest.get().map(drop).map_err(io::Error::other)
    }

    fn write_records(&mut self, appends: &[Append]) -> io::Result<Vec<u64>> {
        self.check()?;
        self.keep_spare_keys(self.new_customers(appends))?;
        let mut batch = self.batch();
        let mut positions = Vec::with_capacity(appends.len());
        for append in appends {
            append.records.iter().try_for_each(|record| self.add_record(&mut batch, record))?;
            positions.push(batch.next - 1);
        }
        self.write(batch)?;
        Ok(positions)
    }

    fn new_customers(&self, appends: &[Append]) -> usize {
        let book = look(&self.book);
        let records = appends.iter().flat_map(|append| &append.records);
        records.filter(|record| book.customer(&record.customer).is_none()).count()
    }

    /// Makes keys ahead, so that so many new customers can have one.
    fn keep_spare_keys(&mut self, count: usize) -> io::Result<()> {
        while look(&self.book).spare() < count {
            let keys = self.blocks.create(&self.secrets)?;
            change(&self.book).add_keys(keys);
        }
        Ok(())
    }

    fn batch(&self) -> Batch {
        let next = look(&self.book).len() + 1;
        Batch { bytes: Vec::new(), frames: Vec::new(), leaves: Vec::new(), next, previous: self.previous }
    }

    fn add_record(&self, batch: &mut Batch, record: &ConsentRecord) -> io::Result<()> {
        let key = change(&self.book).key_for(&record.customer);
        let (name, key) = key.ok_or_else(|| io::Error::other("there is no key to give"))?;
        let plain = payload::write(record)?;
        let leaf = content::leaf(record, &Salt::derive(&key, &record.record_id));
        let kind = if record.status == ConsentStatus::Returned { Kind::Return } else { Kind::Record };
        let header = Header { kind, position: batch.next, key: name, random: *random()?, leaf };
        let sealed =
            seal::seal(&header, &key, &plain).ok_or_else(|| io::Error::other("a record cannot be encrypted"))?;
        batch.add(&header, &sealed, Some((record.customer.clone(), name)));
        Ok(())
    }

    /// Writes frames, and lets readers and the notary know of them.
    fn write(&mut self, batch: Batch) -> io::Result<()> {
        let first = batch.next - batch.frames.len() as u64;
        let mut written = self.segments.append(first, &batch.bytes)?;
        self.previous = batch.previous;
        let mut book = change(&self.book);
        for (position, (whose, size)) in (first..).zip(batch.frames) {
            book.add_frame(written, size);
            written.offset += size as u64;
            if let Some((customer, key)) = whose {
                book.add_record(&customer, key, position);
            }
        }
        drop(book);
        // A notary that has gone away has said why.
        drop(self.notary.send(Word::Leaves(batch.leaves)));
        Ok(())
    }

    fn erase(&mut self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        let token = self.secrets.token(customer);
        let (key, before) = {
            let book = look(&self.book);
            (book.customer(customer).map(|known| known.key), book.erasure(&token))
        };
        if let (None, Some(position)) = (key, before) {
            return Ok(Erasure { position, record_id: Erasure::name(position), repeated: true });
        }
        let gone = key.unwrap_or_default();
        let logged = self.check().and_then(|()| self.with_reserve(|writer| writer.write_erasure(gone, token, now)));
        // Whatever the disk did: nobody reads this customer's records from here on.
        change(&self.book).erase(customer);
        let forgotten = logged.and_then(|erased| {
            self.with_reserve(|writer| writer.register.add(&[erased]))?;
            self.with_reserve(|writer| writer.shred(gone))?;
            Ok(erased)
        });
        let erased = forgotten.map_err(|error| self.break_down(&error.to_string()))?;
        change(&self.book).add_erasure(&erased);
        let position = erased.position;
        Ok(Erasure { position, record_id: Erasure::name(position), repeated: false })
    }

    /// Writes something, if need be into the room that was kept.
    fn with_reserve<T>(&mut self, write: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<T> {
        match write(self) {
            Err(error) if is_full(&error) && self.reserve.release() => write(self),
            other => other,
        }
    }

    fn shred(&mut self, key: KeyName) -> io::Result<()> {
        self.blocks.shred(&[key], look(&self.book).keys(), &self.secrets)
    }

    fn write_erasure(&mut self, key: KeyName, token: [u8; 32], now: Moment) -> io::Result<Erased> {
        let mut batch = self.batch();
        let position = batch.next;
        let record = erasure::record(position, now);
        let leaf = content::leaf(&record, &erasure::salt(position, &self.secrets));
        let header = Header { kind: Kind::Erasure, position, key, random: *random()?, leaf };
        batch.add(&header, &erasure::payload(&token, &payload::write(&record)?), None);
        self.write(batch)?;
        Ok(Erased { key, token, position })
    }
}

impl Batch {
    fn add(&mut self, header: &Header, payload: &[u8], whose: Option<(CompactString, KeyName)>) {
        self.previous = frame::write(&mut self.bytes, header, payload, &self.previous);
        self.frames.push((whose, frame::size(payload.len())));
        self.leaves.push(header.leaf);
        self.next += 1;
    }
}

fn refuse(grants: Vec<Append>) {
    let full = LedgerError::Full("the disk is full: only what restricts is still taken".into());
    grants.into_iter().for_each(|append| drop(append.done.send(Err(full.clone()))));
}
