//! From the path of a call to its service: through the gate, within the limits, in whatever the caller speaks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_web::GrpcWebLayer;
use tower_layer::Layer as _;

use super::admission::{Admission, Permit, Shed, Throttle};
use super::call::{Call, Count, Due, Reader, Running, deadline};
use super::call_meter::{CallMeter, ThreadMeter};
use super::decisions::served;
use super::gate::{ConnectionGate, Gate};
use super::trace;
use super::transport::{Connect, Peer};
use super::undecided::{NotBegun, Substitute};
use super::web::cors::{self, Origins};
use super::web::{self, Kind, console};
use crate::grpc::caller::Caller;
use crate::grpc::methods::Method;
use crate::grpc::proto::decision_service_server::{DecisionService, DecisionServiceServer};
use crate::grpc::status::refusal;

/// The encoding of a message, and those that the caller can read.
const ENCODING: &str = "grpc-encoding";
const ACCEPTED_ENCODING: &str = "grpc-accept-encoding";
/// How many bytes the metadata of one call may take.
const METADATA: usize = 16 * 1024;
/// What each header counts for beside its text (RFC 9113, section 6.5.2).
const METADATA_OVERHEAD: usize = 32;
/// The method whose questions may ask for silence in the place of an error.
const DECIDE: &str = "/tactful.v1.DecisionService/Decide";

/// What bounds the calls of a server.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// How many calls may have no answer yet.
    pub open: usize,
    /// How many calls may watch decisions.
    pub watchers: usize,
    /// How long a call without a stream may take, its request included, if its own deadline is not shorter.
    pub longest: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { open: 4_096, watchers: 256, longest: Duration::from_secs(60) }
    }
}

/// Routes calls to the services of a server.
#[derive(Debug)]
pub struct CallRouter<D> {
    gate: Gate,
    origins: Arc<Origins>,
    limits: CallLimits,
    /// The limit of the thread that this router is for.
    admission: Arc<Admission>,
    meter: Arc<CallMeter>,
    /// The counts of the thread that this router is for.
    thread: Arc<ThreadMeter>,
    /// Answer questions that are not decided.
    overloaded: Substitute,
    late: Substitute,
    /// Most calls are for this service, so they bypass the router.
    decisions: DecisionServiceServer<D>,
    others: Routes,
}

impl<D> Clone for CallRouter<D> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
            origins: Arc::clone(&self.origins),
            limits: self.limits,
            admission: Arc::clone(&self.admission),
            meter: Arc::clone(&self.meter),
            thread: Arc::clone(&self.thread),
            overloaded: self.overloaded.clone(),
            late: self.late.clone(),
            decisions: self.decisions.clone(),
            others: self.others.clone(),
        }
    }
}

impl<D: DecisionService> CallRouter<D> {
    /// The decision service, and the router of all others, behind a gate.
    pub fn new(gate: Gate, decisions: D, others: Routes) -> Self {
        let (shed, limits) = (Arc::<Shed>::default(), CallLimits::default());
        let meter = Arc::new(CallMeter::new(gate.methods().paths(), Arc::clone(&shed)));
        Self {
            overloaded: Substitute::new(NotBegun::Overloaded, gate.clock()),
            late: Substitute::new(NotBegun::TooLate, gate.clock()),
            gate,
            origins: Arc::default(),
            limits,
            admission: Arc::new(Admission::new(limits.open, shed)),
            thread: meter.thread(),
            meter,
            decisions: served(decisions),
            others,
        }
    }

    /// The same router, for pages of these origins, too.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins: Arc::new(origins), ..self }
    }

    /// The same router with other limits.
    #[must_use]
    pub fn with_limits(self, limits: CallLimits) -> Self {
        Self { limits, ..self }
    }

    /// The counts of all calls.
    #[must_use]
    pub fn meter(&self) -> Arc<CallMeter> {
        Arc::clone(&self.meter)
    }
}

impl<D: DecisionService> Connect for CallRouter<D> {
    type Calls = ConnectionCalls<D>;

