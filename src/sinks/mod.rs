//! Where records go: adapters behind `headwater_actors::ports::sink`, and the dead-letter file.

pub mod append;
mod batch;
pub mod dead_letter;
pub mod file;
pub mod firehose;
#[cfg(test)]
mod fixture;
mod group;
pub mod kinesis;
mod leased;
pub mod null;
pub mod stdout;
pub mod stream;

pub use leased::LeasedSink;

use headwater_actors::{
    failure::Failure,
    metrics::{SINK_BYTES_TOTAL, SINK_RECORDS_TOTAL},
    ports::sink::Rejected,
};

/// Of a sink that limits no record: far above the largest event that MySQL writes (1 GiB), and far from any
/// overflow.
const RECORD_BYTES_UNLIMITED: usize = u32::MAX as usize;

/// What `check` says about a stream, and what the sink must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    pub name: String,
    /// AWS's word: `ACTIVE`, `UPDATING` and so on.
    pub status: String,
    /// Kinesis only.
    pub open_shards: Option<u32>,
    /// One record, partition key included.
    pub record_bytes_max: usize,
}

/// What became of a record, as the metrics' label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Throttled,
    /// Transient: it comes again.
    Failed,
    /// Definite: it never passes.
    Rejected,
}

impl Outcome {
    fn of<T>(result: &Result<T, Rejected>) -> Self {
        match result {
            Ok(_) => Self::Delivered,
            Err(rejected) if rejected.throttled => Self::Throttled,
            Err(rejected) if rejected.failure.is_definite() => Self::Rejected,
            Err(_) => Self::Failed,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

fn count(outcome: Outcome, records: usize, bytes: usize) {
    metrics::counter!(SINK_RECORDS_TOTAL, "outcome" => outcome.label()).increment(records as u64);
    metrics::counter!(SINK_BYTES_TOTAL, "outcome" => outcome.label()).increment(bytes as u64);
}

fn rejected(failure: Failure) -> Rejected {
    Rejected {
        failure,
        throttled: false,
    }
}

/// What delivers is gone before those who wait for it: only a panic does that, and nobody starts it again.
fn ended(what: &str) -> Failure {
    Failure::definite(format!("{what} has ended")).with_hint(
        "this is a defect of the program: report it with the panic that the log shows; \
         a restart goes on from the stored position",
    )
}
