//! The only place that reads the machine's clock.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::domain::time::Moment;
use crate::grpc::Clock;

/// The current time of the machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The machine's clock.
#[must_use]
pub fn system() -> Clock {
    Clock(Arc::new(now))
}
