//! MySQL's binary log: bytes in, typed changes out.
//!
//! Promise: on any bytes, every function here returns a value or a typed [`Error`]; none panics, none
//! allocates more than a constant times its input, none skips what it does not understand.
//! The hot path borrows: a [`rows::RowsBlock`] keeps the event's bytes, walking it yields
//! [`value::Value`]s that point into them, and no tree is built in between.
//! Not here: files, sockets, clocks, threads.

pub mod assembler;
pub mod charset;
pub mod columns;
mod compressed;
mod cursor;
pub mod ddl;
pub mod decimal;
mod error;
pub mod event;
pub mod file;
pub mod fingerprint;
#[cfg(test)]
mod fixture;
pub mod gtid;
pub mod json;
pub mod offset;
pub mod outcome;
pub mod payload;
pub mod position;
pub mod query;
pub mod rows;
mod savepoints;
pub mod schema;
pub mod snapshot;
pub mod table_map;
pub mod time;
mod tokens;
pub mod transaction;
pub mod value;
pub mod xa;

pub use error::{Error, OTHER_LOG_HINT, Refusal, RefusedStatement};
