//! `tactful init`: writes a catalogue to begin with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::schema::Schema;
use super::{Failure, Verdict, counted, labelled, say};

/// Write a catalogue with tests to begin with
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful init\n  tactful init --template telecom catalogue\n\n\
    It passes `tactful check`, `tactful test` and `tactful fmt --check` as it is. Schemas for editors are beside it.\n\n\
    Exit code 0 if it was written, 2 if not.")]
pub(super) struct Init {
    /// Folder to write it into, empty or absent
    #[arg(default_value = "rules")]
    folder: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value = "minimal")]
    template: Template,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Template {
    /// One file: help, an offer, and the question for consent
    Minimal,
    /// The sample of a telephone company: 24 actions, 2 journeys, 3 channels
    Telecom,
    /// A hotel: 9 actions, the journey of a stay, letters, quiet hours
    Hotel,
    /// A bank: 9 actions, warnings of fraud, advice by consent, calls, an objection by the browser
    Bank,
}

/// The files of a template: paths and texts.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal, $($path:literal),+ $(,)?) => { &[$(($path, include_str!(concat!($folder, $path)))),+] };
}

const MINIMAL: Files = files!("init/minimal/", "catalogue.yaml", "catalogue.test.yaml", "notices/advice-v1.md");

const HOTEL: Files = files!(
    "init/hotel/",
    "hotel.yaml",
    "stay.yaml",
    "stay.test.yaml",
    "offers.yaml",
    "offers.test.yaml",
    "notices/advice-v1.md",
    "notices/marketing-email-v1.md",
);

const BANK: Files = files!(
    "init/bank/",
    "bank.yaml",
    "account.yaml",
    "account.test.yaml",
    "products.yaml",
    "products.test.yaml",
    "notices/advice-v1.md",
    "notices/marketing-phone-v1.md",
);

/// The sample rules themselves.
const TELECOM: Files = files!(
    "../../rules/",
    "company/channels.yaml",
    "company/channels.test.yaml",
    "company/customer-data.yaml",
    "company/customer-data.test.yaml",
    "company/policy.yaml",
    "company/policy.test.yaml",
    "company/purposes.yaml",
    "company/purposes.test.yaml",
    "consent/asks.yaml",
    "consent/asks.test.yaml",
    "journeys/broadband.yaml",
    "journeys/broadband.test.yaml",
    "journeys/care.yaml",
    "journeys/care.test.yaml",
    "notices/marketing-email-v1.md",
    "notices/personalisation-v1.md",
    "offers/fibre.yaml",
    "offers/fibre.test.yaml",
    "offers/home.yaml",
    "offers/home.test.yaml",
    "offers/mail.yaml",
    "offers/mail.test.yaml",
    "service/contract.yaml",
    "service/contract.test.yaml",
    "service/line.yaml",
    "service/line.test.yaml",
    "service/repair.yaml",
    "service/repair.test.yaml",
);

impl Template {
    fn files(self) -> Files {
        match self {
            Self::Minimal => MINIMAL,
            Self::Telecom => TELECOM,
            Self::Hotel => HOTEL,
            Self::Bank => BANK,
        }
    }
}

impl Init {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let folder = &self.folder;
        let name = folder.display();
        let unwritten = |error: io::Error| Failure::new(format!("`{name}` cannot be written: {error}"));
        match folder.read_dir().map(|mut found| found.next().is_some()) {
            Ok(true) => {
                let message = format!("`{name}` is not empty, and nothing was written");
                return Err(Failure::new(message).help("name another folder, as in `tactful init catalogue`"));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(error)),
            _ => {}
        }
        let files = self.template.files();
        for (path, text) in files {
            write(&folder.join(path), text).map_err(unwritten)?;
        }
        self.write_schemas()?;
        say(labelled("wrote", &format!("{name}: {}", counted(files.len(), "file"))).trim_end());
        for (label, command) in [("go on with", "check"), ("", "test"), ("", "serve --rules")] {
            say(labelled(label, &format!("`tactful {command} {name}`")).trim_end());
        }
        Ok(Verdict::InOrder)
    }

    /// Writes the schemas that the first lines of the files name.
    fn write_schemas(&self) -> Result<(), Failure> {
        for (name, tests) in [("rules.schema.json", false), ("tests.schema.json", true)] {
            let path = self.folder.join(".schema").join(name);
            let wrong = |error| Failure::new(format!("`{}` cannot be written: {error}", path.display()));
            write(&path, "").map_err(wrong)?;
            Schema { rules: Some(self.folder.clone()), tests, output: Some(path) }.run()?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}
