//! Hand-made events for tests: a log whose offsets, lengths and checksums are right unless a test spoils
//! them.

use bytes::Bytes;

use crate::event::{FLAG_ARTIFICIAL, MAGIC};

/// A growing binlog file; every event begins where the last one ended.
#[derive(Debug, Clone)]
pub struct Log {
    pub offset: u64,
    pub has_checksums: bool,
    pub server_id: u32,
    pub timestamp: u32,
    pub bytes: Vec<u8>,
}

pub const UUID: [u8; 16] = [
    0x1b, 0x8f, 0x86, 0xdd, 0xe7, 0x09, 0x11, 0xf1, 0xa8, 0x54, 2, 0xfc, 0, 0, 0, 1,
];

impl Log {
    pub fn new() -> Self {
        Self {
            offset: 4,
            has_checksums: true,
            server_id: 1,
            timestamp: 1_700_000_000,
            bytes: MAGIC.to_vec(),
        }
    }

    pub fn without_checksums() -> Self {
        Self {
            has_checksums: false,
            ..Self::new()
        }
    }

    /// An event in the file.
    pub fn event(&mut self, code: u8, body: &[u8]) -> Bytes {
        let trailer = if self.has_checksums || code == 15 {
            4
        } else {
            0
        };
        self.offset += (19 + body.len() + trailer) as u64;
        let next = (self.offset & 0xffff_ffff) as u32;
        let event = frame(self, code, 0, next, body, trailer > 0);
        self.bytes.extend_from_slice(&event);
        event
    }

    /// An event of the dump thread, in no file.
    pub fn artificial(&self, code: u8, next: u32, body: &[u8]) -> Bytes {
        frame(self, code, FLAG_ARTIFICIAL, next, body, self.has_checksums)
    }

    /// Header and body as they stand inside a payload.
    pub fn inner(&self, code: u8, body: &[u8]) -> Bytes {
        frame(self, code, 0, 0, body, false)
    }

    pub fn format_description(&mut self) -> Bytes {
        let body = format_description("8.4.0", u8::from(self.has_checksums));
        self.event(15, &body)
    }

    pub fn gtid(&mut self, number: u64) -> Bytes {
        self.event(33, &gtid_body(number, 1_700_000_000_123_456))
    }

    pub fn begin(&mut self) -> Bytes {
        self.query("", "BEGIN")
    }

    pub fn query(&mut self, database: &str, text: &str) -> Bytes {
        self.event(2, &query_body(database, text))
    }

    pub fn table_map(&mut self, id: u64, database: &str, table: &str) -> Bytes {
        self.event(19, &table_map_body(id, database, table, 3))
    }

    pub fn inserts(&mut self, id: u64, values: &[i32]) -> Bytes {
        self.event(30, &insert_body(id, values))
    }

    pub fn xid(&mut self) -> Bytes {
        self.event(16, &7u64.to_le_bytes())
    }
}

fn frame(log: &Log, code: u8, flags: u16, next: u32, body: &[u8], has_checksum: bool) -> Bytes {
    let mut event = log.timestamp.to_le_bytes().to_vec();
    event.push(code);
    event.extend_from_slice(&log.server_id.to_le_bytes());
    let bytes = 19 + body.len() + if has_checksum { 4 } else { 0 };
    event.extend_from_slice(&(bytes as u32).to_le_bytes());
    event.extend_from_slice(&next.to_le_bytes());
    event.extend_from_slice(&flags.to_le_bytes());
    event.extend_from_slice(body);
    if has_checksum {
        event.extend_from_slice(&crc32fast::hash(&event).to_le_bytes());
    }
    Bytes::from(event)
}

/// The body of a FORMAT_DESCRIPTION up to and with the algorithm.
pub fn format_description(version: &str, algorithm: u8) -> Vec<u8> {
    let mut body = 4u16.to_le_bytes().to_vec();
    let mut field = [0; 50];
    field[..version.len()].copy_from_slice(version.as_bytes());
    body.extend_from_slice(&field);
    body.extend_from_slice(&[0; 4]);
    body.push(19);
    let mut lengths = [0; 42];
    lengths[1] = 13; // QUERY
    lengths[3] = 8; // ROTATE
    lengths[18] = 8; // TABLE_MAP
    lengths[29] = 10; // rows v2
    lengths[30] = 10;
    lengths[31] = 10;
    body.extend_from_slice(&lengths);
    body.push(algorithm);
    body
}

