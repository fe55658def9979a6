//! Every type at its edges, from MySQL over the whole road: a value is in its column, or `_lost` counts it and `_raw`
//! has it as it came. The table of types in `docs/warehouse.md` is what these tests say.

use std::fs;

use anyhow::{Context, ensure};
use headwater_harness::{
    golden::{columns::families, compare::Compare},
    postgres::ADMIN,
    redshift::{Loader, Settings},
    road::{Options, SCHEMA},
    sql::quote,
};
use serde::Deserialize;

use crate::world::World;

#[derive(Deserialize)]
struct Manifest {
    tables: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    table: String,
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    identifier: String,
    stored: Stored,
}

/// As the manifest has it.
#[derive(Deserialize)]
struct Stored {
    r#type: String,
    bytes_max: Option<usize>,
}

/// A column of a test's table.
struct Cell {
    sql: String,
    compare: Compare,
    edges: Vec<String>,
}

impl Cell {
    fn new(sql: &str, compare: Compare, edges: &[&str]) -> Self {
        Self {
            sql: sql.into(),
            compare,
            edges: edges.iter().map(|edge| (*edge).to_owned()).collect(),
        }
    }
}

/// Statements that make the table `types.name`, with a row for each edge and one of NULLs.
fn table(name: &str, cells: &[Cell]) -> Vec<String> {
    let definitions = cells.iter().enumerate();
    let definitions = definitions.map(|(at, cell)| format!("c{at} {} NULL", cell.sql));
    let definitions: Vec<String> = definitions.collect();
    let path = format!("types.{}", quote(name));
    let mut statements = vec![format!(
        "CREATE TABLE {path} (id INT PRIMARY KEY, {})",
        definitions.join(", ")
    )];
    let rows = cells.iter().map(|cell| cell.edges.len()).max();
    let rows = rows.unwrap_or_default();
    for at in 0..rows {
        let values = cells.iter();
        let values = values.map(|cell| cell.edges[at % cell.edges.len()].as_str());
        let values: Vec<&str> = values.collect();
        statements.push(format!(
            "INSERT INTO {path} VALUES ({at}, {})",
            values.join(", ")
        ));
    }
    let nulls = vec!["NULL"; cells.len()].join(", ");
    statements.push(format!("INSERT INTO {path} VALUES ({rows}, {nulls})"));
    statements
}

fn manifest(world: &World) -> anyhow::Result<Manifest> {
    let text = fs::read_to_string(world.generated().join("manifest.json"))?;
    serde_json::from_str(&text).context("read the manifest")
}

/// Whether the column cannot hold what MySQL printed.
fn is_too_much(stored: &Stored, printed: &str) -> bool {
    match stored.r#type.as_str() {
        "date" | "timestamp" => printed.starts_with("0000") || printed.contains("-00"),
        // PostgreSQL's text has no U+0000.
        "varchar" => {
            printed.contains('\0') || stored.bytes_max.is_some_and(|most| printed.len() > most)
        }
        _ => false,
    }
}

/// `.500000` as `.5`.
fn without_zeros(time: &str) -> &str {
    match time.contains('.') {
        true => time.trim_end_matches('0').trim_end_matches('.'),
        false => time,
    }
}

/// A value as PostgreSQL printed it, as JSON.
fn json(compare: Compare, stored: &Stored, printed: &str) -> anyhow::Result<String> {
    Ok(match (stored.r#type.as_str(), compare) {
        ("document", _) | (_, Compare::Number | Compare::Float | Compare::Double) => printed.into(),
        _ => serde_json::to_string(printed)?,
    })
}

