//! The Reader: pulls raw events from the source and sends them on in commit order.
//!
//! It takes bytes from the raw budget before it reads, so a slow sink stops the reading, TCP pushes back on
//! the server, and memory stays bounded. It sends as soon as the source would block or a chunk is full. A
//! broken connection is opened again in place, from what has been sent, and so is one that brought damaged
//! bytes; a definite failure ends the actor. What a batch is stands in [`intake`].

mod ahead;
mod copier;
pub mod copying;
pub mod intake;
mod rereads;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, SpawnHandle,
    WrapFuture,
};
use bytes::{Bytes, BytesMut};
use headwater_binlog::{columns::Question, position::Position, xa::Prepared};

use self::{
    copier::Copier,
    intake::{Intake, Next},
    rereads::Rereads,
};
use crate::{
    backoff::Backoff,
    budget::{ByteBudget, Permit},
    failure::{Class, Failure},
    fault,
    messages::{Drain, Hold, PassOver, Reopen, SourceBatch, SourceEnded, SourceState, Stop},
    metrics as names,
    ports::{
        launcher::SnapshotParts,
        source::{EventStream, Read, Source},
    },
    progress::Resume,
    reading::{ReadRules, Until},
    selection::Selection,
    watch::DeathWatch,
};

pub struct Reader {
    intake: Intake,
    until: Until,
    tables: Selection,
    rules: ReadRules,
    backoff: Backoff,
    rereads: Rereads,
    source: Arc<dyn Source>,
    is_streaming: bool,
    /// Away while it is read.
    stream: Option<Box<dyn EventStream>>,
    /// Of a prepared XA transaction that is being read.
    prepared: Option<Box<dyn EventStream>>,
    spare: BytesMut,
    raw: ByteBudget,
    waited: Duration,
    effect: Option<SpawnHandle>,
    /// Nothing is read: the position cannot be stored.
    is_held: bool,
    /// It would read, were it not held.
    wants_to_read: bool,
    router: Recipient<SourceBatch>,
    drain: Recipient<Drain>,
    supervisor: Supervising,
    /// `None`: nothing is copied.
    copier: Option<Copier>,
    watch: DeathWatch,
}

/// The Supervisor's entrances.
#[derive(Clone)]
pub struct Supervising {
    pub state: Recipient<SourceState>,
    pub ended: Recipient<SourceEnded>,
}

/// What a Reader is made of, beyond where it begins.
#[derive(Clone)]
pub struct ReaderParts {
    pub source: Arc<dyn Source>,
    pub until: Until,
    pub tables: Selection,
    pub rules: ReadRules,
    pub raw: ByteBudget,
    pub backoff: Backoff,
    /// Until a [`Hold`] says otherwise.
    pub is_held: bool,
    pub router: Recipient<SourceBatch>,
    pub drain: Recipient<Drain>,
    pub supervisor: Supervising,
    pub snapshots: Option<SnapshotParts>,
}

/// What one read brought.
struct Chunk {
    stream: Box<dyn EventStream>,
    events: Bytes,
    permit: Permit,
    /// For the budget.
    waited: Duration,
    spare: BytesMut,
    outcome: Result<Read, Failure>,
}

impl Reader {
    pub fn new(from: Resume, parts: ReaderParts, watch: DeathWatch) -> Self {
        Self {
            intake: Intake::new(from, Until::Never, &parts.rules),
            until: parts.until,
            tables: parts.tables,
            rules: parts.rules,
            backoff: parts.backoff,
            rereads: Rereads::default(),
            source: parts.source,
            is_streaming: false,
            stream: None,
            prepared: None,
            spare: BytesMut::new(),
            raw: parts.raw,
            waited: Duration::ZERO,
            effect: None,
            is_held: parts.is_held,
            wants_to_read: false,
            router: parts.router,
            drain: parts.drain,
            supervisor: parts.supervisor,
            copier: parts.snapshots.map(Copier::new),
            watch,
        }
    }

