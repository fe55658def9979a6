//! A table whose change can never be delivered is parked, the others go on; it goes on by `resume-table`.

use std::time::{Duration, SystemTime};

use headwater_harness::{
    check::{Judge, Verdict},
    facts::Facts,
    faults::{FaultProxy, Landed},
    kinesis::Record,
    mysql::MySql,
    program::{Finished, Launch, Program},
    wait::Deadline,
};
use serde_json::Value;

use crate::{
    remains::shown,
    traffic::{Traffic, transactions},
    world::{BINARY, STREAM, WITHIN, World, delivered, says, status_is},
};

pub const SMALL: usize = 64 << 10;

/// A shop before a stream that takes 64 KiB a record.
pub struct Shop {
    pub world: World,
    pub proxy: FaultProxy,
}

impl Shop {
    pub async fn new() -> anyhow::Result<Self> {
        let (world, proxy) = (
            World::new(1).await?,
            FaultProxy::in_memory(&[(STREAM, 4)], 7).await?,
        );
        proxy.program(|faults| faults.record_bytes_max = SMALL);
        Ok(Self { world, proxy })
    }

    pub fn launch(&self) -> anyhow::Result<Launch> {
        let launch = self.world.launch_to(&self.proxy.url())?;
        Ok(parks(launch))
    }

    pub async fn catch_up(&self) -> anyhow::Result<Finished> {
        let launch = self.launch()?.arg("--until").arg("now");
        launch.finish(WITHIN).await
    }

    /// `resume-table` and what else.
    fn resume(&self, arguments: &[&str]) -> anyhow::Result<Launch> {
        let arguments = [&["resume-table", "-c", "headwater.toml"], arguments].concat();
        Ok(parks(Launch::new(BINARY, self.world.folder(), &arguments)?))
    }

    pub fn raise_the_limit(&self) {
        self.proxy
            .program(|faults| faults.record_bytes_max = 1 << 20);
    }

    pub fn verdict(&self, facts: &Facts) -> anyhow::Result<Verdict> {
        let mut judge = Judge::new();
        for record in self.proxy.records(STREAM) {
            judge.read_record(&record_of(record))?;
        }
        Ok(judge.against(facts))
    }

    /// The lines of a table, in order of arrival per lane.
    pub fn lines_of(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        let mut lines = Vec::new();
        for record in self.proxy.records(STREAM) {
            for line in record_of(record).lines() {
                let line: Value = serde_json::from_slice(line)?;
                if line["table"] == table {
                    lines.push(line);
                }
            }
        }
        Ok(lines)
    }
}

fn parks(launch: Launch) -> Launch {
    launch
        .setting("errors.oversize", "park_table")
        .setting("errors.undecodable", "park_table")
}

fn record_of(landed: Landed) -> Record {
    Record {
        shard: landed.shard,
        sequence_number: landed.sequence,
        partition_key: landed.partition_key,
        data: landed.data,
        arrival: SystemTime::UNIX_EPOCH,
        seen: SystemTime::UNIX_EPOCH,
    }
}

async fn is_parked(program: &Program, table: &str) -> anyhow::Result<()> {
    status_is(program, "a parked table", |status| {
        status["parked"][0]["table"] == table
    })
    .await
}

const PAGES: &str = "CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT); \
    INSERT INTO shop.pages VALUES (1, 'small'); \
    BEGIN; INSERT INTO shop.pages VALUES (2, REPEAT('x', 100000)), (3, 'small'); \
    INSERT INTO shop.orders (quantity) VALUES (1); COMMIT; \
    UPDATE shop.pages SET body = 'tiny' WHERE id IN (2, 3)";

