//! From queued changes to lines in the open record, and what becomes of a change that no record can hold.
//!
//! A change that cannot be written, or is too large, is looked at in a record of its own: what is before it goes
//! first. Here nothing is handed over, and no cursor of the buffer moves: only the open record's end.

use super::{LaneBuffer, unsealed};
use crate::{
    changes::Part,
    failure::Failure,
    messages::LaneChanges,
    packing::{Compression, Packing, PartitionKey},
    ports::encoder::{RowEvent, Written},
    writer::{cursor::Cursor, lines::Lines, open_record::OpenRecord, poison::Poison},
};

impl LaneBuffer {
    /// Until the record is full or the queue is empty.
    pub(super) fn pack_into(
        &self,
        open: &mut OpenRecord,
        lines: &mut Lines,
    ) -> Result<(), Failure> {
        while !open.is_closed {
            let Some(batch) = self.batch_at(open.end) else {
                return Ok(());
            };
            match batch.parts.get(open.end.part) {
                Some(Part::Rows { .. }) => self.pack_rows(batch, open, lines)?,
                Some(
                    part @ Part::Statement {
                        statement,
                        is_shared,
                        is_last,
                    },
                ) => {
                    let table = &self.lane.table;
                    let taken = open.append(|out, key| {
                        self.rules.partition_key.of_statement(statement, table, key);
                        lines.statement(statement, table, *is_shared, *is_last, out)
                    });
                    match taken {
                        Ok(Some(_)) if !self.fits(open)? => {
                            let poison = Poison::oversize_statement(part, open.len());
                            self.poisoned(open, poison, open.end.past_part(batch))?;
                        }
                        Ok(Some(_)) => open.end = open.end.past_part(batch),
                        Ok(None) => (),
                        Err(error) if open.is_empty() => {
                            let poison = Poison::undecodable_statement(part, &error);
                            self.poisoned(open, poison, open.end.past_part(batch))?;
                        }
                        Err(_) => open.is_closed = true,
                    }
                }
                None => self.pack_heartbeat(batch, open, lines)?,
            }
            if self.rules.packing == Packing::None && !open.is_empty() {
                open.is_closed = true;
            }
        }
        Ok(())
    }

    /// What a batch without parts has to say, if anything.
    fn pack_heartbeat(
        &self,
        batch: &LaneChanges,
        open: &mut OpenRecord,
        lines: &Lines,
    ) -> Result<(), Failure> {
        let next = open.end.past_part(batch);
        let Some(heartbeat) = &batch.heartbeat else {
            open.end = next;
            return Ok(());
        };
        let taken = open.append(|out, _| lines.heartbeat(heartbeat, &self.lane, out));
        let taken = taken.map_err(|error| {
            let at = &heartbeat.position;
            Failure::definite(format!("heartbeat of {} at {at}", self.lane)).because(error)
        })?;
        if taken.is_some() {
            open.end = next;
        }
        Ok(())
    }

    /// Packs rows of the part at `open.end` until the part ends or the record is closed.
    fn pack_rows(
        &self,
        batch: &LaneChanges,
        open: &mut OpenRecord,
        lines: &mut Lines,
    ) -> Result<(), Failure> {
        let part = open.end.part;
        let Some(Part::Rows {
            block,
            numbers,
            is_last,
        }) = batch.parts.get(part)
        else {
            return Ok(());
        };
        let encoder = lines.block(block);
        let number = open.end.batch;
        let mut rows = block.rows_from(open.end.offset);
        let mut at_hand = None;
        while open.end.part == part && open.end.batch == number {
            // Of a row with several lines the next one may be due.
            if open.end.line == 0 || at_hand.is_none() {
                at_hand = rows
                    .next_row()
                    .map_err(|error| Poison::broken_block(block, &error))?;
            }
            let Some(row) = at_hand else {
                open.end = open.end.past_part(batch);
                break;
            };
            let index = numbers
                .as_ref()
                .and_then(|numbers| numbers.get(open.end.row).copied());
            let n = block.first_row + index.map_or(open.end.row as u64, u64::from);
            let last = *is_last && open.end.offset + row.bytes >= block.images.len();
            let event = RowEvent {
                block,
                row,
                n,
                last,
            };
            let line = open.end.line;
            let taken = open.append(|out, key| {
                if self.rules.partition_key != PartitionKey::Lane {
                    let rule = &self.rules.partition_key;
                    rule.of_row(encoder, &event, line, key)?;
                }
                match line {
                    0 => encoder.row(&event, out),
                    line => encoder.next_line(&event, line, out),
                }
            });
            let next = match taken {
                Ok(Some(Written::More)) => open.end.past_line(),
                _ => open.end.past_row(row.bytes, batch),
            };
            match taken {
                Ok(Some(_)) if !self.fits(open)? => {
                    let (offset, bytes) = (open.end.offset, open.len());
                    let bytes_max = self.rules.sink_bytes_max;
                    let poison = Poison::oversize_row(&event, offset, bytes, bytes_max);
                    return self.poisoned(open, poison, next);
                }
                Ok(Some(_)) => {
                    open.end = next;
                    open.image_bytes += row.bytes;
                }
                Ok(None) => (),
                Err(error) if open.is_empty() => {
                    let offset = open.end.offset;
                    let poison = Poison::undecodable_row(&event, offset, &error);
                    return self.poisoned(open, poison, next);
                }
                // What is before it goes first; then it is looked at alone.
                Err(_) => open.is_closed = true,
            }
            if open.is_closed || self.rules.packing == Packing::None {
                break;
            }
        }
        Ok(())
    }

    /// A change that no record can hold: a letter or the table's place to wait if the settings say so, else the end.
    fn poisoned(&self, open: &mut OpenRecord, poison: Poison, next: Cursor) -> Result<(), Failure> {
        let (line, key) = (open.take_line(), open.take_key());
        let rules = &self.rules;
        let settled = poison.settle(rules.policy, &self.lane, rules.home, line, key);
        (open.rows, open.is_closed) = (0, true);
        open.poison = Some(settled?);
        open.end = next;
        Ok(())
    }

    /// Whether the sink takes the record; one of several lines was kept within its limit.
    pub(super) fn fits(&self, open: &mut OpenRecord) -> Result<bool, Failure> {
        if open.rows != 1 {
            return Ok(true);
        }
        let key_bytes = match self.rules.packing {
            Packing::None => self.partition_key.len().max(open.key_bytes()),
            Packing::Newline | Packing::JsonArray | Packing::Kpl => self.partition_key.len(),
        };
        let bytes_max = self.rules.sink_bytes_max.saturating_sub(key_bytes);
        let compression = self.rules.compression;
        if open.len() + compression.growth_bytes(open.len()) <= bytes_max {
            return Ok(true);
        }
        if compression == Compression::None {
            return Ok(false);
        }
        open.seal_within(compression, bytes_max).map_err(unsealed)
    }
}
