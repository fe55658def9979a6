//! A real MySQL server as a source: what comes is byte for byte what stands in its log, and each way in
//! which a server cannot be read ends in a sentence that says so.
//!
//! Each test has servers of its own. What the events mean is tested elsewhere.

#[path = "mysql/log.rs"]
mod log;
#[path = "mysql/logins.rs"]
mod logins;
#[path = "mysql/refusals.rs"]
mod refusals;
#[path = "mysql/resuming.rs"]
mod resuming;
#[path = "mysql/snapshots/mod.rs"]
mod snapshots;
#[path = "mysql/streaming.rs"]
mod streaming;
