//! Where the checkpoint is kept. A save is durable when it resolves, and whole: a crash in the middle
//! leaves the old one. The store is locked against a second process while open.

use std::time::Duration;

use super::BoxFuture;
use crate::{checkpoint::Checkpoint, failure::Failure, snapshot::Snapshots};

pub trait CheckpointStore: Send + Sync {
    /// Whether a start finds what was saved; nobody is told of positions that none does.
    fn keeps(&self) -> bool {
        true
    }

    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>>;

    /// A save that was called later wins over one that is still on its way. An epoch below the stored
    /// one is a definite failure.
    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>>;

    /// How seldom a position is worth a write that has moved over nothing that was to be delivered: where a write
    /// has its price, or moves the position itself.
    fn quiet_interval(&self) -> Duration {
        Duration::ZERO
    }

    /// Forgets the position. The epoch is kept: it must rise for ever.
    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>>;

    /// Notes how this process ends, beside the position.
    fn note_end(&self, end: LastEnd) -> BoxFuture<'static, Result<(), Failure>>;
}

/// How a process ended that had the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEnd {
    pub how: EndedBy,
    /// Why it halted, in a line without a row value or a secret, and what to do.
    pub reason: Option<String>,
    pub hint: Option<String>,
    /// Microseconds since 1970.
    pub at_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    Drain,
    Halt,
    /// The grace time was over before all lanes had delivered.
    Grace,
}

/// What a store holds. Nothing ever stored: the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stored {
    /// The greatest epoch that was ever stored, 0 before the first. Without a checkpoint (cleared) the
    /// next start must take a greater one: what the log was then is no longer known.
    pub epoch: u32,
    pub checkpoint: Option<Checkpoint>,
    /// When it was stored, microseconds since 1970; 0 when nothing is.
    pub saved_us: u64,
    /// The last end that a process noted. A killed process notes nothing.
    pub last_end: Option<LastEnd>,
}

impl Stored {
    /// Copies of tables, as far as they are stored.
    pub fn snapshots(&self) -> Snapshots {
        let checkpoint = self.checkpoint.as_ref();
        checkpoint.map_or_else(Snapshots::default, |found| found.resume.snapshots.clone())
    }
}
