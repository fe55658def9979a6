//! One generation: the addresses of its actors and who of them is alive.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use actix::Addr;

use crate::{
    checkpointer::Checkpointer,
    lane::Lane,
    messages::{ActorId, Generation, Stop},
    ports::launcher::Launch,
    reader::Reader,
    router::Router,
    writer::ShardWriter,
};

pub struct Running {
    pub number: Generation,
    pub launch: Launch,
    pub reader: Option<Addr<Reader>>,
    pub router: Addr<Router>,
    pub checkpointer: Addr<Checkpointer>,
    pub writers: HashMap<Arc<Lane>, Addr<ShardWriter>>,
    alive: HashSet<ActorId>,
}

impl Running {
    pub fn new(
        number: Generation,
        launch: Launch,
        router: Addr<Router>,
        checkpointer: Addr<Checkpointer>,
    ) -> Self {
        Self {
            number,
            launch,
            reader: None,
            router,
            checkpointer,
            writers: HashMap::new(),
            alive: HashSet::from([ActorId::Router, ActorId::Checkpointer]),
        }
    }

    pub fn born(&mut self, actor: ActorId) {
        self.alive.insert(actor);
    }

    pub fn died(&mut self, actor: &ActorId) {
        self.alive.remove(actor);
        match actor {
            ActorId::Reader => self.reader = None,
            ActorId::ShardWriter(lane) => {
                self.writers.remove(lane);
            }
            ActorId::Router | ActorId::Checkpointer => (),
        }
    }

    pub fn is_dead(&self) -> bool {
        self.alive.is_empty()
    }

    /// Tells everyone to end now.
    pub fn stop(&self) {
        if let Some(reader) = &self.reader {
            reader.do_send(Stop);
        }
        self.router.do_send(Stop);
        self.writers
            .values()
            .for_each(|writer| writer.do_send(Stop));
        self.checkpointer.do_send(Stop);
    }
}
