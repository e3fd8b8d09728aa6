//! `tactful store`: the database that several nodes share.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::open_node::no_database;
use super::{Failure, Verdict, say};
use crate::storage::{Migrated, migrate};

/// Prepare a database that several nodes share
#[derive(Debug, Args)]
pub(super) struct Store {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Migrate(Migrate),
}

impl Store {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.command {
            Command::Migrate(command) => command.run(),
        }
    }
}

/// Make the tables of a database, or bring them to this version
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful store migrate --store postgres://tactful@db/tactful --keys keys\n\n\
    The first run creates the keys folder; every node needs a copy of it. The tables are made in the schema `tactful`. \
    A database of a later version is refused.\n\nExit code 0 if it is done, 2 if not.")]
struct Migrate {
    /// Address of the database
    #[arg(long, value_name = "URL", env = "TACTFUL_STORE", hide_env_values = true)]
    store: String,
    /// Folder for the keys that make the database readable
    #[arg(long, env = "TACTFUL_KEYS", value_name = "FOLDER", default_value = "data-keys")]
    keys: PathBuf,
}

impl Migrate {
    fn run(self) -> Result<Verdict, Failure> {
        let Migrated { from, to } = migrate(&self.store, &self.keys).map_err(|error| no_database(&error))?;
        say(&match from {
            0 => format!("schema     version {to}, keys in {}", self.keys.display()),
            from if from == to => format!("schema     version {to} already"),
            from => format!("schema     version {to}, was {from}"),
        });
        Ok(Verdict::InOrder)
    }
}
