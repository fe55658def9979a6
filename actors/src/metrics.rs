//! Every metric as one constant: name, kind with the buckets of a histogram, unit, labels, help. `docs/metrics.md`
//! lists the same and a test keeps the two alike.
//!
//! Count per batch, not per row. A label never holds a row value, a key or an error's text. What has a `lane`
//! or `table` label vanishes when idle (see [`Metric::is_dropped_when_idle`]): name it afresh at each update
//! (`gauge!(LANE_BACKLOG_BYTES, ...)`), a handle kept for longer may write into nothing.
//! Not here: the recorder.

use metrics::{KeyName, SharedString, Unit, with_recorder};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets, in its unit.
    Histogram {
        bounds: &'static [f64],
    },
}

/// What is known of a metric before its first value.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// `None`: a state or a fact as 0 or 1.
    pub unit: Option<Unit>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

impl Metric {
    /// One series per lane or table that is gone for good would stay for ever. A counter begins again at 0, as
    /// after a restart: rates and increases come out right.
    pub fn is_dropped_when_idle(&self) -> bool {
        let mut labels = self.labels.iter();
        labels.any(|label| matches!(*label, "lane" | "table"))
    }
}

/// So that `counter!` and its like take the constant itself.
impl From<Metric> for SharedString {
    fn from(metric: Metric) -> Self {
        Self::const_str(metric.name)
    }
}

pub const UP: Metric = Metric {
    name: "headwater_up",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
    help: "1 while the pipeline streams, else 0; set at each scrape",
};

pub const STATE: Metric = Metric {
    name: "headwater_state",
    kind: Kind::Gauge,
    unit: None,
    labels: &["state"],
    help: "1 for the state that the pipeline is in (standby, starting, streaming, backing_off, paused, draining, stopped, halted), 0 for the others; set at each scrape",
};

pub const BUILD_INFO: Metric = Metric {
    name: "headwater_build_info",
    kind: Kind::Gauge,
    unit: None,
    labels: &["version"],
    help: "Always 1; the label tells the version",
};

pub const GENERATION: Metric = Metric {
    name: "headwater_generation",
    kind: Kind::Gauge,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Number of the running generation of actors; rises when the Router or the Checkpointer had to be started anew",
};

pub const ACTOR_RESTARTS_TOTAL: Metric = Metric {
    name: "headwater_actor_restarts_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &["actor", "cause"],
    help: "Actors started anew, by actor (reader, router, shard_writer, checkpointer) and cause (failure, panic)",
};

pub const CHANGES_TOTAL: Metric = Metric {
    name: "headwater_changes_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &["table", "kind"],
    help: "Changes of included tables read, by table and kind (insert, update, delete, ddl); what a new generation reads again counts again; a table without a change for ten minutes is no longer shown, and begins again at 0",
};

pub const STATEMENTS_PASSED_OVER_TOTAL: Metric = Metric {
    name: "headwater_statements_passed_over_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Statements that changed rows of excluded tables, logged as text and not as rows, and were passed over",
};

pub const SOURCE_READ_AHEAD_TOTAL: Metric = Metric {
    name: "headwater_source_read_ahead_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Transactions above 256 KiB that could be rolled back behind their rows, and were read twice: first to their end, then to be sent",
};

pub const SNAPSHOT_ROWS_TOTAL: Metric = Metric {
    name: "headwater_snapshot_rows_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &["table"],
    help: "Rows copied from tables into the stream; a table without any for ten minutes is no longer shown, and begins again at 0",
};

pub const SNAPSHOT_COPIES: Metric = Metric {
    name: "headwater_snapshot_copies",
    kind: Kind::Gauge,
    unit: Some(Unit::Count),
    labels: &["state"],
    help: "Copies of tables by state (active, paused, complete, cancelled, gone, refused), as far as it is durable; none before the first copy is asked for",
};

pub const SOURCE_CONNECTED: Metric = Metric {
    name: "headwater_source_connected",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
    help: "1 while a stream of events from the source is open, else 0",
};

pub const SOURCE_RECONNECTS_TOTAL: Metric = Metric {
    name: "headwater_source_reconnects_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Streams of events opened after the first one",
};

pub const SOURCE_BYTES_TOTAL: Metric = Metric {
    name: "headwater_source_bytes_total",
    kind: Kind::Counter,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Bytes of binlog events read, also those of excluded tables",
};

pub const SOURCE_LAG_SECONDS: Metric = Metric {
    name: "headwater_source_lag_seconds",
    kind: Kind::Gauge,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Age of the oldest change that was read and is not durable in the sink; 0 when there is none and the source is read. While it is not read (it is down, reading pauses): the time since the last moment up to which all is known to be durable, rising; absent until a transaction was seen",
};

