//! Rows per second that one core decodes and writes as native events, nested and flat: an orders table of 12
//! columns, from row images to lines. `cargo bench --bench encode`
//!
//! Not here: the checksum, the table map, the pipeline around it.

use std::{hint::black_box, sync::Arc, time::Instant};

use headwater::encode::native::{LineLayout, NativeEncoder, NativePlan};
use headwater_actors::ports::encoder::{Encoder, RowEvent};
use headwater_binlog::{
    Error,
    charset::Charset,
    gtid::{Gtid, GtidSource, Uuid},
    position::FileName,
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::{Column, ColumnKind, Table, TableName},
    transaction::Transaction,
};

const ROWS_PER_BLOCK: u32 = 40; // about 8 KiB, the size at which MySQL cuts rows events
const ROUNDS: u32 = 50_000;
const UUID: Uuid = Uuid([0x1b; 16]);

fn main() -> Result<(), Error> {
    use {LineLayout::*, RowsKind::*};
    for (kind, layout) in [
        (Insert, Nested),
        (Insert, Flat),
        (Update, Nested),
        (Update, Flat),
    ] {
        let block = block(kind);
        let plan = NativePlan {
            layout,
            ..NativePlan::default()
        };
        let encoder = NativeEncoder::new(UUID).with_fields(&plan);
        let mut encoder = encoder.plan(&block.table);
        let mut lines = Vec::new();
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let start = Instant::now();
        for _ in 0..ROUNDS {
            lines.clear();
            encoder.block(black_box(&block), 1);
            for row in block.rows() {
                let (_, row) = row?;
                let event = RowEvent {
                    block: &block,
                    row,
                    n: rows & 0xff_ffff,
                    last: false,
                };
                encoder.row(&event, &mut lines)?;
                lines.push(b'\n');
                rows += 1;
            }
            bytes += black_box(&lines).len() as u64;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{kind:?}, {layout:?}: {:.0} rows/s, {:.0} MB/s, {} bytes a line",
            rows as f64 / seconds,
            bytes as f64 / seconds / 1e6,
            bytes / rows
        );
    }
    Ok(())
}

fn block(kind: RowsKind) -> RowsBlock {
    let table = Arc::new(orders());
    let columns = ColumnSet::all(table.columns.len());
    let mut images = Vec::new();
    for row in 0..ROWS_PER_BLOCK {
        if kind == RowsKind::Update {
            push_image(row, 1, &mut images);
        }
        push_image(row, 2, &mut images);
    }
    RowsBlock {
        transaction: Arc::new(Transaction {
            gtid: Some(Gtid::new(
                GtidSource {
                    uuid: UUID,
                    tag: "".into(),
                },
                207,
            )),
            file: FileName {
                name: "binlog.000001".into(),
                number: 1,
            },
            offset: 2401,
            server_id: 1,
            commit_us: 1_795_416_214_123_456,
            thread_id: None,
            end: Default::default(),
            snapshot: None,
        }),
        table,
        map: None,
        kind,
        event_offset: 2597,
        first_row: 0,
        row_count: ROWS_PER_BLOCK,
        before: columns.clone(),
        after: columns,
        images: images.into(),
        query: None,
    }
}

fn orders() -> Table {
    let text = |length_bytes| ColumnKind::Text {
        length_bytes,
        charset: Charset::Utf8,
    };
    let columns = [
        ("id", ColumnKind::BigInt { unsigned: true }),
        ("customer_id", ColumnKind::Int { unsigned: false }),
        (
            "status",
            ColumnKind::Enum {
                bytes: 1,
                labels: ["new".into(), "paid".into(), "shipped".into()].into(),
            },
        ),
        (
            "price",
            ColumnKind::Decimal {
                precision: 10,
                scale: 2,
            },
        ),
        ("currency", text(1)),
        ("email", text(2)),
        (
            "note",
            ColumnKind::LongText {
                length_bytes: 2,
                charset: Charset::Utf8,
            },
        ),
        ("quantity", ColumnKind::SmallInt { unsigned: false }),
        ("is_gift", ColumnKind::TinyInt { unsigned: false }),
        ("created_at", ColumnKind::DateTime { fsp: 6 }),
        ("updated_at", ColumnKind::Timestamp { fsp: 3 }),
        ("attributes", ColumnKind::Json { length_bytes: 4 }),
    ];
    let name = TableName {
        database: "shop".into(),
        table: "orders".into(),
    };
    let columns = columns.into_iter().map(|(name, kind)| Column {
        name: name.into(),
        kind,
        nullable: false,
        visible: true,
    });
    Table::new(name, columns.collect(), vec![0])
}

fn push_image(row: u32, version: u8, images: &mut Vec<u8>) {
    let email = format!("customer.{row}@example.com");
    let note = "leave at the door, ring twice; the dog is friendly";
    images.extend([0, 0]);
    images.extend((1_000_000 + u64::from(row)).to_le_bytes());
    images.extend((70_000 + row * 31).to_le_bytes());
    images.push(version);
    images.extend([0x80, 0, 0, (row % 100) as u8, 95]);
    images.extend(b"\x03EUR");
    images.extend((email.len() as u16).to_le_bytes());
    images.extend(email.as_bytes());
    images.extend((note.len() as u16).to_le_bytes());
    images.extend(note.as_bytes());
    images.extend((row as u16 % 9).to_le_bytes());
    images.push((row % 2) as u8);
    images.extend([0x99, 0xb2, 0x86, 0x41, 0x05, 0x01, 0xe2, 0x40]);
    images.extend([0x65, 0xbd, 0xbb, 0xb2, version, 0xce]);
    let document = b"\0\x01\0\x0c\0\x0b\0\x01\0\x05\x01\0k"; // {"k": 1}
    images.extend((document.len() as u32).to_le_bytes());
    images.extend(document);
}
