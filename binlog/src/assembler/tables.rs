//! The table maps in force. The server repeats a table's map in every statement, byte for byte, so the
//! same bytes under the same id give the same shared `Table` without being parsed again. A map that
//! cannot be parsed fails only when rows of a table that is wanted need it. One without names
//! becomes a question, until it is answered or a list that was right at its place is known. Of a table that is not
//! wanted a map is read up to its name, and parsed when its rows are to be counted.
//!
//! Bounds: what was parsed is forgotten above a few MiB, since it can be parsed again from the map; maps are
//! forgotten between two statements. The maps of one statement must be kept: above a limit they are an error.

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

/// Above this many, or so many bytes of them, maps are forgotten between two statements.
const TABLES_MAX: usize = 1024;
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Maps of one statement; a single one may be larger.
const STATEMENT_BYTES_MAX: usize = 16 << 20;
/// Tables parsed from maps.
const PARSED_BYTES_MAX: usize = 4 << 20;
/// What is kept of a map beside its bytes.
const ENTRY_BYTES: usize = 256;

pub type Wanted = Box<dyn Fn(&TableName) -> bool + Send>;

pub(super) struct Entry {
    pub map: Arc<TableMap>,
    name: TableName,
    /// `None` until its rows need it, and again when it has been forgotten.
    parsed: Option<Parsed>,
    pub is_wanted: bool,
    is_unnamed: bool,
}

/// What a map says.
#[derive(Clone)]
pub(super) struct Parsed {
    pub table: Result<Arc<Table>, Error>,
    /// Indexes of the columns whose values MariaDB has compressed.
    pub compressed_columns: Arc<[usize]>,
    bytes: usize,
}

pub(super) struct Tables {
    entries: HashMap<u64, Entry>,
    /// Of all maps.
    bytes: usize,
    /// Of all that was parsed from them.
    parsed_bytes: usize,
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
            bytes: 0,
            parsed_bytes: 0,
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
        self.forget(table_id);
        let bytes = ENTRY_BYTES + body.len();
        if !self.entries.is_empty() && STATEMENT_BYTES_MAX < self.bytes + bytes {
            return Err(Error::Refused(format!(
                "one statement changes {} tables, and what describes them takes more than {} MiB",
                self.entries.len() + 1,
                STATEMENT_BYTES_MAX >> 20
            )));
        }
        let mut entry = Entry {
            is_wanted: (self.wanted)(&name),
            name,
            map: Arc::new(TableMap {
                body: Bytes::copy_from_slice(body),
                dialect: framing.dialect(),
                post_header_bytes: framing.post_header_bytes_or(EventKind::TableMap, 8),
                answer: None,
            }),
            parsed: None,
            is_unnamed: false,
        };
        if entry.is_wanted {
            self.prepare(&mut entry, table_id, at);
        }
        self.bytes += bytes;
        self.parsed_bytes += entry.parsed_bytes();
        self.entries.insert(table_id, entry);
        if PARSED_BYTES_MAX < self.parsed_bytes {
            self.forget_parsed(table_id);
        }
        Ok(())
    }

    /// Parses the map of a table that is wanted, and asks for its columns where it has no names.
    fn prepare(&mut self, entry: &mut Entry, table_id: u64, at: Position) {
        let parsed = entry.parsed();
        entry.is_unnamed = matches!(parsed.table, Err(Error::NoColumnNames { .. }));
        if entry.is_unnamed && self.asks {
            match self.known.find(&entry.name, &at) {
                Some(list) => entry.answer(Answer::Listed(list)),
                None => self.asked = Some(Asked { table_id, at }),
            }
        }
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
        self.parsed_bytes -= entry.parsed_bytes();
        entry.answer(answer.clone());
        let fits = entry.parsed().table.is_ok();
        self.parsed_bytes += entry.parsed_bytes();
        if let (true, Answer::Listed(list)) = (fits, answer) {
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
        let is_over = |entry: &Entry| entry.is_unnamed && may_change(class, &entry.name);
        let entries = self.entries.iter();
        let over: Vec<u64> = entries
            .filter(|(_, entry)| is_over(entry))
            .map(|(id, _)| *id)
            .collect();
        for table_id in over {
            self.forget(table_id);
        }
    }

    /// The map of that id, and what it says.
    pub fn get(&mut self, table_id: u64) -> Result<(&Entry, Parsed), Error> {
        let entry = self.entries.get_mut(&table_id).ok_or_else(|| {
            Error::malformed(
                "rows event",
                format_args!("no table map with id {table_id} before it"),
            )
        })?;
        self.parsed_bytes -= entry.parsed_bytes();
        let parsed = entry.parsed();
        self.parsed_bytes += entry.parsed_bytes();
        if PARSED_BYTES_MAX < self.parsed_bytes {
            self.forget_parsed(table_id);
        }
        let map = self.entries.get(&table_id);
        map.map(|entry| (entry, parsed))
            .ok_or_else(|| Error::malformed("rows event", "its table map is gone"))
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        (self.bytes, self.parsed_bytes) = (0, 0);
    }

    /// At the end of a statement, where no map is needed any more.
    pub fn trim(&mut self) {
        if self.entries.len() > TABLES_MAX || self.bytes > KEPT_BYTES_MAX {
            self.clear();
        }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> (usize, usize) {
        (self.bytes, self.parsed_bytes)
    }

    fn forget(&mut self, table_id: u64) {
        if let Some(entry) = self.entries.remove(&table_id) {
            self.bytes -= ENTRY_BYTES + entry.map.body.len();
            self.parsed_bytes -= entry.parsed_bytes();
        }
    }

    /// What was parsed from other maps.
    fn forget_parsed(&mut self, kept: u64) {
        for (table_id, entry) in &mut self.entries {
            if *table_id != kept {
                self.parsed_bytes -= entry.parsed_bytes();
                entry.parsed = None;
            }
        }
    }
}

impl Entry {
    /// What the map says, parsed if it is not.
    fn parsed(&mut self) -> Parsed {
        let map = &self.map;
        let parsed = self.parsed.get_or_insert_with(|| Parsed::of(map));
        parsed.clone()
    }

    fn answer(&mut self, answer: Answer) {
        self.map = Arc::new(TableMap {
            answer: Some(answer),
            ..TableMap::clone(&self.map)
        });
        self.parsed = None;
    }

    fn parsed_bytes(&self) -> usize {
        self.parsed.as_ref().map_or(0, |parsed| parsed.bytes)
    }
}

impl Parsed {
    fn of(map: &TableMap) -> Self {
        let compressed_columns = match map.dialect {
            Dialect::MariaDb => table_map::compressed_columns(&map.body, map.post_header_bytes),
            Dialect::MySql => Ok(Vec::new()),
        };
        let table = map.table().map(Arc::new);
        let (table, compressed_columns) = match compressed_columns {
            Ok(columns) => (table, columns),
            Err(error) => (Err(error), Vec::new()),
        };
        Self {
            bytes: table.as_ref().map_or(0, |table| table.bytes()),
            table,
            compressed_columns: compressed_columns.into(),
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
