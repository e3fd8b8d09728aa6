//! Who may make a call: the method must be in the table, the caller known, and allowed to make it.

use std::cell::RefCell;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tonic::{Code, Status};

use super::identity::{Identities, Known};
use super::transport::Peer;
use crate::clock::Clock;
use crate::grpc::caller::{Caller, word};
use crate::grpc::methods::{Access, Method, Methods};
use crate::grpc::proto::Scope;
use crate::grpc::status::refusal;

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
        let caller = self.caller(identities, request)?;
        allow(&caller, method)?;
        request.extensions_mut().insert(caller);
        Ok(())
    }

    /// The caller of a request, established again only if the credential is another, has ended or may have been revoked.
    fn caller<B>(&self, identities: &Identities, request: &Request<B>) -> Result<Arc<Caller>, Status> {
        let (now, generation) = (self.gate.clock.now(), identities.generation());
        let credential = request.headers().get(AUTHORIZATION);
        let mut last = self.last.borrow_mut();
        if let Some(last) = &*last
            && last.credential.as_ref() == credential
            && last.generation == generation
            && request.headers().get_all(AUTHORIZATION).iter().nth(1).is_none()
        {
            return last.known.at(now).map(|known| known.caller);
        }
        let known = identities.establish(request.headers(), &self.peer.names, now)?;
        let caller = Arc::clone(&known.caller);
        *last = Some(Last { credential: credential.cloned(), generation, known });
        Ok(caller)
    }
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
