//! Places in a binary log.

use std::sync::Arc;

/// A binlog file's name with its parts: `mysql-bin.000123` has base `mysql-bin` and number 123.
/// Ordered by number, never as text: 1,000,000 follows 999,999.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileName {
    pub name: Arc<str>,
    pub number: u64,
}

/// A point between two events: `offset` bytes into `file`. Prints and parses as `FILE:OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    pub file: FileName,
    pub offset: u64,
}
