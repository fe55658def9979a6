//! XA transactions: sent at their commit, dropped at their rollback, found again after every restart.

use std::time::Duration;

use headwater_harness::{
    faults::{FaultProxy, Faults},
    mysql::MySql,
    program::Launch,
};
use serde_json::Value;

use crate::{
    remains::{gets_further, head_is_stored, stored},
    world::{BINARY, WITHIN, World, delivered, says},
};

const ORDERS: &str = "shop.orders";

const CHECKPOINT: &str = "headwater.checkpoint";

/// Type and id of each line of the orders, in their order.
async fn orders(world: &World) -> anyhow::Result<Vec<String>> {
    let lines = world.lines_of(ORDERS).await?;
    let told = |line: &Value| {
        let kind = line["type"].as_str().unwrap_or_default();
        format!("{kind} {}", line["key"]["id"])
    };
    let rows = lines.iter().filter(|line| line["type"] != "ddl");
    Ok(rows.map(told).collect())
}

/// Prepares a transaction of these statements in a session of its own, which then ends.
async fn prepare(server: &MySql, xid: &str, statements: &str) -> anyhow::Result<()> {
    let sql = format!("XA START {xid}; {statements}; XA END {xid}; XA PREPARE {xid}");
    server.exec(&sql).await
}

async fn insert(server: &MySql, id: u32) -> anyhow::Result<()> {
    let sql = format!("INSERT INTO shop.orders VALUES ({id}, 1, 'plain')");
    server.exec(&sql).await
}

/// Commits, rollbacks and ordinary transactions on one table, in every form.
async fn all_kinds(server: &MySql) -> anyhow::Result<()> {
    insert(server, 1).await?;
    let a = "INSERT INTO shop.orders VALUES (2, 1, 'xa'), (3, 1, 'xa'); UPDATE shop.orders SET note = 'xa' WHERE id = 1";
    prepare(server, "'a', 'branch', 7", a).await?;
    insert(server, 4).await?;
    prepare(
        server,
        "'b'",
        "INSERT INTO shop.orders VALUES (5, 1, 'lost')",
    )
    .await?;
    server.exec("XA ROLLBACK 'b'").await?;
    server.exec("FLUSH BINARY LOGS").await?;
    server.exec("XA COMMIT 'a', 'branch', 7").await?;
    server
        .exec("UPDATE shop.orders SET quantity = 2 WHERE id = 2")
        .await?;
    let one_phase = "XA START x'00ff'; INSERT INTO shop.orders VALUES (6, 1, 'xa'); XA END x'00ff'; XA COMMIT x'00ff' ONE PHASE";
    server.exec(one_phase).await?;
    let compressed = "SET SESSION binlog_transaction_compression = ON;";
    let two_phases = "XA START 'd'; INSERT INTO shop.orders VALUES (7, 1, 'xa'); XA END 'd'; XA PREPARE 'd'; XA COMMIT 'd'";
    server.exec(&format!("{compressed} {two_phases}")).await?;
    let one_phase = one_phase.replace("(6,", "(8,");
    server.exec(&format!("{compressed} {one_phase}")).await?;
    insert(server, 9).await
}

const ALL_KINDS: [&str; 10] = [
    "insert 1", "insert 4", "insert 2", "insert 3", "update 1", "update 2", "insert 6", "insert 7",
    "insert 8", "insert 9",
];

#[tokio::test]
async fn rows_are_sent_at_the_commit_in_the_order_of_commits() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world.launch()?.start()?;
    all_kinds(&world.mysql).await?;
    delivered(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(orders(&world).await?, ALL_KINDS);

    let lines = world.lines_of(ORDERS).await?;
    let lines: Vec<_> = lines.iter().filter(|line| line["type"] != "ddl").collect();
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let seqs: Vec<_> = lines.iter().map(|line| text(line, "seq")).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    // The commit's transaction, its rows numbered from 0.
    let gtid = text(lines[2], "gtid");
    let ids: Vec<_> = lines[2..5].iter().map(|line| text(line, "id")).collect();
    assert_eq!(ids, [0, 1, 2].map(|n| format!("{gtid}/{n}")));
    assert_eq!(lines[4]["last"], true);
    assert!(
        lines[2]["position"]
            .as_str()
            .is_some_and(|at| at.starts_with("binlog.000002:"))
    );

    // Nothing of it is sent again.
    world.catch_up().await?;
    assert_eq!(orders(&world).await?.len(), ALL_KINDS.len());
    Ok(())
}

