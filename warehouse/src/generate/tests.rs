//! Which tables and columns there are, what they are called, and that nothing hangs on their order.

use super::*;
use crate::{
    fixture::{column, int, request, table, text},
    manifest::{Unusable, VERSION},
    stored::LongText,
    table::{Shown, Target},
};
use headwater_binlog::schema::ColumnKind;

mod lake;

fn generated(tables: &[SourceTable]) -> Generated {
    generate(&request(Dialect::Redshift, tables)).expect("tables of different names")
}

fn file<'a>(generated: &'a Generated, path: &str) -> &'a str {
    let found = generated.files.iter().find(|(file, _)| file == path);
    found
        .map(|(_, text)| text.as_str())
        .unwrap_or_else(|| panic!("no {path} in {:?}", generated.files))
}

#[test]
fn the_same_tables_give_the_same_bytes_in_any_order() {
    let (orders, items) = (table("shop", "orders"), table("archive", "items"));
    let one = generated(&[orders.clone(), items.clone()]);
    assert_eq!(one, generated(&[items, orders]));
    let paths: Vec<&str> = one.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "README.md",
            "01-control.sql",
            "02-tables/archive.items.sql",
            "02-tables/shop.orders.sql",
            "03-merge-all.sql",
            "04-views.sql",
            "manifest.json"
        ]
    );
}

#[test]
fn a_table_with_more_columns_than_a_warehouse_has_is_left_out() {
    let of = |columns: usize| {
        let mut wide = table("shop", "wide");
        let names = wide.columns.len()..columns;
        wide.columns
            .extend(names.map(|n| column(&format!("c{n}"), "int", int())));
        generated(&[wide]).left_out
    };
    assert_eq!(of(1_594), []);
    let left_out = of(1_595);
    assert!(left_out[0].reason.contains("1595 columns"), "{left_out:?}");
}

#[test]
fn a_backslash_of_a_name_escapes_nothing_in_redshift() {
    let sql = |table: SourceTable| generated(&[table]).files[2].1.clone();
    let named = sql(table("shop", r"it's\"));
    assert!(!named.contains(r"'it''s\'"), "{named}");
    assert!(
        named.contains("table_name = ('it''s' || CHR(92) || '')"),
        "{named}"
    );
    let mut labels = table("shop", "labels");
    labels.columns[1].listed.column_type = r"enum('a\','b')".into();
    let labelled = sql(labels);
    assert!(
        labelled.contains(r"IS 'note: enum(''a\\'',''b'')'"),
        "{labelled}"
    );
}

#[test]
fn an_index_of_postgres_has_the_whole_key_where_an_entry_can_hold_it() {
    let index = |declared: &str| {
        let octets = declared.trim_matches(|c: char| !c.is_ascii_digit()).parse();
        let octets: u64 = octets.expect("a length");
        let mut names = table("shop", "names");
        names.columns[1] = column("note", declared, text());
        names.columns[1].listed.octets = Some(octets * 4);
        names.key = vec![1, 0];
        let tables = [names];
        let generated = generate(&request(Dialect::Postgres, &tables)).expect("one table");
        let sql = file(&generated, "02-tables/shop.names.sql");
        let found = sql.lines().find(|line| line.starts_with("CREATE INDEX"));
        found.unwrap_or_default().to_owned()
    };
    assert_eq!(
        index("varchar(600)"),
        r#"CREATE INDEX ON "shop"."names__rows" USING btree ("note", "id");"#
    );
    assert_eq!(
        index("varchar(700)"),
        r#"CREATE INDEX ON "shop"."names__rows" USING hash ("note");"#
    );
}

#[test]
fn a_table_whose_key_would_be_cut_is_left_out() {
    let mut blobs = table("shop", "blobs");
    let kind = ColumnKind::Blob { length_bytes: 2 };
    blobs.columns.push(column("body", "blob", kind));
    let tables = [blobs.clone(), table("shop", "orders")];
    let cutting = |tables| {
        let mut request = request(Dialect::Redshift, tables);
        request.choices.long_text = LongText::Varchar;
        generate(&request).expect("tables of different names")
    };
    assert_eq!(cutting(&tables).left_out, []);
    blobs.key = vec![2];
    let left_out = cutting(&[blobs, table("shop", "orders")]).left_out;
    assert!(
        left_out[0].reason.contains("its key column body"),
        "{left_out:?}"
    );
}

#[test]
fn tables_that_cannot_be_merged_are_left_out_and_named() {
    let (mut keyless, mut masked, mut long) = (
        table("shop", "log"),
        table("shop", "users"),
        table("shop", "texts"),
    );
    keyless.key.clear();
    masked
        .columns
        .iter_mut()
        .for_each(|column| column.shown = Shown::Masked);
    let document = ColumnKind::Json { length_bytes: 4 };
    long.columns = vec![column("id", "json", document)];
    let generated = generated(&[keyless, masked, long, table("shop", "orders")]);
    let left_out: Vec<(&str, bool)> = generated
        .left_out
        .iter()
        .map(|out| (out.table.as_str(), out.remedy.is_empty()))
        .collect();
    assert_eq!(
        left_out,
        [
            ("shop.log", false),
            ("shop.texts", false),
            ("shop.users", false)
        ]
    );
    assert_eq!(generated.manifest.tables.len(), 1);
    assert!(file(&generated, "README.md").contains("`shop.log`: it has no primary key"));
}

#[test]
fn columns_left_out_of_lines_have_no_column_and_masked_ones_hold_text() {
    let mut users = table("shop", "users");
    users.columns.push(column("email", "varchar(20)", int()));
    users.columns.push(column("age", "int", int()));
    let shown = [Shown::AsItIs, Shown::LeftOut, Shown::Masked, Shown::AsItIs];
    users
        .columns
        .iter_mut()
        .zip(shown)
        .for_each(|(column, shown)| column.shown = shown);
    let generated = generated(&[users]);
    let columns = generated
        .manifest
        .tables
        .first()
        .map(|table| &table.columns);
    let columns: Vec<_> = columns
        .into_iter()
        .flatten()
        .map(|column| (column.name.as_str(), column.stored))
        .collect();
    use crate::stored::Stored::{Document, Integer};
    assert_eq!(
        columns,
        [("id", Integer), ("email", Document), ("age", Integer)]
    );
}

#[test]
fn names_that_are_ours_or_alike_become_others() {
    let mut orders = table("shop", "orders");
    for name in ["_seq", "ID", "headwater_place"] {
        orders.columns.push(column(name, "int", int()));
    }
    let targets = generated(&[
        orders,
        table("shop", "orders__rows"),
        table("shop", "Orders"),
    ])
    .manifest
    .tables;
    let names: Vec<&str> = targets
        .iter()
        .flat_map(|table| [table.view.as_str(), table.rows.as_str()])
        .collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 6, "{names:?}");
    let of_orders = targets
        .iter()
        .find(|table| table.table == "orders")
        .map(|table: &Target| &table.columns);
    let identifiers: Vec<&str> = of_orders
        .into_iter()
        .flatten()
        .map(|column| column.identifier.as_str())
        .collect();
    assert!(
        identifiers.starts_with(&["id", "note"]) && identifiers.len() == 5,
        "{identifiers:?}"
    );
    assert!(
        !identifiers.contains(&"_seq") && !identifiers.contains(&"headwater_place"),
        "{identifiers:?}"
    );
}

#[test]
fn a_database_called_as_the_shared_schema_is_refused() {
    let tables = [table("Headwater", "orders")];
    let error = generate(&request(Dialect::Redshift, &tables)).expect_err("two things of one name");
    assert!(matches!(error, Error::ControlSchema(name) if name == "Headwater"));
}

#[test]
fn a_manifest_reads_back_and_another_version_is_refused() {
    let manifest = generated(&[table("shop", "orders")]).manifest;
    let text = manifest.text().expect("plain data");
    assert_eq!(Manifest::parse(&text).expect("what was written"), manifest);
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(
        Manifest::parse(&newer),
        Err(Unusable::Version { found: 2 })
    ));
    assert!(matches!(Manifest::parse("{}"), Err(Unusable::Form(_))));
    assert_eq!(VERSION, 1);
}

