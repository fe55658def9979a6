//! What a person is told to do after each kind of change in MySQL.

use headwater_binlog::schema::ColumnKind;

use super::*;
use crate::{
    fixture::{column, int, request, table, text},
    generate::generate,
    table::SourceTable,
};

mod lake;

fn manifest(tables: &[SourceTable]) -> Manifest {
    manifest_of(Dialect::Redshift, tables)
}

fn manifest_of(dialect: Dialect, tables: &[SourceTable]) -> Manifest {
    generate(&request(dialect, tables))
        .expect("tables of different names")
        .manifest
}

fn after(change: impl Fn(&mut SourceTable)) -> String {
    after_in(Dialect::Redshift, change)
}

/// From `shop.orders` to what the closure makes of it.
fn after_in(dialect: Dialect, change: impl Fn(&mut SourceTable)) -> String {
    let before = table("shop", "orders");
    let mut now = before.clone();
    change(&mut now);
    let (before, now) = (
        manifest_of(dialect, &[before]),
        manifest_of(dialect, &[now]),
    );
    diff(&before, &now).expect("the same warehouse")
}

fn statements(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with("--") && !line.is_empty())
        .collect()
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    assert_eq!(after(|_| ()), "");
}

#[test]
fn a_new_column_is_added_and_filled_by_a_copy() {
    let text = after(|table| {
        table.columns.push(column(
            "Paid",
            "bigint",
            ColumnKind::BigInt { unsigned: false },
        ))
    });
    assert_eq!(
        statements(&text),
        [
            r#"DROP VIEW IF EXISTS "shop"."orders";"#,
            r#"ALTER TABLE "shop"."orders__rows" ADD COLUMN "paid" BIGINT;"#
        ]
    );
    assert!(
        text.contains("headwater snapshot start -c FILE shop.orders"),
        "{text}"
    );
}

