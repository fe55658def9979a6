//! Every metric's name, kind, unit, labels and help, in one place; `docs/metrics.md` lists the same and a
//! test keeps the two alike.
//!
//! Count per batch, not per row. A label never holds a row value, a key or an error's text. Gauges with
//! a `lane` or `table` label vanish when idle (see [`Metric::is_dropped_when_idle`]): name them afresh at
//! each update (`gauge!(LANE_BACKLOG_BYTES, ...)`), a handle kept for longer may write into nothing.
//! Not here: the recorder, and the buckets of the histograms.

use metrics::{KeyName, SharedString, Unit, with_recorder};

pub const UP: &str = "headwater_up";
pub const STATE: &str = "headwater_state";
pub const BUILD_INFO: &str = "headwater_build_info";
pub const GENERATION: &str = "headwater_generation";
pub const ACTOR_RESTARTS_TOTAL: &str = "headwater_actor_restarts_total";
pub const CHANGES_TOTAL: &str = "headwater_changes_total";
pub const SOURCE_CONNECTED: &str = "headwater_source_connected";
pub const SOURCE_RECONNECTS_TOTAL: &str = "headwater_source_reconnects_total";
pub const SOURCE_BYTES_TOTAL: &str = "headwater_source_bytes_total";
pub const SOURCE_LAG_SECONDS: &str = "headwater_source_lag_seconds";
pub const SOURCE_LAG_BYTES: &str = "headwater_source_lag_bytes";
pub const COMMIT_TO_DURABLE_SECONDS: &str = "headwater_commit_to_durable_seconds";
pub const LANE_BACKLOG_BYTES: &str = "headwater_lane_backlog_bytes";
pub const SINK_RECORDS_TOTAL: &str = "headwater_sink_records_total";
pub const SINK_BYTES_TOTAL: &str = "headwater_sink_bytes_total";
pub const SINK_REQUEST_SECONDS: &str = "headwater_sink_request_seconds";
pub const SINK_THROTTLED_TOTAL: &str = "headwater_sink_throttled_total";
pub const SINK_ORDER_VIOLATIONS_TOTAL: &str = "headwater_sink_order_violations_total";
pub const SINK_IN_FLIGHT_BYTES: &str = "headwater_sink_in_flight_bytes";
pub const CHECKPOINT_AGE_SECONDS: &str = "headwater_checkpoint_age_seconds";
pub const CHECKPOINT_WRITES_TOTAL: &str = "headwater_checkpoint_writes_total";
pub const CHECKPOINT_WRITE_SECONDS: &str = "headwater_checkpoint_write_seconds";
pub const LEASE_HELD: &str = "headwater_lease_held";
pub const LEASE_TERM: &str = "headwater_lease_term";
pub const LEASE_TAKEOVERS_TOTAL: &str = "headwater_lease_takeovers_total";
pub const MEMORY_BUDGET_BYTES_IN_USE: &str = "headwater_memory_budget_bytes_in_use";
pub const MEMORY_BUDGET_BYTES_TOTAL: &str = "headwater_memory_budget_bytes_total";
pub const BACKPRESSURE_SECONDS_TOTAL: &str = "headwater_backpressure_seconds_total";
pub const DEAD_LETTERS_TOTAL: &str = "headwater_dead_letters_total";
pub const TABLES_PARKED: &str = "headwater_tables_parked";
pub const PARKED_TABLE_KEPT: &str = "headwater_parked_table_kept";
pub const PARKED_TABLE_LOG_BYTES: &str = "headwater_parked_table_log_bytes";
pub const PARKED_TABLE_EXPIRY_SECONDS: &str = "headwater_parked_table_expiry_seconds";
pub const INVALID_TEXT_TOTAL: &str = "headwater_invalid_text_total";
pub const FENCES_TOTAL: &str = "headwater_fences_total";
/// The one name that is not ours: what Prometheus' own client libraries call it.
pub const PROCESS_RESIDENT_MEMORY_BYTES: &str = "process_resident_memory_bytes";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
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
    /// One series per lane or table that is gone for good would stay for ever; a counter stays, since
    /// its sum counts.
    pub fn is_dropped_when_idle(&self) -> bool {
        self.kind == Kind::Gauge
            && self
                .labels
                .iter()
                .any(|label| matches!(*label, "lane" | "table"))
    }
}

