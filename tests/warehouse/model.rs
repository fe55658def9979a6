//! The merge against a model: whatever order lines come in, however often and in how many merges, the table is what the
//! log says in the order of `seq`.
//!
//! Lines are made up, so that there is much of what is rare: keys that move to and fro, TRUNCATE, copies, a failover that
//! sends what was sent again under a new epoch. No MySQL and no program is needed. `HEADWATER_MODEL_SEED` repeats a run.

use std::collections::BTreeMap;

use fastrand::Rng;
use headwater_binlog::{
    charset::Charset,
    columns::ListedColumn,
    schema::{ColumnKind, TableName},
};
use headwater_harness::postgres::Postgres;
use headwater_warehouse::{
    dialect::Dialect,
    generate::{Lake, Lines, Request, generate},
    incoming::Incoming,
    stored::Choices,
    table::{Shown, SourceColumn, SourceTable},
};
use serde_json::{Map, Value, json};

const ROUNDS: usize = 6;
const LINES: usize = 400;
const KEYS: i64 = 12;

/// By its key: `id` and `name`.
type Table = BTreeMap<(i64, String), i64>;

pub struct Log {
    rng: Rng,
    table: Table,
    pub lines: Vec<Value>,
    /// So many when the last copy began or ended: a server that takes over sends none of them again.
    copied: usize,
    epoch: u32,
    offset: u64,
}

impl Log {
    pub fn new(rng: Rng) -> Self {
        let mut log = Self {
            rng,
            table: Table::new(),
            lines: Vec::new(),
            copied: 0,
            epoch: 1,
            offset: 4,
        };
        while log.lines.len() < LINES {
            log.change();
        }
        log
    }

    /// What it describes, in the order of its key.
    pub fn rows(&self) -> Vec<Vec<Option<String>>> {
        let each = self.table.iter().map(|((id, name), n)| {
            vec![
                Some(id.to_string()),
                Some(name.clone()),
                Some(n.to_string()),
            ]
        });
        each.collect()
    }

    fn key(&mut self) -> (i64, String) {
        let names = ["a", "A", "a ", "ä'\"\\"];
        let name = names[self.rng.usize(..names.len())];
        (self.rng.i64(0..KEYS), name.to_owned())
    }

    fn push(&mut self, kind: &str, tail: &str, fields: Value) {
        let seq = format!("{:08x}.00000001.{:016x}.{tail}", self.epoch, self.offset);
        let mut line = json!({
            "type": kind, "database": "shop", "table": "Orders", "ts_us": 1_795_416_214_123_456_u64,
            "id": format!("{kind}/{}", self.lines.len()), "seq": seq, "position": format!("binlog.000001:{}", self.offset),
        });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        self.lines.push(line);
        self.offset += 100;
    }

    fn row(key: &(i64, String), n: i64) -> Value {
        let key_fields = json!({"id": key.0, "name": key.1});
        let mut data = key_fields.clone();
        data["n"] = n.into();
        json!({"key": key_fields, "data": data})
    }

    fn change(&mut self) {
        let (key, n) = (self.key(), self.rng.i64(0..1_000_000));
        match (self.rng.u32(..100), self.table.get(&key).copied()) {
            (0..2, _) => {
                self.table.clear();
                self.push(
                    "truncate",
                    "00000000",
                    json!({"statement": "TRUNCATE TABLE Orders", "tables": []}),
                );
            }
            (2..8, _) => self.copy(),
            (8..12, _) => self.fail_over(),
            (_, None) => {
                self.table.insert(key.clone(), n);
                self.push("insert", "00000000", Self::row(&key, n));
            }
            (12..30, Some(n)) => {
                self.table.remove(&key);
                self.push("delete", "00000000", Self::row(&key, n));
            }
            (30..60, Some(before)) => {
                let to = self.key();
                if self.table.contains_key(&to) {
                    return;
                }
                self.table.remove(&key);
                self.table.insert(to.clone(), n);
                let mut old = Map::new();
                if key.0 != to.0 {
                    old.insert("id".into(), key.0.into());
                }
                if key.1 != to.1 {
                    old.insert("name".into(), key.1.clone().into());
                }
                old.insert("n".into(), before.into());
                let mut row = Self::row(&to, n);
                row["old"] = Value::Object(old);
                self.push("update", "00000000", row);
            }
            (_, Some(before)) => {
                self.table.insert(key.clone(), n);
                let mut row = Self::row(&key, n);
                row["old"] = json!({"n": before});
                self.push("update", "00000000", row);
            }
        }
    }

