//! Table maps with every optional field, and with mysql_common as the oracle.

mod unnamed;
mod writer;

use mysql_common::{
    binlog::{
        BinlogCtx,
        consts::BinlogVersion,
        events::{FormatDescriptionEvent, OptionalMetadataField, TableMapEvent},
    },
    io::ParseBuf,
    proto::MyDeserialize,
};
use proptest::prelude::*;

use super::*;

/// A TABLE_MAP body under construction, as a server with `binlog_row_metadata=FULL` writes it.
#[derive(Default)]
pub(crate) struct Body {
    types: Vec<u8>,
    metadata: Vec<u8>,
    nullable: Vec<u8>,
    optional: Vec<u8>,
}

fn string(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8], text].concat()
}

impl Body {
    pub(crate) fn column(mut self, type_byte: u8, metadata: &[u8]) -> Self {
        self.types.push(type_byte);
        self.metadata.extend_from_slice(metadata);
        self
    }

    pub(crate) fn nullable(mut self, bits: &[u8]) -> Self {
        self.nullable = bits.to_vec();
        self
    }

    pub(crate) fn field(mut self, field: u8, value: &[u8]) -> Self {
        self.optional.push(field);
        self.optional.extend(string(value));
        self
    }

    pub(crate) fn names(self, names: &[&str]) -> Self {
        let value: Vec<u8> = names
            .iter()
            .flat_map(|name| string(name.as_bytes()))
            .collect();
        self.field(4, &value)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut nullable = self.nullable.clone();
        nullable.resize(self.types.len().div_ceil(8), 0);
        [
            &[0x2a, 0, 0, 0, 0, 0, 1, 0][..],
            &string(b"shop"),
            &[0],
            &string(b"orders"),
            &[0],
            &string(&self.types),
            &string(&self.metadata),
            &nullable,
            &self.optional,
        ]
        .concat()
    }

    pub(crate) fn parse(&self) -> Result<Table, Error> {
        parse(&self.bytes(), 8).map(|(_, table)| table)
    }

    fn kind(&self) -> ColumnKind {
        self.parse().unwrap().columns.remove(0).kind
    }
}

fn one(type_byte: u8, metadata: &[u8]) -> Body {
    Body::default().column(type_byte, metadata).names(&["c"])
}

/// Every class of column once, with all that FULL writes.
pub(super) fn full() -> Body {
    let labels = |labels: &[&str]| {
        let list: Vec<u8> = labels
            .iter()
            .flat_map(|label| string(label.as_bytes()))
            .collect();
        [vec![labels.len() as u8], list].concat()
    };
    Body::default()
        .column(8, &[]) // id bigint unsigned
        .column(13, &[]) // made year
        .column(3, &[]) // count int
        .column(15, &[0x90, 0x01]) // note varchar(100) utf8mb4
        .column(254, &[0xf7, 1]) // state enum
        .column(254, &[0xf8, 1]) // flags set
        .column(254, &[0xfe, 16]) // hash binary(16)
        .column(252, &[2]) // body text latin1
        .column(246, &[10, 2]) // price decimal(10,2)
        .column(255, &[4]) // place geometry
        .column(245, &[4]) // extra json
        .column(242, &[4]) // embedding vector
        .nullable(&[0b1111_1110, 0b1111])
        // id, made, count, price from the highest bit down; YEAR has its bit too.
        .field(1, &[0b1000_0000])
        .field(2, &[252, 255, 0, 1, 63, 2, 8])
        .field(7, &[0])
        .field(8, &[0, 2])
        .field(10, &[252, 255, 0])
        .field(5, &labels(&["red", "blue"]))
        .field(6, &labels(&["new", "a,b"]))
        .field(12, &[0b1111_1111, 0b1110_0000])
        .field(13, &[3])
        .field(200, &[1, 2, 3])
        .names(&[
            "id",
            "made",
            "count",
            "note",
            "state",
            "flags",
            "hash",
            "body",
            "price",
            "place",
            "extra",
            "embedding",
        ])
}

#[test]
fn a_full_table_map_gives_every_column_its_kind() {
    let (id, table) = parse(&full().bytes(), 8).unwrap();
    assert_eq!(id, 42);
    assert_eq!(table.name.to_string(), "shop.orders");
    assert_eq!(table.primary_key, [0, 2]);
    let kinds: Vec<&ColumnKind> = table.columns.iter().map(|column| &column.kind).collect();
    let utf8 = Charset::Utf8;
    assert_eq!(
        kinds,
        [
            &ColumnKind::BigInt { unsigned: true },
            &ColumnKind::Year,
            &ColumnKind::Int { unsigned: false },
            &ColumnKind::Text {
                length_bytes: 2,
                charset: utf8
            },
            &ColumnKind::Enum {
                bytes: 1,
                labels: ["new".into(), "a,b".into()].into()
            },
            &ColumnKind::Set {
                bytes: 1,
                labels: ["red".into(), "blue".into()].into()
            },
            &ColumnKind::Binary {
                length_bytes: 1,
                pad_to: 16
            },
            &ColumnKind::LongText {
                length_bytes: 2,
                charset: Charset::Latin1
            },
            &ColumnKind::Decimal {
                precision: 10,
                scale: 2
            },
            &ColumnKind::Geometry { length_bytes: 4 },
            &ColumnKind::Json { length_bytes: 4 },
            &ColumnKind::Vector { length_bytes: 4 },
        ]
    );
    assert!(!table.columns[0].nullable && table.columns[1].nullable && table.columns[11].nullable);
    assert!(table.columns[10].visible && !table.columns[11].visible);
}

