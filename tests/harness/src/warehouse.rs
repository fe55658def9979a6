//! The end of a road: SQL that the program writes for the tables of the source, applied as a person applies it, the
//! merge called, and the tables on both sides compared value by value.
//!
//! The comparison reads both sides whole, so it is for what fits into memory, and for sources at rest. Values that a
//! column of the warehouse cannot hold (a zero date) are differences to it.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use mysql_async::{Row, prelude::Queryable};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    mysql::MySql,
    postgres::{Postgres, READER},
    program::{Finished, Launch},
    sql::{path, quote},
};

const WITHIN: Duration = Duration::from_secs(120);
/// Differences that are told of each table.
const EXAMPLES_MAX: usize = 5;
/// The order in which a person applies them.
const IN_ORDER: [&str; 4] = [
    "01-control.sql",
    "02-tables",
    "03-merge-all.sql",
    "04-views.sql",
];

/// `headwater warehouse …` with the settings of this launch.
///
/// # Errors
/// When it cannot be started, or does not end.
pub async fn command(launch: &Launch, arguments: &[&str]) -> anyhow::Result<Finished> {
    let arguments = [&["warehouse"], arguments, &["-c", "headwater.toml"]].concat();
    let launch = launch.clone().with_arguments(&arguments);
    launch.finish(WITHIN).await
}

/// Writes the files for PostgreSQL into `out`, below the launch's folder.
///
/// # Errors
/// When the command does not succeed.
pub async fn generate(launch: &Launch, out: &str) -> anyhow::Result<Finished> {
    let finished = command(launch, &["postgres", "--out", out]).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    Ok(finished)
}

/// `headwater warehouse audit …` of what was generated into `out`, as the account that only reads.
///
/// # Errors
/// When it cannot be started, or does not end.
pub async fn audit(
    launch: &Launch,
    postgres: &Postgres,
    out: &str,
    arguments: &[&str],
) -> anyhow::Result<Finished> {
    let launch = audit_launch(launch, &postgres.url(READER), out, arguments);
    launch.finish(WITHIN).await
}

/// How that is started, for the warehouse at `url`, without TLS.
pub fn audit_launch(launch: &Launch, url: &str, out: &str, arguments: &[&str]) -> Launch {
    let command = ["warehouse", "audit", "--dir", out, "-c", "headwater.toml"];
    launch
        .clone()
        .with_arguments(&[&command, arguments].concat())
        .setting("warehouse.url", url)
        .setting("warehouse.tls.mode", "disabled")
}

/// Applies all files of a folder, in order.
///
/// # Errors
/// When a file cannot be read, or PostgreSQL refuses it.
pub async fn apply(postgres: &Postgres, folder: &Path) -> anyhow::Result<()> {
    for file in IN_ORDER {
        let path = folder.join(file);
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(|| path.display().to_string())?;
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            files = paths.collect::<Result<_, _>>().context("read a folder")?;
            files.sort();
        }
        for file in files {
            let place = || file.display().to_string();
            let sql = fs::read_to_string(&file).with_context(place)?;
            postgres.exec(&sql).await.with_context(place)?;
        }
    }
    Ok(())
}

/// Merges what has been loaded.
///
/// # Errors
/// When the merge fails.
pub async fn merge(postgres: &Postgres, schema: &str) -> anyhow::Result<()> {
    let sql = format!("CALL \"{schema}\".merge_all()");
    postgres.exec(&sql).await
}

/// A table on both sides.
#[derive(Debug, Default)]
pub struct Compared {
    /// As `shop.orders`.
    pub table: String,
    pub mysql_rows: usize,
    pub warehouse_rows: usize,
    /// Rows that one side lacks, or has with another value.
    pub different: usize,
    /// The first of them.
    pub examples: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    tables: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    database: String,
    table: String,
    schema: String,
    view: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    identifier: String,
    declared: String,
    stored: Stored,
}

#[derive(Deserialize)]
struct Stored {
    r#type: String,
}

impl Column {
    fn is_binary(&self) -> bool {
        let kinds = [
            "binary",
            "varbinary",
            "tinyblob",
            "blob",
            "mediumblob",
            "longblob",
            "geom",
            "point",
            "linestring",
            "polygon",
            "multi",
        ];
        kinds.iter().any(|kind| self.declared.starts_with(kind))
    }

