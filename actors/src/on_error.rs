//! Changes that can never be delivered: the settings' choice, and the operator's next step.

use headwater_binlog::schema::TableName;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    Halt,
    DeadLetter,
    ParkTable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub oversize: OnError,
    pub undecodable: OnError,
}

/// The next step for a parked table once the cause is gone.
pub fn resume_hint(table: &TableName) -> String {
    format!("then stop the pipeline, run `headwater resume-table {table}`, and start it again")
}
