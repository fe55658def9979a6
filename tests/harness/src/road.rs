//! The whole road on one machine: MySQL, the built program, a Kinesis API, what plays Firehose, S3, what plays COPY,
//! and PostgreSQL in the place of Redshift.
//!
//! A test is a few lines:
//!
//! ```no_run
//! # use headwater_harness::road::{Options, Road};
//! # async fn test(binary: &str) -> anyhow::Result<()> {
//! let mut road = Road::new(Options::new(binary)).await?;
//! road.mysql.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)").await?;
//! // Or what was generated: it must make the table that is loaded into.
//! road.create_incoming().await?;
//! road.start().await?;
//! road.mysql.exec("INSERT INTO shop.t VALUES (7)").await?;
//! road.flush_and_load().await?;
//! let rows = road.postgres.query_rows("SELECT line FROM warehouse.incoming").await?;
//! # Ok(())
//! # }
//! ```
//!
//! All parts are public: a test kills and starts them as it likes (`road.kinesis.kill()`), and [`Road::kill`] and
//! [`Road::start`] end and begin the program, which goes on from its checkpoint. [`Road::flush_and_load`] brings what
//! MySQL has now, but leaves behind what [`Manners`](crate::firehose::Manners) make late; [`Road::settle_and_load`]
//! leaves nothing. Neither waits for a buffer's time. The real clock counts only with
//! [`Firehose::set_clock`](crate::firehose::Firehose::set_clock).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::{
    firehose::{self, Delivered, Firehose},
    kinesis::Kinesis,
    moto::Moto,
    mysql::MySql,
    objects::Objects,
    place::{head, is_durable},
    postgres::{ADMIN, Postgres},
    program::{Finished, Launch, Program},
    redshift::{self, Loaded, Loader},
    wait::Deadline,
};

pub const STREAM: &str = "changes";
pub const BUCKET: &str = "lake";
pub const SCHEMA: &str = "warehouse";
const WITHIN: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
pub struct Options {
    /// The built `headwater`.
    pub binary: PathBuf,
    pub shards: u32,
    /// TOML behind the sections `source`, `sink`, `sink.kinesis` and `checkpoint`, e.g. `[native]\nheartbeat_secs = 1`.
    pub config: String,
    /// Of mysqld.
    pub mysql: Vec<String>,
    /// The program's last lines are printed when it is done with.
    pub is_shown: bool,
    pub firehose: firehose::Settings,
    pub redshift: redshift::Settings,
}

impl Options {
    /// One shard, a calm Firehose, whole lines into `warehouse.incoming`.
    pub fn new(binary: impl AsRef<Path>) -> Self {
        Self {
            binary: binary.as_ref().to_owned(),
            shards: 1,
            config: String::new(),
            mysql: Vec::new(),
            is_shown: true,
            firehose: firehose::Settings::default(),
            redshift: redshift::Settings::incoming(SCHEMA),
        }
    }
}

#[derive(Debug)]
pub struct Road {
    /// `None` while it does not run.
    pub program: Option<Program>,
    pub mysql: MySql,
    pub kinesis: Kinesis,
    pub moto: Moto,
    pub postgres: Postgres,
    pub firehose: Firehose,
    pub loader: Loader,
    launch: Launch,
    folder: TempDir,
}

