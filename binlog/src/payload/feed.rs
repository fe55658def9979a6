//! The compressed bytes of a payload, as they come: a reader that says "not yet" instead of "the end".

use std::io::{BufRead, Error as IoError, ErrorKind, Read, Result as IoResult};

use bytes::{Buf, Bytes};

use super::WHAT;
use crate::Error;

pub struct Feed {
    here: Bytes,
    /// Of the payload, not come yet.
    awaited: u64,
}

impl Feed {
    pub fn new(here: Bytes, awaited: u64) -> Self {
        Self { here, awaited }
    }

    pub fn awaited(&self) -> u64 {
        self.awaited
    }

    pub fn push(&mut self, part: &Bytes) -> Result<(), Error> {
        self.awaited = self
            .awaited
            .checked_sub(part.len() as u64)
            .ok_or_else(|| Error::malformed(WHAT, "more bytes than its size"))?;
        self.here = if self.here.is_empty() {
            part.clone()
        } else {
            [&self.here[..], part].concat().into()
        };
        Ok(())
    }
}

/// Whether a reader of a feed has stopped because the rest has not come.
pub fn is_awaiting(error: &IoError) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> IoResult<&[u8]> {
        if self.here.is_empty() && self.awaited > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.here)
    }

    fn consume(&mut self, bytes: usize) {
        self.here.advance(bytes.min(self.here.len()));
    }
}

impl Read for Feed {
    fn read(&mut self, target: &mut [u8]) -> IoResult<usize> {
        let read = self.fill_buf()?.read(target)?;
        self.consume(read);
        Ok(read)
    }
}