#[test]
fn nothing_of_a_name_gets_out_of_its_quotes() {
    let mut odd = table("sh'op", "or\"ders';\nDROP TABLE x; --");
    odd.columns.push(column("c\"'", "int", int()));
    let mut ends = table("shop", "ends");
    ends.columns.push(column("c$$", "int", int()));
    let generated = generated(&[odd, ends]);
    let (path, text) = generated.files.get(2).expect("its table");
    assert!(!path.contains(['"', '\'', ';', ' ', '\n']), "{path}");
    assert!(
        text.contains("\"or\"\"ders';\ndrop table x; --\""),
        "{text}"
    );
    assert!(
        text.contains("'sh''op'") && text.contains("\"c\"\"'\""),
        "{text}"
    );
    let commented = text
        .lines()
        .filter(|line| line.starts_with("--") && line.contains("sh'op"));
    assert!(
        commented.into_iter().all(|line| line.contains("; --")),
        "{text}"
    );
    let out = generated.left_out.first().map(|out| out.reason.as_str());
    assert_eq!(
        out,
        Some("c$$ has $$ in it, which would end the text of a procedure")
    );
}

#[test]
fn a_stream_that_redshift_reads_itself_is_taken_record_by_record() {
    let tables = [table("shop", "orders")];
    let of = |is_array| {
        let incoming = Incoming::Stream {
            name: "Shop-Changes".into(),
            role: "default".into(),
            is_array,
        };
        let request = Request {
            incoming: &incoming,
            ..request(Dialect::Redshift, &tables)
        };
        generate(&request).expect("one table")
    };
    let arrays = of(true);
    let stream = file(&arrays, "00-stream.sql");
    assert!(
        stream.contains(r#"FROM "headwater_kinesis"."Shop-Changes""#),
        "{stream}"
    );
    assert!(
        stream.contains("FROM KINESIS IAM_ROLE default;"),
        "{stream}"
    );
    let control = file(&arrays, "01-control.sql");
    assert!(
        control.contains("FROM headwater_records r, r.record l;"),
        "{control}"
    );
    assert!(!control.contains("incoming"), "{control}");
    assert!(
        file(&of(false), "01-control.sql")
            .contains("SELECT r.record AS line FROM headwater_records r;")
    );
}
