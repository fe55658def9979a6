//! The program around the pipeline: settings, adapters behind the ports, command line, composition.
//!
//! Invariants: adapters do not import each other (whoever speaks to AWS may use [`aws`]); vendor types
//! stop at the adapter's own file; only [`pipeline`] knows everyone.

pub mod aws;
mod certificates;
pub mod checkpoint;
pub mod cli;
mod clock;
mod column_list;
mod durable;
pub mod encode;
pub mod exit;
pub mod lease;
pub mod mysql;
pub mod options;
pub mod password;
mod percent;
pub mod pipeline;
pub mod plan;
pub mod replay;
pub mod secret;
pub mod settings;
mod sha256;
pub mod sinks;
pub mod snapshot;
pub mod telemetry;
mod terminal;
pub mod warehouse;
