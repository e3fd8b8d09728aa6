//! Repeated requests: the same idempotency key with the same body counts once.
//!
//! The newest sixteen keys of a customer are kept for a day, each with a hash of the request and with its answer. A
//! request with no accepted change is not kept.

use std::sync::Arc;

use super::super::resolve::{hash, hash_id};
use super::super::{Customer, Engine, EngineError};
use super::{ConsentAnswer, ConsentRequest};
use crate::domain::time::{Moment, Period};

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

/// A key whose request is in progress. If no answer has been remembered when this is dropped, for any reason, the key
/// is released.
pub struct HeldKey<'e> {
    engine: &'e Engine,
    customer: String,
    key: u64,
}

impl Engine {
    /// Claims the idempotency key of a request, or returns the answer that it got before.
    pub(super) fn claim_key(
        &self,
        request: &ConsentRequest,
        now: Moment,
    ) -> Result<Option<Arc<ConsentAnswer>>, EngineError> {
        let Some(key) = key(request) else { return Ok(None) };
        self.with_customer(&request.customer, |customer| {
            let known = customer.rest().consent_keys.iter().find(|known| known.key == key && known.until > now);
            match known.map(|known| (known.body == hash(request), &known.answer)) {
                Some((true, Some(answer))) => Ok(Some(Arc::clone(answer))),
                Some((true, None)) => Err(EngineError::InProgress(request.idempotency_key.clone())),
                Some((false, _)) => Err(EngineError::IdempotencyKeyReused(request.idempotency_key.clone())),
                None => {
                    customer.keep_key(Remembered { key, body: hash(request), answer: None, until: now + REMEMBERED });
                    Ok(None)
                }
            }
        })
    }

    /// Holds the key of a request that is in progress.
    pub(super) fn hold_key(&self, request: &ConsentRequest) -> Option<HeldKey<'_>> {
        key(request).map(|key| HeldKey { engine: self, customer: request.customer.clone(), key })
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

    fn keep_key(&mut self, remembered: Remembered) {
        let keys = &mut self.rest_mut().consent_keys;
        keys.retain(|known| known.key != remembered.key);
        keys.truncate(MOST_KEYS - 1);
        keys.insert(0, remembered);
    }
}

impl Drop for HeldKey<'_> {
    fn drop(&mut self) {
        self.engine.with_customer(&self.customer, |customer| {
            customer.change_rest(|rest| {
                rest.consent_keys.retain(|known| known.key != self.key || known.answer.is_some());
            });
        });
    }
}

fn key(request: &ConsentRequest) -> Option<u64> {
    hash_id("consent", &request.idempotency_key)
}
