//! What a server says about itself and its log, asked in one go. No answer is waited for without end.
//!
//! The order of the questions matters: what is purged is asked last, so a purge in between shows as a
//! file too many and never as a file too few.

use std::time::Duration;

use headwater_actors::{
    failure::Failure,
    lane::{FNV_BASIS, fnv1a},
    ports::source::LogFile,
};
use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::{FileName, Position},
};
use tokio::time::timeout;

use super::options::Host;
use super::{
    connection::Connection,
    error::Error,
    failure::failure,
    query::{Answer, Row},
};

/// Every binlog file begins with four magic bytes.
const FIRST_OFFSET: u64 = 4;

/// The server as `start` and `resume` need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    pub server_uuid: Uuid,
    /// As `SELECT VERSION()` prints it.
    pub version: String,
    /// `gtid_mode` is ON or ON_PERMISSIVE; always on MariaDB.
    pub has_gtids: bool,
    pub gtid_executed: GtidSet,
    pub gtid_purged: GtidSet,
    /// Oldest first.
    pub files: Vec<LogFile>,
    /// The end of the log when it was asked; its GTIDs are in `head_gtid_set`.
    pub head: Position,
    /// The GTIDs up to there.
    pub head_gtid_set: GtidSet,
}

/// Whose server it is: the two ask for and say some things in different words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    MySql,
    MariaDb,
}

impl Flavour {
    /// By what `SELECT VERSION()` prints.
    pub fn of(version: &str) -> Self {
        if version.contains("MariaDB") {
            Self::MariaDb
        } else {
            Self::MySql
        }
    }
}

/// A connection, and the account's name, which hints need.
pub struct Server {
    pub conn: Connection,
    pub host: Host,
    pub user: String,
    /// As `SELECT VERSION()` prints it.
    pub version_text: String,
    /// How long an answer may take.
    pub wait_max: Duration,
}

/// For what a server may have to look through many files or tables.
pub const SLOW_ANSWER: Duration = Duration::from_secs(600);
/// To say goodbye.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

impl Server {
    pub fn failure(&self, doing: &str, error: Error) -> Failure {
        failure(doing, &self.user, error)
    }

    pub async fn rows(&mut self, doing: &str, sql: &str) -> Result<Vec<Row>, Failure> {
        self.rows_within(self.wait_max, doing, sql).await
    }

    /// The same for a question that takes its time.
    pub async fn rows_within(
        &mut self,
        wait_max: Duration,
        doing: &str,
        sql: &str,
    ) -> Result<Vec<Row>, Failure> {
        let answer = within(wait_max, doing, self.conn.query(sql)).await?;
        let answer = answer.map_err(|error| self.failure(doing, error))?;
        Ok(answer.rows)
    }

    /// `None` when the server does not want to answer this.
    pub async fn rows_if_told(
        &mut self,
        doing: &str,
        sql: &str,
    ) -> Result<Option<Vec<Row>>, Failure> {
        let answer = self.answer_if_told(doing, sql).await?;
        Ok(answer.map(|answer| answer.rows))
    }

