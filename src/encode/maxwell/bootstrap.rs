//! Snapshots as Maxwell tells its bootstrap (`SynchronousBootstrapper` of Maxwell 1.45): a line before the rows of
//! a table, a `bootstrap-insert` for each of them, a line behind the last.
//!
//! Such lines belong to no transaction: `xid`, `commit`, `position`, `gtid`, `server_id` and `thread_id` are absent
//! from them. `comment` is what the operator called it. The line before the rows lacks the primary key, whose
//! columns are not known there.

use headwater_actors::{
    ports::encoder::{StatementEvent, Written},
    snapshot::SETTINGS_RUN,
};
use headwater_binlog::{ddl::Action, json::write_json_string, transaction::SnapshotOrigin};

use super::MaxwellOptions;
use crate::encode::value::write_integer;

/// `None`: it is no mark of a snapshot.
pub(super) fn write(
    options: &MaxwellOptions,
    event: &StatementEvent<'_>,
    out: &mut Vec<u8>,
) -> Option<Written> {
    let statement = event.statement;
    let (kind, is_end) = match statement.subject.action() {
        Action::SnapshotBegin => ("bootstrap-start", false),
        Action::SnapshotEnd { .. } => ("bootstrap-complete", true),
        _ => return None,
    };
    out.extend_from_slice(b"{\"database\":");
    write_json_string(&event.table.database, out);
    out.extend_from_slice(b",\"table\":");
    write_json_string(&event.table.table, out);
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"ts\":");
    write_integer(statement.transaction.commit_us / 1_000_000, out);
    if let Some(snapshot) = &statement.transaction.snapshot {
        write_comment(snapshot, out);
    }
    // Maxwell names no key columns in the line behind the rows.
    if is_end && options.output_primary_key {
        out.extend_from_slice(b",\"primary_key\":[]");
    }
    if is_end && options.output_primary_key_columns {
        out.extend_from_slice(b",\"primary_key_columns\":[]");
    }
    out.extend_from_slice(b",\"data\":{}}");
    Some(Written::Last)
}

/// Of a run that somebody named.
pub(super) fn write_comment(snapshot: &SnapshotOrigin, out: &mut Vec<u8>) {
    if &*snapshot.run != SETTINGS_RUN {
        out.extend_from_slice(b",\"comment\":");
        write_json_string(&snapshot.run, out);
    }
}
