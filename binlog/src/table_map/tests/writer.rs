//! A written table map reads as the columns that it was made of.

use super::*;
use crate::columns::ListedColumn;

fn listed(name: &str, column_type: &str, octets: Option<u64>, charset: &str) -> ListedColumn {
    ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets,
        charset: (!charset.is_empty()).then(|| charset.into()),
        nullable: name.starts_with('n'),
        visible: !name.starts_with('h'),
    }
}

fn name() -> TableName {
    TableName {
        database: "shop".into(),
        table: "or.ders é".into(),
    }
}

fn columns() -> Vec<ListedColumn> {
    vec![
        listed("id", "bigint unsigned", None, ""),
        listed("n tiny", "tinyint(1)", None, ""),
        listed("hidden", "mediumint unsigned", None, ""),
        listed("made", "year", None, ""),
        listed("f", "float(7,2) unsigned", None, ""),
        listed("d", "double", None, ""),
        listed("n price", "decimal(65,30)", None, ""),
        listed("long", "char(255)", Some(1020), "utf8mb4"),
        listed("hash", "binary(255)", Some(255), ""),
        listed("note", "varchar(300)", Some(600), "gbk"),
        listed("n body", "mediumtext", Some(16_777_215), "latin1"),
        listed("blob", "longblob", Some(4_294_967_295), ""),
        listed("state", "enum('new','ä','it''s')", Some(4), "latin1"),
        listed("flags", "set('a','日','c')", Some(9), "utf8"),
        listed("raw", "enum('x')", Some(1), ""),
        listed("bits", "bit(11)", None, ""),
        listed("n all bits", "bit(64)", None, ""),
        listed("day", "date", None, ""),
        listed("t", "time(6)", None, ""),
        listed("dt", "datetime(3)", None, ""),
        listed("ts", "timestamp", None, ""),
        listed("place", "geomcollection", None, ""),
    ]
}

fn kinds(table: &Table) -> Vec<ColumnKind> {
    let columns = table.columns.iter();
    columns.map(|column| column.kind.clone()).collect()
}

#[test]
fn every_type_reads_as_it_was_listed() {
    let mut columns = columns();
    columns.push(listed("doc", "json", None, ""));
    columns.push(listed("v", "vector(3)", Some(12), ""));
    columns.push(listed("after", "varchar(5)", Some(15), "utf8mb3"));
    let map = from_list(&name(), &columns, &[7, 0], Dialect::MySql).unwrap();
    let table = map.table().unwrap();
    assert_eq!(table.name, name());
    assert_eq!(table.primary_key, [7, 0]);
    for (read, listed) in table.columns.iter().zip(&columns) {
        assert_eq!(
            (&read.name, read.nullable, read.visible),
            (&listed.name, listed.nullable, listed.visible)
        );
    }
    let text = |length_bytes, name: &str| ColumnKind::Text {
        length_bytes,
        charset: Charset::of_collation(collation(name)),
    };
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let expected = [
        ColumnKind::BigInt { unsigned: true },
        ColumnKind::TinyInt { unsigned: false },
        ColumnKind::MediumInt { unsigned: true },
        ColumnKind::Year,
        ColumnKind::Float,
        ColumnKind::Double,
        ColumnKind::Decimal {
            precision: 65,
            scale: 30,
        },
        text(2, "utf8mb4"),
        ColumnKind::Binary {
            length_bytes: 1,
            pad_to: 255,
        },
        text(2, "gbk"),
        ColumnKind::LongText {
            length_bytes: 3,
            charset: Charset::Latin1,
        },
        ColumnKind::Blob { length_bytes: 4 },
        ColumnKind::Enum {
            bytes: 1,
            labels: labels(&["new", "ä", "it's"]),
        },
        ColumnKind::Set {
            bytes: 1,
            labels: labels(&["a", "日", "c"]),
        },
        ColumnKind::Enum {
            bytes: 1,
            labels: labels(&["x"]),
        },
        ColumnKind::Bit { bits: 11 },
        ColumnKind::Bit { bits: 64 },
        ColumnKind::Date,
        ColumnKind::Time { fsp: 6 },
        ColumnKind::DateTime { fsp: 3 },
        ColumnKind::Timestamp { fsp: 0 },
        ColumnKind::Geometry { length_bytes: 4 },
        ColumnKind::Json { length_bytes: 4 },
        ColumnKind::Vector { length_bytes: 4 },
        text(1, "utf8mb3"),
    ];
    assert_eq!(kinds(&table), expected);
}

fn collation(charset: &str) -> u64 {
    crate::charset::collation_of(charset).unwrap()
}

#[test]
fn mariadb_s_own_types_are_what_its_log_has() {
    let mut columns = columns();
    columns.push(listed("u", "uuid", None, ""));
    columns.push(listed("i", "inet6", None, ""));
    columns.push(listed(
        "packed",
        "varchar(255) /*M!100301 COMPRESSED*/",
        Some(255),
        "latin1",
    ));
    let map = from_list(&name(), &columns, &[], Dialect::MariaDb).unwrap();
    let table = map.table().unwrap();
    assert!(table.columns.iter().all(|column| column.visible));
    let binary = ColumnKind::Binary {
        length_bytes: 1,
        pad_to: 16,
    };
    let packed = ColumnKind::Text {
        length_bytes: 2,
        charset: Charset::Latin1,
    };
    assert_eq!(kinds(&table)[22..], [binary.clone(), binary, packed]);
    assert_eq!(compressed_columns(&map.body, 8), Ok(Vec::new()));
}

#[test]
fn tables_of_many_columns_and_labels_are_written_whole() {
    let labels: Vec<String> = (0..300).map(|n| format!("'label {n}'")).collect();
    let wide = format!("enum({})", labels.join(","));
    let columns: Vec<ListedColumn> = (0..1000)
        .map(|n| match n % 3 {
            0 => listed(&format!("n{n}"), "int", None, ""),
            1 => listed(&format!("h{n}"), "varchar(9)", Some(36), "utf8mb4"),
            _ => listed(&format!("e{n}"), &wide, Some(40), "utf8mb4"),
        })
        .collect();
    let map = from_list(&name(), &columns, &[999], Dialect::MySql).unwrap();
    let table = map.table().unwrap();
    assert_eq!(table.columns.len(), 1000);
    assert_eq!(table.columns[998].name, "e998");
    assert!(matches!(
        &table.columns[998].kind,
        ColumnKind::Enum { bytes: 2, labels } if labels.len() == 300
    ));
    let none = from_list(&name(), &[], &[], Dialect::MySql).unwrap();
    assert!(none.table().unwrap().columns.is_empty());
}

#[test]
fn what_cannot_be_described_is_refused_by_name() {
    for column in [
        listed("c", "hologram", None, ""),
        listed("c", "varchar(9)", Some(9), "klingon"),
        listed("c", "varchar(9)", None, "latin1"),
        listed("c", "varchar(9)", Some(70_000), "latin1"),
        listed("c", "enum('a?')", Some(9), "utf8mb4"),
    ] {
        let error = from_list(&name(), &[column], &[], Dialect::MySql).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("column `c` of table `shop.or.ders é`"),
            "{text}"
        );
    }
    assert!(from_list(&name(), &columns(), &[22], Dialect::MySql).is_err());
    for shape in ["decimal(90,2)", "bit(0)", "bit(65)", "time(7)"] {
        let column = listed("c", shape, None, "");
        assert!(
            from_list(&name(), &[column], &[], Dialect::MySql).is_err(),
            "{shape}"
        );
    }
}
