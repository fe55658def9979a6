//! The table maps in force. The server repeats a table's map in every statement, byte for byte, so the
//! same bytes under the same id give the same shared `Table` without being parsed again. A map that
//! cannot be parsed fails only when rows of a table that is wanted need it. One without names
//! becomes a question, until it is answered or a list that was right at its place is known.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    Error,
    columns::{Answer, Known, KnownColumns, may_change},
    cursor::Cursor,
    ddl::StatementClass,
    event::{Dialect, EventKind, Framing},
    position::Position,
    schema::{Table, TableName},
    table_map::{self, TableMap},
};

/// Above this many, maps are forgotten between two statements.
const TABLES_MAX: usize = 1024;

pub type Wanted = Box<dyn Fn(&TableName) -> bool + Send>;

pub(super) struct Entry {
    pub map: Arc<TableMap>,
    name: TableName,
    pub table: Result<Arc<Table>, Error>,
    pub is_wanted: bool,
    is_unnamed: bool,
    /// Indexes of the columns whose values MariaDB has compressed.
    pub compressed_columns: Vec<usize>,
}

pub(super) struct Tables {
    entries: HashMap<u64, Entry>,
    wanted: Wanted,
    pub known: KnownColumns,
    /// Whether somebody answers.
    asks: bool,
    asked: Option<Asked>,
}

/// The table map in hand has no names, and no list is known.
struct Asked {
    table_id: u64,
    at: Position,
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
    /// With the lists of columns that are known, where somebody answers for the others.
    pub fn new(columns: Option<&[Known]>) -> Self {
        Self {
            entries: HashMap::new(),
            wanted: Box::new(|_| true),
            known: columns.map(KnownColumns::new).unwrap_or_default(),
            asks: columns.is_some(),
            asked: None,
        }
    }

    pub fn wants(&self, table: &TableName) -> bool {
        (self.wanted)(table)
    }

    /// The maps in force stay: rows may follow that need them.
    pub fn set_wanted(&mut self, wanted: Wanted) {
        for entry in self.entries.values_mut() {
            entry.is_wanted = wanted(&entry.name);
        }
        self.wanted = wanted;
    }

    /// Takes a TABLE_MAP body; the event, or its payload event, begins at `at`.
    pub fn add(&mut self, body: &[u8], framing: &Framing, at: Position) -> Result<(), Error> {
        let mut cursor = Cursor::new("table map", body);
        let table_id = cursor.uint(framing.table_id_bytes(EventKind::TableMap))?;
        if self
            .entries
            .get(&table_id)
            .is_some_and(|entry| entry.map.body == body)
        {
            return Ok(());
        }
        let name = name(&mut cursor)?;
        let is_wanted = (self.wanted)(&name);
        let dialect = framing.dialect();
        let post_header_bytes = framing.post_header_bytes_or(EventKind::TableMap, 8);
        let mut map = TableMap {
            body: Bytes::copy_from_slice(body),
            dialect,
            post_header_bytes,
            answer: None,
        };
        let mut table = map.table();
        let is_unnamed = matches!(table, Err(Error::NoColumnNames { .. }));
        if is_unnamed && is_wanted && self.asks {
            match self.known.find(&name, &at) {
                Some(list) => {
                    map.answer = Some(Answer::Listed(list));
                    table = map.table();
                }
                None => self.asked = Some(Asked { table_id, at }),
            }
        }
        let compressed_columns = match dialect {
            Dialect::MariaDb => table_map::compressed_columns(body, post_header_bytes)?,
            Dialect::MySql => Vec::new(),
        };
        let entry = Entry {
            compressed_columns,
            map: Arc::new(map),
            name,
            table: table.map(Arc::new),
            is_wanted,
            is_unnamed,
        };
        self.entries.insert(table_id, entry);
        Ok(())
    }

    /// The table of which the columns are asked for, and the place of its map.
    pub fn asked(&self) -> Option<(&TableName, &Position)> {
        let asked = self.asked.as_ref()?;
        let entry = self.entries.get(&asked.table_id)?;
        Some((&entry.name, &asked.at))
    }

    /// A list that does not fit fails when rows need it, and is not kept.
    pub fn learn(&mut self, answer: Answer) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&asked.table_id) else {
            return;
        };
        let map = TableMap {
            answer: Some(answer.clone()),
            ..TableMap::clone(&entry.map)
        };
        entry.table = map.table().map(Arc::new);
        entry.map = Arc::new(map);
        if let (Ok(_), Answer::Listed(list)) = (&entry.table, answer) {
            self.known.add(Known {
                table: entry.name.clone(),
                since: asked.at,
                until: None,
                list,
            });
        }
    }

    /// Nobody has answered: the table stays without names.
    pub fn leave_unanswered(&mut self) {
        self.asked = None;
    }

    /// A statement at `at`: the columns that it may have changed are asked for again.
    pub fn touched(&mut self, class: &StatementClass, at: &Position) {
        self.known.end(class, at);
        self.entries
            .retain(|_, entry| !(entry.is_unnamed && may_change(class, &entry.name)));
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
