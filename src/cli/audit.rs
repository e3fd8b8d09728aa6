//! `tactful audit`: reads the audit log of a server.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use super::open_node::LedgerPlace;
use super::table::whole;
use super::{Failure, Verdict, say};
use crate::serve::audit_log::{files, pseudonym, read_key};

/// Show who made privileged calls
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful audit\n  tactful audit --customer anna\n  tactful audit --audit /var/lib/tactful/audit --caller web-shop\n\n\
    A server that was started with `tactful serve --audit FOLDER` notes there who read, exported or erased a customer, \
    watched decisions, took a backup, set its clock or reloaded its rules. This command reads that folder on the \
    machine of the server; the server may be running. Without --audit, a server notes nothing.\n\n\
    A customer is shown by a pseudonym. --customer finds the lines of one, with the key in the keys folder.\n\n\
    Exit code 0 if it is done, 2 if not."
)]
pub(super) struct Audit {
    /// Folder that `tactful serve --audit` was given
    #[arg(long, default_value = "audit", value_name = "FOLDER", env = "TACTFUL_AUDIT")]
    audit: PathBuf,
    /// Only calls about this customer; needs the server's keys folder
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only calls of this caller, by the name of its token
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
        let wrong = |error: std::io::Error| {
            Failure::new(format!("the audit log in `{folder}` cannot be read: {error}"))
                .help("name the folder that the server was given with `tactful serve --audit FOLDER`")
        };
        if !self.audit.is_dir() {
            return Err(wrong(std::io::ErrorKind::NotFound.into()));
        }
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
        let mut table = whole(&["at", "call", "customer", "caller"], 3);
        for path in files(&self.audit).map_err(wrong)? {
            for line in fs::read_to_string(path).map_err(wrong)?.lines() {
                // A line that was cut off says nothing.
                let Some(entry) = serde_json::from_str::<Json>(line).ok().filter(is_wanted) else { continue };
                if self.json {
                    say(line);
                    continue;
                }
                let cell = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
                table.add_row(row(cell));
            }
        }
        match (self.json, table.is_empty()) {
            (true, _) => {}
            (false, true) => say("no calls"),
            (false, false) => say(&table.to_string()),
        }
        Ok(Verdict::InOrder)
    }
}

/// When, which call, the beginning of the customer's pseudonym, and who called.
fn row(cell: impl Fn(&str) -> String) -> [String; 4] {
    let at = cell("at");
    let seconds = at.get(..19).unwrap_or(&at).replace('T', " ");
    let method = cell("method");
    let call = method.rsplit_once('/').map_or(method.as_str(), |(_, call)| call).to_owned();
    let caller = Some(cell("caller")).filter(|caller| !caller.is_empty());
    let pseudonym = cell("customer").chars().take(12).collect();
    [seconds, call, pseudonym, caller.unwrap_or_else(|| "(no token)".to_owned())]
}