    /// The same, with the columns' names.
    pub async fn answer_if_told(
        &mut self,
        doing: &str,
        sql: &str,
    ) -> Result<Option<Answer>, Failure> {
        match within(self.wait_max, doing, self.conn.query(sql)).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Server(_)) => Ok(None),
            Err(error) => Err(self.failure(doing, error)),
        }
    }

    /// A statement without rows.
    pub async fn execute(&mut self, doing: &str, sql: &str) -> Result<(), Failure> {
        self.rows(doing, sql).await.map(drop)
    }

    /// The host that answered: a dump must be asked of the same.
    pub fn host(&self) -> Host {
        self.host.clone()
    }

    /// `(8, 0, 36)`
    pub fn version(&self) -> (u16, u16, u16) {
        self.conn.version().number
    }

    /// Ends the connection in good order; that it could not be is nobody's trouble.
    pub async fn leave(self) {
        match timeout(LEAVE_WITHIN, self.conn.leave()).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the connection was not closed in good order");
            }
            Err(_) => tracing::debug!("the server did not take leave"),
        }
    }

    pub fn flavour(&self) -> Flavour {
        Flavour::of(&self.version_text)
    }

    pub async fn facts(&mut self) -> Result<ServerFacts, Failure> {
        let who = self.who().await?;
        let (head, head_gtid_set) = self.head_with_gtids().await?;
        let files = self.files().await?;
        let doing = "ask the server for its GTIDs";
        let sql = match (self.flavour(), who.gtid_mode.is_empty()) {
            (Flavour::MariaDb, _) => {
                let first = files.first().ok_or_else(no_log)?;
                format!(
                    "SELECT @@GLOBAL.gtid_binlog_pos, {}",
                    gtids_before(&first.name, FIRST_OFFSET)
                )
            }
            (Flavour::MySql, false) => "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged".into(),
            // Before 5.6.
            (Flavour::MySql, true) => "SELECT '', ''".into(),
        };
        let rows = self.rows_within(SLOW_ANSWER, doing, &sql).await?;
        let row = rows.into_iter().next();
        let column = |index| row.as_ref().and_then(|row| text(row, index));
        let missing = || Failure::transient(format!("{sql} gave no GTID set"));
        Ok(ServerFacts {
            server_uuid: who.server_uuid,
            version: self.version_text.clone(),
            has_gtids: self.flavour() == Flavour::MariaDb || who.gtid_mode.starts_with("ON"),
            gtid_executed: gtid_set("executed GTIDs", &column(0).ok_or_else(missing)?)?,
            // NULL when the file has been purged in between.
            gtid_purged: gtid_set("purged GTIDs", &column(1).ok_or_else(missing)?)?,
            files,
            head,
            head_gtid_set,
        })
    }

    /// The end of the log.
    pub async fn head(&mut self) -> Result<Position, Failure> {
        let row = self.head_row().await?;
        head_position(&row)
    }

    /// The end of the log and the GTIDs executed there.
    pub async fn head_with_gtids(&mut self) -> Result<(Position, GtidSet), Failure> {
        let row = self.head_row().await?;
        let head = head_position(&row)?;
        let gtids = match self.flavour() {
            Flavour::MySql => text(&row, 4).unwrap_or_default(),
            Flavour::MariaDb => {
                let sql = format!("SELECT {}", gtids_before(&head.file, head.offset));
                let doing = "ask for the GTIDs of a position";
                let rows = self.rows_within(SLOW_ANSWER, doing, &sql).await?;
                let gtids = rows.first().and_then(|row| text(row, 0));
                gtids.ok_or_else(|| Failure::transient(format!("{sql} gave NULL")))?
            }
        };
        Ok((head, gtid_set("executed GTIDs", &gtids)?))
    }

    /// SHOW BINARY LOG STATUS.
    pub(super) async fn head_row(&mut self) -> Result<Row, Failure> {
        // https://dev.mysql.com/doc/refman/8.4/en/show-binary-log-status.html: since 8.2.
        let sql = if self.flavour() == Flavour::MySql && self.version() >= (8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        };
        let rows = self.rows("ask for the end of the binary log", sql).await?;
        rows.into_iter().next().ok_or_else(no_log)
    }

    /// After so long the server purges a file, counted from its last write; `None`: never, or it does not say.
    pub async fn log_expires_after(&mut self) -> Result<Option<Duration>, Failure> {
        const DAY_SECS: u64 = 86_400;
        let rows = self
            .rows(
                "ask how long the binary log is kept",
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                 ('binlog_expire_logs_seconds', 'expire_logs_days', 'binlog_expire_logs_auto_purge')",
            )
            .await?;
        let of = |name: &str| {
            let row = rows
                .iter()
                .find(|row| text(row, 0).as_deref() == Some(name))?;
            text(row, 1)
        };
        if of("binlog_expire_logs_auto_purge").as_deref() == Some("OFF") {
            return Ok(None);
        }
        let number = |name: &str| of(name)?.parse::<f64>().ok().map(|number| number as u64);
        let days = number("expire_logs_days").map(|days| days.saturating_mul(DAY_SECS));
        let secs = number("binlog_expire_logs_seconds")
            .filter(|secs| *secs > 0)
            .or(days);
        Ok(secs.filter(|secs| *secs > 0).map(Duration::from_secs))
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
                        .map_err(|error| unreadable("binlog file name", error))?,
                    bytes: number(row, 1).ok_or_else(|| missing(sql))?,
                })
            })
            .collect()
    }

    pub async fn server_uuid(&mut self) -> Result<Uuid, Failure> {
        Ok(self.who().await?.server_uuid)
    }

    async fn who(&mut self) -> Result<Who, Failure> {
        let doing = "ask the server what it is";
        let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'gtid_mode')";
        let rows = self.rows(doing, sql).await?;
        let value = |name: &str| {
            let row = rows
                .iter()
                .find(|row| text(row, 0).as_deref() == Some(name));
            row.and_then(|row| text(row, 1)).unwrap_or_default()
        };
        let server_uuid = match value("server_uuid").as_str() {
            "" => {
                let rows = self.rows(doing, UNNAMED_SERVER).await?;
                let found = rows.first().and_then(|row| text(row, 0));
                found
                    .and_then(|found| unnamed_server_uuid(&found))
                    .ok_or_else(|| missing(UNNAMED_SERVER))?
            }
            text => text
                .parse()
                .map_err(|error| unreadable("server_uuid", error))?,
        };
        Ok(Who {
            server_uuid,
            gtid_mode: value("gtid_mode"),
        })
    }
}

