//! The Router itself: what ends it, and what its permits add up to.

use std::{sync::mpsc, time::Duration};

use super::*;
use crate::{
    budget::ByteBudget,
    fixture,
    messages::{ActorId, Cause, Died, Generation},
    progress::{Advance, Home, Mark},
};
use headwater_binlog::{
    assembler::Item,
    gtid::{GtidSet, Uuid},
};

/// Takes whatever the Router says.
struct Listener;

impl Actor for Listener {
    type Context = Context<Self>;
}

impl<M: actix::Message<Result = ()>> Handler<M> for Listener {
    type Result = ();

    fn handle(&mut self, _: M, _: &mut Self::Context) {}
}

/// Tells the test of a death.
struct Witness(mpsc::Sender<Cause>);

impl Actor for Witness {
    type Context = Context<Self>;
}

impl Handler<Died> for Witness {
    type Result = ();

    fn handle(&mut self, died: Died, _: &mut Self::Context) {
        self.0.send(died.cause).unwrap();
        actix::System::current().stop();
    }
}

fn router(deaths: actix::Recipient<Died>, ordering: OrderingKey) -> Router {
    let listener = Listener.start();
    let from = Checkpoint {
        name: "test".into(),
        server_id: 1,
        home: Home {
            server_uuid: Uuid(fixture::SOURCE),
            epoch: 1,
        },
        resume: Resume::at(fixture::at(4), GtidSet::default()),
        ordering,
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: true,
        parked: Default::default(),
    };
    Router::new(
        &from,
        Selection::default(),
        LanePace {
            idle: Duration::from_secs(600),
            heartbeat: None,
        },
        Checkpointing {
            opened: listener.clone().recipient(),
            park: listener.clone().recipient(),
            finished: listener.clone().recipient(),
            last: listener.clone().recipient(),
        },
        Supervising {
            wanted: listener.clone().recipient(),
            retired: listener.clone().recipient(),
            parked: listener.clone().recipient(),
        },
        DeathWatch::new(deaths, Generation(1), ActorId::Router),
    )
}

fn up_to(offset: u64) -> Advance {
    let mut advance = Advance::at(Mark::at(fixture::at(4)));
    advance.reach(Mark::at(fixture::at(offset)));
    advance
}

#[test]
fn a_batch_that_begins_elsewhere_than_the_one_before_ended_ends_the_router_with_both_places() {
    let (tell, told) = mpsc::channel();
    let system = actix::System::new();
    system.block_on(async {
        let deaths = Witness(tell).start().recipient();
        let router = router(deaths, OrderingKey::Table).start();
        for offset in [300, 500] {
            router.do_send(SourceBatch {
                items: Vec::new(),
                advance: up_to(offset),
                permit: crate::budget::Permit::empty(),
            });
        }
    });
    system.run().unwrap();
    let Cause::Failed(failure) = told.recv().unwrap() else {
        panic!("another end")
    };
    assert!(failure.is_definite());
    for place in ["binlog.000001:300", "binlog.000001:4"] {
        assert!(failure.to_string().contains(place), "{failure}");
    }
}

#[test]
fn rows_that_cannot_be_routed_end_the_router_with_their_place() {
    let (tell, told) = mpsc::channel();
    let system = actix::System::new();
    system.block_on(async {
        let deaths = Witness(tell).start().recipient();
        let router = router(deaths, OrderingKey::PrimaryKey { lanes: 4 }).start();
        let mut block = fixture::blocks(&[(1, 1)]).remove(0);
        block.images = block.images.slice(..5);
        router.do_send(SourceBatch {
            items: vec![Item::Rows(block)],
            advance: up_to(300),
            permit: crate::budget::Permit::empty(),
        });
    });
    system.run().unwrap();
    let Cause::Failed(failure) = told.recv().unwrap() else {
        panic!("another end")
    };
    assert!(failure.is_definite());
    assert!(
        failure.to_string().contains("binlog.000001:300"),
        "{failure}"
    );
}

