//! A server's limits and its operators: packets, time-outs, KILL, rotation; and wrong clocks, on either side.

use std::time::{Duration, Instant, SystemTime};

use headwater_harness::{
    clock::Clock,
    faults::{FaultProxy, Hold},
    program::Program,
    wait::Deadline,
};

use crate::{
    remains::shown,
    traffic::Traffic,
    world::{
        WITHIN, World, delivered, delivered_so_far, ends_well, metric_reaches, records_grow, says,
        status_is,
    },
};

#[tokio::test]
async fn a_log_that_is_rotated_all_the_time_and_connections_that_are_killed_repeat_nothing()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world.launch()?.start()?;
    let traffic = Traffic::with_ddl(&world.mysql);
    records_grow(&world, 3).await?;
    for round in 0..40 {
        world.mysql.exec("FLUSH BINARY LOGS").await?;
        if round % 8 == 0 {
            kill_all(&world).await?;
        }
        traffic.grows(1).await?;
    }
    traffic.stop().await?;
    metric_reaches(&program, "headwater_source_reconnects_total", 5.0).await?;
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// KILL for every connection of the program, once there is a dump among them.
async fn kill_all(world: &World) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, "a dump to kill");
    let connections = loop {
        let connections = connections(world).await?;
        if connections.iter().any(Connection::is_dump) {
            break connections;
        }
        deadline.pause().await?;
    };
    for Connection { id, .. } in connections {
        // It may have gone by itself.
        drop(world.mysql.exec(&format!("KILL {id}")).await);
    }
    Ok(())
}

/// A connection of the program, as the server sees it.
struct Connection {
    id: String,
    command: String,
    state: String,
}

impl Connection {
    fn is_dump(&self) -> bool {
        self.command.starts_with("Binlog Dump")
    }
}

async fn connections(world: &World) -> anyhow::Result<Vec<Connection>> {
    let rows = world.mysql.query_rows("SHOW PROCESSLIST").await?;
    let connection = |row: Vec<Option<String>>| {
        let mut row = row.into_iter().map(Option::unwrap_or_default);
        let (id, user) = (row.next()?, row.next()?);
        let mut row = row.skip(2);
        let (command, _, state) = (row.next()?, row.next()?, row.next()?);
        (user == "headwater").then_some(Connection { id, command, state })
    };
    Ok(rows.into_iter().filter_map(connection).collect())
}

#[tokio::test]
async fn events_above_max_allowed_packet_pass_and_above_our_own_limit_halt_until_it_is_raised()
-> anyhow::Result<()> {
    let world = World::with(1, &["--max-allowed-packet=1M"]).await?;
    // Before and after image together are 1.2 MB.
    let sql = "CREATE TABLE shop.pages (id INT PRIMARY KEY, n INT, body LONGTEXT); \
        INSERT INTO shop.pages VALUES (1, 0, REPEAT('x', 600000)); \
        UPDATE shop.pages SET n = 1; UPDATE shop.pages SET n = 2; DELETE FROM shop.pages";
    world.mysql.exec(sql).await?;
    let small = world
        .launch()?
        .setting("source.event_bytes_max", "1048576")
        .finish(WITHIN)
        .await?;
    says(&small, 1, &["source.event_bytes_max", "1048576", "raise"]);
    let finished = world.catch_up().await?;
    assert!(
        !finished.text().contains("connecting again"),
        "{}",
        finished.text()
    );
    let verdict = world.verdict().await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    verdict.ensure_clean()
}

/// 20 MB of rows: more than the program's small budget and both ends of the socket hold.
const BULK: &str = "CREATE TABLE shop.bulk (id INT PRIMARY KEY, body TEXT); \
    SET SESSION cte_max_recursion_depth = 5000; \
    INSERT INTO shop.bulk WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
    SELECT i, REPEAT('x', 4000) FROM n";

