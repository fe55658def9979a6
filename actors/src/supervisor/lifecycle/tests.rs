//! The table: every phase with its reason, and every event.

use super::{Action::*, Phase::*, *};
use crate::{fixture::lane, on_error::OnError};

/// A cell says what follows, see [`then`]; a dot: nothing, and all stays as it is.
///
/// `first` is the first launch, `next` a later one; in `waiting` the Reader is dead and the next one waits;
/// `told` is the drain for a signal, in `told_halt` a halt waited for its data by then; in `last` the Router
/// alone is left of the generation that ends.
const TABLE: &str = "
                        first   next    running waiting told    told_halt source moving halting ending  last    closing ended
launched                begin   begin   .       .       .       .       .       .       .       .       .       .       .
launch_fails            retry   retry   .       .       .       .       .       .       .       .       .       .       .
launch_is_refused       halted  halted  .       .       .       .       .       .       .       .       .       .       .
signal                  unbegun unready drain   cut     second  second1 cut     cut     cut1    between unready .       .
source_ended            .       .       rest    rest    .       .       .       .       .       .       .       .       .
reader_stops            .       .       .       .       .       .       .       .       .       .       .       .       .
reader_panics           .       .       reader  reader  router  router  router  router  router  .       .       .       .
reader_is_refused       .       .       behind  behind  halts   halts1  halts   halts   halts1  .       .       .       .
reader_is_superseded    .       .       moves   moves   close   close1  anew    anew    anew    .       .       .       .
writer_stops            .       .       .       .       .       .       .       .       .       .       .       .       .
writer_panics           .       .       writer  writer  writer  writer  writer  writer  writer  .       .       .       .
writer_is_refused       .       .       halts   halts   halts   halts1  halts   halts   halts1  .       .       .       .
writer_panics_too_often .       .       park    park    park    park    park    park    park    .       .       .       .
router_stops            .       .       .       .       .       .       .       .       .       .       launch  .       .
router_panics           .       .       anew    anew    close   close1  anew    anew    anew    .       launch  .       .
checkpointer_stops      .       .       .       .       .       .       .       .       .       .       .       over    .
checkpointer_panics     .       .       anew    anew    lost    lost1   anew    anew    anew    .       .       over    .
checkpointer_is_refused .       .       halted  halted  halted  halted1 halted  halted  halted1 .       .       over    .
drained                 .       .       drained drained drained first   drained leave   first   .       .       over    .
grace_over              .       .       .       .       late    late1   .       leave   late_halt .     .       .       .
last_store_time_over    .       .       .       .       .       .       .       .       .       .       .       over    .
lease_lost              halted  halted  halts   halts   halts   halts1  halts   halts   halts1  halts   halted  noted   .
route_refused           halted  halted  halts   halts   halts   halts1  halts   halts   halts1  halts   halted  noted   .
";

/// A phase or a reason that is new does not compile before it has columns.
fn columns(phase: &Phase) -> &'static [&'static str] {
    match phase {
        Launching => &["first", "next"],
        Running => &["running", "waiting"],
        Draining(Why::Signal(None)) => &["told"],
        Draining(Why::Signal(Some(_))) => &["told_halt"],
        Draining(Why::SourceEnded) => &["source"],
        Draining(Why::Moving { .. }) => &["moving"],
        Draining(Why::Halting(_)) => &["halting"],
        Ending { .. } => &["ending", "last"],
        Closing(_) => &["closing"],
        Ended => &["ended"],
    }
}

/// Nor does a new event or actor before it has rows.
fn rows(event: &Event) -> &'static [&'static str] {
    match event {
        Event::Launched => &["launched"],
        Event::LaunchFailed { .. } => &["launch_fails", "launch_is_refused"],
        Event::Signal => &["signal"],
        Event::SourceEnded => &["source_ended"],
        Event::Died { actor, .. } => match actor {
            ActorId::Reader => &[
                "reader_stops",
                "reader_panics",
                "reader_is_refused",
                "reader_is_superseded",
            ],
            ActorId::ShardWriter(_) => &[
                "writer_stops",
                "writer_panics",
                "writer_is_refused",
                "writer_panics_too_often",
            ],
            ActorId::Router => &["router_stops", "router_panics"],
            ActorId::Checkpointer => &[
                "checkpointer_stops",
                "checkpointer_panics",
                "checkpointer_is_refused",
            ],
        },
        Event::Drained => &["drained"],
        Event::GraceOver => &["grace_over"],
        Event::LastStoreTimeOver => &["last_store_time_over"],
        Event::LeaseLost(_) => &["lease_lost"],
        Event::RouteRefused(_) => &["route_refused"],
    }
}

