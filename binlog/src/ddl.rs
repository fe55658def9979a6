//! A statement's class and the names it touches, by tokens; never interpreted.

use crate::schema::TableName;

/// What a statement means for order and for the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementClass {
    /// Table and view statements: events and fences of the tables they name.
    Table { truncate: bool, tables: Vec<TableName> },
    /// CREATE, ALTER, DROP DATABASE: an event, a fence of that database's tables.
    Database { database: String },
    /// Accounts, privileges, routines, triggers, events, maintenance: neither event nor fence.
    Unpublished,
    /// Not recognised: fences every lane.
    Unknown,
}
