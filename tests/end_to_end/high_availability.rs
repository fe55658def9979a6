//! Two processes of one pipeline, over each checkpoint store: one streams, the other stands by and takes over.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headwater_harness::{
    check::Verdict,
    clock::Clock,
    faults::FaultProxy,
    moto::Moto,
    mysql::MySql,
    process::Signal,
    program::{Launch, Program},
    wait::Deadline,
};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{BINARY, WITHIN, World, delivered_so_far, says, status_is},
};

const TABLES: [&str; 3] = ["shop.orders", "shop.items", "shop.log"];
/// For scheduling on a busy machine, above what is promised.
const SLACK: Duration = Duration::from_secs(6);

pub enum Store {
    File,
    /// On the source itself.
    MySql,
    DynamoDb(Box<Moto>),
}

impl Store {
    pub async fn dynamodb() -> anyhow::Result<Self> {
        Ok(Self::DynamoDb(Box::new(Moto::start().await?)))
    }

    pub fn launch(&self, launch: Launch, lease_secs: u32) -> Launch {
        let launch = launch.setting("checkpoint.lease_secs", &lease_secs.to_string());
        match self {
            Self::File => launch,
            Self::MySql => launch.setting("checkpoint.type", "mysql"),
            Self::DynamoDb(moto) => launch
                .setting("checkpoint.type", "dynamodb")
                .setting("checkpoint.dynamodb.endpoint_url", &moto.endpoint()),
        }
    }

    /// The table, by the program itself.
    pub async fn create(&self, world: &World) -> anyhow::Result<()> {
        if let Self::MySql = self {
            let grant = "GRANT CREATE, INSERT, UPDATE ON headwater.* TO 'headwater'@'%'";
            world.mysql.exec(grant).await?;
        }
        self.command(world, &["check", "--create"]).await
    }

    /// A command that must succeed.
    async fn command(&self, world: &World, arguments: &[&str]) -> anyhow::Result<()> {
        let arguments = [arguments, &["-c", "headwater.toml"]].concat();
        std::fs::write(
            world.folder().join("headwater.toml"),
            world.config(&world.kinesis.endpoint()),
        )?;
        let launch = self.launch(Launch::new(BINARY, world.folder(), &arguments)?, 60);
        let finished = launch.finish(WITHIN).await?;
        ensure!(finished.code() == Some(0), "{}", finished.text());
        Ok(())
    }
}

/// Up, and not ready because another one streams.
pub async fn stands_by(program: &Program) -> anyhow::Result<()> {
    let deadline = Deadline::after(WITHIN, "headwater to stand by");
    loop {
        if let Ok(reply) = program.page("/readyz").await
            && reply.text().contains("standby")
        {
            assert_eq!(reply.status, 503);
            assert_eq!(program.page("/livez").await?.status, 200);
            let held = program.metric("headwater_lease_held", &[]).await?;
            assert_eq!(held, Some(0.0));
            let state = program.status().await?;
            assert_eq!(state.get("state"), Some(&Value::from("standby")));
            return Ok(());
        }
        deadline.pause().await?;
    }
}

async fn verdict(world: &World) -> anyhow::Result<Verdict> {
    world.verdict_on(|facts| facts.of_tables(&TABLES)).await
}

/// Drained, with nothing missing or out of order.
pub async fn ends_well(program: Program, world: &World) -> anyhow::Result<()> {
    delivered_so_far(&program, &world.mysql).await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    verdict(world).await?.ensure_clean()
}

