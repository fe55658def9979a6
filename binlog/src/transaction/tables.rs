//! The table maps in force. The server repeats a table's map in every statement, byte for byte, so the
//! same bytes under the same id give the same shared `Table` without being parsed again. A map that
//! cannot be parsed fails only when rows of a table that is wanted need it.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    Error,
    cursor::Cursor,
    event::{EventKind, Framing},
    schema::{Table, TableName},
    table_map::{self, Dialect},
};

/// Above this many, maps are forgotten between two statements.
const TABLES_MAX: usize = 1024;

pub type Wanted = Box<dyn Fn(&TableName) -> bool + Send>;

pub(super) struct Entry {
    body: Bytes,
    pub table: Result<Arc<Table>, Error>,
    pub is_wanted: bool,
    /// Indexes of the columns whose values MariaDB has compressed.
    pub compressed_columns: Vec<usize>,
}

pub(super) struct Tables {
    entries: HashMap<u64, Entry>,
    wanted: Wanted,
}

impl fmt::Debug for Tables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tables")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Tables {
    pub fn new() -> Self {
        Self {
            entries: HashMap::new(),
            wanted: Box::new(|_| true),
        }
    }

    pub fn set_wanted(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        self.entries.clear();
    }

    /// Takes a TABLE_MAP body.
    pub fn add(&mut self, body: &[u8], framing: &Framing) -> Result<(), Error> {
        let mut cursor = Cursor::new("table map", body);
        let table_id = cursor.uint(framing.table_id_bytes(EventKind::TableMap))?;
        if self
            .entries
            .get(&table_id)
            .is_some_and(|entry| entry.body == body)
        {
            return Ok(());
        }
        let name = name(&mut cursor)?;
        let is_wanted = (self.wanted)(&name);
        let dialect = if framing.is_mariadb() {
            Dialect::MariaDb
        } else {
            Dialect::MySql
        };
        let post_header_bytes = framing.post_header_bytes_or(EventKind::TableMap, 8);
        let table =
            table_map::parse_as(dialect, body, post_header_bytes).map(|(_, table)| Arc::new(table));
        let compressed_columns = match dialect {
            Dialect::MariaDb => table_map::compressed_columns(body, post_header_bytes)?,
            Dialect::MySql => Vec::new(),
        };
        let entry = Entry {
            compressed_columns,
            body: Bytes::copy_from_slice(body),
            table,
            is_wanted,
        };
        self.entries.insert(table_id, entry);
        Ok(())
    }

    pub fn get(&self, table_id: u64) -> Result<&Entry, Error> {
        self.entries.get(&table_id).ok_or_else(|| {
            Error::malformed(
                "rows event",
                format_args!("no table map with id {table_id} before it"),
            )
        })
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// At the end of a statement, where no map is needed any more.
    pub fn trim(&mut self) {
        if self.entries.len() > TABLES_MAX {
            self.entries.clear();
        }
    }
}

/// The name behind the id, which every version of the event has in the same place.
fn name(cursor: &mut Cursor<'_>) -> Result<TableName, Error> {
    cursor.u16()?;
    let mut name = || {
        let length = cursor.lenenc()?;
        let length = cursor.length(length)?;
        let name = cursor.take(length)?;
        cursor.u8()?;
        std::str::from_utf8(name)
            .map(str::to_owned)
            .map_err(|_| cursor.malformed("name is not UTF-8"))
    };
    Ok(TableName {
        database: name()?,
        table: name()?,
    })
}