    /// Its value in MySQL, as text that both sides print alike.
    fn of_mysql(&self) -> String {
        let name = quote(&self.name);
        match self.stored.r#type.as_str() {
            "timestamp" => format!("DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s.%f')"),
            "real" | "double" => format!("{name} * 1e0"),
            _ if self.is_binary() => format!("REPLACE(TO_BASE64({name}), '\\n', '')"),
            "small_int" | "integer" | "big_int" | "numeric" => format!("{name} + 0"),
            _ => name,
        }
    }

    fn of_warehouse(&self) -> String {
        let name = format!("\"{}\"", self.identifier.replace('"', "\"\""));
        match self.stored.r#type.as_str() {
            "timestamp" => format!("TO_CHAR({name}, 'YYYY-MM-DD HH24:MI:SS.US')"),
            "binary" => format!("REPLACE(ENCODE({name}, 'base64'), CHR(10), '')"),
            "document" if self.declared != "json" => format!("{name} #>> '{{}}'"),
            _ => format!("{name}::TEXT"),
        }
    }

    fn is_same(&self, mysql: Option<&str>, warehouse: Option<&str>) -> bool {
        let (Some(wanted), Some(found)) = (mysql, warehouse) else {
            // A JSON document `null` is NULL in the warehouse.
            return mysql == warehouse || (self.declared == "json" && mysql == Some("null"));
        };
        match self.stored.r#type.as_str() {
            "document" if self.declared == "json" => {
                let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
                parsed(wanted).is_some() && parsed(wanted) == parsed(found)
            }
            "real" => wanted.parse::<f32>().ok() == found.parse::<f32>().ok(),
            "double" => wanted.parse::<f64>().ok() == found.parse::<f64>().ok(),
            _ => wanted == found,
        }
    }
}

type Rows = BTreeMap<Vec<Option<String>>, Vec<Option<String>>>;

/// Every table of the folder's manifest. The source must be at rest, and all of it merged.
///
/// # Errors
/// When one side cannot be read.
pub async fn compare(
    mysql: &MySql,
    postgres: &Postgres,
    folder: &Path,
) -> anyhow::Result<Vec<Compared>> {
    let text = fs::read_to_string(folder.join("manifest.json")).context("read the manifest")?;
    let manifest: Manifest = serde_json::from_str(&text).context("read the manifest")?;
    let mut all = Vec::new();
    for target in &manifest.tables {
        let wanted = rows_of_mysql(mysql, target).await?;
        let found = rows_of_warehouse(postgres, target).await?;
        all.push(compare_rows(target, &wanted, &found));
    }
    Ok(all)
}

fn compare_rows(target: &Target, wanted: &Rows, found: &Rows) -> Compared {
    let mut compared = Compared {
        table: format!("{}.{}", target.database, target.table),
        mysql_rows: wanted.len(),
        warehouse_rows: found.len(),
        ..Compared::default()
    };
    let mut differs = |example: String| {
        compared.different += 1;
        if compared.examples.len() < EXAMPLES_MAX {
            compared.examples.push(example);
        }
    };
    for (key, wanted) in wanted {
        let Some(found) = found.get(key) else {
            differs(format!("{key:?} is missing in the warehouse"));
            continue;
        };
        let values = wanted.iter().zip(found);
        let mut pairs = target.columns.iter().zip(values);
        let other = pairs
            .find(|(column, (wanted, found))| !column.is_same(wanted.as_deref(), found.as_deref()));
        if let Some((column, (wanted, found))) = other {
            differs(format!(
                "{key:?}: {} is {found:?} and not {wanted:?}",
                column.name
            ));
        }
    }
    for key in found.keys().filter(|key| !wanted.contains_key(*key)) {
        differs(format!("{key:?} is in the warehouse only"));
    }
    compared
}

fn keyed(target: &Target, rows: impl IntoIterator<Item = Vec<Option<String>>>) -> Rows {
    let position = |name: &String| target.columns.iter().position(|it| it.name == *name);
    let key: Vec<usize> = target.key.iter().filter_map(position).collect();
    let of = |row: &[Option<String>]| {
        key.iter()
            .map(|at| row.get(*at).cloned().flatten())
            .collect()
    };
    rows.into_iter().map(|row| (of(&row), row)).collect()
}

async fn rows_of_mysql(mysql: &MySql, target: &Target) -> anyhow::Result<Rows> {
    let columns: Vec<String> = target.columns.iter().map(Column::of_mysql).collect();
    let sql = format!(
        "SELECT {} FROM {}",
        columns.join(", "),
        path(&target.database, &target.table)
    );
    let mut conn = mysql.conn().await?;
    conn.query_drop("SET time_zone = '+00:00', NAMES utf8mb4")
        .await?;
    let rows: Vec<Row> = conn.query(&sql).await.with_context(|| sql.clone())?;
    conn.disconnect().await.context("leave the server")?;
    let text = |value| match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    };
    let rows = rows.into_iter();
    Ok(keyed(
        target,
        rows.map(|row| row.unwrap().into_iter().map(text).collect()),
    ))
}

async fn rows_of_warehouse(postgres: &Postgres, target: &Target) -> anyhow::Result<Rows> {
    let columns: Vec<String> = target.columns.iter().map(Column::of_warehouse).collect();
    let sql = format!(
        "SELECT {} FROM \"{}\".\"{}\"",
        columns.join(", "),
        target.schema.replace('"', "\"\""),
        target.view.replace('"', "\"\"")
    );
    Ok(keyed(target, postgres.query_rows(&sql).await?))
}
