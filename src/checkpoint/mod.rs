//! Where the checkpoint is kept: adapters behind `headwater_actors::ports::store`.
