//! Where records go: adapters behind `headwater_actors::ports::sink`, and the dead-letter file.
//!
//! Which kinds of sink there are stands in `kinds`, and what each can do: outside this folder nobody asks for a kind.

pub mod append;
mod batch;
pub mod dead_letter;
pub mod file;
pub mod firehose;
#[cfg(test)]
mod fixture;
mod group;
mod kinds;
pub mod kinesis;
mod leased;
pub mod null;
pub mod read_back;
pub mod stdout;
pub mod stream;
mod template;

pub use self::{
    kinds::{Facts, Shared, SinkOptions, SinkPlan, targets},
    template::{NameError, TargetSetting, Template},
};
use leased::LeasedSink;

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

impl std::fmt::Display for StreamDescription {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} is {}", self.name, self.status)?;
        if let Some(shards) = self.open_shards {
            write!(formatter, ", {shards} open shards")?;
        }
        write!(formatter, ", records up to {} bytes", self.record_bytes_max)
    }
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
