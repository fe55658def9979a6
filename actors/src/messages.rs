//! What the actors say to each other, in flow order; each message has one sender and one receiver.
//!
//! Data goes by `do_send`: what bounds a mailbox is the [`Permit`] that every batch carries.

use std::{collections::BTreeMap, sync::Arc};

use actix::{Message, Recipient};
use headwater_binlog::{assembler::Item, gtid::GtidSet, schema::TableName};

use crate::{
    budget::Permit,
    changes::{Heartbeat, Part},
    checkpoint::Parked,
    failure::Failure,
    lane::Lane,
    progress::{Advance, Mark, Resume},
    snapshot::{CopyId, TableCopy},
    status::{LaneStatus, TableStatus},
};

/// Number of a barrier within a generation; rises in source order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BarrierSeq(pub u64);

/// One life of the whole pipeline: it ends with the Router or the Checkpointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// Reader → Router: what was read, in commit order; whole transactions, or a slice of a big one.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SourceBatch {
    pub items: Vec<Item>,
    /// From the end of the batch before, as far as the source has been read with this one.
    pub advance: Advance,
    /// For the bytes that the items keep alive.
    pub permit: Permit,
}

/// Router → Checkpointer: a barrier exists, or moved further (same `seq`: batches without a lane
/// merge into the newest open one).
#[derive(Debug, Clone, PartialEq, Message)]
#[rtype(result = "()")]
pub struct BarrierOpened {
    pub seq: BarrierSeq,
    /// From the barrier before, or from where this one ended so far. What is true once everything up to here is
    /// durable; column lists count at once.
    pub advance: Advance,
    /// Nothing was to be delivered before it: the position alone moves.
    pub is_quiet: bool,
}

/// Router → ShardWriter: one lane's changes in order, all before one barrier. Shared, not copied: the
/// Router keeps it until the lane has reached the barrier.
#[derive(Debug, Message, Clone)]
#[rtype(result = "()")]
pub struct LaneBatch(pub Arc<LaneChanges>);

#[derive(Debug)]
pub struct LaneChanges {
    pub seq: BarrierSeq,
    pub parts: Vec<Part>,
    /// Where there are no parts.
    pub heartbeat: Option<Arc<Heartbeat>>,
    /// Bytes that the parts keep alive.
    pub bytes: usize,
    pub permit: Permit,
}

/// ShardWriter → Router: everything of the lane up to and with `seq` is durable in the sink.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BarrierReached {
    pub lane: Arc<Lane>,
    pub seq: BarrierSeq,
}

/// ShardWriter → Router: everything before a change is durable, and the change can never be delivered: its
/// table is to be parked. The writer does nothing more. Also from the Supervisor, of a lane that broke all of
/// its writers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LanePoisoned {
    pub lane: Arc<Lane>,
    pub failure: Failure,
}

/// Router → Checkpointer: the table is passed over from this barrier on; ahead of the barrier's end, so that the
/// position never leaves the table behind.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Park {
    pub table: TableName,
    pub from: BarrierSeq,
    pub reason: String,
}

/// Router → Supervisor: the table is parked; its writers have been told to stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TableParked {
    pub table: TableName,
    pub failure: Failure,
}

/// Supervisor → Reader: nobody wants this table's rows any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PassOver(pub TableName);

/// Supervisor → Reader: the stream may be of a log that is no more, for this reason; a new one will tell.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reopen(pub Failure);

/// Router → Checkpointer: every lane has reached it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct BarrierFinished(pub BarrierSeq);

/// Router → Supervisor: a lane has something to write and no writer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LaneWanted(pub Arc<Lane>);

/// Supervisor → Router: a writer runs; feed it, in order, what is unfinished.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LaneReady {
    pub lane: Arc<Lane>,
    pub writer: Writer,
}

/// A ShardWriter's entrances.
#[derive(Debug, Clone)]
pub struct Writer {
    pub batches: Recipient<LaneBatch>,
    pub freeze: Recipient<Freeze>,
    pub deliver_up_to: Recipient<DeliverUpTo>,
    pub stop: Recipient<Stop>,
}

/// Supervisor → Router: the lane's writer has died; send it nothing until `LaneReady`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LaneLost(pub Arc<Lane>);

/// Router → Supervisor: the lane had nothing to do for long and is gone; its writer has been told to stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LaneRetired(pub Arc<Lane>);

