//! A network between MySQL and the program that cuts, stalls, slows, refuses and damages.
//!
//! A connection that is lost costs a new one from the last place that was sent on: nothing is lost, and
//! nothing comes twice.

use headwater_harness::{
    program::Program,
    wait::Deadline,
    wire::{Cut, Wire},
};

use crate::{
    traffic::{Compression, Traffic, giant_transaction, transactions},
    world::{WITHIN, World, delivered_so_far, ends_well, records_grow, says},
};

struct Road {
    world: World,
    wire: Wire,
    traffic: Traffic,
    program: Program,
}

impl Road {
    /// Traffic that has begun to arrive.
    async fn new(seed: u64, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let world = World::new(1).await?;
        let wire = Wire::to(world.mysql.port(), seed).await?;
        let launch = world.launch_over(&wire)?;
        let launch = settings
            .iter()
            .fold(launch, |launch, (key, value)| launch.setting(key, value));
        let program = launch.start()?;
        let traffic = Traffic::with_ddl(&world.mysql);
        records_grow(&world, 3).await?;
        Ok(Self {
            world,
            wire,
            traffic,
            program,
        })
    }

    /// All has arrived, in order, and once.
    async fn ends_well(self) -> anyhow::Result<()> {
        records_grow(&self.world, 3).await?;
        self.traffic.stop().await?;
        let verdict = ends_well(self.program, &self.world).await?;
        assert_eq!(verdict.duplicates, 0, "{verdict}");
        Ok(())
    }
}

#[tokio::test]
async fn connections_that_are_cut_in_the_middle_of_traffic_lose_and_repeat_nothing()
-> anyhow::Result<()> {
    let road = Road::new(31, &[]).await?;
    for cut in [Cut::Reset, Cut::Close, Cut::Reset] {
        let dumps = road.wire.dumps();
        // Under TLS each connection counts as a dump.
        road.wire.cut(cut);
        road.wire.dumps_reached(dumps + 2).await;
        road.traffic.grows(5).await?;
    }
    let accepted = road.wire.accepted();
    road.wire.program(|faults| faults.cut = 0.05);
    let deadline = Deadline::after(WITHIN, "connections that are cut at random");
    while road.wire.accepted() < accepted + 12 {
        deadline.pause().await?;
    }
    road.wire.program(|faults| faults.cut = 0.0);
    road.ends_well().await
}

#[tokio::test]
async fn a_connection_that_stalls_half_open_is_opened_anew_within_seconds() -> anyhow::Result<()> {
    let mut road = Road::new(32, &[]).await?;
    road.wire.stall();
    road.program
        .wait_for_line("not even a heartbeat", WITHIN)
        .await?;
    records_grow(&road.world, 3).await?;
    road.ends_well().await
}

#[tokio::test]
async fn a_network_that_stands_still_at_any_step_of_connecting_is_waited_out() -> anyhow::Result<()>
{
    let road = Road::new(33, &[]).await?;
    road.wire.cut(Cut::Reset);
    let accepted = road.wire.accepted();
    road.wire.program(|faults| faults.stalled = 0.15);
    let deadline = Deadline::after(WITHIN, "connections that stall at random");
    while road.wire.accepted() < accepted + 4 {
        deadline.pause().await?;
    }
    road.wire.program(|faults| faults.stalled = 0.0);
    road.ends_well().await
}

#[tokio::test]
async fn a_port_that_refuses_and_a_slow_line_cost_time_only() -> anyhow::Result<()> {
    let mut road = Road::new(34, &[]).await?;
    road.wire.program(|faults| faults.is_refusing = true);
    road.wire.cut(Cut::Close);
    road.program
        .wait_for_line("Connection refused", WITHIN)
        .await?;
    road.wire.program(|faults| {
        faults.is_refusing = false;
        faults.delay = std::time::Duration::from_millis(15);
        faults.bytes_per_sec = Some(60_000);
    });
    records_grow(&road.world, 3).await?;
    road.wire.program(|faults| *faults = Default::default());
    road.ends_well().await
}

/// Damages a byte behind each of these many of a new dump.
async fn survives_damage(seed: u64, tls: &str, places: &[u64]) -> anyhow::Result<()> {
    let settings = [
        ("source.tls.mode", tls),
        ("source.tls.allow_public_key_retrieval", "true"),
    ];
    let road = Road::new(seed, &settings).await?;
    for (place, count) in places.iter().zip(1..) {
        road.wire.flip(*place);
        road.wire.cut(Cut::Reset);
        let deadline = Deadline::after(WITHIN, format!("a bit behind {place} to be flipped"));
        while road.wire.flips() < count {
            deadline.pause().await?;
        }
        // Whatever it was, reading goes on behind it.
        delivered_so_far(&road.program, &road.world.mysql).await?;
    }
    road.ends_well().await
}

#[tokio::test]
async fn a_byte_that_is_damaged_on_its_way_is_read_again_and_never_delivered() -> anyhow::Result<()>
{
    // Answers to the dump's command: the name of the file, the format description, then the log.
    let places = [0, 1, 3, 5, 15, 40, 60, 90, 130, 250, 400, 1000, 3000];
    survives_damage(35, "disabled", &places).await
}

#[tokio::test]
async fn a_byte_that_is_damaged_under_tls_costs_the_connection_only() -> anyhow::Result<()> {
    survives_damage(36, "required", &[200, 2500, 6000, 20_000]).await
}

#[tokio::test]
async fn damage_in_the_log_itself_halts_after_it_has_come_twice() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    transactions(&world.mysql, 30).await?;
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    world.mysql.stop().await?;
    let file = world.mysql.binlog_files()?.remove(0);
    let mut bytes = std::fs::read(&file)?;
    let whole = bytes.clone();
    let hit = bytes
        .windows(8)
        .position(|window| window == b"order 18")
        .expect("the log holds the row");
    bytes[hit] ^= 1;
    std::fs::write(&file, bytes)?;
    world.mysql.start_again().await?;
    let finished = world.launch()?.finish(WITHIN).await?;
    let words = [
        "checksum",
        "binlog.000001:",
        "mysqlbinlog --verify-binlog-checksum",
    ];
    says(&finished, 1, &words);
    let again = finished.text().matches("connecting again").count();
    assert_eq!(again, 1, "{}", finished.text());
    let damaged = world.verdict().await?;
    assert_eq!(damaged.order_violations + damaged.contradictions, 0);
    assert!(damaged.changes() > 0, "what lies before it was delivered");
    std::fs::write(&file, whole)?;
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    verdict.ensure_clean()
}

/// A compressed transaction of several parts, of which bytes are damaged on both of its ways.
#[tokio::test]
async fn damage_in_the_parts_of_a_large_compressed_transaction_is_never_delivered()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let wire = Wire::to(world.mysql.port(), 37).await?;
    giant_transaction(&world.mysql, Compression::On).await?;
    // The first to pass so many bytes is the reading ahead; when it is done, the dump itself.
    wire.flip(3_000_000);
    let program = world
        .launch_over(&wire)?
        .setting("source.tls.mode", "disabled")
        .setting("source.tls.allow_public_key_retrieval", "true")
        .start()?;
    let deadline = Deadline::after(WITHIN, "a bit of it to be flipped");
    while wire.flips() < 1 {
        deadline.pause().await?;
    }
    wire.flip(4_500_000);
    while wire.flips() < 2 {
        deadline.pause().await?;
    }
    ends_well(program, &world).await.map(drop)
}