/// The connection must not be used again after a failure.
async fn within<T>(
    wait_max: Duration,
    doing: &str,
    answer: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout(wait_max, answer).await.map_err(|_| {
        let secs = wait_max.as_secs_f32();
        Failure::transient(format!("{doing}: no answer within {secs} s"))
    })
}

/// Which server it is.
struct Who {
    server_uuid: Uuid,
    /// Empty where there is none.
    gtid_mode: String,
}

/// Asks a server without a `server_uuid` (MariaDB, MySQL before 5.6) for what tells it from others.
pub const UNNAMED_SERVER: &str =
    "SELECT CONCAT(@@GLOBAL.server_id, ' at ', @@GLOBAL.hostname, ':', @@GLOBAL.port)";

/// Stands for `server_uuid`, of the answer to [`UNNAMED_SERVER`]: a word, the server id, and a hash of host
/// name and port. A server that moves to another host so becomes another one, which is safe: its positions
/// are then translated by GTID, or refused.
pub fn unnamed_server_uuid(answer: &str) -> Option<Uuid> {
    let (server_id, place) = answer.split_once(" at ")?;
    let server_id: u32 = server_id.parse().ok()?;
    let word = u128::from(u32::from_be_bytes(*b"noid"));
    let place = fnv1a(FNV_BASIS, place.as_bytes());
    let uuid = word << 96 | u128::from(server_id) << 64 | u128::from(place);
    Some(Uuid(uuid.to_be_bytes()))
}

/// MariaDB's function that walks the file up to there. File names of a log hold no quotes that MariaDB
/// would take for ends of a string: they are doubled.
fn gtids_before(file: &FileName, offset: u64) -> String {
    let name = file.name.replace('\\', "\\\\").replace('\'', "''");
    format!("BINLOG_GTID_POS('{name}', {offset})")
}

fn head_position(row: &Row) -> Result<Position, Failure> {
    let name = text(row, 0).unwrap_or_default();
    let file = FileName::parse(&name).map_err(|error| unreadable("binlog file name", error))?;
    let offset = number(row, 1)
        .ok_or_else(|| Failure::transient("the end of the binary log has no position"))?;
    Ok(Position { file, offset })
}

pub fn text(row: &Row, index: usize) -> Option<String> {
    let bytes = row.bytes(index)?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

pub fn number(row: &Row, index: usize) -> Option<u64> {
    text(row, index)?.parse().ok()
}

fn gtid_set(what: &str, text: &str) -> Result<GtidSet, Failure> {
    text.parse().map_err(|error| unreadable(what, error))
}

fn unreadable(what: &str, error: headwater_binlog::Error) -> Failure {
    Failure::definite(format!("the server's {what} cannot be read")).because(error)
}

fn missing(sql: &str) -> Failure {
    Failure::transient(format!("{sql} lacks a column"))
}

fn no_log() -> Failure {
    Failure::definite("the server writes no binary log (log_bin is OFF)").with_hint(
        "start the server with --log-bin; on RDS turn automated backups on (retention ≥ 1 day)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_uuid_is_known_by_its_id_and_its_place() {
        let uuid = unnamed_server_uuid("7 at db1:3306").expect("an identity");
        assert!(
            uuid.to_string().starts_with("6e6f6964-0000-0007-"),
            "{uuid}"
        );
        for other in ["7 at db2:3306", "7 at db1:3307", "8 at db1:3306"] {
            assert_ne!(unnamed_server_uuid(other), Some(uuid), "{other}");
        }
        assert_eq!(unnamed_server_uuid("x at db1:3306"), None);
        assert_eq!(unnamed_server_uuid(""), None);
    }

    #[test]
    fn the_version_tells_mariadb() {
        assert_eq!(Flavour::of("10.11.18-MariaDB-log"), Flavour::MariaDb);
        assert_eq!(Flavour::of("5.5.5-10.4.1-MariaDB"), Flavour::MariaDb);
        assert_eq!(Flavour::of("9.7.0"), Flavour::MySql);
    }
}
