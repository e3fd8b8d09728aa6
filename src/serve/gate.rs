//! Who may make a call: the method must be in the table, the caller known, and allowed to make it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::identity::{Identities, Known};
use super::transport::Peer;
use crate::clock::Clock;
use crate::grpc::caller::{Caller, word};
use crate::grpc::methods::{Access, Method, Methods};
use crate::grpc::proto::{CallClass, Scope};
use crate::grpc::status::{DOMAIN, refusal};

/// Scopes of methods that only operators should call.
const PRIVILEGED: [Scope; 4] = [Scope::Privacy, Scope::Rules, Scope::Admin, Scope::Watch];

/// The gate of a server.
#[derive(Debug, Clone)]
pub struct Gate {
    methods: Arc<Methods>,
    /// Who may call; anyone may do anything if `None`.
    identities: Option<Arc<Identities>>,
    clock: Clock,
}

impl Gate {
    /// A gate to the methods of a table. Without identities, anyone may call all of them.
    #[must_use]
    pub fn new(methods: Arc<Methods>, identities: Option<Arc<Identities>>, clock: Clock) -> Self {
        Self { methods, identities, clock }
    }

    /// The methods behind it.
    #[must_use]
    pub fn methods(&self) -> &Methods {
        &self.methods
    }

    /// The clock by which credentials end.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The gate for one connection.
    #[must_use]
    pub fn connect(&self, peer: Peer) -> ConnectionGate {
        ConnectionGate { gate: self.clone(), peer, last: RefCell::new(None) }
    }
}

/// The gate for the calls of one connection.
#[derive(Debug)]
pub struct ConnectionGate {
    gate: Gate,
    peer: Peer,
    /// The caller of the last call: most connections have one.
    last: RefCell<Option<Last>>,
}

/// A caller who was established before.
#[derive(Debug)]
struct Last {
    credential: Option<HeaderValue>,
    generation: u64,
    known: Known,
}

impl ConnectionGate {
    /// Whether methods for operators are answered on this connection.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.peer.privileged
    }

    /// Whether calls need a token or a certificate.
    #[must_use]
    pub fn knows_callers(&self) -> bool {
        self.gate.identities.is_some()
    }

    /// The method of a path.
    ///
    /// # Errors
    /// UNIMPLEMENTED.
    pub fn method(&self, path: &str) -> Result<&Method, Status> {
        self.gate.methods.get(path).ok_or_else(|| Status::unimplemented("this server has no such method"))
    }

    /// Lets a request to a method pass, with its caller among its extensions, or refuses it.
    ///
    /// # Errors
    /// UNAUTHENTICATED or PERMISSION_DENIED.
    pub fn pass<B>(&self, method: &Method, request: &mut Request<B>) -> Result<(), Status> {
        if !self.peer.privileged && is_privileged(method) {
            let message = "this method is answered on the admin listener only";
            return Err(refusal(Code::PermissionDenied, "ADMIN_LISTENER_ONLY", message));
        }
        let Some(identities) = &self.gate.identities else { return Ok(()) };
        if method.access == Access::Public {
            return Ok(());
        }
        let known = self.caller(identities, request)?;
        allow(&known.caller, method)?;
        if let Some(rate) = &known.rate
            && !is_withdrawal(method)
        {
            rate.admit().map_err(|wait| too_many(&known.caller, wait))?;
        }
        request.extensions_mut().insert(known.caller);
        Ok(())
    }

    /// The caller of a request, established again only if the credential is another, has ended or may have been revoked.
    fn caller<B>(&self, identities: &Identities, request: &Request<B>) -> Result<Known, Status> {
        let (now, generation) = (self.gate.clock.now(), identities.generation());
        let credential = request.headers().get(AUTHORIZATION);
        let mut last = self.last.borrow_mut();
        if let Some(last) = &*last
            && last.credential.as_ref() == credential
            && last.generation == generation
            && request.headers().get_all(AUTHORIZATION).iter().nth(1).is_none()
        {
            return last.known.at(now);
        }
        let known = identities.establish(request.headers(), &self.peer.names, now)?;
        *last = Some(Last { credential: credential.cloned(), generation, known: known.clone() });
        Ok(known)
    }
}

/// Whether a method only denies: a customer's no is never one too many.
fn is_withdrawal(method: &Method) -> bool {
    method.class == CallClass::Withdrawal
}

/// The refusal of a caller who makes more calls than the tokens file allows.
fn too_many(caller: &Caller, wait: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(wait));
    details.set_error_info("RATE_LIMITED", DOMAIN, HashMap::new());
    let message = format!("`{}` makes more calls than it may; repeat it after the delay", caller.name);
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn is_privileged(method: &Method) -> bool {
    matches!(method.access, Access::Scoped(scope) if PRIVILEGED.contains(&scope))
}

/// Whether a caller may make a call.
fn allow(caller: &Caller, method: &Method) -> Result<(), Status> {
    if let Access::Scoped(scope) = method.access
        && !caller.scopes.contain(scope)
    {
        let message = format!("the caller lacks the scope `{}`", word(scope));
        return Err(refusal(Code::PermissionDenied, "SCOPE_MISSING", &message));
    }
    if caller.is_bound() && !method.checks_binding && method.access != Access::Known {
        let message = "a caller who is bound to a customer or to channels may not call this method";
        return Err(refusal(Code::PermissionDenied, "BOUND_CALLER", message));
    }
    Ok(())
}