/// Of every death and every failed launch in the table.
const WAIT: Duration = Duration::from_secs(1);
/// In a generation that ends or moves: what the death before called for.
const WAIT_BEFORE: Duration = Duration::from_secs(7);

/// What the halt that waits for its data was for.
fn first() -> Failure {
    Failure::definite("the first")
}

/// What every other halt is for.
fn refused() -> Failure {
    Failure::definite("never")
}

fn deaths() -> Deaths {
    Deaths::new(RestartRules {
        strikes_max: 1,
        forgiven_after: Duration::from_secs(60),
        backoff: Backoff::new(WAIT, WAIT),
        on_broken_lane: OnError::ParkTable,
    })
}

fn writer(table: &str) -> ActorId {
    ActorId::ShardWriter(lane(table))
}

/// How the lifecycle stands in this column. One death of the table `broken` was forgiven.
fn lifecycle(column: &str, now: Instant) -> Lifecycle {
    let phase = match column {
        "first" | "next" => Launching,
        "running" | "waiting" => Running,
        "told" => Draining(Why::Signal(None)),
        "told_halt" => Draining(Why::Signal(Some(first()))),
        "source" => Draining(Why::SourceEnded),
        "moving" => Draining(Why::Moving { wait: WAIT_BEFORE }),
        "halting" => Draining(Why::Halting(first())),
        "ending" | "last" => Ending { wait: WAIT_BEFORE },
        "closing" => Closing(End::GraceOver),
        "ended" => Ended,
        _ => panic!("no column {column}"),
    };
    let mut alive = vec![
        ActorId::Router,
        ActorId::Checkpointer,
        ActorId::Reader,
        writer("orders"),
        writer("broken"),
    ];
    match column {
        "first" | "next" | "ended" => alive.clear(),
        "last" => alive.truncate(1),
        "waiting" | "moving" | "halting" => alive.retain(|actor| *actor != ActorId::Reader),
        _ => (),
    }
    let mut deaths = deaths();
    deaths.judge(&writer("broken"), &Cause::Panicked, now, 1.0);
    Lifecycle {
        phase,
        generation: Generation(u64::from(column != "first")),
        alive: alive.into_iter().map(|actor| (actor, 1)).collect(),
        deaths,
        launch_backoff: Backoff::new(WAIT, WAIT),
    }
}

/// What happens in this row.
fn event(row: &str, now: Instant) -> Event {
    let (random, failed) = (1.0, |failure| Cause::Failed(failure));
    let (actor, cause) = match row {
        "launched" => return Event::Launched,
        "launch_fails" => {
            let failure = Failure::transient("not yet");
            return Event::LaunchFailed { failure, random };
        }
        "launch_is_refused" => {
            let failure = refused();
            return Event::LaunchFailed { failure, random };
        }
        "signal" => return Event::Signal,
        "source_ended" => return Event::SourceEnded,
        "drained" => return Event::Drained,
        "grace_over" => return Event::GraceOver,
        "last_store_time_over" => return Event::LastStoreTimeOver,
        "lease_lost" => return Event::LeaseLost(refused()),
        "route_refused" => return Event::RouteRefused(refused()),
        "reader_stops" => (ActorId::Reader, Cause::Stopped),
        "reader_panics" => (ActorId::Reader, Cause::Panicked),
        "reader_is_refused" => (ActorId::Reader, failed(refused())),
        "reader_is_superseded" => (ActorId::Reader, failed(Failure::superseded("another"))),
        "writer_stops" => (writer("orders"), Cause::Stopped),
        "writer_panics" => (writer("orders"), Cause::Panicked),
        "writer_is_refused" => (writer("orders"), failed(refused())),
        "writer_panics_too_often" => (writer("broken"), Cause::Panicked),
        "router_stops" => (ActorId::Router, Cause::Stopped),
        "router_panics" => (ActorId::Router, Cause::Panicked),
        "checkpointer_stops" => (ActorId::Checkpointer, Cause::Stopped),
        "checkpointer_panics" => (ActorId::Checkpointer, Cause::Panicked),
        "checkpointer_is_refused" => (ActorId::Checkpointer, failed(refused())),
        _ => panic!("no row {row}"),
    };
    Event::Died {
        actor,
        cause,
        now,
        random,
    }
}