#[tokio::test]
async fn a_table_with_a_row_too_large_waits_while_the_others_flow_and_misses_nothing()
-> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let mysql = &shop.world.mysql;
    let mut program = shop.launch()?.start()?;
    program.wait_ready(WITHIN).await?;
    let traffic = Traffic::with_ddl(mysql);
    mysql.exec(PAGES).await?;
    is_parked(&program, "shop.pages").await?;
    // Fences pass a parked lane, its own statements too.
    mysql
        .exec(
            "ALTER TABLE shop.pages ADD COLUMN extra INT DEFAULT 3; ALTER TABLE shop.log ADD COLUMN extra INT; \
             CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY); DROP DATABASE other; \
             CREATE TABLE shop.short (id INT PRIMARY KEY); DROP TABLE shop.short",
        )
        .await?;
    traffic.grows(60).await?;
    assert_eq!(program.page("/readyz").await?.status, 200);
    assert_eq!(
        program.metric("headwater_tables_parked", &[]).await?,
        Some(1.0)
    );
    program
        .wait_for_line("table parked; all others go on", WITHIN)
        .await?;
    let refused = shop.resume(&["shop.pages"])?.finish(WITHIN).await?;
    says(
        &refused,
        1,
        &[
            "while the pipeline stands still",
            "locked by another process",
        ],
    );
    program.kill9()?;

    // It stays parked, over kills and drains.
    let program = shop.launch()?.start()?;
    is_parked(&program, "shop.pages").await?;
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered(&program, mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let lines = shop.lines_of("pages")?;
    let rows: Vec<&Value> = lines.iter().filter(|line| line["type"] != "ddl").collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|line| line["key"]["id"] == 1),
        "{rows:?}"
    );
    let others = Facts::of(mysql).await?.of_tables(&[
        "shop.orders",
        "shop.items",
        "shop.log",
        "shop.passing",
    ]);
    let verdict = shop.verdict(&Facts::of(mysql).await?)?;
    assert_eq!(verdict.missing, 4, "{verdict}");
    assert_eq!(verdict.changes() as usize, others.changes.len() + 1);

    // What still cannot be delivered leaves it where it is, for the reason.
    let run = shop.resume(&["shop.pages"])?.finish(WITHIN).await?;
    says(&run, 1, &[" needs 100", "the table stays parked there"]);
    let parked = shown(&shop.world).await?["parked"][0].clone();
    assert!(
        parked["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("change 0)") && !reason.contains("\"id\"")),
        "{parked}"
    );

    shop.raise_the_limit();
    let run = shop.resume(&["shop.pages"])?.finish(WITHIN).await?;
    says(&run, 0, &["table resumed"]);
    assert_eq!(shown(&shop.world).await?["parked"], serde_json::json!([]));
    let again = shop.resume(&["shop.pages"])?.finish(WITHIN).await?;
    says(&again, 1, &["is not parked; no table is"]);
    mysql.exec("UPDATE shop.pages SET body = 'after'").await?;
    let run = shop.catch_up().await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let verdict = shop.verdict(&Facts::of(mysql).await?)?;
    verdict.ensure_clean()?;
    Ok(())
}

#[tokio::test]
async fn a_row_that_cannot_be_read_parks_all_lanes_of_its_table() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let mysql = &shop.world.mysql;
    let by_key = |launch: Launch| {
        launch
            .setting("ordering.key", "primary_key")
            .setting("ordering.lanes", "4")
            .setting("source.tables", "shop.orders,shop.people")
    };
    // `dec8` has no character 0xFF, and the server takes it all the same.
    mysql
        .exec("CREATE TABLE shop.people (id INT PRIMARY KEY, odd VARCHAR(9) CHARACTER SET dec8)")
        .await?;
    let people = |first: u32| {
        let rows: Vec<String> = (first..first + 40)
            .map(|id| format!("({id}, 'a')"))
            .collect();
        format!("INSERT INTO shop.people VALUES {}", rows.join(", "))
    };
    mysql.exec(&people(0)).await?;
    let program = by_key(shop.launch()?).start()?;
    delivered(&program, mysql).await?;
    mysql
        .exec("INSERT INTO shop.people VALUES (100, x'61ff')")
        .await?;
    mysql.exec(&people(200)).await?;
    mysql.exec("UPDATE shop.people SET odd = 'b' WHERE id < 50; UPDATE shop.people SET id = id + 1000 WHERE id < 10").await?;
    is_parked(&program, "shop.people").await?;
    transactions(mysql, 60).await?;
    delivered(&program, mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let lanes: Vec<String> = shop
        .proxy
        .records(STREAM)
        .into_iter()
        .map(|record| record.partition_key)
        .collect();
    assert!(lanes.iter().any(|lane| lane.starts_with("shop.people/")));

    let run = by_key(shop.resume(&["shop.people"])?)
        .setting("errors.invalid_text", "replace")
        .finish(WITHIN)
        .await?;
    says(&run, 0, &["table resumed"]);
    mysql.exec("DELETE FROM shop.people WHERE id > 205").await?;
    let run = by_key(shop.launch()?)
        .setting("errors.invalid_text", "replace")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let facts = Facts::of(mysql)
        .await?
        .of_tables(&["shop.orders", "shop.people"]);
    shop.verdict(&facts)?.ensure_clean()
}

