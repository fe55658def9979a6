//! A lane's changes on their way into records: the ShardWriter's twin.
//!
//! The promise: records leave in the order of the changes and at most one is in flight; what is not
//! settled can be sent again, byte for byte. Two cursors run over the queue, `sent` ≤ `packed`. The record
//! between them is open, or full and ready to be sent: it can be thrown away (a drain's cut may lie inside it)
//! by moving `packed` back.
//! No I/O, no clock; the encoder is pure. Not here: how changes become lines in the open record (`filling`).

mod filling;

use std::{collections::VecDeque, convert::Infallible, io, sync::Arc};

use super::{
    cursor::Cursor,
    frame::{Aggregate, Frame, hash_key},
    lines::Lines,
    open_record::OpenRecord,
};
use crate::{
    budget::Permit,
    failure::Failure,
    lane::Lane,
    messages::{BarrierSeq, LaneChanges},
    on_error::Policy,
    packing::{Compression, Packing, PartitionKey},
    ports::{
        dead_letters::DeadLetter,
        encoder::Written,
        sink::{Content, Record},
    },
    progress::Home,
};

/// How a lane's changes become records.
#[derive(Debug, Clone)]
pub struct RecordRules {
    pub packing: Packing,
    pub compression: Compression,
    pub partition_key: PartitionKey,
    /// Before compression.
    pub record_bytes_max: usize,
    /// The sink's own limit for payload and partition key.
    pub sink_bytes_max: usize,
    pub policy: Policy,
    /// Of letters.
    pub home: Home,
}

/// What the writer does next.
#[derive(Debug)]
pub enum Step {
    /// Nothing until something arrives or settles.
    Idle,
    /// Needs a grant of this many bytes.
    Grant(usize),
    /// Can pack what is queued.
    Pack,
    /// Full, and waits for the one before it: what the sink can do ahead it may do.
    Prepare(Record),
    /// Hand this over; then [`LaneBuffer::settled`].
    Send(Flight),
    /// The record cannot be finished.
    Fail(Failure),
}

/// What is handed over: to the sink, or to the dead letters.
#[derive(Debug, Clone)]
pub enum Flight {
    /// Changes for which the format has no line: they are done when all before them is.
    Nothing,
    Record(Record),
    Letter(Box<DeadLetter>),
    /// The lane's next change can never be delivered, its table is to be parked; this flight never settles.
    Park(Failure),
}

#[derive(Debug)]
struct InFlight {
    content: Flight,
    end: Cursor,
    /// Held until the flight has settled.
    _permit: Permit,
}

#[derive(Debug)]
pub struct LaneBuffer {
    lane: Arc<Lane>,
    partition_key: Arc<str>,
    rules: RecordRules,
    queue: VecDeque<Arc<LaneChanges>>,
    /// The cursor's number of the queue's front.
    front: u64,
    /// The end of the newest flight, settled or not.
    sent: Cursor,
    packed: Cursor,
    open: Option<OpenRecord>,
    /// Finished, and waits for the one before it.
    ready: Option<InFlight>,
    in_flight: Option<InFlight>,
    is_frozen: bool,
    handed: Option<BarrierSeq>,
    backlog_bytes: usize,
    /// Bytes of text per byte of row image, as the lane's last record had it.
    expansion: usize,
}

impl LaneBuffer {
    pub fn new(lane: Arc<Lane>, rules: RecordRules) -> Self {
        let partition_key: Arc<str> = lane.partition_key().into();
        let sink_bytes_max = rules.sink_bytes_max.saturating_sub(partition_key.len());
        // A full record fits, also one that compression makes larger.
        let fitting = sink_bytes_max
            - rules
                .compression
                .growth_bytes(sink_bytes_max)
                .min(sink_bytes_max);
        let rules = RecordRules {
            record_bytes_max: rules.record_bytes_max.min(fitting),
            ..rules
        };
        Self {
            partition_key,
            lane,
            rules,
            queue: VecDeque::new(),
            front: 0,
            sent: Cursor::default(),
            packed: Cursor::default(),
            open: None,
            ready: None,
            in_flight: None,
            is_frozen: false,
            handed: None,
            backlog_bytes: 0,
            expansion: EXPANSION_FIRST,
        }
    }

