//! Which tables a stretch of log has touched: read ahead of the stream, by statements only.
//!
//! Of each table the last statement is kept, which answers the one question that matters: was there any after
//! this place? Rows are passed over unread, compressed transactions too: a statement that ends a table's life
//! commits by itself and is never inside one.

use std::collections::HashMap;

use super::{is_same, is_same_table};
use crate::{
    Error, compressed,
    cursor::Cursor,
    ddl::{Action, Context, StatementClass, Subject, classify},
    event::{EventHeader, EventKind, Framing, MAGIC},
    position::{FileName, Position},
    query::Query,
    schema::TableName,
};

/// Above this many tables, all count as touched.
const TABLES_MAX: usize = 100_000;
/// Of a compressed one.
const STATEMENT_BYTES_MAX: usize = 1 << 30;

/// A statement, by the places where its event begins and ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub at: Position,
    pub end: Position,
}

/// A stretch of log, from `from` up to what has been taken.
#[derive(Debug)]
pub struct Ahead {
    from: Position,
    reached: Position,
    framing: Framing,
    tables: HashMap<TableName, Change>,
    databases: HashMap<String, Change>,
    all: Option<Change>,
}

impl Ahead {
    /// Nothing has been taken yet; the first events are those from `from` on.
    pub fn new(from: Position) -> Self {
        Self {
            reached: from.clone(),
            from,
            framing: Framing::default(),
            tables: HashMap::new(),
            databases: HashMap::new(),
            all: None,
        }
    }

    /// Whether `at` lies in the stretch.
    pub fn has(&self, at: &Position) -> bool {
        self.from <= *at && *at <= self.reached
    }

    /// Where the next event begins.
    pub fn reached(&self) -> &Position {
        &self.reached
    }

    /// Takes one whole event; after a new connection those of the log's own come again.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let framing = self.framing.clone();
        let event = framing.event(bytes)?;
        let header = event.header;
        if header.kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
        }
        let at = self.count(&header);
        match header.kind {
            EventKind::Rotate => {
                let mut cursor = Cursor::new("ROTATE event", event.body);
                let offset = cursor.u64()?;
                let file = FileName::from_bytes(cursor.rest())?;
                self.reached = Position::new(file, offset);
            }
            EventKind::Query | EventKind::MariaQueryCompressed => {
                let query =
                    Query::parse(event.body, self.framing.post_header_bytes(EventKind::Query))?;
                let expanded;
                let query = if header.kind == EventKind::Query {
                    query
                } else {
                    expanded = compressed::record(query.statement, STATEMENT_BYTES_MAX)?;
                    Query {
                        statement: &expanded,
                        ..query
                    }
                };
                if query.control().is_none() {
                    let context = Context {
                        default_database: query.default_database,
                        sql_mode: query.sql_mode,
                        dialect: self.framing.dialect(),
                        ..Context::default()
                    };
                    let class = match query.text() {
                        Ok(text) => classify(&text, &context),
                        Err(_) => StatementClass::Unknown,
                    };
                    let end = self.reached.clone();
                    self.note(class, Change { at, end });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the head of an event whose body is passed over: a large compressed transaction.
    pub fn take_head(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.count(&EventHeader::parse(bytes)?);
        Ok(())
    }

    /// The last statement behind `after` that may have changed the table's columns.
    pub fn last_change(&self, table: &TableName, after: &Position) -> Option<&Change> {
        let of_table = self
            .tables
            .iter()
            .filter(|(touched, _)| is_same_table(touched, table));
        let of_database = self
            .databases
            .iter()
            .filter(|(database, _)| is_same(database, &table.database));
        let mut last: Option<&Change> = None;
        let changes = of_table
            .map(|(_, change)| change)
            .chain(of_database.map(|(_, change)| change))
            .chain(&self.all);
        for change in changes.filter(|change| change.at > *after) {
            if last.is_none_or(|last| change.at > last.at) {
                last = Some(change);
            }
        }
        last
    }

    /// Moves behind the event; where it began.
    fn count(&mut self, header: &EventHeader) -> Position {
        let is_head_again = header.kind == EventKind::FormatDescription
            && self.reached.offset != MAGIC.len() as u64;
        let mut at = self.reached.clone();
        if header.is_in_file() && !is_head_again {
            let end = at.offset.saturating_add(u64::from(header.bytes));
            let end = header.next_offset.at_or_after(end).unwrap_or(end);
            at.offset = end.saturating_sub(u64::from(header.bytes));
            self.reached.offset = end;
        }
        at
    }

    fn note(&mut self, class: StatementClass, change: Change) {
        match class {
            StatementClass::Published(Subject::Tables {
                action: Action::TruncateTable,
                ..
            })
            | StatementClass::Unpublished
            | StatementClass::Dml { .. } => {}
            StatementClass::Published(Subject::Tables { tables, .. }) => {
                for table in tables {
                    self.tables.insert(table, change.clone());
                }
            }
            StatementClass::Published(Subject::Database { database, .. }) => {
                self.databases.insert(database, change.clone());
            }
            StatementClass::Unknown => self.all = Some(change.clone()),
        }
        if self.tables.len() + self.databases.len() > TABLES_MAX {
            self.tables.clear();
            self.databases.clear();
            self.all = Some(change);
        }
    }
}