#[tokio::test]
async fn replayed_files_give_the_same_and_those_that_lack_the_rows_halt() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    all_kinds(&world.mysql).await?;
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    world.launch()?;
    let files = world.mysql.binlog_files()?;
    let (first, second) = (
        files[0].display().to_string(),
        files[1].display().to_string(),
    );
    let run = world.command(&["replay", &first, &second]).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    assert_eq!(orders(&world).await?, ALL_KINDS);
    let run = world.command(&["replay", &second]).await?;
    says(
        &run,
        1,
        &[
            "X'61',X'6272616e6368',7",
            "prepared before",
            "give all files from it on",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn a_transaction_prepared_before_a_kill_is_committed_after_it() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = world.launch()?.start()?;
    insert(&world.mysql, 1).await?;
    prepare(
        &world.mysql,
        "'a'",
        "INSERT INTO shop.orders VALUES (2, 1, 'xa')",
    )
    .await?;
    prepare(
        &world.mysql,
        "'b'",
        "INSERT INTO shop.orders VALUES (3, 1, 'xa')",
    )
    .await?;
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    insert(&world.mysql, 4).await?;
    delivered(&program, &world.mysql).await?;
    head_is_stored(&world).await?;
    program.kill9()?;
    world.mysql.exec("XA COMMIT 'a'").await?;
    insert(&world.mysql, 5).await?;
    world.catch_up().await?;
    world.mysql.exec("XA ROLLBACK 'b'").await?;
    insert(&world.mysql, 6).await?;
    world.catch_up().await?;
    assert_eq!(
        orders(&world).await?,
        ["insert 1", "insert 4", "insert 2", "insert 5", "insert 6"]
    );
    let text = std::fs::read_to_string(world.folder().join(CHECKPOINT))?;
    assert!(!text.contains("\"xa\""), "{text}");
    Ok(())
}

#[tokio::test]
async fn kills_and_drains_in_the_middle_of_a_large_one_lose_and_reorder_nothing()
-> anyhow::Result<()> {
    // Wide rows, so that there are many places to go on from.
    const ROWS: u64 = 100_000;
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 3).await?;
    proxy.program(|faults| faults.latency = Duration::from_millis(20));
    let fill = format!(
        "INSERT INTO shop.orders WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
         SELECT /*+ SET_VAR(cte_max_recursion_depth = {ROWS}) */ i, 1, HEX(RANDOM_BYTES(90)) FROM n"
    );
    prepare(&world.mysql, "'big'", &fill).await?;
    world.mysql.exec("XA COMMIT 'big'").await?;
    insert(&world.mysql, 1_000_000).await?;
    // Short lines, or the Kinesis here takes minutes.
    let launch = world
        .launch_to(&proxy.url())?
        .setting("native.fields", "id,seq,key")
        .setting("columns.include", "shop.orders.id")
        .setting("packing.record_bytes_max", "4096");
    let mut program = launch.start()?;
    gets_further(&world, 0).await?;
    program.kill9()?;
    let (_, _, mut last) = stored(&world).await?;
    for _ in 0..2 {
        let program = launch.start()?;
        gets_further(&world, last).await?;
        let finished = program.drain(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        (_, _, last) = stored(&world).await?;
        assert!(last > 0, "no end of a process was inside the transaction");
    }
    proxy.program(|faults| *faults = Faults::default());
    let launch = launch.setting("packing.record_bytes_max", "262144");
    let finished = launch.arg("--until").arg("now").finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let lines = world.lines_of(ORDERS).await?;
    let ids = lines.iter().filter_map(|line| line["key"]["id"].as_u64());
    // A repeated run begins earlier and goes on without a gap.
    let (mut next, mut repeats) = (1, 0);
    for id in ids.filter(|id| *id != 1_000_000) {
        assert!(id <= next, "{id} after {}", next - 1);
        repeats += u64::from(id < next);
        next = id + 1;
    }
    assert_eq!(next, ROWS + 1);
    assert!(repeats <= 1, "{repeats}");
    Ok(())
}

#[tokio::test]
async fn rows_that_the_server_has_purged_halt_at_the_commit() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world.launch()?.start()?;
    prepare(
        &world.mysql,
        "'old'",
        "INSERT INTO shop.orders VALUES (2, 1, 'xa')",
    )
    .await?;
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    insert(&world.mysql, 3).await?;
    delivered(&program, &world.mysql).await?;
    world
        .mysql
        .exec("PURGE BINARY LOGS TO 'binlog.000002'")
        .await?;
    world.mysql.exec("XA COMMIT 'old'").await?;
    let finished = program.wait_exit(WITHIN).await?;
    says(
        &finished,
        1,
        &[
            "X'6f6c64',X'',1",
            "no longer has its rows",
            "binlog.000001",
            "copy the tables",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn what_was_prepared_before_the_start_is_warned_of_and_halts() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let grants = format!("{}, XA_RECOVER_ADMIN", headwater_harness::mysql::GRANTS);
    world.mysql.create_user("seer", "pw", &grants).await?;
    prepare(
        &world.mysql,
        "'early'",
        "INSERT INTO shop.orders VALUES (2, 1, 'xa')",
    )
    .await?;
    let launch = world.launch()?.setting("source.start", "now");
    let check = Launch::new(BINARY, world.folder(), &["check", "-c", "headwater.toml"])?
        .setting("source.start", "now")
        .setting("source.url", &world.mysql.url("seer", "pw"))
        .finish(WITHIN)
        .await?;
    says(
        &check,
        0,
        &[
            "warn XA transactions: 1 prepared: X'6561726c79',X'',1",
            "XA ROLLBACK",
        ],
    );
    let program = launch.start()?;
    delivered(&program, &world.mysql).await?;
    world.mysql.exec("XA COMMIT 'early'").await?;
    let finished = program.wait_exit(WITHIN).await?;
    says(
        &finished,
        1,
        &[
            "X'6561726c79',X'',1",
            "prepared before the place where reading began",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn halt_stops_at_the_first_one_with_its_place_and_at_commit_goes_on() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    insert(&world.mysql, 1).await?;
    prepare(
        &world.mysql,
        "'x'",
        "INSERT INTO shop.orders VALUES (2, 1, 'xa')",
    )
    .await?;
    world.mysql.exec("XA COMMIT 'x'").await?;
    let halted = world.launch()?.setting("source.xa", "halt");
    let finished = halted.finish(WITHIN).await?;
    says(
        &finished,
        1,
        &["binlog.000001:", "XA START", "source.xa = \"at_commit\""],
    );
    world.catch_up().await?;
    let rows = orders(&world).await?;
    assert_eq!(
        rows.last().map(String::as_str),
        Some("insert 2"),
        "{rows:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_transaction_prepared_on_the_primary_is_committed_on_the_promoted_replica()
-> anyhow::Result<()> {
    let (mut world, replica) = tokio::try_join!(World::new(1), MySql::start())?;
    replica.replica_of(&world.mysql).await?;
    let program = world
        .launch()?
        .setting("source.hosts", &format!("127.0.0.1:{}", replica.port()))
        .start()?;
    insert(&world.mysql, 1).await?;
    let rows = "INSERT INTO shop.orders VALUES (2, 1, 'xa'), (3, 1, 'xa')";
    prepare(&world.mysql, "'far'", rows).await?;
    insert(&world.mysql, 4).await?;
    replica.caught_up_with(&world.mysql).await?;
    delivered(&program, &world.mysql).await?;
    head_is_stored(&world).await?;
    world.mysql.kill()?;
    replica.promote().await?;
    insert(&replica, 5).await?;
    replica.exec("XA COMMIT 'far'").await?;
    insert(&replica, 6).await?;
    delivered(&program, &replica).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(
        orders(&world).await?,
        [
            "insert 1", "insert 4", "insert 5", "insert 2", "insert 3", "insert 6"
        ]
    );
    Ok(())
}
