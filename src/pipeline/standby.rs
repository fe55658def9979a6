//! Before the pipeline: standing by until the checkpoint store is ours; and what reaches it from outside later:
//! signals, and what happens to the lease.
//!
//! While another process has the store, this one makes the checks of `headwater check` again and again: a roll-out
//! must see a version or a setting that could not take over before the process that streams is replaced.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::Addr;
use headwater_actors::{
    failure::Failure,
    supervisor::{LeaseLost, LeaseRenewed, LeaseTroubled, Shutdown, Supervisor},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc::UnboundedReceiver},
};

use super::{check, outputs::Outputs};
use crate::{
    checkpoint::{self, LeaseEvent, Opened, Standing, Tell, Wait},
    lease::gate::LeaseGate,
    plan::Plan,
    telemetry::{
        Telemetry,
        http::{Fitness, SupervisorSlot},
    },
};

const CHECK_INTERVAL: Duration = Duration::from_secs(300);
const CHECK_AGAIN: Duration = Duration::from_secs(10);

/// SIGTERM, SIGINT and SIGHUP, from the start of the program on: none is missed.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
            _ = self.hang_up.recv() => (),
        }
    }

    /// The first signal drains, the second ends at once.
    pub async fn pass_on(mut self, supervisor: Addr<Supervisor>) {
        loop {
            self.next().await;
            supervisor.do_send(Shutdown);
        }
    }
}

/// `None`: a signal came first.
pub async fn open(
    plan: &Plan,
    outputs: &Outputs,
    gate: &LeaseGate,
    telemetry: &Telemetry,
    signals: &mut Signals,
) -> Result<Option<Opened>, Failure> {
    let slot = telemetry.slot();
    let (stands_by, slot_of_tell) = (Arc::new(Notify::new()), slot.clone());
    let told = Arc::clone(&stands_by);
    let said = Mutex::new(None);
    let tell: Tell = Arc::new(move |standing| {
        match &standing {
            Standing::By { holder } => {
                slot_of_tell.stand_by(holder);
                told.notify_one();
            }
            Standing::Trouble(failure) => slot_of_tell.wait_for_store(&failure.to_string()),
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_ref() == Some(&standing) {
            return;
        }
        match &standing {
            Standing::By { holder } => tracing::info!("standing by: {holder}"),
            Standing::Trouble(failure) => {
                tracing::warn!(error = %failure, hint = failure.hint.as_deref(), "the checkpoint store cannot be used, trying again");
            }
        }
        *said = Some(standing);
    });
    let opening = checkpoint::open(&plan.checkpoint, &plan.name, gate, Wait::StandBy, tell);
    tokio::select! {
        opened = opening => opened.map(Some),
        () = signals.next() => Ok(None),
        never = keep_checking(plan, outputs, &slot, &stands_by) => match never {},
    }
}

/// Each time it is told to stand by, at most once in [`CHECK_INTERVAL`]; sooner while something fails.
async fn keep_checking(
    plan: &Plan,
    outputs: &Outputs,
    slot: &SupervisorSlot,
    stands_by: &Notify,
) -> Infallible {
    let mut told = None;
    loop {
        stands_by.notified().await;
        let fitness = match check::take_over(plan, outputs).await {
            Ok(()) => Fitness::Fit,
            Err(problems) => Fitness::Unfit(problems.into()),
        };
        if told.as_ref() != Some(&fitness) {
            match &fitness {
                Fitness::Unfit(problems) => {
                    tracing::warn!("standing by, but this process could not take over: {problems}");
                }
                Fitness::Fit | Fitness::Unknown => {
                    tracing::info!("standing by: all checks passed, this process can take over");
                }
            }
        }
        let pause = match fitness {
            Fitness::Fit => CHECK_INTERVAL,
            Fitness::Unfit(_) | Fitness::Unknown => CHECK_AGAIN,
        };
        slot.judge(fitness.clone());
        told = Some(fitness);
        tokio::time::sleep(pause).await;
    }
}

pub async fn pass_events_on(
    mut events: UnboundedReceiver<LeaseEvent>,
    supervisor: Addr<Supervisor>,
) {
    while let Some(event) = events.recv().await {
        match event {
            LeaseEvent::Trouble(failure) => supervisor.do_send(LeaseTroubled(failure)),
            LeaseEvent::Renewed => supervisor.do_send(LeaseRenewed),
            LeaseEvent::Lost(failure) => supervisor.do_send(LeaseLost(failure)),
        }
    }
}
