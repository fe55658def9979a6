//! The promises of the whole pipeline, with a world that throttles, fails, loses replies, holds and ends.

mod support;

use headwater_actors::{
    checkpoint::OrderingKey, on_error::OnError, packing::Packing, reading::Until, status::State,
    supervisor::End,
};
use std::time::{Duration, Instant};
use support::{
    World,
    fixture::{self, Log, Op, UNDECODABLE},
    sink::{Act, Gate, ScriptedSink},
    source, store, wait_for,
};

fn traffic(transactions: i32) -> Log {
    let mut log = Log::new();
    for number in 0..transactions {
        write(&mut log, number);
    }
    log
}

fn write(log: &mut Log, number: i32) {
    let (id, v) = (number % 5, number * 10);
    let mut ops = vec![Op::Insert("excluded", vec![(id, v)])];
    for table in ["a", "b", "c"] {
        ops.push(Op::Insert(table, vec![(id, v), (id + 5, v + 1)]));
        ops.push(Op::Update(table, vec![((id, v), (id, v + 3))]));
        // Moves to another lane when the key decides.
        ops.push(Op::Update(table, vec![((id + 5, v + 1), (id + 50, v + 4))]));
        ops.push(Op::Delete(table, vec![(id, v + 3), (id + 50, v + 4)]));
    }
    match number % 3 {
        0 => log.compressed(&ops),
        _ => log.transaction(&ops),
    }
    log.changes.retain(|change| change.table != "shop.excluded");
}

fn troubles(sink: &ScriptedSink, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    sink.does(move |_, _| match random.u8(0..10) {
        0 | 1 => Act::Throttle,
        2 | 3 => Act::Reject,
        4 => Act::LoseReply,
        5 | 6 => Act::Slow,
        _ => Act::Take,
    });
}

fn holds(sink: &ScriptedSink, table: &'static str) -> Gate {
    let gate = Gate::default();
    let held = gate.clone();
    sink.does(move |_, record| match record.lane.table.table == table {
        true => Act::Hold(held.clone()),
        false => Act::Take,
    });
    gate
}

async fn some_durable(world: &World, lines: usize) {
    wait_for("some lines", &world.sink.durable, |durable| {
        durable.len() >= lines
    })
    .await;
}

#[test]
fn order_is_kept_under_throttling_partial_failures_and_lost_replies() {
    for seed in 1..=8u64 {
        println!("seed {seed}");
        let mut world = World::new(traffic(40));
        if seed % 2 == 0 {
            world.options.ordering = OrderingKey::PrimaryKey { lanes: 3 };
        }
        if seed % 3 == 0 {
            world.options.packing = Packing::None;
        }
        world.source.events_a_read(seed as usize * 3);
        for read in 0..3 {
            let read = (read + 1) * seed as usize;
            world.source.fails_at(read, source::Fault::Cut);
        }
        troubles(&world.sink, seed);
        assert_eq!(world.run_to_the_end(), End::Drained);
        world.assert_complete();
        world.assert_drained();
        let (first, saves) = (&world.source.opened.borrow()[0], world.store.saves.borrow());
        // Stored before it was read from.
        assert_eq!(saves[0].resume.mark, first.mark);
    }
}

#[test]
fn a_drain_ends_at_what_was_delivered_and_the_next_run_repeats_nothing() {
    for seed in 1..=8u64 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(traffic(60));
        if seed % 2 == 0 {
            world.options.ordering = OrderingKey::PrimaryKey { lanes: 3 };
        }
        // Each run is stopped somewhere; the last one gets to the end.
        for lines in [random.usize(1..100), random.usize(100..300)] {
            let mut acts = fastrand::Rng::with_seed(random.u64(..));
            world.sink.does(move |_, _| match acts.u8(0..4) {
                0 => Act::Throttle,
                1 => Act::Slow,
                _ => Act::Take,
            });
            let read = random.usize(0..30);
            world.source.fails_at(read, source::Fault::Panic);
            let end = world.run(async |handle| {
                some_durable(&world, lines).await;
                handle.shut_down();
                // Held until the handle is gone.
                drop(handle);
            });
            assert_eq!(end, End::Drained);
            world.assert_drained();
        }
        assert_eq!(world.run_to_the_end(), End::Drained);
        world.assert_exact();
    }
}