/// One clock is an hour ahead, the other one an hour behind, and each has its turn.
async fn a_killed_holder_is_replaced(store: Store) -> anyhow::Result<()> {
    const LEASE_SECS: u32 = 5;
    let clocks = [Clock::ahead_by(3_600)?, Clock::ahead_by(-3_600)?];
    let world = World::new(2).await?;
    store.create(&world).await?;
    let launch = |clock: &Clock| clock.of(store.launch(world.launch()?, LEASE_SECS));
    let mut holder = launch(&clocks[0])?.start()?;
    holder.wait_ready(WITHIN).await?;
    let traffic = Traffic::start(&world.mysql);
    for clock in clocks.iter().rev() {
        let mut next = launch(clock)?.start()?;
        stands_by(&next).await?;
        traffic.grows(20).await?;
        holder.kill9()?;
        let killed = Instant::now();
        next.wait_ready(WITHIN).await?;
        let took = killed.elapsed();
        ensure!(
            took < Duration::from_secs(LEASE_SECS.into()) + SLACK,
            "taken over after {took:?}"
        );
        holder = next;
    }
    traffic.grows(20).await?;
    traffic.stop().await?;
    let held = holder.metric("headwater_lease_held", &[]).await?;
    assert_eq!(held, Some(1.0));
    if !matches!(store, Store::File) {
        let taken = holder
            .metric("headwater_lease_takeovers_total", &[])
            .await?;
        let term = holder.metric("headwater_lease_term", &[]).await?;
        assert_eq!((taken, term), (Some(1.0), Some(3.0)));
    }
    ends_well(holder, &world).await
}

/// The lease is so long that only one that was given back can explain the takeover.
async fn a_drained_holder_is_replaced_at_once(store: Store) -> anyhow::Result<()> {
    let world = World::new(2).await?;
    store.create(&world).await?;
    let first = store.launch(world.launch()?, 600);
    let mut first = first.start()?;
    first.wait_ready(WITHIN).await?;
    let mut second = store.launch(world.launch()?, 600).start()?;
    stands_by(&second).await?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    let finished = first.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    second.wait_ready(WITHIN).await?;
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered_so_far(&second, &world.mysql).await?;
    let third = store.launch(world.launch()?, 600).start()?;
    stands_by(&third).await?;
    // One that stands by ends at once, and takes nothing with it.
    says(
        &third.drain(WITHIN).await?,
        0,
        &["standing by", "stopped before streaming"],
    );
    ends_well(second, &world).await?;
    assert_eq!(verdict(&world).await?.duplicates, 0);
    Ok(())
}

/// To the other one's clock the lease of the first one is over from the beginning.
async fn a_stopped_holder_is_replaced_and_sends_nothing_when_it_wakes(
    store: Store,
) -> anyhow::Result<()> {
    const LEASE_SECS: u32 = 5;
    let world = World::new(2).await?;
    store.create(&world).await?;
    // Slow, so that the first one always has more to send.
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 2, 11).await?;
    proxy.program(|faults| faults.latency = Duration::from_millis(100));
    let (behind, ahead) = (Clock::ahead_by(-3_600)?, Clock::ahead_by(3_600)?);
    let first = store.launch(world.launch_to(&proxy.url())?, LEASE_SECS);
    let mut first = behind.of(first)?.start()?;
    first.wait_ready(WITHIN).await?;
    let second = store.launch(world.launch()?, LEASE_SECS);
    let mut second = ahead.of(second)?.start()?;
    stands_by(&second).await?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(40).await?;
    first.signal(Signal::Stop)?;
    second.wait_ready(WITHIN).await?;
    traffic.grows(40).await?;
    traffic.stop().await?;
    delivered_so_far(&second, &world.mysql).await?;
    let calls = proxy.stats().calls;
    first.signal(Signal::Continue)?;
    let finished = first.wait_exit(WITHIN).await?;
    // The source may tell it first, by ending the connection that it reads from.
    ensure!(finished.code() == Some(1), "{}", finished.text());
    ensure!(finished.text().contains("took over") || finished.text().contains("taken over"));
    assert_eq!(proxy.stats().calls, calls, "{}", finished.text());
    ends_well(second, &world).await
}

#[tokio::test]
async fn a_killed_holder_of_the_file_is_replaced_within_the_lease() -> anyhow::Result<()> {
    a_killed_holder_is_replaced(Store::File).await
}