/// One transaction over both tables, in turns, with a row too large in front.
fn giant(rows: u32) -> String {
    let mut sql = "CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT); BEGIN; \
         INSERT INTO shop.pages VALUES (0, REPEAT('x', 100000));"
        .to_owned();
    for part in 0..rows {
        let values = |table: &str, value: &str| {
            let rows: Vec<String> = (0..100)
                .map(|row| format!("({}, {value})", 1 + part * 100 + row))
                .collect();
            format!("INSERT INTO shop.{table} VALUES {};", rows.join(", "))
        };
        sql += &values("pages", "REPEAT('p', 200)");
        sql += &values("orders", "1, REPEAT('o', 200)");
    }
    sql + "COMMIT"
}

#[tokio::test]
async fn a_table_meets_a_position_inside_a_transaction_and_repeats_little_when_killed()
-> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let mysql = &shop.world.mysql;
    mysql.exec(&giant(60)).await?;
    shop.proxy
        .program(|faults| faults.latency = Duration::from_millis(40));
    let slow = |launch: Launch| launch.setting("packing.record_bytes_max", "20000");
    let mut rows_done = 0;
    for _ in 0..20 {
        let program = slow(shop.launch()?).start()?;
        let landed = shop.proxy.records(STREAM).len();
        grows_to(&shop, landed + 6).await?;
        assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
        rows_done = shown(&shop.world).await?["rows_done"]
            .as_u64()
            .unwrap_or_default();
        if rows_done > 500 {
            break;
        }
    }
    assert!(rows_done > 0, "the position is inside the transaction");
    let before = shop.lines_of("pages")?.len();
    shop.raise_the_limit();
    let mut killed = slow(shop.resume(&["shop.pages"])?).start()?;
    let landed = shop.proxy.records(STREAM).len();
    grows_to(&shop, landed + 6).await?;
    killed.kill9()?;
    let shown = shown(&shop.world).await?;
    assert_eq!(shown["parked"][0]["table"], "shop.pages");
    assert_eq!(
        shown["rows_done"].as_u64(),
        Some(rows_done),
        "the others did not move"
    );
    shop.proxy.program(|faults| faults.latency = Duration::ZERO);
    let run = slow(shop.resume(&["shop.pages"])?).finish(WITHIN).await?;
    says(&run, 0, &["table resumed"]);
    // Exactly the rows before the position are there now: half of them are of the other table.
    let lines = shop.lines_of("pages")?;
    assert!(lines.len() > before);
    let numbers = lines
        .iter()
        .filter(|line| line["type"] == "insert")
        .filter_map(|line| line["id"].as_str()?.rsplit_once('/')?.1.parse::<u64>().ok());
    assert!(
        numbers.max().is_some_and(|newest| newest < rows_done),
        "beyond {rows_done}"
    );
    let duplicates = shop.verdict(&Facts::of(mysql).await?)?.duplicates;
    let run = shop.catch_up().await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let verdict = shop.verdict(&Facts::of(mysql).await?)?;
    verdict.ensure_clean()?;
    assert_eq!(
        verdict.duplicates, duplicates,
        "nothing is repeated where they meet"
    );
    Ok(())
}

