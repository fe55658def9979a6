//! End to end: a real MySQL, a real Kinesis API, the built binary.
//!
//! What the stream holds is judged against the binlog as another decoder reads it. Every test has its own
//! servers; nothing sleeps: waits probe for what they wait for.

mod commands;
mod crashes;
mod delivery;
mod failover;
mod first_load;
mod formats;
mod high_availability;
mod lanes;
mod mariadb;
mod observing;
mod other_sinks;
mod oversize;
mod packing;
mod refusals;
mod refusals_source;
mod replay;
mod routes;
mod shape;
mod sink_faults;
mod source_faults;
mod stopping;
mod traffic;
mod unnamed;
mod world;
mod xa;
