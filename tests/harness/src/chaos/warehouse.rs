//! The road behind the stream: what plays Firehose, S3, what plays COPY, and the generated merge. At the end each table
//! of the warehouse must be that of the source.
//!
//! It goes on between two lives: some objects come twice, mixed up or late, and Firehose crashes now and then. Tables
//! are generated before the first change; columns that come and go later are left to the log.

use std::time::Duration;

use anyhow::ensure;

use super::{Chaos, Options, STREAM};
use crate::{
    firehose::{self, Delivered, Firehose, Manners},
    kinesis::Kinesis,
    moto::Moto,
    postgres::{ADMIN, Postgres},
    redshift::{self, Loader},
    warehouse,
};

const BUCKET: &str = "lake";
/// The default of warehouse.schema.
const SCHEMA: &str = "headwater";
const OUT: &str = "warehouse";
/// Many objects, so that many come otherwise.
const BUFFER_BYTES: usize = 256 << 10;
/// One of so many rounds begins with a crash of Firehose.
const ROUNDS_A_CRASH: u32 = 5;
/// Up to the end of what is late.
const PASSES_SECS_MAX: u64 = 700;

pub(super) struct Warehouse {
    postgres: Postgres,
    firehose: Firehose,
    loader: Loader,
    random: fastrand::Rng,
    _moto: Moto,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct Merged {
    pub lines_loaded: u64,
    pub merges: u64,
    /// Of Firehose, with what it held.
    pub crashes: u64,
    pub tables: usize,
    pub rows_compared: usize,
    /// Repeated, or overtaken by a newer one.
    pub ignored: u64,
}

impl Warehouse {
    pub(super) async fn start(kinesis: &Kinesis, options: &Options) -> anyhow::Result<Self> {
        let (moto, postgres) = tokio::try_join!(Moto::start(), Postgres::start())?;
        let lake = moto.bucket(BUCKET);
        lake.create().await?;
        let settings = firehose::Settings {
            buffer_bytes: BUFFER_BYTES,
            manners: Manners::ROUGH,
            seed: options.seed,
            ..firehose::Settings::default()
        };
        let endpoint = kinesis.endpoint();
        let firehose = Firehose::start(&endpoint, STREAM, lake.clone(), settings).await?;
        let settings = redshift::Settings::incoming(SCHEMA);
        Ok(Self {
            loader: Loader::new(&postgres.url(ADMIN), lake, settings),
            postgres,
            firehose,
            random: fastrand::Rng::with_seed(options.seed),
            _moto: moto,
        })
    }

    async fn take(&mut self, delivered: &Delivered) -> anyhow::Result<u64> {
        let now = self.firehose.now();
        let loaded = self.loader.load(&delivered.data, now).await?;
        ensure!(
            loaded.refused.is_empty(),
            "COPY refused: {:?}",
            loaded.refused
        );
        warehouse::merge(&self.postgres, SCHEMA).await?;
        Ok(loaded.rows)
    }

    /// What the stream holds by now, but for what is late.
    async fn carry(&mut self, merged: &mut Merged) -> anyhow::Result<()> {
        if self.random.u32(..ROUNDS_A_CRASH) == 0 {
            self.firehose.stop();
            self.firehose.start_again().await?;
            merged.crashes += 1;
        }
        let passes = self.random.u64(..PASSES_SECS_MAX);
        self.firehose.pass(Duration::from_secs(passes));
        let delivered = self.firehose.flush().await?;
        merged.lines_loaded += self.take(&delivered).await?;
        merged.merges += 1;
        Ok(())
    }
}

impl Chaos {
    /// The tables that the source has now, in the warehouse.
    pub(super) async fn open_warehouse(&mut self) -> anyhow::Result<()> {
        if !self.options.to_warehouse {
            return Ok(());
        }
        let opened = Warehouse::start(&self.kinesis, &self.options).await?;
        warehouse::generate(&self.launch(&[])?, OUT).await?;
        warehouse::apply(&opened.postgres, &self.folder.path().join(OUT)).await?;
        self.warehouse = Some(opened);
        Ok(())
    }

    pub(super) async fn carry(&mut self) -> anyhow::Result<()> {
        match &mut self.warehouse {
            Some(warehouse) => warehouse.carry(&mut self.report.merged).await,
            None => Ok(()),
        }
    }

    /// All has been delivered to the stream: it must be in the tables then.
    pub(super) async fn compare_warehouse(&mut self) -> anyhow::Result<()> {
        let Some(warehouse) = &mut self.warehouse else {
            return Ok(());
        };
        let delivered = warehouse.firehose.settle().await?;
        let merged = &mut self.report.merged;
        merged.lines_loaded += warehouse.take(&delivered).await?;
        merged.merges += 1;
        let postgres = &warehouse.postgres;
        let ignored = format!("SELECT COALESCE(SUM(rows_ignored), 0) FROM {SCHEMA}.merges");
        merged.ignored = postgres.query_value(&ignored).await?.parse()?;
        let rejected = format!("SELECT COUNT(*) FROM {SCHEMA}.rejected");
        let rejected = postgres.query_value(&rejected).await?;
        let folder = self.folder.path().join(OUT);
        let all = warehouse::compare(&self.mysql, postgres, &folder).await?;
        merged.tables = all.len();
        merged.rows_compared = all.iter().map(|table| table.mysql_rows).sum();
        if rejected != "0" {
            self.report
                .finding(format!("warehouse: {rejected} lines were rejected"));
        }
        for table in all.iter().filter(|table| 0 < table.different) {
            self.report.finding(format!("warehouse: {table:?}"));
        }
        if self.report.merged.rows_compared == 0 {
            self.report
                .finding("warehouse: no row was compared".to_owned());
        }
        Ok(())
    }
}
