//! The ShardWriter: one lane's changes, encoded, packed and delivered in order.
//!
//! It promises that at most one record of its lane is in flight and that a barrier is reported only when
//! everything before it is durable. While a record is in flight the actor stays awake: what arrives is packed into
//! the next one. It retries in place for as long as the sink's trouble may pass; a definite failure
//! ends it. What is in flight when it dies belongs to the sink port. Decisions stand in [`buffer`].

pub mod buffer;
mod cursor;
mod frame;
pub mod keys;
pub mod lines;
mod open_record;
pub mod poison;

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};

use futures_util::FutureExt;
use metrics::SharedString;

use self::{
    buffer::{Flight, LaneBuffer, RecordRules, Step},
    lines::{KeptPlans, Lines},
};
use crate::{
    backoff::Backoff,
    budget::{ByteBudget, Permit},
    failure::Failure,
    fault,
    lane::Lane,
    messages::{
        BarrierReached, DeliverUpTo, Freeze, Frozen, LaneBatch, LanePoisoned, LaneState, Stop,
    },
    metrics as names,
    ports::{
        dead_letters::{DeadLetter, DeadLetters},
        encoder::Encoder,
        sink::{Delivered, Rejected, Sink},
    },
    watch::DeathWatch,
};

pub struct ShardWriter {
    lane: Arc<Lane>,
    buffer: LaneBuffer,
    lines: Lines,
    backoff: Backoff,
    sink: Arc<dyn Sink>,
    dead_letters: Arc<dyn DeadLetters>,
    encoded: ByteBudget,
    is_asking: bool,
    label: SharedString,
    router: Recipient<BarrierReached>,
    frozen: Recipient<Frozen>,
    poisoned: Recipient<LanePoisoned>,
    supervisor: Recipient<LaneState>,
    /// The Supervisor has been told that it delivers, and not of a trouble since.
    is_well: bool,
    watch: DeathWatch,
}

/// What a writer is made of, beyond its lane.
#[derive(Clone)]
pub struct WriterParts {
    pub encoder: Arc<dyn Encoder>,
    pub epoch: u32,
    pub rules: RecordRules,
    pub sink: Arc<dyn Sink>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub encoded: ByteBudget,
    pub plans: KeptPlans,
    pub backoff: Backoff,
    pub router: Recipient<BarrierReached>,
    pub frozen: Recipient<Frozen>,
    pub poisoned: Recipient<LanePoisoned>,
    pub supervisor: Recipient<LaneState>,
}

impl ShardWriter {
    pub fn new(lane: Arc<Lane>, parts: WriterParts, watch: DeathWatch) -> Self {
        Self {
            buffer: LaneBuffer::new(Arc::clone(&lane), parts.rules),
            lines: Lines::new(parts.encoder, parts.epoch, parts.plans),
            backoff: parts.backoff,
            sink: parts.sink,
            dead_letters: parts.dead_letters,
            encoded: parts.encoded,
            is_asking: false,
            label: SharedString::from(lane.to_string()),
            router: parts.router,
            frozen: parts.frozen,
            poisoned: parts.poisoned,
            supervisor: parts.supervisor,
            is_well: false,
            lane,
            watch,
        }
    }
}

impl Actor for ShardWriter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the permits that the batches carry; the mailbox itself must not refuse.
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.show_backlog(0);
    }
}

impl Handler<LaneBatch> for ShardWriter {
    type Result = ();

    fn handle(&mut self, LaneBatch(changes): LaneBatch, ctx: &mut Self::Context) {
        self.buffer.push(changes);
        if let Some(bytes) = self.buffer.widening_bytes()
            && let Some(permit) = self.encoded.try_take_weighed(bytes)
        {
            self.buffer.grant(permit);
        }
        self.proceed(ctx);
    }
}

impl Handler<Freeze> for ShardWriter {
    type Result = ();

    fn handle(&mut self, Freeze: Freeze, _ctx: &mut Self::Context) {
        let handed = self.buffer.freeze();
        self.frozen.do_send(Frozen {
            lane: Arc::clone(&self.lane),
            handed,
        });
    }
}

impl Handler<DeliverUpTo> for ShardWriter {
    type Result = ();

    fn handle(&mut self, DeliverUpTo(cut): DeliverUpTo, ctx: &mut Self::Context) {
        self.buffer.deliver_up_to(cut);
        self.proceed(ctx);
    }
}