impl Road {
    /// Starts all servers; the program is started by [`start`](Self::start).
    ///
    /// # Errors
    /// When one of them is not installed or does not start.
    pub async fn new(options: Options) -> anyhow::Result<Self> {
        let mysql: Vec<&str> = options.mysql.iter().map(String::as_str).collect();
        let (mysql, kinesis, moto, postgres) = tokio::try_join!(
            MySql::with(&mysql),
            Kinesis::durable(),
            Moto::start(),
            Postgres::start()
        )?;
        kinesis.create_stream(STREAM, options.shards).await?;
        let lake = moto.bucket(BUCKET);
        lake.create().await?;
        let endpoint = kinesis.endpoint();
        let firehose = Firehose::start(&endpoint, STREAM, lake.clone(), options.firehose).await?;
        let loader = Loader::new(&postgres.url(ADMIN), lake, options.redshift);
        let folder = tempfile::tempdir().context("create a folder")?;
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\n\
             [sink]\ntype = \"kinesis\"\n[sink.kinesis]\nstream = \"{STREAM}\"\nendpoint_url = \"{endpoint}\"\n\
             [checkpoint]\ninterval_ms = 50\n{}",
            mysql.headwater_url(),
            options.config
        );
        let mut launch = Launch::run(&options.binary, folder.path(), &config)?;
        if options.is_shown {
            launch = launch.shown();
        }
        Ok(Self {
            program: None,
            mysql,
            kinesis,
            moto,
            postgres,
            firehose,
            loader,
            launch,
            folder,
        })
    }

    /// Where the program runs: its settings are `headwater.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How the program is started, also for its other commands.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// A setting of the program, from its next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.launch = self.launch.clone().setting(key, value);
    }

    /// The bucket of Firehose.
    pub fn lake(&self) -> Objects {
        self.moto.bucket(BUCKET)
    }

    /// The table that whole lines are loaded into, where nothing else makes it.
    ///
    /// # Errors
    /// When it is there.
    pub async fn create_incoming(&self) -> anyhow::Result<()> {
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS \"{SCHEMA}\"; CREATE TABLE \"{SCHEMA}\".\"incoming\" \
             (\"line\" json, \"n\" bigint GENERATED BY DEFAULT AS IDENTITY)"
        );
        self.postgres.exec(&sql).await
    }

    /// Starts the program, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, or ends.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.program.is_none(), "the program runs already");
        let mut program = self.launch.start()?;
        program.wait_ready(WITHIN).await?;
        self.program = Some(program);
        Ok(())
    }

    /// SIGKILL for the program.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let program = self.program.take();
        program.context("the program does not run")?.kill9()
    }

    /// An orderly end of the program.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn drain(&mut self) -> anyhow::Result<Finished> {
        let program = self.program.take();
        let program = program.context("the program does not run")?;
        program.drain(WITHIN).await
    }

    /// Waits until all that MySQL has logged by now is durable in the stream.
    ///
    /// # Errors
    /// When the program does not run, or ends.
    pub async fn streamed(&mut self) -> anyhow::Result<()> {
        let goal = head(&self.mysql).await?;
        let program = self.program.as_mut().context("the program does not run")?;
        let deadline = Deadline::after(WITHIN, "all to be durable in the stream");
        while !program
            .status()
            .await
            .is_ok_and(|status| is_durable(&status, goal))
        {
            if let Some(status) = program.exited()? {
                anyhow::bail!("headwater ended with {status}:{}", program.tail());
            }
            deadline.pause().await?;
        }
        Ok(())
    }

    /// Brings all that MySQL has logged by now into the warehouse, but for what Firehose makes late.
    ///
    /// # Errors
    /// As [`Road::streamed`], or when Kinesis or S3 fails. What the warehouse refuses is told in the answer.
    pub async fn flush_and_load(&mut self) -> anyhow::Result<Loaded> {
        self.streamed().await?;
        let delivered = self.firehose.flush().await?;
        self.load(&delivered).await
    }

    /// The same, late objects too; all of it is in the warehouse then.
    ///
    /// # Errors
    /// As [`Road::flush_and_load`], and when the warehouse has refused something.
    pub async fn settle_and_load(&mut self) -> anyhow::Result<Loaded> {
        self.streamed().await?;
        let delivered = self.firehose.settle().await?;
        let loaded = self.load(&delivered).await?;
        ensure!(loaded.refused.is_empty(), "refused: {:?}", loaded.refused);
        Ok(loaded)
    }

    async fn load(&mut self, delivered: &Delivered) -> anyhow::Result<Loaded> {
        let now = self.firehose.now();
        self.loader.load(&delivered.data, now).await
    }
}
