//! An actor that dies again and again: each time it waits longer, it is started again alone while the others go
//! on, and beyond the limit the pipeline halts with what to do. Time is virtual, so every wait is exact.

mod support;

use std::{collections::BTreeMap, time::Duration};

use headwater_actors::{backoff::Backoff, on_error::OnError, supervisor::End};
use support::{
    Handle, Options, POLL_INTERVAL, World,
    fixture::{self, Log, Op},
    recorder::breaks_at,
    sink::{Act, Gate},
    source, store,
};
use tokio::time::Instant;

const DEATHS: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One row a transaction, over these tables in turn; each table's rows have values of their own.
fn world(tables: &[&'static str]) -> World {
    let mut log = Log::new();
    for number in 0..60 {
        for (table, base) in tables.iter().zip([100, 200, 300]) {
            log.transaction(&[Op::Insert(table, vec![(number, base + number)])]);
        }
    }
    let mut world = World::new(log);
    world.source.events_a_read(1_000);
    world.options = Options {
        restart_backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
        strikes_max: DEATHS,
        ..world.options
    };
    world
}

/// When the restarts were counted, until there are enough of them.
async fn deaths(handle: &Handle) -> Vec<Instant> {
    let mut at = Vec::new();
    let all = |restarts: u64| restarts >= u64::from(DEATHS);
    handle
        .until("the last death", |status| {
            let new = status.restarts - at.len() as u64;
            assert!(new <= 1, "two deaths without a wait between them");
            at.extend((0..new).map(|_| Instant::now()));
            all(status.restarts)
        })
        .await;
    at
}

/// Each wait is its step, which doubles up to the longest, less the jitter of half of it.
fn assert_waits_grow(deaths: &[Instant]) {
    for (pair, number) in deaths.windows(2).zip(0..) {
        let (waited, step) = (pair[1] - pair[0], FIRST_WAIT * (1 << number));
        let step = step.min(LONGEST_WAIT);
        let slack = 10 * POLL_INTERVAL;
        assert!(
            step / 2 <= waited + slack && waited <= step + slack,
            "wait {number} took {waited:?}, not half to all of {step:?}"
        );
    }
}

/// Ten deaths, all survived; the generation and who was restarted.
fn survives(world: &World) -> (u64, BTreeMap<&'static str, u64>) {
    let mut seen = (0, BTreeMap::new());
    let end = world.run_in_virtual_time(async |handle| {
        assert_waits_grow(&deaths(&handle).await);
        world.all_durable().await;
        handle
            .until("a generation", |status| status.lanes.len() == 3)
            .await;
        let status = handle.status().await;
        seen = (status.generation, status.restarts_by_actor);
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_complete();
    seen
}

/// One death too many; without the fault all is found by the next run.
fn halts(world: &World, message: &str) {
    let end = world.run_in_virtual_time(async |_handle| ());
    let End::Halted(failure) = end else {
        panic!("{end:?}");
    };
    assert!(failure.to_string().contains(message), "{failure}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("report it")));
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
}

const TABLES: [&str; 3] = ["a", "b", "c"];

#[test]
fn a_reader_that_dies_ten_times_in_a_row_waits_longer_each_time_and_goes_on() {
    let world = world(&TABLES);
    for _ in 0..DEATHS {
        world.source.fails_at(0, source::Fault::Panic);
    }
    let (generation, restarts) = survives(&world);
    assert_eq!((generation, restarts), (1, [("reader", 10)].into()));
    world.assert_exact();
}

#[test]
fn a_reader_that_dies_once_more_halts() {
    let world = world(&TABLES);
    for _ in 0..=DEATHS {
        world.source.fails_at(0, source::Fault::Panic);
    }
    halts(&world, "reader died 11 times in a row");
}

#[test]
fn a_checkpointer_that_dies_ten_times_in_a_row_waits_longer_each_time_and_goes_on() {
    let world = world(&TABLES);
    // The first save is the start's own.
    for _ in 0..DEATHS {
        world.store.fails_at(1, store::Fault::Panic);
    }
    let (generation, restarts) = survives(&world);
    assert_eq!((generation, restarts), (11, [("checkpointer", 10)].into()));
}

#[test]
fn a_checkpointer_that_dies_once_more_halts() {
    let world = world(&TABLES);
    for _ in 0..=DEATHS {
        world.store.fails_at(1, store::Fault::Panic);
    }
    halts(&world, "checkpointer died 11 times in a row");
}

#[test]
fn a_router_that_dies_ten_times_in_a_row_waits_longer_each_time_and_goes_on() {
    breaks_at("shop.often", vec![1; DEATHS as usize]);
    let (generation, restarts) = survives(&world(&["often", "b", "c"]));
    assert_eq!((generation, restarts), (11, [("router", 10)].into()));
}

#[test]
fn a_router_that_dies_once_more_halts() {
    breaks_at("shop.too_often", vec![1; DEATHS as usize + 1]);
    halts(
        &world(&["too_often", "b", "c"]),
        "router died 11 times in a row",
    );
}

/// A value of table `a` that goes into the second record of whoever begins at the first.
fn value_in_the_second_record(world: &World) -> i32 {
    let (mut bytes, first) = (0, world.options.record_bytes_max);
    let lines = world.log.changes.iter();
    let before = lines
        .filter(|change| change.table == "shop.a")
        .take_while(|change| {
            bytes += change.line.len() + 1;
            bytes <= first + first / 4
        });
    100 + i32::try_from(before.count()).expect("few lines")
}

/// While the lane's first record is in the air, its writer dies of the second, again and again.
fn dies_with_its_put_in_flight(world: &World, times: u32) -> Gate {
    let gate = Gate::default();
    let held = gate.clone();
    world
        .sink
        .does(move |_, record| match &*record.lane.table.table {
            "a" => Act::Hold(held.clone()),
            _ => Act::Take,
        });
    world
        .encoder
        .panics_at(value_in_the_second_record(world), times);
    gate
}

#[test]
fn a_writer_that_dies_ten_times_with_its_put_in_flight_holds_up_nobody_and_keeps_the_order_when_it_lands_late()
 {
    let world = world(&TABLES);
    let gate = dies_with_its_put_in_flight(&world, DEATHS);
    let mut seen = (0, BTreeMap::new());
    let end = world.run_in_virtual_time(async |handle| {
        assert_waits_grow(&deaths(&handle).await);
        world
            .durable_of("the other tables", |table| table != "shop.a")
            .await;
        let is_there = |line: &String| line.contains("shop.a");
        assert!(!world.sink.lines().iter().any(is_there));
        gate.open();
        world.all_durable().await;
        let status = handle.status().await;
        seen = (status.generation, status.restarts_by_actor);
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    // That every late record repeats the lane from its beginning, in order, the world has checked.
    world.assert_complete();
    assert_eq!(seen, (1, [("shard_writer", 10)].into()));
}

#[test]
fn a_writer_that_dies_once_more_with_its_put_in_flight_halts() {
    let world = world(&TABLES);
    let gate = dies_with_its_put_in_flight(&world, DEATHS + 1);
    let end = world.run_in_virtual_time(async |_handle| ());
    assert!(
        matches!(&end, End::Halted(failure) if failure.to_string().contains("shard writer of shop.a died 11 times in a row")),
        "{end:?}"
    );
    gate.open();
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
}

#[test]
fn a_table_that_breaks_every_writer_is_parked_alone_if_the_settings_say_so() {
    let mut world = world(&TABLES);
    world.options.on_error = OnError::ParkTable;
    let gate = dies_with_its_put_in_flight(&world, DEATHS + 1);
    let end = world.run_in_virtual_time(async |handle| {
        handle
            .until("a parked table", |status| status.parked.len() == 1)
            .await;
        world
            .durable_of("the other tables", |table| table != "shop.a")
            .await;
        // What was in flight arrives late and belongs to no writer any more: it comes again with its table.
        gate.open();
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    let saved = world.store.saved().expect("a checkpoint");
    let [parked] = &*saved.parked else {
        panic!("{:?}", saved.parked);
    };
    assert_eq!(parked.table, fixture::name("a"));
    assert!(
        parked
            .reason
            .contains("shard writer of shop.a died 11 times in a row"),
        "{}",
        parked.reason
    );
    let of_a = world
        .log
        .changes
        .iter()
        .filter(|change| change.table == "shop.a");
    for change in of_a {
        assert!(
            !store::covers(&parked.resume.mark, change),
            "{}",
            change.line
        );
    }
}

/// Somebody has died once and waits for long; the drain comes meanwhile.
fn drains_while_somebody_waits(world: &mut World) -> End {
    let wait = Duration::from_secs(8);
    world.options.restart_backoff = Backoff::new(wait, wait);
    world.run_in_virtual_time(async |handle| {
        handle.until("a death", |status| status.restarts == 1).await;
        handle.shut_down();
    })
}

#[test]
fn a_drain_while_a_writer_waits_to_be_started_again_reaches_the_cut() {
    let mut world = world(&TABLES);
    world
        .encoder
        .panics_at(value_in_the_second_record(&world), 1);
    assert_eq!(drains_while_somebody_waits(&mut world), End::Drained);
    world.assert_drained();
    // The others had delivered all, so the cut is behind all.
    world.assert_complete();
}

#[test]
fn a_drain_while_the_reader_waits_to_be_started_again_reaches_the_cut() {
    let mut world = world(&TABLES);
    world.source.events_a_read(7);
    world.source.fails_at(5, source::Fault::Panic);
    assert_eq!(drains_while_somebody_waits(&mut world), End::Drained);
    world.assert_drained();
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_exact();
}

#[test]
fn a_drain_between_two_generations_says_that_something_will_be_repeated() {
    let mut world = world(&TABLES);
    world.store.fails_at(1, store::Fault::Panic);
    assert_eq!(drains_while_somebody_waits(&mut world), End::GraceOver);
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
}

#[test]
fn a_writer_that_dies_during_the_drain_is_started_again_and_reaches_the_cut() {
    let world = world(&TABLES);
    let gate = dies_with_its_put_in_flight(&world, 0);
    let end = world.run_in_virtual_time(async |handle| {
        world
            .durable_of("the other tables", |table| table != "shop.a")
            .await;
        // What lies beyond the first record is packed once more, up to the cut.
        world
            .encoder
            .panics_at(value_in_the_second_record(&world), 1);
        handle.shut_down();
        handle.until("a death", |status| status.restarts == 1).await;
        gate.open();
    });
    assert_eq!(end, End::Drained);
    world.assert_drained();
    world.assert_complete();
}
