//! `tactful audit`: reads the audit log of a server.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use super::open_node::LedgerPlace;
use super::table::list;
use super::{Failure, Verdict, say};
use crate::serve::audit_log::{files, pseudonym, read_key};

/// Show who made privileged calls
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful audit --audit audit\n  tactful audit --audit audit --customer anna\n\n\
    Each line is one call that exported, erased, read a customer, reloaded rules or backed the server up, as\n\
    `tactful serve --audit` writes it.\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Audit {
    /// Folder of the audit log
    #[arg(long, default_value = "audit", value_name = "FOLDER", env = "TACTFUL_AUDIT")]
    audit: PathBuf,
    /// Only calls about this customer; needs the keys folder
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only calls of this caller
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Print the lines as they are, in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: LedgerPlace,
}

impl Audit {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let folder = self.audit.display();
        let wrong =
            |error: std::io::Error| Failure::new(format!("the audit log in `{folder}` cannot be read: {error}"));
        let customer = match &self.customer {
            Some(customer) => {
                let path = self.place.settings().keys.join("audit");
                if !path.exists() {
                    let message = format!("there is no key at `{}` to find a customer with", path.display());
                    return Err(Failure::new(message).help("name the server's keys folder with --keys"));
                }
                Some(pseudonym(&read_key(&path).map_err(wrong)?, customer))
            }
            None => None,
        };
        let is_wanted = |entry: &Json| {
            let is = |key: &str, wanted: &Option<String>| {
                wanted.as_deref().is_none_or(|wanted| entry.get(key).and_then(Json::as_str) == Some(wanted))
            };
            is("customer", &customer) && is("caller", &self.caller)
        };
        let mut table = list(&["at", "caller", "method", "customer"]);
        for path in files(&self.audit).map_err(wrong)? {
            for line in fs::read_to_string(path).map_err(wrong)?.lines() {
                // A line that was cut off says nothing.
                let Some(entry) = serde_json::from_str::<Json>(line).ok().filter(is_wanted) else { continue };
                if self.json {
                    say(line);
                    continue;
                }
                let cell = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
                let pseudonym: String = cell("customer").chars().take(16).collect();
                table.add_row([cell("at"), cell("caller"), cell("method"), pseudonym]);
            }
        }
        if !self.json {
            say(&table.to_string());
        }
        Ok(Verdict::InOrder)
    }
}
