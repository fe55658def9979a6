//! Where a checkpoint goes on: decided from what the server says, without asking anybody.
//!
//! The rule that matters: never jump ahead. By position only on the server that gave it and only inside
//! a file that is still there; by GTID, on another server or where the file is gone, only when the server has
//! all that we have and still keeps all that we lack. Everything else halts with both sides of the difference
//! and what to do.

use headwater_actors::{
    failure::Failure,
    progress::{Home, Resume},
};
use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::Position,
};

use super::facts::ServerFacts;

/// How a stream is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// At once, also in the middle of a large file.
    ByPosition(Position),
    /// The server looks for the first transaction that is not in the set.
    ByGtid(GtidSet),
}

/// Why a server cannot go on from a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has not got all that has been read: while it replicates, that may still come.
    Lacks(Failure),
    Never(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Lacks(failure) | Refusal::Never(failure) => failure,
        }
    }
}

/// `home` is the server whose position `from` is.
///
/// # Errors
/// Definite when the server cannot go on there without a gap.
pub fn decide_resume(home: Uuid, from: &Resume, facts: &ServerFacts) -> Result<Route, Refusal> {
    if home == facts.server_uuid {
        return by_position(from, facts).map_err(Refusal::Never);
    }
    if !facts.has_gtids || from.gtid_set.is_empty() {
        let lacking = if facts.has_gtids {
            "the checkpoint holds no GTIDs"
        } else {
            "the server has gtid_mode OFF"
        };
        let failure = Failure::definite(format!(
            "the checkpoint is of server {home} at {}, this is server {}, and {lacking}",
            from.mark.position, facts.server_uuid
        ));
        return Err(Refusal::Never(failure.with_hint(
            "connect to the checkpoint's server again, or find the same point in this server's log and say `headwater position set FILE:POS`",
        )));
    }
    ensure_gtids(&from.gtid_set, facts, SetOf::Read)?;
    Ok(Route::ByGtid(from.gtid_set.clone()))
}

fn by_position(from: &Resume, facts: &ServerFacts) -> Result<Route, Failure> {
    let position = &from.mark.position;
    let file = facts.files.iter().find(|file| file.name == position.file);
    let Some(file) = file else {
        return file_gone(from, facts);
    };
    if position.offset > file.bytes {
        return Err(Failure::definite(format!(
            "the checkpoint is at {position}, but the server's file \"{}\" ends at {}{}",
            file.name.name,
            file.bytes,
            lacking(from, facts)
        ))
        .with_hint(OTHER_HISTORY));
    }
    // COM_BINLOG_DUMP carries 32 bits of offset.
    if position.offset <= u64::from(u32::MAX) {
        return Ok(Route::ByPosition(position.clone()));
    }
    if can_go_by_gtid(from, facts) {
        ensure_gtids(&from.gtid_set, facts, SetOf::Read)?;
        return Ok(Route::ByGtid(from.gtid_set.clone()));
    }
    Err(Failure::definite(format!(
        "the checkpoint is at {position}, beyond the 4 GiB that a dump by position can ask for, and there are no GTIDs"
    ))
    .with_hint(
        "a transaction that large is the last of its file: `headwater position set` to offset 4 of the next file",
    ))
}

/// A file that held nothing but what has been read may be purged: GTIDs tell that nothing is missing.
fn file_gone(from: &Resume, facts: &ServerFacts) -> Result<Route, Failure> {
    let position = &from.mark.position;
    let oldest = facts.files.first();
    // Files are purged from the oldest on, and none of them holds what the server never had.
    let is_purged = oldest.is_none_or(|oldest| {
        oldest.name.base() != position.file.base() || position.file.number < oldest.name.number
    });
    let lacking = lacking(from, facts);
    let oldest = oldest.map_or_else(|| "nothing".into(), |file| format!("{}:4", file.name.name));
    if !is_purged || !lacking.is_empty() {
        return Err(Failure::definite(format!(
            "the checkpoint is at {position}, but the server has no file \"{}\": its log begins at {oldest} and ends at {}{lacking}",
            position.file.name, facts.head
        ))
        .with_hint(OTHER_HISTORY));
    }
    if can_go_by_gtid(from, facts) && facts.gtid_purged.is_subset(&from.gtid_set) {
        return Ok(Route::ByGtid(from.gtid_set.clone()));
    }
    let failure = Failure::definite(format!(
        "the checkpoint is at {position}, but the server has purged \"{}\": its log begins at {oldest} and ends at {}",
        position.file.name, facts.head
    ));
    Err(failure.with_hint(
        "changes in between are lost to the stream: copy the tables anew, then `headwater position clear` with source.start = \"now\", or accept the gap with `headwater position set`; keep the log longer (binlog_expire_logs_seconds; on RDS CALL mysql.rds_set_configuration('binlog retention hours', 72))",
    ))
}

