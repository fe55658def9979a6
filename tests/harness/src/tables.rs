//! A consumer that keeps tables: it applies lines as they come.
//!
//! A snapshot row puts what the row is, a change what it says; a repeated stretch repeats to the same end. It keeps
//! the newest `seq` of each row too, and both ways must come to the same table. A statement after which a name means
//! other rows empties its table, because a copy of it begins again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::{Map, Value};

use crate::{kinesis::Record, mysql::MySql};

#[derive(Debug, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<String, Row>,
    /// Of rows that went.
    gone: BTreeMap<String, String>,
    /// Of tables without a key: how often each came.
    keyless: BTreeMap<String, u64>,
    ids: BTreeSet<String>,
    /// By run and row.
    copied: BTreeMap<String, u64>,
    ends: u64,
    /// Nothing before it is there.
    emptied: String,
}

struct Row {
    seq: String,
    data: Map<String, Value>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let copied: u64 = self.copied.values().sum();
        write!(
            f,
            "{} rows, {copied} copied, {} ends",
            self.rows.len(),
            self.ends
        )
    }
}

impl Tables {
    /// # Errors
    /// When a line is no native event, or a snapshot row that is new stands behind a newer one.
    pub fn take_record(&mut self, record: &Record) -> anyhow::Result<()> {
        for line in record.lines() {
            let line = serde_json::from_slice(line).context("read a line")?;
            self.take(&line)
                .with_context(|| format!("take the line {line}"))?;
        }
        Ok(())
    }

    fn take(&mut self, line: &Value) -> anyhow::Result<()> {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}.{}", text("database"), text("table"));
        let table = self.tables.entry(name).or_default();
        match text("type") {
            "snapshot_end" => {
                table.ends += 1;
                return Ok(());
            }
            "truncate" => table.empty(text("seq")),
            "ddl" => {
                let statement = text("statement").to_uppercase();
                if [
                    "DROP TABLE",
                    "RENAME TABLE",
                    " RENAME TO",
                    "EXCHANGE PARTITION",
                ]
                .iter()
                .any(|words| statement.contains(words))
                {
                    table.empty(text("seq"));
                }
            }
            kind @ ("snapshot" | "insert" | "update" | "delete") => {
                table.take(kind, line, text("seq"), text("id"))?;
            }
            _ => (),
        }
        Ok(())
    }

    /// Ends of copies that were told.
    pub fn ends_of(&self, table: &str) -> u64 {
        self.tables.get(table).map_or(0, |table| table.ends)
    }

    /// Different snapshot lines, and how many of them say a row again.
    pub fn copied_of(&self, table: &str) -> (u64, u64) {
        let copied = self.tables.get(table).map(|table| &table.copied);
        let all: u64 = copied.iter().flat_map(|copied| copied.values()).sum();
        let different = copied.map_or(0, BTreeMap::len) as u64;
        (all, all - different)
    }

    /// # Errors
    /// When the table's rows are others than those that came.
    pub async fn has_all_of(&self, server: &MySql, table: &str) -> anyhow::Result<()> {
        self.has(server, table, "*").await
    }

    /// The same by some columns, where statements have changed others.
    pub async fn has(&self, server: &MySql, table: &str, columns: &str) -> anyhow::Result<()> {
        let columns = match columns {
            "*" => columns_of(server, table).await?,
            some => some.split(", ").map(str::to_owned).collect(),
        };
        let sql = format!("SELECT {} FROM {table}", columns.join(", "));
        let mut there: Vec<Vec<Option<String>>> = server.query_rows(&sql).await?;
        let mut here = match self.tables.get(table) {
            Some(table) => table.all(&columns),
            None => Vec::new(),
        };
        there.sort();
        here.sort();
        if there != here {
            let lacking: Vec<_> = there.iter().filter(|row| !here.contains(row)).collect();
            let extra: Vec<_> = here.iter().filter(|row| !there.contains(row)).collect();
            anyhow::bail!(
                "{table}: {} rows there and {} here; {} are lacking, such as {:?}; {} are not there, such as {:?}",
                there.len(),
                here.len(),
                lacking.len(),
                &lacking[..lacking.len().min(5)],
                extra.len(),
                &extra[..extra.len().min(5)]
            );
        }
        Ok(())
    }
}

impl Table {
    /// Of all before it; what other shards say of that time may come later.
    fn empty(&mut self, seq: &str) {
        self.rows.retain(|_, row| *seq < *row.seq);
        self.keyless.clear();
        self.gone.clear();
        if *self.emptied < *seq {
            seq.clone_into(&mut self.emptied);
        }
    }

