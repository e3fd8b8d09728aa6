//! The address of a database, and connections to it.

use std::str::FromStr as _;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DatabaseError;

/// The schema that is used unless the address names a search path.
const SCHEMA: &str = "tactful";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// After which silence of the network a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(5);

/// Commits wait for the disk, whatever the role or the server says; a setting that waits for more stays.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

/// Rows are found by their keys, also by a plan that was made while the table was empty, no statement is planned twice,
/// and none is compiled, which takes longer than it runs.
const PLANS: &str = "SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";

/// Where a database is, and who connects to it.
#[derive(Clone)]
pub struct Database {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration hides the password.
        self.config.fmt(f)
    }
}

impl Database {
    /// The database at an address such as `postgres://user@host/name`. A database on another machine is reached by TLS
    /// unless the address says `sslmode=disable`.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn parse(address: &str) -> Result<Self, DatabaseError> {
        let wrong = |why: String| DatabaseError::Address(why);
        let mut config = Config::from_str(address).map_err(|error| wrong(chain(&error)))?;
        let is_local = |host: &Host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        if config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_local) {
            config.ssl_mode(SslMode::Require);
        }
        let tls = if config.get_ssl_mode() == SslMode::Require {
            let (connect, _) = MakeRustlsConnect::with_native_certs()
                .map_err(|_| wrong("TLS needs certificates of authorities, and this machine has none".into()))?;
            Some(connect)
        } else {
            config.ssl_mode(SslMode::Disable);
            None
        };
        let options = config.get_options().unwrap_or_default().to_owned();
        if !options.contains("search_path") {
            config.options(format!("{options} -c search_path={SCHEMA}"));
        }
        config.application_name("tactful").target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(CONNECT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        Ok(Self { config, tls })
    }

    /// A connection, driven by a task of the current runtime.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn connect(&self) -> Result<Client, Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    /// A connection whose commits wait for the disk if it is synchronous.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn session(&self, synchronous: bool) -> Result<Client, Error> {
        let client = self.connect().await?;
        // Nobody cancels a commit that waits for a standby: it would be committed all the same.
        client.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '1s'").await?;
        client.batch_execute(PLANS).await?;
        client.batch_execute(if synchronous { DURABLE } else { "SET synchronous_commit = off" }).await?;
        Ok(client)
    }
}

/// A connection with the statements that were prepared on it so far.
pub struct Session {
    pub client: Client,
    pub swap: Prepared,
    pub record: Prepared,
    pub check: Prepared,
    pub rows: Prepared,
    pub frames: Prepared,
}

impl Session {
    pub fn new(client: Client) -> Self {
        const SWAPPED: &str = concat!(include_str!("sql/swap.sql"), include_str!("sql/swapped.sql"));
        const RECORDED: &str = concat!(include_str!("sql/swap.sql"), include_str!("sql/recorded.sql"));
        Self {
            client,
            swap: Prepared::of(SWAPPED),
            record: Prepared::of(RECORDED),
            check: Prepared::of(include_str!("sql/check.sql")),
            rows: Prepared::of(include_str!("sql/rows.sql")),
            frames: Prepared::of(include_str!("sql/frames.sql")),
        }
    }
}

/// A statement that is prepared when it is first used: preparing needs the locks that running needs.
pub struct Prepared {
    text: &'static str,
    statement: OnceCell<Statement>,
}

impl Prepared {
    fn of(text: &'static str) -> Self {
        Self { text, statement: OnceCell::new() }
    }

    /// Runs the statement.
    ///
    /// # Errors
    /// When it cannot be prepared, or fails.
    pub async fn query(&self, client: &Client, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let statement = self.statement.get_or_try_init(|| client.prepare(self.text)).await?;
        client.query(statement, parameters).await
    }
}

/// What an error of the database asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The same statement again: it met another.
    Repeat,
    /// One of its values cannot be stored.
    Value,
    /// There is no room on the disk of the database.
    Full,
    /// Another connection, and then the same statement again.
    Connection,
}

impl Trouble {
    /// What an error asks for.
    pub fn of(error: &Error) -> Self {
        let Some(code) = error.code() else { return Self::Connection };
        match code.code() {
            "40001" | "40P01" => Self::Repeat,
            "53100" => Self::Full,
            code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Self::Value,
            _ => Self::Connection,
        }
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = next.source();
    }
    text.replace('\n', " ")
}