#[tokio::test]
async fn a_killed_holder_of_the_mysql_table_is_replaced_within_the_lease() -> anyhow::Result<()> {
    a_killed_holder_is_replaced(Store::MySql).await
}

#[tokio::test]
async fn a_killed_holder_of_the_dynamodb_table_is_replaced_within_the_lease() -> anyhow::Result<()>
{
    a_killed_holder_is_replaced(Store::dynamodb().await?).await
}

#[tokio::test]
async fn a_drain_hands_the_file_over_at_once() -> anyhow::Result<()> {
    a_drained_holder_is_replaced_at_once(Store::File).await
}

#[tokio::test]
async fn a_drain_hands_the_mysql_table_over_at_once() -> anyhow::Result<()> {
    a_drained_holder_is_replaced_at_once(Store::MySql).await
}

#[tokio::test]
async fn a_drain_hands_the_dynamodb_table_over_at_once() -> anyhow::Result<()> {
    a_drained_holder_is_replaced_at_once(Store::dynamodb().await?).await
}

#[tokio::test]
async fn a_stopped_holder_of_the_mysql_table_sends_nothing_after_the_takeover() -> anyhow::Result<()>
{
    a_stopped_holder_is_replaced_and_sends_nothing_when_it_wakes(Store::MySql).await
}

#[tokio::test]
async fn a_stopped_holder_of_the_dynamodb_table_sends_nothing_after_the_takeover()
-> anyhow::Result<()> {
    a_stopped_holder_is_replaced_and_sends_nothing_when_it_wakes(Store::dynamodb().await?).await
}

/// The file's lock belongs to the process, stopped or not: the standby waits.
#[tokio::test]
async fn a_stopped_holder_of_the_file_keeps_it() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    let mut first = world.launch()?.start()?;
    first.wait_ready(WITHIN).await?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    first.signal(Signal::Stop)?;
    let second = world.launch()?.start()?;
    stands_by(&second).await?;
    first.signal(Signal::Continue)?;
    traffic.grows(20).await?;
    traffic.stop().await?;
    delivered_so_far(&first, &world.mysql).await?;
    stands_by(&second).await?;
    says(&second.drain(WITHIN).await?, 0, &["standing by"]);
    ends_well(first, &world).await
}

/// `pause` and `resume` stand for a store that nobody reaches for a while.
async fn an_unreachable_store_stops_delivery_in_time(
    world: &World,
    launch: Launch,
    mut pause: impl FnMut(Signal) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut program = launch.start()?;
    program.wait_ready(WITHIN).await?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    pause(Signal::Stop)?;
    // It goes on while the lease holds, and then says what it waits for.
    let delivered = async || {
        let records = program.metric("headwater_sink_records_total", &["delivered"]);
        Ok::<_, anyhow::Error>(records.await?.unwrap_or_default())
    };
    let before = delivered().await?;
    let deadline = Deadline::after(WITHIN, "records under the lease that is left");
    while delivered().await? < before + 2.0 {
        deadline.pause().await?;
    }
    status_is(&program, "the trouble to be told", |status| {
        let errors = status.get("last_errors").and_then(Value::as_array);
        errors.is_some_and(|errors| {
            errors
                .iter()
                .any(|error| error.get("actor") == Some(&"lease".into()))
        })
    })
    .await?;
    let deadline = Deadline::after(WITHIN, "the lease to run out");
    while program.metric("headwater_lease_held", &[]).await? != Some(0.0) {
        deadline.pause().await?;
    }
    let after = delivered().await?;
    traffic.grows(20).await?;
    traffic.stop().await?;
    assert_eq!(delivered().await?, after, "records without a lease");
    pause(Signal::Continue)?;
    let deadline = Deadline::after(WITHIN, "the lease to be renewed");
    while program.metric("headwater_lease_held", &[]).await? != Some(1.0) {
        deadline.pause().await?;
    }
    status_is(&program, "the trouble to be over", |status| {
        let errors = status.get("last_errors").and_then(Value::as_array);
        let is_over = |error: &Value| error["cured_at_unix_secs"].is_u64();
        errors.is_some_and(|errors| errors.iter().all(is_over))
    })
    .await?;
    ends_well(program, world).await
}