/// All metrics, in the order in which `docs/metrics.md` lists them.
pub const ALL: &[Metric] = &[
    Metric {
        name: UP,
        kind: Kind::Gauge,
        unit: None,
        labels: &[],
        help: "1 while the pipeline streams, else 0; set at each scrape",
    },
    Metric {
        name: STATE,
        kind: Kind::Gauge,
        unit: None,
        labels: &["state"],
        help: "1 for the state that the pipeline is in (standby, starting, streaming, backing_off, paused, draining, stopped, halted), 0 for the others; set at each scrape",
    },
    Metric {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        unit: None,
        labels: &["version"],
        help: "Always 1; the label tells the version",
    },
    Metric {
        name: GENERATION,
        kind: Kind::Gauge,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Number of the running generation of actors; rises when the Router or the Checkpointer had to be started anew",
    },
    Metric {
        name: ACTOR_RESTARTS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &["actor", "cause"],
        help: "Actors started anew, by actor (reader, router, shard_writer, checkpointer) and cause (failure, panic)",
    },
    Metric {
        name: CHANGES_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &["table", "kind"],
        help: "Changes of included tables read, by table and kind (insert, update, delete, ddl); what a new generation reads again counts again",
    },
    Metric {
        name: SOURCE_CONNECTED,
        kind: Kind::Gauge,
        unit: None,
        labels: &[],
        help: "1 while a stream of events from the source is open, else 0",
    },
    Metric {
        name: SOURCE_RECONNECTS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Streams of events opened after the first one",
    },
    Metric {
        name: SOURCE_BYTES_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Bytes),
        labels: &[],
        help: "Bytes of binlog events read, also those of excluded tables",
    },
    Metric {
        name: SOURCE_LAG_SECONDS,
        kind: Kind::Gauge,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "Age of the oldest change that was read and is not durable in the sink; 0 when there is none",
    },
    Metric {
        name: SOURCE_LAG_BYTES,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &[],
        help: "Bytes of binlog between what is durable and the source's head",
    },
    Metric {
        name: COMMIT_TO_DURABLE_SECONDS,
        kind: Kind::Histogram,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "From commit in the source to durable in the sink, one sample per batch read: its newest transaction. The clocks of both machines count",
    },
    Metric {
        name: LANE_BACKLOG_BYTES,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &["lane"],
        help: "Bytes that a lane holds and has not yet delivered; a lane without an update for ten minutes is no longer shown",
    },
    Metric {
        name: SINK_RECORDS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &["outcome"],
        help: "Records handed to the sink, by outcome (delivered; throttled and failed: they come again; rejected for good)",
    },
    Metric {
        name: SINK_BYTES_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Bytes),
        labels: &["outcome"],
        help: "Bytes of the records handed to the sink, by the same outcomes",
    },
    Metric {
        name: SINK_REQUEST_SECONDS,
        kind: Kind::Histogram,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "Time of one call to the sink, whatever its outcome",
    },
    Metric {
        name: SINK_THROTTLED_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Records that the sink asked to send again later",
    },
    Metric {
        name: SINK_ORDER_VIOLATIONS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Sequence numbers that did not rise within a lane and shard; must stay 0",
    },
    Metric {
        name: SINK_IN_FLIGHT_BYTES,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &[],
        help: "Bytes of the calls to the sink that have no reply yet",
    },
    Metric {
        name: CHECKPOINT_AGE_SECONDS,
        kind: Kind::Gauge,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "Time since a checkpoint was last stored",
    },
    Metric {
        name: CHECKPOINT_WRITES_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &["outcome"],
        help: "Writes of the checkpoint, by outcome (stored, failed)",
    },
    Metric {
        name: CHECKPOINT_WRITE_SECONDS,
        kind: Kind::Histogram,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "Time of one write of the checkpoint, durable at its end",
    },
    Metric {
        name: LEASE_HELD,
        kind: Kind::Gauge,
        unit: None,
        labels: &[],
        help: "1 while this process holds the pipeline's lease (for a file: its lock), 0 while it stands by or could not renew it",
    },
    Metric {
        name: LEASE_TERM,
        kind: Kind::Gauge,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Term of the lease that this process took last; rises with every taking. Not with checkpoint.type = file",
    },
    Metric {
        name: LEASE_TAKEOVERS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Times that this process took the lease from another that had not given it back",
    },
    Metric {
        name: MEMORY_BUDGET_BYTES_IN_USE,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &["pool"],
        help: "Bytes taken of a memory budget, by pool (raw, encoded)",
    },
    Metric {
        name: MEMORY_BUDGET_BYTES_TOTAL,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &["pool"],
        help: "Bytes of a memory budget, by pool (raw, encoded)",
    },
    Metric {
        name: BACKPRESSURE_SECONDS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Seconds),
        labels: &[],
        help: "Time that the Reader waited for memory instead of reading, in whole seconds",
    },
    Metric {
        name: DEAD_LETTERS_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Changes put aside into the dead-letter file; each line of it says why",
    },
    Metric {
        name: TABLES_PARKED,
        kind: Kind::Gauge,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Tables that are passed over since a change of them could not be delivered (errors.oversize, errors.undecodable = park_table)",
    },
    Metric {
        name: PARKED_TABLE_KEPT,
        kind: Kind::Gauge,
        unit: None,
        labels: &["table"],
        help: "1 while the server's log still has the place where a parked table goes on, 0 once it has been purged",
    },
    Metric {
        name: PARKED_TABLE_LOG_BYTES,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &["table"],
        help: "Bytes of binlog between the place where a parked table goes on and the source's head",
    },
    Metric {
        name: PARKED_TABLE_EXPIRY_SECONDS,
        kind: Kind::Gauge,
        unit: Some(Unit::Seconds),
        labels: &["table"],
        help: "Time for which the server keeps the place of a parked table at least, by binlog_expire_logs_seconds; none where that is 0",
    },
    Metric {
        name: INVALID_TEXT_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Times that text which its character set does not have was written as errors.invalid_text says; what is encoded again counts again",
    },
    Metric {
        name: FENCES_TOTAL,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        labels: &[],
        help: "Times that lanes waited for each other because of a DDL or a changed primary key",
    },
    Metric {
        name: PROCESS_RESIDENT_MEMORY_BYTES,
        kind: Kind::Gauge,
        unit: Some(Unit::Bytes),
        labels: &[],
        help: "Resident memory of the process; set at each scrape",
    },
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
                Kind::Histogram => recorder.describe_histogram(name, metric.unit, help),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `(constant, name)` of each `pub const X: &str = "..."` of this file.
    fn constants() -> Vec<(&'static str, &'static str)> {
        include_str!("metrics.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""))
            .map(|(constant, rest)| (constant, rest.trim_end_matches("\";")))
            .collect()
    }

    #[test]
    fn every_constant_is_in_the_table_once() {
        let named: Vec<_> = constants().iter().map(|(_, name)| *name).collect();
        let listed: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(named, listed);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
    }

    #[test]
    fn a_constant_is_called_as_its_metric() {
        for (constant, name) in constants() {
            let short = name.strip_prefix("headwater_").unwrap_or(name);
            assert_eq!(constant.to_lowercase(), short);
        }
    }

    #[test]
    fn a_name_ends_as_its_kind_and_unit_say() {
        for metric in ALL {
            let name = metric.name;
            let base = name.strip_suffix("_total").unwrap_or(name);
            if metric.kind == Kind::Counter {
                assert_ne!(base, name, "counter `{name}` must end in _total");
            }
            match metric.unit {
                Some(Unit::Seconds) => assert!(base.ends_with("_seconds"), "`{name}`"),
                Some(Unit::Bytes) => assert!(base.contains("_bytes"), "`{name}`"),
                _ => assert!(
                    !base.contains("_bytes") && !base.contains("_seconds"),
                    "`{name}`"
                ),
            }
        }
    }

    #[test]
    fn only_gauges_of_lanes_and_tables_vanish() {
        let vanishing: Vec<_> = ALL
            .iter()
            .filter(|metric| metric.is_dropped_when_idle())
            .map(|metric| metric.name)
            .collect();
        assert_eq!(
            vanishing,
            [
                LANE_BACKLOG_BYTES,
                PARKED_TABLE_KEPT,
                PARKED_TABLE_LOG_BYTES,
                PARKED_TABLE_EXPIRY_SECONDS
            ]
        );
    }
}
