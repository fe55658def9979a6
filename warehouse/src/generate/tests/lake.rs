//! Which files a lake has, and what is left out of it.

use super::{column, file, int, request, table};
use crate::{
    dialect::Dialect,
    fixture::text,
    generate::{Generated, Lines, Request, generate},
    table::SourceTable,
};

fn lake(dialect: Dialect, tables: &[SourceTable]) -> Generated {
    generate(&request(dialect, tables)).expect("tables of different names")
}

fn paths(generated: &Generated) -> Vec<&str> {
    let files = generated.files.iter();
    files.map(|(path, _)| path.as_str()).collect()
}

#[test]
fn each_file_is_one_statement_in_the_order_in_which_they_are_applied() {
    let tables = [table("shop", "orders"), table("archive", "items")];
    let athena = lake(Dialect::Athena, &tables);
    assert_eq!(
        paths(&athena),
        [
            "README.md",
            "01-databases/archive.sql",
            "01-databases/headwater.sql",
            "01-databases/shop.sql",
            "02-log.sql",
            "03-changes/archive.items.sql",
            "03-changes/shop.orders.sql",
            "04-rows/archive.items.sql",
            "04-rows/shop.orders.sql",
            "05-views/complete_to.sql",
            "05-views/rejected.sql",
            "05-views/statements.sql",
            "manifest.json"
        ]
    );
    let iceberg = lake(Dialect::Iceberg, &tables[..1]);
    assert_eq!(
        paths(&iceberg),
        [
            "README.md",
            "01-databases/shop.sql",
            "02-logs/shop.orders.sql",
            "03-rows/shop.orders.sql",
            "04-views/shop.orders.sql",
            "merge/1-truncated/shop.orders.sql",
            "merge/2-merged/shop.orders.sql",
            "manifest.json"
        ]
    );
    for (path, text) in athena.files.iter().chain(&iceberg.files) {
        if path.ends_with(".sql") {
            assert_eq!(text.matches(';').count(), 1, "{path}: {text}");
            assert!(text.ends_with(";\n"), "{path}: {text}");
        }
    }
}

#[test]
fn all_files_of_a_table_that_goes_are_known_to_the_manifest() {
    let tables = [table("shop", "orders")];
    for dialect in [Dialect::Athena, Dialect::Iceberg] {
        let generated = lake(dialect, &tables);
        let known = generated.manifest.table_files();
        let of_it = paths(&generated).into_iter();
        let of_it: Vec<&str> = of_it.filter(|path| path.contains("shop")).collect();
        assert!(3 <= of_it.len());
        for path in of_it {
            assert!(known.iter().any(|file| file == path), "{path}");
        }
    }
}

#[test]
fn the_log_is_where_firehose_writes_it() {
    let generated = lake(Dialect::Athena, &[table("shop", "orders")]);
    let log = file(&generated, "02-log.sql");
    for part in [
        "LOCATION 's3://lake/changes/'",
        "'projection.hour.range' = '2026/03/01/00,NOW'",
        "'storage.location.template' = 's3://lake/changes/${hour}/'",
    ] {
        assert!(log.contains(part), "{log}");
    }
}

#[test]
fn a_name_with_any_character_is_a_path_and_a_plain_column() {
    let mut odd = table("shop", "Ord ers");
    odd.columns.push(column("a\"b'c\\", "int", int()));
    let generated = lake(Dialect::Athena, &[odd]);
    let rows = file(&generated, "04-rows/shop.ord_ers.sql");
    assert!(rows.contains(r#"'$["a\"b''c\\"]'"#), "{rows}");
    assert!(rows.contains(r#"AS "a_b_c_""#), "{rows}");
}

#[test]
fn flat_lines_have_their_columns_at_the_top_and_fields_by_their_prefix() {
    let tables = [table("shop", "orders")];
    let lines = Lines::Flat {
        prefix: "hw_".into(),
    };
    let request = Request {
        lines: &lines,
        ..request(Dialect::Athena, &tables)
    };
    let generated = generate(&request).expect("one table");
    let rows = file(&generated, "04-rows/shop.orders.sql");
    assert!(rows.contains("l.line AS headwater_data"), "{rows}");
    assert!(rows.contains(r#"'$["hw_seq"]'"#), "{rows}");
    assert!(!rows.contains(r#"'$["seq"]'"#), "{rows}");
}

#[test]
fn what_firehose_cannot_name_is_left_out_of_iceberg_and_not_of_athena() {
    let mut upper = table("shop", "orders");
    upper.columns.push(column("Paid", "int", int()));
    let generated = lake(Dialect::Iceberg, std::slice::from_ref(&upper));
    assert!(generated.manifest.tables.is_empty());
    let out = generated.left_out.first().expect("its table");
    assert!(out.reason.contains("its column Paid"), "{out:?}");
    assert!(out.remedy.contains("headwater warehouse athena"), "{out:?}");
    assert_eq!(lake(Dialect::Athena, &[upper]).manifest.tables.len(), 1);
}

#[test]
fn a_table_whose_statement_athena_would_not_take_is_left_out() {
    let mut wide = table("shop", "wide");
    for number in 0..1_000 {
        let name = format!("a_column_with_a_rather_long_name_{number}");
        wide.columns.push(column(&name, "varchar(20)", text()));
    }
    let generated = lake(Dialect::Athena, &[wide, table("shop", "orders")]);
    assert_eq!(generated.manifest.tables.len(), 1);
    let out = generated.left_out.first().expect("the wide one");
    assert!(out.reason.contains("and Athena takes 262144"), "{out:?}");
}

#[test]
fn a_field_of_old_with_a_word_of_ddl_as_its_name_is_quoted() {
    let mut orders = table("shop", "orders");
    orders.columns.push(column("date", "int", int()));
    let generated = lake(Dialect::Iceberg, &[orders]);
    let log = file(&generated, "02-logs/shop.orders.sql");
    assert!(
        log.contains("`_old` struct<id:int,note:string,`date`:int>"),
        "{log}"
    );
}
