//! `tactful explain`: the long explanation of a diagnostic's code.

use clap::Args;

use super::{Failure, Verdict, say};
use crate::rules::code;
use crate::rules::diagnostic::Code;

/// Explain a diagnostic's code
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful explain T0207\n\nExit code 0 if it is explained, 2 if there is no such code."
)]
pub(super) struct Explain {
    /// The code, as in `T0207`
    code: String,
}

impl Explain {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let number = self.code.trim_start_matches(['T', 't']).parse().ok().map(Code);
        match number.and_then(|code| Some((code, code::explain(code)?))) {
            Some((code, (title, text))) => {
                say(&format!("{code}: {title}\n\n{text}"));
                Ok(Verdict::InOrder)
            }
            None => Err(Failure::new(format!("there is no code `{}`", self.code)).help("codes look like T0207")),
        }
    }
}
