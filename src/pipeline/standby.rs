//! Before the pipeline: standing by until the checkpoint store is ours; and what reaches it from outside later:
//! signals, and what happens to the lease.

use std::sync::{Arc, Mutex, PoisonError};

use actix::Addr;
use headwater_actors::{
    failure::Failure,
    supervisor::{LeaseLost, LeaseRenewed, LeaseTroubled, Shutdown, Supervisor},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::UnboundedReceiver,
};

use crate::{
    checkpoint::{self, LeaseEvent, Opened, Standing, Tell, Wait},
    lease::gate::LeaseGate,
    plan::Plan,
    telemetry::Telemetry,
};

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
    gate: &LeaseGate,
    telemetry: &Telemetry,
    signals: &mut Signals,
) -> Result<Option<Opened>, Failure> {
    let slot = telemetry.slot();
    let said = Mutex::new(None);
    let tell: Tell = Arc::new(move |standing| {
        let text = match &standing {
            Standing::By { holder } => holder.clone(),
            Standing::Trouble(failure) => failure.to_string(),
        };
        slot.stand_by(&text);
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
