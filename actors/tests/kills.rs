//! Each actor dies, by panic and by error, in the middle of traffic: nothing is lost, order is kept, and only
//! what must be is started again.

mod support;

use headwater_actors::{
    ports::sink::{Content, Record, Sink},
    supervisor::End,
};
use support::{
    World,
    fixture::{self, Log, Op},
    recorder::breaks_at,
    sink::{Act, Gate, ScriptedSink},
    source, store, wait_for,
};

const TABLES: [&str; 3] = ["a", "b", "c"];

/// Transactions over all tables, every change with a value of its own.
fn traffic(tables: &[&'static str]) -> Log {
    let mut log = Log::new();
    for number in 0..60 {
        let (id, v) = (number % 5, number * 10);
        let ops: Vec<Op> = tables
            .iter()
            .flat_map(|table| {
                [
                    Op::Insert(table, vec![(id, v), (id + 5, v + 1), (id + 9, v + 2)]),
                    Op::Update(table, vec![((id, v), (id, v + 3))]),
                    Op::Delete(table, vec![(id + 5, v + 1)]),
                ]
            })
            .collect();
        log.transaction(&ops);
    }
    log
}

fn world() -> World {
    let world = World::new(traffic(&TABLES));
    // Records of several lanes are in flight when somebody dies.
    world.sink.does(|call, _| match call % 5 {
        0 => Act::Slow,
        3 => Act::Throttle,
        _ => Act::Take,
    });
    world
}

/// Runs to the end; generation and restarts as they were then.
fn run_counting(world: &World) -> (u64, u64) {
    run_counting_after(world, async || ())
}

fn run_counting_after(world: &World, script: impl AsyncFnOnce()) -> (u64, u64) {
    let mut counts = (0, 0);
    let end = world.run(async |handle| {
        script().await;
        world.all_durable().await;
        handle
            .until("a generation", |status| status.generation > 0)
            .await;
        let status = handle.status().await;
        counts = (status.generation, status.restarts);
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_complete();
    counts
}

/// What went wrong ends the run; the next one, without the fault, finds everything.
fn halts_and_goes_on(world: &World, message: &str) {
    let end = world.run(async |_handle| ());
    assert!(
        matches!(&end, End::Halted(failure) if failure.to_string().contains(message)),
        "{end:?}"
    );
    assert_eq!(run_counting(world), (1, 0));
}

#[test]
fn a_shard_writer_that_panics_is_started_again_alone() {
    let world = world();
    world.encoder.panics_at(251, 1);
    world.encoder.panics_at(402, 1);
    assert_eq!(run_counting(&world), (1, 2));
    assert_eq!(world.source.opened.borrow().len(), 1, "the Reader goes on");
}

#[test]
fn a_lane_gets_no_new_writer_before_the_dead_one_has_let_go_of_its_record() {
    let mut log = Log::new();
    for number in 0..10 {
        log.transaction(&[Op::Insert("a", vec![(number, number)])]);
    }
    let world = World::new(log);
    let gate = Gate::default();
    let first = gate.clone();
    world.sink.does(move |call, _| match call {
        0 => Act::Hold(first.clone()),
        _ => Act::Take,
    });
    world.sink.is_left_slowly();
    world.encoder.panics_at(9, 1);
    let (visible, events) = (&world.source.visible, world.log.events.len());
    visible.send_replace(events / 2);
    let counted = run_counting_after(&world, async || {
        let (calls, awaited) = (&world.sink.calls, &world.sink.awaited);
        wait_for("a record in flight", awaited, |awaited| *awaited == 1).await;
        visible.send_replace(events);
        wait_for("the next writer", calls, |calls| *calls == 2).await;
        gate.open();
    });
    assert_eq!(counted, (1, 1));
}

/// The world's own promise, as the sinks make it: else what a dead writer had handed over could follow what its
/// successor delivers.
#[test]
fn a_dead_writers_record_comes_before_its_successors_whichever_thread_has_its_turn_first() {
    let sink = ScriptedSink::default();
    let deliver = |line: &'static str| {
        let lane = fixture::lane("a");
        sink.deliver(Record {
            partition_key: lane.partition_key().into(),
            lane,
            bytes: line.into(),
            explicit_hash_key: None,
            rows: 1,
            content: Content::Text,
        })
    };
    let thread = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime")
    };
    let turns = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    let (dead, next) = (thread(), thread());
    let hand_over = |runtime: &tokio::runtime::Runtime, line| {
        let _entered = runtime.enter();
        deliver(line)
    };
    drop(hand_over(&dead, "first"));
    let second = hand_over(&next, "second");
    next.block_on(turns());
    assert_eq!(sink.lines(), [""; 0], "the dead one's thread had no turn");
    dead.block_on(turns());
    assert!(next.block_on(second).is_ok());
    assert_eq!(sink.lines(), ["first", "second"]);
}

#[test]
fn a_shard_writer_that_fails_for_good_halts_and_nothing_is_lost() {
    let world = world();
    world.sink.does(|call, _| match call {
        20 => Act::Definite,
        _ => Act::Take,
    });
    halts_and_goes_on(&world, "stream 'cdc' is gone");
}

#[test]
fn a_reader_that_panics_is_started_again_alone_and_nothing_is_read_twice() {
    let world = world();
    world.source.fails_at(7, source::Fault::Panic);
    world.source.fails_at(30, source::Fault::Panic);
    assert_eq!(run_counting(&world), (1, 2));
    world.assert_exact();
    assert_eq!(world.source.opened.borrow().len(), 3);
}

#[test]
fn a_reader_that_fails_for_good_halts_and_nothing_is_lost() {
    let world = world();
    world.source.fails_at(15, source::Fault::Definite);
    halts_and_goes_on(&world, "binlog purged");
}

#[test]
fn a_checkpointer_that_panics_ends_the_generation() {
    let world = world();
    // The first save is the start's own.
    world.store.fails_at(1, store::Fault::Panic);
    world.source.visible.send_replace(90);
    let counted = run_counting_after(&world, async || {
        let opened = &world.source.opened;
        wait_for("the next generation", opened, |opened| opened.len() == 2).await;
        world.source.visible.send_replace(world.log.events.len());
    });
    assert_eq!(counted, (2, 1));
}

#[test]
fn a_checkpointer_that_fails_for_good_halts_and_nothing_is_lost() {
    let world = world();
    world.store.fails_at(1, store::Fault::Definite);
    halts_and_goes_on(&world, "store is read-only");
}

#[test]
fn a_router_that_panics_ends_the_generation() {
    breaks_at("shop.counted", vec![40]);
    let world = World::new(traffic(&["a", "counted"]));
    world.source.events_a_read(3);
    let (generation, restarts) = run_counting(&world);
    assert_eq!((generation, restarts), (2, 1));
}

#[test]
fn a_generation_that_ends_gets_no_new_writers() {
    for seed in 1..=5u64 {
        println!("seed {seed}");
        let mut log = Log::new();
        for number in 0..120 {
            let table: &'static str = format!("t{number}").leak();
            log.transaction(&[Op::Insert(table, vec![(number, number)])]);
        }
        let world = World::new(log);
        world.source.events_a_read(seed as usize);
        for save in 1..=3 {
            world.store.fails_at(save, store::Fault::Panic);
        }
        assert_eq!(run_counting(&world), (4, 3));
    }
}

#[test]
fn who_dies_too_often_in_a_row_halts_the_pipeline() {
    let mut world = world();
    world.options.strikes_max = 2;
    for _ in 0..3 {
        world.source.fails_at(4, source::Fault::Panic);
    }
    let end = world.run(async |_handle| ());
    assert!(
        matches!(&end, End::Halted(failure) if failure.to_string().contains("reader died 3 times in a row")),
        "{end:?}"
    );
    assert_eq!(run_counting(&world), (1, 0));
}

#[test]
fn everybody_dies_and_nothing_is_lost() {
    let mut world = world();
    world.options.strikes_max = 20;
    for seed in 1..=6u64 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World {
            options: world.options.clone(),
            ..self::world()
        };
        for _ in 0..3 {
            world
                .source
                .fails_at(random.usize(0..60), source::Fault::Panic);
            world
                .source
                .fails_at(random.usize(0..60), source::Fault::Cut);
            world
                .store
                .fails_at(random.usize(2..12), store::Fault::Panic);
            world
                .store
                .fails_at(random.usize(2..12), store::Fault::Fails);
            let v = random.i32(0..60) * 10 + random.i32(0..4);
            world.encoder.panics_at(v, 1);
        }
        world.sink.does(move |_, _| match random.u8(0..8) {
            0 => Act::Throttle,
            1 => Act::Reject,
            2 => Act::LoseReply,
            3 => Act::Slow,
            _ => Act::Take,
        });
        // A Checkpointer that dies during the drain leaves what is stored; the next run goes on there.
        let drains = |end| match end {
            End::Drained => true,
            End::GraceOver => false,
            End::Halted(failure) => panic!("{failure}"),
        };
        assert!((0..5).any(|_| drains(world.run_to_the_end())));
        world.assert_complete();
    }
}