pub const SOURCE_LAG_BYTES: Metric = Metric {
    name: "headwater_source_lag_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Bytes of binlog between what is durable and the source's head",
};

pub const SOURCE_PURGE_SECONDS: Metric = Metric {
    name: "headwater_source_purge_seconds",
    kind: Kind::Gauge,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Estimated time until the source purges the log file of the durable position, by the older files that it still has and the rate at which it writes; not shown while it has never purged or nothing is written",
};

pub const COMMIT_TO_DURABLE_SECONDS: Metric = Metric {
    name: "headwater_commit_to_durable_seconds",
    kind: Kind::Histogram {
        bounds: &[
            0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            60.0, 300.0, 1800.0, 7200.0,
        ],
    },
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "From commit in the source to durable in the sink, one sample per batch read: its newest transaction. The clocks of both machines count",
};

pub const LANE_BACKLOG_BYTES: Metric = Metric {
    name: "headwater_lane_backlog_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &["lane"],
    help: "Bytes that a lane holds and has not yet delivered; a lane without an update for ten minutes is no longer shown",
};

pub const SINK_RECORDS_TOTAL: Metric = Metric {
    name: "headwater_sink_records_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &["outcome"],
    help: "Records handed to the sink, by outcome (delivered; throttled and failed: they come again; rejected for good)",
};

pub const SINK_BYTES_TOTAL: Metric = Metric {
    name: "headwater_sink_bytes_total",
    kind: Kind::Counter,
    unit: Some(Unit::Bytes),
    labels: &["outcome"],
    help: "Bytes of the records handed to the sink, by the same outcomes",
};

pub const SINK_REQUEST_SECONDS: Metric = Metric {
    name: "headwater_sink_request_seconds",
    kind: Kind::Histogram {
        bounds: &[
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ],
    },
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Time of one call to the sink, whatever its outcome",
};

pub const SINK_THROTTLED_TOTAL: Metric = Metric {
    name: "headwater_sink_throttled_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Records that the sink asked to send again later",
};

pub const SINK_ORDER_VIOLATIONS_TOTAL: Metric = Metric {
    name: "headwater_sink_order_violations_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Sequence numbers that did not rise within a lane and shard; must stay 0",
};

pub const SINK_IN_FLIGHT_BYTES: Metric = Metric {
    name: "headwater_sink_in_flight_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Bytes of the calls to the sink that have no reply yet",
};

pub const CHECKPOINT_AGE_SECONDS: Metric = Metric {
    name: "headwater_checkpoint_age_seconds",
    kind: Kind::Gauge,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Time since a checkpoint was last stored",
};

pub const CHECKPOINT_WRITES_TOTAL: Metric = Metric {
    name: "headwater_checkpoint_writes_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &["outcome"],
    help: "Writes of the checkpoint, by outcome (stored, failed)",
};

pub const CHECKPOINT_WRITE_SECONDS: Metric = Metric {
    name: "headwater_checkpoint_write_seconds",
    kind: Kind::Histogram {
        bounds: &[
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
        ],
    },
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Time of one write of the checkpoint, durable at its end",
};

pub const LEASE_HELD: Metric = Metric {
    name: "headwater_lease_held",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
    help: "1 while this process holds the pipeline's lease (for a file: its lock), 0 while it stands by or could not renew it",
};

pub const LEASE_TERM: Metric = Metric {
    name: "headwater_lease_term",
    kind: Kind::Gauge,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Term of the lease that this process took last; rises with every taking. Not with checkpoint.type = file",
};

pub const LEASE_TAKEOVERS_TOTAL: Metric = Metric {
    name: "headwater_lease_takeovers_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Times that this process took the lease from another that had not given it back",
};

pub const MEMORY_BUDGET_BYTES_IN_USE: Metric = Metric {
    name: "headwater_memory_budget_bytes_in_use",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &["pool"],
    help: "Bytes taken of a memory budget, by pool (raw, encoded)",
};

pub const MEMORY_BUDGET_BYTES: Metric = Metric {
    name: "headwater_memory_budget_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &["pool"],
    help: "Bytes of a memory budget, by pool (raw, encoded)",
};

pub const BACKPRESSURE_SECONDS_TOTAL: Metric = Metric {
    name: "headwater_backpressure_seconds_total",
    kind: Kind::Counter,
    unit: Some(Unit::Seconds),
    labels: &[],
    help: "Time that the Reader waited for memory instead of reading, in whole seconds",
};

pub const DEAD_LETTERS_TOTAL: Metric = Metric {
    name: "headwater_dead_letters_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Changes put aside into the dead-letter file; each line of it says why",
};

