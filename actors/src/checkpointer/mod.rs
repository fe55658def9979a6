//! The Checkpointer: stores how far everything is durable.
//!
//! It never waits for a write: while one is in flight, newer positions pile into the next. A store that
//! fails is tried again for as long as it may pass; meanwhile the stored position is old, never wrong. When
//! that lasts too long, the Supervisor is told and reading pauses: what a crash would repeat stays bounded.
//! [`ledger`] decides what may be stored, and what is too long.

pub mod ledger;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, SpawnHandle,
    WrapFuture,
};

use self::ledger::{Ledger, Next};
use crate::{
    backoff::Backoff,
    checkpoint::Checkpoint,
    clock,
    failure::{Code, Failure},
    fault,
    messages::{
        BarrierFinished, BarrierOpened, CheckpointStatus, Committed, Drained, Generation,
        GetCheckpointStatus, Park, Stop, StoreLast, StoreState,
    },
    metrics as names,
    pace::CheckpointPace,
    ports::store::CheckpointStore,
    snapshot::CopyState,
    status::state_word,
    watch::DeathWatch,
};

pub struct Checkpointer {
    generation: Generation,
    ledger: Ledger,
    backoff: Backoff,
    last_success: Instant,
    /// When it rings.
    timer: Option<(Instant, SpawnHandle)>,
    /// The Supervisor has been told that it is late.
    is_late: bool,
    /// The Supervisor has been told that it stores, and not of a failure since.
    is_well: bool,
    last_failure: Option<Failure>,
    store: Arc<dyn CheckpointStore>,
    supervisor: Supervising,
    watch: DeathWatch,
}

/// The Supervisor's entrances.
#[derive(Clone)]
pub struct Supervising {
    pub drained: Recipient<Drained>,
    pub state: Recipient<StoreState>,
    pub committed: Recipient<Committed>,
}

impl Checkpointer {
    pub fn new(
        generation: Generation,
        from: Checkpoint,
        pace: CheckpointPace,
        backoff: Backoff,
        store: Arc<dyn CheckpointStore>,
        supervisor: Supervising,
        watch: DeathWatch,
    ) -> Self {
        let ledger = Ledger::new(from, pace);
        Self {
            generation,
            ledger: ledger.with_quiet_interval(store.quiet_interval()),
            backoff,
            last_success: Instant::now(),
            timer: None,
            is_late: false,
            is_well: false,
            last_failure: None,
            store,
            supervisor,
            watch,
        }
    }

    fn proceed(&mut self, ctx: &mut Context<Self>) {
        match self.ledger.next(Instant::now()) {
            Next::Nothing => (),
            Next::At(due) if self.timer.is_some_and(|(at, _)| at <= due) => (),
            Next::At(due) => {
                if let Some((_, later)) = self.timer.take() {
                    ctx.cancel_future(later);
                }
                let wait = due.saturating_duration_since(Instant::now());
                let timer = ctx.run_later(wait, |checkpointer, ctx| {
                    checkpointer.timer = None;
                    checkpointer.proceed(ctx);
                });
                self.timer = Some((due, timer));
            }
            Next::Write(checkpoint) => self.write(*checkpoint, ctx),
            Next::Done => {
                let mark = self.store.keeps();
                let mark = mark.then(|| self.ledger.done().resume.mark.clone());
                self.supervisor.drained.do_send(Drained {
                    generation: self.generation,
                    mark,
                });
            }
        }
    }

    fn count_parked(&self) {
        metrics::gauge!(names::TABLES_PARKED).set(self.ledger.done().parked.len() as f64);
    }

    fn count_copies(&self) {
        let copies = &self.ledger.done().resume.snapshots.copies;
        if copies.is_empty() {
            return;
        }
        for state in STATES {
            let count = copies.values().filter(|copy| copy.state == state).count();
            let state = state_word(state);
            metrics::gauge!(names::SNAPSHOT_COPIES, "state" => state).set(count as f64);
        }
    }

    fn write(&mut self, checkpoint: Checkpoint, ctx: &mut Context<Self>) {
        if let Err(failure) = fault::at("checkpointer.write") {
            return self.die(failure, ctx);
        }
        let (store, begun) = (Arc::clone(&self.store), Instant::now());
        let effect = async move { store.save(checkpoint).await };
        ctx.spawn(
            effect
                .into_actor(self)
                .map(move |outcome, checkpointer, ctx| {
                    metrics::histogram!(names::CHECKPOINT_WRITE_SECONDS)
                        .record(begun.elapsed().as_secs_f64());
                    checkpointer.written(outcome, ctx);
                }),
        );
    }

