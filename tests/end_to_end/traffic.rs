//! A writer that keeps a shop busy: transactions over several tables, keys that change, deletes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyhow::Context;
use headwater_harness::{mysql::MySql, wait::Deadline};
use mysql_async::{Conn, prelude::Queryable};
use tokio::task::JoinHandle;

use crate::world::WITHIN;

const DDL_EVERY: u64 = 11;

/// <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>
const SHUTDOWN: u16 = 1053;
const COLUMN_EXISTS: u16 = 1060;
const NO_COLUMN: u16 = 1091;
const NO_TABLE: u16 = 1146;

pub struct Traffic {
    is_over: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    writer: JoinHandle<anyhow::Result<()>>,
}

impl Traffic {
    /// Until [`stop`](Self::stop); goes on over restarts of the server.
    pub fn start(server: &MySql) -> Self {
        Self::of(server, &[])
    }

    /// With columns that come and go, emptied tables, and new binlog files in between.
    pub fn with_ddl(server: &MySql) -> Self {
        Self::of(
            server,
            &[
                "ALTER TABLE shop.orders ADD COLUMN extra INT DEFAULT 7",
                "FLUSH BINARY LOGS",
                "TRUNCATE TABLE shop.log",
                "ALTER TABLE shop.orders DROP COLUMN extra",
                "CREATE TABLE IF NOT EXISTS shop.passing (id INT PRIMARY KEY)",
                "INSERT IGNORE INTO shop.passing VALUES (1), (2), (3)",
                "DROP TABLE IF EXISTS shop.passing",
            ],
        )
    }

    fn of(server: &MySql, ddl: &'static [&'static str]) -> Self {
        let (is_over, committed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let writer = tokio::spawn(write(
            server.url("root", ""),
            ddl,
            Arc::clone(&is_over),
            Arc::clone(&committed),
        ));
        Self {
            is_over,
            committed,
            writer,
        }
    }

    /// Waits for this many more transactions.
    pub async fn grows(&self, by: u64) -> anyhow::Result<()> {
        let goal = self.committed.load(Ordering::Relaxed) + by;
        let deadline = Deadline::after(WITHIN, format!("{goal} transactions"));
        while self.committed.load(Ordering::Relaxed) < goal {
            anyhow::ensure!(!self.writer.is_finished(), "the writer has ended");
            deadline.pause().await?;
        }
        Ok(())
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.writer.await.context("wait for the writer")?
    }
}

/// `count` transactions, one after the other.
pub async fn transactions(server: &MySql, count: u64) -> anyhow::Result<()> {
    let mut conn = Conn::from_url(server.url("root", "")).await?;
    for n in 0..count {
        transaction(&mut conn, n).await?;
    }
    Ok(conn.disconnect().await?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Off,
    On,
}

/// 7,000 rows of what compresses little, in a new table `shop.bulk`: 12 MB, or 5 MB as one event, more than is
/// held at once.
pub async fn giant_transaction(server: &MySql, compression: Compression) -> anyhow::Result<()> {
    let compression = compression == Compression::On;
    let sql = format!(
        "CREATE TABLE shop.bulk (id INT PRIMARY KEY, body TEXT); \
         SET SESSION binlog_transaction_compression = {compression}, cte_max_recursion_depth = 7000; \
         INSERT INTO shop.bulk WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7000) \
         SELECT i, HEX(RANDOM_BYTES(800)) FROM n"
    );
    server.exec(&sql).await
}

async fn write(
    url: String,
    ddl: &[&str],
    is_over: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut conn = None;
    let mut n = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut open = match conn.take() {
            Some(open) => open,
            None => match Conn::from_url(&url).await {
                Ok(open) => open,
                Err(_) => {
                    Deadline::after(WITHIN, "the server").pause().await?;
                    continue;
                }
            },
        };
        n += 1;
        let outcome = match n % DDL_EVERY {
            0 if !ddl.is_empty() => {
                let turn = (n / DDL_EVERY) as usize % ddl.len();
                open.query_drop(ddl[turn]).await
            }
            _ => transaction(&mut open, n).await,
        };
        match outcome {
            Ok(()) => {
                committed.fetch_add(1, Ordering::Relaxed);
                conn = Some(open);
            }
            // Whether it was committed, the binlog knows.
            Err(mysql_async::Error::Io(_) | mysql_async::Error::Driver(_)) => (),
            Err(mysql_async::Error::Server(error)) if error.code == SHUTDOWN => (),
            // A DDL whose answer was lost.
            Err(mysql_async::Error::Server(error))
                if [COLUMN_EXISTS, NO_COLUMN, NO_TABLE].contains(&error.code) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(conn) = conn {
        conn.disconnect().await?;
    }
    Ok(())
}

async fn transaction(conn: &mut Conn, n: u64) -> mysql_async::Result<()> {
    let sql = match n % 6 {
        0 => format!(
            "BEGIN; INSERT INTO shop.orders (quantity, note) VALUES ({n}, 'a'), ({n}, REPEAT('b', {})); \
             INSERT INTO shop.items VALUES (LAST_INSERT_ID(), {n}, 'cup'), (LAST_INSERT_ID(), {n} + 1, 'pot'); \
             INSERT INTO shop.log (text) VALUES ('order {n}'); COMMIT",
            n % 150
        ),
        1 => format!("INSERT INTO shop.orders (quantity, note) VALUES ({n}, NULL)"),
        2 => "UPDATE shop.orders SET quantity = quantity + 1 ORDER BY id DESC LIMIT 3".to_owned(),
        3 => "UPDATE shop.items SET line = line + 1000000 WHERE line < 1000000 ORDER BY order_id, line LIMIT 1"
            .to_owned(),
        4 => "BEGIN; UPDATE shop.items SET name = CONCAT(name, '.') ORDER BY order_id DESC LIMIT 2; \
              DELETE FROM shop.log LIMIT 1; DELETE FROM shop.orders ORDER BY id LIMIT 1; COMMIT"
            .to_owned(),
        _ => "DELETE FROM shop.items WHERE line >= 1000000 LIMIT 1".to_owned(),
    };
    conn.query_drop(sql).await
}
