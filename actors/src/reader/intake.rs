//! From chunks of raw events to batches: the Reader's twin.
//!
//! A batch is everything up to the newest transaction boundary of a chunk; the open transaction behind it
//! is held back for the next batch while it is small, and sent as a slice when it is not. A compressed
//! transaction is unpacked slice by slice, each under a grant of its own; a large one comes in parts. Where the
//! open transaction may still be rolled back, no slice leaves before its end was read ahead. A prepared XA transaction that is committed is read from a stream of its own, while the chunk of the commit
//! waits. The resume point it keeps is what has left in batches, so a broken connection costs nothing and
//! repeats nothing. Pure. Not here: where it ends (`end`), how batches leave (`leaving`).

mod beside;
mod end;
mod leaving;

use std::sync::Arc;

use bytes::Bytes;
use headwater_binlog::{
    assembler::{AssembleError, Assembler, Item, Settings, StreamKind},
    columns::{Answer, Question},
    event::Framing,
    gtid::GtidSet,
    outcome::Outcome,
    position::Position,
    xa::Prepared,
};

use leaving::image_bytes;

use super::copying::Copying;

use crate::{
    budget::Permit,
    failure::Failure,
    messages::SourceBatch,
    ports::source::Opening,
    progress::{Advance, Mark, Resume},
    reading::{ReadRules, Until},
    selection::Selection,
};

/// What the Reader does next.
#[derive(Debug)]
pub enum Next {
    Send(SourceBatch),
    /// Grant this many bytes for the next slice of a compressed transaction.
    Grant(usize),
    /// Have this answered: [`Intake::learn`].
    Ask(Question),
    Read,
    /// Read the transaction that begins there to its end, on a stream of its own: [`Intake::foretell`].
    ReadAhead(Position),
    /// Open a stream of this part of the log, read from it while [`Intake::is_in_prepared`].
    OpenPrepared(Prepared),
    /// `until` has been reached; what was beyond it is forgotten.
    Reached,
}

#[derive(Debug)]
pub struct Intake {
    kind: StreamKind,
    /// What the stream could not bring: said with the first boundary, when it is known to be the right log.
    had: Option<Box<GtidSet>>,
    assembler: Assembler,
    until: Until,
    /// What has left in batches.
    sent: Resume,
    chunk: Bytes,
    /// The chunk is one part of a large TRANSACTION_PAYLOAD.
    is_part: bool,
    /// What came behind the commit of the XA transaction that is being read.
    waiting: Option<Bytes>,
    /// Read, not sent; `boundary` of them belong to transactions that have ended.
    items: Vec<Item>,
    boundary: usize,
    /// The first so many of them have been copied out of their chunk.
    detached: usize,
    /// What has ended and has not left. Whenever [`Intake::next_step`] asks for something, all of it has.
    ended: Advance,
    permit: Permit,
    needs_grant: bool,
    is_reached: bool,
    /// Of the column lists that have left in batches.
    column_changes: u64,
    /// Said once what ended before it has left.
    failed: Option<Failure>,
    /// What the log could not be read for.
    unreadable: Option<AssembleError>,
    /// What enters the stream beside the log.
    copying: Copying,
}

impl Intake {
    /// Before a stream is open.
    pub fn new(from: Resume, until: Until, rules: &ReadRules) -> Self {
        Self::of(Opening::default(), from, until, rules)
    }

