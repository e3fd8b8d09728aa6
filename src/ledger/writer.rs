//! The writer thread, the only one that changes the ledger's files. Callers that wait while the disk is busy share the
//! next sync (group commit); a caller never waits for others to arrive.
//!
//! The first failed write or sync is final: it is not retried, and everything later is refused. Only a full disk is not
//! final: the writer then takes restrictions into the room that is reserved for them, and refuses grants.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use compact_str::CompactString;
use tokio::sync::oneshot;

use super::customer_keys::KeyBlocks;
use super::disk::is_full;
use super::erasure_register::{ErasureRegister, RegisteredErasure};
use super::frame::{self, FrameKind, FrameVersion, Head, Header, Link};
use super::frame_index::SharedIndex;
use super::proof::{Leaf, Salt};
use super::reserve::Reserve;
use super::secrets::{Secrets, random};
use super::segment::Segments;
use super::signer::{LatestCheckpoint, SignerMessage};
use super::{Erasure, KeyName, LedgerError, content, erasure, payload, seal};
use crate::descriptors::is_exhausted;
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::time::Moment;

/// The most records that share one sync.
const MAX_RECORDS_PER_SYNC: usize = 512;

/// A request to the writer, with the channel for its reply.
pub enum Job {
    Append(Append),
    Erase { customer: CompactString, now: Moment, reply: Sender<Result<Erasure, LedgerError>> },
}

/// Records to append, all or none.
pub struct Append {
    pub records: Vec<ConsentRecord>,
    /// Receives the position of the last record.
    pub reply: oneshot::Sender<Result<u64, LedgerError>>,
}

impl Append {
    fn permits(&self) -> bool {
        self.records.iter().any(|record| record.status.permits())
    }
}

/// The state of the writer.
pub struct Writer {
    pub segments: Segments,
    pub blocks: KeyBlocks,
    pub register: ErasureRegister,
    /// Room on disk for restrictions.
    pub reserve: Reserve,
    pub secrets: Arc<Secrets>,
    pub index: SharedIndex,
    pub signer: Sender<SignerMessage>,
    pub latest: LatestCheckpoint,
    /// The hash of the last frame.
    pub previous: Link,
    /// The failure after which nothing is written.
    pub failure: Option<LedgerError>,
}

/// Frames to write together.
struct Batch {
    bytes: Vec<u8>,
    /// The size of each frame, and the customer and key of each record.
    frames: Vec<(Option<(CompactString, KeyName)>, usize)>,
    leaves: Vec<Leaf>,
    next: u64,
    previous: Link,
}