    fn for_thread(&self, threads: usize) -> Self {
        let open = self.limits.open.div_ceil(threads.max(1));
        let admission = Arc::new(Admission::new(open, self.meter.shed()));
        Self { admission, thread: self.meter.thread(), ..self.clone() }
    }

    fn open_calls(&self) -> usize {
        self.admission.open_calls()
    }

    fn connect(&self, peer: Peer) -> (ConnectionCalls<D>, Throttle) {
        let throttle = Throttle::new(Arc::clone(&self.admission));
        let gate = self.gate.connect(peer);
        self.thread.open();
        (ConnectionCalls { router: self.clone(), gate, throttle: throttle.clone() }, throttle)
    }
}

/// Answers the calls of one connection.
#[derive(Debug)]
pub struct ConnectionCalls<D> {
    router: CallRouter<D>,
    gate: ConnectionGate,
    throttle: Throttle,
}

impl<D> Drop for ConnectionCalls<D> {
    fn drop(&mut self) {
        self.router.thread.close();
    }
}

impl<D: DecisionService> hyper::service::Service<Request<Incoming>> for ConnectionCalls<D> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, request: Request<Incoming>) -> Call {
        let span = trace::span(request.headers());
        let call = match Kind::of(&request) {
            Kind::Grpc => self.grpc(request),
            kind => self.web(kind, request),
        };
        call.traced(span)
    }
}

impl<D: DecisionService> ConnectionCalls<D> {
    fn grpc(&self, mut request: Request<Incoming>) -> Call {
        let method = match self.gate.method(request.uri().path()) {
            Ok(method) => method,
            Err(refused) => return Call::immediate(refused.into_http(), None),
        };
        let count = self.count(method);
        if let Err(refused) = bounded(request.headers()).and_then(|()| self.gate.pass(method, &mut request)) {
            return Call::immediate(refused.into_http(), None).counted(count);
        }
        let (mut due, admitted) = self.admit(method, request.headers(), count.arrived);
        // Answers are compressed for those who compress: many clients say that they could read it, and do not need it.
        if !request.headers().contains_key(ENCODING) {
            request.headers_mut().remove(ACCEPTED_ENCODING);
        }
        let router = &self.router;
        let is_decide = method.path == DECIDE;
        let (answer, permit): (Running, _) = match (admitted, &mut due) {
            (None, _) if is_decide => (router.overloaded.decisions().call(request), None),
            (None, _) => return Call::immediate(NotBegun::Overloaded.status().into_http(), None).counted(count),
            (Some(permit), Some(due)) if is_decide => {
                due.left_to_service = true;
                (router.decide_in_time(due.at, request), Some(permit))
            }
            (Some(permit), _) if is_of::<DecisionServiceServer<D>>(&method.path) => {
                (router.decisions.clone().call(request), Some(permit))
            }
            (Some(permit), _) => (Box::pin(router.others.clone().call(request)), Some(permit)),
        };
        Call::running(answer, Reader::default(), due, permit).counted(count)
    }

    fn count(&self, method: &Method) -> Count {
        Count { thread: Arc::clone(&self.router.thread), method: method.number, arrived: Instant::now() }
    }

    /// When a call must be answered, and its place; none if there are too many.
    fn admit(&self, method: &Method, headers: &HeaderMap, now: Instant) -> (Option<Due>, Option<Permit>) {
        self.throttle.note(method.class);
        let own = deadline(headers);
        let longest = if method.streams { None } else { Some(self.router.limits.longest) };
        let allowed = match (own, longest) {
            (Some(own), Some(longest)) => Some(own.min(longest)),
            (own, longest) => own.or(longest),
        };
        let due = allowed.and_then(|allowed| now.checked_add(allowed)).map(|at| Due { at, left_to_service: false });
        (due, self.router.admission.admit(method.class, now).ok())
    }

