//! The orders table of tests and benches: 12 columns of 12 types, a native insert line of about 570 bytes.
//!
//! A load is a number of row changes, two thirds inserts and then one third updates, made fast: a few
//! random seed rows, doubled by INSERT … SELECT to one block, which is then copied with other ids and
//! values. The same seed gives the same rows; nothing depends on the clock.

use anyhow::Context;
use mysql_async::{Conn, prelude::Queryable};

use crate::mysql::MySql;

const SEED_ROWS: u64 = 16;

/// The statement that creates an orders table, e.g. `shop.orders`; its database must exist.
pub fn create_table(table: &str) -> String {
    format!(
        "CREATE TABLE {table} (
            id BIGINT NOT NULL PRIMARY KEY,
            customer_id INT UNSIGNED NOT NULL,
            status ENUM('new', 'paid', 'packed', 'shipped', 'returned') NOT NULL,
            total DECIMAL(10,2) NOT NULL,
            currency CHAR(3) NOT NULL,
            reference VARCHAR(40) NOT NULL,
            note TEXT,
            items SMALLINT NOT NULL,
            priority TINYINT NOT NULL,
            placed_at DATETIME(6) NOT NULL,
            updated_at TIMESTAMP(3) NOT NULL,
            attributes JSON
        )"
    )
}

/// What to load.
#[derive(Debug, Clone)]
pub struct Load {
    /// With its database, e.g. `shop.orders`.
    pub table: String,
    pub changes: u64,
    /// Row changes of one transaction.
    pub transaction_rows: u64,
    pub seed: u64,
    /// Inserts alone.
    is_plain: bool,
}

impl Load {
    /// `changes` row changes of `shop.orders`, 2,000 a transaction.
    pub fn new(changes: u64) -> Self {
        Self {
            table: "shop.orders".to_owned(),
            changes,
            transaction_rows: 2_000,
            seed: 1,
            is_plain: false,
        }
    }

    /// All changes are inserts.
    #[must_use]
    pub fn without_updates(mut self) -> Self {
        self.is_plain = true;
        self
    }

    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        table.clone_into(&mut self.table);
        self
    }

    #[must_use]
    pub fn transaction_rows(mut self, rows: u64) -> Self {
        self.transaction_rows = rows.max(1);
        self
    }

    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Rows that the table holds afterwards.
    pub fn rows(&self) -> u64 {
        match self.is_plain {
            true => self.changes,
            false => self.changes - self.changes / 3,
        }
    }

    /// Creates the table, and its database if it is missing, and makes all changes.
    ///
    /// # Errors
    /// When the table exists or the server fails.
    pub async fn run(&self, server: &MySql) -> anyhow::Result<()> {
        let mut conn = server.conn().await?;
        let database = self.table.split('.').next().unwrap_or_default();
        run(
            &mut conn,
            &format!("SET time_zone = '+00:00'; CREATE DATABASE IF NOT EXISTS {database}"),
        )
        .await?;
        run(&mut conn, &create_table(&self.table)).await?;

        let rows = self.rows();
        let block = self.transaction_rows.min(rows);
        let mut have = SEED_ROWS.min(block);
        if have > 0 {
            run(&mut conn, &self.seed_rows(have)).await?;
        }
        while have < rows {
            let from = have.min(block);
            let count = from
                .min(rows - have)
                .min(if have < block { block - have } else { block });
            run(&mut conn, &self.copied_rows(have, count)).await?;
            have += count;
        }

        let (mut updated, updates) = (0, self.changes - rows);
        while updated < updates {
            let first = updated % rows;
            let count = self
                .transaction_rows
                .min(updates - updated)
                .min(rows - first);
            run(&mut conn, &self.update(first + 1, first + count)).await?;
            updated += count;
        }
        conn.disconnect().await.context("leave the server")
    }

    fn seed_rows(&self, count: u64) -> String {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let rows = (1..=count).map(|id| {
            let note: Vec<&str> = (0..2)
                .filter_map(|_| random.choice(WORDS).copied())
                .collect();
            format!(
                "({id}, {}, {}, {}.{:02}, '{}', 'R-{:010}', '{}', {}, {}, \
                 '2026-{:02}-{:02} {:02}:{:02}:{:02}.{:06}', '2026-06-{:02} 12:00:00.{:03}', \
                 '{{\"web\": {}, \"score\": {}}}')",
                random.u32(1..1_000_000),
                random.u8(1..=5),
                random.u32(1..90_000),
                random.u8(0..100),
                random.choice(["EUR", "USD", "SEK"]).unwrap_or("EUR"),
                random.u32(..),
                note.join(" "),
                random.u8(1..50),
                random.i8(-9..9),
                random.u8(1..=12),
                random.u8(1..=28),
                random.u8(0..24),
                random.u8(0..60),
                random.u8(0..60),
                random.u32(0..1_000_000),
                random.u8(1..=28),
                random.u16(0..1000),
                random.bool(),
                random.u16(0..1000),
            )
        });
        format!(
            "INSERT INTO {} VALUES {}",
            self.table,
            rows.collect::<Vec<_>>().join(", ")
        )
    }

    /// `count` rows with the ids behind `have`, from the table's first rows.
    fn copied_rows(&self, have: u64, count: u64) -> String {
        let table = &self.table;
        format!(
            "INSERT INTO {table} SELECT id + {have}, (customer_id * 31 + {have}) % 1000000, \
             (status + id) % 5 + 1, (total * 7 + {have}) % 90000, currency, \
             CONCAT('R-', LPAD(id + {have}, 10, '0')), note, items % 49 + 1, -priority, \
             placed_at + INTERVAL {have} SECOND, updated_at + INTERVAL {have} SECOND, attributes \
             FROM {table} WHERE id BETWEEN 1 AND {count} ORDER BY id"
        )
    }

    fn update(&self, first: u64, last: u64) -> String {
        format!(
            "UPDATE {} SET status = status % 5 + 1, total = total + 1, items = items + 1, \
             updated_at = updated_at + INTERVAL 1 SECOND WHERE id BETWEEN {first} AND {last} ORDER BY id",
            self.table
        )
    }
}

const WORDS: &[&str] = &[
    "fragile",
    "leave at the door",
    "ring twice",
    "gift",
    "call first",
    "second floor",
    "no signature",
    "grüße",
    "weekend only",
    "keep cool",
];

async fn run(conn: &mut Conn, sql: &str) -> anyhow::Result<()> {
    let shown: String = sql.chars().take(80).collect();
    conn.query_drop(sql)
        .await
        .with_context(|| format!("run `{shown}…`"))
}
