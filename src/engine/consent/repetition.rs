//! Requests that come again: the same idempotency key with the same body counts once.
//!
//! A key is remembered for a day, the newest sixteen of a customer, with a hash of what was asked and what was answered;
//! of a request of which nothing was accepted, nothing is.

use std::sync::Arc;

use super::super::resolve::{hash, hash_id};
use super::super::{Customer, Engine, EngineError};
use super::{ConsentAnswer, ConsentRequest};
use crate::domain::time::{Moment, Period};

/// How many keys are remembered for one customer.
const MOST_KEYS: usize = 16;
/// How long a key is remembered.
const REMEMBERED: Period = Period::DAY;

/// A request by its idempotency key.
#[derive(Debug, Clone)]
pub struct Remembered {
    key: u64,
    /// A hash of everything that was asked, which tells another body under the same key.
    body: u64,
    /// Nothing while it is under way.
    answer: Option<Arc<ConsentAnswer>>,
    /// Forgotten from here on.
    pub until: Moment,
}

impl Remembered {
    /// Whether its request is under way.
    pub fn is_under_way(&self) -> bool {
        self.answer.is_none()
    }
}

/// A key whose request is under way. If no answer has been remembered when this goes, whatever the reason, the key is
/// free again.
pub struct HeldKey<'e> {
    engine: &'e Engine,
    customer: String,
    key: u64,
}

impl Engine {
    /// Claims the idempotency key of a request, or gives the answer that it got before.
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

    /// Holds the key of a request that is under way.
    pub(super) fn hold_key(&self, request: &ConsentRequest) -> Option<HeldKey<'_>> {
        key(request).map(|key| HeldKey { engine: self, customer: request.customer.clone(), key })
    }
}

impl Customer {
    /// Remembers what was answered to a request that has a key.
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
