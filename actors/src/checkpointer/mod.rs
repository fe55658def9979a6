//! The Checkpointer: stores how far everything is durable.
//!
//! It never waits for a write: while one is in flight, newer positions pile into the next. A store that
//! fails is tried again for as long as it may pass; meanwhile the stored position is old, never wrong.
//! What may be stored is decided in [`progress`].

pub mod progress;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, SpawnHandle,
    WrapFuture,
};

use self::progress::{Next, Progress};
use crate::{
    backoff::Backoff,
    checkpoint::Checkpoint,
    clock,
    failure::Failure,
    messages::{
        BarrierFinished, BarrierOpened, CheckpointStatus, ColumnsKnown, Drained, Generation,
        GetCheckpointStatus, Stop, StoreLast,
    },
    metrics as names,
    ports::store::CheckpointStore,
    watch::DeathWatch,
};

pub struct Checkpointer {
    generation: Generation,
    progress: Progress,
    backoff: Backoff,
    last_success: Instant,
    /// When it rings.
    timer: Option<(Instant, SpawnHandle)>,
    store: Arc<dyn CheckpointStore>,
    supervisor: Recipient<Drained>,
    watch: DeathWatch,
}

impl Checkpointer {
    pub fn new(
        generation: Generation,
        from: Checkpoint,
        interval: Duration,
        backoff: Backoff,
        store: Arc<dyn CheckpointStore>,
        supervisor: Recipient<Drained>,
        watch: DeathWatch,
    ) -> Self {
        let progress = Progress::new(from, interval);
        Self {
            generation,
            progress: progress.with_quiet_interval(store.quiet_interval()),
            backoff,
            last_success: Instant::now(),
            timer: None,
            store,
            supervisor,
            watch,
        }
    }

    fn proceed(&mut self, ctx: &mut Context<Self>) {
        match self.progress.next(Instant::now()) {
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
                let mark = Some(self.progress.done().mark.clone());
                self.supervisor.do_send(Drained {
                    generation: self.generation,
                    mark,
                });
            }
        }
    }

    fn lag_secs(&self) -> f64 {
        let oldest = self.progress.oldest_open_us();
        oldest.map_or(0.0, |us| clock::age(us).as_secs_f64())
    }

    fn write(&mut self, checkpoint: Checkpoint, ctx: &mut Context<Self>) {
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
        metrics::counter!(names::CHECKPOINT_WRITES_TOTAL, "outcome" => label).increment(1);
        self.progress.written(outcome.is_ok());
        match outcome {
            Ok(()) => {
                self.backoff.reset();
                self.last_success = Instant::now();
                self.proceed(ctx);
            }
            Err(failure) if failure.is_definite() => {
                self.watch.dying_of(failure);
                ctx.stop();
            }
            Err(failure) => {
                let wait = self.backoff.next_wait(fastrand::f64());
                tracing::warn!(error = %failure, retry_in = ?wait, "checkpoint not stored");
                ctx.run_later(wait, Self::proceed);
            }
        }
    }
}

impl Actor for Checkpointer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.run_interval(AGE_INTERVAL, |checkpointer, _| {
            let age = checkpointer.last_success.elapsed().as_secs_f64();
            metrics::gauge!(names::CHECKPOINT_AGE_SECONDS).set(age);
            metrics::gauge!(names::SOURCE_LAG_SECONDS).set(checkpointer.lag_secs());
        });
    }
}

impl Handler<BarrierOpened> for Checkpointer {
    type Result = ();

    fn handle(&mut self, BarrierOpened { seq, end }: BarrierOpened, _ctx: &mut Self::Context) {
        self.progress.opened(seq, end);
    }
}

impl Handler<ColumnsKnown> for Checkpointer {
    type Result = ();

    fn handle(&mut self, ColumnsKnown(columns): ColumnsKnown, ctx: &mut Self::Context) {
        self.progress.columns(columns);
        self.proceed(ctx);
    }
}

impl Handler<BarrierFinished> for Checkpointer {
    type Result = ();

    fn handle(&mut self, BarrierFinished(seq): BarrierFinished, ctx: &mut Self::Context) {
        for commit_us in self.progress.finished(seq) {
            let took = clock::age(commit_us);
            metrics::histogram!(names::COMMIT_TO_DURABLE_SECONDS).record(took.as_secs_f64());
        }
        self.proceed(ctx);
    }
}

impl Handler<StoreLast> for Checkpointer {
    type Result = ();

    fn handle(&mut self, StoreLast { drained }: StoreLast, ctx: &mut Self::Context) {
        self.progress.store_last(drained);
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
        let done = self.progress.done();
        CheckpointStatus {
            durable: done.mark.clone(),
            gtid_set: done.gtid_set.clone(),
            age_secs: self.last_success.elapsed().as_secs_f64(),
            lag_secs: self.lag_secs(),
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
