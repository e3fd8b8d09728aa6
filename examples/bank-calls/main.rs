//! Turns the bank's contact list (UCI Bank Marketing) into a timeline for `tactful replay`.
//!
//! ```text
//! cargo run --release --example bank-calls -- examples/bank-calls/bank-contacts.csv > timeline.jsonl
//! ```
//!
//! One row of the list is `campaign` calls to one customer. They become one line with the customer's facts and one
//! `decide` line per call with what the bank did and the outcome. `calendar.rs` explains how the times are
//! generated. `duration` is known only after a call, so it is not even read.

mod calendar;
mod contact;
mod timeline;

use std::error::Error;
use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use contact::Contact;
use timeline::{Line, Timeline};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: bank-calls CONTACTS.csv > timeline.jsonl");
        return ExitCode::from(2);
    };
    match convert(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot convert `{path}`: {error}");
            ExitCode::FAILURE
        }
    }
}

fn convert(path: &str) -> Result<(), Box<dyn Error>> {
    let contacts = csv::Reader::from_path(path)?.deserialize().collect::<Result<Vec<Contact>, _>>()?;
    let timeline = Timeline::of(&contacts)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in timeline.lines() {
        write_line(&mut out, &line)?;
    }
    Ok(out.flush()?)
}

fn write_line(out: &mut impl Write, line: &Line<'_>) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
}

/// A reader such as `head` that has seen enough is not a failure.
fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(ErrorKind::BrokenPipe)
}
