//! The gate before every call to a sink: nothing starts without a lease that outlives the call's timeout.
//!
//! It is asked at the last moment before a call, and once more between signing and sending. A closed gate is
//! no failure: a call waits for the next renewal, at most a lease's time. A process that was stopped
//! finds on waking that its lease has run out, because its clock goes on meanwhile. Without a lease (the
//! file's lock, which ends with its process) the gate is always open.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headwater_actors::failure::Failure;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

pub use super::Moment;
use super::{Holding, Span};

/// Cheap to clone; all clones are one gate.
#[derive(Debug, Clone, Default)]
pub struct LeaseGate(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    span: Span,
    holding: Mutex<Option<Holding>>,
    changes: watch::Sender<()>,
    /// Calls that have started and not ended.
    calls: AtomicUsize,
}

/// A call in flight.
#[derive(Debug)]
pub struct Pass(Option<Arc<Inner>>);

impl LeaseGate {
    /// Where no lease is needed.
    pub fn open() -> Self {
        Self(None)
    }

    /// Closed until the lease is held.
    pub fn closed(span: Span) -> Self {
        Self(Some(Arc::new(Inner {
            span,
            holding: Mutex::new(None),
            changes: watch::channel(()).0,
            calls: AtomicUsize::new(0),
        })))
    }

    pub fn is_always_open(&self) -> bool {
        self.0.is_none()
    }

    /// The lease is ours; it was asked for at `asked`.
    pub fn hold(&self, asked: Moment) {
        self.change(|span, holding| *holding = Some(Holding::new(span, asked)));
    }

    pub fn renewed(&self, asked: Moment) {
        self.change(|_, holding| {
            if let Some(holding) = holding {
                holding.renewed(asked);
            }
        });
    }

    /// Closes for good.
    pub fn end(&self) {
        self.change(|span, holding| {
            holding
                .get_or_insert_with(|| Holding::new(span, Duration::ZERO))
                .end();
        });
    }

    /// Whether no call is on its way.
    pub fn is_idle(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_none_or(|inner| inner.calls.load(Ordering::SeqCst) == 0)
    }

    /// Closed for good.
    pub fn has_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_over())
    }

    pub fn remaining(&self) -> Duration {
        let held = self.0.as_ref().and_then(|inner| inner.held());
        held.map_or(Duration::ZERO, |holding| holding.remaining(now()))
    }

    /// Whether a call that lasts at most `timeout` may start now.
    pub fn admits(&self, timeout: Duration) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.admits(timeout))
    }

    /// Waits until such a call may start.
    pub async fn pass(&self, timeout: Duration) -> Result<Pass, Failure> {
        let Some(inner) = &self.0 else {
            return Ok(Pass(None));
        };
        let mut changes = inner.changes.subscribe();
        let passed = async {
            loop {
                // Counted first: whoever closes the gate and sees no call can rely on it.
                inner.calls.fetch_add(1, Ordering::SeqCst);
                let pass = Pass(Some(Arc::clone(inner)));
                if inner.admits(timeout) {
                    return Some(pass);
                }
                drop(pass);
                if inner.is_over() || changes.changed().await.is_err() {
                    return None;
                }
            }
        };
        let passed = tokio::time::timeout(inner.span.0, passed).await;
        passed.ok().flatten().ok_or_else(|| {
            Failure::transient(
                "the lease in the checkpoint store has run out; nothing is sent until it is renewed",
            )
            .with_hint("check that the checkpoint store can be reached and written; delivery goes on by itself")
        })
    }

    fn change(&self, change: impl FnOnce(Span, &mut Option<Holding>)) {
        if let Some(inner) = &self.0 {
            let mut holding = inner.holding.lock().unwrap_or_else(PoisonError::into_inner);
            change(inner.span, &mut holding);
            drop(holding);
            inner.changes.send_replace(());
        }
    }
}

impl Inner {
    fn held(&self) -> Option<Holding> {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self, timeout: Duration) -> bool {
        self.held()
            .is_some_and(|holding| holding.admits(now(), timeout))
    }

    fn is_over(&self) -> bool {
        self.held().is_some_and(|holding| holding.is_over())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            inner.calls.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The clock of leases. It goes on while the process is stopped and while the machine sleeps, and nobody sets it.
pub fn now() -> Moment {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    let secs = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(secs, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span(Duration::from_secs(60));

    #[tokio::test]
    async fn a_call_waits_for_the_lease_and_counts_while_it_flies() {
        let gate = LeaseGate::closed(SPAN);
        let waits = gate.clone();
        let call = tokio::spawn(async move { waits.pass(SPAN.put_max()).await });
        tokio::task::yield_now().await;
        assert!(!call.is_finished() && gate.is_idle());
        gate.hold(now());
        let pass = call.await.expect("no panic").expect("admitted");
        assert!(!gate.is_idle());
        drop(pass);
        assert!(gate.is_idle());
    }

    #[tokio::test]
    async fn a_gate_that_has_ended_lets_nobody_wait() {
        let gate = LeaseGate::closed(SPAN);
        gate.hold(now());
        gate.end();
        gate.renewed(now());
        let refused = gate.pass(Duration::ZERO).await.expect_err("closed");
        assert!(!refused.is_definite());
        assert_eq!(gate.remaining(), Duration::ZERO);
    }

    #[test]
    fn without_a_lease_the_gate_is_open() {
        assert!(LeaseGate::open().admits(Duration::MAX));
        assert!(!LeaseGate::closed(SPAN).admits(Duration::ZERO));
    }
}
