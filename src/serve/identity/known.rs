//! A caller whose credential was verified, and until when it is valid.

use std::sync::Arc;

use tonic::{Code, Status};

use super::rate::Rate;
use crate::domain::time::Moment;
use crate::grpc::caller::Caller;
use crate::grpc::status::refusal;

/// A caller, and until when the credential is valid.
#[derive(Debug, Clone)]
pub struct Known {
    /// The caller.
    pub caller: Arc<Caller>,
    /// When the credential ends, exclusive; `None` if it does not end by itself.
    pub until: Option<Moment>,
    /// How many calls the caller may make; any number if `None`.
    pub rate: Option<Arc<Rate>>,
}

impl Known {
    /// The caller, unless the credential has ended.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn at(&self, now: Moment) -> Result<Self, Status> {
        match self.until {
            Some(until) if until <= now => Err(unauthenticated("TOKEN_EXPIRED", "the token has expired")),
            _ => Ok(self.clone()),
        }
    }
}

/// The status of a call whose caller is not known.
pub fn unauthenticated(reason: &str, message: &str) -> Status {
    refusal(Code::Unauthenticated, reason, message)
}