    fn open(&mut self, after: Duration, ctx: &mut Context<Self>) {
        let (source, from) = (Arc::clone(&self.source), self.intake.resume());
        let effect = async move {
            tokio::time::sleep(after).await;
            source.open(from).await
        };
        let effect = effect
            .into_actor(self)
            .map(|outcome, reader, ctx| match outcome {
                Ok(stream) => reader.opened(stream, ctx),
                Err(failure) => reader.lost(failure, ctx),
            });
        self.effect = Some(ctx.spawn(effect));
    }

    fn opened(&mut self, stream: Box<dyn EventStream>, ctx: &mut Context<Self>) {
        let from = self.intake.resume();
        let until = self.until_now();
        let intake = Intake::of(stream.opening(), from, until, &self.rules);
        self.intake = intake.with_copying_of(&mut self.intake);
        self.intake.set_wanted(self.tables.clone());
        self.stream = Some(stream);
        self.is_streaming = true;
        self.prepared = None;
        metrics::gauge!(names::SOURCE_CONNECTED).set(1.0);
        self.supervisor.state.do_send(SourceState::Streaming);
        self.proceed(ctx);
    }

    fn proceed(&mut self, ctx: &mut Context<Self>) {
        loop {
            let step = self.intake.next_step();
            let passed_over = self.intake.take_statements_passed_over();
            if passed_over > 0 {
                metrics::counter!(names::STATEMENTS_PASSED_OVER_TOTAL).increment(passed_over);
            }
            match step {
                Ok(Next::Send(batch)) => match fault::at("reader.send") {
                    Ok(()) => {
                        // A connection that brings nothing new, and is lost again, is no success.
                        self.backoff.reset();
                        self.router.do_send(batch);
                    }
                    Err(failure) => return self.die(failure, ctx),
                },
                Ok(Next::Grant(bytes)) => return self.ask(bytes, ctx),
                Ok(Next::Ask(question)) => return self.ask_columns(question, ctx),
                Ok(Next::Read) => {
                    self.read(ctx);
                    return self.copy(ctx);
                }
                Ok(Next::ReadAhead(begin)) => return self.read_ahead(begin, ctx),
                Ok(Next::OpenPrepared(prepared)) => return self.open_prepared(prepared, ctx),
                Ok(Next::Reached) => return self.end(ctx),
                Err(failure) => return self.failed(failure, ctx),
            }
        }
    }

    /// What was read makes no sense: perhaps it does when it is read again.
    fn failed(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        let rereads = &mut self.rereads;
        let sent = self.intake.sent();
        let unreadable = self.intake.unreadable();
        if unreadable.is_some_and(|error| rereads.allows(error, sent)) {
            // Its hint speaks of a log that is damaged.
            let mut failure = failure.with_class(Class::Transient);
            failure.hint = None;
            return self.lost(failure, ctx);
        }
        self.die(failure, ctx);
    }

    fn ask(&mut self, bytes: usize, ctx: &mut Context<Self>) {
        let raw = self.raw.clone();
        let effect = async move { raw.take(bytes).await }.into_actor(self);
        self.effect = Some(ctx.spawn(effect.map(|permit, reader, ctx| {
            reader.intake.grant(permit);
            reader.proceed(ctx);
        })));
    }

    fn ask_columns(&mut self, question: Question, ctx: &mut Context<Self>) {
        let effect = self.source.columns(question).into_actor(self);
        self.effect = Some(ctx.spawn(effect.map(|outcome, reader, ctx| match outcome {
            Ok(answer) => {
                reader.intake.learn(answer);
                reader.proceed(ctx);
            }
            Err(failure) => reader.lost(failure, ctx),
        })));
    }

    fn read_ahead(&mut self, begin: Position, ctx: &mut Context<Self>) {
        metrics::counter!(names::SOURCE_READ_AHEAD_TOTAL).increment(1);
        let (source, bytes_max) = (Arc::clone(&self.source), self.rules.event_bytes_max);
        let effect = async move { ahead::outcome(&*source, &begin, bytes_max).await };
        let effect = effect.into_actor(self);
        self.effect = Some(ctx.spawn(effect.map(|outcome, reader, ctx| {
            let foretold = outcome.and_then(|outcome| reader.intake.foretell(outcome));
            match foretold {
                Ok(()) => reader.proceed(ctx),
                Err(failure) => reader.lost(failure, ctx),
            }
        })));
    }

