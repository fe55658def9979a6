//! Where records go: adapters behind `headwater_actors::ports::sink`.
