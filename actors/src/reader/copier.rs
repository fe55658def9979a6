//! How tables are copied beside the stream: asks what the twin wants asked, and sends what it gives. Not here: what is
//! asked and what may be sent ([`copying`](super::copying)).

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};

use headwater_binlog::assembler::Item;

use super::{
    Reader,
    copying::{Ask, Question, SLICE_BYTES},
};
use crate::{
    budget::{ByteBudget, Permit},
    clock,
    failure::Failure,
    fault, metrics as names,
    ports::launcher::SnapshotParts,
    reading::Until,
};

/// The Reader's, while tables may be copied.
pub(super) struct Copier {
    parts: SnapshotParts,
    /// For chunks, until they are sent.
    chunks: ByteBudget,
    /// For slices, until they are durable: so much stands before a live change.
    slices: ByteBudget,
    permit: SlicePermit,
    /// The budget of both, out of that of the stream, while anything is copied.
    lease: Lease,
    /// A look at what can be done is on its way.
    is_due: bool,
    timer: Option<SpawnHandle>,
    /// Requests cannot be read; it was told.
    is_deaf: bool,
    /// Requests were read once, or could not be: what is to be copied is known.
    has_listened: bool,
}

/// For the next slice.
enum SlicePermit {
    None,
    Asked,
    Held(Permit),
}

enum Lease {
    None,
    Asked,
    /// It goes back when this is dropped.
    Held {
        _permit: Permit,
    },
}

/// To itself: see what can be asked and sent.
#[derive(Message)]
#[rtype(result = "()")]
struct Copy;

impl Copier {
    pub(super) fn new(parts: SnapshotParts) -> Self {
        Self {
            chunks: ByteBudget::new(parts.bytes / 4 * 3),
            slices: ByteBudget::new(parts.bytes / 4),
            permit: SlicePermit::None,
            parts,
            lease: Lease::None,
            is_due: false,
            timer: None,
            is_deaf: false,
            has_listened: false,
        }
    }

    /// The largest number of bytes that copies take from the stream's budget.
    pub(super) fn budget_bytes(&self) -> usize {
        self.parts.bytes
    }

    fn are_all_durable(&self) -> bool {
        let kept = match &self.permit {
            SlicePermit::Held(permit) => permit.bytes(),
            SlicePermit::None | SlicePermit::Asked => 0,
        };
        self.chunks.bytes_in_use() == 0 && self.slices.bytes_in_use() <= kept
    }

    /// Two chunks for each question at once: one that is read, one that is sent.
    fn chunk_bytes(&self) -> usize {
        self.chunks.bytes_total() / (2 * self.parts.rules.parallel.max(1))
    }
}

impl Reader {
    pub(super) fn start_copying(&mut self, ctx: &mut Context<Self>) {
        if self.copier.is_some() {
            self.ask_requests(ctx);
            ctx.run_interval(REQUESTS_INTERVAL, |reader, ctx| reader.ask_requests(ctx));
        }
    }

    /// Where reading ends: not before all is copied.
    pub(super) fn until_now(&self) -> Until {
        let has_listened = |copier: &Copier| copier.has_listened;
        let is_known = self.copier.as_ref().is_none_or(has_listened);
        let is_copying = self.copier.is_some() && self.intake.is_copying();
        match is_copying || !is_known {
            true => Until::Never,
            false => self.until.clone(),
        }
    }

    /// Asks all that can be asked, sends one slice, and comes back for the next: what the stream brings goes first.
    pub(super) fn copy(&mut self, ctx: &mut Context<Self>) {
        if !self.is_streaming || self.is_held {
            return;
        }
        let Some(copier) = &mut self.copier else {
            return;
        };
        let (rules, bytes_max) = (copier.parts.rules, copier.chunk_bytes());
        if let Some(timer) = copier.timer.take() {
            ctx.cancel_future(timer);
        }
        let was_copying = self.intake.is_copying();
        let now = Instant::now();
        if self.has_budget(was_copying, ctx) {
            // A window is open from the question on, so it does not wait for its bytes: those of a chunk come back when
            // it is sent, which is looked at anew each time.
            while let Some(permit) = self.chunk_permit(bytes_max)
                && let Some(ask) = self.intake.next_ask(rules, bytes_max, now)
            {
                self.ask_source(ask, permit, ctx);
            }
        }
        let mut permit = self.slice_permit(ctx);
        let slice = match permit {
            None => Ok(None),
            Some(_) => {
                let now = (now, clock::unix_now_us());
                self.intake.slice_beside(rules, &mut permit, now)
            }
        };
        if let (Some(permit), Some(copier)) = (permit, &mut self.copier) {
            copier.permit = SlicePermit::Held(permit);
        }
        match slice {
            Err(failure) => return self.die(failure, ctx),
            Ok(Some(batch)) => match fault::at("reader.slice") {
                Ok(()) => {
                    count(&batch.items);
                    self.router.do_send(batch);
                    self.come_back(ctx);
                }
                Err(failure) => return self.die(failure, ctx),
            },
            Ok(None) => {
                if let Some(at) = self.intake.wakes_at(now) {
                    let wait = at.saturating_duration_since(now);
                    let timer = ctx.run_later(wait, |reader, ctx| reader.copy(ctx));
                    if let Some(copier) = &mut self.copier {
                        copier.timer = Some(timer);
                    }
                }
            }
        }
        if was_copying && !self.intake.is_copying() {
            self.copied(ctx);
        }
    }