#[test]
fn a_drain_waits_for_writers_and_readers_that_are_being_started_again() {
    for seed in 1..=8u64 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(traffic(60));
        world.options.strikes_max = 20;
        for _ in 0..4 {
            let v = random.i32(0..60) * 10 + random.i32(0..2);
            world.encoder.panics_at(v, 1);
            let read = random.usize(0..40);
            world.source.fails_at(read, source::Fault::Panic);
        }
        let end = world.run(async |handle| {
            some_durable(&world, random.usize(1..300)).await;
            handle.shut_down();
        });
        assert_eq!(end, End::Drained);
        world.assert_drained();
        assert_eq!(world.run_to_the_end(), End::Drained);
        world.assert_complete();
    }
}

#[test]
fn a_drain_that_a_held_lane_keeps_ends_with_its_grace_time() {
    let mut world = World::new(traffic(30));
    world.options.grace = Duration::from_millis(30);
    let _gate = holds(&world.sink, "b");
    let end = world.run(async |handle| {
        handle
            .until("the held lane", |status| status.lanes.len() == 3)
            .await;
        handle.shut_down();
    });
    assert_eq!(end, End::GraceOver);
    let saved = world.store.saved().unwrap();
    assert!(!saved.drained);
    world.sink.does(|_, _| Act::Take);
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
}

#[test]
fn a_second_signal_ends_at_once_with_what_is_durable_stored() {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("a", vec![(1, 1)])]);
    let first_end = log.end();
    log.transaction(&[Op::Insert("b", vec![(1, 1)])]);
    log.transaction(&[Op::Insert("a", vec![(2, 2)])]);
    let mut world = World::new(log);
    world.source.events_a_read(5);
    // Too seldom for anything but the last save.
    world.options.checkpoint_interval = Duration::from_secs(3600);
    let _gate = holds(&world.sink, "b");
    let asked = Instant::now();
    let end = world.run(async |handle| {
        world
            .durable_of("the free lane", |table| table == "shop.a")
            .await;
        handle.shut_down();
        handle.shut_down();
    });
    assert_eq!(end, End::GraceOver);
    assert!(asked.elapsed() < Duration::from_secs(10));
    let stored = world.store.saved().unwrap().resume.mark;
    assert_eq!(stored.position.offset, first_end);
}

#[test]
fn until_a_place_ends_there_and_the_next_run_goes_on_behind_it() {
    let mut world = World::new(traffic(40));
    let end_of = |transaction: usize| {
        let mut ends: Vec<u64> = world.log.changes.iter().map(|change| change.end).collect();
        ends.dedup();
        ends[transaction - 1]
    };
    // A place inside a transaction means its end.
    let (place, whole) = (end_of(10) - 40, end_of(10));
    let mut twenty = headwater_binlog::gtid::GtidSet::default();
    let source =
        headwater_binlog::gtid::GtidSource::untagged(headwater_binlog::gtid::Uuid(fixture::SOURCE));
    twenty.add_range(&source, 1, 20).unwrap();
    let (gtids, done) = (Until::Gtids(twenty), end_of(20));
    for (until, end) in [(Until::Position(fixture::at(place)), whole), (gtids, done)] {
        world.options.until = until;
        assert_eq!(world.run(async |_handle| ()), End::Drained);
        world.assert_drained();
        let stored = world.store.saved().unwrap().resume.mark;
        assert_eq!(stored.position, fixture::at(end));
        assert_eq!(
            world.run(async |_handle| ()),
            End::Drained,
            "it is there already"
        );
    }
    world.options.until = Until::Never;
    world.source.ends();
    assert_eq!(world.run(async |_handle| ()), End::Drained);
    world.assert_exact();
}

#[test]
fn a_signal_while_the_rest_of_an_ended_source_is_delivered_drains_at_the_cut() {
    let world = World::new(traffic(60));
    world.source.ends();
    let gate = Gate::default();
    let held = gate.clone();
    world.sink.does(move |call, _| match call {
        0..3 => Act::Take,
        _ => Act::Hold(held.clone()),
    });
    let end = world.run(async |handle| {
        handle
            .until("the end of the source", |status| {
                status.state == State::Draining
            })
            .await;
        handle.shut_down();
        // The Router has the signal before this answer.
        handle.status().await;
        gate.open();
    });
    assert_eq!(end, End::Drained);
    world.assert_drained();
    assert!(world.sink.lines().len() < world.log.changes.len());
    assert_eq!(world.run(async |_handle| ()), End::Drained);
    world.assert_exact();
}