impl Handler<Stop> for ShardWriter {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl ShardWriter {
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        loop {
            match self.buffer.next_step() {
                Step::Idle => break,
                Step::Grant(bytes) if self.is_asking || !self.take_grant(bytes, ctx) => break,
                Step::Grant(_) => (),
                Step::Pack => {
                    let packed = fault::at_lane("writer.pack", &self.lane)
                        .and_then(|()| self.buffer.pack(&mut self.lines));
                    if let Err(failure) = packed {
                        return self.die(failure, ctx);
                    }
                }
                Step::Prepare(record) => self.sink.prepare(&record),
                Step::Send(flight) => self.hand_over(flight, Duration::ZERO, ctx),
                Step::Fail(failure) => return self.die(failure, ctx),
            }
        }
        let backlog_bytes = self.buffer.backlog_bytes();
        self.lines.rest(backlog_bytes == 0);
        self.show_backlog(backlog_bytes);
    }

    /// Named afresh each time: the recorder drops a series that has been still for long, and a handle with it.
    fn show_backlog(&self, bytes: usize) {
        metrics::gauge!(names::LANE_BACKLOG_BYTES, "lane" => self.label.clone()).set(bytes as f64);
    }

    /// Whether the grant is there already; else it is asked for and arrives later.
    fn take_grant(&mut self, bytes: usize, ctx: &mut Context<Self>) -> bool {
        if let Some(permit) = self.encoded.try_take_weighed(bytes) {
            self.buffer.grant(permit);
            return true;
        }
        self.is_asking = true;
        let encoded = self.encoded.clone();
        let effect = async move { encoded.take_weighed(bytes).await };
        ctx.spawn(
            effect
                .into_actor(self)
                .map(|permit, writer, ctx| writer.granted(permit, ctx)),
        );
        false
    }

    fn granted(&mut self, permit: Permit, ctx: &mut Context<Self>) {
        self.is_asking = false;
        self.buffer.grant(permit);
        self.proceed(ctx);
    }

    fn hand_over(&mut self, flight: Flight, after: Duration, ctx: &mut Context<Self>) {
        let effect = match flight {
            Flight::Nothing => std::future::ready(Ok(Delivered::default())).boxed(),
            // Handed over here and now: the next record is packed while this one is in flight.
            Flight::Record(record) if after.is_zero() => self.sink.deliver(record),
            Flight::Record(record) => {
                let sink = Arc::clone(&self.sink);
                let effect = async move {
                    tokio::time::sleep(after).await;
                    sink.deliver(record).await
                };
                effect.boxed()
            }
            Flight::Letter(letter) => bury(Arc::clone(&self.dead_letters), *letter, after).boxed(),
            Flight::Park(failure) => {
                let lane = Arc::clone(&self.lane);
                return self.poisoned.do_send(LanePoisoned { lane, failure });
            }
        };
        ctx.spawn(
            effect
                .into_actor(self)
                .map(|outcome, writer, ctx| writer.settle(outcome, ctx)),
        );
    }

    fn settle(&mut self, outcome: Result<Delivered, Rejected>, ctx: &mut Context<Self>) {
        match outcome {
            Ok(_) => {
                self.backoff.reset();
                self.tell_wellness();
                if let Some(seq) = self.buffer.settled() {
                    self.router.do_send(BarrierReached {
                        lane: Arc::clone(&self.lane),
                        seq,
                    });
                }
                self.proceed(ctx);
            }
            Err(rejected) if rejected.failure.is_definite() => {
                let lane = format!("lane \"{}\"", self.lane);
                self.die(rejected.failure.within(lane), ctx);
            }
            Err(rejected) => {
                let after = if rejected.throttled {
                    Duration::ZERO
                } else {
                    self.is_well = false;
                    let lane = Arc::clone(&self.lane);
                    self.supervisor
                        .do_send(LaneState::Troubled(lane, rejected.failure));
                    self.backoff.next_wait(fastrand::f64())
                };
                if let Some(flight) = self.buffer.in_flight() {
                    self.hand_over(flight, after, ctx);
                }
            }
        }
    }

    fn tell_wellness(&mut self) {
        if !self.is_well {
            self.is_well = true;
            let lane = Arc::clone(&self.lane);
            self.supervisor.do_send(LaneState::Delivering(lane));
        }
    }

    fn die(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        self.watch.dying_of(failure);
        ctx.stop();
    }
}

async fn bury(
    dead_letters: Arc<dyn DeadLetters>,
    letter: DeadLetter,
    after: Duration,
) -> Result<Delivered, Rejected> {
    tokio::time::sleep(after).await;
    dead_letters
        .bury(letter)
        .await
        .map_err(|failure| Rejected {
            failure,
            throttled: false,
        })?;
    metrics::counter!(names::DEAD_LETTERS_TOTAL).increment(1);
    Ok(Delivered::default())
}

const MAILBOX_CAPACITY: usize = 1024;