#[test]
fn mysql_common_reads_the_same_fields() {
    let body = full().bytes();
    let fde = FormatDescriptionEvent::new(BinlogVersion::Version4);
    let event =
        TableMapEvent::deserialize(BinlogCtx::new(body.len(), &fde, 19), &mut ParseBuf(&body))
            .unwrap();
    let (id, table) = parse(&body, 8).unwrap();
    assert_eq!(
        (event.table_id(), event.table_name().into_owned()),
        (id, table.name.table.clone())
    );
    for (index, column) in table.columns.iter().enumerate() {
        assert_eq!(
            event.null_bitmask()[index],
            column.nullable,
            "{}",
            column.name
        );
    }
    let mut names = Vec::new();
    for field in event.iter_optional_meta() {
        match field {
            Ok(OptionalMetadataField::ColumnName(found)) => {
                names = found
                    .iter_names()
                    .map(|name| name.unwrap().name().into_owned())
                    .collect();
            }
            Ok(OptionalMetadataField::Signedness(bits)) => {
                assert_eq!(
                    bits.iter().map(|bit| *bit).collect::<Vec<_>>(),
                    [true, false, false, false]
                );
            }
            Ok(OptionalMetadataField::SimplePrimaryKey(key)) => {
                let key: Vec<u64> = key.iter_indexes().map(|index| index.unwrap()).collect();
                assert_eq!(key, [0, 2]);
            }
            _ => {}
        }
    }
    assert_eq!(
        names,
        table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect::<Vec<_>>()
    );
}

#[test]
fn without_column_names_the_remedy_is_given() {
    let body = Body::default().column(3, &[]).field(1, &[0]);
    let error = body.parse().unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `shop.orders` is logged without column names"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("SET PERSIST binlog_row_metadata = 'FULL'")
    );
    // 5.7 and earlier write no optional fields at all.
    assert!(matches!(
        Body::default().column(3, &[]).parse(),
        Err(Error::NoColumnNames { .. })
    ));
}

#[test]
fn a_char_above_255_bytes_has_its_length_in_the_type() {
    // CHAR(255) utf8mb4: 1,020 bytes = 0x3fc; 0xfe with bits 0x30 turned over by 0x300 >> 4.
    let long = one(254, &[0xfe ^ 0x30, 0xfc]).field(2, &[45]);
    assert_eq!(
        long.kind(),
        ColumnKind::Text {
            length_bytes: 2,
            charset: Charset::Utf8
        }
    );
    let binary = one(254, &[0xfe ^ 0x10, 0]).field(2, &[63]);
    assert_eq!(
        binary.kind(),
        ColumnKind::Binary {
            length_bytes: 2,
            pad_to: 256
        }
    );
    let short = one(254, &[0xfe, 255]).field(2, &[45]);
    assert_eq!(
        short.kind(),
        ColumnKind::Text {
            length_bytes: 1,
            charset: Charset::Utf8
        }
    );
}

#[test]
fn every_temporal_type_keeps_its_digits() {
    assert_eq!(one(19, &[3]).kind(), ColumnKind::Time { fsp: 3 });
    assert_eq!(one(18, &[6]).kind(), ColumnKind::DateTime { fsp: 6 });
    assert_eq!(one(17, &[0]).kind(), ColumnKind::Timestamp { fsp: 0 });
    assert_eq!(one(11, &[]).kind(), ColumnKind::OldTime);
    assert_eq!(one(12, &[]).kind(), ColumnKind::OldDateTime);
    assert_eq!(one(7, &[]).kind(), ColumnKind::OldTimestamp);
    assert_eq!(one(10, &[]).kind(), ColumnKind::Date);
    assert!(one(19, &[7]).parse().is_err());
}

#[test]
fn bits_and_typed_arrays_read_their_metadata() {
    assert_eq!(one(16, &[3, 1]).kind(), ColumnKind::Bit { bits: 11 });
    assert_eq!(one(16, &[0, 8]).kind(), ColumnKind::Bit { bits: 64 });
    assert!(one(16, &[0, 0]).parse().is_err());
    assert_eq!(
        one(20, &[15, 1, 2, 3]).kind(),
        ColumnKind::Json { length_bytes: 4 }
    );
    assert_eq!(one(20, &[8]).kind(), ColumnKind::Json { length_bytes: 4 });
}

