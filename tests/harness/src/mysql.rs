//! A real MySQL or MariaDB server of one's own, that can be stopped, killed, frozen, started again and
//! replicated.
//!
//! Its data folder is a copy of the installed template, in which `root` has no password (also from
//! 127.0.0.1) and the account [`USER`] may read rows and the binlog; so neither costs a GTID. Every start
//! gives the server its own `server_id`, and the first one its own `server_uuid`.

mod flavour;
mod replicas;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use mysql_async::{Conn, OptsBuilder, Row, prelude::Queryable};
use tempfile::TempDir;

pub use flavour::Flavour;
pub use replicas::{Held, Witness};

use crate::{
    cache,
    ports::Port,
    process::{Process, Signal, log_into, tail},
    sql::shortened,
};

/// The account that every server has for Headwater, with [`GRANTS`].
pub const USER: &str = "headwater";
pub const PASSWORD: &str = "let-it-flow";
pub const GRANTS: &str = "REPLICATION SLAVE, REPLICATION CLIENT, SELECT";

const START_WITHIN: Duration = Duration::from_secs(90);
/// Pages are written back first: minutes where the disk is busy.
const STOP_WITHIN: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub struct MySql {
    flavour: Flavour,
    process: Option<Process>,
    options: Vec<String>,
    port: Port,
    folder: TempDir,
}

