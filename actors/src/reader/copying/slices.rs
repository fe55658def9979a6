//! What of a chunk enters the stream, and when: slice by slice, at a place that is not before the chunk's end.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use headwater_binlog::{
    Error,
    assembler::Item,
    ddl::{Action, Subject},
    position::Position,
    rows::{ColumnSet, Rows, RowsBlock, RowsKind},
    snapshot::KeyReader,
    transaction::{SnapshotOrigin, Statement, Transaction},
};

use super::{
    Copying, Window,
    changed::{Changed, bytes_of, key_of},
};
use crate::{
    budget::Permit,
    ports::snapshot::{Chunk, ChunkPart, Description},
    progress::Resume,
    snapshot::{CopyId, CopyState, Key, KeyRange, SnapshotAdvance, SnapshotRules, TableCopy},
};

/// What enters the stream at the place of `sent`, and where copies stand with it.
#[derive(Debug)]
pub struct Slice {
    pub items: Vec<Item>,
    pub advance: SnapshotAdvance,
    pub rows: u32,
    /// What the items keep alive.
    pub bytes: usize,
}

/// A live change waits for one of these at most.
pub const SLICE_BYTES: usize = 256 * 1024;
/// Copies that begin with one slice.
const BEGINS_AT_ONCE: usize = 256;

/// A chunk, of which a part may have been sent.
#[derive(Debug)]
pub(super) struct Arrived {
    description: Arc<Description>,
    /// Every column.
    present: ColumnSet,
    chunk: Chunk,
    permit: Permit,
}

/// What becomes of the next rows of a chunk.
#[derive(Default)]
struct Cut {
    images: Bytes,
    rows: u32,
    /// Of the last row, sent or not.
    last: Option<Key>,
    /// Rows that are sent, of those that were asked for one by one.
    sent: Vec<Key>,
    again: Vec<Key>,
}

impl Arrived {
    pub(super) fn new(description: &Arc<Description>, chunk: Chunk, mut permit: Permit) -> Self {
        // A row may be larger than a chunk.
        permit.grow(chunk.images.len().saturating_sub(permit.bytes()));
        permit.shrink_to(chunk.images.len());
        Self {
            description: Arc::clone(description),
            present: ColumnSet::all(description.table.columns.len()),
            chunk,
            permit,
        }
    }

    fn is_done(&self) -> bool {
        self.chunk.images.is_empty()
    }

    /// Reads the keys of the chunk's rows; `None` when the table has no key.
    fn key_reader(&self) -> Result<Option<KeyReader>, Error> {
        match self.description.key.as_slice() {
            [] => Ok(None),
            key => KeyReader::new(&self.description.table, key).map(Some),
        }
    }

    /// The keys of the rows that were not sent yet.
    fn keys(&self) -> Result<HashSet<Box<[u8]>>, Error> {
        let mut keys = HashSet::new();
        let Some(reader) = self.key_reader()? else {
            return Ok(keys);
        };
        let mut bytes = Vec::new();
        for row in Rows::inserted(&self.description.table, &self.present, &self.chunk.images) {
            bytes.clear();
            if let Some(image) = &row?.1.after {
                reader.read(image, &mut bytes)?;
            }
            keys.insert(bytes.as_slice().into());
        }
        Ok(keys)
    }

    fn block(&self, transaction: Arc<Transaction>, cut: &Cut, first_row: u64) -> RowsBlock {
        RowsBlock {
            event_offset: transaction.offset,
            transaction,
            table: Arc::clone(&self.description.table),
            map: Some(Arc::clone(&self.description.map)),
            kind: RowsKind::Insert,
            first_row,
            row_count: cut.rows,
            before: ColumnSet::none(),
            after: self.present.clone(),
            images: cut.images.clone(),
            query: None,
        }
    }
}

impl Window {
    /// Where the log ended behind its SELECT.
    fn end(&self) -> Option<&Position> {
        self.arrived.as_ref().map(|arrived| &arrived.chunk.end)
    }

    /// Where much has changed: of the chunk that has come, and of what was asked for, the keys alone count.
    pub(super) fn narrow(&mut self) {
        let Some(arrived) = self.arrived.as_ref().filter(|_| self.changed.is_filling()) else {
            return;
        };
        let keys = arrived.keys().and_then(|mut keys| {
            if let ChunkPart::Keys(asked) = &self.part {
                for key in asked {
                    keys.insert(bytes_of(key)?.into());
                }
            }
            Ok(keys)
        });
        // Sending the chunk meets the same error and reports it.
        if let Ok(keys) = keys {
            self.changed.narrow(keys);
        }
    }
}

