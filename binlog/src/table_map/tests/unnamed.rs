//! Table maps without names: completed by a list that fits, refused by one that does not, or numbered.

use super::*;
use crate::columns::{ColumnList, ListedColumn, Unnamed};

fn listed(name: &str, column_type: &str, octets: Option<u64>, charset: &str) -> ListedColumn {
    ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets,
        charset: (!charset.is_empty()).then(|| charset.into()),
        nullable: false,
        visible: true,
    }
}

/// `information_schema` of [`body`].
fn list() -> ColumnList {
    let mut columns = vec![
        listed("id", "bigint unsigned", None, ""),
        listed("made", "year", None, ""),
        listed("count", "int", None, ""),
        listed("note", "varchar(100)", Some(400), "utf8mb4"),
        listed(
            "state",
            r"enum('new','it''s','a\\b','l\nm')",
            Some(16),
            "utf8mb4",
        ),
        listed("flags", "set('a','ä')", Some(12), "utf8mb4"),
        listed("hash", "binary(16)", Some(16), ""),
        listed("body", "text", Some(65535), "latin1"),
        listed("price", "decimal(10,2) unsigned zerofill", None, ""),
        listed("at", "timestamp(3)", None, ""),
        listed("bits", "bit(10)", None, ""),
        listed("vector", "vector(3)", Some(12), ""),
        listed("extra", "json", None, ""),
        listed("place", "point", None, ""),
    ];
    columns[3].nullable = true;
    columns[6].visible = false;
    ColumnList {
        columns,
        primary_key: vec![2, 0],
    }
}

/// As MINIMAL writes it since 8.0.1, or as older servers do.
fn body(is_old: bool) -> Body {
    let body = Body::default()
        .column(8, &[])
        .column(13, &[])
        .column(3, &[])
        .column(15, &[0x90, 0x01])
        .column(254, &[0xf7, 1])
        .column(254, &[0xf8, 1])
        .column(254, &[0xfe, 16])
        .column(252, &[2])
        .column(246, &[10, 2])
        .column(17, &[3])
        .column(16, &[2, 1])
        .column(242, &[4])
        .column(245, &[4])
        .column(255, &[4])
        .nullable(&[0b1000, 0]);
    if is_old {
        return body;
    }
    // id and price are unsigned; note utf8mb4, hash binary, body latin1, vector binary.
    body.field(1, &[0b1001_0000]).field(3, &[45, 63, 8, 63])
}

fn parse_with(body: &Body, unnamed: Unnamed<'_>) -> Result<Table, Error> {
    super::super::parse_with(Dialect::MySql, &body.bytes(), 8, unnamed).map(|(_, table)| table)
}

#[test]
fn a_list_that_fits_gives_what_a_full_table_map_gives() {
    for is_old in [false, true] {
        let table = parse_with(&body(is_old), Unnamed::Listed(&list())).expect("a table");
        let kinds: Vec<_> = table
            .columns
            .iter()
            .map(|column| column.kind.clone())
            .collect();
        let text = |charset| ColumnKind::Text {
            length_bytes: 2,
            charset,
        };
        assert_eq!(kinds[0], ColumnKind::BigInt { unsigned: true });
        assert_eq!(kinds[2], ColumnKind::Int { unsigned: false });
        assert_eq!(kinds[3], text(Charset::Utf8));
        let labels: Vec<String> = ["new", "it's", "a\\b", "l\nm"].map(String::from).into();
        assert_eq!(
            kinds[4],
            ColumnKind::Enum {
                bytes: 1,
                labels: labels.into()
            }
        );
        assert_eq!(
            kinds[6],
            ColumnKind::Binary {
                length_bytes: 1,
                pad_to: 16
            }
        );
        assert_eq!(
            kinds[7],
            ColumnKind::LongText {
                length_bytes: 2,
                charset: Charset::Latin1
            }
        );
        assert_eq!(kinds[11], ColumnKind::Vector { length_bytes: 4 });
        let names: Vec<_> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names[..4], ["id", "made", "count", "note"]);
        assert!(table.columns[3].nullable && !table.columns[6].visible);
        assert_eq!(table.primary_key, [2, 0]);
    }
}

