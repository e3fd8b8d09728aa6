//! The audit log as handlers see it: a privileged call writes its caller and its customer before it acts.

use std::sync::Arc;

use tonic::{Code, Request, Status};

use super::caller::Caller;
use super::status::refusal;

/// What a privileged call writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The caller's name; empty where the server asks for no tokens.
    pub caller: String,
    /// The method, such as `PrivacyService/EraseCustomer`.
    pub method: &'static str,
    /// The customer's id, of which a keyed pseudonym is kept; empty if the call concerns none.
    pub customer: String,
}

/// Keeps entries durably.
#[tonic::async_trait]
pub trait AuditLog: std::fmt::Debug + Send + Sync {
    /// Returns once the entry is on disk; false if it cannot be written.
    async fn keep(&self, entry: AuditEntry) -> bool;

    /// The name of the log's thread, if it has ended unexpectedly.
    fn ended_thread(&self) -> Option<&'static str> {
        None
    }
}

/// The audit log of a server, if it keeps one.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<dyn AuditLog>>);

impl Audit {
    /// An audit log.
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self(Some(log))
    }

    /// The name of the log's thread, if it has ended unexpectedly.
    #[must_use]
    pub fn ended_thread(&self) -> Option<&'static str> {
        self.0.as_ref()?.ended_thread()
    }

    /// Writes an entry. A call that cannot be noted must not act.
    ///
    /// # Errors
    /// UNAVAILABLE, if the entry cannot be written.
    pub async fn note<T>(&self, request: &Request<T>, method: &'static str, customer: &str) -> Result<(), Status> {
        let Some(log) = &self.0 else { return Ok(()) };
        let caller = request.extensions().get::<Arc<Caller>>().map_or_else(String::new, |caller| caller.name.clone());
        if log.keep(AuditEntry { caller, method, customer: customer.to_owned() }).await {
            return Ok(());
        }
        Err(refusal(
            Code::Unavailable,
            "AUDIT_UNAVAILABLE",
            "the call cannot be noted in the audit log, so it was not made",
        ))
    }
}