async fn grows_to(shop: &Shop, records: usize) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, format!("{records} records"));
    while shop.proxy.records(STREAM).len() < records {
        deadline.pause().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_parked_table_goes_on_from_a_promoted_replica() -> anyhow::Result<()> {
    let (shop, replica) = tokio::try_join!(Shop::new(), MySql::start())?;
    replica.replica_of(&shop.world.mysql).await?;
    let hosts = format!("127.0.0.1:{}", replica.port());
    let program = shop.launch()?.setting("source.hosts", &hosts).start()?;
    shop.world.mysql.exec(PAGES).await?;
    is_parked(&program, "shop.pages").await?;
    transactions(&shop.world.mysql, 20).await?;
    replica.caught_up_with(&shop.world.mysql).await?;
    delivered(&program, &shop.world.mysql).await?;
    let Shop { mut world, proxy } = shop;
    world.mysql.kill()?;
    replica.promote().await?;
    replica.exec("UPDATE shop.pages SET body = 'there'").await?;
    transactions(&replica, 20).await?;
    delivered(&program, &replica).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let shop = Shop { world, proxy };
    shop.raise_the_limit();
    let run = shop
        .resume(&["shop.pages"])?
        .setting("source.hosts", &hosts)
        .finish(WITHIN)
        .await?;
    says(&run, 0, &["table resumed"]);
    replica.exec("UPDATE shop.pages SET body = 'after'").await?;
    let run = shop
        .launch()?
        .setting("source.hosts", &hosts)
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    shop.verdict(&Facts::of(&replica).await?)?.ensure_clean()
}

#[tokio::test]
async fn a_parked_table_whose_log_was_purged_is_told_of_and_can_be_given_up() -> anyhow::Result<()>
{
    let shop = Shop::new().await?;
    let mysql = &shop.world.mysql;
    mysql.exec(PAGES).await?;
    let program = shop.launch()?.start()?;
    is_parked(&program, "shop.pages").await?;
    let kept = |wanted: bool| move |status: &Value| status["parked"][0]["is_kept"] == wanted;
    status_is(&program, "the log to be there", kept(true)).await?;
    let labels = ["table=\"shop.pages\""];
    let expiry = program
        .metric("headwater_parked_table_expiry_seconds", &labels)
        .await?;
    // Thirty days, less than the test has run.
    assert!(expiry.is_some_and(|secs| secs > 2_590_000.0), "{expiry:?}");
    mysql
        .exec("FLUSH BINARY LOGS; INSERT INTO shop.orders (quantity) VALUES (2)")
        .await?;
    delivered(&program, mysql).await?;
    let (newest, _) = mysql.position().await?;
    let purged = async {
        let deadline = Deadline::after(WITHIN, "the dump to let go of the old file");
        loop {
            mysql
                .exec(&format!("PURGE BINARY LOGS TO '{newest}'"))
                .await?;
            if mysql.binlog_files()?.len() == 1 {
                return anyhow::Ok(());
            }
            deadline.pause().await?;
        }
    };
    purged.await?;
    status_is(&program, "the log to be gone", kept(false)).await?;
    let gone = program
        .metric("headwater_parked_table_kept", &labels)
        .await?;
    assert_eq!(gone, Some(0.0));
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let run = shop.resume(&["shop.pages"])?.finish(WITHIN).await?;
    says(
        &run,
        1,
        &["parked table \"shop.pages\"", "has purged", "--discard"],
    );
    let run = shop
        .resume(&["shop.pages", "--discard"])?
        .finish(WITHIN)
        .await?;
    says(&run, 0, &["no longer parked", "copy the table anew"]);
    mysql.exec("UPDATE shop.pages SET body = 'after'").await?;
    let run = shop.catch_up().await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let lines = shop.lines_of("pages")?;
    let after = lines.iter().filter(|line| line["data"]["body"] == "after");
    assert_eq!(after.count(), 3);
    Ok(())
}