    /// Of all rows. Some have gone before, and no line has said so.
    fn copy(&mut self) {
        let rng = &mut self.rng;
        self.table.retain(|_, _| rng.u8(..8) > 0);
        let begun = format!("{:08x}.00000001.{:016x}.00000000", self.epoch, self.offset);
        // Who goes on from a place before it would begin the copy anew.
        self.copied = self.lines.len();
        for _ in 0..self.rng.u8(..4) {
            self.change();
        }
        let rows: Vec<Value> = self
            .table
            .iter()
            .map(|(key, n)| Self::row(key, *n))
            .collect();
        let end = json!({"run": "fix", "rows": rows.len(), "begin_seq": begun});
        let lines = rows.into_iter().map(|row| ("snapshot", row));
        let offset = self.offset;
        for (place, (kind, fields)) in lines.chain([("snapshot_end", end)]).enumerate() {
            self.push(kind, &format!("00000001.{place:016x}"), fields);
            self.offset = offset;
        }
        self.offset += 100;
        self.copied = self.lines.len();
    }

    /// Another server sends the newest changes again, under their ids and at its own places.
    fn fail_over(&mut self) {
        // That a copy has begun or ended is stored with all before it.
        let since = self.lines.len() - self.copied;
        let from = self.lines.len() - self.rng.usize(..=since.min(20));
        let again: Vec<Value> = self.lines[from..].to_vec();
        self.epoch += 1;
        self.offset = 4;
        for mut line in again.into_iter().filter(|line| line["type"] != "snapshot") {
            let seq = format!("{:08x}.00000001.{:016x}.00000000", self.epoch, self.offset);
            line["seq"] = seq.into();
            self.lines.push(line);
            self.offset += 100;
        }
    }
}

pub fn source() -> SourceTable {
    let column = |name: &str, declared: &str, kind| SourceColumn {
        listed: ListedColumn {
            name: name.into(),
            column_type: declared.into(),
            octets: None,
            charset: Some("utf8mb4".into()),
            nullable: false,
            visible: true,
        },
        kind,
        shown: Shown::AsItIs,
    };
    let text = ColumnKind::Text {
        length_bytes: 1,
        charset: Charset::of_collation(255),
    };
    let int = || ColumnKind::Int { unsigned: false };
    SourceTable {
        name: TableName {
            database: "shop".into(),
            table: "Orders".into(),
        },
        columns: vec![
            column("id", "int", int()),
            column("name", "varchar(20)", text),
            column("n", "int", int()),
        ],
        key: vec![0, 1],
    }
}

/// Some lines twice, in any order, in a few parts.
pub fn delivered(rng: &mut Rng, lines: &[Value]) -> Vec<Vec<String>> {
    let mut all: Vec<&Value> = lines.iter().collect();
    let again = rng.choose_multiple(lines.iter(), lines.len() / 5);
    all.extend(again);
    rng.shuffle(&mut all);
    let part = all.len().div_ceil(rng.usize(1..6));
    let texts = |part: &[&Value]| part.iter().map(|line| line.to_string()).collect();
    all.chunks(part).map(texts).collect()
}

/// Printed, so that a failure can be repeated.
pub fn seeded() -> (u64, Rng) {
    let seed = std::env::var("HEADWATER_MODEL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    (seed, Rng::with_seed(seed))
}

#[tokio::test]
async fn any_delivery_of_a_log_gives_the_table_that_it_describes() -> anyhow::Result<()> {
    let (seed, mut rng) = seeded();
    let postgres = Postgres::start().await?;
    let generated = generate(&Request {
        dialect: Dialect::Postgres,
        control_schema: "headwater",
        choices: Choices::default(),
        incoming: &Incoming::Copy,
        is_by_key: false,
        lines: &Lines::Nested,
        lake: &Lake::default(),
        tables: &[source()],
    })?;
    for (file, text) in generated
        .files
        .iter()
        .filter(|(file, _)| file.ends_with(".sql"))
    {
        postgres
            .exec(text)
            .await
            .map_err(|error| error.context(file.clone()))?;
    }
    let session = postgres.session().await?;
    for round in 0..ROUNDS {
        let log = Log::new(rng.fork());
        for part in delivered(&mut rng, &log.lines) {
            let values: Vec<String> = part
                .iter()
                .map(|line| format!("('{}')", line.replace('\'', "''")))
                .collect();
            let sql = format!(
                "INSERT INTO headwater.incoming (line) VALUES {}",
                values.join(", ")
            );
            session.exec(&sql).await?;
            session.exec("CALL headwater.merge_all()").await?;
        }
        let found = session
            .query_rows("SELECT id, name, n FROM shop.orders ORDER BY id, name COLLATE \"C\"")
            .await?;
        assert_eq!(found, log.rows(), "round {round} of seed {seed}");
        let rejected = session
            .query_rows("SELECT reason FROM headwater.rejected")
            .await?;
        assert!(rejected.is_empty(), "{rejected:?}");
        session
            .exec("TRUNCATE shop.orders__rows; UPDATE headwater.tables SET emptied_seq = ''; TRUNCATE headwater.lanes")
            .await?;
    }
    Ok(())
}