    /// Reads the stream that was opened so.
    pub fn of(opening: Opening, from: Resume, until: Until, rules: &ReadRules) -> Self {
        let settings = Settings {
            kind: opening.kind,
            framing: Framing::default(),
            log: from.log.clone(),
            event_bytes_max: rules.event_bytes_max,
            slice_bytes_max: SLICE_BYTES,
            keeps_queries: rules.keeps_queries,
            name_case: rules.name_case,
            rows_done: from.mark.rows_done,
            may_be_cut: rules.may_be_cut,
            xa: rules.xa,
            prepared: from.xa.clone(),
            columns: Some(Arc::clone(&from.columns)),
        };
        let assembler = Assembler::with_settings(from.mark.position.clone(), settings);
        // Lists that have changed before a connection was lost may not have left: the first batch says all.
        let column_changes = if from.columns.is_empty() { 0 } else { u64::MAX };
        let ended = Advance::at(from.mark.clone());
        let had = Some(opening.had).filter(|had| !had.is_subset(&from.gtid_set));
        Self {
            kind: opening.kind,
            had: had.map(Box::new),
            assembler,
            is_reached: until.is_reached(&from, &ended),
            until,
            ended,
            copying: Copying::new(&from.snapshots, rules.epoch),
            sent: from,
            chunk: Bytes::new(),
            is_part: false,
            waiting: None,
            items: Vec::new(),
            boundary: 0,
            detached: 0,
            permit: Permit::empty(),
            needs_grant: false,
            column_changes,
            failed: None,
            unreadable: None,
        }
    }

    /// Goes on with what the stream before was copying: it ended where this one begins.
    pub fn with_copying_of(mut self, before: &mut Self) -> Self {
        self.copying = std::mem::take(&mut before.copying);
        self
    }

    /// What [`Intake::next_step`] failed of, if it was the log itself.
    pub fn unreadable(&self) -> Option<&AssembleError> {
        self.unreadable.as_ref()
    }

    /// Rows of other tables are counted and left out; a table map of theirs that means nothing is no error.
    /// They may become fewer at any time.
    pub fn set_wanted(&mut self, tables: Selection) {
        self.copying.set_wanted(tables.clone());
        self.assembler
            .set_wanted(Box::new(move |name| tables.delivers(name)));
    }

    /// Since the last time asked: statements that changed rows of tables which are not wanted.
    pub fn take_statements_passed_over(&mut self) -> u64 {
        self.assembler.take_statements_passed_over()
    }

    /// What has left in batches.
    pub fn sent(&self) -> &Mark {
        &self.sent.mark
    }

    /// Where a new stream goes on, with all column lists known by now.
    pub fn resume(&self) -> Resume {
        let mut resume = self.sent.clone();
        resume.columns = self.assembler.columns(usize::MAX);
        resume
    }

    /// The stream that [`Next::OpenPrepared`] asked for is open; what is fed comes from it.
    pub fn prepared_opened(&mut self, kind: StreamKind) {
        self.waiting = Some(std::mem::take(&mut self.chunk));
        // A chunk that waits holds no permit: two of them could want more than there is.
        self.permit
            .shrink_to(self.items.iter().map(image_bytes).sum());
        self.permit.unweigh();
        self.assembler.enter_prepared(kind);
    }

    pub fn is_in_prepared(&self) -> bool {
        self.assembler.is_in_prepared()
    }

    /// Takes whole events; the one before must have been used up.
    pub fn feed(&mut self, chunk: Bytes, permit: Permit) {
        self.chunk = chunk;
        self.is_part = false;
        self.permit.merge(permit);
    }

    /// Takes one part of a TRANSACTION_PAYLOAD: see [`Read::Part`](crate::ports::source::Read::Part).
    pub fn feed_part(&mut self, part: Bytes, permit: Permit) {
        self.feed(part, permit);
        self.is_part = true;
    }

    pub fn learn(&mut self, answer: Answer) {
        self.assembler.learn(answer);
    }

    /// How the transaction ends that was read ahead.
    ///
    /// # Errors
    /// When rows of it have left: a defect.
    pub fn foretell(&mut self, outcome: Outcome) -> Result<(), Failure> {
        let foretold = self.assembler.foretell(outcome, &mut self.items);
        self.detached = self.detached.min(self.items.len());
        foretold.map_err(|error| self.fail(error))
    }

    pub fn is_in_transaction(&self) -> bool {
        self.assembler.is_in_transaction()
    }

    pub fn grant(&mut self, permit: Permit) {
        self.permit.merge(permit);
        self.needs_grant = false;
    }