    fn written(&mut self, outcome: Result<(), Failure>, ctx: &mut Context<Self>) {
        let label = if outcome.is_ok() { "stored" } else { "failed" };
        if self.store.keeps() {
            metrics::counter!(names::CHECKPOINT_WRITES_TOTAL, "outcome" => label).increment(1);
        }
        match outcome {
            Ok(()) => {
                self.backoff.reset();
                self.last_success = Instant::now();
                self.last_failure = None;
                self.ledger.stored();
                self.is_late = false;
                if !self.is_well {
                    self.is_well = true;
                    let stored = StoreState::Stored(self.generation);
                    self.supervisor.state.do_send(stored);
                }
            }
            Err(failure) if failure.is_definite() => return self.die(failure, ctx),
            Err(failure) => {
                let wait = self.backoff.next_wait(fastrand::f64());
                tracing::warn!(error = %failure, hint = failure.hint.as_deref(), retry_in = ?wait, "checkpoint not stored");
                self.ledger.failed(Instant::now() + wait);
                self.is_well = false;
                self.supervisor
                    .state
                    .do_send(StoreState::Failing(self.generation, failure.clone()));
                self.last_failure = Some(failure);
            }
        }
        self.tell_lateness();
        self.proceed(ctx);
    }

    fn tell_lateness(&mut self) {
        let now = Instant::now();
        if self.is_late || !self.ledger.is_late(now) {
            return;
        }
        (self.is_late, self.is_well) = (true, false);
        let secs = self.ledger.trying_for(now).as_secs();
        let silent = || Failure::transient("the store does not answer").with_code(Code::Late);
        let failure = self.last_failure.clone().unwrap_or_else(silent);
        let late = format!("no position could be stored for {secs} s, reading pauses until one is");
        let late = StoreState::Late(self.generation, failure.within(late));
        self.supervisor.state.do_send(late);
    }

    fn tell_commits(&self) {
        self.supervisor.committed.do_send(Committed {
            generation: self.generation,
            times: self.ledger.commit_times(),
        });
    }

    fn die(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        self.watch.dying_of(failure);
        ctx.stop();
    }
}

impl Actor for Checkpointer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.count_parked();
        ctx.run_interval(AGE_INTERVAL, |checkpointer, _| {
            let age = checkpointer.last_success.elapsed().as_secs_f64();
            metrics::gauge!(names::CHECKPOINT_AGE_SECONDS).set(age);
            checkpointer.count_copies();
            checkpointer.tell_commits();
            checkpointer.tell_lateness();
        });
    }
}

impl Handler<BarrierOpened> for Checkpointer {
    type Result = ();

    fn handle(&mut self, opened: BarrierOpened, ctx: &mut Self::Context) {
        match self.ledger.opened(opened) {
            Ok(true) => self.proceed(ctx),
            Ok(false) => (),
            Err(gap) => self.die(gap.into(), ctx),
        }
    }
}

impl Handler<BarrierFinished> for Checkpointer {
    type Result = ();

    fn handle(&mut self, BarrierFinished(seq): BarrierFinished, ctx: &mut Self::Context) {
        let commit_times = match self.ledger.finished(seq) {
            Ok(commit_times) => commit_times,
            Err(gap) => return self.die(gap.into(), ctx),
        };
        for commit_us in commit_times {
            let took = clock::age(commit_us);
            metrics::histogram!(names::COMMIT_TO_DURABLE_SECONDS).record(took.as_secs_f64());
        }
        self.proceed(ctx);
    }
}

impl Handler<Park> for Checkpointer {
    type Result = ();

    fn handle(&mut self, park: Park, ctx: &mut Self::Context) {
        let since_us = clock::unix_now_us();
        let parked = self
            .ledger
            .park(park.table, park.from, park.reason, since_us);
        if let Err(gap) = parked {
            return self.die(gap.into(), ctx);
        }
        self.count_parked();
        self.proceed(ctx);
    }
}

impl Handler<StoreLast> for Checkpointer {
    type Result = ();

    fn handle(&mut self, StoreLast { drained }: StoreLast, ctx: &mut Self::Context) {
        self.ledger.store_last(drained);
        self.proceed(ctx);
    }
}

impl Handler<GetCheckpointStatus> for Checkpointer {
    type Result = CheckpointStatus;

    fn handle(
        &mut self,
        GetCheckpointStatus: GetCheckpointStatus,
        _ctx: &mut Self::Context,
    ) -> CheckpointStatus {
        let done = self.ledger.done();
        CheckpointStatus {
            durable: done.resume.mark.clone(),
            gtid_set: done.resume.gtid_set.clone(),
            age_secs: self.last_success.elapsed().as_secs_f64(),
            times: self.ledger.commit_times(),
            parked: Arc::clone(&done.parked),
            copies: Arc::clone(&done.resume.snapshots.copies),
        }
    }
}

impl Handler<Stop> for Checkpointer {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

const MAILBOX_CAPACITY: usize = 1024;
const AGE_INTERVAL: Duration = Duration::from_secs(1);
const STATES: [CopyState; 6] = [
    CopyState::Active,
    CopyState::Paused,
    CopyState::Complete,
    CopyState::Cancelled,
    CopyState::Gone,
    CopyState::Refused,
];