#[test]
fn character_sets_may_be_listed_per_column() {
    let body = Body::default()
        .column(15, &[10, 0])
        .column(3, &[])
        .column(252, &[1])
        .field(1, &[0x80])
        .field(3, &[8, 63])
        .names(&["a", "b", "c"]);
    let table = body.parse().unwrap();
    assert_eq!(
        table.columns[0].kind,
        ColumnKind::Text {
            length_bytes: 1,
            charset: Charset::Latin1
        }
    );
    assert_eq!(table.columns[2].kind, ColumnKind::Blob { length_bytes: 1 });
}

#[test]
fn vectors_and_years_count_in_their_classes_as_9_7_writes_them() {
    // Recorded from a 9.7 server: varchar latin1, vector, varchar greek, int unsigned, year, int unsigned.
    let body = Body::default()
        .column(15, &[5, 0])
        .column(242, &[4])
        .column(15, &[5, 0])
        .column(3, &[])
        .column(13, &[])
        .column(3, &[])
        .field(1, &[0b1110_0000])
        .field(3, &[8, 63, 25])
        .field(13, &[2])
        .names(&["a", "x", "b", "n", "made", "m"]);
    let table = body.parse().unwrap();
    assert_eq!(
        table.columns[1].kind,
        ColumnKind::Vector { length_bytes: 4 }
    );
    let greek = Charset::of_collation(25);
    assert_eq!(
        table.columns[2].kind,
        ColumnKind::Text {
            length_bytes: 1,
            charset: greek
        }
    );
    assert_eq!(table.columns[4].kind, ColumnKind::Year);
    assert_eq!(table.columns[5].kind, ColumnKind::Int { unsigned: true });
}

#[test]
fn labels_are_decoded_from_their_own_character_set() {
    let body = one(254, &[0xf7, 1]);
    let latin1 = Body::default()
        .column(254, &[0xf7, 1])
        .names(&["c"])
        .field(6, &[1, 2, b'\xe9', b'!'])
        .field(11, &[8]);
    assert_eq!(
        latin1.kind(),
        ColumnKind::Enum {
            bytes: 1,
            labels: ["é!".to_string()].into()
        }
    );
    let broken = body
        .field(6, &[1, 1, 0xff])
        .field(11, &[45])
        .parse()
        .unwrap_err()
        .to_string();
    assert!(
        broken.contains("column 1 of table `shop.orders`"),
        "{broken}"
    );
}

#[test]
fn a_prefix_key_names_its_columns() {
    let body = Body::default()
        .column(3, &[])
        .column(3, &[])
        .field(1, &[0])
        .field(9, &[1, 0, 0, 10])
        .names(&["a", "b"]);
    assert_eq!(body.parse().unwrap().primary_key, [1, 0]);
    let beyond = one(3, &[])
        .field(1, &[0])
        .field(8, &[1])
        .parse()
        .unwrap_err()
        .to_string();
    assert!(beyond.contains("beyond"), "{beyond}");
}

#[test]
fn lists_that_do_not_come_out_even_are_refused() {
    assert!(one(3, &[]).parse().is_err(), "no signedness");
    assert!(
        one(3, &[]).field(1, &[0, 0]).parse().is_err(),
        "signedness too long"
    );
    assert!(one(15, &[10, 0]).parse().is_err(), "no character set");
    assert!(
        one(15, &[10, 0]).field(3, &[45, 45]).parse().is_err(),
        "too many character sets"
    );
    assert!(
        one(254, &[0xf7, 1]).field(10, &[45]).parse().is_err(),
        "no labels"
    );
    assert!(
        Body::default()
            .column(3, &[])
            .field(1, &[0])
            .names(&["a", "b"])
            .parse()
            .is_err(),
        "too many names"
    );
    assert!(
        one(3, &[9]).field(1, &[0]).parse().is_err(),
        "metadata left over"
    );
}

#[test]
fn an_unknown_type_is_refused_with_its_place() {
    let error = one(99, &[]).parse().unwrap_err().to_string();
    assert_eq!(
        error,
        "unsupported: column 1 of table `shop.orders`: column type 99"
    );
}

#[test]
fn early_5_1_table_ids_have_four_bytes() {
    let mut body = one(3, &[]).field(1, &[0]).bytes();
    body.drain(4..6);
    assert_eq!(parse(&body, 6).unwrap().0, 42);
}

proptest! {
    #[test]
    fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
        drop(parse(&bytes, 8));
    }

    #[test]
    fn broken_table_maps_never_panic(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = full().bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(parse(&bytes, 8));
        bytes.truncate(cut.index(bytes.len()));
        drop(parse(&bytes, 8));
    }
}
