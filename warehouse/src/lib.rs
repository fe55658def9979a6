//! Tables of MySQL in, the SQL of a warehouse out: the tables there, and the merge that keeps them equal to MySQL.
//!
//! The same tables give the same bytes. What a warehouse does with its own means (types, how a value is taken out of a
//! line) is in one place, [`dialect`]; everything else is the same text for all of them, so a merge that is run on
//! PostgreSQL is the one that Redshift runs. No I/O, no clock: who reads MySQL, writes files or asks a warehouse is
//! outside.

pub mod audit;
pub mod canon;
pub mod dialect;
pub mod diff;
pub mod generate;
pub mod incoming;
pub mod manifest;
pub mod names;
pub mod stored;
pub mod table;

#[cfg(test)]
mod fixture;
