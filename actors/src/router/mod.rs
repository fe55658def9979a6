//! The Router: filters, finds each change's lane, keeps what lanes have not finished, closes barriers.
//!
//! It never waits: a fence or a missing writer is state in its twin [`lanes`], and what comes after it queues
//! there under its permits. Everything that must outlive a ShardWriter is kept here until the lane has
//! reached its barrier; nothing here outlives a generation.

mod complete;
pub mod drain;
mod fences;
pub mod keyed;
pub mod lanes;
pub mod parts;
pub mod split;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, MessageResult, Recipient};

use self::{
    lanes::{Action, Lanes},
    split::{Counts, Segment, Splitter},
};
use crate::{
    changes::Heartbeat,
    checkpoint::{Checkpoint, OrderingKey},
    failure::Failure,
    fault,
    lane::Lane,
    messages::{
        BarrierFinished, BarrierOpened, BarrierReached, DeliverUpTo, Drain, Freeze, Frozen,
        GetRouterStatus, LaneBatch, LaneLost, LanePoisoned, LaneReady, LaneRetired, LaneWanted,
        Park, ResumeFrom, RouterStatus, SourceBatch, Stop, StoreLast, TableParked, Writer,
    },
    metrics as names,
    pace::LanePace,
    progress::Resume,
    selection::Selection,
    status::{LaneStatus, TableStatus},
    watch::DeathWatch,
};

pub struct Router {
    splitter: Splitter,
    lanes: Lanes,
    read: Resume,
    /// Of the newest transaction read.
    commit_us: u64,
    ordering: OrderingKey,
    pace: LanePace,
    /// What was read of each table that has changed lately, and when it last did.
    tables: BTreeMap<String, (TableStatus, Instant)>,
    writers: HashMap<Arc<Lane>, Writer>,
    checkpointer: Checkpointing,
    supervisor: Supervising,
    watch: DeathWatch,
}

/// The Checkpointer's entrances.
#[derive(Clone)]
pub struct Checkpointing {
    pub opened: Recipient<BarrierOpened>,
    pub park: Recipient<Park>,
    pub finished: Recipient<BarrierFinished>,
    pub last: Recipient<StoreLast>,
}

/// The Supervisor's entrances.
#[derive(Clone)]
pub struct Supervising {
    pub wanted: Recipient<LaneWanted>,
    pub retired: Recipient<LaneRetired>,
    pub parked: Recipient<TableParked>,
}

impl Router {
    pub fn new(
        from: &Checkpoint,
        selection: Selection,
        pace: LanePace,
        checkpointer: Checkpointing,
        supervisor: Supervising,
        watch: DeathWatch,
    ) -> Self {
        Self {
            splitter: Splitter::new(selection, from.ordering.clone(), from.resume.mark.clone()),
            lanes: Lanes::default(),
            read: from.resume.clone(),
            commit_us: from.resume.commit_us,
            ordering: from.ordering.clone(),
            pace,
            tables: BTreeMap::new(),
            writers: HashMap::new(),
            checkpointer,
            supervisor,
            watch,
        }
    }

    fn route(&mut self, batch: SourceBatch) -> Result<Vec<Action>, Failure> {
        fault::at("router.route")?;
        let SourceBatch {
            items,
            advance,
            mut permit,
        } = batch;
        self.read.apply(&advance)?;
        if advance.commit_us > 0 {
            self.commit_us = advance.commit_us;
        }
        let mut segments = self.splitter.split(items, &advance).map_err(|error| {
            let before = &advance.mark().position;
            Failure::definite(format!("rows before {before} cannot be routed")).because(error)
        })?;
        let now = Instant::now();
        self.observe(&segments, now);
        if !matches!(self.ordering, OrderingKey::PrimaryKey { .. }) {
            let chunk_bytes = permit.bytes().saturating_sub(shared_bytes(&segments));
            detach(&mut segments, chunk_bytes);
        }
        permit.grow(lacking(&segments, permit.bytes()));
        let mut actions = Vec::new();
        for segment in segments {
            self.lanes.open(segment, &mut permit, now, &mut actions);
        }
        Ok(actions)
    }

