//! The settings of the server: flags, before environment variables, before a file, before what is built in. A key of the
//! file is a flag of `tactful serve` without the dashes at its beginning.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::serve::Serve;
use super::{Failure, Verdict, say};

/// The commands that take the settings of a server.
const COMMANDS: [&str; 2] = ["serve", "config"];
/// The flag, and the variable, that name the file.
const FLAG: &str = "--config";
const VARIABLE: &str = "TACTFUL_CONFIG";
/// Arguments that are no settings of a server.
const NO_SETTINGS: [&str; 3] = ["help", "version", "config"];

/// Show the settings of a server, and where each comes from
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful config --config tactful.toml\n  TACTFUL_LISTEN=127.0.0.1:6000 tactful config\n\n\
    It takes the flags of `tactful serve`, starts nothing, and exits with code 0 if they can be used, with 2 if not."
)]
pub(super) struct Config {
    #[command(flatten)]
    serve: Serve,
    /// The settings, their values and where they come from.
    #[arg(skip)]
    origins: Vec<[String; 3]>,
}

impl Config {
    /// Notes where the settings of a command line come from. `file` are the keys of the file of settings.
    pub(super) fn note_origins(&mut self, cli: &Command, matches: &ArgMatches, file: &[String]) {
        let settings = cli.find_subcommand("config").into_iter().flat_map(Command::get_arguments);
        let origin = |setting: &Arg| {
            let id = setting.get_id().as_str();
            let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
            let values = values.map(|value| if id == "store" { without_password(&value) } else { value });
            let name = setting.get_long().unwrap_or(id);
            let from = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => "flag".to_owned(),
                Some(ValueSource::EnvVariable) => {
                    setting.get_env().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
                }
                _ if file.iter().any(|key| key == name) => "file".to_owned(),
                _ => "default".to_owned(),
            };
            [name.to_owned(), values.collect::<Vec<_>>().join(", "), from]
        };
        self.origins = settings.filter(|setting| is_setting(setting)).map(origin).collect();
    }

    /// Prints the settings, if a server could use them together.
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        self.serve.check()?;
        // One line each, however long the value: programs read it, too.
        for [name, value, from] in self.origins {
            say(format!("{name:<20} {from:<26} {value}").trim_end());
        }
        Ok(Verdict::InOrder)
    }
}

fn is_setting(argument: &Arg) -> bool {
    argument.get_long().is_some_and(|name| !NO_SETTINGS.contains(&name))
}

/// The address of a database without the password that it may hold.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return "(hidden)".to_owned() };
    let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    match user.split_once(':') {
        Some((name, _)) => format!("{scheme}://{name}:…@{place}"),
        None if user.is_empty() => format!("{scheme}://{place}"),
        None => format!("{scheme}://{user}@{place}"),
    }
}

/// The file that a command line names, if it is one of a server.
pub(super) fn named_file(arguments: &[OsString]) -> Option<PathBuf> {
    let command = arguments.get(1)?.to_str()?;
    if !COMMANDS.contains(&command) {
        return None;
    }
    let mut rest = arguments.iter().skip(2);
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == FLAG {
            return rest.next().map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix(FLAG).and_then(|rest| rest.strip_prefix('=')) {
            return Some(path.into());
        }
    }
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The keys of a file.
pub(super) type Keys = Vec<String>;

/// Makes the values of a file the defaults of the commands of a server; returns its keys, too.
pub(super) fn with_file(mut cli: Command, path: &Path) -> Result<(Command, Keys), Failure> {
    let place = path.display();
    let wrong = |reason: String| Failure::new(format!("the settings in `{place}` cannot be used: {reason}"));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let settings: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    for command in COMMANDS {
        let Some(found) = cli.find_subcommand(command) else { continue };
        let known: Vec<Arg> = found.get_arguments().filter(|setting| is_setting(setting)).cloned().collect();
        for (key, value) in &settings {
            let Some(setting) = known.iter().find(|setting| setting.get_long() == Some(key)) else {
                let names = known.iter().filter_map(Arg::get_long);
                let near = names.map(|name| (strsim::jaro_winkler(name, key), name)).max_by(|a, b| a.0.total_cmp(&b.0));
                let failure = wrong(format!("`{key}` is not a setting"));
                return Err(match near {
                    Some((likeness, name)) if likeness > 0.8 => failure.help(format!("did you mean `{name}`?")),
                    _ => failure.help("`tactful config` lists them"),
                });
            };
            let values = values(key, value).map_err(wrong)?;
            if values.len() != 1 && !matches!(setting.get_action(), ArgAction::Append) {
                return Err(wrong(format!("`{key}` takes one value, not a list")));
            }
            let id = setting.get_id().clone();
            cli = cli.mut_subcommand(command, |command| command.mut_arg(id, |setting| setting.default_values(values)));
        }
    }
    Ok((cli, settings.keys().cloned().collect()))
}

/// The values of a key, as texts.
fn values(key: &str, value: &toml::Value) -> Result<Vec<String>, String> {
    match value {
        toml::Value::String(text) => Ok(vec![text.clone()]),
        toml::Value::Integer(number) => Ok(vec![number.to_string()]),
        toml::Value::Boolean(flag) => Ok(vec![flag.to_string()]),
        toml::Value::Array(items) => {
            let items = items.iter().map(|item| values(key, item));
            Ok(items.collect::<Result<Vec<_>, _>>()?.concat())
        }
        _ => Err(format!("`{key}` must be a text, a whole number, true or false, or a list of texts")),
    }
}
