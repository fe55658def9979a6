//! Random tables for the road to a warehouse, and the comparison of the two ends by SELECT on both: each type by its
//! own rule, which is written here once more and shares nothing with the program.
//!
//! What a column of the warehouse does not hold (a zero date, a text that was cut) must be counted in `_lost`.

mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, ensure};
use mysql_async::Conn;
use serde_json::Value;
use tempfile::TempDir;

use self::values::{Verdict, compare};
use super::{
    round::Round,
    schema::{Column, ID, Table, quote, strings, text},
    session,
    shape::{Catalogue, DATABASES},
};
use crate::{golden::compare::Compare, mysql::MySql, postgres::Session};

/// A connection to the server on which random tables live.
pub struct Source {
    conn: Conn,
    catalogue: Catalogue,
    folder: TempDir,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Found {
    /// As the manifest calls them: database and table.
    pub tables: Vec<(String, String)>,
    pub rows: u64,
    pub values: u64,
    /// Values that their column does not hold, each counted in its row.
    pub lost: u64,
    /// Tables of MySQL that the manifest does not have.
    pub left_out: Vec<(String, String)>,
    pub differences: Vec<String>,
}

impl Source {
    /// # Errors
    /// When the server does not take the connection.
    pub async fn open(server: &MySql) -> anyhow::Result<Self> {
        Ok(Self {
            conn: session::open(server).await?,
            catalogue: Catalogue::without_nul(),
            folder: tempfile::tempdir().context("create a folder")?,
        })
    }

    /// Statements that its seed alone decides: whole rows, nothing that the road does not take.
    pub fn round(&mut self, seed: u64) -> Round<'_> {
        let folder = self.folder.path().to_owned();
        let mut round = Round::new(&mut self.conn, &self.catalogue, seed, Compare::Json, folder);
        round.is_for_warehouse = true;
        round
    }
}

impl Round<'_> {
    /// Every table of MySQL against the one that the manifest has for it, but for those of `passed_over` (`db.table`).
    ///
    /// # Errors
    /// When a server does not answer, or the manifest is none.
    pub async fn compare(
        &mut self,
        warehouse: &Session,
        folder: &Path,
        passed_over: &BTreeSet<String>,
    ) -> anyhow::Result<Found> {
        let manifest = std::fs::read_to_string(folder.join("manifest.json"))?;
        let manifest: Value = serde_json::from_str(&manifest)?;
        let targets = manifest["tables"].as_array().context("tables")?;
        let field = |target: &Value, name: &str| target[name].as_str().map(str::to_owned);
        let targets: BTreeMap<_, _> = targets
            .iter()
            .map(|target| ((field(target, "database"), field(target, "table")), target))
            .collect();
        let mut found = Found::default();
        for database in DATABASES {
            let tables = format!(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
                text(database)
            );
            let tables = strings(self.conn, &tables).await?;
            for name in tables.into_iter().flatten().flatten() {
                if passed_over.contains(&format!("{database}.{name}")) {
                    continue;
                }
                let named = (database.to_owned(), name.clone());
                let key = (Some(named.0.clone()), Some(named.1.clone()));
                let Some(target) = targets.get(&key) else {
                    found.left_out.push(named);
                    continue;
                };
                let table = Table::read(self.conn, Compare::Json, database, &name).await?;
                let table = table.context("the table is there")?;
                self.compare_table(&table, target, warehouse, &mut found)
                    .await
                    .with_context(|| table.path())?;
                found.tables.push(named);
            }
        }
        Ok(found)
    }

    async fn compare_table(
        &mut self,
        table: &Table,
        target: &Value,
        warehouse: &Session,
        found: &mut Found,
    ) -> anyhow::Result<()> {
        let columns = target["columns"].as_array().context("columns")?;
        let ours: Vec<_> = table.columns.iter().map(|column| &*column.name).collect();
        let theirs: Vec<_> = columns
            .iter()
            .filter_map(|it| it["name"].as_str())
            .collect();
        ensure!(ours == theirs, "columns {theirs:?}, and not {ours:?}");
        let identified = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            format!("\"{}\"", name.replace('"', "\"\""))
        };
        let shown: Vec<String> = columns
            .iter()
            .map(|column| {
                let name = identified(&column["identifier"]);
                match column["stored"]["type"].as_str() {
                    Some("binary") => format!("ENCODE({name}, 'base64')"),
                    _ => format!("{name}::text"),
                }
            })
            .collect();
        let view = format!(
            "{}.{}",
            identified(&target["schema"]),
            identified(&target["view"])
        );
        let sql = format!(
            "SELECT {ID}, _lost, {} FROM {view} ORDER BY 1",
            shown.join(", ")
        );
        let theirs = warehouse.query_rows(&sql).await?;
        let ours = table.select(self.conn, None).await?;
        found.rows += ours.len() as u64;
        let count = format!("SELECT COUNT(*) FROM {}", table.path());
        let count = strings(self.conn, &count).await?.concat();
        let count: String = count.into_iter().flatten().collect();
        let mut differs = |what: String| {
            found.differences.push(format!("{}: {what}", table.path()));
        };
        if count != theirs.len().to_string() {
            differs(format!("{} rows, and MySQL has {count}", theirs.len()));
        }
        let mut rest = ours.clone();
        for row in &theirs {
            let [Some(id), Some(lost), values @ ..] = row.as_slice() else {
                differs(format!("a row without id: {row:?}"));
                continue;
            };
            let Some(mysql) = rest.remove(&id.parse()?) else {
                differs(format!("row {id} is not in MySQL"));
                continue;
            };
            let mut lost_here = 0;
            for (place, column) in table.columns.iter().enumerate() {
                let (ours, theirs) = (mysql[place].as_deref(), values[place].as_deref());
                let is_key = table.key.contains(&column.name);
                found.values += 1;
                match compare(column.compare, &columns[place]["stored"], ours, theirs) {
                    Verdict::Same => (),
                    Verdict::Lost if !is_key => lost_here += 1,
                    _ => differs(shown_difference(column, id, ours, theirs)),
                }
            }
            found.lost += lost_here;
            if lost.parse() != Ok(lost_here) {
                differs(format!(
                    "row {id} counts {lost} values lost, and {lost_here} are"
                ));
            }
        }
        for id in rest.keys() {
            differs(format!("row {id} is missing"));
        }
        Ok(())
    }
}

fn shown_difference(
    column: &Column,
    id: &str,
    ours: Option<&[u8]>,
    theirs: Option<&str>,
) -> String {
    let ours = ours.map(|it| super::schema::shortened(&String::from_utf8_lossy(it)));
    let theirs = theirs.map(super::schema::shortened);
    format!(
        "{} {} of row {id} is {theirs:?}, and in MySQL {ours:?}",
        quote(&column.name),
        column.column_type
    )
}
