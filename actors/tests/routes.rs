//! A table whose route is not ready, or never will be.

mod support;

use headwater_actors::{failure::Failure, supervisor::End};

use support::{
    World,
    fixture::{Log, Op},
};

fn log() -> Log {
    let mut log = Log::new();
    for id in 0..20 {
        log.transaction(&[
            Op::Insert("a", vec![(id, 1)]),
            Op::Insert("b", vec![(id, 1)]),
        ]);
    }
    log
}

#[test]
fn a_table_whose_target_is_not_there_yet_waits_alone_and_loses_nothing() {
    let world = World::new(log());
    for _ in 0..3 {
        let failure = Failure::transient("stream \"b\" is CREATING");
        world.routes.fails("shop.b", failure);
    }
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_exact();
    world.assert_drained();
}

#[test]
fn a_table_that_has_no_target_halts_the_pipeline_with_the_reason() {
    let world = World::new(log());
    let failure = Failure::definite("stream \"b\" does not exist").with_hint("create it");
    world.routes.fails("shop.b", failure.clone());
    let end = world.run(async |_| ());
    assert_eq!(end, End::Halted(failure));
    // The next start goes on where the stored position is: nothing of the other table is missing.
    assert_eq!(world.run_to_the_end(), End::Drained);
    world.assert_complete();
}
