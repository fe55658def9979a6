//! Lines of a stream in, a verdict out: what is missing, repeated, out of order or wrong.
//!
//! [`Audit`] takes native lines in the order in which a consumer got them. Three rules find what is wrong: a
//! lane may only repeat contiguous runs (`lanes`); the changes of a key must fit each other, each one's image
//! before being the last one's image after (`rows`, `ledger`), and a row that a snapshot read must be what the changes
//! before it left and what those behind it begin with (`rows::base`); and a column that every change raises by one
//! must have no gap. Memory is bounded: a window of changes to recognise repetitions by, and a few bytes per key.
//! No I/O, no clock: `headwater verify` and the tests' judge feed the same code.

mod audit;
mod lanes;
mod ledger;
mod line;
mod raw;
mod records;
mod report;
mod rows;
mod seq;
mod snapshots;
pub mod sort;
mod statements;

pub use audit::{Audit, AuditRules, LaneBy, Place, Taken};
pub use lanes::Step;
pub use line::{Heartbeat, Image, Kind, Line, OfSnapshot, Parsed, column_hash, key_hash};
pub use raw::{Prefix, Unreadable};
pub use records::{LINE_BYTES_MAX, Malformed, lines, reader};
pub use report::{Finding, FindingKind, Report, SnapshotReport, SourceReport, TableReport};
pub use rows::{Live, TooManyKeys};
pub use seq::{Seq, Standing};
