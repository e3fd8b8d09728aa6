//! The config files of ghz: the method, the messages and the rate. <https://ghz.sh/docs/options>

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::load::{Load, Pace};
use crate::message::Messages;
use crate::template;

/// A file of ghz.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    name: Option<String>,
    call: String,
    host: String,
    insecure: bool,
    connections: usize,
    concurrency: usize,
    rps: f64,
    r#async: bool,
    duration: Option<String>,
    #[serde(rename = "duration-stop")]
    duration_stop: String,
    total: Option<u64>,
    timeout: String,
    #[serde(rename = "skipFirst")]
    skip_first: u64,
    data: Option<Json>,
    #[serde(rename = "data-file")]
    data_file: Option<PathBuf>,
}

impl Default for Config {
    /// The defaults of ghz.
    fn default() -> Self {
        Self {
            name: None,
            call: String::new(),
            host: "127.0.0.1:50051".into(),
            insecure: false,
            connections: 1,
            concurrency: 50,
            rps: 0.0,
            r#async: false,
            duration: None,
            duration_stop: "wait".into(),
            total: None,
            timeout: "20s".into(),
            skip_first: 0,
            data: None,
            data_file: None,
        }
    }
}

/// How many calls ghz makes by default.
const TOTAL: u64 = 200;

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    /// When it does not exist or contains an unsupported option.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut config: Self = parse(path)?;
        config.name.get_or_insert_with(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        Ok(config)
    }

    /// Replaces the server's address.
    pub(crate) fn at(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// Replaces the duration.
    pub(crate) fn lasting(&mut self, duration: &str) {
        self.duration = Some(duration.to_owned());
        self.total = None;
    }

    /// The requested calls a second, if the file sets a rate.
    pub(crate) fn rate(&self) -> Option<f64> {
        Some(self.rps).filter(|rate| *rate > 0.0)
    }

    /// The load that the file describes.
    ///
    /// # Errors
    /// When its options are inconsistent or do not fit the server's protocol.
    pub(crate) fn load(&self) -> Result<Load, String> {
        if !self.insecure {
            return Err("TLS is not supported yet; write `\"insecure\": true`".into());
        }
        if self.duration_stop != "wait" {
            let found = &self.duration_stop;
            return Err(format!("`duration-stop` is `{found}`; only `wait` is known here: every call counts"));
        }
        let data = match (&self.data, &self.data_file) {
            (Some(data), None) => data.clone(),
            (None, Some(path)) => parse(path)?,
            _ => return Err("needs one of `data` and `data-file`".into()),
        };
        Ok(Load {
            name: self.name.clone().unwrap_or_default(),
            address: self.address()?,
            connections: self.connections,
            pace: self.pace()?,
            timeout: duration("timeout", &self.timeout)?,
            skipped: self.skip_first,
            calls: Arc::new(Messages::read(&self.call, &data)?),
        })
    }

    fn address(&self) -> Result<SocketAddr, String> {
        let found = self.host.to_socket_addrs().ok().and_then(|mut found| found.next());
        found.ok_or_else(|| format!("`{}` is not an address; write it as 127.0.0.1:50051", self.host))
    }

    fn pace(&self) -> Result<Pace, String> {
        let lasting = self.duration.as_ref().map(|text| duration("duration", text)).transpose()?;
        match (self.rate(), self.r#async) {
            (Some(_), false) => {
                Err("`rps` without `\"async\": true` sends fewer calls to a slow server, which makes it look fast"
                    .into())
            }
            (Some(rate), true) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                let calls = lasting.map(|lasting| (lasting.as_secs_f64() * rate) as u64);
                Ok(Pace::Scheduled { rate, calls: calls.or(self.total).unwrap_or(TOTAL) })
            }
            (None, _) => Ok(Pace::Waiting {
                callers: self.concurrency,
                calls: self.total.or(lasting.map(|_| u64::MAX)).unwrap_or(TOTAL),
                lasting: lasting.unwrap_or(Duration::from_secs(u64::from(u32::MAX))),
            }),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    let period = template::duration(text).map_err(|error| format!("`{key}`: {error}"))?;
    let milliseconds = u64::try_from(period.0).ok().filter(|milliseconds| *milliseconds > 0);
    milliseconds.map(Duration::from_millis).ok_or_else(|| format!("`{key}`: `{text}` is not longer than 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_file_of_the_repository_is_a_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ghz");
        let files = [".", "mixed", "prepare"].map(|below| fs::read_dir(folder.join(below)).unwrap());
        let paths = files.into_iter().flatten().map(|entry| entry.unwrap().path());
        let configs: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        assert_eq!(configs.len(), 10);
        for path in configs {
            let config = Config::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // The decisions whose outcomes are sent are made before the load.
            if config.data_file.is_none() {
                config.load().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
        }
    }

    #[test]
    fn calls_are_paced_as_the_file_says() {
        let pace = |text: &str| config(text).unwrap().pace().unwrap();
        assert_eq!(pace(r#"{"rps": 50, "async": true, "duration": "2s"}"#), Pace::Scheduled { rate: 50.0, calls: 100 });
        assert_eq!(pace(r#"{"rps": 50, "async": true}"#), Pace::Scheduled { rate: 50.0, calls: TOTAL });
        let lasting = Duration::from_secs(2);
        assert_eq!(
            pace(r#"{"concurrency": 3, "duration": "2s"}"#),
            Pace::Waiting { callers: 3, calls: u64::MAX, lasting }
        );
        assert!(matches!(pace(r#"{"total": 7}"#), Pace::Waiting { callers: 50, calls: 7, .. }));
    }

    #[test]
    fn mistakes_in_a_file_are_reported() {
        let wrong = [
            r#"{"insecure": true, "rsp": 1}"#,
            r#"{"call": "tactful.v1.DecisionService.Decide", "data": {}}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide"}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {"customer": "a"}}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {"customer_id": "{{who}}"}}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.WatchDecisions", "data": {}}"#,
            r#"{"insecure": true, "call": "tactful.v1.RuleService.Decide", "data": {}}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {}, "rps": 5}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {}, "duration": "soon"}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {}, "timeout": "0s"}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {}, "duration-stop": "close"}"#,
            r#"{"insecure": true, "call": "tactful.v1.DecisionService.Decide", "data": {}, "host": "nowhere"}"#,
        ];
        let errors = wrong.map(|text| config(text).and_then(|config| config.load().map(drop)).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"));
    }
}
