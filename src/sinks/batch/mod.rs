//! The core that the AWS sinks share: records of many lanes in one call, never two of one unit at once.
//!
//! A *unit* is what must keep its order: a lane and a partition key (one and the same unless rows go one by
//! one). [`calls::Calls`] is the pure twin that decides what is sent and what waits; [`driver`] is the task
//! that owns it, moves records in and replies out, and makes the calls. A record in flight belongs to the
//! driver: the caller may die, its unit stays taken until the call has settled. Nothing here repeats a record for
//! the caller's sake, except one by one after a call that failed because of some entry in it.

pub mod ahead;
pub mod calls;
pub mod driver;
pub mod pacing;
pub mod sequence;
mod throttling;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use headwater_actors::{
    budget::ByteBudget, failure::Failure, lane::Lane, metrics::SINK_IN_FLIGHT_BYTES,
    ports::sink::Record,
};

use crate::{
    aws::{Body, CallFailure},
    lease::gate::LeaseGate,
};

/// What must keep its order among itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit {
    pub lane: Arc<Lane>,
    pub partition_key: Arc<str>,
}

impl Unit {
    pub fn of(record: &Record) -> Self {
        Self {
            lane: Arc::clone(&record.lane),
            partition_key: Arc::clone(&record.partition_key),
        }
    }
}

/// The bounds of calls. AWS's own limits are applied by whoever builds it.
#[derive(Debug, Clone)]
pub struct Limits {
    pub entries_max: usize,
    /// Payloads and keys of one call; a record above that goes alone.
    pub call_bytes: usize,
    /// Of all calls in flight; a record above that is sent alone.
    pub in_flight_bytes_max: usize,
    pub calls_max: usize,
    /// Where all units go as long as no reply has named a shard: Firehose paces as one.
    pub shard: Option<Arc<str>>,
}

/// What is in flight over several streams: whether anything may, and how much; each driver keeps its own limit below it.
#[derive(Debug, Clone)]
pub struct InFlight {
    /// Asked before each call.
    gate: LeaseGate,
    budget: ByteBudget,
    bytes_max: usize,
    bytes: Arc<AtomicUsize>,
    /// Of records whose bodies are made ahead of their call.
    ahead: Arc<AtomicUsize>,
}

/// Room for rounding, so that the calls of one stream never wait for each other here.
const ROUNDING_BYTES: usize = 64 * 1024;

impl InFlight {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            gate: LeaseGate::open(),
            budget: ByteBudget::new(bytes_max.saturating_add(ROUNDING_BYTES)),
            bytes_max,
            bytes: Arc::default(),
            ahead: Arc::default(),
        }
    }

    pub fn behind(self, gate: LeaseGate) -> Self {
        Self { gate, ..self }
    }

    fn launched(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        metrics::gauge!(SINK_IN_FLIGHT_BYTES).set((before + bytes) as f64);
    }

    /// For bodies made ahead, beside what is in flight and what others have made.
    fn room_ahead(&self) -> usize {
        let taken = self.bytes.load(Ordering::Relaxed) + self.ahead.load(Ordering::Relaxed);
        self.bytes_max.saturating_sub(taken)
    }

    fn settled(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        metrics::gauge!(SINK_IN_FLIGHT_BYTES).set(before.saturating_sub(bytes) as f64);
    }
}

/// The answer to one entry of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Accepted {
        shard: Option<Arc<str>>,
        sequence: Option<Box<str>>,
    },
    Refused {
        failure: Failure,
        throttled: bool,
        /// Named by the message, where it does.
        shard: Option<Arc<str>>,
    },
}

/// For an entry of a reply that says neither that its record was taken nor that it was not: somebody else than
/// the service has answered.
pub fn unanswered(service: &str, lacking: &str) -> Reply {
    let text = format!("{service} answered for a record without its {lacking}");
    Reply::Refused {
        failure: Failure::transient(text),
        throttled: false,
        shard: None,
    }
}

/// Empty is as good as missing: no service gives an empty id or code.
pub fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The replies, unless the `counted` failures of the answer contradict its entries: then nothing that it says
/// can be believed, and the call counts as lost.
pub fn agreeing(
    service: &str,
    counted: Option<i32>,
    replies: Vec<Reply>,
) -> Result<Vec<Reply>, CallFailure> {
    let is_refused = |reply: &&Reply| matches!(reply, Reply::Refused { .. });
    let refused = replies.iter().filter(is_refused).count();
    match counted {
        Some(counted) if usize::try_from(counted) != Ok(refused) => {
            let records = replies.len();
            Err(CallFailure::transient(format!(
                "{service}'s answer contradicts itself: it counts {counted} failed of {records} records, and {refused} of its entries are no success"
            )))
        }
        _ => Ok(replies),
    }
}

/// The calls of one stream.
pub trait PutBatch: Send + Sync + 'static {
    /// The stream's name, for the log.
    fn stream(&self) -> &str;

    /// The body of a call that carries `records`. Pure, so it can be made before the call may start.
    fn body(&self, records: &[Record]) -> Body;

    /// One call to AWS: replies in the order of the records, as many as records.
    fn put(&self, body: Body) -> impl Future<Output = Result<Vec<Reply>, CallFailure>> + Send;
}