/// The phase and the actions that a cell stands for.
fn then(cell: &str, before: &Lifecycle, event: &Event) -> (Phase, Vec<Action>) {
    let same = before.phase.clone();
    let grace_over = End::GraceOver;
    let (halted, halted_first) = (End::Halted(refused()), End::Halted(first()));
    let tell_halted = Tell(Notice::Halted(refused()));
    let (after, wait) = (WAIT, WAIT);
    let died = |then: &[Action]| {
        let Event::Died { actor, cause, .. } = event else {
            panic!("{cell} follows a death");
        };
        let notice = Notice::Died {
            actor: actor.clone(),
            cause: cause.clone(),
            strikes: 1,
            wait,
        };
        [&[Tell(notice)], then].concat()
    };
    match cell {
        "." => (same, vec![]),
        // Launches.
        "begin" => (Running, vec![Begin(Generation(before.generation.0 + 1))]),
        "retry" => {
            let failure = Failure::transient("not yet");
            let notice = Notice::CannotLaunch { failure, wait };
            (same, vec![Tell(notice), Launch { after }])
        }
        "launch" => (Launching, vec![Launch { after: WAIT_BEFORE }]),
        // Signals.
        "unbegun" => {
            let notice = Notice::StoppedBeforeStreaming;
            (Ended, vec![Tell(notice), Finish(End::Drained)])
        }
        "unready" => {
            let notice = Notice::StoppedBetweenGenerations;
            (Ended, vec![Tell(notice), Finish(grace_over)])
        }
        "between" => {
            let notice = Notice::StoppedBetweenGenerations;
            (Closing(grace_over), vec![Tell(notice), StoreLast])
        }
        "drain" => {
            let actions = vec![Tell(Notice::Draining), StartGraceTime, DrainReader];
            (Draining(Why::Signal(None)), actions)
        }
        "cut" => {
            let drain = DrainRouter(Drain::AtCut);
            let actions = vec![Tell(Notice::Draining), StartGraceTime, drain];
            (Draining(Why::Signal(None)), actions)
        }
        "cut1" => {
            let actions = vec![Tell(Notice::Draining), DrainRouter(Drain::AtCut)];
            (Draining(Why::Signal(Some(first()))), actions)
        }
        "second" => (
            Closing(grace_over),
            vec![Tell(Notice::SecondSignal), StoreLast],
        ),
        "second1" => (
            Closing(halted_first),
            vec![Tell(Notice::SecondSignal), StoreLast],
        ),
        // Drains.
        "rest" => (Draining(Why::SourceEnded), vec![Tell(Notice::SourceEnded)]),
        "drained" => (Ended, vec![Finish(End::Drained)]),
        "first" => (Ended, vec![Finish(halted_first)]),
        "leave" => (Ending { wait: WAIT_BEFORE }, vec![StopAll]),
        "late" => (
            Closing(grace_over),
            vec![Tell(Notice::GraceOver), StoreLast],
        ),
        "late1" => (
            Closing(halted_first),
            vec![Tell(Notice::GraceOver), StoreLast],
        ),
        "late_halt" => (Closing(halted_first), vec![StoreLast]),
        "over" => (Ended, vec![Finish(grace_over)]),
        // Halts.
        "halts" => (Closing(halted), vec![tell_halted, StoreLast]),
        "halts1" => (Closing(halted_first), vec![tell_halted, StoreLast]),
        "halted" => (Ended, vec![tell_halted, Finish(halted)]),
        "halted1" => (Ended, vec![tell_halted, Finish(halted_first)]),
        "noted" => (same, vec![tell_halted]),
        "behind" => {
            let notice = Tell(Notice::HaltedBehindTheData(refused()));
            let actions = vec![notice, DrainRouter(Drain::All), StartGraceTime];
            (Draining(Why::Halting(refused())), actions)
        }
        // Deaths.
        "reader" => (same, died(&[RestartReader { after }])),
        "router" => (same, died(&[DrainRouter(Drain::AtCut)])),
        "writer" => {
            let lane = lane("orders");
            (same, died(&[RestartWriter { lane, after }]))
        }
        "park" => {
            let (mut deaths, Event::Died { actor, now, .. }) = (deaths(), event) else {
                panic!("{cell} follows a death");
            };
            deaths.judge(actor, &Cause::Panicked, *now, 1.0);
            let verdict = deaths.judge(actor, &Cause::Panicked, *now, 1.0);
            let Verdict::Park(lane, failure) = verdict else {
                panic!("{verdict:?}");
            };
            (same, vec![Park { lane, failure }])
        }
        "moves" => {
            let drain = DrainRouter(Drain::All);
            let actions = died(&[Tell(Notice::MovingOn), drain, StartGraceTime]);
            (Draining(Why::Moving { wait }), actions)
        }
        "anew" => (Ending { wait }, died(&[StopAll])),
        "close" => (Closing(grace_over), died(&[StoreLast])),
        "close1" => (Closing(halted_first), died(&[StoreLast])),
        "lost" => (Ended, died(&[Finish(grace_over)])),
        "lost1" => (Ended, died(&[Finish(halted_first)])),
        _ => panic!("no cell {cell}"),
    }
}