#[test]
fn columns_without_names_survive_their_readers_and_are_never_older_than_the_position() {
    let mut log = Log::new();
    let mut altered_at = Vec::new();
    for number in 0..40 {
        log.transaction(&[Op::Insert("bare", vec![(number, number)])]);
        if number % 7 == 3 {
            log.ddl("ALTER TABLE shop.bare COMMENT 'x'", &["bare"]);
            altered_at.push(log.end());
        }
    }
    let world = World::new(log);
    world.source.fails_at(7, source::Fault::Panic);
    world.source.fails_at(14, source::Fault::Cut);
    world.source.fails_at(21, source::Fault::Panic);
    assert_eq!(run_counting(&world), (1, 2));
    let questions = world.source.asked.borrow().len();
    assert!(
        altered_at.len() < questions && questions < 2 * altered_at.len(),
        "{questions}"
    );
    let saves = world.store.saves.borrow();
    assert!(saves.iter().any(|save| !save.resume.columns.is_empty()));
    for save in saves.iter() {
        let position = &save.resume.mark.position;
        for known in save
            .resume
            .columns
            .iter()
            .filter(|known| known.until.is_none())
        {
            let missed = altered_at
                .iter()
                .any(|at| known.since.offset < *at && *at <= position.offset);
            assert!(!missed, "{known:?} at {position}");
        }
        assert!(
            !save
                .resume
                .columns
                .iter()
                .any(|known| known.is_over_at(position))
        );
    }
}

#[test]
fn a_source_that_becomes_another_server_is_left_when_all_that_was_read_is_stored() {
    let world = world();
    world.source.fails_at(20, source::Fault::Superseded);
    let (generation, _) = run_counting(&world);
    assert_eq!(generation, 2);
    world.assert_exact();
    // The second generation begins where the first one had read to.
    let opened = world.source.opened.borrow();
    let [_, second] = &opened[..] else {
        panic!("opened {} times", opened.len())
    };
    let saves = world.store.saves.borrow();
    assert!(
        saves
            .iter()
            .any(|save| save.drained && save.resume.mark == second.mark)
    );
}
