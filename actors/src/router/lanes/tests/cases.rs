//! Single cases of parking, draining and retiring.

use std::time::Duration;

use super::*;

#[test]
fn a_table_is_parked_at_the_earliest_undelivered_change_of_its_lanes() {
    let mut model = Model::new();
    let lane = |index| Lane {
        table: fixture::name("a"),
        index,
        count: 2,
        run: None,
    };
    for index in [0, 1, 0] {
        let mut lanes = PartList::default();
        lanes.push_block(lane(index), model.block.clone(), None);
        lanes.push_block(Lane::clone(&fixture::lane("b")), model.block.clone(), None);
        let segment = Segment {
            advance: Advance::at(mark(9)),
            fence: None,
            is_end: false,
            lanes,
        };
        let mut actions = Vec::new();
        let now = model.now;
        model
            .lanes
            .open(segment, &mut Permit::empty(), now, &mut actions);
    }
    let (now, mut actions) = (model.now, Vec::new());
    model
        .lanes
        .reached(&Arc::new(lane(0)), BarrierSeq(1), now, &mut actions);
    let b = fixture::lane("b");
    model.lanes.reached(&b, BarrierSeq(3), now, &mut actions);
    actions.clear();
    model.lanes.park(&fixture::name("a"), "why", &mut actions);
    assert!(
        matches!(&actions[0], Action::Park(table, BarrierSeq(2), _) if *table == fixture::name("a")),
        "{actions:?}"
    );
    let mut finished: Vec<u64> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Finish(seq) => Some(seq.0),
            _ => None,
        })
        .collect();
    finished.sort_unstable();
    assert_eq!(finished, [2, 3]);
}

#[test]
fn heartbeats_do_not_keep_an_idle_lane() {
    let mut model = Model::new();
    model.open(&["shop.a"], None);
    model.settle();
    let idle = model.now + Duration::from_secs(1);
    model.now = idle;
    model.beat();
    assert!(
        model.lanes.retire(idle).is_empty(),
        "it has something to deliver"
    );
    model.settle();
    assert_eq!(model.lanes.retire(idle), [fixture::lane("a")]);
}

#[test]
fn a_drain_of_all_delivers_all_and_says_so_once() {
    let mut model = Model::new();
    model.open(&["shop.a", "shop.b"], None);
    model.drain(Drain::All);
    assert_eq!(model.done, 0);
    model.settle();
    model.drain(Drain::All);
    model.drain(Drain::AtCut);
    assert_eq!((model.done, model.finished.len()), (1, 1));
}

#[test]
fn what_is_read_behind_a_drain_is_not_taken_in() {
    let mut model = Model::new();
    model.open(&["shop.a"], None);
    model.drain(Drain::AtCut);
    let opened = model.opened.len();
    let mut lanes = PartList::default();
    lanes.push_block(
        Lane::clone(&fixture::lane("shop.a")),
        model.block.clone(),
        None,
    );
    let segment = Segment {
        advance: Advance::at(mark(9)),
        fence: None,
        is_end: false,
        lanes,
    };
    let mut actions = Vec::new();
    model
        .lanes
        .open(segment, &mut Permit::empty(), model.now, &mut actions);
    assert!(actions.is_empty());
    assert_eq!(model.opened.len(), opened);
}

#[test]
fn the_lanes_of_a_dropped_table_or_database_go_and_come_back_with_it() {
    let shop = || Scope::Tables(vec![fixture::lane("a").table.clone()]);
    for scope in [shop(), Scope::Database("shop".to_owned())] {
        let mut model = Model::new();
        // The second barrier's statement drops.
        model.open(&["a", "b"], None);
        model.open(&["a"], Some(scope.clone()));
        model.settle();
        let left = usize::from(scope == shop());
        assert_eq!(model.writers.len(), left, "{scope:?}");
        assert_eq!(model.lanes.each().count(), left);
        model.open(&["a", "b"], None);
        model.settle();
        assert_eq!(model.lanes.each().count(), 2);
        assert_eq!(model.finished.len(), 3);
    }
}

#[test]
fn only_a_lane_that_has_finished_everything_is_retired() {
    let mut model = Model::new();
    model.open(&["shop.a", "shop.b"], None);
    model.ready();
    model.ready();
    model.reach(0, 1);
    let later = model.now + Duration::from_secs(1);
    let retired = model.lanes.retire(later);
    assert_eq!(retired, [fixture::lane("shop.a")]);
    model.writers.remove(&retired[0]);
    model.open(&["shop.a"], None);
    assert_eq!(model.wanted, [fixture::lane("shop.a")]);
    model.settle();
    assert_eq!(model.finished.len(), 2);
}
