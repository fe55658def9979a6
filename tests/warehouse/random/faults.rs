//! Faults of every kind in random tables: the audit finds each of them, and blames no other table.

use anyhow::{Context, ensure};
use fastrand::Rng;
use headwater_harness::generator::Source;
use serde_json::{Value, json};

use super::{SMALL, rough};
use crate::{auditing, world::World};

/// A table of the warehouse, as the manifest has it.
struct Table {
    name: String,
    rows: String,
    columns: Vec<Column>,
}

struct Column {
    identifier: String,
    stored: String,
    is_key: bool,
}

#[tokio::test]
async fn faults_planted_in_random_tables_are_all_found() -> anyhow::Result<()> {
    let seed = fastrand::u64(..1 << 48);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut world = World::new(|options| rough(options, seed), "DO 1").await?;
    let mut source = Source::open(&world.mysql).await?;
    let mut round = source.round(seed);
    round.begin().await?;
    round.has_statements = false;
    round.make(SMALL).await?;
    world.generate().await?;
    world.apply().await?;
    world.start().await?;
    round.go_on(SMALL.steps() / 2).await?;
    world.settle().await?;

    let audited = audit(&world).await?;
    ensure!(
        audited.iter().all(|table| total(table) == 0),
        "{audited:#?}"
    );
    let is_read =
        |table: &&Value| table["refused"].is_null() && 2 < table["rows"].as_u64().unwrap_or(0);
    let readable = audited
        .iter()
        .filter(is_read)
        .filter_map(|table| table["table"].as_str());
    let readable: Vec<String> = readable.map(str::to_owned).collect();
    ensure!(!readable.is_empty(), "no table can be read");
    let tables = tables(&world)?;
    let tables: Vec<&Table> = tables
        .iter()
        .filter(|it| readable.contains(&it.name))
        .collect();
    for fault in [
        "missing",
        "extra",
        "different",
        "deleted",
        "undone",
        "blanked",
    ] {
        let table = rng.choice(&tables).context("a table")?;
        let Some((plant, kind)) = planted(&world, table, fault, &mut rng).await? else {
            println!("{fault}: nothing of {} can be so", table.name);
            continue;
        };
        let keep = format!(
            "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM {}",
            table.rows
        );
        world.postgres.exec(&keep).await?;
        world.postgres.exec(&plant).await?;
        let found = audit(&world).await?;
        for report in &found {
            let wanted = u64::from(report["table"] == json!(table.name));
            ensure!(
                total(report) == wanted && report[kind] == json!(wanted),
                "{fault} by {plant}: {report:#}"
            );
        }
        let undo = format!(
            "DELETE FROM {0}; INSERT INTO {0} SELECT * FROM kept",
            table.rows
        );
        world.postgres.exec(&undo).await?;
    }
    // A file with a change of each table never comes; what is behind it does.
    round.go_on(SMALL.steps() / 4).await?;
    world.streamed().await?;
    let lost = world.firehose.settle().await?;
    ensure!(!lost.data.is_empty(), "no file was lost");
    round.go_on(1).await?;
    world.settle().await?;
    let found = audit(&world).await?;
    ensure!(found.iter().any(|table| 0 < total(table)), "{found:#?}");
    Ok(())
}

async fn audit(world: &World) -> anyhow::Result<Vec<Value>> {
    let (code, report) = auditing::report(world, &["--wait-secs", "0"]).await?;
    let tables = report["tables"].as_array().context("tables")?.clone();
    let is_wrong = |table: &Value| 0 < total(table) || !table["refused"].is_null();
    let wanted = i32::from(tables.iter().any(is_wrong));
    ensure!(
        code == Some(wanted),
        "the audit ended with {code:?}: {report:#}"
    );
    Ok(tables)
}

fn total(table: &Value) -> u64 {
    let kinds = ["missing", "extra", "different"];
    kinds.iter().filter_map(|kind| table[kind].as_u64()).sum()
}

fn tables(world: &World) -> anyhow::Result<Vec<Table>> {
    let manifest = std::fs::read_to_string(world.generated().join("manifest.json"))?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let quoted = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        format!("\"{}\"", name.replace('"', "\"\""))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |table: &Value| Table {
        name: format!("{}.{}", text(&table["database"]), text(&table["table"])),
        rows: format!("{}.{}", quoted(&table["schema"]), quoted(&table["rows"])),
        columns: table["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|column| Column {
                identifier: quoted(&column["identifier"]),
                stored: text(&column["stored"]["type"]),
                is_key: table["key"]
                    .as_array()
                    .is_some_and(|key| key.contains(&column["name"])),
            })
            .collect(),
    };
    let tables = manifest["tables"].as_array().context("tables")?;
    Ok(tables.iter().map(of).collect())
}

/// The statement that plants the fault in one random row, and as what it must be found; none where no row can be so.
async fn planted(
    world: &World,
    table: &Table,
    fault: &str,
    rng: &mut Rng,
) -> anyhow::Result<Option<(String, &'static str)>> {
    let rows = &table.rows;
    let one = async |condition: &str| {
        let ids = format!("SELECT ctid::text FROM {rows} WHERE {condition} ORDER BY _seq");
        world.postgres.query_rows(&ids).await
    };
    let column = table.columns.iter().filter(|column| !column.is_key);
    let column: Vec<&Column> = column.filter(|it| other(&it.stored).is_some()).collect();
    let column = rng.choice(column);
    let there = match (fault, column) {
        ("undone", _) => "_deleted".to_owned(),
        ("different" | "blanked", None) => return Ok(None),
        ("different" | "blanked", Some(column)) => {
            format!("NOT _deleted AND {} IS NOT NULL", column.identifier)
        }
        _ => "NOT _deleted".to_owned(),
    };
    let ids = one(&there).await?;
    let Some([Some(id)]) = rng.choice(&ids).map(Vec::as_slice) else {
        return Ok(None);
    };
    let this = format!("WHERE ctid = '{id}'");
    let name = column.map_or("", |column| &column.identifier);
    let value = column
        .and_then(|column| other(&column.stored))
        .unwrap_or_default();
    let value = value.replace("{}", name);
    Ok(Some(match fault {
        "missing" => (format!("DELETE FROM {rows} {this}"), "missing"),
        // A lost delete.
        "undone" => (
            format!("UPDATE {rows} SET _deleted = FALSE {this}"),
            "extra",
        ),
        "deleted" => (
            format!("UPDATE {rows} SET _deleted = TRUE {this}"),
            "missing",
        ),
        // The same row twice, which no merge can make.
        "extra" => (
            format!("INSERT INTO {rows} SELECT * FROM {rows} {this}"),
            "extra",
        ),
        "blanked" => (
            format!("UPDATE {rows} SET {name} = NULL {this}"),
            "different",
        ),
        _ => (
            format!("UPDATE {rows} SET {name} = {value} {this}"),
            "different",
        ),
    }))
}

/// Another value than the one that is there.
fn other(stored: &str) -> Option<&'static str> {
    Some(match stored {
        "small_int" | "integer" | "big_int" => "CASE WHEN {} > 0 THEN {} - 1 ELSE {} + 1 END",
        "varchar" => "{} || ' '",
        "binary" => "{} || '\\x00'::bytea",
        "date" | "timestamp" => "{} + INTERVAL '1 day'",
        "document" => "json_build_array({}::json)",
        _ => return None,
    })
}