#[test]
fn a_dropped_column_stays_until_a_person_drops_it() {
    let text = after(|table| table.columns.truncate(1));
    assert_eq!(
        statements(&text),
        [r#"DROP VIEW IF EXISTS "shop"."orders";"#]
    );
    assert!(
        text.contains(r#"ALTER TABLE "shop"."orders__rows" DROP COLUMN "note";"#),
        "{text}"
    );
    assert!(!text.contains("snapshot start"), "{text}");
}

#[test]
fn a_longer_text_is_altered_in_place_and_another_type_gets_a_column_of_its_own() {
    let retyped = |declared: &'static str, kind: ColumnKind| {
        after(move |table| {
            table.columns.truncate(1);
            table.columns.push(column("note", declared, kind.clone()));
        })
    };
    let longer = retyped("varchar(30)", text());
    assert!(
        longer.contains(
            r#"ALTER TABLE "shop"."orders__rows" ALTER COLUMN "note" TYPE VARCHAR(120);"#
        )
    );
    assert!(!longer.contains("snapshot start"), "{longer}");
    let other = retyped("int", int());
    assert_eq!(
        statements(&other),
        [
            r#"DROP VIEW IF EXISTS "shop"."orders";"#,
            r#"ALTER TABLE "shop"."orders__rows" RENAME COLUMN "note" TO "note__before";"#,
            r#"ALTER TABLE "shop"."orders__rows" ADD COLUMN "note" INTEGER;"#
        ]
    );
    assert!(other.contains("snapshot start"), "{other}");
}

#[test]
fn another_key_builds_the_table_anew_beside_the_one_that_was() {
    let text = after(|table| table.key = vec![0, 1]);
    assert!(
        statements(&text)
            .contains(&r#"ALTER TABLE "shop"."orders__rows" RENAME TO "orders__rows__before";"#),
        "{text}"
    );
    let emptied = statements(&text);
    let emptied = emptied
        .iter()
        .any(|sql| sql.contains("'truncate', MAX(seq)"));
    assert!(emptied, "late lines under the old key: {text}");
    assert!(text.contains("snapshot start"), "{text}");
}

#[test]
fn tables_that_come_are_copied_and_those_that_go_are_kept() {
    let (orders, items) = (table("shop", "orders"), table("shop", "items"));
    let come = diff(
        &manifest(std::slice::from_ref(&orders)),
        &manifest(&[orders.clone(), items.clone()]),
    );
    let come = come.expect("the same warehouse");
    assert!(
        statements(&come).is_empty() && come.contains("snapshot start -c FILE shop.items"),
        "{come}"
    );
    let gone = diff(&manifest(&[orders.clone(), items]), &manifest(&[orders]));
    let gone = gone.expect("the same warehouse");
    assert!(
        statements(&gone).is_empty() && gone.contains(r#"DROP TABLE "shop"."items__rows";"#),
        "{gone}"
    );
}

#[test]
fn warehouses_of_different_kinds_are_not_compared() {
    let tables = [table("shop", "orders")];
    let redshift = manifest(&tables);
    let postgres = generate(&request(Dialect::Postgres, &tables))
        .expect("one table")
        .manifest;
    assert_eq!(
        diff(&redshift, &postgres),
        Err(Incomparable::Dialect {
            before: "redshift",
            now: "postgres"
        })
    );
}

#[test]
fn an_alter_that_may_change_values_wants_a_copy_and_one_that_cannot_does_not() {
    let kind = ColumnKind::SmallInt { unsigned: false };
    for (was, now, wants_copy) in [
        ("smallint", "tinyint", true),
        ("tinyint(1)", "smallint(6)", false),
        ("tinyint unsigned", "smallint", true),
        ("enum('a','b')", "enum('a','b','c')", false),
        ("enum('a','b')", "enum('a','c')", true),
        ("datetime(6)", "datetime", true),
        ("time", "time(3)", true),
        ("year", "smallint", true),
    ] {
        let altered = |declared: &str| {
            let mut table = table("shop", "orders");
            table.columns.push(column("c", declared, kind.clone()));
            manifest(&[table])
        };
        let text = diff(&altered(was), &altered(now)).expect("the same warehouse");
        assert_eq!(
            text.contains("snapshot start"),
            wants_copy,
            "{was}, {now}: {text}"
        );
    }
}

#[test]
fn another_character_set_wants_a_copy_unless_it_holds_all_that_there_was() {
    for (was, now, wants_copy) in [
        ("utf8mb4", "latin1", true),
        ("latin1", "utf8mb4", true),
        ("utf8mb3", "utf8mb4", false),
    ] {
        for dialect in [Dialect::Redshift, Dialect::Athena, Dialect::Iceberg] {
            let of = |charset: &str| {
                let mut table = table("shop", "orders");
                table.columns[1].listed.charset = Some(charset.into());
                manifest_of(dialect, &[table])
            };
            let text = diff(&of(was), &of(now)).expect("the same warehouse");
            let named = format!(
                "note was varchar(20) CHARACTER SET {was}, and is varchar(20) CHARACTER SET {now}"
            );
            // What changes nothing is not said where nothing is to be done.
            assert!(!wants_copy || text.contains(&named), "{text}");
            assert_eq!(text.contains("snapshot start"), wants_copy, "{text}");
        }
    }
}

#[test]
fn a_key_whose_values_an_alter_may_have_changed_builds_the_table_anew() {
    let tiny = ColumnKind::TinyInt { unsigned: false };
    let small = ColumnKind::SmallInt { unsigned: false };
    let of = |declared: &str, kind: ColumnKind| {
        let mut table = table("shop", "orders");
        table.columns[0] = column("id", declared, kind);
        manifest(&[table])
    };
    let text = diff(&of("smallint", small), &of("tinyint", tiny)).expect("the same warehouse");
    assert!(
        text.contains(r#"RENAME TO "orders__rows__before""#),
        "{text}"
    );
}

#[test]
fn the_command_that_copies_an_odd_name_can_be_pasted_into_a_shell() {
    let odd = table("s h", "it's\n`new`");
    let come = diff(&manifest(&[]), &manifest(&[odd])).expect("the same warehouse");
    assert!(
        come.contains("snapshot start -c FILE '`s h`.`it'\\''s`?```new```'"),
        "{come}"
    );
}
