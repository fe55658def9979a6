//! A statement in the log that may not be passed over, or that cannot be followed: what it is, and where to go on
//! behind it. Its text, which may hold secrets, is not told.

use std::fmt;

use crate::{gtid::Gtid, position::Position, schema::TableName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedStatement {
    pub why: Refusal,
    pub gtid: Option<Gtid>,
    /// Behind its transaction, where that is known.
    pub next: Option<Position>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Rows changed and the log does not hold them; the table where the text says which.
    Rows {
        verb: &'static str,
        table: Option<TableName>,
    },
    /// Not recognised, by its first words.
    Unknown { head: String },
    /// Rows were rolled back to a savepoint of this name, and which one that is cannot be told.
    Savepoint { name: String },
    /// The transaction was rolled back, or a part of it, behind rows that had left before.
    Sent,
    /// The transaction was rolled back, and whether rows of this table were kept cannot be told.
    MayBeKept { table: TableName },
}

impl fmt::Display for RefusedStatement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Refusal::Rows { verb, table: None } => write!(
                formatter,
                "rows were changed by a statement ({verb}), not logged as rows"
            ),
            Refusal::Rows {
                verb,
                table: Some(table),
            } => write!(
                formatter,
                "rows of table `{table}` were changed by a statement ({verb}), not logged as rows"
            ),
            Refusal::Unknown { head } => {
                write!(formatter, "a statement is not understood ({head} …)")
            }
            Refusal::Savepoint { name } => write!(
                formatter,
                "rows were rolled back to savepoint `{name}`, and the log does not tell which one that is"
            ),
            Refusal::Sent => formatter
                .write_str("rows were rolled back that had been sent before, as if committed"),
            Refusal::MayBeKept { table } => write!(
                formatter,
                "rows of table `{table}` were rolled back, and a server before MySQL 5.5.2 does not log whether \
                 the table could do that"
            ),
        }?;
        match &self.gtid {
            Some(gtid) => write!(formatter, ", in transaction {gtid}"),
            None => Ok(()),
        }
    }
}

impl RefusedStatement {
    pub(super) fn hint(&self) -> String {
        let behind = match &self.next {
            Some(next) => format!("`headwater position set {next}`"),
            None => "set a position behind its transaction".to_owned(),
        };
        match self.why {
            Refusal::Rows { .. } => format!(
                "if the table is not wanted, exclude it (source.tables); else to go on without these changes: {behind}, \
                 and copy the table again. Why it is logged so: the session set its own binlog_format, as \
                 pt-table-checksum does; or the server's is not ROW (SET PERSIST binlog_format = 'ROW'; RDS: parameter \
                 binlog_format; then let sessions reconnect); or MariaDB versions the table by transaction id, \
                 which it never logs as rows: version it by TIMESTAMP(6)"
            ),
            Refusal::Unknown { .. } => format!(
                "look it up in the source's log (mysqlbinlog); if it touches no table that is wanted, or when these \
                 tables were copied again, go on behind it: {behind}; and report it, so that a later version knows it"
            ),
            Refusal::Savepoint { .. } | Refusal::Sent | Refusal::MayBeKept { .. } => format!(
                "look up its rows in the source's log (mysqlbinlog) and compare them with the tables; go on behind it: \
                 {behind}, and copy the tables that it changed again"
            ),
        }
    }
}