impl Writer {
    /// Handles jobs until every sender is gone.
    pub fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let (mut appends, mut count, mut job) = (Vec::new(), 0, Some(first));
            while let Some(current) = job.take() {
                match current {
                    Job::Append(append) => {
                        count += append.records.len();
                        appends.push(append);
                    }
                    Job::Erase { customer, now, reply } => {
                        self.commit(std::mem::take(&mut appends));
                        // A caller that has gone away needs no reply.
                        drop(reply.send(self.erase(&customer, now)));
                    }
                }
                job = if count < MAX_RECORDS_PER_SYNC { jobs.try_recv().ok() } else { None };
            }
            self.commit(appends);
        }
    }

    /// Writes and syncs the records of all callers, and sends each the position of its last one.
    fn commit(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let (grants, restrictions): (Vec<Append>, Vec<Append>) = if self.failure.is_some() || self.reserve.ensure() {
            (Vec::new(), appends)
        } else {
            appends.into_iter().partition(Append::permits)
        };
        refuse(grants);
        let Err((full, _)) = self.try_commit(restrictions) else { return };
        let (grants, restrictions) = full.into_iter().partition(Append::permits);
        refuse(grants);
        self.reserve.release();
        if let Err((left, error)) = self.try_commit(restrictions) {
            let error = if is_exhausted(&error) {
                // Nothing was written, and the disk is in order.
                LedgerError::Full("no file descriptors are free; restrictions are recorded later".into())
            } else {
                self.fail("the disk is full")
            };
            left.into_iter().for_each(|append| drop(append.reply.send(Err(error.clone()))));
        }
    }

    /// Returns the appends if the disk is full or no descriptor is free; nothing of them was written then.
    fn try_commit(&mut self, appends: Vec<Append>) -> Result<(), (Vec<Append>, io::Error)> {
        if appends.is_empty() {
            return Ok(());
        }
        match self.write_records(&appends) {
            Ok(positions) => {
                appends.into_iter().zip(positions).for_each(|(append, at)| drop(append.reply.send(Ok(at))));
            }
            Err(error) if is_full(&error) => return Err((appends, error)),
            Err(error) => {
                let error = self.fail(&error.to_string());
                appends.into_iter().for_each(|append| drop(append.reply.send(Err(error.clone()))));
            }
        }
        Ok(())
    }

    fn fail(&mut self, why: &str) -> LedgerError {
        let reason = format!("the ledger's disk failed, and nothing more is written to it: {why}");
        self.failure.get_or_insert(LedgerError::Unavailable(reason)).clone()
    }

    /// Fails if nothing may be written or signed any more.
    fn check(&self) -> io::Result<()> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.to_string()));
        }
        self.latest.get().map(drop).map_err(io::Error::other)
    }

    fn write_records(&mut self, appends: &[Append]) -> io::Result<Vec<u64>> {
        self.check()?;
        self.ensure_spare_keys(self.new_customers(appends))?;
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
        let index = self.index.read();
        let records = appends.iter().flat_map(|append| &append.records);
        records.filter(|record| index.customer(&record.customer).is_none()).count()
    }

    /// Creates keys until at least `count` are spare.
    fn ensure_spare_keys(&mut self, count: usize) -> io::Result<()> {
        while self.index.read().spare_keys() < count {
            let keys = self.blocks.create(&self.secrets)?;
            self.index.write().add_keys(keys);
        }
        Ok(())
    }

    fn batch(&self) -> Batch {
        let next = self.index.read().len() + 1;
        Batch { bytes: Vec::new(), frames: Vec::new(), leaves: Vec::new(), next, previous: self.previous }
    }

    fn add_record(&self, batch: &mut Batch, record: &ConsentRecord) -> io::Result<()> {
        let key = self.index.write().key_for(&record.customer);
        let (name, key) = key.ok_or_else(|| io::Error::other("there is no spare customer key"))?;
        let plain = payload::encode(record)?;
        let leaf = content::leaf(record, &Salt::derive(&key, &record.record_id));
        let kind = if record.status == ConsentStatus::Returned { FrameKind::Return } else { FrameKind::Record };
        let head = Head { kind, key: name, random: [0; 16], leaf };
        let sealed = seal::seal(head, &*random()?, &key, &plain);
        let (head, sealed) = sealed.ok_or_else(|| io::Error::other("a record cannot be encrypted"))?;
        batch.add(head, &sealed, Some((record.customer.clone(), name)));
        Ok(())
    }

    /// Writes and syncs frames, adds them to the index, and sends their leaves to the signer.
    fn write(&mut self, batch: Batch) -> io::Result<()> {
        let first = batch.next - batch.frames.len() as u64;
        let mut written = self.segments.append(first, &batch.bytes)?;
        self.previous = batch.previous;
        let mut index = self.index.write();
        for (position, (owner, size)) in (first..).zip(batch.frames) {
            index.add_frame(written, size);
            written.offset += size as u64;
            if let Some((customer, key)) = owner {
                index.add_record(&customer, key, position);
            }
        }
        drop(index);
        // If the signer has ended, the reason is in `latest`.
        drop(self.signer.send(SignerMessage::Leaves(batch.leaves)));
        Ok(())
    }

    fn erase(&mut self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        let token = self.secrets.token(customer);
        let (key, before) = {
            let index = self.index.read();
            (index.customer(customer).map(|records| records.key), index.erasure(&token))
        };
        if let (None, Some(position)) = (key, before) {
            return Ok(Erasure { position, repeated: true });
        }
        let removed = key.unwrap_or_default();
        let logged = self.check().and_then(|()| self.with_reserve(|writer| writer.write_erasure(removed, token, now)));
        // Even if the disk failed: from here on, no reader sees this customer's records.
        self.index.write().remove_customer(customer);
        let registered = logged.and_then(|erased| {
            self.with_reserve(|writer| writer.register.add(&[erased]))?;
            self.with_reserve(|writer| writer.shred(removed))?;
            Ok(erased)
        });
        let erased = registered.map_err(|error| self.fail(&error.to_string()))?;
        self.index.write().add_erasure(&erased);
        let position = erased.position;
        Ok(Erasure { position, repeated: false })
    }

    /// Writes, and if the disk is full, writes again into the reserved room.
    fn with_reserve<T>(&mut self, write: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<T> {
        match write(self) {
            Err(error) if is_full(&error) && self.reserve.release() => write(self),
            other => other,
        }
    }

    fn shred(&mut self, key: KeyName) -> io::Result<()> {
        self.blocks.shred(&[key], self.index.read().keys(), &self.secrets)
    }

    fn write_erasure(&mut self, key: KeyName, token: [u8; 32], now: Moment) -> io::Result<RegisteredErasure> {
        let mut batch = self.batch();
        let position = batch.next;
        let record = erasure::record(now);
        let leaf = content::leaf(&record, &erasure::salt(&record, &self.secrets));
        let head = Head { kind: FrameKind::Erasure, key, random: *random()?, leaf };
        batch.add(head, &erasure::payload(&token, &payload::encode(&record)?), None);
        self.write(batch)?;
        Ok(RegisteredErasure { key, token, position })
    }
}

impl Batch {
    /// Gives a frame the next place.
    fn add(&mut self, head: Head, payload: &[u8], owner: Option<(CompactString, KeyName)>) {
        let header = Header { version: FrameVersion::Three, position: self.next, head };
        self.previous = frame::write(&mut self.bytes, &header, payload, &self.previous);
        self.frames.push((owner, frame::size(payload.len())));
        self.leaves.push(header.head.leaf);
        self.next += 1;
    }
}

/// Refuses grants because the disk is full.
fn refuse(grants: Vec<Append>) {
    let full =
        LedgerError::Full("the disk is full, or no file descriptors are free: only restrictions are accepted".into());
    grants.into_iter().for_each(|append| drop(append.reply.send(Err(full.clone()))));
}
