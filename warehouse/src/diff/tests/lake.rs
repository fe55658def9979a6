//! What a person is told to do with a lake.

use headwater_binlog::schema::ColumnKind;

use super::{after_in, column, diff, int, manifest_of, statements, table, text};
use crate::dialect::Dialect;

fn retyped(dialect: Dialect, declared: &'static str, kind: ColumnKind) -> String {
    after_in(dialect, move |table| {
        table.columns.truncate(1);
        table.columns.push(column("note", declared, kind.clone()));
    })
}

#[test]
fn views_are_made_anew_and_nothing_is_altered() {
    let text = after_in(Dialect::Athena, |table| {
        table.columns.push(column("paid", "int", int()));
    });
    assert!(statements(&text).is_empty(), "{text}");
    assert!(text.contains("paid is new (int)"), "{text}");
    assert!(
        text.contains("snapshot start -c FILE shop.orders"),
        "{text}"
    );
    let gone = after_in(Dialect::Athena, |table| table.columns.truncate(1));
    assert!(
        gone.contains("the log keeps it") && !gone.contains("snapshot start"),
        "{gone}"
    );
}

#[test]
fn a_longer_text_is_the_same_in_a_lake() {
    for dialect in [Dialect::Athena, Dialect::Iceberg] {
        let longer = retyped(dialect, "varchar(200)", text());
        assert!(statements(&longer).is_empty(), "{longer}");
        assert!(!longer.contains("snapshot start"), "{longer}");
    }
}

#[test]
fn a_new_column_of_iceberg_is_added_to_the_log_before_the_rows() {
    let text = after_in(Dialect::Iceberg, |table| {
        let kind = ColumnKind::Decimal {
            precision: 10,
            scale: 2,
        };
        table.columns.push(column("price", "decimal(10,2)", kind));
    });
    assert_eq!(
        statements(&text),
        [
            "ALTER TABLE `shop`.`orders__log` ADD COLUMNS (`price` string);",
            "ALTER TABLE `shop`.`orders__rows` ADD COLUMNS (`price` decimal(10, 2));"
        ]
    );
    assert!(text.contains("snapshot start"), "{text}");
}

#[test]
fn what_iceberg_can_widen_is_widened_and_another_type_gets_a_column_of_its_own() {
    let wider = after_in(Dialect::Iceberg, |table| {
        let kind = ColumnKind::BigInt { unsigned: false };
        table.columns.remove(0);
        table.columns.insert(0, column("id", "bigint", kind));
    });
    assert_eq!(
        statements(&wider),
        [
            "ALTER TABLE `shop`.`orders__log` CHANGE COLUMN `id` `id` bigint;",
            "ALTER TABLE `shop`.`orders__rows` CHANGE COLUMN `id` `id` bigint;"
        ]
    );
    assert!(!wider.contains("snapshot start"), "{wider}");
    let other = retyped(Dialect::Iceberg, "int", int());
    assert_eq!(
        statements(&other),
        [
            "ALTER TABLE `shop`.`orders__log` CHANGE COLUMN `note` `note__before` string;",
            "ALTER TABLE `shop`.`orders__log` ADD COLUMNS (`note` int);",
            "ALTER TABLE `shop`.`orders__rows` CHANGE COLUMN `note` `note__before` string;",
            "ALTER TABLE `shop`.`orders__rows` ADD COLUMNS (`note` int);"
        ]
    );
    assert!(other.contains("snapshot start"), "{other}");
}

#[test]
fn another_key_of_iceberg_says_how_the_table_is_built_anew_and_drops_nothing() {
    let text = after_in(Dialect::Iceberg, |table| table.key = vec![0, 1]);
    assert!(statements(&text).is_empty(), "{text}");
    assert!(text.contains("DROP TABLE `shop`.`orders__log`;"), "{text}");
    assert!(text.contains("snapshot start"), "{text}");
}

#[test]
fn a_table_that_goes_is_named_with_all_that_it_leaves() {
    let tables = [table("shop", "orders")];
    for (dialect, left) in [
        (Dialect::Athena, r#"DROP VIEW "shop"."orders__changes";"#),
        (Dialect::Iceberg, "DROP TABLE `shop`.`orders__log`;"),
    ] {
        let (before, now) = (manifest_of(dialect, &tables), manifest_of(dialect, &[]));
        let text = diff(&before, &now).expect("the same warehouse");
        assert!(
            statements(&text).is_empty() && text.contains(left),
            "{text}"
        );
    }
}
