//! What a server's log says of a place: read by a dump of its own, which ends nobody else's.

use bytes::BytesMut;
use headwater_actors::{failure::Failure, ports::source::LogFile};
use headwater_binlog::{
    event::{EventHeader, EventKind, Framing},
    fingerprint::LogFingerprint,
    gtid::GtidSet,
    position::{FileName, Position},
};
use tokio::time::timeout;

use super::options::SourcePlan;
use super::{
    boundary::{Verdict, Walk},
    connection::Connection,
    dump::{AtLogEnd, Dump, Replica, Taken},
    facts::{SLOW_ANSWER, ServerFacts},
    resume::Route,
    session::server,
};

/// Every binlog file begins with four magic bytes.
pub(super) const FIRST_OFFSET: u64 = 4;

/// What the file of `place` says it is. A place near the file's end costs least: little follows its head.
pub(super) async fn fingerprint(
    plan: &SourcePlan,
    facts: &ServerFacts,
    place: &Position,
) -> Result<LogFingerprint, Failure> {
    let file = &place.file;
    let can_be_asked_for = place.offset <= u64::from(u32::MAX);
    let route = Route::ByPosition(match can_be_asked_for {
        true => place.clone(),
        false => Position::new(file.clone(), FIRST_OFFSET),
    });
    let mut dump = inspect(plan, facts, &route, AtLogEnd::Stop).await?;
    let mut framing = Framing::default();
    let mut bytes = BytesMut::new();
    loop {
        bytes.clear();
        match dump.next(&mut bytes).await? {
            Taken::Event => (),
            Taken::Part | Taken::End => {
                return Err(Failure::transient(format!(
                    "the server did not open {file}"
                )));
            }
        }
        let before = Framing::default();
        let event = before.event(&bytes).map_err(unreadable)?;
        if event.header.kind == EventKind::FormatDescription {
            framing.learn(&event).map_err(unreadable)?;
            return Ok(LogFingerprint::of(file, &event.header, &framing));
        }
    }
}

/// Walks the file up to `position`; gives the GTIDs done there. Definite, naming the nearest boundaries, when
/// it does not stand between two transactions.
pub(super) async fn ensure_boundary(
    plan: &SourcePlan,
    facts: &ServerFacts,
    position: &Position,
) -> Result<GtidSet, Failure> {
    let Some(file) = facts.files.iter().find(|file| file.name == position.file) else {
        let names =
            |file: Option<&LogFile>| file.map_or_else(String::new, |file| file.name.to_string());
        return Err(Failure::definite(format!(
            "there is no binary log file \"{}\" on the server: it has {} to {}",
            position.file,
            names(facts.files.first()),
            names(facts.files.last())
        ))
        .with_hint("SHOW BINARY LOGS lists them"));
    };
    if position.offset > file.bytes {
        return Err(not_a_boundary(position)(Verdict::Beyond {
            end: file.bytes,
        }));
    }
    let begin = Position {
        file: position.file.clone(),
        offset: FIRST_OFFSET,
    };
    let route = Route::ByPosition(begin);
    let mut dump = inspect(plan, facts, &route, AtLogEnd::Stop).await?;
    let mut walk = Walk::to(position.offset);
    let mut bytes = BytesMut::new();
    loop {
        bytes.clear();
        let verdict = match dump.next(&mut bytes).await? {
            Taken::Event => walk.take(&bytes),
            // The large body of a compressed transaction says nothing about boundaries.
            Taken::Part => {
                dump.skip_parts().await?;
                walk.take_head(&bytes)
            }
            Taken::End => break,
        };
        let verdict = verdict
            .map_err(|error| Failure::definite(format!("read {}", position.file)).because(error))?;
        match verdict {
            Some(Verdict::Boundary(gtid_set)) => return Ok(gtid_set),
            Some(verdict) => return Err(not_a_boundary(position)(verdict)),
            None if ends_file(&bytes) => break,
            None => (),
        }
    }
    match walk.end() {
        Verdict::Boundary(gtid_set) => Ok(gtid_set),
        verdict => Err(not_a_boundary(position)(verdict)),
    }
}

/// What follows a real ROTATE or a STOP belongs to the next file.
fn ends_file(event: &[u8]) -> bool {
    EventHeader::parse(event).is_ok_and(|header| {
        matches!(header.kind, EventKind::Rotate | EventKind::Stop) && header.has_offset()
    })
}

