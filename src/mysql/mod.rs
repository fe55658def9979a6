//! MySQL as a source: one server of the configured hosts, read through its binary log.
//!
//! [`preflight`](preflight::preflight) says whether a server can be read, [`start`] turns a checkpoint or
//! `source.start` into a place in that server's own log, [`stream`] reads from there. Everything that
//! decides is pure and stands apart from what asks the server ([`mod@resume`], [`boundary`], [`checks`]).
//! All connections are of one kind ([`connection`]), with one login and one limit for answers. Not here: reconnecting
//! and its back-off (the supervisor's), what events mean (headwater-binlog's).

mod ahead;
pub mod boundary;
mod cascades;
pub mod checks;
pub mod connect;
pub mod connection;
pub mod dump;
pub mod error;
pub mod facts;
pub mod failure;
mod fatal;
mod hosts;
mod images;
mod inspect;
mod listing;
mod log_filters;
mod login;
mod name_case;
pub mod options;
mod packets;
pub mod preflight;
mod prepared;
pub mod query;
mod replication;
pub mod resume;
mod row_images;
mod same_log;
mod session;
mod snapshot;
pub mod start;
mod statement;
pub mod stream;
mod unnamed;

pub use dump::draw_server_id;
pub use hosts::{CatchUpWait, choose_host};
pub use images::{JsonColumns, SourceTable, TableRead, read_tables};
pub use listing::{Listed, SeenColumn, list_columns, list_tables};
pub use name_case::name_case;
pub use options::{
    Host, SourceOptions, SourcePlan, StartPlan, Target, TlsMode, TlsPlan, UnnamedColumns,
};
pub use preflight::{Check, Verdict, preflight};
pub use prepared::{ensure_xa, recoverable};
pub use row_images::ensure_whole_rows;
pub use snapshot::{
    MySqlSnapshots, SnapshotLimits, TableShape, TableToCopy, check_snapshots, ensure_copyable,
    table_shapes,
};
pub use start::{Start, is_same_log, resolve_start, resume};
pub use stream::{Identity, MySqlSource};
