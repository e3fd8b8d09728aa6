//! Turns a randomised e-mail experiment (Hillstrom, MineThatData 2008) into a timeline for `tactful replay`.
//!
//! ```text
//! cargo run --release --example email-experiment -- email-experiment.csv > timeline.jsonl
//! ```
//!
//! Each customer was given a men's e-mail, a women's e-mail or none by lot. A customer becomes three lines: consent to
//! the newsletter, what is known, and one `decide` on the channel `email` with what the lot chose; the reward is a visit
//! to the web site within two weeks. The day is not known: all lie on 17 March 2008, four customers a second.

mod customer;
mod timeline;

use std::error::Error;
use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use customer::Customer;
use timeline::{Line, Shares};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: email-experiment CUSTOMERS.csv > timeline.jsonl");
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
    let customers = csv::Reader::from_path(path)?.deserialize().collect::<Result<Vec<Customer>, _>>()?;
    let shares = Shares::of(&customers);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (row, customer) in customers.iter().enumerate() {
        for line in timeline::lines(row, customer, &shares)? {
            write_line(&mut out, &line)?;
        }
    }
    Ok(out.flush()?)
}

fn write_line(out: &mut impl Write, line: &Line) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer(&mut *out, line)?;
    Ok(out.write_all(b"\n")?)
}

/// A reader such as `head` that has seen enough is not a failure.
fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(ErrorKind::BrokenPipe)
}
