//! Rows that were there before the stream, copied beside it: what a consumer has at the end is the table.
//!
//! The servers are those of every test; between them and the program stand a wire with gates, at which a statement
//! waits, so that a test decides what happens between two marks of a chunk.

mod interruptions;
mod kills;
mod neighbours;
mod parked;
mod shapes;
mod statements;
mod uncommitted;
mod windows;

use crate::world::{STREAM, World, delivered};
use std::time::Duration;

use anyhow::{Context, ensure};
use headwater_harness::{
    check::Judge,
    facts::Facts,
    kinesis::Kinesis,
    mysql::MySql,
    program::{Launch, Program},
    tables::Tables,
    wait::Deadline,
    wire::{Gate, Wire},
};

/// A test stops at many places, with servers of its own beside those of others.
const WITHIN: Duration = Duration::from_secs(240);

/// What waits until all that was sent is visible: on servers with GTIDs, with locks, on MariaDB.
const FIRST_MARKS: [&str; 3] = [
    "WAIT_FOR_EXECUTED_GTID_SET",
    // UNLOCK TABLES is none.
    "\u{3}LOCK TABLES",
    "WITH CONSISTENT SNAPSHOT",
];
/// The SELECT of a chunk, as it is prepared (COM_STMT_PREPARE).
const SELECT: &str = "\u{16}SELECT";
const LAST_MARK: &str = "SHOW BINARY LOG STATUS";

/// A shop with rows, and a program that reads it over a wire.
struct Shop {
    world: World,
    wire: Wire,
    /// Where the log stood when the rows were there; `None` where the judge cannot read the log.
    start: Option<(String, u64)>,
}

impl Shop {
    /// `tables` are made and filled before the log is read.
    async fn new(tables: &str, options: &[&str]) -> anyhow::Result<Self> {
        Self::of(World::with(1, options).await?, tables).await
    }

    async fn mariadb(tables: &str) -> anyhow::Result<Self> {
        let (mysql, kinesis) = tokio::try_join!(MySql::mariadb(&[]), Kinesis::durable())?;
        let world = World {
            mysql,
            kinesis,
            folder: tempfile::tempdir()?,
        };
        let shop = "CREATE DATABASE shop; \
            CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, quantity INT NOT NULL, note VARCHAR(200))";
        tokio::try_join!(
            world.mysql.exec(shop),
            world.kinesis.create_stream(STREAM, 1)
        )?;
        let shop = Self::of(world, tables).await?;
        Ok(Self {
            start: None,
            ..shop
        })
    }

    async fn of(world: World, tables: &str) -> anyhow::Result<Self> {
        world.mysql.exec(tables).await?;
        let wire = Wire::to(world.mysql.port(), 5).await?;
        let start = Some(world.mysql.position().await?);
        Ok(Self { world, wire, start })
    }

    /// `run` that begins at the end of the log and copies these tables; over a wire that can be read.
    fn launch(&self, tables: &str) -> anyhow::Result<Launch> {
        Ok(self
            .world
            .launch_over(&self.wire)?
            .setting("source.start", "now")
            .setting("source.read_timeout_secs", "30")
            .setting("source.connect_timeout_secs", "10")
            .setting("source.tls.mode", "disabled")
            .setting("source.tls.allow_public_key_retrieval", "true")
            .setting("snapshot.parallel", "1")
            .setting("snapshot.tables", tables))
    }

    async fn exec(&self, sql: &str) -> anyhow::Result<()> {
        self.world.mysql.exec(sql).await
    }

    /// The wait of a window for what was sent.
    fn first_mark(&self, number: usize) -> Gate {
        self.wire.gate(FIRST_MARKS[number])
    }

    /// The look at the end of the log behind a chunk's SELECT; others look, too.
    fn last_mark(&self) -> Gate {
        self.wire.gate_behind(SELECT, LAST_MARK)
    }