/// All rows of a table, value by value; answers how many values were lost.
async fn ensure_table(world: &World, target: &Target, cells: &[Cell]) -> anyhow::Result<u64> {
    let columns = target.columns.get(1..).context("columns behind the id")?;
    ensure!(columns.len() == cells.len(), "columns");
    let (mut mysql, mut warehouse) = (String::new(), String::new());
    for (column, cell) in columns.iter().zip(cells) {
        mysql += &format!(", {}", cell.compare.expression(&quote(&column.name)));
        let identifier = &column.identifier;
        warehouse += &match column.stored.r#type.as_str() {
            "binary" => format!(", REPLACE(ENCODE(\"{identifier}\", 'base64'), CHR(10), '')"),
            _ => format!(", \"{identifier}\"::TEXT"),
        };
        warehouse += &format!(", headwater_cast.member(\"_raw\", '{}')::TEXT", column.name);
    }
    let name = &target.table;
    let wanted = format!("SELECT id{mysql} FROM types.{} ORDER BY id", quote(name));
    let mut wanted = world.mysql.query_rows(&wanted).await?;
    for (at, cell) in cells.iter().enumerate() {
        // TO_BASE64 breaks lines.
        let values = wanted
            .iter_mut()
            .filter_map(|row| row.get_mut(at + 1)?.as_mut());
        for value in values.filter(|_| cell.compare == Compare::Base64) {
            value.retain(|character| character != '\n');
        }
    }
    let found = format!(
        "SELECT id, \"_lost\", \"_raw\" IS NULL{warehouse} FROM types.\"{name}__rows\" WHERE NOT \"_deleted\" ORDER BY id"
    );
    let found = world.postgres.query_rows(&found).await?;
    ensure!(wanted.len() == found.len(), "{name}: {} rows", found.len());
    let mut lost_in_all = 0;
    for (wanted, found) in wanted.iter().zip(&found) {
        let id = wanted[0].clone().unwrap_or_default();
        ensure!(wanted[0] == found[0], "{name}: no row {id}");
        let mut lost = 0;
        for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
            let (printed, value, raw) = (&wanted[at + 1], &found[3 + at * 2], &found[4 + at * 2]);
            let place = format!("{name}, row {id}, {}: {value:?} for {printed:?}", cell.sql);
            let place: String = place.chars().take(400).collect();
            lost += u64::from(
                ensure_value(
                    cell,
                    column,
                    printed.as_deref(),
                    value.as_deref(),
                    raw.as_deref(),
                )
                .with_context(|| place)?,
            );
        }
        ensure!(
            found[1] == Some(lost.to_string()),
            "{name}, row {id}: _lost is {:?} and not {lost}",
            found[1]
        );
        let has_raw = found[2].as_deref() == Some("f");
        ensure!(has_raw == (lost > 0), "{name}, row {id}: _raw");
        lost_in_all += lost;
    }
    Ok(lost_in_all)
}

/// Answers whether it was lost, rightly.
fn ensure_value(
    cell: &Cell,
    column: &Column,
    printed: Option<&str>,
    value: Option<&str>,
    raw: Option<&str>,
) -> anyhow::Result<bool> {
    let stored = &column.stored;
    let Some(printed) = printed else {
        ensure!(value.is_none(), "NULL became a value");
        return Ok(false);
    };
    if is_too_much(stored, printed) {
        let raw = raw.context("lost, and not in _raw")?;
        ensure!(
            cell.compare.is_same(raw, Some(printed.as_bytes())),
            "_raw has {raw}"
        );
        let is_begin =
            value.is_none_or(|value| stored.r#type == "varchar" && printed.starts_with(value));
        ensure!(is_begin, "neither NULL nor the begin of it");
        return Ok(true);
    }
    if stored.r#type == "document" && printed == "null" && value.is_none() {
        return Ok(false);
    }
    let value = value.context("NULL, and it would fit")?;
    let is_same = match stored.r#type.as_str() {
        "timestamp" => without_zeros(value) == without_zeros(printed),
        _ => {
            let value = json(cell.compare, stored, value)?;
            cell.compare.is_same(&value, Some(printed.as_bytes()))
        }
    };
    ensure!(is_same, "another value");
    Ok(false)
}

/// Strings of any length are loaded.
fn large_strings(options: &mut Options) {
    options.redshift.has_large_strings = true;
}

/// Makes the tables, merges all of it, compares each value.
async fn ensure_tables(
    change: impl FnOnce(&mut Options),
    tables: &[(String, Vec<Cell>)],
) -> anyhow::Result<u64> {
    let mut sql =
        "SET GLOBAL time_zone = '+00:00'; SET time_zone = '+00:00', sql_mode = '', NAMES utf8mb4; \
        CREATE DATABASE types CHARACTER SET utf8mb4"
            .to_owned();
    for (name, cells) in tables {
        for statement in table(name, cells) {
            sql += "; ";
            sql += &statement;
        }
    }
    let mut world = World::running(change, &sql).await?;
    world.settle().await?;
    let mut lost = 0;
    let manifest = manifest(&world)?;
    for (name, cells) in tables {
        let target = manifest.tables.iter().find(|target| target.table == *name);
        let target = target.with_context(|| format!("{name} was not generated"))?;
        let of_table = ensure_table(&world, target, cells).await?;
        let lossy =
            format!("SELECT row_count FROM {SCHEMA}.lossy_rows WHERE table_name = '{name}'");
        let rows = format!("SELECT COUNT(*) FROM types.\"{name}__rows\" WHERE \"_lost\" > 0");
        assert_eq!(world.value(&lossy).await?, world.value(&rows).await?);
        lost += of_table;
    }
    let counted = format!("SELECT COALESCE(SUM(values_lost), 0) FROM {SCHEMA}.merges");
    assert_eq!(world.value(&counted).await?, lost.to_string());
    let rejected = format!("SELECT COUNT(*) FROM {SCHEMA}.rejected");
    assert_eq!(world.value(&rejected).await?, "0");
    Ok(lost)
}