pub const TABLES_PARKED: Metric = Metric {
    name: "headwater_tables_parked",
    kind: Kind::Gauge,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Tables that are passed over since a change of them could not be delivered (errors.oversize, errors.undecodable = park_table)",
};

pub const PARKED_TABLE_KEPT: Metric = Metric {
    name: "headwater_parked_table_kept",
    kind: Kind::Gauge,
    unit: None,
    labels: &["table"],
    help: "1 while the server's log still has the place where a parked table goes on, 0 once it has been purged",
};

pub const PARKED_TABLE_LOG_BYTES: Metric = Metric {
    name: "headwater_parked_table_log_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &["table"],
    help: "Bytes of binlog between the place where a parked table goes on and the source's head",
};

pub const PARKED_TABLE_EXPIRY_SECONDS: Metric = Metric {
    name: "headwater_parked_table_expiry_seconds",
    kind: Kind::Gauge,
    unit: Some(Unit::Seconds),
    labels: &["table"],
    help: "Time for which the server keeps the place of a parked table at least, by binlog_expire_logs_seconds; none where that is 0",
};

pub const INVALID_TEXT_TOTAL: Metric = Metric {
    name: "headwater_invalid_text_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Times that text which its character set does not have was written as errors.invalid_text says; what is encoded again counts again",
};

pub const FENCES_TOTAL: Metric = Metric {
    name: "headwater_fences_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Times that lanes waited for each other because of a DDL or a changed primary key",
};

pub const LOG_LINES_LOST_TOTAL: Metric = Metric {
    name: "headwater_log_lines_lost_total",
    kind: Kind::Counter,
    unit: Some(Unit::Count),
    labels: &[],
    help: "Log lines that did not reach standard error: nobody read there, its reader was gone, or its disk was full",
};

/// The one name that is not ours: what Prometheus' own client libraries call it.
pub const PROCESS_RESIDENT_MEMORY_BYTES: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    unit: Some(Unit::Bytes),
    labels: &[],
    help: "Resident memory of the process; set at each scrape",
};

/// All metrics, in the order in which `docs/metrics.md` lists them.
pub const ALL: &[Metric] = &[
    UP,
    STATE,
    BUILD_INFO,
    GENERATION,
    ACTOR_RESTARTS_TOTAL,
    CHANGES_TOTAL,
    STATEMENTS_PASSED_OVER_TOTAL,
    SOURCE_READ_AHEAD_TOTAL,
    SNAPSHOT_ROWS_TOTAL,
    SNAPSHOT_COPIES,
    SOURCE_CONNECTED,
    SOURCE_RECONNECTS_TOTAL,
    SOURCE_BYTES_TOTAL,
    SOURCE_LAG_SECONDS,
    SOURCE_LAG_BYTES,
    SOURCE_PURGE_SECONDS,
    COMMIT_TO_DURABLE_SECONDS,
    LANE_BACKLOG_BYTES,
    SINK_RECORDS_TOTAL,
    SINK_BYTES_TOTAL,
    SINK_REQUEST_SECONDS,
    SINK_THROTTLED_TOTAL,
    SINK_ORDER_VIOLATIONS_TOTAL,
    SINK_IN_FLIGHT_BYTES,
    CHECKPOINT_AGE_SECONDS,
    CHECKPOINT_WRITES_TOTAL,
    CHECKPOINT_WRITE_SECONDS,
    LEASE_HELD,
    LEASE_TERM,
    LEASE_TAKEOVERS_TOTAL,
    MEMORY_BUDGET_BYTES_IN_USE,
    MEMORY_BUDGET_BYTES,
    BACKPRESSURE_SECONDS_TOTAL,
    DEAD_LETTERS_TOTAL,
    TABLES_PARKED,
    PARKED_TABLE_KEPT,
    PARKED_TABLE_LOG_BYTES,
    PARKED_TABLE_EXPIRY_SECONDS,
    INVALID_TEXT_TOTAL,
    FENCES_TOTAL,
    LOG_LINES_LOST_TOTAL,
    PROCESS_RESIDENT_MEMORY_BYTES,
];

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

/// Tells the recorder of this thread (or the global one) the help text and unit of every metric.
pub fn describe_all() {
    with_recorder(|recorder| {
        for metric in ALL {
            let name = KeyName::from(metric.name);
            let help = SharedString::from(metric.help);
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, metric.unit, help),
                Kind::Gauge => recorder.describe_gauge(name, metric.unit, help),
                Kind::Histogram { .. } => recorder.describe_histogram(name, metric.unit, help),
            }
        }
    });
}

#[cfg(test)]
mod tests;
