//! What is asked of a server: a table's columns into a table map, a row of a SELECT into a row image. What is
//! written must be readable.

use headwater_binlog::{
    columns::ListedColumn,
    event::Dialect,
    json,
    rows::{Cell, ColumnSet, Image},
    schema::TableName,
    snapshot::{self, KeyReader, RowWriter},
    table_map,
    value::{self, Value},
};

/// The first byte says which server; then a line per column: name, type, octets, character set.
pub fn column_list(input: &[u8]) -> usize {
    let Some((first, text)) = input.split_first() else {
        return 0;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return 0;
    };
    let dialect = match first % 2 {
        0 => Dialect::MySql,
        _ => Dialect::MariaDb,
    };
    let column = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let name = fields.next().unwrap_or_default();
        ListedColumn {
            nullable: name.len() % 2 == 0,
            visible: name.len() % 3 > 0,
            name,
            column_type: fields.next().unwrap_or_default(),
            octets: fields.next().and_then(|octets| octets.parse().ok()),
            charset: fields.next().filter(|charset| !charset.is_empty()),
        }
    };
    let columns: Vec<ListedColumn> = text.split('\n').map(column).collect();
    let name = TableName {
        database: "shop".into(),
        table: columns[0].name.chars().take(20).collect(),
    };
    let Ok(map) = snapshot::table_map(&name, &columns, &[columns.len() / 2], dialect) else {
        return 0;
    };
    let table = map.table().expect("what was written can be read");
    assert_eq!(table.name, name);
    assert_eq!(table.columns.len(), columns.len());
    for (read, listed) in table.columns.iter().zip(&columns) {
        assert_eq!((&read.name, read.nullable), (&listed.name, listed.nullable));
        assert!(snapshot::selected(listed, dialect).contains('`'));
    }
    table.columns.len()
}

/// Two bytes of length and a table map of that length, then a row of the binary protocol.
pub fn selected_row(input: &[u8]) -> usize {
    let Some((length, rest)) = input.split_first_chunk() else {
        return 0;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (map, row) = rest.split_at(length);
    let Ok((_, table)) = table_map::parse(map, 8) else {
        return 0;
    };
    let mut images = vec![7];
    if RowWriter::new(&table).write(row, &mut images).is_err() {
        assert_eq!(images, [7], "an error leaves nothing");
        return 0;
    }
    let columns = table.columns.len();
    let (nulls, values) = images[1..].split_at(columns.div_ceil(8));
    let present = ColumnSet::all(columns);
    let image = Image {
        table: &table,
        present: &present,
        has_all: present.is_all(),
        nulls,
        values,
    };
    let mut out = Vec::new();
    for (column, cell) in table.columns.iter().zip(image.cells()) {
        let Cell::Bytes(bytes) = cell.expect("what was written holds together") else {
            continue;
        };
        let value = value::read(&column.kind, bytes).expect("what was written is a value");
        if let Value::Json(document) = value {
            json::write(document, &mut out).expect("what was written is a document");
        }
    }
    if let Ok(reader) = KeyReader::new(&table, &[columns / 2]) {
        let mut key = Vec::new();
        let is_there = reader.read(&image, &mut key).expect("an image");
        assert_eq!(snapshot::split(&key).count(), usize::from(is_there));
    }
    columns + images.len() / 8
}
