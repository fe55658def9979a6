//! Rows per second that one core turns from the binary protocol into row images, and the same with their keys read:
//! an orders table with and without a document. `cargo bench -p headwater-binlog --bench images`
//!
//! Time is the thread's own, without what others take of a shared core, where the system tells it (Linux).

use std::{fs, hint::black_box, sync::LazyLock, time::Instant};

use headwater_binlog::{
    Error,
    columns::ListedColumn,
    event::Dialect,
    rows::{ColumnSet, Image},
    schema::TableName,
    snapshot::{KeyReader, RowWriter, table_map},
};

const ROWS: u32 = 1_000;
const ROUNDS: u32 = 2_000;

fn main() -> Result<(), Error> {
    for (what, has_document) in [("10 columns", false), ("11 columns with JSON", true)] {
        let map = table_map(&name(), &columns(has_document), &[0], Dialect::MySql)?;
        let table = map.table()?;
        let rows: Vec<Vec<u8>> = (0..ROWS).map(|row| sent(row, has_document)).collect();
        let mut writer = RowWriter::new(&table);
        let reader = KeyReader::new(&table, &[0])?;
        let present = ColumnSet::all(table.columns.len());
        let null_bytes = table.columns.len().div_ceil(8);
        let (mut images, mut key) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let start = seconds();
        for _ in 0..ROUNDS {
            images.clear();
            for row in &rows {
                writer.write(black_box(row), &mut images)?;
            }
            bytes += black_box(&images).len();
        }
        report(&format!("{what}: image"), start, bytes);
        let start = seconds();
        for _ in 0..ROUNDS {
            images.clear();
            for row in &rows {
                let begin = images.len();
                writer.write(black_box(row), &mut images)?;
                let (nulls, values) = images
                    .get(begin..)
                    .and_then(|image| image.split_at_checked(null_bytes))
                    .unwrap_or_default();
                let image = Image {
                    table: &table,
                    present: &present,
                    has_all: true,
                    nulls,
                    values,
                };
                key.clear();
                black_box(reader.read(&image, &mut key)?);
            }
        }
        report(&format!("{what}: image and key"), start, bytes);
    }
    Ok(())
}

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds on a processor.
fn seconds() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran = told.split(' ').next().and_then(|ran| ran.parse().ok());
    ran.map_or_else(|| BEGIN.elapsed().as_secs_f64(), |ran: f64| ran / 1e9)
}

fn report(what: &str, start: f64, bytes: usize) {
    let rows = f64::from(ROWS * ROUNDS);
    let seconds = seconds() - start;
    println!(
        "{what}: {:.0} rows/s, {:.0} ns a row, {:.0} bytes an image",
        rows / seconds,
        seconds / rows * 1e9,
        bytes as f64 / rows
    );
}

fn name() -> TableName {
    TableName {
        database: "shop".into(),
        table: "orders".into(),
    }
}

fn columns(has_document: bool) -> Vec<ListedColumn> {
    let mut columns = vec![
        ("id", "bigint unsigned", None),
        ("customer_id", "int", None),
        ("status", "enum('new','paid','shipped')", Some(28)),
        ("price", "decimal(10,2)", None),
        ("currency", "char(3)", Some(12)),
        ("email", "varchar(255)", Some(1020)),
        ("note", "text", Some(65535)),
        ("quantity", "smallint", None),
        ("created_at", "datetime(6)", None),
        ("updated_at", "timestamp(3)", None),
    ];
    if has_document {
        columns.push(("attributes", "json", None));
    }
    let column = |(name, column_type, octets): (&str, &str, Option<u64>)| ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets,
        charset: octets.map(|_| "utf8mb4".into()),
        nullable: name != "id",
        visible: true,
    };
    columns.into_iter().map(column).collect()
}

fn sent(row: u32, has_document: bool) -> Vec<u8> {
    let mut sent = vec![0, 0, 0];
    let text = |text: &str, sent: &mut Vec<u8>| {
        sent.push(text.len() as u8);
        sent.extend(text.as_bytes());
    };
    sent.extend((1_000_000 + u64::from(row)).to_le_bytes());
    sent.extend((70_000 + row * 31).to_le_bytes());
    sent.extend((1 + u64::from(row) % 3).to_le_bytes());
    text(&format!("{}.95", row % 10_000), &mut sent);
    text("EUR", &mut sent);
    text(&format!("customer.{row}@example.com"), &mut sent);
    text(
        "leave at the door, ring twice; the dog is friendly",
        &mut sent,
    );
    sent.extend((row as u16 % 9).to_le_bytes());
    sent.extend(b"\x0b\xe8\x07\x02\x1d\x0c\x22\x38\x40\xe2\x01\x00");
    sent.extend(b"\x0b\xe9\x07\x05\x03\x04\x05\x06\xc0\xd4\x01\x00");
    if has_document {
        let document = r#"{"k": 1, "tags": ["new", "gift"], "parcel": {"id": 70001, "open": false}, "weight": 1.25}"#;
        text(document, &mut sent);
    }
    sent
}
