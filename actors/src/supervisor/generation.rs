//! One generation: the addresses of its actors and who of them is alive.

use std::{collections::HashMap, sync::Arc};

use actix::Addr;

use crate::{
    checkpointer::Checkpointer,
    lane::Lane,
    messages::{ActorId, Generation, Stop},
    ports::launcher::Launch,
    reader::Reader,
    router::Router,
    selection::Selection,
    writer::ShardWriter,
};

pub struct Running {
    pub number: Generation,
    pub launch: Launch,
    /// What a new Reader wants.
    pub selection: Selection,
    pub reader: Option<Addr<Reader>>,
    pub router: Addr<Router>,
    pub checkpointer: Addr<Checkpointer>,
    pub writers: HashMap<Arc<Lane>, Addr<ShardWriter>>,
    /// How many: a retired writer may still be ending when the lane's next one runs.
    alive: HashMap<ActorId, u32>,
}

impl Running {
    pub fn new(
        number: Generation,
        launch: Launch,
        selection: Selection,
        router: Addr<Router>,
        checkpointer: Addr<Checkpointer>,
    ) -> Self {
        Self {
            number,
            launch,
            selection,
            reader: None,
            router,
            checkpointer,
            writers: HashMap::new(),
            alive: HashMap::from([(ActorId::Router, 1), (ActorId::Checkpointer, 1)]),
        }
    }

    pub fn born(&mut self, actor: ActorId) {
        *self.alive.entry(actor).or_default() += 1;
    }

    pub fn died(&mut self, actor: &ActorId) {
        if let Some(count) = self.alive.get_mut(actor) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        self.alive.remove(actor);
        match actor {
            ActorId::Reader => self.reader = None,
            ActorId::ShardWriter(lane) => {
                self.writers.remove(lane);
            }
            ActorId::Router | ActorId::Checkpointer => (),
        }
    }

    /// The Router has told the lane's writer to stop; it may want another.
    pub fn retired(&mut self, lane: &Arc<Lane>) {
        self.writers.remove(lane);
    }

    pub fn is_alive(&self, actor: &ActorId) -> bool {
        self.alive.contains_key(actor)
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
