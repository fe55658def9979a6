//! What is asked of the source next, and what its answers mean.

use std::time::{Duration, Instant};

use headwater_binlog::position::SeqPlace;

use super::{
    Active, BUSY_WAIT, CHUNK_TARGET, Copying, Describing, FAILURE_WAIT_MAX, ROWS_MAX, Window,
    changed::Changed, slices::Arrived,
};
use crate::{
    budget::Permit,
    failure::Failure,
    ports::snapshot::{
        Chunk, ChunkAnswer, ChunkAsk, ChunkPart, DescribeAnswer, DescribeAsk, Described, Sent,
    },
    progress::Resume,
    snapshot::{CopyId, CopyState, SnapshotRules, TableCopy},
};

/// Names a question until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Ticket {
    fn next(given: &mut u64) -> Self {
        *given += 1;
        Self(*given)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub ticket: Ticket,
    pub id: CopyId,
    pub question: Question,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    Describe(DescribeAsk),
    Read(ChunkAsk),
}

/// Keys that are read again with one question.
const KEYS_AT_ONCE: usize = 100;
/// Ranges of a table for each question at once, so that all are busy to the end.
const RANGES_EACH: usize = 4;

impl Copying {
    /// The next question; to be asked again until there is none. Its window is open from now on.
    pub fn next_ask(
        &mut self,
        sent: &Resume,
        rules: SnapshotRules,
        bytes_max: usize,
        now: Instant,
    ) -> Option<Ask> {
        let is_between = sent.mark.rows_done == 0;
        let is_early = self.asks_at.is_some_and(|at| now < at);
        if !is_between || is_early || rules.parallel <= self.open_questions() {
            return None;
        }
        self.asks_at = None;
        let ranges = rules.parallel * RANGES_EACH;
        let ids: Vec<CopyId> = self.active.keys().cloned().collect();
        ids.iter()
            .find_map(|id| self.ask_of(id, sent, bytes_max, ranges))
            .or_else(|| self.ask_new(sent, ranges))
    }

    fn open_questions(&self) -> usize {
        let of = |active: &Active| {
            let windows = active.windows.iter();
            let open = windows.filter(|window| window.arrived.is_none()).count();
            open + usize::from(active.describing.is_some())
        };
        self.active.values().map(of).sum()
    }

    fn ask_of(
        &mut self,
        id: &CopyId,
        sent: &Resume,
        bytes_max: usize,
        ranges: usize,
    ) -> Option<Ask> {
        // Its begin has not left.
        if self.begun.iter().any(|(begun, _)| begun == id) {
            return None;
        }
        let copy = self.copy(&sent.snapshots, id)?;
        let is_wanted = copy.state == CopyState::Active && self.tables.delivers(&id.table);
        let is_begun = copy.key.is_some();
        let (part, condition) = (part_of(copy, self.active.get(id)?), copy.condition.clone());
        let active = self.active.get_mut(id)?;
        if !is_wanted || active.describing.is_some() {
            return None;
        }
        let Some(description) = active.description.clone().filter(|_| is_begun) else {
            return Some(self.describe(id, sent, ranges));
        };
        let part = part?;
        let ask = ChunkAsk {
            description,
            part: part.clone(),
            condition,
            sent: sent_of(sent),
            rows_max: active.rows_max,
            bytes_max,
        };
        let ticket = Ticket::next(&mut self.tickets);
        active.windows.push(Window {
            ticket,
            part,
            changed: Changed::default(),
            is_void: false,
            arrived: None,
        });
        Some(Ask {
            ticket,
            id: id.clone(),
            question: Question::Read(ask),
        })
    }

    /// A copy that has not begun.
    fn ask_new(&mut self, sent: &Resume, ranges: usize) -> Option<Ask> {
        let is_wanted = |id: &&CopyId| {
            self.is_on_its_way(id, &sent.snapshots) && self.tables.delivers(&id.table)
        };
        let id = self.queued.iter().find(is_wanted)?.clone();
        self.queued.remove(&id);
        self.active.insert(id.clone(), Active::new());
        Some(self.describe(&id, sent, ranges))
    }

    fn describe(&mut self, id: &CopyId, sent: &Resume, ranges: usize) -> Ask {
        let ticket = Ticket::next(&mut self.tickets);
        if let Some(active) = self.active.get_mut(id) {
            active.describing = Some(Describing {
                ticket,
                sent: SeqPlace::new(self.epoch, &sent.mark.position),
                is_void: false,
            });
        }
        Ask {
            ticket,
            id: id.clone(),
            question: Question::Describe(DescribeAsk {
                table: id.table.clone(),
                sent: sent_of(sent),
                ranges,
            }),
        }
    }

    /// # Errors
    /// Nothing: a failure is noted, and the question asked again later. It is given back to be told.
    pub fn described(
        &mut self,
        ask: &Ask,
        answer: Result<DescribeAnswer, Failure>,
        sent: &Resume,
        (now, now_us): (Instant, u64),
    ) -> Result<(), Failure> {
        let id = &ask.id;
        let Some(active) = self.active.get_mut(id) else {
            return Ok(());
        };
        let is_asked = |describing: &mut Describing| describing.ticket == ask.ticket;
        let Some(describing) = active.describing.take_if(is_asked) else {
            return Ok(());
        };
        match answer {
            Err(failure) => return Err(self.failed(id, failure, sent, now)),
            // Asked anew.
            Ok(_) if describing.is_void => {}
            Ok(DescribeAnswer::Gone) => self.end(id, CopyState::Gone, now_us, &sent.snapshots),
            Ok(DescribeAnswer::Refused(reason)) => self.refuse(id, &reason, sent, now_us),
            Ok(DescribeAnswer::Described(described)) => {
                active.description = Some(described.description.clone());
                active.place = None;
                let begun = describing.sent;
                self.begin(id, (described, begun), sent, now_us);
            }
        }
        self.failures = 0;
        Ok(())
    }

