//! A table that changes at random while it is copied, by a source whose commits lag behind its log, and a consumer
//! that must end with the table.

mod table;
mod world;

use proptest::prelude::*;

use self::world::{Chances, World};

const CASES: u32 = 200;

fn run(seed: u64, chances: Chances) -> World {
    run_of(World::new(seed, chances))
}

fn run_of(mut world: World) -> World {
    world.run(400);
    world.finish();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_copy_is_the_table_whatever_changes_meanwhile(seed: u64) {
        let world = run(seed, Chances::default());
        prop_assert_eq!(world.consumer(), world.table());
    }

    #[test]
    fn the_copy_is_the_table_where_images_tell_a_part(seed: u64) {
        let world = run(seed, Chances { partial: 0.5, ..Chances::default() });
        prop_assert_eq!(world.consumer(), world.table());
    }

    #[test]
    fn the_copy_is_the_table_after_crashes(seed: u64) {
        let chances = Chances { crash: 0.03, partial: 0.3, moves_whole: true, ..Chances::default() };
        let world = run(seed, chances);
        prop_assert_eq!(world.consumer(), world.table());
    }

    #[test]
    fn the_copy_is_the_table_over_statements(seed: u64) {
        let chances = Chances { statement: 0.03, crash: 0.01, ..Chances::default() };
        let world = run(seed, chances);
        prop_assert_eq!(world.consumer(), world.table());
    }

    #[test]
    fn rows_that_the_table_has_no_longer_go_with_the_end_of_a_copy(seed: u64) {
        let chances = Chances { statement: 0.02, crash: 0.01, ..Chances::default() };
        let world = run_of(World::new(seed, chances).with_stale_rows());
        prop_assert_eq!(world.consumer(), world.table());
    }

    #[test]
    fn rows_without_a_key_come_once_each(seed: u64) {
        let world = run(seed, Chances { is_keyless: true, change: 0.1, ..Chances::default() });
        prop_assert_eq!(world.consumer(), world.table());
        prop_assert_eq!(world.snapshot_rows(), world.rows_at_end());
    }
}

#[test]
fn a_source_that_stands_still_is_copied_row_by_row_once() {
    for seed in 0..50 {
        let world = run(
            seed,
            Chances {
                change: 0.0,
                ..Chances::default()
            },
        );
        assert_eq!(world.consumer(), world.table());
        assert_eq!(world.snapshot_rows(), world.table().len() as u64);
        assert_eq!(world.ids_twice(), 0);
    }
}

#[test]
fn what_is_due_and_cannot_go_is_not_waited_for_by_the_clock() {
    let mut world = World::new(1, Chances::default());
    let (due, early) = world.busy_source_inside_a_transaction();
    assert!(early.is_some(), "the source is asked again later");
    assert_eq!(due, None, "a transaction is open: its end comes by itself");
}
