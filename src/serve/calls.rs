//! A call from its path to its service, through the gate. A panic fails only the call that raised it; a deadline that the
//! client set ends a call that still waits.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::{BoxFuture, Service as _};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_web::GrpcWebLayer;
use tower_layer::Layer as _;

use super::gate::{ConnectionGate, Gate};
use super::transport::{Connect, Peer};
use super::web::cors::{self, Origins};
use super::web::{self, Kind};
use crate::grpc::caller::Caller;
use crate::grpc::proto::decision_service_server::{DecisionService, DecisionServiceServer};
use crate::grpc::status::refusal;

/// The encoding of a message, and those that the caller can read.
const ENCODING: &str = "grpc-encoding";
const ACCEPTED_ENCODING: &str = "grpc-accept-encoding";
/// How many bytes the metadata of one call may take.
const METADATA: usize = 16 * 1024;
/// What each header counts for beside its text (RFC 9113, section 6.5.2).
const METADATA_OVERHEAD: usize = 32;

/// The decision service, which takes compressed messages, and compresses its answers to callers who do.
pub fn decisions<D: DecisionService>(decisions: D) -> DecisionServiceServer<D> {
    let service = DecisionServiceServer::new(decisions);
    service.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip)
}

/// Routes calls to the services of a server.
#[derive(Debug)]
pub struct CallRouter<D> {
    gate: Gate,
    origins: Arc<Origins>,
    /// Most calls are for this service, so they bypass the router.
    decisions: DecisionServiceServer<D>,
    others: Routes,
}

impl<D> Clone for CallRouter<D> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
            origins: Arc::clone(&self.origins),
            decisions: self.decisions.clone(),
            others: self.others.clone(),
        }
    }
}

impl<D: DecisionService> CallRouter<D> {
    /// The decision service, and the router of all others, behind a gate.
    pub fn new(gate: Gate, decisions: D, others: Routes) -> Self {
        Self { gate, origins: Arc::default(), decisions: self::decisions(decisions), others }
    }

    /// The same router, for pages of these origins, too.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins: Arc::new(origins), ..self }
    }
}

impl<D: DecisionService> Connect for CallRouter<D> {
    type Calls = ConnectionCalls<D>;

    fn connect(&self, peer: Peer) -> ConnectionCalls<D> {
        let gate = self.gate.connect(peer);
        ConnectionCalls { router: self.clone(), gate }
    }
}

/// Answers the calls of one connection.
#[derive(Debug)]
pub struct ConnectionCalls<D> {
    router: CallRouter<D>,
    gate: ConnectionGate,
}

impl<D: DecisionService> hyper::service::Service<Request<Incoming>> for ConnectionCalls<D> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, request: Request<Incoming>) -> Call {
        match Kind::of(&request) {
            Kind::Grpc => self.grpc(request),
            kind => self.web(kind, request),
        }
    }
}

impl<D: DecisionService> ConnectionCalls<D> {
    fn grpc(&self, mut request: Request<Incoming>) -> Call {
        if let Err(refused) = bounded(request.headers()).and_then(|()| self.gate.pass(&mut request).map(drop)) {
            return Call::immediate(refused.into_http());
        }
        // Answers are compressed for those who compress: many clients say that they could read it, and do not need it.
        if !request.headers().contains_key(ENCODING) {
            request.headers_mut().remove(ACCEPTED_ENCODING);
        }
        let deadline = deadline(request.headers());
        let answer: BoxFuture<_, _> = if is_of::<DecisionServiceServer<D>>(request.uri().path()) {
            self.router.decisions.clone().call(request)
        } else {
            Box::pin(self.router.others.clone().call(request))
        };
        Call { answer: Answer::Running(answer), deadline, timer: None, reader: Reader::default() }
    }

    fn web(&self, kind: Kind, request: Request<Incoming>) -> Call {
        let origin = match self.router.origins.admit(request.headers()) {
            Ok(origin) => origin,
            Err(status) => return Call::immediate(web::not_a_call(status)),
        };
        match (kind, origin.clone()) {
            (Kind::About, _) => return Call::immediate(web::about()),
            (Kind::Other(status), _) => return Call::immediate(web::not_a_call(status)),
            (Kind::Preflight, Some(origin)) => return Call::immediate(cors::preflight(origin)),
            _ => {}
        }
        let deadline = deadline(request.headers());
        let answer = match self.translated(kind, request, origin.is_some()) {
            Ok(answer) => Answer::Running(answer),
            Err(refused) => Answer::Immediate(Some(Box::new(kind.refusal(&refused)))),
        };
        Call { answer, deadline, timer: None, reader: Reader { kind, origin } }
    }

