//! A transaction of the log: where it comes from, its statements, and where it ends.

use std::sync::{Arc, OnceLock};

use crate::{
    ddl::Subject,
    fingerprint::LogFingerprint,
    gtid::{Gtid, GtidSet},
    position::{FileName, Position},
    xa::XaChange,
};

/// Where a transaction comes from. Shared by all its changes.
#[derive(Debug, PartialEq, Eq)]
pub struct Transaction {
    pub gtid: Option<Gtid>,
    pub file: FileName,
    /// Offset of the transaction's first event.
    pub offset: u64,
    pub server_id: u32,
    /// Original commit time, microseconds since the epoch; whole seconds where the source has no more.
    pub commit_us: u64,
    /// The session's connection id; none where nothing in front of the rows says it.
    pub thread_id: Option<u32>,
    /// Known once the transaction's last event has been read, so perhaps only after its first changes
    /// have left.
    pub end: OnceLock<TransactionEnd>,
    /// No transaction of the log: rows that were read from a table, at this place of the log.
    pub snapshot: Option<SnapshotOrigin>,
}

/// Which snapshot rows belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOrigin {
    /// The run's name.
    pub run: Arc<str>,
    /// Rises with every launch: rows that are read again after a crash have other ids.
    pub attempt: u32,
    /// The run has a target of its own.
    pub is_apart: bool,
}

/// What a transaction says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Of the XID event; none where something else ends the transaction (DDL, tables that cannot roll back).
    pub xid: Option<u64>,
    /// Index of the last row or DDL that became an item.
    pub last: Option<u64>,
}

impl Transaction {
    /// Where its first event begins.
    pub fn position(&self) -> Position {
        Position::new(self.file.clone(), self.offset)
    }
}

impl Boundary {
    pub fn position(&self) -> Position {
        Position::new(self.file.clone(), self.offset)
    }
}

/// A statement that is not row data.
#[derive(Debug, Clone)]
pub struct Statement {
    pub transaction: Arc<Transaction>,
    /// Offset of the QUERY event.
    pub event_offset: u64,
    /// Index among all rows and DDLs of the transaction.
    pub row: u64,
    pub text: Arc<str>,
    pub default_database: String,
    pub sql_mode: u64,
    /// Name of the client's character set, e.g. `utf8mb4`.
    pub charset: String,
    pub subject: Subject,
}

/// The log has been read up to here and no transaction is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    pub file: FileName,
    pub offset: u64,
    /// The transaction that ended here; none after ROTATE, FORMAT_DESCRIPTION, heartbeat.
    pub gtid: Option<Gtid>,
    /// Commit time of that transaction; for the rest the event's own time, 0 when it has none.
    pub commit_us: u64,
    /// What the transaction means for the table of prepared XA transactions.
    pub xa: Option<Box<XaChange>>,
    /// What the file says it is, where that was read here and not known before.
    pub log: Option<Box<LogFingerprint>>,
    /// What was committed before the file, where it says so.
    pub had: Option<Box<GtidSet>>,
}
