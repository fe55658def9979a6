//! A real PostgreSQL 15 of one's own, in the place of Redshift: stopped, killed, started again, with TLS if wanted.
//!
//! Its data folder is a copy of the installed template, which has two accounts with one password: [`ADMIN`] may do
//! everything, [`READER`] may read every table. It listens on 127.0.0.1 alone and takes scram-sha-256 alone. Text
//! compares by bytes, as in Redshift, and the time zone is UTC. Nothing is synced to the disk: it survives a kill of
//! its processes, not of the machine.

mod ending;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::{
    cache,
    ports::Port,
    process::{Process, Signal, log_into, tail},
    sql::shortened,
};

pub const ADMIN: &str = "postgres";
pub const READER: &str = "headwater";
/// Of both accounts.
pub const PASSWORD: &str = "let-it-flow";
pub const DATABASE: &str = "postgres";

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(60);

const SETTINGS: [&str; 14] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "dynamic_shared_memory_type=mmap",
    "shared_buffers=64MB",
    "max_connections=50",
    "max_wal_size=1GB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "fsync=off",
    "full_page_writes=off",
    "jit=off",
    "timezone=GMT",
    "log_timezone=GMT",
    "standard_conforming_strings=on",
];

#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    certificate_pem: Option<String>,
    port: Port,
    folder: TempDir,
}

