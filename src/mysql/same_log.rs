//! Whether a server's log is the one that a place was read in.
//!
//! A log that was reset or restored has files of the same names, in which the place may be a boundary too. Two
//! things tell it from the one before: what its file says it is, and the transactions that stand before the place.
//! The assembler compares the file at each opening of a stream; here it is asked before a start, and for `check`.
//! A server counts a transaction as executed a moment after it stands in its log (much later while it waits for a
//! replica's acknowledgement), so what is not executed is looked for in the log itself.

use headwater_actors::{failure::Failure, progress::Resume};
use headwater_binlog::{Error, OTHER_LOG_HINT, position::Position};

use super::options::SourcePlan;
use super::{
    facts::ServerFacts,
    inspect::{FIRST_OFFSET, ensure_boundary, fingerprint},
    resume::unexecuted,
};

/// # Errors
/// Definite when it is another log.
pub(super) async fn ensure_same_log(
    plan: &SourcePlan,
    facts: &ServerFacts,
    from: &Resume,
) -> Result<(), Failure> {
    if let Err(other) = is_same_file(plan, facts, from).await? {
        return Err(Failure::definite(other.to_string()).with_hint(OTHER_LOG_HINT));
    }
    ensure_holds_what_was_read(plan, facts, from).await
}

/// Whether the file of `from` is the one that was read, as far as it is known and still there.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn is_same_file(
    plan: &SourcePlan,
    facts: &ServerFacts,
    from: &Resume,
) -> Result<Result<(), Error>, Failure> {
    let is_there = |file| facts.files.iter().any(|found| found.name == file);
    let Some(log) = from.log.clone().filter(|log| is_there(log.file.clone())) else {
        return Ok(Ok(()));
    };
    let mark = &from.mark.position;
    let place = match log.file == mark.file {
        true => mark.clone(),
        false => Position::new(log.file.clone(), FIRST_OFFSET),
    };
    let found = fingerprint(plan, facts, &place).await?;
    Ok(match found == log {
        true => Ok(()),
        false => Err(Error::OtherLog(Box::new([log, found]))),
    })
}

/// # Errors
/// Definite when transactions that have been read do not stand before the place.
pub(super) async fn ensure_holds_what_was_read(
    plan: &SourcePlan,
    facts: &ServerFacts,
    from: &Resume,
) -> Result<(), Failure> {
    let mut lacking = unexecuted(from, facts);
    if lacking.is_empty() {
        return Ok(());
    }
    let position = &from.mark.position;
    let held = ensure_boundary(plan, facts, position).await;
    let held = held.map_err(|failure| match failure.is_definite() {
        true => failure.with_hint(OTHER_LOG_HINT),
        false => failure,
    });
    lacking.subtract(&held?);
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::definite(format!(
        "the server's log was reset, or the server was restored from a backup: it reaches {position} and lacks transactions that have been read: {lacking}"
    ))
    .with_hint(OTHER_LOG_HINT))
}
