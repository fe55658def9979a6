//! A road whose end is generated: the program writes the SQL for the tables that MySQL has, and it is applied.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, ensure};
use headwater_harness::{
    program::Finished,
    road::{Options, Road, SCHEMA},
    wait::Deadline,
    warehouse,
};
use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_headwater");
pub const WITHIN: Duration = Duration::from_secs(120);
pub struct World {
    pub road: Road,
    /// Runs of copies.
    asked: Vec<String>,
}

impl Deref for World {
    type Target = Road;

    fn deref(&self) -> &Road {
        &self.road
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Road {
        &mut self.road
    }
}

impl World {
    /// All servers, and the statements run on MySQL; nothing is generated yet.
    pub async fn new(change: impl FnOnce(&mut Options), sql: &str) -> anyhow::Result<Self> {
        let mut options = Options::new(BINARY);
        options.config =
            format!("[native]\nheartbeat_secs = 1\n[warehouse]\nschema = \"{SCHEMA}\"\n");
        change(&mut options);
        let road = Road::new(options).await?;
        road.mysql.exec(sql).await?;
        Ok(Self {
            road,
            asked: Vec::new(),
        })
    }

    /// With the tables generated and applied, and the program running.
    pub async fn running(change: impl FnOnce(&mut Options), sql: &str) -> anyhow::Result<Self> {
        let mut world = Self::new(change, sql).await?;
        world.generate().await?;
        world.apply().await?;
        world.start().await?;
        Ok(world)
    }

    pub fn generated(&self) -> PathBuf {
        self.road.folder().join("warehouse")
    }

    /// `headwater warehouse …` with the road's settings.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        warehouse::command(self.road.launch(), arguments).await
    }

    pub async fn generate(&self) -> anyhow::Result<Finished> {
        warehouse::generate(self.road.launch(), "warehouse").await
    }

    /// What has changed since; empty when nothing has.
    pub async fn diff(&self) -> anyhow::Result<String> {
        let finished = self
            .command(&["postgres", "--out", "warehouse", "--diff"])
            .await?;
        let said = finished.stdout.join("\n");
        match finished.code() {
            Some(0) => Ok(String::new()),
            Some(1) if !said.is_empty() => Ok(said),
            _ => anyhow::bail!("{}", finished.text()),
        }
    }

    pub async fn apply(&self) -> anyhow::Result<()> {
        warehouse::apply(&self.postgres, &self.generated()).await
    }

    pub async fn merge(&self) -> anyhow::Result<()> {
        warehouse::merge(&self.postgres, SCHEMA).await
    }

    /// Lines of `incoming`, by a condition, are there to come again.
    pub async fn keep_lines(&self, condition: &str) -> anyhow::Result<()> {
        let keep = format!(
            "CREATE TABLE {SCHEMA}.late AS SELECT line FROM {SCHEMA}.incoming WHERE {condition}"
        );
        self.postgres.exec(&keep).await
    }

    /// They come late, and not before.
    pub async fn hold_lines(&self, condition: &str) -> anyhow::Result<()> {
        self.keep_lines(condition).await?;
        let hold = format!("DELETE FROM {SCHEMA}.incoming WHERE {condition}");
        self.postgres.exec(&hold).await
    }

    /// The lines that were kept or held come.
    pub async fn load_kept_lines(&self) -> anyhow::Result<()> {
        let come = format!("INSERT INTO {SCHEMA}.incoming (line) SELECT line FROM {SCHEMA}.late");
        self.postgres.exec(&come).await
    }

