//! One generation: the addresses of its actors. Who of them is alive is the twin's to know.

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
        }
    }

    /// Nothing of it is left.
    pub fn forget(&mut self, actor: &ActorId) {
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