    /// For one slice; where there is none it comes later.
    fn slice_permit(&mut self, ctx: &mut Context<Self>) -> Option<Permit> {
        let copier = self.copier.as_mut()?;
        match std::mem::replace(&mut copier.permit, SlicePermit::Asked) {
            SlicePermit::Held(permit) => {
                copier.permit = SlicePermit::None;
                return Some(permit);
            }
            SlicePermit::Asked => return None,
            SlicePermit::None => {}
        }
        let slices = copier.slices.clone();
        let effect = async move { slices.take(SLICE_BYTES).await }.into_actor(self);
        ctx.spawn(effect.map(|permit, reader: &mut Self, ctx| {
            if let Some(copier) = &mut reader.copier {
                copier.permit = SlicePermit::Held(permit);
            }
            reader.come_back(ctx);
        }));
        None
    }

    /// Whether chunks may be asked for; what they may take is asked for first.
    fn has_budget(&mut self, is_copying: bool, ctx: &mut Context<Self>) -> bool {
        let raw = self.raw.clone();
        let Some(copier) = &mut self.copier else {
            return false;
        };
        match copier.lease {
            Lease::None if is_copying => {
                copier.lease = Lease::Asked;
                let bytes = copier.budget_bytes();
                let effect = async move { raw.take(bytes).await }.into_actor(self);
                ctx.spawn(effect.map(|permit, reader: &mut Self, ctx| {
                    if let Some(copier) = &mut reader.copier {
                        copier.lease = Lease::Held { _permit: permit };
                    }
                    reader.come_back(ctx);
                }));
                false
            }
            Lease::Held { .. } if !is_copying && copier.are_all_durable() => {
                copier.lease = Lease::None;
                false
            }
            Lease::None | Lease::Asked => false,
            Lease::Held { .. } => is_copying,
        }
    }

    /// All that was asked for is copied: reading may end.
    fn copied(&mut self, ctx: &mut Context<Self>) {
        if self.until == Until::Never {
            return;
        }
        if self.intake.set_until(self.until.clone()) {
            if let Some(effect) = self.effect.take() {
                ctx.cancel_future(effect);
            }
            self.end(ctx);
        }
    }

    fn come_back(&mut self, ctx: &mut Context<Self>) {
        if let Some(copier) = &mut self.copier
            && !copier.is_due
        {
            copier.is_due = true;
            ctx.notify(Copy);
        }
    }

    fn chunk_permit(&self, bytes: usize) -> Option<Permit> {
        self.copier.as_ref()?.chunks.try_take_weighed(bytes)
    }

    fn ask_source(&mut self, ask: Ask, permit: Permit, ctx: &mut Context<Self>) {
        let Some(copier) = &self.copier else {
            return;
        };
        let source = copier.parts.source.clone();
        match ask.question.clone() {
            Question::Describe(question) => {
                let effect = source.describe(question).into_actor(self);
                ctx.spawn(effect.map(move |answer, reader, ctx| {
                    let now = (Instant::now(), clock::unix_now_us());
                    let outcome = reader.intake.described(&ask, answer, now);
                    reader.answered(outcome, ctx);
                }));
            }
            Question::Read(question) => {
                let effect = async move { (source.read(question).await, permit) };
                let effect = effect.into_actor(self);
                ctx.spawn(effect.map(move |(answer, permit), reader: &mut Self, ctx| {
                    let now = (Instant::now(), clock::unix_now_us());
                    let outcome = reader.intake.chunk(&ask, answer, permit, now);
                    reader.answered(outcome, ctx);
                }));
            }
        }
    }

    fn answered(&mut self, outcome: Result<(), Failure>, ctx: &mut Context<Self>) {
        if let Err(failure) = outcome {
            // With `--until` the program ends after the copy: without this it would never end.
            if failure.is_definite() && self.until != Until::Never {
                return self.die(failure, ctx);
            }
            let hint = failure.hint.as_deref();
            tracing::warn!(hint, "a table cannot be copied for now: {failure}");
        }
        self.come_back(ctx);
    }

    fn ask_requests(&mut self, ctx: &mut Context<Self>) {
        // Also gives back the budget behind the last rows.
        self.come_back(ctx);
        let Some(copier) = &self.copier else {
            return;
        };
        let requests = copier.parts.requests.behind(self.intake.followed());
        let effect = requests.into_actor(self);
        ctx.spawn(effect.map(|outcome, reader, ctx| {
            let is_deaf = outcome.is_err();
            match outcome {
                Ok(requests) if requests.is_empty() => {}
                Ok(requests) => {
                    reader.intake.follow(requests, clock::unix_now_us());
                    reader.come_back(ctx);
                }
                Err(failure) => {
                    if reader.copier.as_ref().is_some_and(|copier| !copier.is_deaf) {
                        tracing::warn!("requests for snapshots cannot be read: {failure}");
                    }
                }
            }
            let Some(copier) = &mut reader.copier else {
                return;
            };
            copier.is_deaf = is_deaf;
            let is_first = !std::mem::replace(&mut copier.has_listened, true);
            // A stream that opens later asks for itself.
            if is_first && reader.is_streaming && !reader.intake.is_copying() {
                reader.copied(ctx);
            }
        }));
    }
}

fn count(items: &[Item]) {
    for item in items {
        if let Item::Rows(block) = item {
            let table = block.table.name.to_string();
            let rows = u64::from(block.row_count);
            metrics::counter!(names::SNAPSHOT_ROWS_TOTAL, "table" => table).increment(rows);
        }
    }
}

impl Handler<Copy> for Reader {
    type Result = ();

    fn handle(&mut self, Copy: Copy, ctx: &mut Self::Context) {
        if let Some(copier) = &mut self.copier {
            copier.is_due = false;
        }
        self.copy(ctx);
    }
}

const REQUESTS_INTERVAL: Duration = Duration::from_secs(1);