fn every_type() -> Vec<(String, Vec<Cell>)> {
    let of = |(family, types): (&str, Vec<headwater_harness::golden::columns::Type>)| {
        // Such labels cannot be read from information_schema: a table that has them is left out, and named.
        let types = types.into_iter().filter(|it| !it.sql.contains('😀'));
        let cells = types.map(|it| Cell {
            sql: it.sql,
            compare: it.compare,
            edges: it.edges,
        });
        (family.to_owned(), cells.collect())
    };
    families().into_iter().map(of).collect()
}

/// Text at the limits of its columns, and of a VARCHAR.
fn long_texts() -> (String, Vec<Cell>) {
    let cells = vec![
        Cell::new("VARCHAR(20)", Compare::Text, &["REPEAT('😀', 20)"]),
        Cell::new(
            "VARCHAR(16000)",
            Compare::Text,
            &["REPEAT('😀', 16000)", "REPEAT('x', 16000)"],
        ),
        Cell::new(
            "MEDIUMTEXT",
            Compare::Text,
            &[
                "REPEAT('x', 65535)",
                "REPEAT('x', 65536)",
                "REPEAT('ä', 35000)",
                "REPEAT('😀', 16384)",
                "CONCAT('x', REPEAT('😀', 17500))",
            ],
        ),
        Cell::new(
            "TEXT",
            Compare::Text,
            &["REPEAT('x', 65535)", "REPEAT('€', 21845)"],
        ),
        Cell::new(
            "TEXT CHARACTER SET latin1",
            Compare::Text,
            &["REPEAT('ä', 65535)"],
        ),
        Cell::new(
            "BLOB",
            Compare::Base64,
            &["REPEAT(x'00ff', 24574)", "REPEAT(x'01', 49149)"],
        ),
    ];
    ("long".into(), cells)
}

#[tokio::test]
async fn every_value_is_in_its_column_or_counted_as_lost() -> anyhow::Result<()> {
    let mut tables = every_type();
    tables.push(long_texts());
    let lost = ensure_tables(large_strings, &tables).await?;
    assert!(lost > 50, "the catalogue has dates that are none");
    Ok(())
}

#[tokio::test]
async fn long_text_in_a_varchar_is_cut_and_counted_and_bytes_are_bytes() -> anyhow::Result<()> {
    let chosen = |options: &mut Options| {
        large_strings(options);
        options.config += "long_text = \"varchar\"\nbytes = \"varbyte\"\n";
    };
    let wanted = ["characters", "labels", "binaries"];
    let mut tables = every_type();
    tables.retain(|(family, _)| wanted.contains(&family.as_str()));
    tables.push(long_texts());
    let lost = ensure_tables(chosen, &tables).await?;
    assert!(lost > 5, "some of it is longer than a VARCHAR");
    Ok(())
}

const PAGES: &str = "CREATE DATABASE types; CREATE TABLE types.pages (id INT PRIMARY KEY, body LONGTEXT); \
    INSERT INTO types.pages VALUES (1, 'small'), (2, REPEAT('x', 70000))";
const SAME: &str = "SELECT id, LENGTH(body) FROM types.pages ORDER BY id";
const LENGTHS: &str = "SELECT id, OCTET_LENGTH(body #>> '{}') FROM types.pages ORDER BY id";

#[tokio::test]
async fn a_long_string_is_refused_until_large_strings_are_on() -> anyhow::Result<()> {
    let mut world = World::running(|_| (), PAGES).await?;
    let loaded = world.flush_and_load().await?;
    let (manifest, reason) = loaded.refused.first().context("it was loaded")?;
    assert!(
        reason.contains("a string of 70000 bytes, above 65535"),
        "{reason}"
    );
    let told = format!("SELECT COUNT(*) > 0 FROM {SCHEMA}.load_errors");
    assert_eq!(world.value(&told).await?, "t");
    world.merge().await?;
    assert_eq!(world.value("SELECT COUNT(*) FROM types.pages").await?, "0");
    // What a person does: turns it on, and loads what was refused again.
    let settings = Settings {
        has_large_strings: true,
        ..Settings::incoming(SCHEMA)
    };
    let loader = Loader::new(&world.postgres.url(ADMIN), world.lake(), settings);
    loader.copy(manifest).await?;
    world.merge().await?;
    world.ensure_equal(SAME, LENGTHS).await
}