#[test]
fn the_bytes_of_many_lanes_are_those_of_their_batch_and_all_come_back() {
    let system = actix::System::new();
    system.block_on(async {
        let (tell, _told) = mpsc::channel();
        let deaths = Witness(tell).start().recipient();
        let mut router = router(deaths, OrderingKey::Table);
        let mut log = fixture::Log::new();
        for table in ["a", "b", "c", "d"] {
            let rows = (0..200).map(|id| (id, 1)).collect();
            log.transaction(&[fixture::Op::Insert(table, rows)]);
        }
        let budget = ByteBudget::new(1 << 20);
        // As the Reader takes them: 256 above each event.
        let held = log.end() as usize + 4 * 5 * 256;
        let batch = SourceBatch {
            items: log.items(),
            advance: up_to(log.end()),
            permit: budget.take(held).await,
        };
        let actions = router.route(batch).unwrap();
        let wanted = 4 * 200 * 9;
        assert!((wanted..=held + 64).contains(&budget.bytes_in_use()));
        drop(actions);
        let mut actions = Vec::new();
        for table in ["a", "b", "c", "d"] {
            let (lane, seq) = (fixture::lane(table), crate::messages::BarrierSeq(1));
            router
                .lanes
                .reached(&lane, seq, Instant::now(), &mut actions);
        }
        assert_eq!(budget.bytes_in_use(), 0);
    });
}

#[test]
fn the_columns_of_a_wide_table_count_until_its_rows_are_delivered() {
    let system = actix::System::new();
    system.block_on(async {
        let (tell, _told) = mpsc::channel();
        let deaths = Witness(tell).start().recipient();
        let mut router = router(deaths, OrderingKey::Table);
        let mut log = fixture::Log::new();
        log.transaction(&[fixture::Op::Insert("wide", vec![(1, 1)])]);
        let mut items = log.items();
        let mut columns = 0;
        for item in &mut items {
            let Item::Rows(block) = item else { continue };
            let narrow = &block.table;
            let column = |number| headwater_binlog::schema::Column {
                name: format!("column_{number}"),
                kind: headwater_binlog::schema::ColumnKind::Date,
                nullable: true,
                visible: true,
            };
            let wide = headwater_binlog::schema::Table::new(
                narrow.name.clone(),
                (0..1000).map(column).collect(),
                Vec::new(),
            );
            columns = wide.bytes();
            block.table = Arc::new(wide);
        }
        let budget = ByteBudget::new(1 << 20);
        let permit = budget.take(2000).await;
        let advance = up_to(log.end());
        let actions = router.route(SourceBatch {
            items,
            advance,
            permit,
        });
        drop(actions.unwrap());
        assert!(columns > 50_000 && budget.bytes_in_use() > columns);
        let (lane, seq) = (fixture::lane("wide"), crate::messages::BarrierSeq(1));
        let mut actions = Vec::new();
        router
            .lanes
            .reached(&lane, seq, Instant::now(), &mut actions);
        drop(actions);
        assert_eq!(budget.bytes_in_use(), 0);
    });
}

#[test]
fn a_table_that_has_not_changed_for_long_leaves_the_status() {
    let system = actix::System::new();
    system.block_on(async {
        let (tell, _told) = mpsc::channel();
        let deaths = Witness(tell).start().recipient();
        let mut router = router(deaths, OrderingKey::Table);
        let mut log = fixture::Log::new();
        log.transaction(&[fixture::Op::Insert("dropped", vec![(1, 1)])]);
        let batch = SourceBatch {
            items: log.items(),
            advance: up_to(log.end()),
            permit: ByteBudget::new(1 << 20).take(1000).await,
        };
        let before = Instant::now();
        router.route(batch).unwrap();
        router.forget_idle(before);
        assert_eq!(router.tables.len(), 1);
        router.forget_idle(Instant::now() + Duration::from_secs(1));
        assert!(router.tables.is_empty());
    });
}
