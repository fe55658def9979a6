//! Statements, word for word.

use std::sync::Arc;

use headwater_binlog::{
    schema::{Column, Table},
    table_map::TableMap,
};

use super::*;

fn description(columns: &[(&str, &str)], key: &[usize]) -> Description {
    let name = TableName {
        database: "a.b".into(),
        table: "t`x".into(),
    };
    let labels: Arc<[String]> = ["s", "m", "l"].map(str::to_owned).into();
    let kind = |column_type: &str| match column_type {
        "int" => ColumnKind::Int { unsigned: false },
        "set" => ColumnKind::Set {
            bytes: 1,
            labels: labels.clone(),
        },
        _ => ColumnKind::Enum {
            bytes: 1,
            labels: labels.clone(),
        },
    };
    Description {
        table: Arc::new(Table::new(
            name,
            columns
                .iter()
                .map(|(name, column_type)| Column {
                    name: (*name).to_owned(),
                    kind: kind(column_type),
                    nullable: false,
                    visible: true,
                })
                .collect(),
            key.to_vec(),
        )),
        map: Arc::new(TableMap {
            body: bytes::Bytes::new(),
            dialect: Dialect::MySql,
            post_header_bytes: 8,
            answer: None,
        }),
        columns: columns
            .iter()
            .map(|(name, column_type)| ListedColumn {
                name: (*name).to_owned(),
                column_type: (*column_type).to_owned(),
                octets: None,
                charset: None,
                nullable: false,
                visible: true,
            })
            .collect(),
        key: key.to_vec(),
        index: "PRIMARY".into(),
        key_text: "k".into(),
    }
}

fn key(values: &[&[u8]]) -> Key {
    Key(values.iter().map(|value| Box::from(*value)).collect())
}

fn int(number: i32) -> [u8; 4] {
    number.to_le_bytes()
}

/// Behind the head that all statements of the table share.
fn tail(description: &Description, part: ChunkPart, condition: Option<&str>) -> String {
    let wanted = Wanted {
        part: &part,
        condition,
        rows_max: 7,
        skipped: 0,
    };
    let sql = chunk(description, Dialect::MySql, wanted).expect("a statement");
    let head = " FROM `a.b`.`t``x` FORCE INDEX (`PRIMARY`)";
    let (_, tail) = sql.split_once(head).expect("the table");
    tail.to_owned()
}

fn range(after: Option<Key>, until: Option<Key>) -> ChunkPart {
    ChunkPart::Range(KeyRange { after, until })
}

#[test]
fn all_columns_come_in_their_order_and_enums_by_number() {
    let description = description(&[("a`", "int"), ("e", "enum")], &[0]);
    let wanted = Wanted {
        part: &range(None, None),
        condition: None,
        rows_max: 7,
        skipped: 0,
    };
    assert_eq!(
        chunk(&description, Dialect::MySql, wanted).expect("a statement"),
        "SELECT `a```, CAST(`e` AS UNSIGNED) FROM `a.b`.`t``x` FORCE INDEX (`PRIMARY`) ORDER BY `a``` LIMIT 7"
    );
}

#[test]
fn a_table_without_a_key_is_read_whole() {
    let description = description(&[("a", "int")], &[]);
    let wanted = Wanted {
        part: &range(None, None),
        condition: Some("a > 1 -- few"),
        rows_max: 7,
        skipped: 0,
    };
    assert_eq!(
        chunk(&description, Dialect::MySql, wanted).expect("a statement"),
        "SELECT `a` FROM `a.b`.`t``x` WHERE (\na > 1 -- few\n)"
    );
}

#[test]
fn bounds_are_written_column_by_column() {
    let table = description(&[("a", "int"), ("b", "int"), ("c", "int")], &[0, 1, 2]);
    let full = key(&[&int(1), &int(-2), &int(3)]);
    assert_eq!(
        tail(&table, range(Some(full.clone()), None), Some("x")),
        " WHERE (`a` > 1 OR (`a` = 1 AND (`b` > -2 OR (`b` = -2 AND `c` > 3)))) AND (\nx\n) \
         ORDER BY `a`, `b`, `c` LIMIT 7"
    );
    // Whatever begins like a bound is on the near side of it.
    assert_eq!(
        tail(
            &table,
            range(Some(key(&[&int(1)])), Some(key(&[&int(9)]))),
            None
        ),
        " WHERE (`a` > 1) AND (`a` <= 9) ORDER BY `a`, `b`, `c` LIMIT 7"
    );
    assert_eq!(
        tail(&table, range(None, Some(full)), None),
        " WHERE (`a` < 1 OR (`a` = 1 AND (`b` < -2 OR (`b` = -2 AND (`c` <= 3))))) \
         ORDER BY `a`, `b`, `c` LIMIT 7"
    );
}

#[test]
fn an_enum_beyond_a_value_is_a_list_and_beyond_the_last_one_there_is_nothing() {
    let table = description(&[("e", "enum"), ("a", "int")], &[0, 1]);
    let behind = |number, a: i32| {
        let after = key(&[&[number], &int(a)]);
        tail(&table, range(Some(after), None), None)
    };
    assert_eq!(
        behind(1, 5),
        " WHERE (`e` IN (2, 3) OR (`e` = 1 AND `a` > 5)) ORDER BY `e`, `a` LIMIT 7"
    );
    assert_eq!(
        behind(3, 5),
        " WHERE (`e` = 3 AND `a` > 5) ORDER BY `a` LIMIT 7"
    );
    let set = description(&[("s", "set")], &[0]);
    assert_eq!(
        tail(&set, range(Some(key(&[&[5]])), None), None),
        " WHERE (`s` IN (6, 7)) ORDER BY `s` LIMIT 7"
    );
    let last = tail(&table, range(Some(key(&[&[3]])), None), None);
    assert_eq!(last, " WHERE (1 = 0) ORDER BY `e`, `a` LIMIT 7");
}

#[test]
fn rows_by_their_keys_are_just_these() {
    let table = description(&[("a", "int"), ("b", "int")], &[0, 1]);
    let keys = vec![key(&[&int(1), &int(2)]), key(&[&int(3), &int(4)])];
    assert_eq!(
        tail(&table, ChunkPart::Keys(keys), None),
        " WHERE ((`a` = 1 AND `b` = 2) OR (`a` = 3 AND `b` = 4)) ORDER BY `a`, `b` LIMIT 7"
    );
    let ahead = Wanted {
        part: &range(None, None),
        condition: None,
        rows_max: 1,
        skipped: 9,
    };
    let sql = chunk(&table, Dialect::MySql, ahead).expect("a statement");
    assert!(
        sql.ends_with(" ORDER BY `a`, `b` LIMIT 1 OFFSET 9"),
        "{sql}"
    );
    let none = tail(&table, ChunkPart::Keys(Vec::new()), None);
    assert_eq!(none, " WHERE (1 = 0) ORDER BY `a`, `b` LIMIT 7");
}

#[test]
fn a_bound_of_another_key_is_refused() {
    let table = description(&[("a", "int")], &[0]);
    for odd in [key(&[]), key(&[&int(1), &int(2)]), key(&[b"x"])] {
        let part = range(Some(odd), None);
        let wanted = Wanted {
            part: &part,
            condition: None,
            rows_max: 7,
            skipped: 0,
        };
        assert!(chunk(&table, Dialect::MySql, wanted).is_err());
    }
}
