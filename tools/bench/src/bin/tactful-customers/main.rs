//! Prints customers in the format of `tactful import`, for measuring it: with the sample rules in `rules/`, each of them
//! has two consents, two attributes, events, contacts and an outcome. The same arguments print the same lines.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::Parser;

const PAGES: [&str; 5] = ["fibre", "prices", "contract", "help", "router"];
const CONTRACTS: [&str; 3] = ["none", "dsl", "fibre"];

/// Print customers in the format of `tactful import`
#[derive(Debug, Parser)]
#[command(name = "tactful-customers", version, max_term_width = 80)]
#[command(
    after_help = "Examples:\n  tactful-customers 1000000 > customers.jsonl\n  tactful-customers 1000 --bad 1\n\n\
    A customer takes about 2.5 KB. The lines are the same in each run."
)]
struct Customers {
    /// How many customers
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    count: u64,
    /// Events of each
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    events: u32,
    /// Contacts of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=90))]
    contacts: u32,
    /// How many lines in a hundred are bad: not JSON, an attribute that no rule declares, or a value of another type
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    bad: u64,
}

fn main() -> ExitCode {
    let customers = Customers::parse();
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let written = (0..customers.count).try_for_each(|number| out.write_all(customers.line(number).as_bytes()));
    match written.and_then(|()| out.flush()) {
        // The reader may stop early.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: the customers cannot be written: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}

impl Customers {
    fn line(&self, number: u64) -> String {
        let is_bad = number % 100 < self.bad;
        match number / 100 % 3 {
            0 if is_bad => format!("{{\"customer\":\"c{number}\",\"events\":[\n"),
            1 if is_bad => {
                format!("{{\"customer\":\"c{number}\",\"attributes\":{{\"customer.contrakt\":\"dsl\"}}}}\n")
            }
            _ if is_bad => format!("{{\"customer\":\"c{number}\",\"attributes\":{{\"customer.age\":\"old\"}}}}\n"),
            _ => self.customer(number) + "\n",
        }
    }

    fn customer(&self, number: u64) -> String {
        let day = 1 + number % 28;
        let contract = pick(&CONTRACTS, number);
        let mut line = format!(
            "{{\"customer\":\"c{number}\",\"time_zone\":\"Europe/Berlin\",\"consents\":[{},{}],\
             \"attributes\":{{\"customer.contract\":\"{contract}\",\"customer.age\":{}}},\"events\":[",
            consent("personalisation", number, day),
            consent("marketing.email", number, day),
            18 + number % 60
        );
        for event in 0..self.events {
            let page = pick(&PAGES, number + u64::from(event));
            let comma = if event == 0 { "" } else { "," };
            let (hour, minute) = (8 + event / 8, event % 8 * 7);
            // Writing to a String cannot fail.
            _ = write!(
                line,
                "{comma}{{\"type\":\"page_view\",\"at\":\"2026-11-{day:02}T{hour:02}:{minute:02}:00Z\",\
                 \"channel\":\"web\",\"fields\":{{\"page\":\"{page}\"}}}}"
            );
        }
        line.push_str("],\"contacts\":[");
        for contact in 0..self.contacts {
            let comma = if contact == 0 { "" } else { "," };
            let month = 6 + contact % 5;
            _ = write!(
                line,
                "{comma}{{\"action\":\"newsletter\",\"at\":\"2026-{month:02}-{day:02}T{:02}:00:00Z\",\
                 \"channel\":\"email\"}}",
                10 + contact / 10
            );
        }
        line.push(']');
        if self.contacts > 0 {
            _ = write!(
                line,
                ",\"outcomes\":[{{\"action\":\"newsletter\",\"outcome\":\"dismissed\",\
                 \"at\":\"2026-06-{day:02}T18:30:00Z\",\"channel\":\"email\"}}]"
            );
        }
        line + "}"
    }
}

/// One of the words, each in turn.
fn pick<'a>(words: &[&'a str], number: u64) -> &'a str {
    words.get(number as usize % words.len()).copied().unwrap_or_default()
}

fn consent(purpose: &str, number: u64, day: u64) -> String {
    format!(
        "{{\"purpose\":\"{purpose}\",\"status\":\"given\",\"at\":\"2026-05-{day:02}T10:00:00Z\",\
         \"evidence\":\"form-{number}\"}}"
    )
}