    fn open_prepared(&mut self, prepared: Prepared, ctx: &mut Context<Self>) {
        let source = Arc::clone(&self.source);
        let effect = async move { source.open_prepared(prepared).await }.into_actor(self);
        self.effect = Some(ctx.spawn(effect.map(|outcome, reader, ctx| match outcome {
            Ok(stream) => {
                reader.intake.prepared_opened(stream.opening().kind);
                reader.prepared = Some(stream);
                reader.proceed(ctx);
            }
            Err(failure) => reader.lost(failure, ctx),
        })));
    }

    /// The stream that is read now.
    fn current(&mut self) -> &mut Option<Box<dyn EventStream>> {
        if self.intake.is_in_prepared() {
            &mut self.prepared
        } else {
            self.prepared = None;
            &mut self.stream
        }
    }

    fn read(&mut self, ctx: &mut Context<Self>) {
        self.wants_to_read = self.is_held;
        if self.is_held {
            return;
        }
        let Some(stream) = self.current().take() else {
            return;
        };
        let (raw, spare) = (self.raw.clone(), std::mem::take(&mut self.spare));
        let copied = self.copier.as_ref().map_or(0, Copier::budget_bytes);
        let effect = read_chunk(stream, raw, copied, spare).into_actor(self);
        self.effect = Some(ctx.spawn(effect.map(Self::took)));
    }

    fn took(chunk: Chunk, reader: &mut Self, ctx: &mut Context<Self>) {
        reader.spare = chunk.spare;
        reader.count_waiting(chunk.waited);
        match chunk.outcome {
            Ok(read @ (Read::Events | Read::Part)) => {
                metrics::counter!(names::SOURCE_BYTES_TOTAL).increment(chunk.events.len() as u64);
                *reader.current() = Some(chunk.stream);
                if read == Read::Part {
                    reader.intake.feed_part(chunk.events, chunk.permit);
                } else {
                    reader.intake.feed(chunk.events, chunk.permit);
                }
                reader.proceed(ctx);
            }
            Ok(Read::Ended) if reader.intake.is_in_prepared() => {
                let message = "the log ends inside an XA transaction that is committed later";
                reader.lost(Failure::definite(message), ctx);
            }
            Ok(Read::Ended) => reader.end(ctx),
            Err(failure) => reader.lost(failure, ctx),
        }
    }

    /// The metric counts whole seconds; what is left over is kept.
    fn count_waiting(&mut self, waited: Duration) {
        self.waited += waited;
        let whole = self.waited.as_secs();
        if 0 < whole {
            metrics::counter!(names::BACKPRESSURE_SECONDS_TOTAL).increment(whole);
            self.waited -= Duration::from_secs(whole);
        }
    }

    /// The connection is gone: again, from what has been sent, unless that cannot help.
    fn lost(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        (self.stream, self.prepared) = (None, None);
        self.is_streaming = false;
        metrics::gauge!(names::SOURCE_CONNECTED).set(0.0);
        if failure.class != Class::Transient {
            return self.die(failure, ctx);
        }
        metrics::counter!(names::SOURCE_RECONNECTS_TOTAL).increment(1);
        let wait = self.backoff.next_wait(fastrand::f64());
        self.supervisor
            .state
            .do_send(SourceState::BackingOff(failure));
        self.open(wait, ctx);
    }

    /// All that was wanted has been read.
    fn end(&mut self, ctx: &mut Context<Self>) {
        if self.until == Until::Never && self.intake.is_in_transaction() {
            let position = &self.intake.sent().position;
            tracing::warn!(%position, "the log ends inside a transaction; its rows are not sent");
        }
        self.supervisor.ended.do_send(SourceEnded);
        self.drain.do_send(Drain::All);
        ctx.stop();
    }

    fn die(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        self.watch.dying_of(failure);
        ctx.stop();
    }
}