/// Supervisor → Router (ask): where a new Reader goes on.
#[derive(Debug, Message)]
#[rtype(result = "Resume")]
pub struct ResumeFrom;

/// In-band, behind the data: Supervisor → Reader → Router → Checkpointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Drain {
    /// Up to the highest barrier of which any lane has handed a part to the sink.
    AtCut,
    /// All that was read (`--until`, the end of files).
    All,
}

/// Router → ShardWriter: hand nothing more to the sink, and say how far you have.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Freeze;

/// ShardWriter → Router: the newest barrier of which a part was handed to the sink, if any.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Frozen {
    pub lane: Arc<Lane>,
    pub handed: Option<BarrierSeq>,
}

/// Router → ShardWriter: end the freeze, deliver up to and with the cut, drop what is beyond.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct DeliverUpTo(pub BarrierSeq);

/// Router → Checkpointer: all barriers that will finish have; store the position and say so.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StoreLast {
    pub drained: bool,
}

/// Checkpointer → Supervisor: the last position is stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drained {
    pub generation: Generation,
    /// `FILE:OFFSET` and rows done, for the log.
    pub mark: Option<Mark>,
}

/// Checkpointer → Supervisor, once a second: what the lag is counted from.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Committed {
    pub generation: Generation,
    pub times: CommitTimes,
}

/// Commit times, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitTimes {
    /// When the oldest change was committed that was read and is not durable.
    pub oldest_open_us: Option<u64>,
    /// When the newest transaction that was read was committed; 0 when unknown.
    pub newest_us: u64,
}

/// Checkpointer → Supervisor: whether positions can be stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum StoreState {
    /// A write failed and is tried again; delivery goes on.
    Failing(Generation, Failure),
    /// For too long: reading must pause.
    Late(Generation, Failure),
    /// For the first time, or for the first time since a failure.
    Stored(Generation),
}

/// Supervisor → Reader: read nothing more until told otherwise.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Hold(pub bool);

/// Supervisor → any: end now, without draining.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Any actor's death watch → Supervisor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Died {
    pub generation: Generation,
    pub actor: ActorId,
    pub cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ActorId {
    Reader,
    Router,
    Checkpointer,
    ShardWriter(Arc<Lane>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It was told to, or its work was done.
    Stopped,
    Failed(Failure),
    Panicked,
}

/// Reader → Supervisor: the connection's state changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum SourceState {
    Streaming,
    BackingOff(Failure),
}

/// Reader → Supervisor: all that was wanted has been read (`--until`, the end of files); a drain follows.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SourceEnded;

/// ShardWriter → Supervisor: how deliveries go, where that has changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum LaneState {
    /// One failed and is tried again.
    Troubled(Arc<Lane>, Failure),
    /// One has passed: the first of this writer, or the first since a failure.
    Delivering(Arc<Lane>),
}

/// Supervisor → Router (ask), for the status page.
#[derive(Debug, Message)]
#[rtype(result = "RouterStatus")]
pub struct GetRouterStatus;

#[derive(Debug, actix::MessageResponse)]
pub struct RouterStatus {
    pub read: Mark,
    pub tables: Vec<TableStatus>,
    pub lanes: Vec<LaneStatus>,
}

/// Supervisor → Checkpointer (ask), for the status page.
#[derive(Debug, Message)]
#[rtype(result = "CheckpointStatus")]
pub struct GetCheckpointStatus;

#[derive(Debug, actix::MessageResponse)]
pub struct CheckpointStatus {
    pub durable: Mark,
    pub gtid_set: GtidSet,
    /// Since the last successful write.
    pub age_secs: f64,
    pub times: CommitTimes,
    pub parked: Arc<[Parked]>,
    pub copies: Arc<BTreeMap<CopyId, TableCopy>>,
}

impl std::fmt::Display for ActorId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reader => formatter.write_str("reader"),
            Self::Router => formatter.write_str("router"),
            Self::Checkpointer => formatter.write_str("checkpointer"),
            Self::ShardWriter(lane) => write!(formatter, "shard writer of {lane}"),
        }
    }
}

impl ActorId {
    /// Without the lane, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Router => "router",
            Self::Checkpointer => "checkpointer",
            Self::ShardWriter(_) => "shard_writer",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => formatter.write_str("stopped"),
            Self::Panicked => formatter.write_str("panicked"),
            Self::Failed(failure) => write!(formatter, "{failure}"),
        }
    }
}
