//! What waits to be sent to the database, by customer.
//!
//! Operations of this node run on the result of those before them, also while these are on their way. What one customer
//! has waiting is joined to one swap; it is sent when the swap before it has ended, so that no customer stands in two
//! statements at once.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use compact_str::CompactString;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::said::Said;
use crate::domain::consent::ConsentRecord;
use crate::ledger::CustomerKey;
use crate::storage::{CommitError, Recorded};
use crate::store::Version;

/// Where a swap is sent: consents wait for the disk of the database, and all else does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Changes,
    Consents,
}

pub type Reply = oneshot::Sender<Result<Recorded, CommitError>>;

/// A transaction that waits for a swap, and which of its records are its own.
#[derive(Debug)]
pub struct Waiter {
    pub reply: Reply,
    pub records: Range<usize>,
}

/// What is to be stored of a customer.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// What is stored now.
    Same,
    /// These bytes, or nothing.
    New(Option<Vec<u8>>),
}

/// A change of one row.
#[derive(Debug)]
pub struct Swap {
    /// The version that the row must have.
    pub base: Version,
    /// The version that it gets.
    pub minted: Version,
    pub newest: i64,
    pub key: Arc<CustomerKey>,
    /// Whether the row has no key yet.
    pub is_new_key: bool,
    pub body: Body,
    pub said: Said,
    pub consent: Vec<ConsentRecord>,
    pub waiters: Vec<Waiter>,
    /// When it is given up.
    pub due: Instant,
}

impl Swap {
    fn lane(&self) -> Lane {
        if self.consent.is_empty() { Lane::Changes } else { Lane::Consents }
    }

    /// Joins the swap that follows this one.
    fn join(&mut self, next: Self) {
        let records = self.consent.len();
        let moved = |waiter: Waiter| {
            let Range { start, end } = waiter.records;
            Waiter { records: start + records..end + records, ..waiter }
        };
        self.waiters.extend(next.waiters.into_iter().map(moved));
        self.consent.extend(next.consent);
        if let Body::New(_) = next.body {
            self.body = next.body;
        }
        self.said.join(next.said);
        (self.minted, self.newest) = (next.minted, next.newest);
        self.due = self.due.min(next.due);
    }

    /// Tells all who wait how it ended. `last` is the position of its last record.
    pub fn end(self, result: &Result<u64, CommitError>) {
        for Waiter { reply, records } in self.waiters {
            let recorded = result.clone().map(|last| {
                let position = last.saturating_sub((self.consent.len() - records.end) as u64);
                let records = self.consent.get(records).unwrap_or(&[]).to_vec();
                Recorded { position: if records.is_empty() { 0 } else { position }, records }
            });
            // A caller that has gone away needs no answer.
            drop(reply.send(recorded));
        }
    }
}

/// An answer that changes nothing: the row must have one of these versions.
#[derive(Debug)]
pub struct Check {
    pub id: CompactString,
    pub versions: SmallVec<[Version; 3]>,
    pub reply: Reply,
    pub due: Instant,
}

/// What one customer has waiting.
#[derive(Debug, Default)]
struct Line {
    /// Base and version of the swap that is on its way.
    sent: Option<(Version, Version)>,
    waiting: VecDeque<Swap>,
    /// Checks that wait until the swap on its way has ended.
    then: Vec<Check>,
}

#[derive(Debug, Default)]
pub struct Queue {
    lines: HashMap<CompactString, Line, foldhash::fast::RandomState>,
    /// Customers whose next swap may be sent, by the lane of the swap when it was listed.
    changes: VecDeque<CompactString>,
    consents: VecDeque<CompactString>,
    checks: VecDeque<Check>,
}

impl Queue {
    /// Adds a swap.
    pub fn submit(&mut self, id: &str, swap: Swap) {
        let line = self.lines.entry(id.into()).or_default();
        match line.waiting.back_mut() {
            Some(last) if last.minted == swap.base => {
                let lane = last.lane();
                last.join(swap);
                // Listed in both lanes then; the one that finds it in the wrong one leaves it.
                if last.lane() != lane && line.sent.is_none() && line.waiting.len() == 1 {
                    self.list(id, Lane::Consents);
                }
            }
            _ => {
                line.waiting.push_back(swap);
                self.list_next(id);
            }
        }
    }

    /// Adds a check of a copy. What this node has under way itself is not a reason to refuse it; with `waits`, it ends when
    /// that ends.
    pub fn check(&mut self, id: &str, version: Version, (waits, due): (bool, Instant), reply: Reply) {
        let line = self.lines.get_mut(id);
        let mut versions: SmallVec<[Version; 3]> = smallvec::smallvec![version];
        if let Some(line) = line {
            if waits && let Some(last) = line.waiting.back_mut().filter(|last| last.minted == version) {
                last.waiters.push(Waiter { reply, records: 0..0 });
                return;
            }
            if waits && line.sent.is_some_and(|(_, minted)| minted == version) {
                line.then.push(Check { id: id.into(), versions, reply, due });
                return;
            }
            let before = line.sent.into_iter().chain(line.waiting.iter().map(|swap| (swap.base, swap.minted)));
            for (base, minted) in before.collect::<SmallVec<[_; 3]>>().into_iter().rev() {
                if versions.contains(&minted) {
                    versions.push(base);
                }
            }
        }
        self.checks.push_back(Check { id: id.into(), versions, reply, due });
    }

    /// Swaps to send now.
    pub fn take(&mut self, lane: Lane, most: usize) -> Vec<(CompactString, Swap)> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let listed = match lane {
                Lane::Changes => self.changes.pop_front(),
                Lane::Consents => self.consents.pop_front(),
            };
            let Some(id) = listed else { break };
            let Some(line) = self.lines.get_mut(&id).filter(|line| line.sent.is_none()) else { continue };
            if line.waiting.front().is_none_or(|next| next.lane() != lane) {
                continue;
            }
            if let Some(swap) = line.waiting.pop_front() {
                line.sent = Some((swap.base, swap.minted));
                taken.push((id, swap));
            }
        }
        taken
    }

    /// Checks to send now.
    pub fn take_checks(&mut self, most: usize) -> Vec<Check> {
        let count = self.checks.len().min(most);
        self.checks.drain(..count).collect()
    }

    /// The swap of a customer that was on its way has ended. Returns the lane of the next.
    pub fn finish(&mut self, id: &str) -> Option<Lane> {
        let line = self.lines.get_mut(id)?;
        line.sent = None;
        self.checks.extend(line.then.drain(..));
        if line.waiting.is_empty() {
            self.lines.remove(id);
            return None;
        }
        self.list_next(id)
    }

    fn list_next(&mut self, id: &str) -> Option<Lane> {
        let line = self.lines.get(id)?;
        if line.sent.is_some() {
            return None;
        }
        let lane = line.waiting.front()?.lane();
        self.list(id, lane);
        Some(lane)
    }

    fn list(&mut self, id: &str, lane: Lane) {
        match lane {
            Lane::Changes => self.changes.push_back(id.into()),
            Lane::Consents => self.consents.push_back(id.into()),
        }
    }
}
