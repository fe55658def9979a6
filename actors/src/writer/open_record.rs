//! The record that a lane is filling while the one before it is in flight.

use std::io;

use bytes::Bytes;

use crate::{budget::Permit, packing::Compression, ports::encoder::Written};

use super::{cursor::Cursor, frame::Frame, poison::Settled};

#[derive(Debug)]
pub struct OpenRecord {
    bytes: Vec<u8>,
    frame: Frame,
    is_sealed: bool,
    /// Partition key of the newest line; empty: the lane's.
    key: String,
    permit: Permit,
    is_regranted: bool,
    /// Lines go in while they fit; a first line always does.
    limit: usize,
    pub rows: u32,
    /// Of the row images that became its lines.
    pub image_bytes: usize,
    /// Nothing more goes in.
    pub is_closed: bool,
    /// Not a record but a change that can never be one.
    pub poison: Option<Settled>,
    /// Where packing goes on after this record.
    pub end: Cursor,
}

impl OpenRecord {
    pub fn new(permit: Permit, record_bytes_max: usize, begin: Cursor, frame: Frame) -> Self {
        let limit = permit.bytes().min(record_bytes_max);
        Self {
            bytes: Vec::new(),
            frame,
            is_sealed: false,
            key: String::new(),
            permit,
            is_regranted: false,
            limit,
            rows: 0,
            image_bytes: 0,
            is_closed: false,
            poison: None,
            end: begin,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 && self.poison.is_none()
    }

    /// Appends one line, and the partition key where it has its own, by `write`; takes it back and closes
    /// the record when it does not fit. A first line is kept whatever its size. `Ok(None)`: not taken.
    pub fn append<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, &mut String) -> Result<Written, E>,
    ) -> Result<Option<Written>, E> {
        let before = self.bytes.len();
        if self.bytes.capacity() == 0 {
            self.bytes
                .reserve_exact(self.limit.saturating_add(SLACK_BYTES));
        }
        self.frame.open_line(&mut self.bytes);
        let start = self.bytes.len();
        self.key.clear();
        let written =
            write(&mut self.bytes, &mut self.key).inspect_err(|_| self.bytes.truncate(before))?;
        // An empty line is a record of its own; among others it would be none.
        let is_empty = self.bytes.len() == start && self.frame.joins_lines();
        if written == Written::Nothing || is_empty {
            self.bytes.truncate(before);
            return Ok(Some(written));
        }
        self.frame.close_line(&mut self.bytes, start, &self.key);
        if self.len() > self.limit {
            self.is_closed = true;
            if before > 0 {
                self.bytes.truncate(before);
                return Ok(None);
            }
        }
        self.rows += 1;
        Ok(Some(written))
    }

    /// What it has when it is sealed; compression aside.
    pub fn len(&self) -> usize {
        match self.is_sealed {
            true => self.bytes.len(),
            false => self.bytes.len() + self.frame.tail_bytes(),
        }
    }

    /// The partition key of a record of one line, if it is not the lane's.
    pub fn take_key(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.key)).filter(|key| !key.is_empty())
    }

    pub fn key_bytes(&self) -> usize {
        self.key.len()
    }

    /// Ends the record and compresses it, unless that has been done.
    pub fn seal(&mut self, compression: Compression) -> io::Result<()> {
        if !self.is_sealed && self.rows > 0 {
            self.frame.close(&mut self.bytes);
            if compression != Compression::None {
                self.bytes = compression.compress(&self.bytes)?;
            }
            self.is_sealed = true;
        }
        Ok(())
    }

    /// Compresses and closes a record of plain lines if it has at most `bytes_max` then.
    pub fn seal_within(&mut self, compression: Compression, bytes_max: usize) -> io::Result<bool> {
        let compressed = compression.compress(&self.bytes)?;
        let fits = compressed.len() <= bytes_max;
        if fits {
            self.bytes = compressed;
            self.is_sealed = true;
            self.is_closed = true;
        }
        Ok(fits)
    }

    /// More room, while the record before it is in flight.
    pub fn widen(&mut self, permit: Permit, record_bytes_max: usize) {
        self.permit.merge(permit);
        self.limit = self.permit.bytes().min(record_bytes_max);
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A lone line larger than what was granted.
    pub fn is_over_grant(&self) -> bool {
        !self.is_regranted && self.len() > self.permit.bytes()
    }

    /// Gives the grant back before a larger one is asked for: two halves waiting for each other would never move.
    pub fn give_back(&mut self) {
        self.permit = Permit::empty();
    }

    /// The most there is, at least: a line above the whole budget has it all.
    pub fn regrant(&mut self, permit: Permit) {
        self.is_regranted = true;
        self.permit = permit;
    }

    /// The line of a record that holds one and is not sealed, without what encloses it.
    pub fn take_line(&mut self) -> Bytes {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        bytes.slice_ref(self.frame.line_of(&bytes))
    }

    /// The finished bytes with the permit for exactly them.
    pub fn finish(mut self) -> (Bytes, Permit) {
        if self.bytes.len() < self.bytes.capacity() / 2 {
            self.bytes.shrink_to_fit();
        }
        self.permit.shrink_to(self.bytes.capacity());
        (Bytes::from(self.bytes), self.permit)
    }
}

/// Room for the line that turns out not to fit, so that it rarely makes the buffer grow.
const SLACK_BYTES: usize = 4096;
