//! Writers over many keys of some tables: every change of a row raises its counter `n` by one.
//!
//! They go on over everything that happens to the server; what was committed, the binlog knows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use mysql_async::{Conn, prelude::Queryable};
use tokio::{
    sync::{OwnedRwLockWriteGuard, RwLock},
    task::JoinHandle,
    time::sleep,
};

use super::{Options, life::reached};

const WRITERS: u32 = 3;
const TABLE_COUNT: u32 = 4;
/// Row changes of a transaction, on average.
const CHANGES: u32 = 8;

pub const TABLES: &str = "CREATE DATABASE chaos; \
    CREATE TABLE chaos.t0 (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, body VARCHAR(400), amount DECIMAL(12,2), at DATETIME(6)); \
    CREATE TABLE chaos.t1 LIKE chaos.t0; \
    CREATE TABLE chaos.t2 (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, body TEXT, amount DOUBLE, at TIMESTAMP(3) NULL, doc JSON); \
    CREATE TABLE chaos.t3 LIKE chaos.t0; \
    CREATE TABLE chaos.small (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, body VARCHAR(400))";

pub const NAMES: [&str; 7] = [
    "chaos.t0",
    "chaos.t1",
    "chaos.t2",
    "chaos.t3",
    "chaos.small",
    "chaos.passing",
    "chaos.giant",
];

const DDL: [&str; 8] = [
    "ALTER TABLE chaos.t0 ADD COLUMN extra INT DEFAULT 7",
    "ALTER TABLE chaos.t0 DROP COLUMN extra",
    "ALTER TABLE chaos.t1 ADD INDEX (n)",
    "ALTER TABLE chaos.t1 DROP INDEX n",
    "TRUNCATE TABLE chaos.small",
    "CREATE TABLE IF NOT EXISTS chaos.passing (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
    "INSERT IGNORE INTO chaos.passing VALUES (1, 1), (2, 1), (3, 1)",
    "DROP TABLE IF EXISTS chaos.passing",
];

/// Of tables that are copied.
const DDL_OF_COPIED: [&str; 5] = [
    "ALTER TABLE chaos.s0 ADD COLUMN extra INT DEFAULT 7",
    "ALTER TABLE chaos.s0 DROP COLUMN extra",
    "ALTER TABLE chaos.s1 ADD INDEX (n)",
    "ALTER TABLE chaos.s1 DROP INDEX n",
    "TRUNCATE TABLE chaos.s2",
];