impl Copying {
    /// What is to be sent now, at a boundary of the stream; to be asked again until there is nothing.
    ///
    /// # Errors
    /// A chunk does not hold together: a defect.
    pub fn slice(
        &mut self,
        sent: &Resume,
        rules: SnapshotRules,
        (now, now_us): (Instant, u64),
    ) -> Result<Option<Slice>, Error> {
        if sent.mark.rows_done != 0 {
            return Ok(None);
        }
        if !self.begun.is_empty() {
            return Ok(Some(self.begins(sent, now_us)));
        }
        if self.rows_at.is_none_or(|at| at <= now) {
            self.rows_at = None;
            if let Some((id, index)) = self.next_window(sent) {
                let slice = self.rows_of(&id, index, sent, now_us)?;
                if 0 < rules.rows_per_sec_max {
                    let secs = f64::from(slice.rows) / rules.rows_per_sec_max as f64;
                    self.rows_at = Some(now + Duration::from_secs_f64(secs));
                }
                return Ok(Some(slice));
            }
        }
        // What nothing else carries.
        Ok(self.has_said().then(|| Slice {
            items: Vec::new(),
            advance: self.take_said(sent.snapshots.lines_here),
            rows: 0,
            bytes: 0,
        }))
    }

    fn begins(&mut self, sent: &Resume, now_us: u64) -> Slice {
        let rest = self.begun.split_off(self.begun.len().min(BEGINS_AT_ONCE));
        let begun = std::mem::replace(&mut self.begun, rest);
        let mut items = Vec::new();
        let mut lines_here = sent.snapshots.lines_here;
        for (id, mut copy) in begun {
            let mut say = |copy: &TableCopy, action| {
                items.push(mark((&id, copy), action, lines_here, sent, now_us));
                lines_here += 1;
            };
            say(&copy, Action::SnapshotBegin);
            // The table has no row.
            if copy.is_exhausted() {
                say(&copy, copy.end_mark());
                copy.end(CopyState::Complete, now_us);
                self.active.remove(&id);
            }
            self.say(id, copy);
        }
        Slice {
            items,
            advance: self.take_said(lines_here),
            rows: 0,
            bytes: 0,
        }
    }

    /// The oldest chunk whose end the stream has passed.
    fn next_window(&mut self, sent: &Resume) -> Option<(CopyId, usize)> {
        let place = &sent.mark.position;
        let mut oldest = None;
        for (id, active) in &mut self.active {
            // Of another log: it is read again.
            active.windows.retain(|window| {
                window
                    .end()
                    .is_none_or(|end| end.partial_cmp(place).is_some())
            });
            for (index, window) in active.windows.iter().enumerate() {
                let is_passed = window.end().is_some_and(|end| end <= place);
                if is_passed && oldest.as_ref().is_none_or(|(_, _, it)| window.ticket < *it) {
                    oldest = Some((id.clone(), index, window.ticket));
                }
            }
        }
        oldest.map(|(id, index, _)| (id, index))
    }

    fn rows_of(
        &mut self,
        id: &CopyId,
        index: usize,
        sent: &Resume,
        now_us: u64,
    ) -> Result<Slice, Error> {
        let copy = self.copy(&sent.snapshots, id).cloned();
        let windows = self.active.get_mut(id).map(|active| &mut active.windows);
        let gone = || Error::malformed("snapshot", "a chunk of a copy that is over");
        let (Some(mut copy), Some(windows)) = (copy, windows) else {
            return Err(gone());
        };
        let window = windows.get_mut(index).ok_or_else(gone)?;
        let arrived = window.arrived.as_mut().ok_or_else(gone)?;
        let here = sent.snapshots.lines_here;
        let left = arrived.chunk.images.len();
        let is_by_key = matches!(window.part, ChunkPart::Keys(_));
        let cut = cut(arrived, &window.changed, is_by_key)?;
        drop(arrived.permit.split(left - arrived.chunk.images.len()));
        let (rows, bytes) = (cut.rows, cut.images.len());
        let mut items = Vec::new();
        if 0 < rows {
            let transaction = pseudo(id, copy.is_apart, arrived.chunk.read_us, sent);
            items.push(Item::Rows(arrived.block(transaction, &cut, here)));
        }
        copy.rows += u64::from(rows);
        let is_done = arrived.is_done();
        settle(&mut copy, window, cut, is_done);
        if is_done {
            windows.remove(index);
        }
        let mut lines_here = here + u64::from(rows);
        if copy.is_exhausted() && windows.is_empty() {
            items.push(mark((id, &copy), copy.end_mark(), lines_here, sent, now_us));
            lines_here += 1;
            copy.end(CopyState::Complete, now_us);
            self.active.remove(id);
        }
        self.say(id.clone(), copy);
        Ok(Slice {
            items,
            advance: self.take_said(lines_here),
            rows,
            bytes,
        })
    }
}