pub fn gtid_body(number: u64, commit_us: u64) -> Vec<u8> {
    // Rows only.
    let mut body = vec![0];
    body.extend_from_slice(&UUID);
    body.extend_from_slice(&number.to_le_bytes());
    body.push(2);
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&commit_us.to_le_bytes()[..7]);
    body.push(100); // transaction length
    body.extend_from_slice(&80400u32.to_le_bytes());
    body
}

pub fn query_body(database: &str, text: &str) -> Vec<u8> {
    // Q_FLAGS2, Q_SQL_MODE, Q_CHARSET: utf8mb4 (255).
    let mut variables = vec![0, 0, 0, 0, 0, 1];
    variables.extend_from_slice(&0u64.to_le_bytes());
    variables.extend_from_slice(&[4, 255, 0, 255, 0, 255, 0]);
    query_body_with(database, text.as_bytes(), &variables)
}

pub fn query_body_with(database: &str, text: &[u8], variables: &[u8]) -> Vec<u8> {
    let mut body = vec![9, 0, 0, 0, 0, 0, 0, 0, database.len() as u8, 0, 0];
    body.extend_from_slice(&(variables.len() as u16).to_le_bytes());
    body.extend_from_slice(variables);
    body.extend_from_slice(database.as_bytes());
    body.push(0);
    body.extend_from_slice(text);
    body
}

fn table_map_head(id: u64, database: &str, table: &str) -> Vec<u8> {
    let mut body = id.to_le_bytes()[..6].to_vec();
    body.extend_from_slice(&[1, 0]);
    for name in [database, table] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.push(0);
    }
    body
}

/// A table of one NOT NULL column, named `id`, of the type with this code: 3 is INT, signed.
pub fn table_map_body(id: u64, database: &str, table: &str, column_type: u8) -> Vec<u8> {
    let mut body = table_map_head(id, database, table);
    // One column, its type, no metadata, not nullable.
    body.extend_from_slice(&[1, column_type, 0, 0]);
    // SIGNEDNESS (1), COLUMN_NAME (4), SIMPLE_PRIMARY_KEY (8).
    body.extend_from_slice(&[1, 1, 0, 4, 3, 2, b'i', b'd', 8, 1, 0]);
    body
}

/// The same with so many columns.
pub fn wide_table_map_body(id: u64, database: &str, table: &str, columns: usize) -> Vec<u8> {
    let mut body = table_map_head(id, database, table);
    let bits = vec![0; columns.div_ceil(8)];
    body.extend(lenenc(columns as u64));
    body.extend(vec![3; columns]);
    body.push(0);
    body.extend_from_slice(&bits);
    let mut names = Vec::new();
    for column in 0..columns {
        let name = format!("column_{column}");
        names.push(name.len() as u8);
        names.extend_from_slice(name.as_bytes());
    }
    for (field, value) in [(1, bits), (4, names)] {
        body.push(field);
        body.extend(lenenc(value.len() as u64));
        body.extend(value);
    }
    body
}

pub fn insert_body(id: u64, values: &[i32]) -> Vec<u8> {
    let mut body = id.to_le_bytes()[..6].to_vec();
    // STMT_END, no extra data, one column, present.
    body.extend_from_slice(&[1, 0, 2, 0, 1, 0xff]);
    for value in values {
        body.push(0xfe);
        body.extend_from_slice(&value.to_le_bytes());
    }
    body
}

pub fn rotate_body(file: &str, offset: u64) -> Vec<u8> {
    let mut body = offset.to_le_bytes().to_vec();
    body.extend_from_slice(file.as_bytes());
    body
}

pub fn lenenc(value: u64) -> Vec<u8> {
    match u16::try_from(value) {
        Ok(small) if small < 251 => vec![small as u8],
        Ok(small) => [&[0xfc][..], &small.to_le_bytes()].concat(),
        Err(_) => [&[0xfe][..], &value.to_le_bytes()].concat(),
    }
}

/// A TRANSACTION_PAYLOAD body that announces `announced` bytes.
pub fn payload_body(compression: u8, compressed: &[u8], announced: u64) -> Vec<u8> {
    let mut body = Vec::new();
    let compression = lenenc(u64::from(compression));
    let fields = [
        (2, compression),
        (3, lenenc(announced)),
        (1, lenenc(compressed.len() as u64)),
    ];
    for (field, value) in fields {
        body.push(field);
        body.push(value.len() as u8);
        body.extend_from_slice(&value);
    }
    body.push(0);
    body.extend_from_slice(compressed);
    body
}