    fn observe(&mut self, segments: &[Segment], now: Instant) {
        let fences = segments
            .iter()
            .filter(|segment| segment.fence.is_some())
            .count();
        if fences > 0 {
            metrics::counter!(names::FENCES_TOTAL).increment(fences as u64);
        }
        let counts: Counts = self.splitter.take_counts();
        for counted in counts.into_values() {
            count(&counted);
            let (total, changed) = self.tables.entry(counted.table.clone()).or_insert_with(|| {
                let table = counted.table.clone();
                let empty = TableStatus {
                    table,
                    ..TableStatus::default()
                };
                (empty, now)
            });
            *changed = now;
            total.inserts += counted.inserts;
            total.updates += counted.updates;
            total.deletes += counted.deletes;
            total.ddl += counted.ddl;
        }
    }

    fn beat(&mut self) {
        let position = self.read.mark.position.clone();
        // No barrier waits for what a parked table has not delivered.
        let complete = match self.splitter.holds_back() {
            true => None,
            false => self.lanes.complete(&position),
        };
        let heartbeat = Arc::new(Heartbeat {
            complete,
            position,
            commit_us: self.commit_us,
        });
        let mut actions = Vec::new();
        self.lanes
            .beat(&heartbeat, self.splitter.mark(), &mut actions);
        self.perform(actions);
    }

    /// Lanes and tables that have not changed since `deadline`.
    fn forget_idle(&mut self, deadline: Instant) {
        for lane in self.lanes.retire(deadline) {
            if let Some(writer) = self.writers.remove(&lane) {
                self.dismiss(lane, &writer);
            }
        }
        self.tables.retain(|_, (_, changed)| *changed >= deadline);
    }

    fn dismiss(&self, lane: Arc<Lane>, writer: &Writer) {
        self.supervisor.retired.do_send(LaneRetired(lane));
        writer.stop.do_send(Stop);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open(opened) => self.checkpointer.opened.do_send(opened),
                Action::Park(table, from, reason) => self.checkpointer.park.do_send(Park {
                    table,
                    from,
                    reason,
                }),
                Action::Dismiss(lane) => {
                    if let Some(writer) = self.writers.remove(&lane) {
                        self.dismiss(lane, &writer);
                    }
                }
                Action::Finish(seq) => self.checkpointer.finished.do_send(BarrierFinished(seq)),
                Action::Want(lane) => self.supervisor.wanted.do_send(LaneWanted(lane)),
                Action::Send(lane, changes) => {
                    if let Some(writer) = self.writers.get(&lane) {
                        writer.batches.do_send(LaneBatch(changes));
                    }
                }
                Action::Freeze(lane) => {
                    if let Some(writer) = self.writers.get(&lane) {
                        writer.freeze.do_send(Freeze);
                    }
                }
                Action::DeliverUpTo(lane, cut) => {
                    if let Some(writer) = self.writers.get(&lane) {
                        writer.deliver_up_to.do_send(DeliverUpTo(cut));
                    }
                }
                Action::Done => self.checkpointer.last.do_send(StoreLast { drained: true }),
            }
        }
    }
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        if let Some(every) = self.pace.heartbeat {
            ctx.run_interval(every, |router, _| router.beat());
        }
        ctx.run_interval(self.pace.idle / 10, |router, _| {
            if let Some(deadline) = Instant::now().checked_sub(router.pace.idle) {
                router.forget_idle(deadline);
            }
        });
    }
}

impl Handler<SourceBatch> for Router {
    type Result = ();

    fn handle(&mut self, batch: SourceBatch, ctx: &mut Self::Context) {
        match self.route(batch) {
            Ok(actions) => self.perform(actions),
            Err(failure) => {
                self.watch.dying_of(failure);
                ctx.stop();
            }
        }
    }
}

impl Handler<BarrierReached> for Router {
    type Result = ();

    fn handle(&mut self, BarrierReached { lane, seq }: BarrierReached, _ctx: &mut Self::Context) {
        let mut actions = Vec::new();
        self.lanes.reached(&lane, seq, Instant::now(), &mut actions);
        self.perform(actions);
    }
}

impl Handler<LanePoisoned> for Router {
    type Result = ();

    fn handle(&mut self, LanePoisoned { lane, failure }: LanePoisoned, _ctx: &mut Self::Context) {
        let table = &lane.table;
        if self.splitter.is_parked(table) {
            return;
        }
        self.splitter.park(table.clone());
        let mut actions = Vec::new();
        self.lanes.park(table, &failure.to_string(), &mut actions);
        self.perform(actions);
        let table = table.clone();
        self.supervisor
            .parked
            .do_send(TableParked { table, failure });
    }
}