/// The program before a sink that stands still, with so much to read that the server waits for it.
async fn blocked(
    world: &World,
    proxy: &FaultProxy,
    for_so_long: Duration,
) -> anyhow::Result<(Program, Hold)> {
    let mut program = world
        .launch_to(&proxy.url())?
        .setting("memory.budget_bytes", "8388608")
        // The log is large, the stream need not be.
        .setting("columns.include", "*.*.*,!shop.bulk.body")
        .setting("sink.kinesis.in_flight_bytes_max", "1048576")
        .setting("sink.kinesis.call_bytes", "262144")
        .start()?;
    program.wait_ready(WITHIN).await?;
    let hold = proxy.hold();
    world.mysql.exec(BULK).await?;
    let is_blocked = |connection: &Connection| {
        connection.is_dump() && !connection.state.contains("has sent all")
    };
    let deadline = Deadline::after(WITHIN, "the dump to wait for us");
    let mut since = Instant::now();
    while since.elapsed() < for_so_long {
        if !connections(world).await?.iter().any(is_blocked) {
            since = Instant::now();
        }
        deadline.pause().await?;
    }
    Ok((program, hold))
}

/// The server gives a client that does not read one second; the program asks for more.
#[tokio::test]
async fn a_sink_that_stands_still_for_longer_than_net_write_timeout_costs_no_connection()
-> anyhow::Result<()> {
    let world = World::with(1, &["--net-write-timeout=1"]).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 41).await?;
    let (program, hold) = blocked(&world, &proxy, Duration::from_secs(4)).await?;
    drop(hold);
    delivered(&program, &world.mysql).await?;
    let reconnects = program
        .metric("headwater_source_reconnects_total", &[])
        .await?;
    assert_eq!(reconnects.unwrap_or_default(), 0.0);
    let waited = program
        .metric("headwater_backpressure_seconds_total", &[])
        .await?;
    assert!(waited >= Some(3.0), "{waited:?}");
    let peak_mib = program.peak_rss_kib()? / 1024;
    assert!(peak_mib <= 64, "{peak_mib} MiB");
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_up_while_our_sink_stands_still_is_read_on_where_it_was()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 42).await?;
    let (program, hold) = blocked(&world, &proxy, Duration::from_millis(300)).await?;
    kill_all(&world).await?;
    drop(hold);
    metric_reaches(&program, "headwater_source_reconnects_total", 1.0).await?;
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    Ok(())
}

/// The time of day in the program itself, set back and ahead by hours while rows come.
#[tokio::test]
async fn a_clock_of_its_own_that_is_set_back_and_ahead_breaks_nothing() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let clock = Clock::ahead_by(0)?;
    let program = clock.of(world.launch()?)?.start()?;
    let traffic = Traffic::start(&world.mysql);
    for secs in [0, -7_200, -60, 3_600] {
        clock.set_ahead_by(secs)?;
        traffic.grows(10).await?;
        delivered_so_far(&program, &world.mysql).await?;
    }
    traffic.stop().await?;
    let verdict = ends_well(program, &world).await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    // By that clock the position was stored in the future.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let saved_us = shown(&world).await?["saved_us"].as_u64();
    assert!(saved_us.is_some_and(|saved_us| saved_us / 1_000_000 > now.as_secs() + 3_000));
    Ok(())
}

/// Statements that say they ran in 2001 and in 2037, with and without GTIDs.
#[tokio::test]
async fn times_that_jump_back_and_ahead_break_neither_order_nor_lag() -> anyhow::Result<()> {
    for options in [
        &[][..],
        &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"],
    ] {
        let world = World::with(1, options).await?;
        let program = world.launch()?.start()?;
        let mut id = 0;
        for timestamp in [
            "2140000000",
            "1000000000",
            "DEFAULT",
            "1000000001",
            "2140000001",
        ] {
            id += 1;
            let sql = format!(
                "SET TIMESTAMP = {timestamp}; INSERT INTO shop.orders VALUES ({id}, 1, NULL); \
                 INSERT INTO shop.log (text) VALUES ('{id}'); UPDATE shop.orders SET quantity = {id}; \
                 ALTER TABLE shop.orders COMMENT = '{id}'"
            );
            world.mysql.exec(&sql).await?;
            delivered(&program, &world.mysql).await?;
            status_is(&program, "no lag", |status| {
                status["lag_secs"].as_f64() == Some(0.0)
            })
            .await?;
        }
        let verdict = ends_well(program, &world).await?;
        assert_eq!(verdict.duplicates, 0, "{verdict}");
    }
    Ok(())
}
