//! What a write does to what is stored: the twin of every store's writes. Pure; the time comes in.

use headwater_actors::{
    checkpoint::Checkpoint,
    ports::store::{LastEnd, Stored},
};

#[derive(Debug)]
pub(super) enum Change {
    Position(Box<Checkpoint>),
    NoPosition,
    End(LastEnd),
}

impl Change {
    /// The checkpoint stays, so it must be known; of the others only what lies beside it.
    pub(super) fn keeps_checkpoint(&self) -> bool {
        matches!(self, Self::End(_))
    }

    pub(super) fn apply(self, before: Stored, now_us: u64) -> Stored {
        match self {
            Self::Position(checkpoint) => Stored {
                epoch: checkpoint.home.epoch,
                checkpoint: Some(*checkpoint),
                saved_us: now_us,
                ..before
            },
            Self::NoPosition => Stored {
                checkpoint: None,
                saved_us: now_us,
                ..before
            },
            Self::End(end) => Stored {
                last_end: Some(end),
                ..before
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_actors::ports::store::EndedBy;

    use super::*;
    use crate::checkpoint::tests::small;

    const NOW_US: u64 = 1_900_000_000_000_000;

    fn end(how: EndedBy) -> LastEnd {
        LastEnd {
            how,
            reason: Some("no such stream".to_owned()),
            hint: None,
            at_us: NOW_US,
        }
    }

    #[test]
    fn an_end_changes_neither_the_position_nor_when_it_was_stored() {
        let before = small();
        let after = Change::End(end(EndedBy::Halt)).apply(before.clone(), NOW_US);
        assert_eq!(after.last_end, Some(end(EndedBy::Halt)));
        let last_end = None;
        assert_eq!(Stored { last_end, ..after }, before);
    }

    #[test]
    fn a_position_and_no_position_keep_the_end_and_none_the_epoch() {
        let ended = Stored {
            last_end: Some(end(EndedBy::Drain)),
            ..small()
        };
        let checkpoint = ended.checkpoint.clone().expect("a position");
        let beside = Stored {
            checkpoint: None,
            ..ended.clone()
        };
        let after = Change::Position(Box::new(checkpoint)).apply(beside, NOW_US);
        let saved_us = NOW_US;
        assert_eq!(
            after,
            Stored {
                saved_us,
                ..ended.clone()
            }
        );
        let after = Change::NoPosition.apply(ended.clone(), NOW_US);
        assert_eq!((after.epoch, after.checkpoint), (ended.epoch, None));
        assert_eq!(after.last_end, ended.last_end);
    }
}
