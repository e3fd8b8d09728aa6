//! `tactful man`: manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::{Cli, Failure, Verdict, counted, labelled, say};

/// Write manual pages, one for each command
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful man ~/.local/share/man/man1\n  \
    tactful man pages && man -l pages/tactful-decide.1\n\n\
    Exit code 0 if they were written, 2 if not.")]
pub(super) struct Man {
    /// Folder to write them into; it is created if it is absent
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let name = self.folder.display();
        let unwritten = |error| Failure::new(format!("`{name}` cannot be written: {error}"));
        std::fs::create_dir_all(&self.folder).map_err(unwritten)?;
        let mut command = Cli::command();
        command.build();
        let pages = pages(&command);
        for page in &pages {
            page.generate_to(&self.folder).map_err(unwritten)?;
        }
        say(labelled("wrote", &format!("{name}: {}", counted(pages.len(), "page"))).trim_end());
        Ok(Verdict::InOrder)
    }
}

/// The pages of a command and of those below it.
fn pages(command: &clap::Command) -> Vec<clap_mangen::Man> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help").flat_map(pages);
    std::iter::once(clap_mangen::Man::new(command.clone())).chain(below).collect()
}
