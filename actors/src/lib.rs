//! The pipeline: actors that carry changes from a source to a sink, in order, with nothing lost.
//!
//! Reader → Router → ShardWriters → sink port; barriers go back to the Router and on to the
//! Checkpointer; the Supervisor starts, watches, restarts and drains all of them. Every decision about
//! correctness stands in a pure twin (no clock, no random, no I/O inside); an actor moves messages and
//! performs effects. Invariants: no actor opens a socket or a file; nothing blocks its mailbox on
//! something that reaches it by mailbox; what bounds a mailbox travels in its messages.
//! Not here: MySQL, AWS, files, settings. They stand behind [`ports`].

#[cfg(test)]
extern crate self as headwater_actors;

pub mod backoff;
pub mod budget;
pub mod changes;
pub mod checkpoint;
pub mod checkpointer;
pub mod clock;
mod detached;
pub mod failure;
pub mod fault;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod lane;
pub mod messages;
pub mod metrics;
pub mod on_error;
pub mod pace;
pub mod packing;
pub mod ports;
pub mod printable;
pub mod progress;
pub mod reader;
pub mod reading;
pub mod router;
pub mod selection;
pub mod snapshot;
pub mod status;
pub mod supervisor;
pub mod watch;
pub mod writer;
