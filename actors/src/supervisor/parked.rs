//! What is told of parked tables: where they wait, and whether and how long the server keeps its log for them.

use std::collections::HashMap;

use actix::{Context, Handler};
use headwater_binlog::schema::TableName;

use super::Supervisor;
use crate::{
    checkpoint::Parked,
    clock,
    messages::{PassOver, TableParked},
    metrics as names,
    ports::source::Kept,
    status::ParkedStatus,
};

/// What the source said last, by table.
pub type KeptTables = HashMap<TableName, Kept>;

/// Gauges of each table; a series of a table that is parked no longer vanishes when idle.
pub fn measure(parked: &[Parked], kept: &KeptTables) {
    for parked in parked {
        let Some(kept) = kept.get(&parked.table) else {
            continue;
        };
        let table = parked.table.to_string();
        let is_kept = f64::from(u8::from(kept.is_kept));
        metrics::gauge!(names::PARKED_TABLE_KEPT, "table" => table.clone()).set(is_kept);
        if let Some(bytes) = kept.bytes_ahead {
            metrics::gauge!(names::PARKED_TABLE_LOG_BYTES, "table" => table.clone())
                .set(bytes as f64);
        }
        if let Some(secs) = expires_in_secs(parked, kept) {
            metrics::gauge!(names::PARKED_TABLE_EXPIRY_SECONDS, "table" => table).set(secs as f64);
        }
    }
}

pub fn status(parked: &Parked, kept: Option<&Kept>) -> ParkedStatus {
    let table = &parked.table;
    let is_kept = kept.map(|kept| kept.is_kept);
    let remedy = match is_kept {
        Some(false) => format!(
            "the server has purged its log there: copy the table anew, stop the pipeline, and run `headwater resume-table {table} --discard`"
        ),
        Some(true) | None => {
            format!("remove the cause, stop the pipeline, and run `headwater resume-table {table}`")
        }
    };
    ParkedStatus {
        table: table.to_string(),
        reason: parked.reason.clone(),
        since_unix_secs: parked.since_us / 1_000_000,
        position: parked.resume.mark.position.to_string(),
        rows_done: parked.resume.mark.rows_done,
        is_kept,
        log_bytes: kept.and_then(|kept| kept.bytes_ahead),
        expires_in_secs: kept.and_then(|kept| expires_in_secs(parked, kept)),
        remedy,
    }
}

/// A file is purged by the time of its last write, which is no earlier than the commits in it: at least so
/// long is left.
fn expires_in_secs(parked: &Parked, kept: &Kept) -> Option<u64> {
    let left = kept
        .expires_after?
        .saturating_sub(clock::age(parked.resume.commit_us));
    kept.is_kept.then_some(left.as_secs())
}

impl Handler<TableParked> for Supervisor {
    type Result = ();

    fn handle(&mut self, TableParked { table, failure }: TableParked, _ctx: &mut Context<Self>) {
        tracing::error!(%table, error = %failure, hint = failure.hint.as_deref(), "table parked; all others go on");
        self.report.error(&format!("table {table}"), &failure);
        if let Some(running) = &mut self.running {
            running.selection.park(table.clone());
        }
        self.to_reader(PassOver(table));
    }
}
