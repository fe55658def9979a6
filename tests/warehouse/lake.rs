//! A lake, from a real MySQL by the built program, over the whole road up to S3: the SQL that was generated for Athena and
//! Iceberg, run on DuckDB over the objects as Firehose wrote them.

mod merging;
mod model;
mod telling;
mod types;

use headwater_harness::{
    firehose::{self, Manners},
    lake::{Lake, ensure_parses},
    road::Options,
};

use crate::world::World;

pub const ORDERS_NOW: &str =
    "SELECT id, quantity, note, price, placed FROM shop.orders ORDER BY id";

/// With the settings of `[native]` in front of the others.
pub fn lake(native: &'static str) -> impl FnOnce(&mut Options) {
    move |options| {
        let config = options
            .config
            .replace("[native]\n", &format!("[native]\n{native}"));
        options.config = config
            + "[warehouse.athena]\nlocation = \"s3://lake/changes/\"\nsince = \"2026-01-01\"\n\
               [warehouse.iceberg]\nlocation = \"s3://lake/tables/\"\n";
    }
}

pub fn rough(native: &'static str) -> impl FnOnce(&mut Options) {
    move |options| {
        lake(native)(options);
        options.shards = 2;
        options.config += "[ordering]\nkey = \"primary_key\"\n[packing]\nrecord_bytes_max = 4096\n";
        options.firehose = firehose::Settings {
            buffer_bytes: 10_000,
            manners: Manners::ROUGH,
            ..options.firehose.clone()
        };
    }
}

pub const FLAT: &str = "layout = \"flat\"\n";
pub const COLUMNS: &str = "layout = \"flat\"\njson = \"string\"\n";

/// What came by now, late lines too if they are asked for.
pub enum Come {
    Flushed,
    Settled,
}

pub struct Road {
    pub world: World,
    pub lake: Lake,
    pub dialect: &'static str,
}

impl Road {
    pub async fn new(
        dialect: &'static str,
        change: impl FnOnce(&mut Options),
        sql: &str,
    ) -> anyhow::Result<Self> {
        let mut world = World::new(change, sql).await?;
        let lake = Lake::new(&world.folder().join("lake"))?;
        world.start().await?;
        let road = Self {
            world,
            lake,
            dialect,
        };
        road.generate().await?;
        Ok(road)
    }

    pub async fn generate(&self) -> anyhow::Result<String> {
        let finished = self
            .world
            .command(&[self.dialect, "--out", self.dialect])
            .await?;
        anyhow::ensure!(finished.code() == Some(0), "{}", finished.text());
        let folder = self.world.folder().join(self.dialect);
        ensure_parses(&folder)?;
        Ok(finished.stdout.join("\n"))
    }

    /// Brings it to the lake; of Iceberg merges it too.
    pub async fn bring(&mut self, come: Come) -> anyhow::Result<()> {
        self.world.streamed().await?;
        let delivered = match come {
            Come::Flushed => self.world.firehose.flush().await?,
            Come::Settled => self.world.firehose.settle().await?,
        };
        let bucket = self.world.lake();
        self.lake.copy(&bucket, &delivered.data).await?;
        if self.dialect == "iceberg" {
            self.lake.append(&delivered.data)?;
            self.lake.merge(0)?;
        }
        Ok(())
    }

    /// Views over files need some; a log is needed before lines are.
    pub async fn apply_when_there_is_a_log(&mut self, come: Come) -> anyhow::Result<()> {
        if self.dialect == "iceberg" {
            self.apply()?;
        }
        self.bring(come).await?;
        if self.dialect == "athena" {
            self.apply()?;
        }
        Ok(())
    }

    pub fn apply(&self) -> anyhow::Result<()> {
        self.lake.apply(&self.world.folder().join(self.dialect))
    }

    pub async fn ensure_equal(&self, mysql: &str, lake: &str) -> anyhow::Result<()> {
        let wanted = self.world.mysql.query_rows(mysql).await?;
        let found = self.lake.query(lake)?;
        anyhow::ensure!(!wanted.is_empty(), "MySQL has no row");
        for (at, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            anyhow::ensure!(wanted == found, "row {at} is {found:?} and not {wanted:?}");
        }
        anyhow::ensure!(
            wanted.len() == found.len(),
            "{} rows, and not {}",
            found.len(),
            wanted.len()
        );
        Ok(())
    }

    pub fn value(&self, sql: &str) -> anyhow::Result<String> {
        let rows = self.lake.query(sql)?;
        let value = rows.into_iter().flatten().next().flatten();
        Ok(value.unwrap_or_default())
    }
}