    /// Waits until the copies of these tables are told to be over.
    async fn copied(&self, tables: &[&str]) -> anyhow::Result<()> {
        let mut coming = self.coming().await?;
        let deadline = Deadline::after(WITHIN, format!("{tables:?} to be copied"));
        while !coming.has_ends(tables).await? {
            deadline
                .pause()
                .await
                .with_context(|| format!("so far: {:?}", coming.consumer))?;
        }
        Ok(())
    }

    async fn coming(&self) -> anyhow::Result<Coming> {
        Ok(Coming {
            stream: self.world.kinesis.consumer(STREAM).await?,
            consumer: Tables::default(),
        })
    }

    /// Copies end, all is delivered, and the consumer has what the server has.
    async fn ends_well(&self, program: Program, tables: &[&str]) -> anyhow::Result<Tables> {
        self.copied(tables).await?;
        delivered(&program, &self.world.mysql).await?;
        let finished = program.drain(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        self.agrees(tables).await
    }

    /// `run --until now` ends by itself when the copies are complete.
    async fn runs_to_its_end(&self, launch: &Launch, tables: &[&str]) -> anyhow::Result<Tables> {
        let launch = launch.clone().arg("--until").arg("now");
        let finished = launch.finish(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        let consumer = self.agrees(tables).await?;
        for table in tables {
            ensure!(consumer.ends_of(table) > 0, "{table} has no end");
        }
        Ok(consumer)
    }

    /// What came, against the tables, the log, and by the audit.
    async fn agrees(&self, tables: &[&str]) -> anyhow::Result<Tables> {
        let consumer = self.came().await?;
        for table in tables {
            consumer.has_all_of(&self.world.mysql, table).await?;
        }
        self.judged().await?;
        self.audited().await?;
        Ok(consumer)
    }

    async fn came(&self) -> anyhow::Result<Tables> {
        let mut consumer = Tables::default();
        for record in self.world.records().await? {
            consumer.take_record(&record)?;
        }
        Ok(consumer)
    }

    /// Every change behind the begin, in the order of the log.
    async fn judged(&self) -> anyhow::Result<()> {
        let Some((file, offset)) = &self.start else {
            return Ok(());
        };
        let mut judge = Judge::new();
        for record in self.world.records().await? {
            judge.read_record(&record)?;
        }
        let facts = Facts::of(&self.world.mysql).await?;
        let verdict = judge.against(&facts.since(file, *offset));
        verdict.ensure_clean()
    }

    async fn audited(&self) -> anyhow::Result<()> {
        let arguments = ["verify", "--against-source", "--reads-per-sec", "1000"];
        let audit = self.world.command(&arguments).await?;
        ensure!(audit.code() == Some(0), "{}", audit.text());
        Ok(())
    }
}

/// What comes, as it comes.
struct Coming {
    stream: headwater_harness::consumer::Consumer,
    consumer: Tables,
}

impl Coming {
    async fn poll(&mut self) -> anyhow::Result<()> {
        self.stream.poll().await?;
        for record in self.stream.take() {
            self.consumer.take_record(&record)?;
        }
        Ok(())
    }

    async fn has_ends(&mut self, tables: &[&str]) -> anyhow::Result<bool> {
        self.poll().await?;
        let mut tables = tables.iter();
        Ok(tables.all(|table| self.consumer.ends_of(table) > 0))
    }
}

/// `count` rows, at most 40,000, with even ids, so that there is room between them.
fn orders(count: u32) -> String {
    // Servers end a recursion at 1,000 rows.
    format!(
        "INSERT INTO shop.orders (id, quantity, note) \
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199), \
         ids (i) AS (SELECT 200 * a.i + b.i + 1 FROM n a, n b) \
         SELECT 2 * i, i, CONCAT('row ', i) FROM ids WHERE i <= {count}; ANALYZE TABLE shop.orders"
    )
}

/// Waits until the program has sent so many rows of copies.
async fn rows_sent(program: &Program, least: u32) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{least} rows to be copied"));
    loop {
        // It may not listen yet.
        let sent = program.metric("headwater_snapshot_rows_total", &[]).await;
        if sent
            .ok()
            .flatten()
            .is_some_and(|sent| f64::from(least) <= sent)
        {
            return Ok(());
        }
        deadline.pause().await?;
    }
}
