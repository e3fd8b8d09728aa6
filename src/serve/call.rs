//! One call in progress. A call whose deadline has passed is not begun; a deadline ends a call that waits; a panic fails
//! only the call that raised it.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::{Code, Status};
use tracing::{Level, Span};

use super::admission::Permit;
use super::call_meter::{CANCELLED, ThreadMeter};
use super::undecided::NotBegun;
use super::web::{Kind, cors};

/// The client's deadline for a call: the `grpc-timeout` of gRPC over HTTP/2, at most eight digits and a unit, or the
/// milliseconds of Connect.
pub fn deadline(headers: &HeaderMap) -> Option<Duration> {
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

/// When a call must be answered.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The end of its deadline, which began when the call arrived.
    pub at: Instant,
    /// Whether the service itself answers a call that begins too late.
    pub left_to_service: bool,
}

/// Who reads an answer.
#[derive(Debug, Default)]
pub struct Reader {
    /// What the caller speaks.
    pub kind: Kind,
    /// The origin of the page, if it is one.
    pub origin: Option<HeaderValue>,
}

/// Counts a call when it is answered, or when it ends without an answer.
#[derive(Debug)]
pub struct Count {
    /// The counts of the thread.
    pub thread: Arc<ThreadMeter>,
    /// The number of the method.
    pub method: usize,
    /// When the call arrived.
    pub arrived: Instant,
}

impl Count {
    fn end(self, code: i32) {
        let took = self.arrived.elapsed();
        self.thread.count(self.method, code, took);
        if tracing::enabled!(Level::DEBUG) {
            let (method, micros) = (self.thread.path(self.method), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            tracing::debug!(method, status = ?Code::from(code), micros, "call");
        }
    }
}

/// The code of an answer; an answer that only begins counts as OK.
fn code_of(answer: &Response<Body>) -> i32 {
    let from_header = || answer.headers().get("grpc-status")?.to_str().ok()?.parse().ok();
    answer.extensions().get::<Code>().map(|code| *code as i32).or_else(from_header).unwrap_or(0)
}

/// An answer in progress.
pub type Running = BoxFuture<Response<Body>, Infallible>;

/// The answer of a call.
enum Answer {
    /// The service works on it.
    Running(Running),
    /// No service sees the call; taken when it is sent.
    Immediate(Option<Box<Response<Body>>>),
}

/// A call in progress.
pub struct Call {
    answer: Answer,
    reader: Reader,
    due: Option<Due>,
    /// Its place; given back with the answer.
    permit: Option<Permit>,
    /// Taken when the call ends.
    count: Option<Count>,
    /// The trace that its log lines name.
    span: Option<Span>,
    /// Created when the call first has to wait: most never do.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Call {
    /// A call that a service answers.
    #[must_use]
    pub fn running(answer: Running, reader: Reader, due: Option<Due>, permit: Option<Permit>) -> Self {
        Self { answer: Answer::Running(answer), reader, due, permit, count: None, span: None, timer: None }
    }

    /// The same call, which is counted.
    #[must_use]
    pub fn counted(mut self, count: Count) -> Self {
        self.count = Some(count);
        self
    }

    /// The same call, whose log lines name a trace.
    #[must_use]
    pub fn traced(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    /// A call that no service gets to see.
    #[must_use]
    pub fn immediate(response: Response<Body>, origin: Option<HeaderValue>) -> Self {
        let reader = Reader { kind: Kind::default(), origin };
        Self {
            answer: Answer::Immediate(Some(Box::new(response))),
            reader,
            due: None,
            permit: None,
            count: None,
            span: None,
            timer: None,
        }
    }

    /// What is sent.
    fn sent(&mut self, answer: Response<Body>) -> Poll<Result<Response<Body>, Infallible>> {
        if let Some(count) = self.count.take() {
            count.end(code_of(&answer));
        }
        Poll::Ready(Ok(match self.reader.origin.take() {
            Some(origin) => cors::allow(origin, answer),
            None => answer,
        }))
    }

    /// Whether the call comes too late, when it is looked at first.
    fn begins_too_late(&mut self) -> bool {
        let Some(permit) = self.permit.as_mut().filter(|permit| permit.waits()) else { return false };
        let now = Instant::now();
        permit.begin(now);
        self.due.is_some_and(|due| due.at <= now && !due.left_to_service)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(count) = self.count.take() {
            count.end(CANCELLED);
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("due", &self.due).finish_non_exhaustive()
    }
}

impl Future for Call {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let span = self.span.clone();
        let _entered = span.as_ref().map(Span::enter);
        let late = self.begins_too_late();
        let answer = match &mut self.answer {
            Answer::Running(answer) => answer,
            Answer::Immediate(answer) => {
                let answer = answer.take().map(|answer| *answer).unwrap_or_default();
                return self.sent(answer);
            }
        };
        let refused = if late {
            NotBegun::TooLate.status()
        } else {
            match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                Ok(Poll::Ready(Ok(answer))) => return self.sent(answer),
                Ok(Poll::Pending) => {
                    let Some(due) = self.due else { return Poll::Pending };
                    let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.at)));
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    Status::deadline_exceeded("the call took longer than its deadline allows")
                }
                Err(_) => Status::internal("the call failed unexpectedly"),
            }
        };
        let answer = self.reader.kind.refusal(&refused);
        self.sent(answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::super::admission::Admission;
    use super::*;
    use crate::grpc::proto::CallClass;

    fn call(answer: impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static) -> Call {
        let due = Due { at: Instant::now() + Duration::from_millis(20), left_to_service: false };
        Call::running(Box::pin(answer), Reader::default(), Some(due), None)
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

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_deadline_has_passed_is_not_begun() {
        let admission = Arc::new(Admission::new(10, Arc::default()));
        let begun = |late: Duration| {
            let admission = Arc::clone(&admission);
            async move {
                let permit = admission.admit(CallClass::Decision, Instant::now()).unwrap();
                let due = Due { at: permit.arrived + Duration::from_millis(20), left_to_service: false };
                let answer = Box::pin(async { Ok(Response::default()) });
                let call = Call::running(answer, Reader::default(), Some(due), Some(permit));
                advance(late).await;
                Status::from_header_map(call.await.unwrap().headers()).map(|status| status.code())
            }
        };
        assert_eq!(begun(Duration::from_millis(19)).await, None);
        assert_eq!(begun(Duration::from_millis(20)).await, Some(tonic::Code::DeadlineExceeded));
    }
}