    /// All that MySQL has by now is delivered, loaded and merged.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.settle_and_load().await?;
        self.merge().await
    }

    /// All that MySQL has logged by now is merged in all tables, and the warehouse says so.
    pub async fn complete(&mut self) -> anyhow::Result<()> {
        self.reached(&format!("SELECT position FROM {SCHEMA}.complete_to"))
            .await
    }

    /// The same of a table of `shop`, whatever the others are at.
    pub async fn complete_in(&mut self, table: &str) -> anyhow::Result<()> {
        let by_table = format!("SELECT position FROM {SCHEMA}.complete_to_by_table");
        self.reached(&format!("{by_table} WHERE table_name = '{table}'"))
            .await
    }

    async fn reached(&mut self, position: &str) -> anyhow::Result<()> {
        let (file, offset) = self.mysql.position().await?;
        let end = [Some(format!("{file}:{offset}"))];
        let deadline = Deadline::after(WITHIN, "the merge to reach the end of the log");
        loop {
            self.settle().await?;
            if self.postgres.query_rows(position).await? == [end.clone()] {
                return Ok(());
            }
            deadline.pause().await?;
        }
    }

    /// `headwater snapshot start` with these arguments, in a run of its own.
    pub async fn ask_for_copy(&mut self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let run = format!("copy-{}", self.asked.len());
        let named = ["snapshot", "start", "-c", "headwater.toml", "--run", &run];
        let arguments = [&named, arguments].concat();
        let launch = self.road.launch().clone().with_arguments(&arguments);
        let finished = launch.finish(WITHIN).await?;
        if finished.code() == Some(0) {
            self.asked.push(run);
        }
        Ok(finished)
    }

    /// The same, and all of it is merged.
    pub async fn copy(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let finished = self.ask_for_copy(arguments).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        self.copied().await?;
        self.settle().await
    }

    /// Every copy that the settings or a command have asked for has ended.
    pub async fn copied(&self) -> anyhow::Result<()> {
        self.ended_as(&["complete"]).await.map(drop)
    }

    /// The same, each in one of these states.
    pub async fn ended_as(&self, states: &[&str]) -> anyhow::Result<Vec<Value>> {
        let program = self.program.as_ref().context("the program does not run")?;
        let deadline = Deadline::after(WITHIN, "the copies to end");
        loop {
            let status = program.status().await?;
            let copies = status["copies"].as_array().map_or(&[][..], Vec::as_slice);
            let is_known = |run: &String| copies.iter().any(|copy| copy["run"] == **run);
            let is_over = |copy: &Value| states.iter().any(|state| copy["state"] == **state);
            if !copies.is_empty() && self.asked.iter().all(is_known) && copies.iter().all(is_over) {
                return Ok(copies.to_vec());
            }
            deadline.pause().await?;
        }
    }

    /// Both give the same rows for a query that both understand.
    pub async fn ensure_equal(&self, mysql: &str, warehouse: &str) -> anyhow::Result<()> {
        let wanted = self.mysql.query_rows(mysql).await?;
        let found = self.postgres.query_rows(warehouse).await?;
        ensure!(!wanted.is_empty(), "MySQL has no row");
        for (at, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            ensure!(wanted == found, "row {at} is {found:?} and not {wanted:?}");
        }
        ensure!(
            wanted.len() == found.len(),
            "{} rows, and not {}",
            found.len(),
            wanted.len()
        );
        Ok(())
    }

    /// The same for whole rows of `shop.orders`.
    pub async fn ensure_orders_equal(&self) -> anyhow::Result<()> {
        let columns = "id, quantity, note, price, placed";
        self.ensure_equal(
            &format!("SELECT {columns} FROM shop.orders ORDER BY id"),
            &format!("SELECT {columns} FROM shop.orders ORDER BY id"),
        )
        .await
    }

    pub async fn value(&self, sql: &str) -> anyhow::Result<String> {
        self.postgres.query_value(sql).await
    }
}

/// `shop.orders` with 500 rows.
pub const ORDERS: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, quantity INT, note VARCHAR(40), price DECIMAL(10,2), \
        placed DATETIME(6)); \
    INSERT INTO shop.orders WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500) \
    SELECT n, n % 7, CONCAT('grüße ', n), n / 3, '2026-01-02 03:04:05.000006' + INTERVAL n SECOND FROM n";
