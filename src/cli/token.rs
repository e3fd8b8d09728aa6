//! `tactful token`: the file of callers that `tactful serve --tokens` reads.

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::table::table;
use super::{Failure, Verdict, counted, say};
use crate::clock;
use crate::domain::time::{Moment, Period};
use crate::grpc::caller::Scopes;
use crate::serve::identity::tokens::{Entries, Entry, TokenFile, digest, hex, random};

/// Make, list and revoke the tokens of callers
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful token new --name web-shop --scope decide --channel web\n  \
    tactful token new --name reports --scope read --expires '90 days'\n  tactful token list\n  tactful token revoke --name web-shop\n\n\
    A token is shown once, when it is made; the file has its SHA-256. A running server reads the file again when it \
    changes. Send a token as `authorization: Bearer tct_...`.\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, or name a client certificate, and add it to the file
    #[command(after_help = "Examples:\n  tactful token new --name web-shop --scope decide --channel web\n  \
        tactful token new --name reports --scope read --expires '90 days'\n\n\
        The token is printed once; keep it. Exit code 0 if it is made, 2 if not.")]
    New(NewToken),
    /// List the callers of the file
    #[command(
        after_help = "Examples:\n  tactful token list\n  tactful token list --tokens /etc/tactful/tokens.toml\n\n\
        Exit code 0 if it is done, 2 if not."
    )]
    List(InFile),
    /// Remove a caller from the file
    #[command(after_help = "Examples:\n  tactful token revoke --name web-shop\n\n\
        A running server reads the file again, and refuses the token from then on. Exit code 0 if it is done, 2 if not.")]
    Revoke(RevokeToken),
}

#[derive(Debug, Args)]
struct InFile {
    /// File with the callers
    #[arg(long, default_value = "tokens.toml", value_name = "FILE", env = "TACTFUL_TOKENS")]
    tokens: PathBuf,
}

#[derive(Debug, Args)]
struct NewToken {
    #[command(flatten)]
    file: InFile,
    /// The caller's name, for records and the audit log
    #[arg(long)]
    name: String,
    /// What the caller may do; may be repeated
    #[arg(long = "scope", required = true, value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<String>,
    /// The only channel that the caller may name; may be repeated; any if left out
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// How many calls a second the caller may make on average; any number if left out
    #[arg(long, value_name = "CALLS")]
    rate: Option<NonZeroU32>,
    /// How many calls it may make at once before the rate counts; as many as in a second if left out
    #[arg(long, value_name = "CALLS", requires = "rate")]
    burst: Option<NonZeroU32>,
    /// When it ends: a duration such as '90 days', or a moment such as 2027-03-01T00:00:00Z; never if left out
    #[arg(long, value_name = "WHEN", value_parser = end)]
    expires: Option<String>,
    /// The URI or DNS name in the caller's client certificate, instead of a token
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
}

#[derive(Debug, Args)]
struct RevokeToken {
    #[command(flatten)]
    file: InFile,
    /// The caller's name; all of the caller's tokens are removed
    #[arg(long)]
    name: String,
}

impl Token {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.command {
            TokenCommand::New(new) => new.run(),
            TokenCommand::List(file) => file.list(),
            TokenCommand::Revoke(revoke) => revoke.run(),
        }
    }
}

impl NewToken {
    fn run(self) -> Result<Verdict, Failure> {
        let mut entries = if self.file.tokens.exists() { self.file.read()? } else { Entries::default() };
        let token = match self.certificate {
            Some(_) => None,
            None => Some(random().map_err(|error| Failure::new(format!("there are no random numbers: {error}")))?),
        };
        entries.callers.push(Entry {
            name: self.name,
            sha256: token.as_deref().map(|token| hex(&digest(token))),
            certificate: self.certificate,
            scopes: self.scopes,
            channels: self.channels,
            expires: self.expires,
            rate: self.rate,
            burst: self.burst,
        });
        self.file.write(&entries)?;
        // Only after the file is written: a token that is shown is known.
        if let Some(token) = token {
            say(&token);
        }
        Ok(Verdict::InOrder)
    }
}

impl RevokeToken {
    fn run(self) -> Result<Verdict, Failure> {
        let mut entries = self.file.read()?;
        let before = entries.callers.len();
        entries.callers.retain(|entry| entry.name != self.name);
        let removed = before - entries.callers.len();
        if removed == 0 {
            return Err(
                Failure::new(format!("no caller is called `{}`", self.name)).help("`tactful token list` shows them")
            );
        }
        self.file.write(&entries)?;
        say(&format!("removed {}", counted(removed, "caller")));
        Ok(Verdict::InOrder)
    }
}

impl InFile {
    fn list(self) -> Result<Verdict, Failure> {
        let mut table = table(&["caller", "by", "scopes", "channels", "ends"]);
        for entry in self.read()?.callers {
            let by = entry.certificate.map_or_else(|| "token".to_owned(), |name| format!("certificate {name}"));
            let channels = if entry.channels.is_empty() { "any".to_owned() } else { entry.channels.join(" ") };
            let ends = entry.expires.unwrap_or_else(|| "never".to_owned());
            table.add_row([entry.name, by, entry.scopes.join(" "), channels, ends]);
        }
        say(&table.to_string());
        Ok(Verdict::InOrder)
    }

    fn read(&self) -> Result<Entries, Failure> {
        let wrong = |reason: String| Failure::new(format!("`{}` cannot be used: {reason}", self.tokens.display()));
        let text = fs::read_to_string(&self.tokens).map_err(|error| {
            wrong(error.to_string()).help("`tactful token new` makes it, and --tokens names another file")
        })?;
        Entries::parse(&text).map_err(wrong)
    }

    /// Writes the file in the place of the old one, so that a server never reads half of it.
    fn write(&self, entries: &Entries) -> Result<(), Failure> {
        let wrong = |reason: String| Failure::new(format!("`{}` cannot be written: {reason}", self.tokens.display()));
        let text = toml::to_string(entries).map_err(|error| wrong(error.to_string()))?;
        let text = format!("# Callers of a Tactful server. Written by `tactful token`.\n\n{text}");
        TokenFile::parse(&text).map_err(wrong)?;
        let folder = self.tokens.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            Ok(file)
        });
        let written = file.and_then(|file| file.persist(&self.tokens).map_err(|error| error.error));
        written.map(drop).map_err(|error| wrong(error.to_string()))
    }
}

fn scope(text: &str) -> Result<String, String> {
    text.parse::<Scopes>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn end(text: &str) -> Result<String, String> {
    if let Ok(at) = Moment::parse(text) {
        return Ok(at.to_string());
    }
    let period = Period::parse(text)
        .map_err(|_| "write a duration such as `90 days`, or a moment such as `2027-03-01T00:00:00Z`")?;
    Ok(Moment(clock::now().0.saturating_add(period.0)).to_string())
}
