//! What can be wrong with binlog bytes. Every error names the thing, says what was found; where the
//! operator can do something, [`Error::hint`] says what. No row value ever stands in a message.

mod statement;

use std::borrow::Cow;

pub use statement::{Refusal, RefusedStatement};

use crate::fingerprint::LogFingerprint;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{what}: {needed} bytes needed, {left} left")]
    Short {
        what: &'static str,
        needed: usize,
        left: usize,
    },
    #[error("{what}: {found}")]
    Malformed { what: &'static str, found: String },
    #[error("event checksum {stored:08x} does not match its bytes ({computed:08x})")]
    Checksum { stored: u32, computed: u32 },
    #[error("unsupported: {0}")]
    Unsupported(String),
    #[error("{0}")]
    Refused(String),
    #[error("{what}: {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        what: &'static str,
        bytes: u64,
        bytes_max: u64,
    },
    #[error("{0}")]
    Statement(Box<RefusedStatement>),
    /// What was read before, and what stands in its place.
    #[error("the server's log was reset, or the server was restored from a backup: {found}; the file read before was {before}", before = .0[0], found = .0[1])]
    OtherLog(Box<[LogFingerprint; 2]>),
    /// Between two events of one file, in a dump that leaves nothing out.
    #[error(
        "the server's file goes on at {to}, and what lies between {from} and there did not come"
    )]
    Gap { from: u64, to: u64 },
    #[error("the source lost events: {0}")]
    Incident(String),
    /// `source.xa = "halt"`.
    #[error("XA transaction: {0}")]
    Xa(&'static str),
    #[error(
        "XA transaction {xid} is committed, and was prepared before the place where reading began"
    )]
    XaUnknown { xid: String },
    /// The rest of the file is encrypted.
    #[error("the file is encrypted")]
    Encrypted,
    #[error("event of unknown type {0}, not marked as ignorable")]
    UnknownEvent(u8),
    #[error("transaction that began at offset {began} is not finished")]
    UnfinishedTransaction { began: u64 },
    /// The table map carries no column names: `binlog_row_metadata` was not FULL.
    #[error("table `{table}` is logged without column names")]
    NoColumnNames { table: String },
    /// `binlog_row_value_options = PARTIAL_JSON` with `binlog_row_image = MINIMAL`.
    #[error(
        "column `{column}` of table `{table}` is logged as a change of its document, and the document before is not in the log"
    )]
    NoDocument { table: String, column: String },
    /// In a line that has its own fields beside the columns.
    #[error(
        "column `{column}` of table `{table}` begins with \"{prefix}\", as the line's own fields do"
    )]
    TakenName {
        table: String,
        column: String,
        prefix: String,
    },
    /// What information_schema says of the table is not what was logged.
    #[error("table `{table}` is logged without column names, and its columns do not fit: {found}")]
    ColumnsDoNotFit { table: String, found: String },
}

/// What to do where the log is not the one that was read before.
pub const OTHER_LOG_HINT: &str = "changes between the place read last and this log's beginning cannot be read any more: compare the data, or copy the tables again; then `headwater position set` to a place of this log, or `headwater position clear` to begin at source.start";

impl Error {
    pub fn malformed(what: &'static str, found: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            found: found.to_string(),
        }
    }

    /// The same with its place in front, e.g. "column `note` of table `shop.orders`".
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Unsupported(what) => Self::Unsupported(format!("{place}: {what}")),
            Self::Malformed { what, found } => Self::Malformed {
                what,
                found: format!("{place}: {found}"),
            },
            other => other,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        if let Self::Statement(statement) = self {
            return Some(statement.hint().into());
        }
        self.fixed_hint().map(Cow::Borrowed)
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        match self {
            Self::Checksum { .. } => Some(
                "check the source's file with mysqlbinlog --verify-binlog-checksum: if it is damaged there, go on from a replica whose log is whole (by GTID), or set a position behind the event and copy the tables that it changed again; if it is not, look for what damages bytes on the way, and turn TLS on",
            ),
            Self::TooLarge { .. } => Some("raise source.event_bytes_max"),
            Self::OtherLog(_) => Some(OTHER_LOG_HINT),
            Self::Gap { .. } => Some(
                "something between the server and this program leaves events out: connect to the server itself, without a relay or proxy that reads the log; `mysqlbinlog --read-from-remote-server` shows what comes",
            ),
            Self::Incident(_) => Some(
                "changes are missing from the source's log: copy the tables again from a consistent snapshot and set a position behind this event",
            ),
            Self::Xa(_) => Some(
                "set source.xa = \"at_commit\"; if it was prepared before the place where reading began, begin earlier, or copy the tables that it changed again and set a position behind its commit",
            ),
            Self::XaUnknown { .. } => Some(
                "begin before its PREPARE (source.start, or `headwater position set`; for `replay` give all files from it on), or copy the tables that it changed again and set a position behind this commit",
            ),
            Self::Encrypted => Some(
                "read it through its server, which decrypts what it sends: `headwater run` with source.url",
            ),
            Self::UnknownEvent(_) => {
                Some("the source is newer than this program: update the program")
            }
            Self::UnfinishedTransaction { .. } => Some(
                "the source stopped while it wrote this transaction: check with mysqlbinlog, then set a position at the head of the next file",
            ),
            Self::NoColumnNames { .. } => Some(
                "SET PERSIST binlog_row_metadata = 'FULL' (MariaDB: SET GLOBAL, and its option file; on RDS \
                 and Aurora the parameter binlog_row_metadata of the parameter group), then start after \
                 this position; or take columns by number: source.unnamed_columns = \"positional\"",
            ),
            Self::ColumnsDoNotFit { .. } => Some(
                "SET PERSIST binlog_row_metadata = 'FULL' (MariaDB: SET GLOBAL, and its option file; RDS parameter \
                 group: binlog_row_metadata), then set a position behind this event; if the table was altered with \
                 sql_log_bin = 0, set the stored position again (`headwater position set`): the columns are then \
                 asked for anew",
            ),
            Self::TakenName { .. } => Some(
                "set another native.prefix, with which no column begins (it renames the fields of all lines), or leave the column out (columns.include), or write nested lines (native.layout)",
            ),
            Self::NoDocument { .. } => Some(
                "SET PERSIST binlog_row_image = 'FULL', or SET PERSIST binlog_row_value_options = '' (RDS: parameters binlog_row_image, binlog_row_value_options), and let sessions reconnect; then set a position behind this event and copy the table again",
            ),
            _ => None,
        }
    }
}