fn not_a_boundary(position: &Position) -> impl Fn(Verdict) -> Failure {
    move |verdict| {
        let file = &position.file;
        let failure = match verdict {
            Verdict::Between { before, after } => {
                let after = after.map_or_else(String::new, |after| format!(" and {file}:{after}"));
                Failure::definite(format!(
                    "{position} is not between two transactions; the nearest such points are {file}:{before}{after}"
                ))
            }
            Verdict::Beyond { end } => {
                Failure::definite(format!("{position} is beyond the end of its file, {end}"))
            }
            Verdict::Boundary(_) => Failure::transient(format!("{position} is a boundary")),
        };
        failure.with_hint("take one of these points, or one that SHOW BINARY LOG STATUS or mysqldump --source-data printed")
    }
}

/// The place in this server's log before which everything is in `set`: the server looks for it. And of the set, what
/// may stand behind it: another server may have ordered transactions differently.
pub(super) async fn locate(
    plan: &SourcePlan,
    facts: &ServerFacts,
    set: &GtidSet,
) -> Result<(Position, GtidSet), Failure> {
    if facts.head_gtid_set.is_subset(set) {
        return Ok((facts.head.clone(), without(set, &facts.head_gtid_set)));
    }
    let mut may_repeat = without(set, &facts.gtid_purged);
    let route = Route::ByGtid(set.clone());
    let mut dump = inspect(plan, facts, &route, AtLogEnd::Wait).await?;
    let mut file: Option<FileName> = None;
    let mut framing = Framing::default();
    let mut bytes = BytesMut::new();
    let search = async {
        loop {
            bytes.clear();
            match dump.next(&mut bytes).await? {
                Taken::Event => (),
                Taken::Part | Taken::End => break,
            }
            let known = framing.clone();
            let event = known.event(&bytes).map_err(unreadable)?;
            let header = event.header;
            match header.kind {
                EventKind::FormatDescription => {
                    framing.learn(&event).map_err(unreadable)?;
                }
                EventKind::Rotate => file = Some(rotated_to(event.body)?),
                EventKind::PreviousGtids => {
                    let before = GtidSet::parse_previous_gtids(event.body).map_err(unreadable)?;
                    may_repeat.subtract(&before);
                }
                EventKind::MariaGtidList if header.is_in_file() => {
                    let before = GtidSet::parse_gtid_list(event.body).map_err(unreadable)?;
                    may_repeat.subtract(&before);
                }
                EventKind::Gtid | EventKind::GtidTagged | EventKind::MariaGtid => {
                    // Transactions begin below max_binlog_size, which is 1 GiB at most.
                    if let Some(file) = &file
                        && header.has_offset()
                    {
                        return Ok(Position::new(file.clone(), u64::from(header.begin().0)));
                    }
                    break;
                }
                _ => (),
            }
        }
        Err(Failure::transient(format!(
            "the server did not say where the first transaction after GTIDs {set} begins"
        )))
    };
    let position = timeout(SLOW_ANSWER, search).await.map_err(|_| {
        Failure::transient(format!(
            "the server did not find the first transaction after GTIDs {set} within {} s",
            SLOW_ANSWER.as_secs()
        ))
    })??;
    Ok((position, may_repeat))
}

fn without(set: &GtidSet, other: &GtidSet) -> GtidSet {
    let mut left = set.clone();
    left.subtract(other);
    left
}

/// A ROTATE body: eight bytes of offset, then the name.
fn rotated_to(body: &[u8]) -> Result<FileName, Failure> {
    let name = body.get(8..).unwrap_or_default();
    FileName::parse(&String::from_utf8_lossy(name)).map_err(unreadable)
}

fn unreadable(error: headwater_binlog::Error) -> Failure {
    Failure::definite("look for the first transaction to read").because(error)
}

/// A dump of its own that ends nobody else's.
async fn inspect(
    plan: &SourcePlan,
    facts: &ServerFacts,
    route: &Route,
    at_end: AtLogEnd,
) -> Result<Dump, Failure> {
    let server = server(plan).await?;
    let mut connection = Connection::open(plan, &server.host()).await?;
    server.leave().await;
    connection.ensure_server(facts.server_uuid).await?;
    let wait_max = match route {
        Route::ByPosition(_) => plan.read_timeout,
        Route::ByGtid(_) => SLOW_ANSWER,
    };
    connection
        .dump(plan, Replica::stranger(), &route.into(), at_end, wait_max)
        .await
}
