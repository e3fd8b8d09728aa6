//! The server's log: one line per event on standard error, for people or for programs, without personal data.

pub use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, perhaps in colour.
    Human {
        /// Whether to colour it.
        color: bool,
    },
    /// For programs: one JSON object per line.
    Json,
}

/// Sends the log of this process to standard error, down to a level. Of libraries only warnings are logged: their details
/// may quote data from the wire.
///
/// # Errors
/// When a log is already set up.
pub fn start(format: LogFormat, level: LevelFilter) -> Result<(), TryInitError> {
    let shown = Targets::new().with_target("tactful", level).with_default(level.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Human { color } => lines.with_ansi(color).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(shown)).try_init()
}