async fn read_chunk(
    mut stream: Box<dyn EventStream>,
    raw: ByteBudget,
    copied_bytes: usize,
    mut chunk: BytesMut,
) -> Chunk {
    let asked = Instant::now();
    let mut permit = raw.take_weighed(CHUNK_BYTES).await;
    let mut waited = asked.elapsed();
    chunk.reserve(CHUNK_BYTES + OVERSHOOT_BYTES);
    let outcome = stream.read(&mut chunk, CHUNK_BYTES).await;
    // What is small leaves the large buffer, which then serves the next read.
    let (events, spare) = if chunk.len() < chunk.capacity() / 2 {
        let events = Bytes::copy_from_slice(&chunk);
        chunk.clear();
        (events, chunk)
    } else {
        (chunk.freeze(), BytesMut::new())
    };
    let count = match outcome {
        Ok(Read::Part) => 1,
        _ => count_events(&events),
    };
    let needed = events.len() + EVENT_OVERHEAD_BYTES * count;
    if needed <= permit.bytes() {
        permit.shrink_to(needed);
    } else {
        // One event above the chunk: what is missing, but never what the held-back part of a batch may have, or what is
        // copied beside the stream.
        let most = raw
            .bytes_total()
            .saturating_sub(RESERVE_BYTES + copied_bytes)
            .max(CHUNK_BYTES);
        drop(permit);
        let asked = Instant::now();
        permit = raw.take(needed.min(most)).await;
        waited += asked.elapsed();
    }
    Chunk {
        stream,
        events,
        permit,
        waited,
        spare,
        outcome,
    }
}

impl Actor for Reader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.open(Duration::ZERO, ctx);
        self.start_copying(ctx);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        metrics::gauge!(names::SOURCE_CONNECTED).set(0.0);
    }
}

impl Handler<Drain> for Reader {
    type Result = ();

    /// Stops reading; the drain goes on behind the data.
    fn handle(&mut self, mode: Drain, ctx: &mut Self::Context) {
        if let Some(effect) = self.effect.take() {
            ctx.cancel_future(effect);
        }
        self.drain.do_send(mode);
        ctx.stop();
    }
}

impl Handler<Hold> for Reader {
    type Result = ();

    fn handle(&mut self, Hold(is_held): Hold, ctx: &mut Self::Context) {
        self.is_held = is_held;
        if !is_held && self.wants_to_read {
            self.read(ctx);
        }
    }
}

impl Handler<Reopen> for Reader {
    type Result = ();

    fn handle(&mut self, Reopen(failure): Reopen, ctx: &mut Self::Context) {
        // Else one is being opened already.
        if !self.is_streaming {
            return;
        }
        if let Some(effect) = self.effect.take() {
            ctx.cancel_future(effect);
        }
        self.lost(failure, ctx);
    }
}

impl Handler<PassOver> for Reader {
    type Result = ();

    fn handle(&mut self, PassOver(table): PassOver, _ctx: &mut Self::Context) {
        self.tables.park(table);
        self.intake.set_wanted(self.tables.clone());
    }
}

impl Handler<Stop> for Reader {
    type Result = ();

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// By their lengths alone; what does not hold together is found by the assembler.
fn count_events(events: &[u8]) -> usize {
    let (mut rest, mut count) = (events, 0);
    while let Some(bytes) = intake::event_bytes(rest) {
        rest = rest
            .get(bytes.max(intake::SIZE_OFFSET)..)
            .unwrap_or_default();
        count += 1;
    }
    count
}

/// What the pipeline keeps beside an event's bytes: many small events would cost several times their length.
const EVENT_OVERHEAD_BYTES: usize = 256;
/// One read fills about this much.
const CHUNK_BYTES: usize = 256 * 1024;
/// Room for the last event of a chunk, commonly 8 KiB.
const OVERSHOOT_BYTES: usize = 16 * 1024;
/// Of the raw budget, never taken by one event: what a held-back transaction may have, and its rounding.
const RESERVE_BYTES: usize = intake::HOLD_BYTES_MAX + 64 * 1024;