#[tokio::test]
async fn an_unreachable_dynamodb_table_stops_delivery_in_time_and_it_goes_on_by_itself()
-> anyhow::Result<()> {
    let world = World::new(2).await?;
    let store = Store::dynamodb().await?;
    store.create(&world).await?;
    let launch = store.launch(world.launch()?, 15);
    let Store::DynamoDb(mut moto) = store else {
        return Ok(());
    };
    an_unreachable_store_stops_delivery_in_time(&world, launch, |signal| moto.signal(signal)).await
}

#[tokio::test]
async fn an_unreachable_mysql_table_stops_delivery_in_time_and_it_goes_on_by_itself()
-> anyhow::Result<()> {
    let (world, mut elsewhere) = tokio::try_join!(World::new(2), MySql::start())?;
    // The SQL of the documentation.
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/high-availability.md"
    ))?;
    let sql = page
        .split("```sql\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    for statement in sql.context("the page has SQL")?.split(";\n") {
        if !statement.trim().is_empty() {
            elsewhere.exec(statement).await?;
        }
    }
    let password = format!("mysql://keeper:secret@127.0.0.1:{}", elsewhere.port());
    let launch = Store::MySql
        .launch(world.launch()?, 15)
        .setting("checkpoint.mysql.url", &password);
    an_unreachable_store_stops_delivery_in_time(&world, launch, |signal| match signal {
        Signal::Stop => elsewhere.pause(),
        _ => elsewhere.resume(),
    })
    .await
}

/// The checkpoint's own writes are changes of the log that is read: none is sent, and they end when all is quiet.
#[tokio::test]
async fn the_tables_own_changes_are_never_sent() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let store = Store::MySql;
    let launch = store.launch(world.launch()?, 60);
    says(
        &launch.finish(WITHIN).await?,
        1,
        &["Unknown database", "headwater check --create"],
    );
    store.create(&world).await?;
    let program = store.launch(world.launch()?, 60).start()?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(20).await?;
    traffic.stop().await?;
    ends_well(program, &world).await?;
    for record in world.records().await? {
        ensure!(
            !record.partition_key.starts_with("headwater"),
            "{}",
            record.partition_key
        );
    }
    store.command(&world, &["position", "show"]).await?;
    store
        .command(&world, &["position", "set", "binlog.000001:4"])
        .await?;
    store.command(&world, &["check"]).await?;
    store.command(&world, &["position", "clear"]).await
}

#[tokio::test]
async fn commands_work_with_the_dynamodb_table_and_respect_its_lease() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let store = Store::dynamodb().await?;
    says(
        &store.launch(world.launch()?, 60).finish(WITHIN).await?,
        1,
        &["ResourceNotFoundException", "headwater check --create"],
    );
    store.create(&world).await?;
    let mut program = store.launch(world.launch()?, 4).start()?;
    program.wait_ready(WITHIN).await?;
    store
        .command(&world, &["position", "show", "--json"])
        .await?;
    store.command(&world, &["check"]).await?;
    let clear = ["position", "clear", "-c", "headwater.toml"];
    let clear = || Launch::new(BINARY, world.folder(), &clear);
    let refused = store.launch(clear()?, 4).finish(WITHIN).await?;
    says(
        &refused,
        1,
        &["is in use by", "end the other process first"],
    );
    says(&program.drain(WITHIN).await?, 0, &["drained"]);
    says(
        &store.launch(clear()?, 4).finish(WITHIN).await?,
        0,
        &["forgot"],
    );
    Ok(())
}