    fn take(&mut self, kind: &str, line: &Value, seq: &str, id: &str) -> anyhow::Result<()> {
        let empty = Map::new();
        let object = |name: &str| line.get(name).and_then(Value::as_object).unwrap_or(&empty);
        let (key, data, old) = (object("key"), object("data"), object("old"));
        let is_new = self.ids.insert(id.to_owned());
        let name = Value::from(key.clone()).to_string();
        if kind == "snapshot" && is_new {
            let told = match key.is_empty() {
                true => Value::from(data.clone()).to_string(),
                false => name.clone(),
            };
            let told = format!("{} {told}", line.get("run").unwrap_or(&Value::Null));
            *self.copied.entry(told).or_default() += 1;
        }
        if *seq < *self.emptied {
            return Ok(());
        }
        if key.is_empty() {
            return self.count(kind, is_new, data, old);
        }
        let mut before = key.clone();
        for (column, value) in &mut before {
            if let Some(old) = old.get(column) {
                *value = old.clone();
            }
        }
        let before = Value::from(before).to_string();
        let known = self.rows.get(&before).map(|row| row.seq.clone());
        let newest = known.or_else(|| self.gone.get(&before).cloned());
        // A repeated stretch may be older than what is known, a record that came twice is; a new snapshot row must
        // never be.
        if kind == "snapshot" && is_new {
            ensure!(
                newest.is_none_or(|newest| *newest < *seq),
                "a snapshot row stands behind a newer one"
            );
        }
        let mut row = match kind {
            "update" => self.rows.remove(&before).map(|row| row.data),
            _ => None,
        }
        .unwrap_or_default();
        if before != name {
            self.gone.insert(before, seq.to_owned());
        }
        if kind == "delete" {
            self.rows.remove(&name);
            self.gone.insert(name, seq.to_owned());
            return Ok(());
        }
        row.extend(data.clone());
        self.gone.remove(&name);
        let (seq, data) = (seq.to_owned(), row);
        self.rows.insert(name, Row { seq, data });
        Ok(())
    }

    fn count(
        &mut self,
        kind: &str,
        is_new: bool,
        data: &Map<String, Value>,
        old: &Map<String, Value>,
    ) -> anyhow::Result<()> {
        if !is_new {
            return Ok(());
        }
        let name = |row: &Map<String, Value>| Value::from(row.clone()).to_string();
        let mut take = |row: &Map<String, Value>| {
            let count = self.keyless.get_mut(&name(row)).filter(|count| **count > 0);
            *count.context("a row that was not there has gone")? -= 1;
            Ok::<_, anyhow::Error>(())
        };
        match kind {
            "delete" => return take(data),
            "update" => {
                let mut before = data.clone();
                before.extend(old.clone());
                take(&before)?;
            }
            _ => (),
        }
        *self.keyless.entry(name(data)).or_default() += 1;
        Ok(())
    }

    fn all(&self, columns: &[String]) -> Vec<Vec<Option<String>>> {
        let values = |row: &Map<String, Value>| {
            let value = |column: &String| match row.get(column.trim_matches('`')) {
                None => Some("(absent)".to_owned()),
                Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            };
            columns.iter().map(value).collect::<Vec<_>>()
        };
        let keyed = self.rows.values().map(|row| values(&row.data));
        let keyless = self.keyless.iter().flat_map(|(row, count)| {
            let row: Map<String, Value> = serde_json::from_str(row).unwrap_or_default();
            std::iter::repeat_n(values(&row), *count as usize)
        });
        keyed.chain(keyless).collect()
    }
}

async fn columns_of(server: &MySql, table: &str) -> anyhow::Result<Vec<String>> {
    let (database, name) = table.split_once('.').context("a table with its database")?;
    let sql = format!(
        "SELECT column_name FROM information_schema.columns \
         WHERE table_schema = '{database}' AND table_name = '{name}' ORDER BY ordinal_position"
    );
    let rows = server.query_rows(&sql).await?;
    let names = rows.into_iter().flatten().flatten();
    Ok(names.map(|name| format!("`{name}`")).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(kind: &str, id: &str, seq: &str) -> Value {
        json!({
            "type": kind, "database": "shop", "table": "orders", "run": "tables", "id": id, "seq": seq,
            "key": {"id": 1}, "data": {"id": 1},
        })
    }

    #[test]
    fn a_snapshot_row_that_came_twice_is_no_older_one_and_a_new_one_may_not_be() {
        let mut tables = Tables::default();
        for line in [
            line("insert", "a", "1"),
            line("snapshot", "b", "2"),
            line("snapshot", "b", "2"),
            line("update", "c", "3"),
        ] {
            tables.take(&line).expect("in order");
        }
        let behind = tables.take(&line("snapshot", "d", "2")).unwrap_err();
        assert!(behind.to_string().contains("behind a newer one"));
    }
}
