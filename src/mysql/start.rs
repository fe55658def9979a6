//! From `source.start` or a checkpoint to a place in the connected server's own log.
//!
//! `source.start` is resolved once; the caller stores what comes out before the first event is read. A
//! checkpoint of another server is translated here by GTID into this server's file and offset, so that
//! what is stored with a server's UUID is always that server's position. A transaction that was half
//! done then is sent again from its beginning: its ids are the same, and another server may order
//! transactions differently.

use headwater_actors::{
    failure::Failure,
    progress::{Home, Resume},
};
use headwater_binlog::{gtid::GtidSet, position::Position};

use super::options::{SourcePlan, StartPlan};
use super::{
    facts::ServerFacts,
    inspect::{FIRST_OFFSET, ensure_boundary, locate},
    resume::{Route, SetOf, decide_resume, ensure_gtids, is_log_of, next_epoch},
    same_log::{ensure_same_log, is_same_file},
    session::server,
};

/// Where to begin, and whose log that is a place of.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub home: Home,
    pub resume: Resume,
}

/// Resolves `source.start`, without a checkpoint. Epoch 1. `said` names what says it, for messages.
///
/// # Errors
/// Definite when the place does not exist or is no boundary between transactions.
pub async fn resolve_start(plan: &SourcePlan, said: &'static str) -> Result<Start, Failure> {
    let mut server = server(plan).await?;
    let facts = server.facts().await?;
    server.leave().await;
    let resume = match &plan.start {
        StartPlan::Now => Resume::at(facts.head.clone(), facts.head_gtid_set.clone()),
        StartPlan::Earliest => Resume::at(first_position(&facts)?, facts.gtid_purged.clone()),
        StartPlan::At(position) => {
            let gtid_set = had_at(plan, &facts, position).await?;
            Resume::at(position.clone(), gtid_set)
        }
        StartPlan::After(set) => {
            if !facts.has_gtids {
                return Err(Failure::definite(format!(
                    "{said} is a GTID set, but the server has gtid_mode OFF"
                ))
                .with_hint("say \"now\", \"earliest\" or FILE:POS, or turn GTIDs on"));
            }
            ensure_gtids(set, &facts, SetOf::Start(said))?;
            let (position, may_repeat) = locate(plan, &facts, set).await?;
            Resume {
                may_repeat,
                ..Resume::at(position, set.clone())
            }
        }
    };
    Ok(Start {
        home: Home {
            server_uuid: facts.server_uuid,
            epoch: 1,
        },
        resume,
    })
}

/// What the log cannot bring behind `position`: what comes before it, and what stands in no file any more, or never
/// did (`gtid_purged` of a server that was made from a backup).
async fn had_at(
    plan: &SourcePlan,
    facts: &ServerFacts,
    position: &Position,
) -> Result<GtidSet, Failure> {
    let mut had = ensure_boundary(plan, facts, position).await?;
    if facts.has_gtids {
        had.union(&facts.gtid_purged);
    }
    Ok(had)
}

/// Where `from`, a place of `home`, goes on, on the first host that answers.
///
/// # Errors
/// Definite when no server can go on there without a gap: see [`decide_resume`]; and when the log is another one
/// than `from` was read in.
pub async fn resume(plan: &SourcePlan, home: Home, from: &Resume) -> Result<Start, Failure> {
    let mut server = server(plan).await?;
    let facts = server.facts().await?;
    server.leave().await;
    let is_home = facts.server_uuid == home.server_uuid;
    let resume = match decide_resume(home.server_uuid, from, &facts)? {
        Route::ByGtid(set) if !is_home => {
            let (position, may_repeat) = locate(plan, &facts, &set).await?;
            from.moved_to(position, may_repeat)
        }
        Route::ByGtid(_) | Route::ByPosition(_) => {
            ensure_same_log(plan, &facts, from).await?;
            from.clone()
        }
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
    Ok(is_log_of(home, from, &facts) && is_same_file(plan, &facts, from).await?.is_ok())
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
