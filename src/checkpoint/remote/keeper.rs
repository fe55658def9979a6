//! Takes the lease, renews it, gives it back: the lease's twin with its table and clock.
//!
//! Only a renewal that was answered counts, from the moment at which it was asked. A renewal without an answer is
//! asked again; the row says whether it had landed. A row that is no longer ours closes the gate for good
//! and is told as an event: the pipeline ends.

use std::{sync::Arc, time::Duration};

use headwater_actors::{
    failure::Failure,
    metrics::{LEASE_HELD, LEASE_TAKEOVERS_TOTAL, LEASE_TERM},
};
use tokio::sync::{mpsc, oneshot};

use super::Table;
use crate::{
    checkpoint::{LeaseEvent, Standing, Tell, Wait},
    lease::{
        Advice, Claim, Span, Standby,
        gate::{self, LeaseGate},
        work::{Difference, Work},
    },
};

/// A trouble that lasts is told this often.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(10);

pub struct Keeper {
    table: Arc<dyn Table>,
    span: Span,
    gate: LeaseGate,
    events: mpsc::UnboundedSender<LeaseEvent>,
}

/// Holds the lease.
pub struct Holder {
    keeper: Keeper,
    claim: Claim,
}

/// Tells the holder to end.
pub struct Handle {
    stop: oneshot::Sender<oneshot::Sender<Result<(), Failure>>>,
}

/// How long one question to the table may take.
pub fn timeout(span: Span) -> Duration {
    span.renew_every()
        .clamp(Duration::from_millis(500), Duration::from_secs(5))
}

pub async fn bounded<T>(
    timeout: Duration,
    doing: &str,
    place: &str,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::transient(format!(
            "{doing} {place}: no answer within {timeout:?}"
        ))),
    }
}

pub fn overtaken(place: &str, term: u64) -> Failure {
    Failure::definite(format!(
        "another process took over: the lease in {place} is no longer that of term {term}"
    ))
    .with_hint("nothing to do where two processes run on purpose: started again, this one stands by; else give each pipeline its own `name`")
}

impl Keeper {
    pub fn new(
        table: Arc<dyn Table>,
        span: Span,
        gate: LeaseGate,
        events: mpsc::UnboundedSender<LeaseEvent>,
    ) -> Self {
        Self {
            table,
            span,
            gate,
            events,
        }
    }

    /// Stands by until the lease is ours.
    pub async fn acquire(
        self,
        work: Work,
        wait: Wait,
        tell: Tell,
    ) -> Result<(Holder, Claim), Failure> {
        metrics::gauge!(LEASE_HELD).set(0.0);
        let me = work.sign(&process());
        let mut standby = Standby::new(me.clone(), self.span);
        let mut respected: Option<Claim> = None;
        loop {
            let found = match self.ask("read", self.table.read()).await {
                Ok(row) => row.map(|row| row.claim),
                Err(failure) => {
                    self.pause_after(failure, wait, &tell).await?;
                    continue;
                }
            };
            match standby.observe(found.as_ref(), gate::now()) {
                Advice::Take(new) => {
                    let asked = gate::now();
                    match self
                        .ask("write", self.table.claim(found.as_ref(), &new))
                        .await
                    {
                        Ok(true) => {
                            let is_takeover = found.is_some_and(|found| !found.is_free());
                            return Ok(self.taken(new, asked, is_takeover));
                        }
                        Ok(false) => (),
                        Err(failure) => self.pause_after(failure, wait, &tell).await?,
                    }
                }
                Advice::NotOurs(what) => {
                    let found = found
                        .as_ref()
                        .map_or_else(String::new, |found| self.in_use(found));
                    return Err(not_ours(&found, &what));
                }
                Advice::LookAgain(then) => {
                    if let Some(found) = found {
                        let is_alive = respected.as_ref().is_some_and(|before| *before != found);
                        if wait == Wait::UnlessAlive && is_alive {
                            return Err(self.held_by(&found));
                        }
                        let mut holder = self.in_use(&found);
                        if let Difference::Settings(what) = Difference::between(&me, &found.holder)
                        {
                            holder.push_str(&format!(
                                ", with another {what}: taken for this pipeline before a change of its settings"
                            ));
                        }
                        tell(Standing::By { holder });
                        respected = Some(found);
                    }
                    tokio::time::sleep(then.saturating_sub(gate::now())).await;
                }
            }
        }
    }

    fn taken(self, claim: Claim, asked: gate::Moment, is_takeover: bool) -> (Holder, Claim) {
        self.gate.hold(asked);
        metrics::gauge!(LEASE_HELD).set(1.0);
        metrics::gauge!(LEASE_TERM).set(claim.term as f64);
        metrics::counter!(LEASE_TAKEOVERS_TOTAL).increment(u64::from(is_takeover));
        tracing::info!(
            term = claim.term,
            is_takeover,
            place = self.table.place(),
            "lease taken"
        );
        let holder = Holder {
            keeper: self,
            claim: claim.clone(),
        };
        (holder, claim)
    }

    fn in_use(&self, found: &Claim) -> String {
        let (process, _) = Work::read(&found.holder);
        format!(
            "the checkpoint in {} is in use by \"{process}\"",
            self.table.place()
        )
    }

