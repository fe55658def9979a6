//! From `source.start` or a checkpoint to a place in the connected server's own log.
//!
//! `source.start` is resolved once; the caller stores what comes out before the first event is read. A
//! checkpoint of another server is translated here by GTID into this server's file and offset, so that
//! what is stored with a server's UUID is always that server's position. A transaction that was half
//! done then is sent again from its beginning: its ids are the same, and another server may order
//! transactions differently.

use bytes::BytesMut;
use headwater_actors::{
    failure::Failure,
    ports::source::LogFile,
    progress::{Home, Resume},
};
use headwater_binlog::{
    event::{EventHeader, EventKind, Framing},
    fingerprint::LogFingerprint,
    gtid::GtidSet,
    position::{FileName, Position},
};
use tokio::time::timeout;

use super::options::{Host, SourcePlan, StartPlan};
use super::{
    boundary::{Verdict, Walk},
    connect::connect_any,
    connection::Connection,
    dump::{AtLogEnd, Dump, Replica, Taken},
    facts::{SLOW_ANSWER, Server, ServerFacts, text},
    resume::{Route, decide_resume, ensure_gtids, is_log_of, next_epoch},
};

/// Every binlog file begins with four magic bytes.
const FIRST_OFFSET: u64 = 4;

/// Where to begin, and whose log that is a place of.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub home: Home,
    pub resume: Resume,
}

/// A connection to the first host that answers, and the account's name.
pub(super) async fn server(plan: &SourcePlan) -> Result<Server, Failure> {
    let (mut conn, host) = connect_any(plan).await?;
    // Each question has its own limit.
    conn.set_wait_max(SLOW_ANSWER);
    let mut server = Server {
        conn,
        host,
        user: plan.user.clone(),
        version_text: String::new(),
        wait_max: plan.read_timeout.max(plan.connect_timeout),
    };
    let rows = server
        .rows("ask the server what it is", "SELECT VERSION()")
        .await
        .map_err(|failure| {
            let Host { name, port } = server.host();
            failure.within(format!("{name}:{port}"))
        })?;
    server.version_text = rows
        .first()
        .and_then(|row| text(row, 0))
        .unwrap_or_default();
    Ok(server)
}

/// Resolves `source.start`, without a checkpoint. Epoch 1.
///
/// # Errors
/// Definite when the place does not exist or is no boundary between transactions.
pub async fn resolve_start(plan: &SourcePlan) -> Result<Start, Failure> {
    let mut server = server(plan).await?;
    let facts = server.facts().await?;
    server.leave().await;
    let (position, gtid_set) = match &plan.start {
        StartPlan::Now => (facts.head.clone(), facts.head_gtid_set.clone()),
        StartPlan::Earliest => (first_position(&facts)?, facts.gtid_purged.clone()),
        StartPlan::At(position) => {
            let gtid_set = ensure_boundary(plan, &facts, position).await?;
            (position.clone(), gtid_set)
        }
        StartPlan::After(set) => {
            if !facts.has_gtids {
                return Err(Failure::definite(
                    "source.start is a GTID set, but the server has gtid_mode OFF",
                )
                .with_hint(
                    "set source.start to \"now\", \"earliest\" or FILE:POS, or turn GTIDs on",
                ));
            }
            ensure_gtids(set, &facts)?;
            (locate(plan, &facts, set).await?, set.clone())
        }
    };
    Ok(Start {
        home: Home {
            server_uuid: facts.server_uuid,
            epoch: 1,
        },
        resume: Resume::at(position, gtid_set),
    })
}

/// Where `from`, a place of `home`, goes on, on the first host that answers.
///
/// # Errors
/// Definite when no server can go on there without a gap: see [`decide_resume`].
pub async fn resume(plan: &SourcePlan, home: Home, from: &Resume) -> Result<Start, Failure> {
    let mut server = server(plan).await?;
    let facts = server.facts().await?;
    server.leave().await;
    let is_home = facts.server_uuid == home.server_uuid;
    let resume = match decide_resume(home.server_uuid, from, &facts)? {
        Route::ByGtid(set) if !is_home => from.moved_to(locate(plan, &facts, &set).await?),
        Route::ByGtid(_) | Route::ByPosition(_) => from.clone(),
    };
    let position = &resume.mark.position;
    let home = Home {
        server_uuid: facts.server_uuid,
        epoch: next_epoch(home, &from.mark.position, facts.server_uuid, position),
    };
    Ok(Start { home, resume })
}

/// Whether the log of the first host that answers is the one that `from`, a place of `home`, lies in.
///
/// # Errors
/// When no server answers.
pub async fn is_same_log(plan: &SourcePlan, home: Home, from: &Resume) -> Result<bool, Failure> {
    let mut server = server(plan).await?;
    let facts = server.facts().await?;
    server.leave().await;
    if !is_log_of(home, from, &facts) {
        return Ok(false);
    }
    match &from.log {
        Some(log) if facts.files.iter().any(|file| file.name == log.file) => {
            Ok(fingerprint(plan, &facts, &log.file).await? == *log)
        }
        Some(_) | None => Ok(true),
    }
}

/// What `file` of the server says it is.
async fn fingerprint(
    plan: &SourcePlan,
    facts: &ServerFacts,
    file: &FileName,
) -> Result<LogFingerprint, Failure> {
    let route = Route::ByPosition(Position::new(file.clone(), FIRST_OFFSET));
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

fn first_position(facts: &ServerFacts) -> Result<Position, Failure> {
    let first = facts
        .files
        .first()
        .ok_or_else(|| Failure::transient("the server lists no binary log files"))?;
    Ok(Position {
        file: first.name.clone(),
        offset: FIRST_OFFSET,
    })
}

/// Walks the file up to `position`; gives the GTIDs done there. Definite, naming the nearest boundaries, when
/// it does not stand between two transactions.
async fn ensure_boundary(
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

/// The place in this server's log before which everything is in `set`: the server looks for it.
async fn locate(
    plan: &SourcePlan,
    facts: &ServerFacts,
    set: &GtidSet,
) -> Result<Position, Failure> {
    if facts.head_gtid_set.is_subset(set) {
        return Ok(facts.head.clone());
    }
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
    timeout(SLOW_ANSWER, search).await.map_err(|_| {
        Failure::transient(format!(
            "the server did not find the first transaction after GTIDs {set} within {} s",
            SLOW_ANSWER.as_secs()
        ))
    })?
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
