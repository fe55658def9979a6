//! What the keeper of the lease tells: troubles stand on the status page, a lost lease halts.
//!
//! Another process reads and sends by then, so nothing is drained: what this one had read it will read.

use actix::{Context, Handler, Message};

use super::{Supervisor, lifecycle::Event};
use crate::failure::Failure;

/// Outside → Supervisor: the lease was not renewed and is being tried again; sinks wait when it runs out.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LeaseTroubled(pub Failure);

/// Outside → Supervisor: it is renewed again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LeaseRenewed;

/// Outside → Supervisor: another process has taken the lease, for good.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LeaseLost(pub Failure);

impl Handler<LeaseTroubled> for Supervisor {
    type Result = ();

    fn handle(&mut self, LeaseTroubled(failure): LeaseTroubled, _ctx: &mut Context<Self>) {
        self.report.error(LEASE, &failure);
    }
}

impl Handler<LeaseRenewed> for Supervisor {
    type Result = ();

    fn handle(&mut self, LeaseRenewed: LeaseRenewed, _ctx: &mut Context<Self>) {
        self.report.cured(&[LEASE]);
    }
}

impl Handler<LeaseLost> for Supervisor {
    type Result = ();

    fn handle(&mut self, LeaseLost(failure): LeaseLost, ctx: &mut Context<Self>) {
        self.on(Event::LeaseLost(failure), ctx);
    }
}

const LEASE: &str = "lease";
