//! The second server: it gets nothing but the lines. Rows are written by their key (without one by all
//! their columns, one at a time), statements are executed as they were logged.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, bail, ensure};
use mysql_async::{Conn, prelude::Queryable};

use super::{
    lines::{Line, RowParts},
    literal::{equals, is_exactly, literal},
    schema::{Column, ID, Table, quote, shortened, strings},
    session,
};
use crate::{
    golden::{compare::Compare, line::member},
    mysql::MySql,
};

/// What a consumer has to set: nothing is refused that the source took, no key is followed.
const APPLYING: &str = "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', \
    foreign_key_checks = 0, unique_checks = 0, autocommit = 0";

pub struct Replica {
    pub conn: Conn,
    /// How the lines show JSON documents.
    pub documents: Compare,
    tables: HashMap<(String, String), Arc<Table>>,
}

impl Replica {
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(server: &MySql) -> anyhow::Result<Self> {
        let mut conn = session::open(server).await?;
        conn.query_drop(APPLYING).await?;
        Ok(Self {
            conn,
            documents: Compare::Json,
            tables: HashMap::new(),
        })
    }

    /// # Errors
    /// When the server does not take what the line says.
    pub async fn apply(&mut self, line: &Line) -> anyhow::Result<()> {
        let applied = if line.is_row() {
            self.row(line).await
        } else {
            self.statement(line).await
        };
        applied.with_context(|| format!("apply {}", shortened(&line.text)))
    }

    /// # Errors
    /// When the server does not answer.
    pub async fn commit(&mut self) -> anyhow::Result<()> {
        self.conn.query_drop("COMMIT").await.context("commit")
    }

    async fn statement(&mut self, line: &Line) -> anyhow::Result<()> {
        self.tables.clear();
        let field = |name| line.field(name).with_context(|| format!("no `{name}`"));
        let (statement, database) = (field("statement")?, field("default_database")?);
        // What the server appends to CREATE TABLE … SELECT; rows behind it could not be written by SQL.
        let statement = statement
            .strip_suffix(" START TRANSACTION")
            .unwrap_or(&statement);
        if !database.is_empty() {
            // It may be gone by now; then the statement names its own.
            drop(
                self.conn
                    .query_drop(format!("USE {}", quote(&database)))
                    .await,
            );
        }
        let sql_mode = format!("SET sql_mode = '{}'", field("sql_mode")?);
        self.conn.query_drop(sql_mode).await?;
        self.conn.query_drop(statement).await?;
        self.conn.query_drop(APPLYING).await?;
        Ok(())
    }

    async fn row(&mut self, line: &Line) -> anyhow::Result<()> {
        let table = self.table(&line.database, &line.table).await?;
        let parts = line.parts()?;
        let path = table.path();
        let sql = match line.kind.as_str() {
            "insert" => {
                let (mut names, mut values) = (Vec::new(), Vec::new());
                for (column, raw) in written(&table, &parts.data)? {
                    names.push(quote(&column.name));
                    values.push(literal(column, raw)?);
                }
                format!(
                    "INSERT INTO {path} ({}) VALUES ({})",
                    names.join(", "),
                    values.join(", ")
                )
            }
            "update" => {
                let mut sets = Vec::new();
                for (column, raw) in written(&table, &parts.data)? {
                    sets.push(format!(
                        "{} = {}",
                        quote(&column.name),
                        literal(column, raw)?
                    ));
                }
                let is_absent = |column: &&Column| {
                    column.is_touched && member(&parts.data, &column.name).is_none()
                };
                for column in table.columns.iter().filter(is_absent) {
                    sets.push(format!("{0} = {0}", quote(&column.name)));
                }
                let found = found(&table, &parts)?;
                format!(
                    "UPDATE {path} SET {} WHERE {found} LIMIT 1",
                    sets.join(", ")
                )
            }
            _ => format!(
                "DELETE FROM {path} WHERE {} LIMIT 1",
                found(&table, &parts)?
            ),
        };
        self.conn
            .query_drop(&sql)
            .await
            .with_context(|| shortened(&sql))?;
        let rows = self.conn.affected_rows();
        if rows == 0 {
            let told = self.unmet(&table, &parts).await?;
            bail!("no row is found by {told:?} in {}", shortened(&sql));
        }
        ensure!(rows == 1, "{rows} rows found by {}", shortened(&sql));
        Ok(())
    }

    /// The conditions that hold for no row of this id, for the message.
    async fn unmet(&mut self, table: &Table, parts: &RowParts<'_>) -> anyhow::Result<Vec<String>> {
        let id = member(&parts.data, ID).unwrap_or("NULL");
        let id = parts
            .old
            .as_ref()
            .and_then(|old| member(old, ID))
            .unwrap_or(id);
        let mut unmet = Vec::new();
        for condition in conditions(table, parts)? {
            let path = table.path();
            let sql = format!("SELECT COUNT(*) FROM {path} WHERE {ID} = {id} AND {condition}");
            let count = strings(&mut self.conn, &sql).await?;
            if count == [[Some("0".to_owned())]] {
                unmet.push(shortened(&condition));
            }
        }
        Ok(unmet)
    }

    async fn table(&mut self, database: &str, name: &str) -> anyhow::Result<Arc<Table>> {
        let key = (database.to_owned(), name.to_owned());
        if let Some(table) = self.tables.get(&key) {
            return Ok(Arc::clone(table));
        }
        let table = Table::read(&mut self.conn, self.documents, database, name).await?;
        let table = Arc::new(table.context("the table is not there")?);
        self.tables.insert(key, Arc::clone(&table));
        Ok(table)
    }
}

/// The columns of a line that can be written to.
fn written<'a, 'b>(
    table: &'a Table,
    data: &'b [(String, &'b str)],
) -> anyhow::Result<Vec<(&'a Column, &'b str)>> {
    let mut columns = Vec::new();
    for (name, raw) in data {
        let column = table
            .column(name)
            .with_context(|| format!("no column `{name}`"))?;
        if !column.is_generated {
            columns.push((column, *raw));
        }
    }
    Ok(columns)
}

/// Where the row is, by what it was.
fn found(table: &Table, parts: &RowParts<'_>) -> anyhow::Result<String> {
    Ok(conditions(table, parts)?.join(" AND "))
}

fn conditions(table: &Table, parts: &RowParts<'_>) -> anyhow::Result<Vec<String>> {
    let was = |name: &str| {
        let old = parts.old.as_ref().and_then(|old| member(old, name));
        let key = || parts.key.as_ref().and_then(|key| member(key, name));
        old.or_else(key).or_else(|| member(&parts.data, name))
    };
    let mut conditions = Vec::new();
    for name in &table.key {
        let column = table.column(name).context("a key of columns")?;
        let raw = was(name).with_context(|| format!("no `{name}` of the key"))?;
        conditions.push(equals(column, raw)?);
    }
    if conditions.is_empty() {
        for column in table.columns.iter().filter(|column| !column.is_generated) {
            let raw = was(&column.name).with_context(|| format!("no `{}`", column.name))?;
            conditions.push(is_exactly(column, raw)?);
        }
    }
    Ok(conditions)
}
