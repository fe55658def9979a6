//! A table as the binary log describes it: names, column kinds, primary key. Built once per table map
//! and shared by `Arc`; never changed in place. The text of the log is all there is: no schema history.

mod case;
mod extent;

use std::sync::Arc;

pub use case::NameCase;
pub(crate) use extent::{Extent, fraction_bytes};

use crate::charset::Charset;

/// `database`.`table`, as the server stores the names. Without a table it is the database itself: the
/// lane of a database statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    pub database: String,
    pub table: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.table.is_empty() {
            return formatter.write_str(&self.database);
        }
        write!(formatter, "{}.{}", self.database, self.table)
    }
}

#[derive(Debug, PartialEq)]
pub struct Table {
    pub name: TableName,
    pub columns: Vec<Column>,
    /// Indexes into `columns`, in key order; empty without a primary key.
    pub primary_key: Vec<usize>,
    /// One per column: what a walk over an image asks of each, without a jump by its type.
    pub(crate) extents: Box<[Extent]>,
    bytes: usize,
}

impl Table {
    pub fn new(name: TableName, columns: Vec<Column>, primary_key: Vec<usize>) -> Self {
        let extents = columns.iter().map(|column| Extent::of(&column.kind));
        Self {
            extents: extents.collect(),
            bytes: size_of::<Self>() + columns.iter().map(column_bytes).sum::<usize>(),
            name,
            columns,
            primary_key,
        }
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn column_bytes(column: &Column) -> usize {
    let label = |label: &String| size_of::<String>() + label.len() + ALLOCATION_BYTES;
    let labels = match &column.kind {
        ColumnKind::Enum { labels, .. } | ColumnKind::Set { labels, .. } => {
            labels.iter().map(label).sum()
        }
        _ => 0,
    };
    let fixed = size_of::<Column>() + size_of::<Extent>() + ALLOCATION_BYTES;
    fixed + column.name.len() + labels
}

/// What the allocator adds to a small piece.
const ALLOCATION_BYTES: usize = 16;

#[derive(Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub nullable: bool,
    /// False for INVISIBLE columns, which `SELECT *` leaves out; they are data all the same.
    pub visible: bool,
}

impl Column {
    /// A hidden column that holds a functional index's values: servers before 8.0.21 log it, no
    /// `SELECT` can show it, so it is no part of a row.
    pub fn is_functional_index(&self) -> bool {
        self.name.starts_with("!hidden!")
    }
}

/// What a column's bytes mean: the type of the table map with its metadata resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    TinyInt {
        unsigned: bool,
    },
    SmallInt {
        unsigned: bool,
    },
    MediumInt {
        unsigned: bool,
    },
    Int {
        unsigned: bool,
    },
    BigInt {
        unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// `bits` 1..=64.
    Bit {
        bits: u8,
    },
    Year,
    Date,
    /// The pre-5.6 forms have no fraction.
    OldTime,
    OldDateTime,
    OldTimestamp,
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    /// CHAR, VARCHAR; `length_bytes` of the length prefix: 1 or 2.
    Text {
        length_bytes: u8,
        charset: Charset,
    },
    /// TINYTEXT .. LONGTEXT: `length_bytes` 1..=4.
    LongText {
        length_bytes: u8,
        charset: Charset,
    },
    /// BINARY is padded with 0x00 to `pad_to`; 0 for VARBINARY.
    Binary {
        length_bytes: u8,
        pad_to: u32,
    },
    Blob {
        length_bytes: u8,
    },
    /// `bytes` 1 or 2 on the wire; labels already UTF-8.
    Enum {
        bytes: u8,
        labels: Arc<[String]>,
    },
    /// `bytes` 1..=8 on the wire.
    Set {
        bytes: u8,
        labels: Arc<[String]>,
    },
    Json {
        length_bytes: u8,
    },
    Geometry {
        length_bytes: u8,
    },
    Vector {
        length_bytes: u8,
    },
}