    /// Transactions that ended before what cannot be read leave first: whoever passes over the one shall
    /// not lose the others.
    pub fn next_step(&mut self) -> Result<Next, Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        self.step().or_else(|failure| match self.cut()? {
            Some(batch) => {
                self.failed = Some(failure);
                Ok(Next::Send(batch))
            }
            None => Err(failure),
        })
    }

    fn step(&mut self) -> Result<Next, Failure> {
        loop {
            if self.is_reached {
                return Ok(self.cut()?.map_or(Next::Reached, Next::Send));
            }
            // What has ended does not wait for the answer.
            if let Some(question) = self.assembler.question() {
                return Ok(self.cut()?.map_or(Next::Ask(question), Next::Send));
            }
            if self.needs_grant {
                if let Some(batch) = self.slice()? {
                    return Ok(Next::Send(batch));
                }
                // What skipped rows did not use up serves the next slice.
                self.permit.unweigh();
                if self.permit.bytes() < SLICE_BYTES {
                    return Ok(Next::Grant(SLICE_BYTES));
                }
                self.needs_grant = false;
            }
            if let Some(prepared) = self.assembler.wanted() {
                let prepared = prepared.clone();
                let batch = self.cut()?;
                return Ok(batch.map_or(Next::OpenPrepared(prepared), Next::Send));
            }
            let before = self.items.len();
            if !self.advance()? {
                return Ok(self.finish_chunk()?);
            }
            // Some may have been undone.
            self.detached = self.detached.min(self.items.len());
            self.note(before)?;
            if !self.is_in_prepared()
                && let Some(waiting) = self.waiting.take()
                && !self.is_reached
            {
                (self.chunk, self.is_part) = (waiting, false);
            }
        }
    }

    /// One event, or one slice of a compressed transaction. Whether there was any.
    fn advance(&mut self) -> Result<bool, Failure> {
        if self.assembler.has_more() {
            let outcome = self.assembler.more(&mut self.items);
            self.needs_grant = outcome.map_err(|error| self.fail(error))?;
            return Ok(true);
        }
        if self.chunk.is_empty() {
            return Ok(false);
        }
        if self.is_part {
            let part = std::mem::take(&mut self.chunk);
            let outcome = self.assembler.push_part(&part, &mut self.items);
            outcome.map_err(|error| self.fail(error))?;
        } else {
            let event = self.split_event()?;
            let outcome = self.assembler.push(event, &mut self.items);
            outcome.map_err(|error| self.fail(error))?;
        }
        self.needs_grant = self.assembler.has_more();
        Ok(true)
    }

    fn fail(&mut self, error: AssembleError) -> Failure {
        let failure = Failure::from(&error);
        self.unreadable = Some(error);
        failure
    }

    fn split_event(&mut self) -> Result<Bytes, Failure> {
        let bytes = event_bytes(&self.chunk).unwrap_or_default();
        if bytes < SIZE_OFFSET || self.chunk.len() < bytes {
            let left = self.chunk.len();
            return Err(Failure::definite(format!(
                "event behind {} claims {bytes} bytes, {left} were read",
                self.assembler.position()
            )));
        }
        Ok(self.chunk.split_to(bytes))
    }
}

/// An open transaction up to this size waits for its end, so that its last change can be marked.
pub(super) const HOLD_BYTES_MAX: usize = 256 * 1024;
/// And what it keeps alive beside its rows, which no permit counts meanwhile.
pub(super) const HOLD_SHARED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Decompressed bytes of a compressed transaction at a time.
const SLICE_BYTES: usize = 256 * 1024;
/// The length that the first event's header claims; `None` for less than its field.
pub(super) fn event_bytes(events: &[u8]) -> Option<usize> {
    let length = events.get(SIZE_OFFSET..)?.first_chunk()?;
    Some(u32::from_le_bytes(*length) as usize)
}

/// Of the event's length in its header.
pub(super) const SIZE_OFFSET: usize = 9;

#[cfg(test)]
mod tests;
