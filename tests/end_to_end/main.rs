//! End to end: a real MySQL, a real Kinesis API, the built binary.
//!
//! What the stream holds is judged against the binlog as another decoder reads it. Every test has its own
//! servers; nothing sleeps: waits probe for what they wait for.

mod broken_actors;
mod commands;
mod copies;
mod crashes;
mod delivery;
mod disk;
mod drains;
mod failover;
mod first_load;
mod first_minute;
mod formats;
mod heartbeats;
mod high_availability;
mod histories;
mod kept_at_aws;
mod keys;
mod kills;
mod lanes;
mod letters;
mod logins;
mod logs;
mod mariadb;
mod names;
mod network;
mod observing;
mod other_sinks;
mod oversize;
mod packing;
mod parking;
mod passwords;
mod refusals;
mod refusals_source;
mod remains;
mod replay;
mod reshard;
mod roles;
mod routes;
mod same_server_id;
mod shape;
mod sink_faults;
mod sink_network;
mod slow_sink;
mod snapshots;
mod source_faults;
mod source_limits;
mod standby;
mod statements;
mod stopping;
mod traffic;
mod unnamed;
mod verify;
mod world;
mod xa;