#[test]
fn a_list_that_does_not_fit_is_refused_with_the_column_and_the_remedy() {
    type Spoil = fn(&mut ColumnList);
    let spoils: [(Spoil, &str); 16] = [
        (|list| drop(list.columns.pop()), "14 columns, the list 13"),
        (|list| list.columns.swap(0, 2), "column 1"),
        (
            |list| list.columns[0].column_type = "bigint".into(),
            "unsigned in one",
        ),
        (
            |list| list.columns[1].column_type = "tinyint".into(),
            "another type",
        ),
        (|list| list.columns[3].octets = Some(404), "another type"),
        (|list| list.columns[3].nullable = false, "nullable in one"),
        (
            |list| list.columns[3].charset = Some("latin1".into()),
            "another character set",
        ),
        (
            |list| list.columns[3].charset = Some("klingon".into()),
            "character set klingon",
        ),
        (
            |list| list.columns[4].column_type = "enum('a?')".into(),
            "information_schema also shows",
        ),
        (
            |list| list.columns[4].column_type = "enum('a".into(),
            "cannot be read",
        ),
        (
            |list| list.columns[5].column_type = "set('a','b','c','d','e','f','g','h','i')".into(),
            "another type",
        ),
        (
            |list| list.columns[8].column_type = "decimal(10,3) unsigned".into(),
            "another type",
        ),
        (
            |list| list.columns[9].column_type = "timestamp".into(),
            "another type",
        ),
        (
            |list| list.columns[10].column_type = "bit(11)".into(),
            "another type",
        ),
        (
            |list| list.columns[13].column_type = "sequence".into(),
            "not known here: sequence",
        ),
        (|list| list.primary_key.push(14), "primary key"),
    ];
    for (spoil, reason) in spoils {
        let mut list = list();
        spoil(&mut list);
        let error = parse_with(&body(false), Unnamed::Listed(&list)).expect_err(reason);
        assert!(error.to_string().contains("`shop.orders`"), "{error}");
        assert!(error.to_string().contains(reason), "{error}, not {reason}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("binlog_row_metadata = 'FULL'"))
        );
    }
}

#[test]
fn labels_with_a_question_mark_are_taken_where_they_can_only_be_one() {
    let body = one_bare(254, &[0xf7, 1]);
    let mut list = ColumnList {
        columns: vec![listed("e", "enum('what?')", Some(5), "latin1")],
        primary_key: Vec::new(),
    };
    assert!(parse_with(&body, Unnamed::Listed(&list)).is_ok());
    list.columns[0].charset = None;
    assert!(parse_with(&body, Unnamed::Listed(&list)).is_err());
}

fn one_bare(type_byte: u8, metadata: &[u8]) -> Body {
    Body::default().column(type_byte, metadata)
}

#[test]
fn temporal_columns_from_before_5_6_fit_what_is_declared() {
    for (type_byte, declared, kind) in [
        (7, "timestamp", ColumnKind::OldTimestamp),
        (11, "time /* mariadb-5.3 */", ColumnKind::OldTime),
        (12, "datetime", ColumnKind::OldDateTime),
    ] {
        let list = ColumnList {
            columns: vec![listed("c", declared, None, "")],
            primary_key: Vec::new(),
        };
        let table = parse_with(&one_bare(type_byte, &[]), Unnamed::Listed(&list)).expect("a table");
        assert_eq!(table.columns[0].kind, kind);
    }
}

#[test]
fn by_position_columns_are_numbered_and_have_what_the_event_says() {
    let table = parse_with(&body(false), Unnamed::Positional).expect("a table");
    assert_eq!(table.columns[0].name, "@1");
    assert_eq!(table.columns[13].name, "@14");
    assert!(table.primary_key.is_empty());
    let kind = |index: usize| table.columns[index].kind.clone();
    assert_eq!(kind(0), ColumnKind::BigInt { unsigned: true });
    assert_eq!(kind(4), ColumnKind::TinyInt { unsigned: true });
    assert_eq!(kind(5), ColumnKind::TinyInt { unsigned: true });
    assert_eq!(
        kind(6),
        ColumnKind::Binary {
            length_bytes: 1,
            pad_to: 16
        }
    );

    // Without signs and character sets.
    let table = parse_with(&body(true), Unnamed::Positional).expect("a table");
    let kind = |index: usize| table.columns[index].kind.clone();
    assert_eq!(kind(0), ColumnKind::BigInt { unsigned: false });
    assert_eq!(
        kind(6),
        ColumnKind::Text {
            length_bytes: 1,
            charset: Charset::Utf8
        }
    );
    let wide_set = one_bare(254, &[0xf8, 8]);
    let table = parse_with(&wide_set, Unnamed::Positional).expect("a table");
    assert_eq!(table.columns[0].kind, ColumnKind::BigInt { unsigned: true });
}

#[test]
fn a_miscounted_list_of_character_sets_is_malformed() {
    for charsets in [&[45, 63, 8][..], &[45, 63, 8, 63, 63]] {
        let body = body(true).field(3, charsets);
        assert!(parse_with(&body, Unnamed::Positional).is_err());
        assert!(parse_with(&body, Unnamed::Listed(&list())).is_err());
    }
}

#[test]
fn names_in_the_event_need_no_list() {
    let wrong = ColumnList::default();
    let named = full();
    assert_eq!(parse_with(&named, Unnamed::Listed(&wrong)), named.parse());
    assert_eq!(parse_with(&named, Unnamed::Positional), named.parse());
}

proptest! {
    #[test]
    fn no_declaration_makes_it_panic(column_type in "(enum|set|decimal|bit|varchar|int|time)?[(]?['a-z0-9,\\\\?]{0,12}[)]?( unsigned)?", octets in any::<Option<u64>>()) {
        let list = ColumnList { columns: vec![listed("c", &column_type, octets, "utf8mb4")], primary_key: vec![] };
        for (type_byte, metadata) in [(254, &[0xf7, 1][..]), (254, &[0xf8, 1]), (3, &[]), (15, &[1, 0]), (246, &[5, 2])] {
            drop(parse_with(&one_bare(type_byte, metadata), Unnamed::Listed(&list)));
        }
    }
}