    fn begin(
        &mut self,
        id: &CopyId,
        (described, begun): (Described, SeqPlace),
        sent: &Resume,
        now_us: u64,
    ) {
        let Some(copy) = self.copy(&sent.snapshots, id) else {
            return;
        };
        let key = &described.description.key_text;
        if copy.key.as_ref() == Some(key) {
            return self.note(id, None, &sent.snapshots);
        }
        let mut copy = copy.clone();
        copy.note = None;
        copy.key = Some(key.clone());
        copy.again = Vec::new();
        copy.ranges = described.ranges;
        copy.rows_estimate = described.rows_estimate;
        copy.begun = Some(begun);
        if copy.begun_us == 0 {
            copy.begun_us = now_us;
        }
        self.said.copies.remove(id);
        self.begun.retain(|(begun, _)| begun != id);
        self.begun.push((id.clone(), copy));
    }

    /// # Errors
    /// As [`Copying::described`].
    pub fn read(
        &mut self,
        ask: &Ask,
        answer: Result<ChunkAnswer, Failure>,
        permit: Permit,
        sent: &Resume,
        (now, now_us): (Instant, u64),
    ) -> Result<(), Failure> {
        let id = &ask.id;
        let Some(active) = self.active.get_mut(id) else {
            return Ok(());
        };
        let windows = &mut active.windows;
        let Some(index) = windows
            .iter()
            .position(|window| window.ticket == ask.ticket)
        else {
            return Ok(());
        };
        let mut window = windows.remove(index);
        match answer {
            Err(failure) => return Err(self.failed(id, failure, sent, now)),
            Ok(ChunkAnswer::Busy(reason)) => {
                self.asks_at = Some(now + BUSY_WAIT);
                self.note(id, Some(&reason), &sent.snapshots);
                return Ok(());
            }
            Ok(ChunkAnswer::Changed) => {
                active.forget();
                self.asks_at = Some(now + BUSY_WAIT / 10);
            }
            Ok(ChunkAnswer::TooLarge(reason)) => self.refuse(id, &reason, sent, now_us),
            // Read again.
            Ok(ChunkAnswer::Read(_)) if window.is_void => {}
            Ok(ChunkAnswer::Read(chunk)) => {
                let Question::Read(asked) = &ask.question else {
                    return Ok(());
                };
                active.rows_max = tuned(asked, &chunk);
                window.arrived = Some(Arrived::new(&asked.description, chunk, permit));
                active.windows.insert(index, window);
                self.note(id, None, &sent.snapshots);
            }
        }
        self.failures = 0;
        Ok(())
    }

    fn refuse(&mut self, id: &CopyId, reason: &str, sent: &Resume, now_us: u64) {
        self.note(id, Some(reason), &sent.snapshots);
        self.end(id, CopyState::Refused, now_us, &sent.snapshots);
    }

    /// All wait a while: what one question fails of, the next one may too.
    fn failed(&mut self, id: &CopyId, failure: Failure, sent: &Resume, now: Instant) -> Failure {
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        let wait = Duration::from_secs(1 << (self.failures - 1)).min(FAILURE_WAIT_MAX);
        self.asks_at = Some(now + wait);
        let note = failure.to_string();
        self.note(id, Some(&note), &sent.snapshots);
        failure
    }
}

const FAILURES_MAX: u32 = 6;

/// What no window is open for.
fn part_of(copy: &TableCopy, active: &Active) -> Option<ChunkPart> {
    let is_asked = |part: &ChunkPart| {
        active
            .windows
            .iter()
            .any(|window| is_same(&window.part, part))
    };
    if !copy.again.is_empty() {
        let most = KEYS_AT_ONCE.min(active.rows_max);
        let keys = copy.again.iter().take(most).cloned();
        let part = ChunkPart::Keys(keys.collect());
        if !is_asked(&part) {
            return Some(part);
        }
    }
    let mut ranges = copy.ranges.iter().cloned().map(ChunkPart::Range);
    ranges.find(|part| !is_asked(part))
}

/// Whether one window is enough for both: ranges are known by their ends, and keys are read in one window at a time.
fn is_same(one: &ChunkPart, other: &ChunkPart) -> bool {
    match (one, other) {
        (ChunkPart::Range(one), ChunkPart::Range(other)) => one.until == other.until,
        (ChunkPart::Keys(_), ChunkPart::Keys(_)) => true,
        _ => false,
    }
}

fn sent_of(sent: &Resume) -> Sent {
    Sent {
        position: sent.mark.position.clone(),
        gtids: sent.gtid_set.clone(),
    }
}

/// The next LIMIT: about as many rows as a SELECT reads in its time, and no more than fit, for the rest is read in vain.
fn tuned(asked: &ChunkAsk, chunk: &Chunk) -> usize {
    let rows = chunk.rows as usize;
    let is_full = asked.rows_max <= rows;
    let in_time = match chunk.took {
        took if CHUNK_TARGET * 2 < took => asked.rows_max / 2,
        took if took < CHUNK_TARGET / 2 && is_full => asked.rows_max * 2,
        _ => asked.rows_max,
    };
    let row_bytes = chunk.images.len() / rows.max(1);
    let fitting = match row_bytes {
        0 => ROWS_MAX,
        _ => asked.bytes_max / 20 * 19 / row_bytes,
    };
    in_time.min(fitting).clamp(1, ROWS_MAX)
}