#[test]
fn every_event_has_its_meaning_in_every_phase() {
    let now = Instant::now();
    let mut lines = TABLE.trim().lines().map(|line| line.split_whitespace());
    let header: Vec<&str> = lines.next().into_iter().flatten().collect();
    let mut seen = Vec::new();
    for mut line in lines {
        let row = line.next().unwrap_or_default();
        let cells: Vec<&str> = line.collect();
        assert_eq!(cells.len(), header.len(), "{row}");
        seen.push(row);
        for (column, cell) in header.iter().zip(cells) {
            let (mut lifecycle, event) = (lifecycle(column, now), event(row, now));
            let (phase, actions) = then(cell, &lifecycle, &event);
            assert_eq!(lifecycle.on(event), actions, "{row}, {column}");
            assert_eq!(lifecycle.phase, phase, "{row}, {column}");
        }
    }
    for row in &seen {
        let rows = rows(&event(row, now));
        assert!(rows.contains(row), "{row}");
        assert!(rows.iter().all(|row| seen.contains(row)), "{rows:?}");
    }
    for column in &header {
        let columns = columns(&lifecycle(column, now).phase);
        assert!(columns.contains(column), "{column}");
        assert!(
            columns.iter().all(|column| header.contains(column)),
            "{columns:?}"
        );
    }
}

#[test]
fn a_generation_takes_new_actors_only_while_it_works() {
    let live = [
        "running",
        "waiting",
        "told",
        "told_halt",
        "source",
        "moving",
        "halting",
    ];
    let header = TABLE.trim().lines().next().unwrap_or_default();
    for column in header.split_whitespace() {
        let lifecycle = lifecycle(column, Instant::now());
        assert_eq!(
            lifecycle.is_live(Generation(1)),
            live.contains(&column),
            "{column}"
        );
        assert!(!lifecycle.is_live(Generation(7)), "{column}");
    }
}

#[test]
fn a_lane_has_a_writer_while_the_next_one_or_the_one_before_lives() {
    let mut lifecycle = lifecycle("running", Instant::now());
    lifecycle.born(writer("orders"));
    for is_alive in [true, false] {
        lifecycle.on(event("writer_stops", Instant::now()));
        assert_eq!(lifecycle.is_alive(&writer("orders")), is_alive);
    }
}

#[test]
fn a_launch_that_fails_again_waits_longer_until_one_succeeds() {
    let now = Instant::now();
    let mut lifecycle = lifecycle("next", now);
    lifecycle.launch_backoff = Backoff::new(WAIT, 10 * WAIT);
    let fails = |lifecycle: &mut Lifecycle| lifecycle.on(event("launch_fails", now)).pop();
    let after = |secs| Some(Launch { after: secs * WAIT });
    assert_eq!(fails(&mut lifecycle), after(1));
    assert_eq!(fails(&mut lifecycle), after(2));
    lifecycle.on(Event::Launched);
    lifecycle.phase = Launching;
    assert_eq!(fails(&mut lifecycle), after(1));
}
