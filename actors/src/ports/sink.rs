//! Where records go.
//!
//! The contract: `deliver` resolves `Ok` only when the record is durable in the sink. It never
//! reorders records of one lane, and holds what is in flight itself, by lane: a `deliver` on a lane whose
//! earlier record has not settled (its writer died) waits until it has. The earlier is the one that was handed
//! over first, whichever thread runs first. A future that is dropped hands nothing over any more. It does not
//! retry for the caller's sake: a transient failure comes back and the writer's twin decides when to say it again.
//! A record may be durable although an error came back (a lost reply): repeating is safe, skipping never.

use std::sync::Arc;

use bytes::Bytes;

use super::BoxFuture;
use crate::{
    failure::Failure,
    lane::Lane,
    packing::{Compression, Packing},
};

pub trait Sink: Send + Sync {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>>;

    /// A hint: this record is delivered next on its lane, once the one before it has settled. What can be done
    /// ahead may be done now; nothing rests on it.
    fn prepare(&self, _record: &Record) {}

    /// While it asks again and again to send records later.
    fn throttled(&self) -> Option<Throttled> {
        None
    }

    /// The sink's own limit for one record: payload plus partition key, in bytes.
    fn record_bytes_max(&self) -> usize;
}

/// One lane's bytes, ready to send.
#[derive(Debug, Clone)]
pub struct Record {
    pub lane: Arc<Lane>,
    pub bytes: Bytes,
    /// `packing = "none"`: the row's own key; else the lane's.
    pub partition_key: Arc<str>,
    /// Places the record on a shard regardless of the partition key's hash.
    pub explicit_hash_key: Option<u128>,
    pub rows: u32,
    pub content: Content,
}

/// What a sink may do to the bytes when it joins records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Ends with a line feed, or may be ended by one.
    Text,
    /// Goes as it is.
    Binary,
}

impl Content {
    pub fn of(packing: Packing, compression: Compression) -> Self {
        match (packing, compression) {
            (Packing::Kpl, _) | (_, Compression::Gzip | Compression::Zstd) => Self::Binary,
            (_, Compression::None) => Self::Text,
        }
    }
}

impl Record {
    /// A sink that joins records must put a line feed behind this one.
    pub fn lacks_line_end(&self) -> bool {
        self.content == Content::Text && !self.bytes.ends_with(b"\n")
    }
}

/// A stretch of throttling that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    pub since_unix_secs: u64,
    pub records: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Kinesis: where it went, for the log and the order check.
    pub shard: Option<String>,
}

/// Why a record was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub failure: Failure,
    /// Never a reason to give up. The sink keeps the pace by itself, so the record is said again at once: only what
    /// stands in its queue can have its turn.
    pub throttled: bool,
}
