//! What a server says about itself and its log, asked in one go.
//!
//! The order of the questions matters: what is purged is asked last, so a purge in between shows as a
//! file too many and never as a file too few.

use headwater_actors::failure::Failure;
use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::{FileName, Position},
};
use mysql_async::{Conn, Row, prelude::Queryable};

use super::failure::failure;
use crate::plan::Host;

/// One file of SHOW BINARY LOGS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub name: FileName,
    pub bytes: u64,
}

/// The server as `start` and `resume` need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    pub server_uuid: Uuid,
    /// As `SELECT VERSION()` prints it.
    pub version: String,
    /// `gtid_mode` is ON or ON_PERMISSIVE.
    pub has_gtids: bool,
    pub gtid_executed: GtidSet,
    pub gtid_purged: GtidSet,
    /// Oldest first.
    pub files: Vec<LogFile>,
    /// The end of the log when it was asked; its GTIDs are in `head_gtid_set`.
    pub head: Position,
    /// What the same row of SHOW BINARY LOG STATUS said.
    pub head_gtid_set: GtidSet,
}

/// A connection and the account's name, which hints need.
pub struct Server {
    pub conn: Conn,
    pub user: String,
}

impl Server {
    pub fn failure(&self, doing: &str, error: &mysql_async::Error) -> Failure {
        failure(doing, &self.user, error)
    }

    pub async fn rows(&mut self, doing: &str, sql: &str) -> Result<Vec<Row>, Failure> {
        let rows = self.conn.query(sql).await;
        rows.map_err(|error| self.failure(doing, &error))
    }

    /// The host that answered: a dump must be asked of the same.
    pub fn host(&self) -> Host {
        Host {
            name: self.conn.opts().ip_or_hostname().to_owned(),
            port: self.conn.opts().tcp_port(),
        }
    }

    /// `(8, 0, 36)`
    pub fn version(&self) -> (u16, u16, u16) {
        self.conn.server_version()
    }

    /// Ends the connection in good order; that it could not be is nobody's trouble.
    pub async fn leave(self) {
        if let Err(error) = self.conn.disconnect().await {
            tracing::debug!(%error, "the connection was not closed in good order");
        }
    }

    pub async fn facts(&mut self) -> Result<ServerFacts, Failure> {
        let doing = "ask the server what it is";
        let row = self
            .rows(doing, "SELECT VERSION()")
            .await?
            .into_iter()
            .next();
        let version = row
            .as_ref()
            .and_then(|row| text(row, 0))
            .unwrap_or_default();
        ensure_flavour(&version)?;
        let (head, head_gtid_set) = self.head().await?;
        let files = self.files().await?;
        let row = self
            .rows(
                doing,
                "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_mode, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged",
            )
            .await?
            .into_iter()
            .next();
        let column = |index| {
            row.as_ref()
                .and_then(|row| text(row, index))
                .unwrap_or_default()
        };
        Ok(ServerFacts {
            server_uuid: column(0)
                .parse()
                .map_err(|error| unreadable("server_uuid", &error))?,
            version,
            has_gtids: column(1).starts_with("ON"),
            gtid_executed: gtid_set("gtid_executed", &column(2))?,
            gtid_purged: gtid_set("gtid_purged", &column(3))?,
            files,
            head,
            head_gtid_set,
        })
    }

    /// The end of the log and the GTIDs executed there, from one row.
    pub async fn head(&mut self) -> Result<(Position, GtidSet), Failure> {
        // https://dev.mysql.com/doc/refman/8.4/en/show-binary-log-status.html: since 8.2.
        let sql = if self.version() >= (8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        };
        let rows = self.rows("ask for the end of the binary log", sql).await?;
        let row = rows.first().ok_or_else(no_log)?;
        let name = text(row, 0).unwrap_or_default();
        let file =
            FileName::parse(&name).map_err(|error| unreadable("binlog file name", &error))?;
        let offset = number(row, 1).ok_or_else(|| missing(sql))?;
        let gtid_set = gtid_set("Executed_Gtid_Set", &text(row, 4).unwrap_or_default())?;
        Ok((Position { file, offset }, gtid_set))
    }

    /// The files of the log with their sizes, oldest first.
    pub async fn files(&mut self) -> Result<Vec<LogFile>, Failure> {
        let sql = "SHOW BINARY LOGS";
        let rows = self
            .rows("ask for the files of the binary log", sql)
            .await?;
        rows.iter()
            .map(|row| {
                let name = text(row, 0).unwrap_or_default();
                Ok(LogFile {
                    name: FileName::parse(&name)
                        .map_err(|error| unreadable("binlog file name", &error))?,
                    bytes: number(row, 1).ok_or_else(|| missing(sql))?,
                })
            })
            .collect()
    }

    pub async fn server_uuid(&mut self) -> Result<Uuid, Failure> {
        let rows = self
            .rows("ask for the server's UUID", "SELECT @@GLOBAL.server_uuid")
            .await?;
        let found = rows
            .first()
            .and_then(|row| text(row, 0))
            .unwrap_or_default();
        found
            .parse()
            .map_err(|error| unreadable("server_uuid", &error))
    }
}

/// MariaDB numbers transactions and writes events in its own way.
pub fn ensure_flavour(version: &str) -> Result<(), Failure> {
    if version.contains("MariaDB") {
        return Err(Failure::definite(format!(
            "the server is MariaDB ({version}), which is not supported yet"
        ))
        .with_hint("point source.url at a MySQL server (8.0 or later)"));
    }
    Ok(())
}

pub fn text(row: &Row, index: usize) -> Option<String> {
    row.get_opt::<Option<Vec<u8>>, _>(index)?
        .ok()?
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

pub fn number(row: &Row, index: usize) -> Option<u64> {
    match row.get_opt::<Option<u64>, _>(index) {
        Some(Ok(number)) => number,
        _ => text(row, index)?.parse().ok(),
    }
}

fn gtid_set(what: &str, text: &str) -> Result<GtidSet, Failure> {
    text.parse().map_err(|error| unreadable(what, &error))
}

fn unreadable(what: &str, error: &headwater_binlog::Error) -> Failure {
    Failure::definite(format!("the server's {what} cannot be read: {error}"))
}

fn missing(sql: &str) -> Failure {
    Failure::transient(format!("{sql} lacks a column"))
}

fn no_log() -> Failure {
    Failure::definite("the server writes no binary log (log_bin is OFF)").with_hint(
        "start the server with --log-bin; on RDS turn automated backups on (retention ≥ 1 day)",
    )
}