impl MySql {
    /// A server with a row-based binlog called `binlog`, GTIDs and full row metadata.
    ///
    /// # Errors
    /// When MySQL is not installed or does not start; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(&[]).await
    }

    /// The same with more options, of which the last one said counts, e.g. `--gtid-mode=OFF`.
    ///
    /// # Errors
    /// As [`MySql::start`].
    pub async fn with(options: &[&str]) -> anyhow::Result<Self> {
        Self::of(Flavour::MySql, options).await
    }

    /// A MariaDB server with the same log and accounts, and options, of which the last one said counts.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start; the message ends with its log.
    pub async fn mariadb(options: &[&str]) -> anyhow::Result<Self> {
        Self::of(Flavour::MariaDb, options).await
    }

    async fn of(flavour: Flavour, options: &[&str]) -> anyhow::Result<Self> {
        let template = cache::installed(flavour.thing())?.join("template");
        let folder = tempfile::Builder::new()
            .prefix("headwater-mysql-")
            .tempdir()
            .context("create a data folder")?;
        // Its dictionary is made for one way to compare names.
        let name_case = options
            .iter()
            .find(|option| option.starts_with("--lower-case-table-names="));
        match name_case.filter(|_| flavour == Flavour::MySql) {
            Some(option) => initialise(&folder.path().join("data"), option)?,
            None => copy_folder(&template, &folder.path().join("data"))?,
        }
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary)
            .with_context(|| format!("create {}", temporary.display()))?;
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self {
            flavour,
            process: None,
            options,
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
        let program = self.flavour.program();
        let mut command = Command::new(cache::installed(self.flavour.thing())?.join(program));
        command
            .arg(format!("--datadir={}", self.datadir().display()))
            // A starting MariaDB deletes the temporary tables that it finds in a shared folder.
            .arg(format!(
                "--tmpdir={}",
                self.folder.path().join("tmp").display()
            ))
            .arg(format!("--port={}", self.port()))
            .arg(format!("--server-id={}", u32::from(self.port())))
            .args(self.flavour.defaults())
            .args(&self.options);
        log_into(&mut command, &self.log())?;
        let mut process = Process::spawn("mysqld", &mut command)?;
        let takes_statements = async || {
            if let Ok(mut conn) = self.conn().await
                && conn.query_drop("DO 1").await.is_ok()
            {
                conn.disconnect().await.context("leave the server")?;
                return Ok(true);
            }
            Ok(false)
        };
        process
            .until_ready(START_WITHIN, &self.log(), takes_statements)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Of its process; `None` while it does not run.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// `mysql://user:password@127.0.0.1:port`; nothing is escaped.
    pub fn url(&self, user: &str, password: &str) -> String {
        let account = if password.is_empty() {
            user.to_owned()
        } else {
            format!("{user}:{password}")
        };
        format!("mysql://{account}@127.0.0.1:{}", self.port())
    }

    /// The address for Headwater: [`USER`] with [`PASSWORD`].
    pub fn headwater_url(&self) -> String {
        self.url(USER, PASSWORD)
    }

    pub fn datadir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server's own log.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("mysqld.log")
    }

    /// The server's version, e.g. `9.7.4-2`.
    ///
    /// # Errors
    /// When MySQL is not installed.
    pub fn version() -> anyhow::Result<String> {
        cache::version(Flavour::MySql.thing())
    }

    /// A connection as `root`.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn conn(&self) -> anyhow::Result<Conn> {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port())
            .user(Some("root"))
            .prefer_socket(false);
        Conn::new(opts)
            .await
            .with_context(|| format!("connect to mysqld on port {}", self.port()))
    }

    /// Runs statements, separated by `;`, as `root` on a connection of their own.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn exec(&self, sql: &str) -> anyhow::Result<()> {
        let mut conn = self.conn().await?;
        conn.query_drop(sql)
            .await
            .with_context(|| format!("run `{}`", shortened(sql)))?;
        conn.disconnect().await.context("leave the server")
    }

    /// The rows of a query, values as the server prints them.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn query_rows(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let mut conn = self.conn().await?;
        let rows: Vec<Row> = conn
            .query(sql)
            .await
            .with_context(|| format!("run `{}`", shortened(sql)))?;
        conn.disconnect().await.context("leave the server")?;
        let text = |value| match value {
            mysql_async::Value::NULL => None,
            mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => Some(other.as_sql(true)),
        };
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(text).collect())
            .collect())
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
            .and_then(|row| row.into_iter().next().flatten());
        value.with_context(|| format!("`{}` gave no value", shortened(sql)))
    }

    /// `@@gtid_executed`, without line breaks; of MariaDB what is in its log.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn gtid_executed(&self) -> anyhow::Result<String> {
        let sql = match self.flavour {
            Flavour::MySql => "SELECT @@GLOBAL.gtid_executed",
            Flavour::MariaDb => "SELECT @@GLOBAL.gtid_binlog_pos",
        };
        Ok(self.query_value(sql).await?.replace('\n', ""))
    }

    /// The binlog's head: file and offset.
    ///
    /// # Errors
    /// When the server does not answer or keeps no binlog.
    pub async fn position(&self) -> anyhow::Result<(String, u64)> {
        let sql = match self.flavour {
            Flavour::MySql => "SHOW BINARY LOG STATUS",
            Flavour::MariaDb => "SHOW MASTER STATUS",
        };
        let rows = self.query_rows(sql).await?;
        let row = rows
            .into_iter()
            .next()
            .context("the server keeps no binlog")?;
        let mut values = row.into_iter().flatten();
        let file = values
            .next()
            .with_context(|| format!("{sql} gave no file"))?;
        let offset = values
            .next()
            .with_context(|| format!("{sql} gave no offset"))?;
        Ok((
            file,
            offset
                .parse()
                .with_context(|| format!("read the offset `{offset}`"))?,
        ))
    }

    /// The binlog files, oldest first; also when the server is down.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn binlog_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let base = self
            .options
            .iter()
            .rev()
            .find_map(|option| option.strip_prefix("--log-bin="));
        let index = self
            .datadir()
            .join(base.unwrap_or("binlog"))
            .with_extension("index");
        let names =
            std::fs::read_to_string(&index).with_context(|| format!("read {}", index.display()))?;
        // MariaDB writes `./` in front.
        Ok(names
            .lines()
            .map(|name| self.datadir().join(name.trim_start_matches("./")))
            .collect())
    }

    /// Creates the account `name`@`%`; `grants` on everything, e.g. [`GRANTS`]; none when empty.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_user(
        &self,
        name: &str,
        password: &str,
        grants: &str,
    ) -> anyhow::Result<()> {
        self.exec(&format!(
            "CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'"
        ))
        .await?;
        if !grants.is_empty() {
            self.exec(&format!("GRANT {grants} ON *.* TO '{name}'@'%'"))
                .await?;
        }
        Ok(())
    }

    /// An orderly shutdown.
    ///
    /// # Errors
    /// When it is not running or takes too long.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the server is not running")?;
        process.signal(Signal::Term)?;
        let ended = process.wait_exit(STOP_WITHIN).await;
        let status = ended.with_context(|| format!("its log ends with:{}", tail(&self.log())))?;
        ensure!(
            status.success(),
            "mysqld ended with {status}:{}",
            tail(&self.log())
        );
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .context("the server is not running")?
            .kill()
    }

    /// Freezes it: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Stop)
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.process
            .as_mut()
            .context("the server is not running")?
            .signal(Signal::Continue)
    }
}

/// As the template was made, with one more option.
fn initialise(datadir: &Path, option: &str) -> anyhow::Result<()> {
    let installed = cache::installed(Flavour::MySql.thing())?;
    let made = Command::new(installed.join(Flavour::MySql.program()))
        .arg("--initialize-insecure")
        .arg(format!("--datadir={}", datadir.display()))
        .arg(format!(
            "--init-file={}",
            installed.join("accounts.sql").display()
        ))
        .args(["--disable-log-bin", "--innodb-redo-log-capacity=8M", option])
        .output()
        .context("make a data folder")?;
    ensure!(
        made.status.success(),
        "mysqld makes no data folder: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry.with_context(|| format!("read {}", from.display()))?;
        let target = to.join(entry.file_name());
        let kind = entry
            .file_type()
            .with_context(|| format!("look at {}", entry.path().display()))?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)
                .with_context(|| format!("copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
