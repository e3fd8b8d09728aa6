//! Repeated requests: the same idempotency key with the same body counts once.
//!
//! Each record in the ledger has the hashes of its request's key and body, so a key is known as long as its records are
//! durable, at every node and after a restart. In memory are the newest keys of a customer; the answer to a repetition is
//! made from the records of the first request. A request with no accepted change is not kept.

use super::super::resolve::{hash, hash_id};
use super::{ConsentRequest, RequestMark};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;
use crate::engine::operation::Context;
use crate::engine::{Customer, EngineError, IdsKept};

/// A request by its idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct Remembered {
    mark: RequestMark,
    /// Whether it is still in progress.
    under_way: bool,
    /// When the key expires.
    pub until: Moment,
}

impl Remembered {
    /// Whether its request is in progress.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }
}

/// What the key of a request says about it.
pub(super) enum Claim {
    /// The request is new; its key is claimed, if it has one.
    New,
    /// The same request was answered before.
    Repeated,
    /// The key was used for another body, or the first request is in progress.
    Refused(EngineError),
}

/// Claims the idempotency key of a request.
pub(super) fn claim(customer: &mut Customer, request: &ConsentRequest, context: &Context<'_>) -> Claim {
    let Some(mark) = mark(request) else { return Claim::New };
    let keys = &customer.transient().consent_keys;
    match keys.iter().find(|known| known.mark.key == mark.key && known.until > context.now) {
        Some(known) if known.mark != mark => {
            Claim::Refused(EngineError::IdempotencyKeyReused(request.idempotency_key.clone()))
        }
        Some(known) if known.under_way => Claim::Refused(EngineError::InProgress(request.idempotency_key.clone())),
        Some(_) => Claim::Repeated,
        None => {
            let until = context.now + context.ids_kept.period;
            customer.keep_key(Remembered { mark, under_way: true, until }, context.ids_kept);
            Claim::New
        }
    }
}

/// Whether a record came with a request of this key and body.
pub fn came_with(record: &ConsentRecord, request: &ConsentRequest) -> bool {
    record.request.is_some() && record.request == mark(request)
}

impl Customer {
    /// Remembers that a request that has a key was answered.
    pub(super) fn remember_consent(&mut self, request: &ConsentRequest, context: &Context<'_>) {
        if let Some(mark) = mark(request) {
            let until = context.now + context.ids_kept.period;
            self.keep_key(Remembered { mark, under_way: false, until }, context.ids_kept);
        }
    }

    /// Remembers the requests that records came with.
    pub(in crate::engine) fn remember_requests_of(&mut self, records: &[(u64, ConsentRecord)], ids_kept: IdsKept) {
        for (_, record) in records {
            if let Some(mark) = record.request {
                let until = record.received + ids_kept.period;
                self.keep_key(Remembered { mark, under_way: false, until }, ids_kept);
            }
        }
    }

    /// Releases the key of a request that is in progress.
    pub(super) fn release_key(&mut self, request: &ConsentRequest) {
        let Some(mark) = mark(request) else { return };
        self.change_transient(|transient| {
            transient.consent_keys.retain(|known| known.mark != mark || !known.under_way);
        });
    }

    /// The newest key is the last.
    fn keep_key(&mut self, remembered: Remembered, ids_kept: IdsKept) {
        let keys = &mut self.transient_mut().consent_keys;
        keys.retain(|known| known.mark.key != remembered.mark.key);
        if keys.len() >= usize::from(ids_kept.most) {
            keys.remove(0);
        }
        keys.push(remembered);
    }
}

/// The mark of a request that has a key.
pub(super) fn mark(request: &ConsentRequest) -> Option<RequestMark> {
    let key = hash_id("consent", &request.idempotency_key)?;
    Some(RequestMark { key, body: hash(request) })
}