impl Handler<LaneReady> for Router {
    type Result = ();

    fn handle(&mut self, LaneReady { lane, writer }: LaneReady, _ctx: &mut Self::Context) {
        if self.splitter.is_parked(&lane.table) {
            return self.dismiss(lane, &writer);
        }
        let mut actions = Vec::new();
        self.writers.insert(Arc::clone(&lane), writer);
        self.lanes.lane_ready(&lane, &mut actions);
        self.perform(actions);
    }
}

impl Handler<LaneLost> for Router {
    type Result = ();

    fn handle(&mut self, LaneLost(lane): LaneLost, _ctx: &mut Self::Context) {
        let mut actions = Vec::new();
        self.writers.remove(&lane);
        self.lanes.lane_lost(&lane, &mut actions);
        self.perform(actions);
    }
}

impl Handler<Drain> for Router {
    type Result = ();

    fn handle(&mut self, mode: Drain, _ctx: &mut Self::Context) {
        let mut actions = Vec::new();
        self.lanes.drain(mode, &mut actions);
        self.perform(actions);
    }
}

impl Handler<Frozen> for Router {
    type Result = ();

    fn handle(&mut self, Frozen { lane, handed }: Frozen, _ctx: &mut Self::Context) {
        let mut actions = Vec::new();
        self.lanes.frozen(&lane, handed, &mut actions);
        self.perform(actions);
    }
}

impl Handler<ResumeFrom> for Router {
    type Result = MessageResult<ResumeFrom>;

    fn handle(&mut self, ResumeFrom: ResumeFrom, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.read.clone())
    }
}

impl Handler<GetRouterStatus> for Router {
    type Result = RouterStatus;

    fn handle(
        &mut self,
        GetRouterStatus: GetRouterStatus,
        _ctx: &mut Self::Context,
    ) -> RouterStatus {
        let lanes = self
            .lanes
            .each()
            .map(|(lane, bytes, in_flight, fenced)| LaneStatus {
                lane: lane.to_string(),
                backlog_bytes: bytes as u64,
                in_flight,
                fenced,
            });
        RouterStatus {
            read: self.read.mark.clone(),
            lanes: lanes.collect(),
            tables: self
                .tables
                .values()
                .map(|(table, _)| table.clone())
                .collect(),
        }
    }
}

impl Handler<Stop> for Router {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// A chunk that several lanes share would live as long as the slowest of them, and one of which little is
/// wanted would cost more than its permit: what is wanted is copied out, so that a permit counts what is held.
fn detach(segments: &mut [Segment], chunk_bytes: usize) {
    let lanes: usize = segments.iter().map(|segment| segment.lanes.len()).sum();
    let wanted: usize = segments
        .iter_mut()
        .flat_map(|segment| segment.lanes.iter_mut())
        .map(|parts| parts.bytes)
        .sum();
    if 1 < lanes || wanted < chunk_bytes / 2 {
        segments
            .iter_mut()
            .flat_map(|segment| segment.lanes.iter_mut())
            .for_each(|parts| parts.detach());
    }
}

/// What tables and statements take that rows keep alive, by lane.
fn shared_bytes(segments: &[Segment]) -> usize {
    let lanes = segments.iter().flat_map(|segment| segment.lanes.iter());
    lanes.map(|parts| parts.shared_bytes).sum()
}

/// As far as the batch's permit has no bytes for it: lanes of one table count it each.
fn lacking(segments: &[Segment], permit_bytes: usize) -> usize {
    let lanes = segments.iter().flat_map(|segment| segment.lanes.iter());
    let kept: usize = lanes.map(|parts| parts.kept_bytes()).sum();
    shared_bytes(segments).min(kept.saturating_sub(permit_bytes))
}

fn count(counted: &TableStatus) {
    let kinds = [
        ("insert", counted.inserts),
        ("update", counted.updates),
        ("delete", counted.deletes),
        ("ddl", counted.ddl),
    ];
    for (kind, changes) in kinds.into_iter().filter(|(_, changes)| *changes > 0) {
        metrics::counter!(names::CHANGES_TOTAL, "table" => counted.table.clone(), "kind" => kind)
            .increment(changes);
    }
}

const MAILBOX_CAPACITY: usize = 1024;

#[cfg(test)]
mod tests;
