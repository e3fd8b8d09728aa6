//! Repeated requests: the same idempotency key with the same body counts once.
//!
//! The newest sixteen keys of a customer are kept for a day, each with a hash of the request and with its answer. A
//! request with no accepted change is not kept.

use std::sync::Arc;

use super::super::resolve::{hash, hash_id};
use super::{ConsentAnswer, ConsentRequest};
use crate::domain::time::{Moment, Period};
use crate::engine::{Customer, EngineError};

/// How many keys are kept for one customer.
const MOST_KEYS: usize = 16;
/// How long a key is kept.
const REMEMBERED: Period = Period::DAY;

/// A request by its idempotency key.
#[derive(Debug, Clone)]
pub struct Remembered {
    key: u64,
    /// A hash of the whole request, to detect another body under the same key.
    body: u64,
    /// The answer; `None` while the request is in progress.
    answer: Option<Arc<ConsentAnswer>>,
    /// When the key expires.
    pub until: Moment,
}

impl Remembered {
    /// Whether its request is in progress.
    pub fn is_under_way(&self) -> bool {
        self.answer.is_none()
    }
}

/// What the key of a request says about it.
pub(super) enum Claim {
    /// The request is new; its key is claimed, if it has one.
    New,
    /// The answer that the same request got before.
    Repeated(Arc<ConsentAnswer>),
    /// The key was used for another body, or the first request is in progress.
    Refused(EngineError),
}

/// Claims the idempotency key of a request.
pub(super) fn claim(customer: &mut Customer, request: &ConsentRequest, now: Moment) -> Claim {
    let Some(key) = key(request) else { return Claim::New };
    let known = customer.transient().consent_keys.iter().find(|known| known.key == key && known.until > now);
    match known.map(|known| (known.body == hash(request), &known.answer)) {
        Some((true, Some(answer))) => Claim::Repeated(Arc::clone(answer)),
        Some((true, None)) => Claim::Refused(EngineError::InProgress(request.idempotency_key.clone())),
        Some((false, _)) => Claim::Refused(EngineError::IdempotencyKeyReused(request.idempotency_key.clone())),
        None => {
            customer.keep_key(Remembered { key, body: hash(request), answer: None, until: now + REMEMBERED });
            Claim::New
        }
    }
}

impl Customer {
    /// Remembers the answer to a request that has a key.
    pub(super) fn remember_consent(&mut self, request: &ConsentRequest, answer: &ConsentAnswer, now: Moment) {
        if let Some(key) = key(request) {
            let answer = Some(Arc::new(answer.clone()));
            self.keep_key(Remembered { key, body: hash(request), answer, until: now + REMEMBERED });
        }
    }

    /// Releases the key of a request that is in progress.
    pub(super) fn release_key(&mut self, request: &ConsentRequest) {
        let Some(key) = key(request) else { return };
        self.change_transient(|transient| {
            transient.consent_keys.retain(|known| known.key != key || known.answer.is_some());
        });
    }

    fn keep_key(&mut self, remembered: Remembered) {
        let keys = &mut self.transient_mut().consent_keys;
        keys.retain(|known| known.key != remembered.key);
        keys.truncate(MOST_KEYS - 1);
        keys.insert(0, remembered);
    }
}

fn key(request: &ConsentRequest) -> Option<u64> {
    hash_id("consent", &request.idempotency_key)
}
