//! Load on a running server, over HTTP/2 and from one thread: calls on a schedule that the server cannot slow down, or
//! as many calls as a number of callers can make.
//!
//! On a schedule, the latency of a call is measured from its due time, not from when it could be sent: time in the
//! queue counts.

mod caller;
mod calls;
mod error;
mod report;
mod schedule;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use caller::Caller;
use report::Tally;
use schedule::Schedule;

pub use calls::{Calls, framed};
pub use error::LoadError;
pub use report::{Failures, Report};

/// When calls are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// On a schedule, however long the answers take (open loop).
    Scheduled {
        /// Calls a second.
        rate: f64,
        /// Calls in total.
        calls: u64,
    },
    /// By callers that each wait for an answer before the next call (closed loop).
    Waiting {
        /// How many callers there are.
        callers: usize,
        /// Calls in total, at most.
        calls: u64,
        /// After this time, no further call begins.
        lasting: Duration,
    },
}

/// A load on a server.
pub struct Load {
    /// The name of the load in reports.
    pub name: String,
    /// The address of the server.
    pub address: SocketAddr,
    /// The number of connections.
    pub connections: usize,
    /// When calls are sent.
    pub pace: Pace,
    /// The timeout of a call.
    pub timeout: Duration,
    /// How many of the first calls are not counted.
    pub skipped: u64,
    /// The calls to make.
    pub calls: Arc<dyn Calls>,
}

impl Load {
    /// Runs the load, and reports once the last answer has arrived or timed out.
    ///
    /// # Errors
    /// When it cannot start. Failed calls are part of the report.
    pub fn run(self) -> Result<Report, LoadError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.drive())
    }

    async fn drive(self) -> Result<Report, LoadError> {
        let tally = Tally::new(self.skipped)?;
        let mut callers = Vec::new();
        for _ in 0..self.connections.max(1) {
            callers
                .push(Caller::connect(self.address, self.timeout, Arc::clone(&self.calls), Arc::clone(&tally)).await?);
        }
        let start = now();
        match self.pace {
            Pace::Scheduled { rate, calls } => on_schedule(&callers, Schedule { start, rate, calls }).await,
            Pace::Waiting { callers: waiting, calls, lasting } => {
                let budget = Arc::new(Budget { next: AtomicU64::new(0), calls, end: start + lasting });
                by_callers(&callers, waiting.max(1), &budget).await;
            }
        }
        Ok(Report::new(self.name, &tally, start.elapsed()))
    }
}

#[expect(clippy::disallowed_methods, reason = "a load is about time")]
fn now() -> Instant {
    Instant::now()
}

/// Sends every call when it is due, over the connections in turn, and waits for the answers.
async fn on_schedule(callers: &[Caller], schedule: Schedule) {
    let (busy, mut idle) = mpsc::channel::<Infallible>(1);
    let mut due = schedule.release();
    let mut turns = callers.iter().cycle();
    let mut number = 0;
    while let Some(until) = due.recv().await {
        for call in number..until {
            let Some(mut caller) = turns.next().cloned() else { return };
            let busy = busy.clone();
            tokio::spawn(async move {
                caller.call(call, schedule.due(call)).await;
                drop(busy);
            });
        }
        number = until;
    }
    drop(busy);
    let None = idle.recv().await;
}

/// The remaining calls and time of callers that wait.
struct Budget {
    next: AtomicU64,
    calls: u64,
    end: Instant,
}

async fn by_callers(callers: &[Caller], waiting: usize, budget: &Arc<Budget>) {
    let mut tasks = tokio::task::JoinSet::new();
    for caller in callers.iter().cycle().take(waiting) {
        let (mut caller, budget) = (caller.clone(), Arc::clone(budget));
        tasks.spawn(async move {
            loop {
                let (number, due) = (budget.next.fetch_add(1, Ordering::Relaxed), now());
                // A caller without a connection would only fail faster than all others.
                if number >= budget.calls || due >= budget.end || !caller.call(number, due).await {
                    return;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