const OTHER_HISTORY: &str = "the log was reset, the server was restored from a backup, or it lost the end of its log in a crash (sync_binlog other than 1): what was sent may not exist there, and later changes may be missing; compare the data, or copy the tables again; then `headwater position set` to a place of this log, or `headwater position clear` to begin at source.start";

/// The transactions that have been read and that the server does not count as executed. Where its file reaches our
/// place they alone are no reason to halt: a transaction is in the log before it is in gtid_executed.
pub fn unexecuted(from: &Resume, facts: &ServerFacts) -> GtidSet {
    if !facts.has_gtids {
        return GtidSet::default();
    }
    let mut lacking = from.gtid_set.clone();
    lacking.subtract(&facts.gtid_executed);
    // MariaDB: FLUSH BINARY LOGS DELETE_DOMAIN_ID.
    lacking.forget_domains_without(&facts.gtid_executed);
    lacking
}

/// The same as the end of a sentence.
fn lacking(from: &Resume, facts: &ServerFacts) -> String {
    let lacking = unexecuted(from, facts);
    if lacking.is_empty() {
        return String::new();
    }
    format!("; it lacks transactions that have been read: {lacking}")
}

fn can_go_by_gtid(from: &Resume, facts: &ServerFacts) -> bool {
    facts.has_gtids && !from.gtid_set.is_empty()
}

/// Where a set comes from, which tells what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOf {
    /// What has been read.
    Read,
    /// A start that somebody has given; what names it.
    Start(&'static str),
}

/// `ours` must hold all that the server has purged, and nothing that the server does not have.
///
/// # Errors
/// Definite, with the difference.
pub fn ensure_gtids(ours: &GtidSet, facts: &ServerFacts, of: SetOf) -> Result<(), Refusal> {
    let server = facts.server_uuid;
    if !facts.gtid_purged.is_subset(ours) {
        let mut lost = facts.gtid_purged.clone();
        lost.subtract(ours);
        let failure = match of {
            SetOf::Read => Failure::definite(format!(
                "server {server} has purged transactions that have not been read: {lost}; read so far: {ours}"
            ))
            .with_hint(
                "connect to a server of the group that still has them, or copy the tables anew and clear the checkpoint; keep the log longer (binlog_expire_logs_seconds)",
            ),
            SetOf::Start(said) => Failure::definite(format!(
                "{said} lacks transactions that server {server} has purged: {lost}"
            ))
            .with_hint(
                "if the tables were copied behind them, add them to the set; else copy the tables anew and take the set of that copy, or say \"earliest\" or \"now\"",
            ),
        };
        return Err(Refusal::Never(failure));
    }
    if ours.is_subset(&facts.gtid_executed) {
        return Ok(());
    }
    let mut ahead = ours.clone();
    ahead.subtract(&facts.gtid_executed);
    let executed = &facts.gtid_executed;
    let failure = match of {
        SetOf::Read => {
            let hint = if ahead == *ours {
                "it has none of them, so it may be of another group: take it out of source.url and source.hosts then"
            } else {
                "if it is a replica that lags, wait until it has caught up and start again; if those transactions were lost in a failover, compare the data and set the position by hand"
            };
            Failure::definite(format!(
                "server {server} lacks transactions that have been read: {ahead}; it has {executed}"
            ))
            .with_hint(hint)
        }
        SetOf::Start(said) => Failure::definite(format!(
            "{said} has transactions that server {server} does not have: {ahead}; it has {executed}"
        ))
        .with_hint(
            "take the set of this server (SELECT @@GLOBAL.gtid_executed; MariaDB: @@GLOBAL.gtid_binlog_pos), or connect to the server that the set is from",
        ),
    };
    Err(Refusal::Lacks(failure))
}

/// Whether the server's log is still the one that `from`, a place of `home`, lies in: a log that was reset begins
/// anew with the same names.
pub fn is_log_of(home: Home, from: &Resume, facts: &ServerFacts) -> bool {
    let (before, head) = (&from.mark.position, &facts.head);
    home.server_uuid == facts.server_uuid
        && before.file.base() == head.file.base()
        && before <= head
        && (!facts.has_gtids || from.gtid_set.is_subset(&facts.gtid_executed))
}

/// The epoch in which `position` of server `server_uuid` is read after `before`, a place of `home`: it rises when
/// file and offset are no longer comparable with, or fall behind, what was sent.
pub fn next_epoch(home: Home, before: &Position, server_uuid: Uuid, position: &Position) -> u32 {
    let goes_on = home.server_uuid == server_uuid
        && before.file.base() == position.file.base()
        && position.file.number >= before.file.number;
    if goes_on {
        home.epoch
    } else {
        home.epoch.saturating_add(1)
    }
}

#[cfg(test)]
mod tests;