#[tokio::test]
async fn text_of_16_mib_is_a_dead_letter_and_its_table_goes_on() -> anyhow::Result<()> {
    let buried = |options: &mut Options| {
        large_strings(options);
        options.config +=
            "[errors]\noversize = \"dead_letter\"\ndead_letter_path = \"letters.jsonl\"\n";
    };
    let mut world = World::running(buried, PAGES).await?;
    world
        .mysql
        .exec(
            "INSERT INTO types.pages VALUES (3, REPEAT('x', 16777216)), (4, REPEAT('😀', 200000)); \
             UPDATE types.pages SET body = 'small again' WHERE id = 2",
        )
        .await?;
    world.settle().await?;
    world
        .ensure_equal(
            "SELECT id, LENGTH(body) FROM types.pages WHERE id <> 3 ORDER BY id",
            LENGTHS,
        )
        .await?;
    let letters = fs::read_to_string(world.folder().join("letters.jsonl"))?;
    assert_eq!(letters.lines().count(), 1);
    Ok(())
}

const ODD: &str = "CREATE DATABASE types; \
    CREATE TABLE types.people (id INT PRIMARY KEY, odd VARCHAR(2) CHARACTER SET dec8, more TEXT CHARACTER SET dec8); \
    INSERT INTO types.people VALUES (1, 'a', 'b'), (2, x'61ff', x'62ff')";

#[tokio::test]
async fn replaced_bytes_of_invalid_text_are_no_loss() -> anyhow::Result<()> {
    let replaced = |options: &mut Options| {
        options.config += "[errors]\ninvalid_text = \"replace\"\n";
    };
    let mut world = World::running(replaced, ODD).await?;
    world.settle().await?;
    let sql = "SELECT string_agg(CONCAT_WS(' ', odd, more, \"_lost\"), ', ' ORDER BY id) FROM types.people";
    assert_eq!(
        world.value(sql).await?,
        "a \"b\" 0, a\u{fffd} \"b\u{fffd}\" 0"
    );
    Ok(())
}

#[tokio::test]
async fn invalid_text_as_an_object_is_null_in_a_varchar_and_whole_in_a_document()
-> anyhow::Result<()> {
    let kept = |options: &mut Options| {
        options.config += "[errors]\ninvalid_text = \"base64_object\"\n";
    };
    let mut world = World::running(kept, ODD).await?;
    world.settle().await?;
    let rows =
        "SELECT odd, more, \"_lost\", \"_raw\" -> 'odd' FROM types.people__rows WHERE id = 2";
    let rows = world.postgres.query_rows(rows).await?;
    let odd = "{\"base64\":\"Yf8=\"}".to_owned();
    let more = "{\"base64\":\"Yv8=\"}".to_owned();
    assert_eq!(rows, [[None, Some(more), Some("1".to_owned()), Some(odd)]]);
    let lossy = format!("SELECT row_count FROM {SCHEMA}.lossy_rows");
    assert_eq!(world.value(&lossy).await?, "1");
    Ok(())
}

#[tokio::test]
async fn what_an_altered_column_brings_before_it_is_generated_anew_is_lost_and_kept()
-> anyhow::Result<()> {
    let sql = "CREATE DATABASE types; CREATE TABLE types.goods (id INT PRIMARY KEY, price DECIMAL(6,2), n SMALLINT, \
        name VARCHAR(5), code VARBINARY(3)); INSERT INTO types.goods VALUES (1, 1.25, 7, 'five!', 'abc')";
    let bytes = |options: &mut Options| options.config += "bytes = \"varbyte\"\n";
    let mut world = World::running(bytes, sql).await?;
    world.settle().await?;
    let row = "SELECT price, n, name, ENCODE(code, 'escape'), \"_lost\" FROM types.goods";
    let of = |row: [Option<&str>; 5]| vec![row.map(|value| value.map(str::to_owned)).to_vec()];
    let fits = of([
        Some("1.25"),
        Some("7"),
        Some("five!"),
        Some("abc"),
        Some("0"),
    ]);
    assert_eq!(world.postgres.query_rows(row).await?, fits);
    world
        .mysql
        .exec(
            "ALTER TABLE types.goods MODIFY price DECIMAL(10,4), MODIFY n INT, MODIFY name VARCHAR(40), \
             MODIFY code VARBINARY(20); \
             UPDATE types.goods SET price = 1.2345, n = 70000, name = REPEAT('x', 40), code = 'abcd'",
        )
        .await?;
    world.settle().await?;
    let cut = "x".repeat(20);
    let lost = of([None, None, Some(&cut), None, Some("4")]);
    assert_eq!(world.postgres.query_rows(row).await?, lost);
    let raw = "SELECT \"_raw\" FROM types.goods__rows";
    let kept = format!(
        "{{\"id\":1,\"price\":\"1.2345\",\"n\":70000,\"name\":\"{}\",\"code\":\"YWJjZA==\"}}",
        "x".repeat(40)
    );
    assert_eq!(world.value(raw).await?, kept);
    Ok(())
}
