//! What the Supervisor remembers for the status page and the log: state, counts, last errors.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use headwater_binlog::position::Position;
use tokio::sync::watch;

use super::{
    Supervisor,
    errors::LastErrors,
    lag::Lag,
    parked::{self, KeptTables},
    retention::Retention,
};
use crate::{
    clock,
    failure::Failure,
    lane::Lane,
    messages::{
        ActorId, Cause, CommitTimes, Generation, GetCheckpointStatus, GetRouterStatus, Reopen,
    },
    metrics as names,
    ports::{
        routes::Target,
        source::{Head, bytes_between},
    },
    status::{CopyStatus, GetStatus, SinkStatus, State, Status, Vitals},
};

pub struct Report {
    name: String,
    state: State,
    /// The position has not been stored for too long.
    is_late: bool,
    generation: Generation,
    restarts: BTreeMap<&'static str, u64>,
    lag: Lag,
    lag_bytes: Option<u64>,
    retention: Retention,
    purge_in_secs: Option<u64>,
    kept: KeptTables,
    errors: LastErrors,
    troubled: HashMap<Arc<Lane>, Instant>,
    vitals: watch::Sender<Vitals>,
}

impl Report {
    pub fn new(name: String) -> Self {
        Self {
            name,
            state: State::Starting,
            is_late: false,
            generation: Generation::default(),
            restarts: BTreeMap::new(),
            lag: Lag::default(),
            lag_bytes: None,
            retention: Retention::default(),
            purge_in_secs: None,
            kept: KeptTables::new(),
            errors: LastErrors::default(),
            troubled: HashMap::new(),
            vitals: watch::Sender::new(Vitals {
                state: State::Starting,
                last_error: None,
                at: Instant::now(),
            }),
        }
    }

    pub fn vitals(&self) -> watch::Receiver<Vitals> {
        self.vitals.subscribe()
    }

    /// Says that the Supervisor is at work, and how things are.
    pub fn tell_vitals(&self) {
        self.vitals.send_replace(Vitals {
            state: self.shown_state(),
            last_error: self.errors.present().cloned(),
            at: Instant::now(),
        });
    }

    pub fn state(&mut self, state: State) {
        self.state = state;
        self.tell_vitals();
    }

    pub fn late(&mut self, is_late: bool) {
        self.is_late = is_late;
        self.tell_vitals();
    }

    fn shown_state(&self) -> State {
        match self.state {
            State::Streaming if self.is_late => State::Paused,
            state => state,
        }
    }

    pub fn is_late(&self) -> bool {
        self.is_late
    }

    pub fn generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    pub fn restarted(&mut self, actor: &ActorId, cause: &Cause) {
        *self.restarts.entry(actor.kind()).or_default() += 1;
        match cause {
            Cause::Failed(failure) => self.error(&actor.to_string(), failure),
            Cause::Stopped | Cause::Panicked => {
                self.error(&actor.to_string(), &Failure::transient(cause.to_string()));
            }
        }
    }

    pub fn error(&mut self, actor: &str, failure: &Failure) {
        let now = clock::unix_now().as_secs();
        self.errors.happened(actor, failure, now);
        self.tell_vitals();
    }

    /// What these said before is over.
    pub fn cured(&mut self, actors: &[&str]) {
        self.errors.cured(actors, clock::unix_now().as_secs());
        self.tell_vitals();
    }

    /// A stream of the source is open: all that it takes to read works.
    pub fn reads(&mut self) {
        let reader = ActorId::Reader.to_string();
        let router = ActorId::Router.to_string();
        self.cured(&[SUPERVISOR, &reader, &router]);
    }

    pub fn committed(&mut self, times: CommitTimes) {
        self.lag.told(times, clock::unix_now_us());
    }

    /// Unknown, it is not shown.
    pub fn show_lag(&self) {
        if let Some(secs) = self.lag_secs() {
            metrics::gauge!(names::SOURCE_LAG_SECONDS).set(secs);
        }
    }

    fn lag_secs(&self) -> Option<f64> {
        let is_reading = self.shown_state() == State::Streaming;
        self.lag.secs(is_reading, clock::unix_now_us())
    }

    /// What the source has of its log, and where all before is durable.
    fn log_is(&mut self, head: Head, durable: &Position, at_us: u64) {
        let ahead = bytes_between(&head.files, durable, &head.position);
        self.lag_bytes = Some(ahead);
        metrics::gauge!(names::SOURCE_LAG_BYTES).set(ahead as f64);
        if ahead == 0 {
            self.lag.level(at_us);
        }
        self.retention.told(head, at_us);
        self.purge_in_secs = self.retention.secs(durable);
        // Unknown, it is not shown.
        if let Some(secs) = self.purge_in_secs {
            metrics::gauge!(names::SOURCE_PURGE_SECONDS).set(secs as f64);
        }
    }

    /// Whether this trouble is worth a line: a lane's first in a while.
    pub fn trouble(&mut self, lane: &Arc<Lane>, failure: &Failure, now: Instant) -> bool {
        let is_new = self
            .troubled
            .get(lane)
            .is_none_or(|before| TROUBLE_INTERVAL < now.saturating_duration_since(*before));
        if is_new {
            self.troubled.insert(Arc::clone(lane), now);
        }
        let writer = ActorId::ShardWriter(Arc::clone(lane));
        self.error(&writer.to_string(), failure);
        is_new
    }

    pub fn forget(&mut self, lane: &Arc<Lane>) {
        self.troubled.remove(lane);
    }