#[test]
fn a_router_that_is_gone_while_the_rest_is_delivered_is_followed_by_a_generation() {
    let world = World::new(traffic(30));
    world.source.ends();
    world.store.fails_at(1, store::Fault::Panic);
    assert_eq!(world.run(async |_handle| ()), End::Drained);
    world.assert_complete();
}

#[test]
fn an_end_does_not_wait_for_a_checkpointer_that_is_dead() {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("a", vec![(1, 1)])]);
    log.transaction(&[Op::Insert("b", vec![(1, 1)])]);
    let world = World::new(log);
    world.source.events_a_read(6);
    let _gate = holds(&world.sink, "b");
    world.store.fails_at(1, store::Fault::Definite);
    let begun = Instant::now();
    let end = world.run(async |_handle| ());
    assert!(matches!(end, End::Halted(_)), "{end:?}");
    assert!(begun.elapsed() < Duration::from_millis(2500));
}

#[test]
fn a_stuck_lane_does_not_stop_the_others() {
    let world = World::new(traffic(60));
    let gate = holds(&world.sink, "b");
    let end = world.run(async |handle| {
        world
            .durable_of("the other lanes", |table| table != "shop.b")
            .await;
        assert!(
            !world
                .sink
                .lines()
                .iter()
                .any(|line| line.starts_with("shop.b"))
        );
        gate.open();
        world.all_durable().await;
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_exact();
}

/// Rows of `a`, `rows_an_event` in each rows event.
fn updates(rows: i32, rows_an_event: i32) -> Vec<Op> {
    (0..rows / rows_an_event)
        .map(|event| {
            let first = event * rows_an_event;
            let rows = first..first + rows_an_event;
            Op::Update("a", rows.map(|id| ((id, 0), (id, 1))).collect())
        })
        .collect()
}

#[test]
fn a_held_sink_stops_the_reading_and_all_memory_is_given_back() {
    let mut log = Log::new();
    for ops in updates(60_000, 300).chunks(10) {
        log.transaction(ops);
    }
    let mut world = World::new(log);
    world.source.events_a_read(1000);
    world.options.raw_bytes = 600 << 10;
    world.options.record_bytes_max = 64 << 10;
    world.options.checkpoint_interval = Duration::from_millis(50);
    let gate = holds(&world.sink, "a");
    let end = world.run(async |handle| {
        let is_full = async {
            while handle.raw.bytes_in_use() + CHUNK_BYTES <= handle.raw.bytes_total() {
                tokio::task::yield_now().await;
            }
        };
        support::within("a full budget", is_full).await;
        let read = *world.source.bytes_read.borrow();
        assert!(read <= handle.raw.bytes_total() + CHUNK_BYTES, "{read}");
        gate.open();
        world.all_durable().await;
        // The Reader keeps what it may read next.
        let is_free = async {
            while handle.raw.bytes_in_use() > CHUNK_BYTES || handle.encoded.bytes_in_use() > 0 {
                tokio::task::yield_now().await;
            }
        };
        support::within("free budgets", is_free).await;
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_exact();
}

/// What the Reader asks for before it reads.
const CHUNK_BYTES: usize = 256 << 10;

#[test]
fn a_giant_transaction_is_taken_up_in_its_middle() {
    for is_compressed in [false, true] {
        let mut log = Log::new();
        let ops = updates(60_000, 300);
        match is_compressed {
            false => log.transaction(&ops),
            true => log.compressed(&ops),
        }
        let mut world = World::new(log);
        world.source.events_a_read(60);
        // Less than the transaction has: what is skipped must not pile up.
        world.options.raw_bytes = 700 << 10;
        world.options.record_bytes_max = 64 << 10;
        let gate = Gate::default();
        let held = gate.clone();
        world.sink.does(move |call, _| match call {
            0..14 => Act::Take,
            _ => Act::Hold(held.clone()),
        });
        let end = world.run(async |handle| {
            wait_for("a place inside", &world.store.saves, |saves| {
                saves
                    .last()
                    .is_some_and(|saved| saved.resume.mark.rows_done > 0)
            })
            .await;
            handle.shut_down();
            gate.open();
        });
        assert_eq!(end, End::Drained);
        world.assert_drained();
        assert!(world.store.saved().unwrap().resume.mark.rows_done > 0);
        world.sink.does(|_, _| Act::Take);
        // The next one is disturbed as well.
        let reads = world.source.reads.load(std::sync::atomic::Ordering::SeqCst);
        world.source.fails_at(reads + 5, source::Fault::Panic);
        assert_eq!(world.run_to_the_end(), End::Drained);
        world.assert_exact();
    }
}

#[test]
fn nothing_passes_a_statement_that_covers_it() {
    for seed in 1..=6u64 {
        println!("seed {seed}");
        let mut log = Log::new();
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..40 {
            write(&mut log, number);
            match random.u8(0..5) {
                0 => log.ddl("ALTER TABLE a ADD COLUMN x INT", &["a"]),
                1 => log.ddl("RENAME TABLE a TO b", &["a", "b"]),
                2 => log.ddl("ALTER DATABASE shop CHARACTER SET utf8mb4", &["shop."]),
                3 => log.ddl("TRUNCATE TABLE b", &["b"]),
                _ => log.ddl("DROP TABLE excluded", &[]),
            }
        }
        let mut world = World::new(log);
        if seed % 2 == 0 {
            world.options.ordering = OrderingKey::PrimaryKey { lanes: 3 };
        }
        let mut acts = fastrand::Rng::with_seed(seed);
        world.sink.does(move |_, _| match acts.u8(0..4) {
            0 => Act::Throttle,
            1 => Act::Slow,
            _ => Act::Take,
        });
        assert_eq!(world.run_to_the_end(), End::Drained);
        world.assert_exact();
        let lines = world.sink.lines();
        let place = |line: &str| lines.iter().position(|durable| durable == line).unwrap();
        for ddl in world
            .log
            .changes
            .iter()
            .filter(|change| change.line.ends_with("ddl"))
        {
            let covers = |table: &str| ddl.table == "shop." || ddl.table == table;
            for other in world
                .log
                .changes
                .iter()
                .filter(|other| covers(&other.table))
            {
                let is_before = other.start < ddl.start;
                if other.start != ddl.start {
                    let found = place(&other.line) < place(&ddl.line);
                    assert_eq!(found, is_before, "{} and {}", other.line, ddl.line);
                }
            }
        }
    }
}

#[test]
fn a_lane_that_was_retired_comes_back() {
    let mut world = World::new(traffic(40));
    world.options.lane_idle = Duration::from_millis(20);
    let all = world.log.events.len();
    world.source.visible.send_replace(all / 4);
    let end = world.run(async |handle| {
        for quarter in 2..=4 {
            some_durable(&world, 1).await;
            handle
                .until("no lanes", |status| status.lanes.is_empty())
                .await;
            if quarter == 3 {
                // The generation ends behind writers of both lives.
                world.store.fails_at(0, store::Fault::Panic);
            }
            world.source.visible.send_replace(all * quarter / 4);
        }
        world.all_durable().await;
        // A signal between two generations would be no drain.
        handle
            .until("the second generation", |status| {
                status.generation == 2 && status.state == State::Streaming
            })
            .await;
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_complete();
}

#[test]
fn a_row_that_cannot_be_read_halts_and_is_buried_where_the_settings_say_so() {
    let mut log = Log::new();
    log.transaction(&[Op::Insert("a", vec![(1, 1), (2, UNDECODABLE), (3, 3)])]);
    log.changes.remove(1);
    let mut world = World::new(log);
    let end = world.run(async |_handle| ());
    let End::Halted(failure) = end else {
        panic!("{end:?}")
    };
    assert!(
        failure.to_string().contains("'shop.a' cannot be decoded"),
        "{failure}"
    );
    world.options.on_error = OnError::DeadLetter;
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
    assert_eq!(world.letters.0.lock().unwrap().len(), 1);
}