pub struct Writers {
    is_over: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    /// Each holds it while it writes.
    gate: Arc<RwLock<()>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    pub fn start(url: &str, options: &Options, mut random: fastrand::Rng) -> Self {
        let (is_over, committed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let gate = Arc::<RwLock<()>>::default();
        let writer = |number| {
            let writer = Writer {
                url: url.to_owned(),
                number,
                keys: options.keys.max(10),
                pause: Duration::from_secs(1) * WRITERS * CHANGES / options.changes_per_sec.max(1),
                random: random.fork(),
                is_over: Arc::clone(&is_over),
                committed: Arc::clone(&committed),
                gate: Arc::clone(&gate),
                is_folded: options.lower_case,
                copied: options.copied_tables,
            };
            tokio::spawn(writer.write())
        };
        let tasks = (0..WRITERS).map(writer).collect();
        Self {
            is_over,
            committed,
            gate,
            tasks,
        }
    }

    /// None of them writes before this is dropped.
    pub async fn pause(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Lets them end; answers how many transactions were committed.
    pub async fn stop(self) -> anyhow::Result<u64> {
        reached("transactions", || {
            self.committed.load(Ordering::Relaxed) > 100
        })
        .await?;
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.context("wait for a writer")?;
        }
        let committed = self.committed.load(Ordering::Relaxed);
        ensure!(committed > 0, "the writers wrote nothing");
        Ok(committed)
    }
}

struct Writer {
    url: String,
    number: u32,
    keys: u32,
    pause: Duration,
    random: fastrand::Rng,
    is_over: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    gate: Arc<RwLock<()>>,
    /// The server takes names in any case.
    is_folded: bool,
    /// Tables that are copied.
    copied: u32,
}

impl Writer {
    async fn write(mut self) {
        let mut conn = None;
        while !self.is_over.load(Ordering::Relaxed) {
            sleep(self.pause.mul_f64(2.0 * self.random.f64())).await;
            let mut open = match conn.take() {
                Some(open) => open,
                None => match Conn::from_url(&self.url).await {
                    Ok(open) => open,
                    Err(_) => {
                        sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let statement = match self.is_folded && self.random.bool() {
                true => in_another_case(&self.statement()),
                false => self.statement(),
            };
            let gate = Arc::clone(&self.gate);
            let _open_gate = gate.read().await;
            match open.query_drop(statement).await {
                Ok(()) => {
                    self.committed.fetch_add(1, Ordering::Relaxed);
                    conn = Some(open);
                }
                // A deadlock, a table that another writer altered, a server that goes: with a new connection
                // nothing of it stays open.
                Err(_) => drop(open),
            }
        }
    }

    fn statement(&mut self) -> String {
        let table = match self.copied {
            copied if 0 < copied && self.random.u32(..4) < 3 => {
                format!("s{}", self.random.u32(..copied))
            }
            _ => format!("t{}", self.random.u32(..TABLE_COUNT)),
        };
        let (key, other) = (self.random.u32(..self.keys), self.random.u32(..self.keys));
        let text = self.random.u32(..1_000_000);
        let body = format!("REPEAT('r{text} ', {})", self.random.u32(1..30));
        let change = format!("n = n + 1, body = {body}, amount = amount + 0.25, at = NOW(3)");
        let rows = self.random.u32(1..10);
        let put = |table: &str, key: u32| {
            let row = |key| format!("({key}, 1, {body}, 0.5, NOW(3))");
            let rows: Vec<String> = (key..key + rows).map(row).collect();
            format!(
                "INSERT INTO chaos.{table} (id, n, body, amount, at) VALUES {} \
                 ON DUPLICATE KEY UPDATE {change}",
                rows.join(", ")
            )
        };
        match self.random.u32(..200) {
            0..60 => put(&table, key),
            60..110 => format!("UPDATE chaos.{table} SET {change} WHERE id = {key}"),
            110..140 => format!(
                "UPDATE chaos.{table} SET {change} WHERE id BETWEEN {key} AND {}",
                key + 12
            ),
            140..160 => format!(
                "BEGIN; {}; {}; DELETE FROM chaos.t3 WHERE id = {other}; COMMIT",
                put("t0", key),
                put(&table, other)
            ),
            160..170 => format!("DELETE FROM chaos.{table} WHERE id = {key}"),
            170..180 => {
                format!("UPDATE IGNORE chaos.{table} SET id = {other}, n = n + 1 WHERE id = {key}")
            }
            180..188 => format!(
                "UPDATE chaos.t2 SET n = n + 1, doc = JSON_OBJECT('a', {text}, 'b', JSON_ARRAY(1.5, 'x')) WHERE id = {key}"
            ),
            188..196 => format!(
                "INSERT INTO chaos.small VALUES ({}, 1, {body}) ON DUPLICATE KEY UPDATE n = n + 1, body = {body}",
                key % 20
            ),
            196 => format!("UPDATE chaos.{table} SET {change}"),
            // One writer alone, or columns would come and go under the others' hands too often.
            _ if self.number == 0 => {
                let ddl = match self.copied {
                    copied if 2 < copied && self.random.bool() => self.random.choice(DDL_OF_COPIED),
                    _ => self.random.choice(DDL),
                };
                ddl.unwrap_or("DO 1").to_owned()
            }
            _ => put(&table, other),
        }
    }
}

/// The same names to a server that folds them.
fn in_another_case(statement: &str) -> String {
    statement
        .replace("chaos.t", "Chaos.T")
        .replace("chaos.small", "CHAOS.Small")
        .replace("chaos.passing", "chaos.PASSING")
}
