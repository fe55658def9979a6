//! Tables with rows that are copied beside the changes: they begin, are hit by what ends lives, and are asked for anew.
//!
//! The rows are there before the log that is read begins, so a consumer can have them from copies alone.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Chaos, STREAM, lanes, life::WITHIN};
use crate::{program::Program, tables::Tables, wait::Deadline};

/// Of each table at the begin.
const ROWS: u32 = 3_000;
/// So slow that most lives end within a copy.
const ROWS_PER_SEC: u32 = 6_000;
const SOON: Duration = Duration::from_secs(10);
/// Tables that are asked for anew at once.
const ANEW: u32 = 6;
/// What no statement of the writers changes the type of.
const COLUMNS: &str = "id, n, body, amount";

/// What became of copies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copied {
    /// Kills while one was on its way.
    pub kills: u64,
    pub drains: u64,
    pub complete: u64,
    pub rows: u64,
    /// Rows that came more than once in one run.
    pub again: u64,
    pub rows_compared: u64,
}

impl Chaos {
    pub(super) async fn fill_copied(&mut self) -> anyhow::Result<()> {
        let keys = self.options.keys.max(ROWS);
        for table in 0..self.options.copied_tables {
            let sql = format!(
                "CREATE TABLE chaos.s{table} LIKE chaos.t0; SET SESSION cte_max_recursion_depth = {keys}; \
                 INSERT INTO chaos.s{table} \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {keys}) \
                 SELECT i, 1, REPEAT('there ', i % 40), 0.5, NOW(3) FROM n"
            );
            self.mysql.exec(&sql).await?;
        }
        if 0 < self.options.copied_tables {
            self.start = Some(self.mysql.position().await?);
        }
        Ok(())
    }

    pub(super) fn start_text(&self) -> String {
        match &self.start {
            Some((file, offset)) => format!("{file}:{offset}"),
            None => "earliest".to_owned(),
        }
    }

    pub(super) fn copied_text(&self) -> String {
        match self.options.copied_tables {
            0 => String::new(),
            _ => {
                format!("[snapshot]\ntables = [\"chaos.s*\"]\nrows_per_sec_max = {ROWS_PER_SEC}\n")
            }
        }
    }

    /// Where all is copied, some tables are asked for anew; returns when they are on their way, or soon.
    pub(super) async fn copy_anew(&mut self, program: &Program) -> anyhow::Result<()> {
        if self.options.copied_tables == 0 || is_copying(program).await != Some(false) {
            return Ok(());
        }
        let tables: Vec<String> = (0..ANEW)
            .map(|_| format!("chaos.s{}", self.random.u32(..self.options.copied_tables)))
            .collect();
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let arguments = [&["snapshot", "start", "-c", "headwater.toml"], &tables[..]].concat();
        let url = self.mysql.headwater_url();
        let launch = self.launch(&arguments)?.setting("source.url", &url);
        let finished = launch.finish(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        self.report.happened("copies asked for anew");
        // In some weather nothing begins before the weather changes: how they end is judged at the end of all lives.
        let soon = Deadline::after(SOON, "the copies to begin");
        while is_copying(program).await == Some(false) && soon.pause().await.is_ok() {}
        Ok(())
    }

    /// All copies end, and well.
    pub(super) async fn copy_all(&mut self, program: &mut Program) -> anyhow::Result<()> {
        if self.options.copied_tables == 0 {
            return Ok(());
        }
        let deadline = Deadline::after(4 * WITHIN, "all copies to end");
        while is_copying(program).await != Some(false) {
            self.ensure_alive(program).await?;
            deadline.pause().await?;
        }
        let status = program.status().await?;
        for copy in copies(&status) {
            let state = copy.get("state").and_then(Value::as_str);
            ensure!(state == Some("complete"), "a copy ended otherwise: {copy}");
            self.report.copied.complete += 1;
        }
        Ok(())
    }

    /// A consumer has the tables.
    pub(super) async fn compare_copied(&mut self) -> anyhow::Result<()> {
        // By key a table's lanes lie in several shards, which are read one behind the other: that is the audit's to judge.
        if self.options.copied_tables == 0 || 1 < lanes(self.options.seed) {
            return Ok(());
        }
        let mut tables = Tables::default();
        let mut consumer = self.kinesis.consumer(STREAM).await?;
        consumer
            .read_to_end(|record| tables.take_record(&record))
            .await?;
        for table in self.copied_names() {
            tables.has(&self.mysql, &table, COLUMNS).await?;
            ensure!(0 < tables.ends_of(&table), "{table} has no end");
            let (rows, again) = tables.copied_of(&table);
            let copied = &mut self.report.copied;
            copied.rows += rows;
            copied.again += again;
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let count = self.mysql.query_value(&sql).await?;
            copied.rows_compared += count.parse::<u64>().context("a count")?;
        }
        Ok(())
    }

    pub(super) fn copied_names(&self) -> Vec<String> {
        let tables = 0..self.options.copied_tables;
        tables.map(|table| format!("chaos.s{table}")).collect()
    }
}

/// `None` where it cannot be asked, or does not know its copies yet.
pub(super) async fn is_copying(program: &Program) -> Option<bool> {
    let status = program.status().await.ok()?;
    copies(&status).next()?;
    let is_on_its_way = |copy: &Value| {
        let state = copy.get("state").and_then(Value::as_str);
        !matches!(state, Some("complete" | "cancelled" | "gone" | "refused"))
    };
    Some(copies(&status).any(is_on_its_way))
}

fn copies(status: &Value) -> impl Iterator<Item = &Value> {
    let copies = status.get("copies").and_then(Value::as_array);
    copies.into_iter().flatten()
}
