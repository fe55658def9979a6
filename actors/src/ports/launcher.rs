//! What happens before a generation reads its first event.

use std::sync::Arc;

use headwater_binlog::schema::NameCase;

use super::{
    BoxFuture, requests::Requests, routes::Routes, snapshot::SnapshotSource, source::Source,
};
use crate::{checkpoint::Checkpoint, failure::Failure, reading::Until, snapshot::SnapshotRules};

/// Decides where a generation begins.
pub trait Launcher: Send + Sync {
    /// Connects, checks, resolves the start or the stored position, raises the epoch where needed, and
    /// stores all of it durably: a crash right after must begin at the same place.
    fn launch(&self) -> BoxFuture<'static, Result<Launch, Failure>>;
}

/// A generation's beginning.
#[derive(Clone)]
pub struct Launch {
    pub from: Checkpoint,
    pub until: Until,
    pub source: Arc<dyn Source>,
    /// As the server compares names that is read.
    pub name_case: NameCase,
    /// With the same sinks for every generation: what is in flight lives in them.
    pub routes: Arc<dyn Routes>,
    /// `None`: nothing is copied, as of files.
    pub snapshots: Option<SnapshotParts>,
}

/// The source, the requests and the rules by which the Reader copies tables beside the stream.
#[derive(Clone)]
pub struct SnapshotParts {
    pub source: Arc<dyn SnapshotSource>,
    pub requests: Arc<dyn Requests>,
    pub rules: SnapshotRules,
    /// For rows, from before they are read until they are durable: out of what the stream has.
    pub bytes: usize,
}
