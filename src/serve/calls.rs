//! A call from its path to its service, through the gate. A panic fails only the call that raised it; a deadline that the
//! client set ends a call that still waits.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as _};
use tonic::server::NamedService;
use tonic::service::Routes;

use super::gate::{ConnectionGate, Gate};
use super::transport::{Connect, Peer};
use crate::grpc::proto::decision_service_server::{DecisionService, DecisionServiceServer};

/// Routes calls to the services of a server.
#[derive(Debug)]
pub struct CallRouter<D> {
    gate: Gate,
    /// Most calls are for this service, so they bypass the router.
    decisions: DecisionServiceServer<D>,
    others: Routes,
}

impl<D> Clone for CallRouter<D> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), decisions: self.decisions.clone(), others: self.others.clone() }
    }
}

impl<D: DecisionService> CallRouter<D> {
    /// The decision service, and the router of all others, behind a gate.
    pub fn new(gate: Gate, decisions: D, others: Routes) -> Self {
        Self { gate, decisions: DecisionServiceServer::new(decisions), others }
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

    fn call(&self, mut request: Request<Incoming>) -> Call {
        if let Err(refused) = self.gate.pass(&mut request) {
            return Call::refused(&refused);
        }
        let deadline = deadline(request.headers());
        let answer: BoxFuture<_, _> = if is_of::<DecisionServiceServer<D>>(request.uri().path()) {
            self.router.decisions.clone().call(request)
        } else {
            Box::pin(self.router.others.clone().call(request))
        };
        Call { answer: Answer::Running(answer), deadline, timer: None }
    }
}

/// Whether a path such as `/tactful.v1.DecisionService/Decide` names a method of a service.
fn is_of<S: NamedService>(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(S::NAME)).is_some_and(|rest| rest.starts_with('/'))
}

/// The client's deadline for a call, in the `grpc-timeout` of gRPC over HTTP/2: at most eight digits and a unit.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
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
    deadline: Option<Duration>,
    /// Created when the call first has to wait: most never do.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The answer of a call.
enum Answer {
    /// The service works on it.
    Running(BoxFuture<Response<Body>, Infallible>),
    /// The call was refused; taken when it is sent.
    Refused(Option<Box<Response<Body>>>),
}

impl Call {
    /// A call that no service gets to see.
    fn refused(status: &Status) -> Self {
        let answer = Answer::Refused(Some(Box::new(status.clone().into_http())));
        Self { answer, deadline: None, timer: None }
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
            Answer::Refused(answer) => {
                let answer = answer.take().map(|answer| *answer);
                return Poll::Ready(Ok(answer.unwrap_or_default()));
            }
        };
        let refused = match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => return Poll::Ready(answer),
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
        Poll::Ready(Ok(refused.into_http()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(answer: impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static) -> Call {
        Call { answer: Answer::Running(Box::pin(answer)), deadline: Some(Duration::from_millis(20)), timer: None }
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
