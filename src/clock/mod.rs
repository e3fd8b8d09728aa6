//! The only place that reads the machine's clocks: the time of day as a [`Clock`], a length of time as a [`Stopwatch`].
//! `guard` keeps a wrong setting of the machine's clock away from the customers; `followed` is the time of another machine.

mod followed;
mod guard;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Moment, Period};

pub use followed::FollowedTime;
pub use guard::{GuardedTime, Source};

/// A source of the current time. A closure is one.
pub trait Time: Send + Sync {
    /// The current time.
    fn now(&self) -> Moment;

    /// How far the machine's clock is ahead of this time, if it was set by more than is believed.
    fn step(&self) -> Option<Period> {
        None
    }

    /// Believes the machine's clock from now on.
    fn accept(&self) {}
}

impl<F: Fn() -> Moment + Send + Sync> Time for F {
    fn now(&self) -> Moment {
        self()
    }
}

/// A shared source of the current time.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Time>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.0.now()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The current time of the machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The time since the machine was started, which counts while the machine is suspended and which no setting of its
/// clock changes.
fn since_boot() -> Moment {
    #[cfg(target_os = "linux")]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(id);
    Moment(time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000))
}

/// Measures a length of time, which no clock setting changes and on which no decision depends.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
