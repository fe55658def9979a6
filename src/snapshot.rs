//! Copies of tables whose rows were there before the stream: what the settings ask for, and what a launch makes of it.
//!
//! Pure. Not here: how rows are read (`mysql::snapshot`), when (the Reader's twin), what an operator asks of a running
//! process (`checkpoint::requests`).

mod copies;
mod options;

pub use copies::{ensure_matched, plan_copies};
pub use options::{
    RunOptions, RunPlan, SnapshotOptions, SnapshotPlan, condition, ensure_run_name, run_key,
};
