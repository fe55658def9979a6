//! Where the checkpoint is kept. A save is durable when it resolves, and whole: a crash in the middle
//! leaves the old one. The store is locked against a second process while open.

use super::BoxFuture;
use crate::{checkpoint::Checkpoint, failure::Failure};

pub trait CheckpointStore: Send + Sync {
    fn load(&self) -> BoxFuture<'static, Result<Option<Checkpoint>, Failure>>;

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>>;

    /// Forgets the position. The epoch is kept: it must rise for ever.
    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>>;
}