    /// The answer to a call that is translated.
    fn translated(&self, kind: Kind, mut request: Request<Incoming>, is_page: bool) -> Result<Running, Status> {
        bounded(request.headers())?;
        let method = self.gate.pass(&mut request)?;
        let caller = request.extensions().get::<Arc<Caller>>();
        if is_page && !self.router.origins.unbound && caller.is_some_and(|caller| caller.customer.is_none()) {
            let message = "a page may call only with a token that is bound to one customer";
            return Err(refusal(Code::PermissionDenied, "PAGE_TOKEN_UNBOUND", message));
        }
        let routes = self.router.others.clone();
        Ok(match (kind, &method.descriptor) {
            (Kind::Connect(form), Some(descriptor)) => {
                let unary = web::connect::unary(routes, descriptor.clone(), form, request);
                Box::pin(async move { Ok(unary.await) })
            }
            (Kind::GrpcWeb, _) => Box::pin(GrpcWebLayer::new().layer(routes).call(request)),
            _ => return Err(Status::unimplemented("this method is answered over gRPC and gRPC-Web only")),
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

/// The client's deadline for a call: the `grpc-timeout` of gRPC over HTTP/2, at most eight digits and a unit, or the
/// milliseconds of Connect.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let Some(text) = headers.get("grpc-timeout") else {
        let text = headers.get("connect-timeout-ms")?.to_str().ok()?;
        let digits = Some(text).filter(|text| text.len() <= 10 && !text.starts_with('+'))?;
        return Some(Duration::from_millis(digits.parse().ok()?));
    };
    let text = text.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = Some(count).filter(|count| count.len() <= 8 && !count.starts_with('+'))?.parse::<u32>().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(u64::from(count) * 3_600),
        "M" => Duration::from_secs(u64::from(count) * 60),
        "S" => Duration::from_secs(u64::from(count)),
        "m" => Duration::from_millis(u64::from(count)),
        "u" => Duration::from_micros(u64::from(count)),
        "n" => Duration::from_nanos(u64::from(count)),
        _ => return None,
    })
}

/// A call in progress.
pub struct Call {
    answer: Answer,
    /// Who reads it.
    reader: Reader,
    deadline: Option<Duration>,
    /// Created when the call first has to wait: most never do.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Who reads an answer.
#[derive(Debug, Default)]
struct Reader {
    kind: Kind,
    /// The origin of the page, if it is one.
    origin: Option<HeaderValue>,
}

/// An answer in progress.
type Running = BoxFuture<Response<Body>, Infallible>;

/// The answer of a call.
enum Answer {
    /// The service works on it.
    Running(Running),
    /// No service sees the call; taken when it is sent.
    Immediate(Option<Box<Response<Body>>>),
}

impl Call {
    /// A call that no service gets to see.
    fn immediate(response: Response<Body>) -> Self {
        let answer = Answer::Immediate(Some(Box::new(response)));
        Self { answer, reader: Reader::default(), deadline: None, timer: None }
    }

    /// What is sent.
    fn sent(&mut self, answer: Response<Body>) -> Poll<Result<Response<Body>, Infallible>> {
        Poll::Ready(Ok(match self.reader.origin.take() {
            Some(origin) => cors::allow(origin, answer),
            None => answer,
        }))
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Future for Call {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.answer {
            Answer::Running(answer) => answer,
            Answer::Immediate(answer) => {
                let answer = answer.take().map(|answer| *answer).unwrap_or_default();
                return self.sent(answer);
            }
        };
        let refused = match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
            Ok(Poll::Ready(Ok(answer))) => return self.sent(answer),
            Ok(Poll::Pending) => {
                let Some(allowed) = self.deadline else { return Poll::Pending };
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(allowed)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Status::deadline_exceeded("the call took longer than its deadline allows")
            }
            Err(_) => Status::internal("the call failed unexpectedly"),
        };
        let answer = self.reader.kind.refusal(&refused);
        self.sent(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(answer: impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static) -> Call {
        Call {
            answer: Answer::Running(Box::pin(answer)),
            reader: Reader::default(),
            deadline: Some(Duration::from_millis(20)),
            timer: None,
        }
    }

    fn code(answer: Result<Response<Body>, Infallible>) -> tonic::Code {
        Status::from_header_map(answer.unwrap().headers()).unwrap().code()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_ends_a_call_that_waits_and_no_other() {
        assert_eq!(code(call(std::future::pending()).await), tonic::Code::DeadlineExceeded);
        let answered = async {
            sleep(Duration::from_millis(19)).await;
            Ok(Response::default())
        };
        assert!(Status::from_header_map(call(answered).await.unwrap().headers()).is_none());
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("planted")
        };
        assert_eq!(code(call(panics).await), tonic::Code::Internal);
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read =
            |text: &str| deadline(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]));
        let cases = [("2H", 7_200_000), ("3M", 180_000), ("4S", 4_000), ("500m", 500), ("6000u", 6), ("7000000n", 7)];
        for (text, milliseconds) in cases {
            assert_eq!(read(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        let connect = HeaderMap::from_iter([("connect-timeout-ms".parse().unwrap(), "250".parse().unwrap())]);
        assert_eq!(deadline(&connect), Some(Duration::from_millis(250)));
        for text in ["", "S", "5", "-5S", "+5S", "123456789S", "5 S", "5s", "5µ"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

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
