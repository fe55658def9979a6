//! A store that takes no positions: delivery goes on without one, but not for ever.

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use headwater_actors::{
    status::{State, Status},
    supervisor::End,
};
use support::{
    World,
    fixture::{Log, Op},
};

fn traffic() -> Log {
    let mut log = Log::new();
    for number in 0..600 {
        log.transaction(&[
            Op::Insert("a", vec![(number, 0), (number, 1)]),
            Op::Insert("b", vec![(number, 0)]),
        ]);
    }
    log
}

#[test]
fn while_the_position_cannot_be_stored_delivery_goes_on_and_then_reading_pauses() {
    let mut world = World::new(traffic());
    let events = world.log.events.len();
    world.source.visible.send_replace(events / 4);
    world.source.events_a_read(3);
    world.options.late_after = Duration::from_millis(30);
    let end = world.run(async |handle| {
        let streams = |status: &Status| status.state == State::Streaming;
        handle.until("the stream", streams).await;
        support::wait_for("a stored position", &world.store.saves, |saves| {
            saves.len() > 1
        })
        .await;
        world.store.is_down.store(true, Ordering::Relaxed);
        let durable = world.sink.durable.borrow().len();
        world.source.visible.send_replace(events / 2);
        support::wait_for("delivery without a store", &world.sink.durable, |puts| {
            durable < puts.len()
        })
        .await;
        handle
            .until("the pause", |status| {
                status.state == State::Paused
                    && status
                        .last_errors
                        .iter()
                        .any(|error| error.message.contains("no space left"))
            })
            .await;
        // Also where all that was read is durable: nobody knows what is committed meanwhile.
        handle
            .until("a lag", |status| {
                let nothing_waits = status.lanes.iter().all(|lane| lane.backlog_bytes == 0);
                nothing_waits && status.lag_secs > Some(0.0)
            })
            .await;
        let (tries, read) = (world.store.tries(), *world.source.bytes_read.borrow());
        world.source.visible.send_replace(events);
        let tried = async {
            while world.store.tries() < tries + 5 {
                tokio::task::yield_now().await;
            }
        };
        support::within("the store to be tried again and again", tried).await;
        // What was being read when the pause came is taken.
        let more = *world.source.bytes_read.borrow() - read;
        assert!(more < 2_000, "{more} bytes were read in the pause");
        world.store.is_down.store(false, Ordering::Relaxed);
        world.all_durable().await;
        handle.until("the stream", streams).await;
        handle
            .until("no lag", |status| status.lag_secs == Some(0.0))
            .await;
        handle.shut_down();
    });
    assert_eq!(end, End::Drained);
    world.assert_exact();
    world.assert_drained();
}
