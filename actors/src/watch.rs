//! The death watch: how the Supervisor learns that an actor is gone, whatever ended it.
//!
//! A `Drop` field fires on stop and on panic alike; actix's own supervisor survives no panic and keeps the old
//! state. It is the last field of an actor, so that all else is dropped when it speaks.

use actix::Recipient;

use crate::{
    failure::Failure,
    messages::{ActorId, Cause, Died, Generation},
};

#[derive(Debug)]
pub struct DeathWatch {
    supervisor: Recipient<Died>,
    generation: Generation,
    actor: ActorId,
    failure: Option<Failure>,
}

impl DeathWatch {
    pub fn new(supervisor: Recipient<Died>, generation: Generation, actor: ActorId) -> Self {
        Self {
            supervisor,
            generation,
            actor,
            failure: None,
        }
    }

    /// The actor is about to stop because of `failure`.
    pub fn dying_of(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        let cause = if std::thread::panicking() {
            Cause::Panicked
        } else {
            self.failure.take().map_or(Cause::Stopped, Cause::Failed)
        };
        self.supervisor.do_send(Died {
            generation: self.generation,
            actor: self.actor.clone(),
            cause,
        });
    }
}
