//! `tactful data`: looks for damage in a data folder, and repairs it. The server must be stopped.

use clap::{Args, Subcommand};

use super::open_node::{LedgerPlace, node_failure, way_out};
use super::{Failure, Verdict, counted, labelled, print_err, say};
use crate::clock;
use crate::ledger::{Inspection, LedgerSettings, OpenError, damaged_key_blocks, inspect_keys, lock_ledger, verify};
use crate::node::Node;
use crate::store::{Loss, StoreDamage, StoreRecovery, damaged_head, inspect};

/// Check a data folder for damage, and repair it, while no server uses it
#[derive(Debug, Args)]
pub(super) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
    Repair(Repair),
}

/// Say what is damaged, what is lost by it, and the command that goes on; changes nothing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful data check\n  tactful data check --data restored/data --keys data-keys\n\n\
    Exit code 0 if nothing is damaged, 1 if something is, 2 if the folder cannot be read."
)]
struct Check {
    #[command(flatten)]
    place: LedgerPlace,
}

/// Set damaged parts of the customers aside and keep what can be read, as a start does
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful data repair\n  tactful data repair --accept\n\n\
    While contacts may be lost, every limit counts as used up until its period has passed. \
    --accept ends that: contacts that are lost do not count then, so a limit can be exceeded once.\n\n\
    Exit code 0 if everything is in order, 1 if limits count as used up, 2 if it could not be repaired.")]
struct Repair {
    #[command(flatten)]
    place: LedgerPlace,
    /// Accept that contacts are lost: limits no longer count as used up
    #[arg(long)]
    accept: bool,
}

impl Data {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.command {
            Command::Check(command) => command.run(),
            Command::Repair(command) => command.run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<Verdict, Failure> {
        let settings = self.place.settings();
        let _lock = lock_ledger(&settings).map_err(|error| match error {
            OpenError::InUse(_) => Failure::new(error.to_string())
                .help("stop the server; a server that runs reports damage in health and metrics"),
            error => Failure::new(error.to_string()),
        })?;
        let mut found = ledger(&settings);
        let data = settings.data_folder();
        let damage = inspect(&data).map_err(|error| Failure::new(error.to_string()))?;
        found.extend(customers(&damage));
        let keys = damaged_key_blocks(&data).map_err(|error| Failure::new(error.to_string()))?;
        found.extend(keys.into_iter().map(|path| Finding {
            what: format!("`{}` is damaged", path.display()),
            lost: "what is stored of the customers under its keys: each of their limits counts as used up",
            next: "tactful data repair",
        }));
        let head = damaged_head(&settings.keys).map_err(|error| Failure::new(error.to_string()))?;
        found.extend(head.map(|path| Finding {
            what: format!("`{}` is damaged", path.display()),
            lost: "nothing; but it is unknown whether the customers are the newest copy",
            next: "start the server, which writes it again",
        }));
        for Finding { what, lost, next } in &found {
            print_err(&[labelled("damaged", what), labelled("lost", lost), labelled("go on", next)].concat());
        }
        say(&format!("{}, {}", counted(damage.customers, "customer"), counted(damage.entries, "logged contact")));
        say(if found.is_empty() { "nothing is damaged" } else { "something is damaged" });
        Ok(if found.is_empty() { Verdict::InOrder } else { Verdict::Wrong })
    }
}

/// Something that is damaged, what is lost by it, and what to do.
struct Finding {
    what: String,
    lost: &'static str,
    next: &'static str,
}

fn ledger(settings: &LedgerSettings) -> Vec<Finding> {
    if !settings.data_folder().ledger().exists() {
        return Vec::new();
    }
    let checked = Inspection::open(settings).map_err(|error| error.to_string()).and_then(|inspection| {
        let (_, text) = inspection.published_key().map_err(|error| error.to_string())?;
        let key = crate::ledger::proof::VerifyingKey::parse(text.trim_end()).map_err(|error| error.to_string())?;
        verify(&inspection, &key, Vec::new()).map_err(|error| error.to_string())
    });
    let problems = match checked {
        Ok(found) => found.problems,
        Err(error) => vec![error],
    };
    let of_keys = inspect_keys(settings).unwrap_or_else(|error| vec![error]).into_iter().map(|error| Finding {
        what: error.to_string(),
        lost: "no personal data is used, and every limit counts as used up, until this is in order",
        next: way_out(&error),
    });
    let mut found: Vec<Finding> = of_keys.collect();
    let finding = |what| Finding {
        what,
        lost: "while the ledger does not verify, no personal data is used; files in `log` are made again at a start",
        next: "tactful restore BACKUP --replace, or start the server if only files in `log` are named",
    };
    let others: Vec<_> = problems.into_iter().filter(|what| !found.iter().any(|known| known.what == *what)).collect();
    found.extend(others.into_iter().map(finding));
    found
}

fn customers(damage: &StoreDamage) -> Vec<Finding> {
    const ALL: &str = "contacts may be lost: every limit counts as used up until its period has passed";
    let StoreDamage { unreadable, journal, blocks, lost_entries, flushes, loss, .. } = damage;
    let findings = [
        unreadable.as_ref().map(|why| (why.clone(), ALL, "tactful data repair")),
        journal.then(|| ("a journal of the customer store is damaged".to_owned(), ALL, "tactful data repair")),
        (*flushes > 0).then(|| {
            (format!("the last {flushes} flushes of the customer store are missing"), ALL, "tactful data repair")
        }),
        (*lost_entries > 0).then(|| {
            (format!("{lost_entries} logged contacts or outcomes are damaged or missing"), ALL, "tactful data repair")
        }),
        blocks.then(|| {
            let lost = "what is stored of the customers in them: each of their limits counts as used up";
            (
                "blocks of the customer store are damaged".to_owned(),
                lost,
                "tactful restore BACKUP --replace, or start the server",
            )
        }),
        loss.then(|| ("contacts were lost before".to_owned(), ALL, "tactful data repair --accept")),
    ];
    findings.into_iter().flatten().map(|(what, lost, next)| Finding { what, lost, next }).collect()
}

impl Repair {
    fn run(self) -> Result<Verdict, Failure> {
        let settings = self.place.settings();
        let customers = settings.data_folder().customers();
        let node = Node::open(settings).map_err(|error| node_failure(&error, &customers))?;
        node.repairs.iter().for_each(|repair| say(&repair.to_string()));
        if let Some(trouble) = &node.trouble {
            return Err(Failure::new(trouble.to_string()).help(way_out(trouble)));
        }
        if node.recovery != StoreRecovery::default() {
            say(&node.recovery.to_string());
        }
        let loss = node.loss();
        if self.accept || loss == Loss::None {
            node.set_loss(Loss::None).map_err(|error| Failure::new(error.to_string()))?;
            say(if loss == Loss::None { "everything is in order" } else { "accepted: limits count what is known" });
            return Ok(Verdict::InOrder);
        }
        node.set_loss(Loss::Before(clock::now())).map_err(|error| Failure::new(error.to_string()))?;
        say("contacts may be lost: every limit counts as used up until its period has passed, or until");
        say("`tactful data repair --accept`");
        Ok(Verdict::Wrong)
    }
}