impl Postgres {
    /// A server without TLS.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::launch(false).await
    }

    /// A server that takes connections with TLS alone, by a certificate of its own for 127.0.0.1 and localhost.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn with_tls() -> anyhow::Result<Self> {
        Self::launch(true).await
    }

    async fn launch(has_tls: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("headwater-postgres-")
            .tempdir()
            .context("create a folder")?;
        let installed = cache::installed("postgres")?;
        let data = folder.path().join("data");
        // As the account that the server runs as, which must own its data.
        let mut copy = Command::new(installed.join("bin/as-server"));
        copy.args(["cp", "-R"]).arg(installed.join("template"));
        let copied = copy.arg(&data).output().context("copy a data folder")?;
        ensure!(
            copied.status.success(),
            "copy a data folder: {}",
            String::from_utf8_lossy(&copied.stderr)
        );
        let certificate_pem = match has_tls {
            true => Some(write_certificate(folder.path())?),
            false => None,
        };
        let mut server = Self {
            process: None,
            certificate_pem,
            port: Port::claim()?,
            folder,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it again, after [`stop`](Self::stop) or [`kill`](Self::kill), on the same port and data.
    ///
    /// # Errors
    /// When it runs already or does not start.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(cache::installed("postgres")?.join("bin/postgres"));
        command.arg("-D").arg(self.datadir());
        command.args(["-p", &self.port().to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if self.certificate_pem.is_some() {
            let file = |name: &str| self.folder.path().join(name).display().to_string();
            command.args(["-c", "ssl=on"]);
            command.args(["-c", &format!("ssl_cert_file={}", file(CERTIFICATE))]);
            command.args(["-c", &format!("ssl_key_file={}", file(KEY))]);
            command.args(["-c", &format!("hba_file={}", file(RULES))]);
        }
        log_into(&mut command, &self.log())?;
        let mut process = Process::spawn("postgres", &mut command)?;
        // It says so in a file, for which no client is needed that speaks TLS.
        let (datadir, id) = (self.datadir(), process.id());
        let takes_connections = async || Ok(ending::is_ready(&datadir, id));
        process
            .until_ready(START_WITHIN, &self.log(), takes_connections)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `postgres://user:password@127.0.0.1:port/postgres`
    pub fn url(&self, user: &str) -> String {
        format!(
            "postgres://{user}:{PASSWORD}@127.0.0.1:{}/{DATABASE}",
            self.port()
        )
    }

    /// That a client must trust; `None` without TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// The same as a file.
    pub fn certificate_file(&self) -> Option<PathBuf> {
        let file = self.folder.path().join(CERTIFICATE);
        self.certificate_pem.is_some().then_some(file)
    }

    pub fn datadir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server's own log.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }

    /// The server's version, e.g. `15.18`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed.
    pub fn version() -> anyhow::Result<String> {
        cache::version("postgres")
    }

    /// A connection as [`ADMIN`], without TLS.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn session(&self) -> anyhow::Result<Session> {
        Session::open(&self.url(ADMIN)).await
    }

    /// Runs statements, separated by `;`, as [`ADMIN`]: one transaction, unless they say otherwise.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn exec(&self, sql: &str) -> anyhow::Result<()> {
        self.session().await?.exec(sql).await
    }

    /// The rows of a query, values as the server prints them.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn query_rows(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.session().await?.query_rows(sql).await
    }

    /// The first column of a query's first row.
    ///
    /// # Errors
    /// When the query fails, or gives no row, or NULL.
    pub async fn query_value(&self, sql: &str) -> anyhow::Result<String> {
        let rows = self.query_rows(sql).await?;
        let value = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        let value = value.flatten();
        value.with_context(|| format!("`{}` gave no value", shortened(sql)))
    }

    /// PostgreSQL's own client, which speaks TLS too; nothing of this process' surroundings counts for it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed.
    pub fn psql(&self, connection: &str, sql: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(cache::installed("postgres")?.join("bin/psql"));
        command.args([
            "--no-psqlrc",
            "--no-password",
            "--tuples-only",
            "--no-align",
        ]);
        command.args(["--set", "ON_ERROR_STOP=1", "--command", sql]);
        command.arg(format!("host=127.0.0.1 port={} {connection}", self.port()));
        command.env("PGPASSWORD", PASSWORD);
        Ok(command)
    }

    /// An orderly shutdown; connections that are open are closed.
    ///
    /// # Errors
    /// When it is not running or takes too long.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the server is not running")?;
        process.signal(Signal::Int)?;
        let ended = process.wait_exit(STOP_WITHIN).await;
        let status = ended.with_context(|| format!("its log ends with:{}", tail(&self.log())))?;
        ensure!(
            status.success(),
            "PostgreSQL ended with {status}:{}",
            tail(&self.log())
        );
        Ok(())
    }

    /// SIGKILL for all its processes; returns when they are gone.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the server is not running")?;
        ending::kill(&mut process, &self.datadir())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some()
            && let Err(error) = self.kill()
        {
            eprintln!("harness: {error:#}");
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// To `postgres://…`, without TLS.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let config: Config = url.parse().context("read the address of PostgreSQL")?;
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.context("connect to PostgreSQL")?;
        let connection = tokio::spawn(connection);
        Ok(Self { client, connection })
    }

    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs statements, separated by `;`: one transaction, unless they say otherwise.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn exec(&self, sql: &str) -> anyhow::Result<()> {
        let ran = self.client.batch_execute(sql).await;
        ran.with_context(|| format!("run `{}`", shortened(sql)))
    }

    /// The rows of a query, values as the server prints them.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn query_rows(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let messages = self.client.simple_query(sql).await;
        let messages = messages.with_context(|| format!("run `{}`", shortened(sql)))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let values = |row: tokio_postgres::SimpleQueryRow| {
            let texts = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
            texts.collect()
        };
        Ok(rows.map(values).collect())
    }
}

const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";
const RULES: &str = "tls-only.conf";

fn write_certificate(folder: &Path) -> anyhow::Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    };
    write(CERTIFICATE, &cert.pem())?;
    write(KEY, &signing_key.serialize_pem())?;
    // It takes no key that others may read.
    std::fs::set_permissions(folder.join(KEY), std::fs::Permissions::from_mode(0o600))
        .context("close the key to others")?;
    write(RULES, "hostssl all all 127.0.0.1/32 scram-sha-256\n")?;
    Ok(cert.pem())
}
