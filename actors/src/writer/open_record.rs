//! The record that a lane is filling while the one before it flies.

use bytes::Bytes;

use crate::{budget::Permit, ports::dead_letters::DeadLetter};

use super::cursor::Cursor;

#[derive(Debug)]
pub struct OpenRecord {
    bytes: Vec<u8>,
    permit: Permit,
    is_regranted: bool,
    /// Lines go in while they fit; a first line always does.
    limit: usize,
    pub rows: u32,
    /// Nothing more goes in.
    pub is_closed: bool,
    /// Not a record but a change that can never be one.
    pub letter: Option<DeadLetter>,
    /// Where packing goes on after this record.
    pub end: Cursor,
    sealed: Option<Bytes>,
}

impl OpenRecord {
    pub fn new(permit: Permit, record_bytes_max: usize, begin: Cursor) -> Self {
        let limit = permit.bytes().min(record_bytes_max);
        Self {
            bytes: Vec::new(),
            permit,
            is_regranted: false,
            limit,
            rows: 0,
            is_closed: false,
            letter: None,
            end: begin,
            sealed: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 && self.letter.is_none()
    }

    /// Appends one line by `write`; takes it back and closes the record when it does not fit. A first
    /// line is kept whatever its size. `Ok(false)`: not taken.
    pub fn append<E>(
        &mut self,
        line_end: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let before = self.bytes.len();
        if self.bytes.capacity() == 0 {
            self.bytes
                .reserve_exact(self.limit.saturating_add(SLACK_BYTES));
        }
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.bytes.extend_from_slice(line_end);
        if self.bytes.len() > self.limit {
            self.is_closed = true;
            if before > 0 {
                self.bytes.truncate(before);
                return Ok(false);
            }
        }
        self.rows += 1;
        Ok(true)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// More room, while the record before it flies.
    pub fn widen(&mut self, permit: Permit, record_bytes_max: usize) {
        self.permit.merge(permit);
        self.limit = self.permit.bytes().min(record_bytes_max);
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A lone line larger than what was granted.
    pub fn is_over_grant(&self) -> bool {
        !self.is_regranted && self.bytes.len() > self.permit.bytes()
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

    /// The line of a record that holds one, without its line end.
    pub fn take_line(&mut self, line_end: &[u8]) -> Bytes {
        let mut line = std::mem::take(&mut self.bytes);
        line.truncate(line.len().saturating_sub(line_end.len()));
        Bytes::from(line)
    }

    /// The bytes of a record that is full, said once: they stay the same until it flies.
    pub fn seal(&mut self) -> Option<Bytes> {
        if !self.is_closed || self.letter.is_some() || self.sealed.is_some() {
            return None;
        }
        self.sealed = Some(self.shrink());
        self.sealed.clone()
    }

    /// The finished bytes with the permit for exactly them.
    pub fn finish(mut self) -> (Bytes, Permit) {
        let bytes = match self.sealed.take() {
            Some(bytes) => bytes,
            None => self.shrink(),
        };
        (bytes, self.permit)
    }

    fn shrink(&mut self) -> Bytes {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.len() < bytes.capacity() / 2 {
            bytes.shrink_to_fit();
        }
        self.permit.shrink_to(bytes.capacity());
        Bytes::from(bytes)
    }
}

/// Room for the line that turns out not to fit, so that it rarely makes the buffer grow.
const SLACK_BYTES: usize = 4096;
