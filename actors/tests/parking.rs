//! Tables are parked in the middle of traffic, deaths and drains: no stored position ever leaves a change behind
//! that is neither delivered nor kept for its table.

mod support;

use headwater_actors::{checkpoint::OrderingKey, on_error::OnError, supervisor::End};
use proptest::prelude::*;
use support::{
    World,
    fixture::{Log, Op, UNDECODABLE, name},
    sink::Act,
    store::covers,
};

/// Three tables; some changes of `a` and `b` can never be delivered.
fn traffic(poison: &[(usize, bool)]) -> Log {
    let mut log = Log::new();
    for number in 0..40 {
        let (id, v) = (number % 5, number * 10);
        let bad = |table: &'static str| {
            let is_here = poison.contains(&(number as usize, table == "b"));
            is_here.then(|| Op::Insert(table, vec![(id + 20, v + 3), (id + 30, UNDECODABLE)]))
        };
        let ops = [
            Some(Op::Insert("a", vec![(id, v), (id + 5, v + 1)])),
            Some(Op::Insert("b", vec![(id, v), (id + 5, v + 1)])),
            bad("a"),
            bad("b"),
            Some(Op::Insert("c", vec![(id, v), (id + 5, v + 1)])),
        ];
        log.transaction(&ops.into_iter().flatten().collect::<Vec<_>>());
        if number % 9 == 4 {
            log.ddl("TRUNCATE TABLE a", &["a"]);
            log.ddl("ALTER TABLE c COMMENT 'c'", &["c"]);
        }
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_parked_table_is_kept_by_every_position_and_the_others_go_on(
        poison in prop::collection::vec((0..40usize, any::<bool>()), 1..4),
        by_key: bool,
        dies_at in 0..60i32,
        drains_early: bool,
    ) {
        let mut world = World::new(traffic(&poison));
        world.options.on_error = OnError::ParkTable;
        if by_key {
            world.options.ordering = OrderingKey::PrimaryKey { lanes: 3 };
        }
        // A writer of all three tables dies at that value.
        world.encoder.panics_at(dies_at * 10, 1);
        world.sink.does(|call, _| match call % 7 {
            0 => Act::Slow,
            3 => Act::Throttle,
            _ => Act::Take,
        });
        if drains_early {
            let end = world.run(async |handle| handle.shut_down());
            prop_assert_eq!(end, End::Drained);
        }
        // Everything of a table that has no poison, and the saves were checked one by one.
        let end = world.run(async |handle| {
            world.durable_of("all of c", |table| table == "shop.c").await;
            let parked = |poisoned: bool, table: &str| !poisoned || world.store.saved().is_some_and(|saved| {
                saved.parked.iter().any(|parked| parked.table == name(table))
            });
            let (a, b) = (poison.iter().any(|(_, is_b)| !is_b), poison.iter().any(|(_, is_b)| *is_b));
            handle.until("the poisoned to be parked", |_| parked(a, "a") && parked(b, "b")).await;
            handle.until("all others to be durable", |status| {
                status.position_durable == status.position_read
            }).await;
            handle.shut_down();
        });
        prop_assert_eq!(end, End::Drained);
        let saved = world.store.saved().unwrap();
        let durable = world.sink.lines();
        for change in &world.log.changes {
            let parked = saved.parked.iter().find(|parked| parked.table.to_string() == change.table);
            let is_kept = parked.is_some_and(|parked| !covers(&parked.resume.mark, change));
            prop_assert!(is_kept || durable.contains(&change.line), "{}", change.line);
        }
    }
}
