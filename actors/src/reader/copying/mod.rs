//! What is copied beside the stream, and when it may enter it: the twin of snapshots.
//!
//! Promise: behind the last line of a copy, every row of the table has come in a snapshot row or in a change, and no
//! snapshot row stands behind a newer value of its key.
//!
//! Why it holds. A chunk is read in a *window*, which opens at a boundary of the stream, *S*: what was sent before is
//! visible to the SELECT, for the port waits until it is. All that the SELECT saw lies in the log before *E*, read
//! after it. The chunk enters the stream at a place *B* that is not before *E*. While the window is open, the keys of
//! all changes that are sent are kept. A key without a change between *S* and *B* had one value all that time, and it
//! is the chunk's; a row whose key has changed is left out, for its change has been sent, with a value at least as
//! new. What is behind *B* is sent behind the chunk. So nothing has to be compared but bytes of keys for equality.
//!
//! A change whose image lacks columns has not sent the whole row: such a row is left out too, and read again by its
//! key. A statement on the table closes the window without a result. Pure. Not here: what a chunk becomes in the
//! stream (`slices`), which keys have changed (`changed`), what the log does to copies (`log`).

mod asks;
mod changed;
mod log;
mod slices;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::asks::{Ask, Question, Ticket};
pub use self::slices::{SLICE_BYTES, Slice};
use headwater_binlog::position::SeqPlace;

use self::{
    changed::{Changed, KeyPlace},
    slices::Arrived,
};
use crate::{
    ports::{
        requests::{Request, Wish},
        snapshot::{ChunkPart, Description},
    },
    selection::Selection,
    snapshot::{CopyId, CopyState, SnapshotAdvance, Snapshots, TableCopy},
};

/// The twin. Where copies stand is a part of what has been sent, and comes in with every call.
#[derive(Debug, Default)]
pub struct Copying {
    tables: Selection,
    /// The stream's epoch; a restart may raise it.
    epoch: u32,
    /// Copies that have begun and are not over, and those that are being described.
    active: BTreeMap<CopyId, Active>,
    /// The others that are not over: there may be thousands, and as many that are.
    queued: BTreeSet<CopyId>,
    tickets: u64,
    /// Said with the next batch that leaves.
    said: SnapshotAdvance,
    /// Begins that are said, each with its mark in the stream, as slices.
    begun: Vec<(CopyId, TableCopy)>,
    /// No questions before: the source is busy, or has failed so often in a row.
    asks_at: Option<Instant>,
    failures: u32,
    /// No rows before.
    rows_at: Option<Instant>,
}

#[derive(Debug)]
struct Active {
    description: Option<Arc<Description>>,
    /// Where its key stands in the stream's description of the table.
    place: Option<KeyPlace>,
    describing: Option<Describing>,
    rows_max: usize,
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Describing {
    ticket: Ticket,
    /// How far the log had been sent.
    sent: SeqPlace,
    /// A statement has touched the table since.
    is_void: bool,
}

/// A chunk between its two marks.
#[derive(Debug)]
struct Window {
    ticket: Ticket,
    /// A range is known by its end: no two of a copy have the same.
    part: ChunkPart,
    changed: Changed,
    is_void: bool,
    arrived: Option<Arrived>,
}

impl Active {
    fn new() -> Self {
        Self {
            description: None,
            place: None,
            describing: None,
            rows_max: ROWS_FIRST,
            windows: Vec::new(),
        }
    }

    /// What was asked no longer counts.
    fn forget(&mut self) {
        self.description = None;
        self.place = None;
        self.void();
        if let Some(describing) = &mut self.describing {
            describing.is_void = true;
        }
    }

    fn void(&mut self) {
        // Those that are being read are closed when they come.
        self.windows.retain(|window| window.arrived.is_none());
        for window in &mut self.windows {
            window.is_void = true;
        }
    }
}

impl Copying {
    /// Goes on where `snapshots` stand, in a stream of this epoch.
    pub fn new(snapshots: &Snapshots, epoch: u32) -> Self {
        let mut copying = Self {
            epoch,
            ..Self::default()
        };
        for (id, copy) in snapshots.open() {
            match copy.key {
                Some(_) => drop(copying.active.insert(id.clone(), Active::new())),
                None => drop(copying.queued.insert(id.clone())),
            }
        }
        copying
    }

    /// Others are not asked for; they may become fewer.
    pub fn set_wanted(&mut self, tables: Selection) {
        for (id, active) in &mut self.active {
            if !tables.delivers(&id.table) {
                active.void();
            }
        }
        self.tables = tables;
    }