    fn snapshot(&self) -> Status {
        Status {
            name: self.name.clone(),
            state: self.shown_state(),
            generation: self.generation.0,
            restarts: self.restarts.values().sum(),
            restarts_by_actor: self.restarts.clone(),
            position_durable: None,
            position_read: None,
            gtid_set: None,
            lag_secs: self.lag_secs(),
            lag_bytes: self.lag_bytes,
            purge_in_secs: self.purge_in_secs,
            checkpoint_age_secs: None,
            tables: Vec::new(),
            lanes: Vec::new(),
            sinks: Vec::new(),
            parked: Vec::new(),
            copies: Vec::new(),
            last_errors: self.errors.all(),
        }
    }
}

impl Handler<GetStatus> for Supervisor {
    type Result = ResponseFuture<Status>;

    fn handle(&mut self, GetStatus: GetStatus, _ctx: &mut Self::Context) -> Self::Result {
        let mut status = self.report.snapshot();
        let kept = self.report.kept.clone();
        let mut lag = self.report.lag;
        let asks = self.running.as_ref().map(|running| {
            (
                running.launch.routes.targets(),
                running.router.send(GetRouterStatus),
                running.checkpointer.send(GetCheckpointStatus),
            )
        });
        Box::pin(async move {
            let Some((targets, router, checkpointer)) = asks else {
                return status;
            };
            status.sinks = targets.await.into_iter().map(sink_status).collect();
            // A dead actor does not answer; the page then lacks its part.
            if let Ok(router) = router.await {
                status.position_read = Some(router.read.position.to_string());
                status.tables = router.tables;
                status.lanes = router.lanes;
            }
            if let Ok(checkpoint) = checkpointer.await {
                status.position_durable = Some(checkpoint.durable.position.to_string());
                status.gtid_set = Some(checkpoint.gtid_set.to_string());
                status.checkpoint_age_secs = Some(checkpoint.age_secs);
                let now_us = clock::unix_now_us();
                lag.told(checkpoint.times, now_us);
                status.lag_secs = lag.secs(status.state == State::Streaming, now_us);
                let each = checkpoint.parked.iter();
                let each = each.map(|parked| parked::status(parked, kept.get(&parked.table)));
                status.parked = each.collect();
                let copies = checkpoint.copies.iter();
                let copies = copies.map(|(id, copy)| CopyStatus::of(id, copy, now_us));
                status.copies = copies.collect();
            }
            status
        })
    }
}

impl Supervisor {
    /// Gauges that nobody else sets, and the distance to the server's head.
    pub(super) fn measure(&mut self, ctx: &mut Context<Self>) {
        for (pool, budget) in [("raw", &self.parts.raw), ("encoded", &self.parts.encoded)] {
            let in_use = budget.bytes_in_use() as f64;
            metrics::gauge!(names::MEMORY_BUDGET_BYTES_IN_USE, "pool" => pool).set(in_use);
            let total = budget.bytes_total() as f64;
            metrics::gauge!(names::MEMORY_BUDGET_BYTES, "pool" => pool).set(total);
        }
        let Some(running) = &self.running else { return };
        let (source, durable) = (
            Arc::clone(&running.launch.source),
            running.checkpointer.send(GetCheckpointStatus),
        );
        let (number, epoch) = (running.number, running.launch.from.home.epoch);
        let effect = async move {
            let status = durable.await.ok()?;
            let asked_us = clock::unix_now_us();
            let head = known(source.head().await);
            let places = status.parked.iter();
            let places: Vec<_> = places
                .map(|parked| (parked.home.server_in(epoch), parked.resume.clone()))
                .collect();
            let kept = match places.is_empty() {
                true => None,
                false => known(source.kept(places).await),
            };
            Some((head, asked_us, status, kept))
        };
        ctx.spawn(effect.into_actor(self).map(move |told, supervisor, _| {
            let Some((head, asked_us, status, kept)) = told else {
                return;
            };
            if let Some(head) = head {
                let is_this = supervisor.running.as_ref().map(|running| running.number);
                if let Err(failure) = head.ensure_reaches(&status.durable.position)
                    && is_this == Some(number)
                {
                    supervisor.to_reader(Reopen(failure));
                }
                supervisor
                    .report
                    .log_is(head, &status.durable.position, asked_us);
            }
            let parked = status.parked;
            if let Some(kept) = kept {
                let tables = parked.iter().map(|parked| parked.table.clone());
                supervisor.report.kept = tables.zip(kept).collect();
            }
            parked::measure(&parked, &supervisor.report.kept);
        }));
    }
}

fn sink_status(target: Target) -> SinkStatus {
    let Target { name, throttled } = target;
    SinkStatus {
        target: name,
        throttled_since_unix_secs: throttled.map(|throttled| throttled.since_unix_secs),
        records_throttled: throttled.map_or(0, |throttled| throttled.records),
    }
}

/// A source that cannot be asked now is asked again; what it said before stays.
fn known<T>(answer: Result<T, Failure>) -> Option<T> {
    answer
        .inspect_err(|error| tracing::debug!(%error, "the source was not measured"))
        .ok()
}

/// As whom it appears among the errors.
pub const SUPERVISOR: &str = "supervisor";
/// A lane in trouble is logged this often.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_an_actor_was_restarted_is_told_with_what_to_do() {
        let mut report = Report::new("shop".into());
        let failure = Failure::transient("the log is damaged").with_hint("check its disk");
        report.restarted(&ActorId::Reader, &Cause::Failed(failure));
        report.restarted(&ActorId::Router, &Cause::Panicked);
        let errors = report.snapshot().last_errors;
        let told: Vec<_> = errors
            .iter()
            .map(|error| (error.message.as_str(), error.hint.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("the log is damaged", Some("check its disk")),
                ("panicked", None)
            ]
        );
        report.reads();
        assert!(report.vitals().borrow().last_error.is_none());
    }
}
