//! How a run ends outlives it: noted beside the position, told by the next start and by `position show`.
//!
//! A process that is killed notes nothing, and one that has lost its lease can note nothing: the record is then that of
//! an earlier run, and positions have been stored since. Not here: what is stored beside what (`checkpoint`).

use std::time::Duration;

use headwater_actors::{
    failure::Failure,
    ports::store::{CheckpointStore, EndedBy, LastEnd, Stored},
    printable::printable,
    supervisor::lifecycle::End,
};

use crate::clock::now_us;

/// A store that cannot be reached holds the end up no longer.
const NOTED_WITHIN: Duration = Duration::from_secs(5);
/// Of the reason and of the hint; an item of DynamoDB is small.
const CHARS_MAX: usize = 2_000;

/// Notes the end; that it cannot be noted changes nothing about it.
pub async fn note(store: &dyn CheckpointStore, end: &anyhow::Result<End>) {
    let noting = store.note_end(last_end(end, now_us()));
    match tokio::time::timeout(NOTED_WITHIN, noting).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::warn!(%error, "the end of this run is not noted"),
        Err(_) => tracing::warn!("the end of this run is not noted: no answer within 5 s"),
    }
}

fn last_end(end: &anyhow::Result<End>, at_us: u64) -> LastEnd {
    let (how, failure) = match end {
        Ok(End::Drained) => (EndedBy::Drain, None),
        Ok(End::GraceOver) => (EndedBy::Grace, None),
        Ok(End::Halted(failure)) => (EndedBy::Halt, Some(failure)),
        Err(error) => (EndedBy::Halt, error.downcast_ref::<Failure>()),
    };
    let line = |text: &str| printable(text, CHARS_MAX).into_owned();
    LastEnd {
        how,
        reason: failure.map(|failure| line(&failure.to_string())),
        hint: failure.and_then(|failure| failure.hint.as_deref().map(line)),
        at_us,
    }
}

/// What the next start says of the run before.
pub fn tell(stored: &Stored) {
    let Some(end) = &stored.last_end else { return };
    if end.at_us < stored.saved_us {
        tracing::info!("the last run was killed, or another process took over from it");
        return;
    }
    let reason = end.reason.as_deref();
    match end.how {
        EndedBy::Drain => tracing::info!("the last run drained"),
        EndedBy::Grace => {
            tracing::warn!("the last run's grace time was over before it had drained")
        }
        EndedBy::Halt => {
            tracing::warn!(reason, hint = end.hint.as_deref(), "the last run halted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_keeps_its_reason_and_its_hint_each_in_a_line() {
        let failure = Failure::definite("first\nsecond").with_hint("do this");
        let end = last_end(&Ok(End::Halted(failure)), 7);
        assert_eq!((end.how, end.at_us), (EndedBy::Halt, 7));
        assert!(end.reason.is_some_and(|reason| !reason.contains('\n')));
        assert_eq!(end.hint.as_deref(), Some("do this"));
        let end = last_end(&Ok(End::Drained), 7);
        assert_eq!((end.how, end.reason), (EndedBy::Drain, None));
    }
}
