//! What enters the stream beside the log: rows that were copied from tables. It does so behind all that has left, and
//! between two transactions, so it moves no mark.

use std::time::Instant;

use super::Intake;
use crate::{
    budget::Permit,
    failure::Failure,
    messages::SourceBatch,
    ports::{
        requests::Request,
        snapshot::{ChunkAnswer, DescribeAnswer},
    },
    progress::Advance,
    reader::copying::{Ask, Slice},
    reading::Until,
    snapshot::SnapshotRules,
};

impl Intake {
    /// The next question about a table that is to be copied.
    pub fn next_ask(
        &mut self,
        rules: SnapshotRules,
        bytes_max: usize,
        now: Instant,
    ) -> Option<Ask> {
        self.copying.next_ask(&self.sent, rules, bytes_max, now)
    }

    /// # Errors
    /// The question has failed, and is asked again later.
    pub fn described(
        &mut self,
        ask: &Ask,
        answer: Result<DescribeAnswer, Failure>,
        now: (Instant, u64),
    ) -> Result<(), Failure> {
        self.copying.described(ask, answer, &self.sent, now)
    }

    /// # Errors
    /// The question has failed, and is asked again later.
    pub fn chunk(
        &mut self,
        ask: &Ask,
        answer: Result<ChunkAnswer, Failure>,
        permit: Permit,
        now: (Instant, u64),
    ) -> Result<(), Failure> {
        self.copying.read(ask, answer, permit, &self.sent, now)
    }

    pub fn follow(&mut self, requests: Vec<Request>, now_us: u64) {
        self.copying.follow(requests, &self.sent.snapshots, now_us);
    }

    /// The newest request that was taken in.
    pub fn followed(&self) -> u64 {
        self.copying.followed(&self.sent.snapshots)
    }

    /// What of the copies is to be sent now, for the permit of a slice; to be asked again until there is nothing.
    ///
    /// # Errors
    /// A chunk does not hold together: a defect.
    pub fn slice_beside(
        &mut self,
        rules: SnapshotRules,
        permit: &mut Option<Permit>,
        now: (Instant, u64),
    ) -> Result<Option<SourceBatch>, Failure> {
        let slice = self
            .copying
            .slice(&self.sent, rules, now)
            .map_err(|error| {
                Failure::definite("rows of a snapshot cannot be read").because(error)
            })?;
        let Some(Slice {
            items,
            advance: snapshot,
            bytes,
            ..
        }) = slice
        else {
            return Ok(None);
        };
        let mut advance = Advance::at(self.sent.mark.clone());
        advance.snapshot = Some(Box::new(snapshot));
        self.sent.apply(&advance)?;
        let mut permit = match bytes {
            0 => Permit::empty(),
            _ => permit.take().unwrap_or_else(Permit::empty),
        };
        // A row may be larger than a slice.
        permit.grow(bytes.saturating_sub(permit.bytes()));
        permit.shrink_to(bytes);
        Ok(Some(SourceBatch {
            items,
            advance,
            permit,
        }))
    }

    /// When questions or rows that wait are due.
    pub fn wakes_at(&self, now: Instant) -> Option<Instant> {
        self.copying.wakes_at(now)
    }

    /// Whether a copy may still send something without anybody's help.
    pub fn is_copying(&self) -> bool {
        self.copying.is_active(&self.sent.snapshots)
    }

    /// Ends there from now on; whether that is reached already.
    pub fn set_until(&mut self, until: Until) -> bool {
        self.is_reached |= until.is_reached(&self.sent, &self.ended);
        self.until = until;
        self.is_reached
    }
}
