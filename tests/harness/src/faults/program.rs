//! What a test asks a [`FaultProxy`](super::FaultProxy) to do wrong.

use std::time::Duration;

/// What goes wrong. Fractions are in 0..=1.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Of entries: ProvisionedThroughputExceededException (Firehose: ServiceUnavailableException).
    pub entries_throttled: f64,
    /// Of entries: InternalFailure.
    pub entries_failed: f64,
    /// Of calls: HTTP 500 before anything is taken.
    pub calls_failed: f64,
    /// Of calls: HTTP 503 before anything is taken.
    pub calls_unavailable: f64,
    /// Of connections: reset as soon as they are there.
    pub connections_reset: f64,
    /// Of calls: reset in the middle of the request; nothing is taken.
    pub requests_reset: f64,
    /// Of calls: taken, and reset in the middle of the reply.
    pub replies_reset: f64,
    /// Of calls: answered with HTTP 200 and a body that is none of the API's; half of them are taken.
    pub replies_garbled: f64,
    /// Of calls: taken at once, answered after `delay`.
    pub replies_delayed: f64,
    /// Of calls: taken after `delay`, also when the client has given up by then.
    pub landings_delayed: f64,
    pub delay: Duration,
    /// Of calls: taken, then the connection is closed without an answer.
    pub replies_lost: f64,
    /// Before a call is looked at.
    pub latency: Duration,
    /// Connections are closed without an answer.
    pub is_down: bool,
    /// The role may not write: AccessDeniedException, whatever the call holds.
    pub puts_denied: bool,
    /// A call with an entry of one of these partition keys (Firehose: data that contains it) is refused
    /// as a whole, for ever.
    pub poison_keys: Vec<String>,
    /// Entries for these shards are throttled.
    pub throttled_shards: Vec<String>,
    /// Entries of these partition keys (Firehose: data that contains it): InternalFailure.
    pub failed_keys: Vec<String>,
    /// What a shard takes in a second.
    pub shard_limits: Option<ShardLimits>,
    /// The stream's limit for data and key.
    pub record_bytes_max: usize,
    pub stream_status: String,
}

#[derive(Debug, Clone, Copy)]
pub struct ShardLimits {
    pub records_per_sec: f64,
    pub bytes_per_sec: f64,
}

impl ShardLimits {
    /// As documented for Kinesis.
    pub const KINESIS: Self = Self {
        records_per_sec: 1000.0,
        bytes_per_sec: 1048576.0,
    };
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            entries_throttled: 0.0,
            entries_failed: 0.0,
            calls_failed: 0.0,
            calls_unavailable: 0.0,
            connections_reset: 0.0,
            requests_reset: 0.0,
            replies_reset: 0.0,
            replies_garbled: 0.0,
            replies_delayed: 0.0,
            landings_delayed: 0.0,
            delay: Duration::from_secs(1),
            replies_lost: 0.0,
            latency: Duration::ZERO,
            is_down: false,
            puts_denied: false,
            poison_keys: Vec::new(),
            throttled_shards: Vec::new(),
            failed_keys: Vec::new(),
            shard_limits: None,
            record_bytes_max: 1 << 20,
            stream_status: "ACTIVE".to_owned(),
        }
    }
}
