//! `tactful completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Cli, Failure, Verdict, say};

/// Print a script with which a shell completes commands and flags
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  source <(tactful completions bash)\n  \
    tactful completions zsh > ~/.zfunc/_tactful          (with ~/.zfunc in fpath)\n  \
    tactful completions fish > ~/.config/fish/completions/tactful.fish\n\n\
    Exit code 0 if it was printed, 2 if not.")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "tactful", &mut script);
        say(String::from_utf8_lossy(&script).trim_end());
        Ok(Verdict::InOrder)
    }
}