    fn web(&self, kind: Kind, request: Request<Incoming>) -> Call {
        let origins = &self.router.origins;
        if kind == Kind::Page {
            return Call::immediate(console::answer(&request, origins, self.gate.is_privileged()), None);
        }
        let origin = match origins.admit(&request, self.gate.knows_callers()) {
            Ok(origin) => origin,
            Err(status) => return Call::immediate(web::not_a_call(status), None),
        };
        match (kind, origin) {
            (Kind::About, origin) => Call::immediate(web::about(), origin),
            (Kind::Other(status), origin) => Call::immediate(web::not_a_call(status), origin),
            (Kind::Preflight, Some(origin)) => Call::immediate(cors::preflight(), Some(origin)),
            (kind, origin) => {
                let method = match self.gate.method(request.uri().path()) {
                    Ok(method) => method,
                    Err(refused) => return Call::immediate(kind.refusal(&refused), origin),
                };
                let call = match self.translated((kind, method), request, origin.as_ref()) {
                    Ok((answer, due, permit)) => Call::running(answer, Reader { kind, origin }, due, permit),
                    Err(refused) => Call::immediate(kind.refusal(&refused), origin),
                };
                call.counted(self.count(method))
            }
        }
    }

    /// The answer to a call that is translated.
    fn translated(
        &self,
        (kind, method): (Kind, &Method),
        mut request: Request<Incoming>,
        page: Option<&HeaderValue>,
    ) -> Result<(Running, Option<Due>, Option<Permit>), Status> {
        bounded(request.headers())?;
        self.gate.pass(method, &mut request)?;
        let caller = request.extensions().get::<Arc<Caller>>();
        let unbound = caller.is_some_and(|caller| caller.customer.is_none());
        if page.is_some() && unbound && !self.router.origins.unbound {
            let message = "a page may call only with a token that is bound to one customer";
            return Err(refusal(Code::PermissionDenied, "PAGE_TOKEN_UNBOUND", message));
        }
        let (mut due, permit) = self.admit(method, request.headers(), Instant::now());
        let routes = match &permit {
            Some(_) => self.router.others.clone(),
            None if method.path == DECIDE => self.router.overloaded.routes(),
            None => return Err(NotBegun::Overloaded.status()),
        };
        let mut late = None;
        if let Some(due) = due.as_mut().filter(|_| method.path == DECIDE) {
            due.left_to_service = true;
            late = Some((due.at, self.router.late.routes()));
        }
        let begin = move || match late {
            Some((due, late)) if Instant::now() >= due => late,
            _ => routes,
        };
        let answer: Running = match (kind, &method.descriptor) {
            (Kind::Connect(form), Some(descriptor)) => {
                let descriptor = descriptor.clone();
                Box::pin(async move { Ok(web::connect::unary(begin(), descriptor, form, request).await) })
            }
            (Kind::GrpcWeb, _) => Box::pin(async move { GrpcWebLayer::new().layer(begin()).call(request).await }),
            _ => return Err(Status::unimplemented("this method is answered over gRPC and gRPC-Web only")),
        };
        Ok((answer, due, permit))
    }
}

impl<D: DecisionService> CallRouter<D> {
    /// Decides, unless it is too late when the call begins.
    fn decide_in_time(&self, due: Instant, request: Request<Incoming>) -> Running {
        let (mut decisions, late) = (self.decisions.clone(), self.late.clone());
        Box::pin(async move {
            if Instant::now() < due { decisions.call(request).await } else { late.decisions().call(request).await }
        })
    }
}

/// Refuses a call with too much metadata.
fn bounded(headers: &HeaderMap) -> Result<(), Status> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + METADATA_OVERHEAD).sum();
    if bytes <= METADATA {
        return Ok(());
    }
    let message = format!("the metadata of this call takes {bytes} bytes, and at most {METADATA} are allowed");
    Err(refusal(Code::ResourceExhausted, "METADATA_TOO_LARGE", &message))
}

/// Whether a path such as `/tactful.v1.DecisionService/Decide` names a method of a service.
fn is_of<S: NamedService>(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(S::NAME)).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_the_service_that_it_names() {
        struct Named;
        impl NamedService for Named {
            const NAME: &'static str = "a.B";
        }
        assert!(is_of::<Named>("/a.B/C"));
        assert!(!is_of::<Named>("/a.BC/D") && !is_of::<Named>("/a.B") && !is_of::<Named>("a.B/C"));
    }
}