    pub fn push(&mut self, batch: Arc<LaneChanges>) {
        self.backlog_bytes += batch.bytes;
        self.queue.push_back(batch);
    }

    /// Raw bytes that are not yet durable.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    pub fn next_step(&mut self) -> Step {
        if self.ready.is_some() {
            return self.send_ready();
        }
        let has_unpacked = !self.is_frozen && self.batch_at(self.packed).is_some();
        match &mut self.open {
            None if has_unpacked => Step::Grant(self.grant_bytes()),
            None => Step::Idle,
            Some(open) if open.is_over_grant() => {
                open.give_back();
                Step::Grant(open.len())
            }
            Some(open) if !open.is_closed && has_unpacked => Step::Pack,
            Some(open) if !open.is_closed && (self.is_frozen || self.in_flight.is_some()) => {
                Step::Idle
            }
            Some(_) => match self.finish() {
                Err(error) => Step::Fail(unsealed(error)),
                Ok(()) => match &self.ready {
                    Some(InFlight {
                        content: Flight::Record(record),
                        ..
                    }) if self.in_flight.is_some() => Step::Prepare(record.clone()),
                    _ => self.send_ready(),
                },
            },
        }
    }

    /// Takes a grant that [`Step::Grant`] asked for.
    pub fn grant(&mut self, permit: Permit) {
        match &mut self.open {
            Some(open) if open.is_over_grant() => open.regrant(permit),
            Some(open) => open.widen(permit, self.rules.record_bytes_max),
            None => {
                self.open = Some(OpenRecord::new(
                    permit,
                    self.rules.record_bytes_max,
                    self.packed,
                    self.frame(),
                ))
            }
        }
    }

    /// Bytes that would let the open record take more than it was granted for.
    pub fn widening_bytes(&self) -> Option<usize> {
        let open = self.open.as_ref().filter(|open| !open.is_closed)?;
        let missing = self.rules.record_bytes_max.checked_sub(open.limit())?;
        (self.in_flight.is_some() && missing > 0).then_some(missing)
    }

    /// Encodes into the open record until it is full or the queue is empty.
    pub fn pack(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let packed = self.pack_into(&mut open, lines);
        self.packed = open.end;
        if !open.is_empty() || packed.is_ok() {
            self.open = Some(open);
        }
        packed
    }

    /// The flight has settled: everything in it is durable. The newest barrier that the lane has reached with it, if any.
    pub fn settled(&mut self) -> Option<BarrierSeq> {
        let in_flight = self.in_flight.take()?;
        let mut reached = None;
        while self.front < in_flight.end.batch {
            let batch = self.queue.pop_front()?;
            self.front += 1;
            self.backlog_bytes = self.backlog_bytes.saturating_sub(batch.bytes);
            reached = Some(batch.seq);
        }
        reached
    }

    /// What is in flight, to hand it over again.
    pub fn in_flight(&self) -> Option<Flight> {
        self.in_flight
            .as_ref()
            .map(|in_flight| in_flight.content.clone())
    }

    /// Hands nothing more over; the newest barrier of which something was.
    pub fn freeze(&mut self) -> Option<BarrierSeq> {
        self.is_frozen = true;
        self.handed
    }

    /// Ends the freeze; what is beyond `cut` is dropped, encoded or not.
    pub fn deliver_up_to(&mut self, cut: BarrierSeq) {
        (self.open, self.ready, self.packed) = (None, None, self.sent);
        while self.queue.back().is_some_and(|batch| batch.seq > cut) {
            if let Some(batch) = self.queue.pop_back() {
                self.backlog_bytes = self.backlog_bytes.saturating_sub(batch.bytes);
            }
        }
        self.is_frozen = false;
    }

    /// Ends the open record: nothing more goes in.
    fn finish(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if open.is_empty() && open.end == self.sent {
            return Ok(());
        }
        let (end, poison) = (open.end, open.poison.take());
        if let Some(expansion) = open.len().checked_div(open.image_bytes) {
            self.expansion = expansion + 1;
        }
        open.seal(self.rules.compression)?;
        let (content, permit) = match poison {
            None if open.rows > 0 => {
                let (record, permit) = self.record(open);
                (Flight::Record(record), permit)
            }
            poison => (
                poison.map_or(Flight::Nothing, Flight::from),
                open.finish().1,
            ),
        };
        self.ready = Some(InFlight {
            content,
            end,
            _permit: permit,
        });
        Ok(())
    }

    /// What the sink gets of a sealed record, and the permit for its bytes.
    fn record(&self, mut open: OpenRecord) -> (Record, Permit) {
        let rows = open.rows;
        let own_key = match self.rules.packing {
            Packing::None => open.take_key(),
            Packing::Newline | Packing::JsonArray | Packing::Kpl => None,
        };
        let (bytes, permit) = open.finish();
        let record = Record {
            lane: Arc::clone(&self.lane),
            bytes,
            explicit_hash_key: match own_key {
                Some(_) => None,
                None => self.lane.explicit_hash_key(),
            },
            partition_key: own_key.map_or_else(|| Arc::clone(&self.partition_key), Arc::from),
            rows,
            content: Content::of(self.rules.packing, self.rules.compression),
        };
        (record, permit)
    }

    /// A line that was encoded before, as the record of its own that the lane would send it in; with the line's own
    /// partition key, if it has one.
    ///
    /// # Errors
    /// Definite when the sink takes no record of that size.
    pub fn record_of_line(
        &self,
        line: &[u8],
        partition_key: Option<&str>,
        permit: Permit,
    ) -> Result<Record, Failure> {
        let record_bytes_max = self.rules.record_bytes_max;
        let mut open = OpenRecord::new(permit, record_bytes_max, Cursor::default(), self.frame());
        let Ok(_) = open.append(|out, key| {
            out.extend_from_slice(line);
            key.push_str(partition_key.unwrap_or_default());
            Ok::<_, Infallible>(Written::Last)
        });
        if !self.fits(&mut open)? {
            return Err(Failure::definite(format!(
                "the line needs {} bytes, the sink takes {} a record",
                open.len(),
                self.rules.sink_bytes_max
            )));
        }
        let sealed = open.seal(self.rules.compression);
        sealed.map_err(unsealed)?;
        Ok(self.record(open).0)
    }

    fn send_ready(&mut self) -> Step {
        if self.is_frozen || self.in_flight.is_some() {
            return Step::Idle;
        }
        let Some(in_flight) = self.ready.take() else {
            return Step::Idle;
        };
        let (content, end) = (in_flight.content.clone(), in_flight.end);
        self.sent = end;
        let touched = if end == Cursor::start_of(end.batch) {
            end.batch - 1
        } else {
            end.batch
        };
        self.handed = self
            .batch_at(Cursor::start_of(touched))
            .map(|batch| batch.seq)
            .or(self.handed);
        self.in_flight = Some(in_flight);
        Step::Send(content)
    }

    fn batch_at(&self, cursor: Cursor) -> Option<&Arc<LaneChanges>> {
        let index = usize::try_from(cursor.batch.checked_sub(self.front)?).ok()?;
        self.queue.get(index)
    }

    /// Enough for what is queued, at most one full record: an idle lane asks for little.
    fn grant_bytes(&self) -> usize {
        let likely = self.backlog_bytes.saturating_mul(self.expansion);
        likely
            .saturating_add(likely / 8)
            .max(GRANT_BYTES_MIN)
            .min(self.rules.record_bytes_max)
    }

    fn frame(&self) -> Frame {
        match self.rules.packing {
            Packing::Newline => Frame::Lines,
            Packing::None => Frame::Single,
            Packing::JsonArray => Frame::Array,
            Packing::Kpl => {
                let hash_key = hash_key(&self.lane, &self.partition_key);
                Frame::Aggregate(Box::new(Aggregate::new(&self.partition_key, hash_key)))
            }
        }
    }
}

fn unsealed(error: std::io::Error) -> Failure {
    Failure::transient("compress a record").because(error)
}

/// Before the first record: for small rows the text is mostly names.
const EXPANSION_FIRST: usize = 8;
const GRANT_BYTES_MIN: usize = 8 * 1024;

#[cfg(test)]
mod tests;