    /// The newest request that was taken in.
    pub fn followed(&self, sent: &Snapshots) -> u64 {
        sent.request.max(self.said.request)
    }

    /// Whether any copy is neither over nor paused.
    pub fn is_active(&self, sent: &Snapshots) -> bool {
        let mut open = self.active.keys().chain(&self.queued);
        self.has_said() || open.any(|id| self.is_on_its_way(id, sent))
    }

    fn is_on_its_way(&self, id: &CopyId, sent: &Snapshots) -> bool {
        let copy = self.copy(sent, id);
        copy.is_some_and(|copy| copy.state == CopyState::Active)
    }

    /// Whether something can be asked or sent only then. What is due and does not go waits for something else.
    pub fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let times = [self.asks_at, self.rows_at].into_iter().flatten();
        times.filter(|at| now < *at).min()
    }

    /// Follows what an operator asks for.
    pub fn follow(&mut self, requests: Vec<Request>, sent: &Snapshots, now_us: u64) {
        for request in requests {
            if request.number <= self.followed(sent) {
                continue;
            }
            self.said.request = request.number;
            match &request.wish {
                Wish::Start { run, condition } => {
                    for table in &request.tables {
                        let id = CopyId {
                            run: Arc::clone(run),
                            table: table.clone(),
                        };
                        if self.copy(sent, &id).is_none() {
                            self.queued.insert(id.clone());
                            self.say(id, TableCopy::new(condition.clone()));
                        }
                    }
                }
                Wish::Pause | Wish::Resume | Wish::Cancel => {
                    self.turn(&request, sent, now_us);
                }
            }
        }
    }

    fn turn(&mut self, request: &Request, sent: &Snapshots, now_us: u64) {
        let is_meant =
            |id: &&CopyId| request.tables.is_empty() || request.tables.contains(&id.table);
        let open = self.active.keys().chain(&self.queued);
        let ids: Vec<CopyId> = open.filter(is_meant).cloned().collect();
        for id in ids {
            let Some(mut copy) = self.copy(sent, &id).cloned() else {
                continue;
            };
            copy.state = match (&request.wish, copy.state) {
                (Wish::Pause, CopyState::Active) => CopyState::Paused,
                (Wish::Resume, CopyState::Paused) => CopyState::Active,
                (Wish::Cancel, _) => {
                    self.end(&id, CopyState::Cancelled, now_us, sent);
                    continue;
                }
                _ => continue,
            };
            if let Some(active) = self.active.get_mut(&id) {
                active.void();
            }
            self.begun.retain(|(begun, _)| *begun != id);
            self.say(id, copy);
        }
    }

    /// As it stands with all that is said and has not left.
    fn copy<'a>(&'a self, sent: &'a Snapshots, id: &CopyId) -> Option<&'a TableCopy> {
        self.said.copies.get(id).or_else(|| sent.copies.get(id))
    }

    fn say(&mut self, id: CopyId, copy: TableCopy) {
        self.said.copies.insert(id, copy);
    }

    /// The note that the copy has from now on.
    fn note(&mut self, id: &CopyId, note: Option<&str>, sent: &Snapshots) {
        let Some(copy) = self.copy(sent, id) else {
            return;
        };
        if copy.note.as_deref() != note {
            let note = note.map(Into::into);
            let copy = TableCopy {
                note,
                ..copy.clone()
            };
            self.say(id.clone(), copy);
        }
    }

    fn end(&mut self, id: &CopyId, state: CopyState, now_us: u64, sent: &Snapshots) {
        self.active.remove(id);
        self.queued.remove(id);
        self.begun.retain(|(begun, _)| begun != id);
        if let Some(copy) = self.copy(sent, id) {
            let mut copy = copy.clone();
            copy.end(state, now_us);
            self.say(id.clone(), copy);
        }
    }

    /// What is said and has not left.
    fn has_said(&self) -> bool {
        self.said.request > 0 || !self.said.copies.is_empty()
    }

    /// It leaves with a batch, behind so many lines at its place.
    fn take_said(&mut self, lines_here: u64) -> SnapshotAdvance {
        SnapshotAdvance {
            lines_here,
            ..std::mem::take(&mut self.said)
        }
    }
}

const ROWS_FIRST: usize = 1_000;
const ROWS_MAX: usize = 100_000;
/// A SELECT is to take about this long.
const CHUNK_TARGET: Duration = Duration::from_millis(150);
/// While the source is busier than it may be.
const BUSY_WAIT: Duration = Duration::from_secs(1);
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(30);
