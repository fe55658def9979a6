//! Rows of a server's tables as they are now, read in chunks: the port [`SnapshotSource`] on MySQL and MariaDB.
//!
//! A chunk is right by two marks. **S**: before its SELECT, all that the stream has sent is visible to it
//! ([`visible`]). **E**: after it, the end of the log is asked for on the same server, and all that the SELECT saw stands
//! before that, for nothing is visible that is not in the log yet. So a key that no change between S and E names has one
//! value there, which is the chunk's; of a key that one names the stream has sent a value that is at least as new. On
//! MariaDB both marks are one: the place that its consistent snapshot stands for.
//!
//! Nothing is written and no transaction stays open: a chunk is one SELECT on its own, whose read view and metadata lock
//! end with its last row. MariaDB's transaction ends with the chunk. Keys are never compared here; the server's order
//! is the only one, and what it gave last is given back to it as the next begin ([`literal`], [`sql`]). A table without
//! a key is one chunk, and refused where that is too large. Under a condition that few rows meet, a table is looked through
//! in stretches ([`stretch`]); an index that serves the condition is not used, for the order is the key's.
//!
//! Not here: which chunk is read next, and what becomes of its rows.

mod check;
mod chunk;
mod describe;
mod keys;
mod last;
mod limits;
mod literal;
mod look;
mod ranges;
mod refusal;
mod refusals;
mod session;
mod sql;
mod stretch;
mod tables;
mod visible;

use std::sync::Arc;

use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        snapshot::{ChunkAnswer, ChunkAsk, DescribeAnswer, DescribeAsk, SnapshotSource},
    },
};
use headwater_binlog::gtid::Uuid;

pub use check::{TableToCopy, check_snapshots};
pub use limits::SnapshotLimits;
pub use refusals::ensure_copyable;
pub use tables::{TableShape, table_shapes};

use self::{limits::Pace, look::Looks, session::Pool, stretch::Reached};
use super::options::SourcePlan;

/// One server's tables.
pub struct MySqlSnapshots {
    shared: Arc<Shared>,
}

struct Shared {
    plan: SourcePlan,
    /// The server whose log is read.
    home: Uuid,
    pool: Pool,
    pace: Pace,
    looks: Looks,
    reached: Reached,
}

impl MySqlSnapshots {
    /// `home` is the server whose log is read; there are `connections_max` connections to it at most.
    pub fn new(
        plan: SourcePlan,
        home: Uuid,
        connections_max: usize,
        limits: SnapshotLimits,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                plan,
                home,
                pool: Pool::new(connections_max),
                pace: Pace::new(limits),
                looks: Looks::default(),
                reached: Reached::default(),
            }),
        }
    }
}

impl SnapshotSource for MySqlSnapshots {
    fn describe(&self, ask: DescribeAsk) -> BoxFuture<'static, Result<DescribeAnswer, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.describe(ask).await })
    }

    fn read(&self, ask: ChunkAsk) -> BoxFuture<'static, Result<ChunkAnswer, Failure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.read(ask).await })
    }
}
