//! What really happened, read from the binlog files by another decoder than the product's.
//!
//! mysql_common walks the events; each row change gets the id that Headwater must give it: the GTID (or
//! `server_uuid:file:offset` of the transaction) and its index among all rows and DDLs of the transaction.
//! Read it when nobody writes any more: an event that is only half in the file is not tolerated.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use mysql_common::binlog::{
    BinlogFileHeader, EventStreamReader,
    consts::BinlogVersion,
    events::{Event, EventData, GtidEvent, RowsEventData},
};

use crate::mysql::MySql;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Update,
    Delete,
}

impl Kind {
    /// The `type` of a native line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One row change.
#[derive(Debug, Clone)]
pub struct Change {
    /// `gtid/n`, or `server_uuid:file:offset/n`.
    pub id: String,
    /// With its database, e.g. `shop.orders`.
    pub table: Arc<str>,
    pub kind: Kind,
    pub file: Arc<str>,
    /// Of the transaction's first event.
    pub offset: u64,
}

/// All row changes of user tables, in commit order.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub changes: Vec<Change>,
}

impl Facts {
    /// Everything in the binlog of `server`, which must be running.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub async fn of(server: &MySql) -> anyhow::Result<Self> {
        let uuid = server.query_value("SELECT @@server_uuid").await?;
        Self::read(&server.binlog_files()?, &uuid)
    }

    /// Everything in these files, oldest first; `server_uuid` is for transactions without a GTID.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(files: &[PathBuf], server_uuid: &str) -> anyhow::Result<Self> {
        let mut walk = Walk {
            server_uuid,
            ..Walk::default()
        };
        for file in files {
            walk.read_file(file)
                .with_context(|| format!("read {}", file.display()))?;
        }
        Ok(Self {
            changes: walk.changes,
        })
    }

    /// Only the transactions that begin at this position or behind it.
    #[must_use]
    pub fn since(mut self, file: &str, offset: u64) -> Self {
        let start = (number(file), offset);
        self.changes
            .retain(|change| (number(&change.file), change.offset) >= start);
        self
    }

    /// Only these tables, e.g. `shop.orders`.
    #[must_use]
    pub fn of_tables(mut self, tables: &[&str]) -> Self {
        self.changes
            .retain(|change| tables.contains(&&*change.table));
        self
    }

    /// Changes of each table.
    pub fn tables(&self) -> BTreeMap<&str, u64> {
        let mut tables = BTreeMap::new();
        for change in &self.changes {
            *tables.entry(&*change.table).or_default() += 1;
        }
        tables
    }
}

fn number(file: &str) -> u64 {
    file.rsplit('.')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[derive(Debug, Default)]
struct Walk<'a> {
    server_uuid: &'a str,
    changes: Vec<Change>,
    tables: BTreeMap<String, Arc<str>>,
    file: Arc<str>,
    transaction: Transaction,
}

#[derive(Debug, Default)]
struct Transaction {
    name: String,
    offset: u64,
    next: u64,
}

impl Walk<'_> {
    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut input = BufReader::with_capacity(1 << 20, File::open(path).context("open it")?);
        BinlogFileHeader::read(input.by_ref()).context("read its header")?;
        self.file = path
            .file_name()
            .context("it has no name")?
            .to_string_lossy()
            .into();
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);
        let mut offset = BinlogFileHeader::LEN as u64;
        while let Some(event) = reader
            .read(&mut input)
            .with_context(|| format!("read the event at {offset}"))?
        {
            self.take(&mut reader, &event, offset)
                .with_context(|| format!("read the event at {offset}"))?;
            offset += u64::from(event.header().event_size());
        }
        Ok(())
    }

    fn take(
        &mut self,
        reader: &mut EventStreamReader,
        event: &Event,
        offset: u64,
    ) -> anyhow::Result<()> {
        match event.read_data()? {
            Some(EventData::GtidEvent(gtid)) => self.begin(gtid_text(&gtid), offset),
            Some(EventData::AnonymousGtidEvent(_)) => {
                self.begin(
                    format!("{}:{}:{offset}", self.server_uuid, self.file),
                    offset,
                );
            }
            Some(EventData::QueryEvent(query)) if !is_transaction_control(&query.query()) => {
                self.transaction.next += 1;
            }
            Some(EventData::RowsEvent(rows)) => self.take_rows(reader, &rows)?,
            Some(EventData::TransactionPayloadEvent(payload)) => {
                let mut inner = payload.decompressed()?;
                while let Some(event) = reader.read_decompressed(&mut inner)? {
                    self.take(reader, &event, offset)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, name: String, offset: u64) {
        self.transaction = Transaction {
            name,
            offset,
            next: 0,
        };
    }

    fn take_rows(
        &mut self,
        reader: &EventStreamReader,
        rows: &RowsEventData<'_>,
    ) -> anyhow::Result<()> {
        let map = reader
            .get_tme(rows.table_id())
            .context("its table map is missing")?;
        let table = format!("{}.{}", map.database_name(), map.table_name());
        let is_system = ["mysql", "sys", "performance_schema"].contains(&&*map.database_name());
        let table = self
            .tables
            .entry(table)
            .or_insert_with_key(|table| table.as_str().into())
            .clone();
        let kind = match rows {
            RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_) => Kind::Insert,
            RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_) => Kind::Delete,
            _ => Kind::Update,
        };
        ensure!(
            !self.transaction.name.is_empty(),
            "rows outside a transaction"
        );
        for row in rows.rows(map) {
            row.context("decode a row")?;
            let id = format!("{}/{}", self.transaction.name, self.transaction.next);
            self.transaction.next += 1;
            if !is_system {
                let (file, offset) = (Arc::clone(&self.file), self.transaction.offset);
                self.changes.push(Change {
                    id,
                    table: Arc::clone(&table),
                    kind,
                    file,
                    offset,
                });
            }
        }
        Ok(())
    }
}

fn is_transaction_control(statement: &str) -> bool {
    let first = statement
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_uppercase();
    ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "XA"].contains(&first.as_str())
}

fn gtid_text(gtid: &GtidEvent) -> String {
    let mut uuid = String::with_capacity(36);
    for (index, byte) in gtid.sid().iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            uuid.push('-');
        }
        uuid.push_str(&format!("{byte:02x}"));
    }
    match gtid.tag() {
        Some(tag) => format!("{uuid}:{tag}:{}", gtid.gno()),
        None => format!("{uuid}:{}", gtid.gno()),
    }
}
