//! Where a start and a checkpoint go on: on the same server, on another one, or not at all.

use headwater::{
    mysql::{MySqlSource, SourcePlan, Start, StartPlan, resolve_start, resume},
    replay::FileSource,
};
use headwater_actors::{
    failure::{Class, Failure},
    ports::source::Source,
    progress::Resume,
};
use headwater_binlog::{event::EventKind, gtid::GtidSet};
use headwater_harness::mysql::MySql;

use crate::log::{Reading, definite, file_from, host, identity, plan};

const TABLE: &str = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)";

/// The head of the server's log as a point to go on from.
async fn head(server: &MySql) -> Resume {
    resolve_start(&plan(server), "source.start")
        .await
        .expect("a start")
        .resume
}

async fn start_from(server: &MySql, start: StartPlan) -> Result<Start, Failure> {
    let plan = SourcePlan {
        start,
        ..plan(server)
    };
    resolve_start(&plan, "source.start").await
}

async fn start_at(server: &MySql, at: StartPlan) -> Start {
    start_from(server, at).await.expect("a start")
}

#[tokio::test]
async fn a_start_is_the_same_place_by_position_by_gtid_and_now() {
    let server = MySql::start().await.expect("a server");
    server.exec(TABLE).await.expect("a table");
    server
        .exec("FLUSH BINARY LOGS; INSERT INTO d.t VALUES (1)")
        .await
        .expect("a row");
    let now = start_at(&server, StartPlan::Now).await;
    server
        .exec("INSERT INTO d.t VALUES (2)")
        .await
        .expect("a row");
    let place = now.resume.mark.position.clone();
    assert_eq!(start_at(&server, StartPlan::At(place.clone())).await, now);
    let mut after = start_at(&server, StartPlan::After(now.resume.gtid_set.clone())).await;
    // The server says where it begins, and of its file only what went before.
    assert!(after.resume.may_repeat.is_subset(&now.resume.gtid_set));
    after.resume.may_repeat = GtidSet::default();
    assert_eq!(after, now);
    let later = start_at(&server, StartPlan::Now).await.resume;
    assert_eq!(
        start_at(&server, StartPlan::After(later.gtid_set.clone()))
            .await
            .resume,
        later
    );
    let earliest = start_at(&server, StartPlan::Earliest).await.resume;
    assert_eq!(earliest.mark.position.offset, 4);
    assert!(earliest.mark.position.file.number < place.file.number);

    let mut inside = place.clone();
    inside.offset += 20;
    let failure = definite(start_from(&server, StartPlan::At(inside.clone())).await);
    for point in [&place, &later.mark.position] {
        assert!(
            failure.to_string().contains(&point.to_string()),
            "{failure}"
        );
    }
    inside.offset = 1 << 30;
    let failure = definite(start_from(&server, StartPlan::At(inside)).await);
    assert!(failure.to_string().contains("beyond the end"), "{failure}");
}

#[tokio::test]
async fn a_purged_position_halts_with_both_positions() {
    let server = MySql::start().await.expect("a server");
    let start = resolve_start(&plan(&server), "source.start")
        .await
        .expect("a start");
    server.exec(TABLE).await.expect("a table");
    server.exec("FLUSH BINARY LOGS").await.expect("a new file");
    let (file, _) = server.position().await.expect("a position");
    server
        .exec(&format!("PURGE BINARY LOGS TO '{file}'"))
        .await
        .expect("purged");
    let source = MySqlSource::new(plan(&server), identity(&start));
    let failure = definite(source.open(start.resume.clone()).await);
    for part in [start.resume.mark.position.to_string(), format!("{file}:4")] {
        assert!(failure.to_string().contains(&part), "{failure}");
    }
    definite(resume(&plan(&server), start.home, &start.resume).await);
}

#[tokio::test]
async fn a_replica_takes_over_by_gtid_at_the_same_transaction_in_a_new_epoch() {
    let (source, replica) = (MySql::start(), MySql::with(&["--log-replica-updates=ON"]));
    let (source, replica) = (
        source.await.expect("a server"),
        replica.await.expect("a server"),
    );
    source.exec(TABLE).await.expect("a table");
    replica.replica_of(&source).await.expect("replicates");
    let start = resolve_start(&plan(&source), "source.start")
        .await
        .expect("a start");
    source
        .exec("INSERT INTO d.t VALUES (1); INSERT INTO d.t VALUES (2)")
        .await
        .expect("rows");
    replica.caught_up_with(&source).await.expect("caught up");

    let mut failover = plan(&source);
    failover.hosts = vec![host(&replica)];
    let mut inside = start.resume.clone();
    inside.mark.rows_done = 1;
    let taken = resume(&failover, start.home, &inside)
        .await
        .expect("a place on the replica");
    assert_ne!(taken.home.server_uuid, start.home.server_uuid);
    assert_eq!(
        (taken.home.epoch, taken.resume.mark.rows_done),
        (start.home.epoch + 1, 0)
    );
    assert_eq!(taken.resume.gtid_set, start.resume.gtid_set);

    // The first server's identity asks for a new launch there: the epoch must be stored before the events.
    let stale = MySqlSource::new(failover.clone(), identity(&start));
    let refused = stale.open(start.resume.clone()).await;
    let failure = refused.err().expect("another server answers");
    assert_eq!(failure.class, Class::Superseded, "{failure}");
    for uuid in [start.home.server_uuid, taken.home.server_uuid] {
        assert!(failure.to_string().contains(&uuid.to_string()), "{failure}");
    }
    let there = MySqlSource::new(failover.clone(), identity(&taken));
    let mut reading = Reading::open(&there, taken.resume.clone())
        .await
        .expect("a stream");
    reading.until(EventKind::Xid, 2).await;
    assert_eq!(
        reading.count(EventKind::Gtid) + reading.count(EventKind::GtidTagged),
        2
    );

    // A checkpoint with transactions that the replica never saw does not go on there.
    replica.promote().await.expect("promoted");
    source
        .exec("INSERT INTO d.t VALUES (3)")
        .await
        .expect("a row");
    let ahead = head(&source).await;
    let failure = definite(resume(&failover, start.home, &ahead).await);
    assert!(
        failure.to_string().contains("lacks transactions"),
        "{failure}"
    );
}

#[tokio::test]
async fn replayed_files_are_the_servers_own_events() {
    let server = MySql::start().await.expect("a server");
    let sql = "FLUSH BINARY LOGS; INSERT INTO d.t VALUES (2); FLUSH BINARY LOGS";
    server.exec(TABLE).await.expect("a table");
    server.exec(sql).await.expect("changes");
    let files = server.binlog_files().expect("files");
    let count = files.len() - 1;
    let source = FileSource::new(files[..count].to_vec(), 1 << 20).expect("a log");
    let from = source.first().expect("a point");
    let mut reading = Reading::open(&source, from).await.expect("a stream");
    while reading.read().await.expect("events") != headwater_actors::ports::source::Read::Ended {}
    let expected: Vec<_> = (0..count)
        .flat_map(|index| file_from(&server, index, 4))
        .collect();
    assert!(reading.in_file() == expected);
}