    fn held_by(&self, found: &Claim) -> Failure {
        Failure::definite(self.in_use(found)).with_hint("end the other process first")
    }

    async fn pause_after(&self, failure: Failure, wait: Wait, tell: &Tell) -> Result<(), Failure> {
        if failure.is_definite() || wait == Wait::UnlessAlive {
            return Err(failure);
        }
        tell(Standing::Trouble(failure));
        tokio::time::sleep(self.span.look_every()).await;
        Ok(())
    }

    async fn ask<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        bounded(timeout(self.span), doing, self.table.place(), call).await
    }
}

impl Holder {
    /// Renews until told to stop, as a task of its own.
    pub fn start(self, runtime: &tokio::runtime::Handle) -> Handle {
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(self.keep(stopped));
        Handle { stop }
    }

    async fn keep(mut self, mut stopped: oneshot::Receiver<oneshot::Sender<Result<(), Failure>>>) {
        let (every, retry) = (
            self.keeper.span.renew_every(),
            self.keeper.span.look_every() / 2,
        );
        let mut troubled_at: Option<gate::Moment> = None;
        let mut pause = every;
        loop {
            tokio::select! {
                done = &mut stopped => {
                    if let Ok(done) = done {
                        // Whoever asked may be gone.
                        drop(done.send(self.give_back().await));
                    }
                    return;
                }
                () = tokio::time::sleep(pause) => (),
            }
            pause = match self.renew().await {
                Ok(Some(())) => {
                    if troubled_at.take().is_some() {
                        tracing::info!(
                            place = self.keeper.table.place(),
                            "the lease is renewed again"
                        );
                        self.tell(LeaseEvent::Renewed);
                    }
                    every
                }
                Ok(None) => Duration::ZERO,
                Err(failure) if failure.is_definite() && self.keeper.gate.has_ended() => {
                    metrics::gauge!(LEASE_HELD).set(0.0);
                    self.tell(LeaseEvent::Lost(failure));
                    return;
                }
                Err(failure) => {
                    let now = gate::now();
                    if troubled_at.is_none_or(|at| at + TROUBLE_INTERVAL <= now) {
                        troubled_at = Some(now);
                        let left = self.keeper.gate.remaining();
                        tracing::warn!(error = %failure, hint = failure.hint.as_deref(), ?left, "the lease is not renewed, trying again");
                        self.tell(LeaseEvent::Trouble(failure));
                    }
                    retry
                }
            };
            let is_held = !self.keeper.gate.remaining().is_zero();
            metrics::gauge!(LEASE_HELD).set(f64::from(u8::from(is_held)));
        }
    }

    /// `None`: an earlier renewal had landed; say it once more.
    async fn renew(&mut self) -> Result<Option<()>, Failure> {
        let (asked, next) = (gate::now(), self.claim.renewed());
        let keeper = &self.keeper;
        let write = keeper.table.claim(Some(&self.claim), &next);
        if keeper.ask("renew the lease in", write).await? {
            self.claim = next;
            self.keeper.gate.renewed(asked);
            return Ok(Some(()));
        }
        let row = keeper.ask("read", keeper.table.read()).await?;
        match row {
            Some(row) if row.claim.is_same_term(&self.claim) => {
                self.claim = row.claim;
                Ok(None)
            }
            _ => {
                self.keeper.gate.end();
                Err(overtaken(self.keeper.table.place(), self.claim.term))
            }
        }
    }

    /// Not while a call is in flight: it must have ended before another process takes over.
    async fn give_back(&mut self) -> Result<(), Failure> {
        let gate = &self.keeper.gate;
        gate.end();
        metrics::gauge!(LEASE_HELD).set(0.0);
        if !gate.is_idle() {
            tracing::info!(
                "calls to the sink are still on their way: the lease is left to run out"
            );
            return Ok(());
        }
        for _ in 0..2 {
            let keeper = &self.keeper;
            let given_back = self.claim.given_back();
            let write = keeper.table.claim(Some(&self.claim), &given_back);
            if keeper.ask("give back the lease in", write).await? {
                return Ok(());
            }
            match keeper.ask("read", keeper.table.read()).await? {
                Some(row) if row.claim.is_same_term(&self.claim) => self.claim = row.claim,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn tell(&self, event: LeaseEvent) {
        // Nobody listens when the pipeline is ending.
        drop(self.keeper.events.send(event));
    }
}

impl Handle {
    pub async fn give_back(self) -> Result<(), Failure> {
        let (done, answer) = oneshot::channel();
        if self.stop.send(done).is_err() {
            // It was lost before.
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }
}

fn not_ours(in_use: &str, what: &str) -> Failure {
    Failure::definite(format!(
        "{in_use}, which has the same `name` and another {what}: it is another pipeline"
    ))
    .with_hint("give each pipeline its own `name`; where it is the same one and all of that is to change, stop the other process first")
}

/// A name for this process that no other one has or had.
fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown",
        host => host,
    };
    let host: String = host.chars().take(100).collect();
    format!("{host}:{}:{:08x}", std::process::id(), fastrand::u32(..))
}
