//! Up to which position everything has been delivered, in all lanes.
//!
//! Looked at with each heartbeat. A position counts when every barrier is finished that was open when it had been read.
//! Only one position waits at a time, so under traffic the answer is one or two heartbeats old, and never takes more
//! than that to keep.

use headwater_binlog::position::Position;

use crate::messages::BarrierSeq;

#[derive(Debug, Default)]
pub struct Complete {
    /// Reached with this barrier.
    waiting: Option<(BarrierSeq, Position)>,
    reached: Option<Position>,
}

impl Complete {
    /// `read` is how far the source has been read, `newest` the barrier that was opened last, `oldest` the first that is
    /// not finished.
    pub fn look(
        &mut self,
        read: &Position,
        newest: BarrierSeq,
        oldest: Option<BarrierSeq>,
    ) -> Option<Position> {
        if oldest.is_none() {
            self.waiting = None;
            self.reached = Some(read.clone());
        }
        let is_passed = |(seq, _): &mut (BarrierSeq, Position)| oldest > Some(*seq);
        if let Some((_, position)) = self.waiting.take_if(is_passed) {
            self.reached = Some(position);
        }
        if oldest.is_some() && self.waiting.is_none() {
            self.waiting = Some((newest, read.clone()));
        }
        self.reached.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn with_nothing_in_flight_all_that_was_read_is_delivered() {
        let mut complete = Complete::default();
        assert_eq!(complete.look(&at(7), BarrierSeq(3), None), Some(at(7)));
    }

    #[test]
    fn a_position_counts_when_all_that_was_in_flight_then_is_delivered() {
        let mut complete = Complete::default();
        assert_eq!(
            complete.look(&at(7), BarrierSeq(3), Some(BarrierSeq(2))),
            None
        );
        // Barrier 3 is still open: what was read meanwhile waits for its turn.
        assert_eq!(
            complete.look(&at(8), BarrierSeq(5), Some(BarrierSeq(3))),
            None
        );
        assert_eq!(
            complete.look(&at(9), BarrierSeq(6), Some(BarrierSeq(4))),
            Some(at(7))
        );
        assert_eq!(
            complete.look(&at(9), BarrierSeq(6), Some(BarrierSeq(7))),
            Some(at(9))
        );
    }

    #[test]
    fn what_was_delivered_stays_delivered() {
        let mut complete = Complete::default();
        assert_eq!(complete.look(&at(7), BarrierSeq(1), None), Some(at(7)));
        assert_eq!(
            complete.look(&at(8), BarrierSeq(2), Some(BarrierSeq(2))),
            Some(at(7))
        );
    }
}
