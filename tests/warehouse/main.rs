//! From a real MySQL by the built program into a warehouse, over the whole road.

mod auditing;
mod comparing;
mod failover;
mod generating;
mod lake;
mod merging;
mod model;
mod random;
mod returning;
mod road;
mod syntax;
mod types;
mod vanished;
mod world;
