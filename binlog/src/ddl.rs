//! A statement's class and the names it touches, by tokens; never interpreted.
//!
//! Which statements there are, and where names stand in them, is data (`statements`); `parser` follows it.
//! Names stand as the statement writes them, unless the server compares them without case ([`NameCase`]); an
//! unqualified one belongs to the default database. What cannot be read is `Unknown`, at which the log cannot
//! be followed: a statement is never passed over for not being understood. Tables that a query only reads are
//! not named.

mod parser;
mod statements;

use crate::{
    event::Dialect,
    position::SeqPlace,
    schema::{NameCase, TableName},
    tokens::Tokens,
};

/// What a statement means for order and for the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementClass {
    /// On tables, views and databases: an event, and a fence of what it names.
    Published(Subject),
    /// Accounts, privileges, routines, triggers, events, maintenance, temporary tables: neither event nor fence.
    Unpublished,
    /// Changes rows by a statement, where a log of rows should have them.
    Dml {
        /// Its leading keyword.
        verb: &'static str,
        /// The one table that it changes; none where its text does not say that it is one.
        table: Option<TableName>,
    },
    /// Not recognised.
    Unknown,
}

/// What a statement that is published is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Tables {
        action: Action,
        /// At least one, each once, in the order of the statement.
        tables: Vec<TableName>,
    },
    Database {
        action: Action,
        database: String,
    },
}

impl Subject {
    pub fn action(&self) -> Action {
        match self {
            Self::Tables { action, .. } | Self::Database { action, .. } => *action,
        }
    }
}

/// What a table, view or database statement does, for formats that tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    CreateTable,
    /// Also RENAME TABLE and statements about indexes.
    AlterTable,
    DropTable,
    /// All rows of the table are gone.
    TruncateTable,
    CreateDatabase,
    AlterDatabase,
    DropDatabase,
    /// Creates, changes or drops a view.
    View,
    /// Creates, changes or drops a sequence of MariaDB, which is a table of one row.
    Sequence,
    /// No statement: a snapshot of the table begins behind it.
    SnapshotBegin,
    /// No statement: a snapshot of the table is complete.
    SnapshotEnd {
        /// So many were sent.
        rows: u64,
        /// Each row of the table has a line at or behind this place: a change, or a row of the snapshot. `None` when a
        /// condition chose the rows.
        begun: Option<SeqPlace>,
    },
}

/// By what a statement's text is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    pub default_database: &'a str,
    /// Decides about `"` and `\`.
    pub sql_mode: u64,
    pub dialect: Dialect,
    pub case: NameCase,
}

pub fn classify(text: &str, context: &Context<'_>) -> StatementClass {
    let mut class = parser::class_of(text, context).unwrap_or(StatementClass::Unknown);
    if let StatementClass::Dml {
        table: Some(table), ..
    } = &class
        && empties_memory_table(text, table)
    {
        class = StatementClass::Published(Subject::Tables {
            action: Action::TruncateTable,
            tables: vec![table.clone()],
        });
    }
    class
}

/// The first words of a statement, for messages: keywords, if it is one that a server runs.
pub(crate) fn head(text: &str, context: &Context<'_>) -> String {
    const WORDS: usize = 2;
    let mut tokens = Tokens::new(text, context.sql_mode, context.dialect);
    let words = std::iter::from_fn(|| tokens.keyword());
    words.take(WORDS).collect::<Vec<_>>().join(" ")
}

/// Servers before MySQL 8.0 and MariaDB 10.5 log so, also in a log of rows, that a MEMORY table is empty since
/// they were started; they do not escape names. Later ones say TRUNCATE.
fn empties_memory_table(text: &str, table: &TableName) -> bool {
    text == format!("DELETE FROM `{}`.`{}`", table.database, table.table)
}

#[cfg(test)]
mod tests;