/// The next rows, up to a slice, without those that have changed.
fn cut(arrived: &mut Arrived, changed: &Changed, is_by_key: bool) -> Result<Cut, Error> {
    let rest = arrived.chunk.images.clone();
    let reader = arrived.key_reader()?;
    let mut cut = Cut::default();
    let (mut taken, mut begin, mut kept) = (0, 0, BytesMut::new());
    let mut bytes = Vec::new();
    let mut last = None;
    // Rows without a key cannot be told from each other: they come all at once, or not at all.
    let bytes_max = match &reader {
        None => usize::MAX,
        Some(_) => SLICE_BYTES,
    };
    for row in Rows::inserted(&arrived.description.table, &arrived.present, &rest) {
        let (offset, row) = row?;
        let sent = kept.len() + (offset - begin);
        if 0 < taken && bytes_max < sent + row.bytes {
            break;
        }
        taken = offset + row.bytes;
        last = row.after;
        cut.rows += 1;
        let (Some(reader), Some(image)) = (&reader, &row.after) else {
            continue;
        };
        if changed.is_empty() && !is_by_key {
            continue;
        }
        bytes.clear();
        reader.read(image, &mut bytes)?;
        if let Some(is_told) = changed.get(&bytes) {
            cut.rows -= 1;
            kept.extend_from_slice(rest.get(begin..offset).unwrap_or_default());
            begin = taken;
            if !is_told {
                cut.again.push(key_of(&bytes));
            }
        } else if is_by_key {
            cut.sent.push(key_of(&bytes));
        }
    }
    if let (Some(reader), Some(image)) = (&reader, &last) {
        bytes.clear();
        reader.read(image, &mut bytes)?;
        cut.last = Some(key_of(&bytes));
    }
    cut.images = match kept.is_empty() {
        // None was left out, or only those in front.
        true => rest.slice(begin..taken),
        false => {
            kept.extend_from_slice(rest.get(begin..taken).unwrap_or_default());
            kept.freeze()
        }
    };
    arrived.chunk.images.advance(taken);
    Ok(cut)
}

/// Where the copy stands behind these rows.
fn settle(copy: &mut TableCopy, window: &Window, cut: Cut, is_done: bool) {
    let is_end = is_done && window.arrived.as_ref().is_some_and(|it| it.chunk.is_end);
    match &window.part {
        ChunkPart::Range(range) if is_end => copy.ranges.retain(|it| it.until != range.until),
        ChunkPart::Range(range) => {
            let of = |it: &&mut KeyRange| it.until == range.until;
            if let (Some(last), Some(range)) = (cut.last, copy.ranges.iter_mut().find(of)) {
                range.after = Some(last);
            }
        }
        ChunkPart::Keys(keys) => {
            // What was asked for and is not there is gone, unless a row has taken the key since.
            let is_gone =
                |key: &Key| is_end && keys.contains(key) && !window.changed.is_untold(key);
            let again = &mut copy.again;
            again.retain(|key| !cut.sent.contains(key) && !is_gone(key));
        }
    }
    copy.add_again(cut.again);
}

/// What rows of a snapshot come from.
fn pseudo(id: &CopyId, is_apart: bool, read_us: u64, sent: &Resume) -> Arc<Transaction> {
    let place = &sent.mark.position;
    Arc::new(Transaction {
        gtid: None,
        file: place.file.clone(),
        offset: place.offset,
        server_id: sent.log.as_ref().map_or(0, |log| log.server_id),
        commit_us: read_us,
        thread_id: None,
        end: OnceLock::new(),
        snapshot: Some(SnapshotOrigin {
            run: Arc::clone(&id.run),
            attempt: sent.snapshots.attempt,
            is_apart,
        }),
    })
}

/// The begin or the end of a copy, in its lane.
fn mark(
    (id, copy): (&CopyId, &TableCopy),
    action: Action,
    n: u64,
    sent: &Resume,
    now_us: u64,
) -> Item {
    let transaction = pseudo(id, copy.is_apart, now_us, sent);
    Item::Statement(Statement {
        event_offset: transaction.offset,
        transaction,
        row: n,
        text: "".into(),
        default_database: id.table.database.clone(),
        sql_mode: 0,
        charset: "utf8mb4".to_owned(),
        subject: Subject::Tables {
            action,
            tables: vec![id.table.clone()],
        },
    })
}
