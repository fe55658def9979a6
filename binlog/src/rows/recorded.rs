//! Table maps and rows as MariaDB 10.11 logged them, byte for byte.

use bytes::Bytes;

use crate::{
    charset::Charset,
    event::Dialect,
    rows::{self, Cell, RowsBlock},
    schema::{ColumnKind, Table},
    table_map,
    transaction::Transaction,
    value::{self, Value},
};

/// Every type; a geometry column in the middle of the character columns.
const TYPES: &str = "\
    12000000000001000473686f700005747970657300230801010209030405f6100d0a131312121111fe0ffe0ffcfcfefe\
    fcfffefefe0f03030324040814050501000600030006fe0a2c01fe0814000202f701f8010404fe10fe10fe041400feff\
    ffff070102a840020b3f000801080408062e0b080701010461026964027469027475027369026d690169016601640264\
    65016201790264610274300274360364743003647433027473037473360163017602626902766202747802626c016501\
    73016a0167017502693602693402766c03696e760276630270630a010805070301780179017a06070301610162016308\
    0100\
";

/// INT, three VARCHAR COMPRESSED of which the last is binary, TEXT, BLOB, TINYTEXT COMPRESSED, INT.
const COMPRESSED: &str = "\
    16000000000001000473686f700004636f6d700008038d8d8d8c8c8c03092d0115002d01020201fe010100020508023f\
    043f0414026964017602767302766201740162027474016e080100\
";

/// Three rows of it: long values; empty ones and NULLs; short ones and REPEAT('t', 200).
const ROWS: &str = "\
    160000000000010008ff00010000000c008a010e4b4c4a4e1c45300400060073686f7274080089c8aba8181e00002600\
    8a1770edc4310d00000803302b9823e15882ff0f11bcedd1e9646b6cdbb66ddbb66ddbf6e30317008a0bb8edc1310100\
    0000c2a0f54f6d0d0fa00000807703050074696e79050000002402000000000000000000000600000000030000000200\
    00780200790200007a02000077020000710889c82b29191e000007000000\
";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn table(hex: &str) -> Table {
    table_map::parse_as(Dialect::MariaDb, &bytes(hex), 8)
        .expect("a table map")
        .1
}

#[test]
fn a_geometry_column_of_mariadb_does_not_shift_the_character_sets_behind_it() {
    let table = table(TYPES);
    assert_eq!(table.columns.len(), 35);
    let kind = |name: &str| {
        let column = table.columns.iter().find(|column| column.name == name);
        &column.expect("a column").kind
    };
    assert_eq!(*kind("g"), ColumnKind::Geometry { length_bytes: 4 });
    for (name, pad_to) in [("u", 16), ("i6", 16), ("i4", 4), ("bi", 8)] {
        let binary = ColumnKind::Binary {
            length_bytes: 1,
            pad_to,
        };
        assert_eq!(*kind(name), binary, "{name}");
    }
    let text = |length_bytes, charset| ColumnKind::Text {
        length_bytes,
        charset,
    };
    assert_eq!(*kind("vl"), text(1, Charset::Latin1));
    assert_eq!(*kind("v"), text(2, Charset::Latin1));
    let json = ColumnKind::LongText {
        length_bytes: 4,
        charset: Charset::Utf8,
    };
    assert_eq!(*kind("j"), json);
    assert_eq!(*kind("tu"), ColumnKind::TinyInt { unsigned: true });
    assert_eq!(*kind("si"), ColumnKind::SmallInt { unsigned: false });
    assert_eq!(*kind("t6"), ColumnKind::Time { fsp: 6 });
    assert_eq!(table.primary_key, [0]);
}

fn block() -> RowsBlock {
    let event = rows::parse(23, bytes(ROWS).into(), 8).expect("a rows event");
    RowsBlock {
        transaction: Transaction {
            gtid: None,
            file: crate::position::FileName::parse("binlog.000001").expect("a name"),
            offset: 4,
            server_id: 7,
            commit_us: 0,
            thread_id: None,
            end: std::sync::OnceLock::new(),
            snapshot: None,
        }
        .into(),
        table: table(COMPRESSED).into(),
        map: None,
        kind: event.kind,
        event_offset: 4453,
        first_row: 0,
        row_count: 3,
        before: event.before,
        after: event.after,
        images: event.images,
        query: None,
    }
}

fn lengths(block: &RowsBlock) -> Vec<Vec<Option<usize>>> {
    let mut rows = Vec::new();
    for row in block.rows() {
        let image = row.expect("a row").1.after.expect("an image");
        let cell = |(column, cell): (&crate::schema::Column, _)| match cell {
            Ok(Cell::Bytes(bytes)) => match value::read(&column.kind, bytes).expect("a value") {
                Value::Text { bytes, .. } | Value::Binary { bytes, .. } => Some(bytes.len()),
                _ => Some(0),
            },
            Ok(Cell::Null | Cell::Absent) => None,
            Err(error) => panic!("{error}"),
        };
        rows.push(
            image
                .table
                .columns
                .iter()
                .zip(image.cells())
                .map(cell)
                .collect(),
        );
    }
    rows
}

#[test]
fn compressed_columns_of_mariadb_are_unpacked_in_place() {
    let columns = table_map::compressed_columns(&bytes(COMPRESSED), 8).expect("a table map");
    assert_eq!(columns, [1, 2, 3, 4, 5, 6]);
    let mut block = block();
    block.expand_columns(&columns, 1 << 20).expect("rows");
    let some = |lengths: [usize; 8]| lengths.map(Some).to_vec();
    assert_eq!(
        lengths(&block),
        [
            some([0, 270, 5, 200, 6000, 3000, 4, 0]),
            vec![
                Some(0),
                Some(0),
                None,
                Some(0),
                Some(0),
                None,
                Some(0),
                Some(0)
            ],
            some([0, 1, 1, 1, 1, 1, 200, 0]),
        ]
    );
    assert_eq!(block.count_rows(), Ok(3));
}

#[test]
fn unpacked_columns_stay_within_the_limit_together() {
    let columns = [1, 2, 3, 4, 5, 6];
    assert!(block().expand_columns(&columns, 6_400).is_err());
    let mut cut = block();
    cut.images = Bytes::copy_from_slice(&cut.images[..60]);
    assert!(cut.expand_columns(&columns, 1 << 20).is_err());
}
