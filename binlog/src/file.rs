//! The events of a binlog file, over any `BufRead`.
//!
//! Gives whole events with their offset, length and checksum verified. A file may end only between two
//! events: the log that the server is writing does so too, and a tail cut off in the middle of an event is
//! an error with its offset. Opening, seeking and following files is the program's job.

use std::io::{self, BufRead, Read};

use bytes::Bytes;

use crate::{
    Error,
    event::{EventHeader, EventKind, FLAG_IN_USE, Framing, HEADER_BYTES, MAGIC},
};

/// What went wrong, and where in the file.
#[derive(Debug, thiserror::Error)]
#[error("binlog file at offset {offset}")]
pub struct FileError {
    pub offset: u64,
    #[source]
    pub cause: FileCause,
}

#[derive(Debug, thiserror::Error)]
pub enum FileCause {
    #[error("read binlog file")]
    Io(#[source] io::Error),
    #[error(
        "not a binlog file: it begins with {0:02x?}; an encrypted one begins with fd 62 69 6e and must be read through the server"
    )]
    Magic(Vec<u8>),
    #[error("the file ends inside an event: {needed} bytes needed, {left} left")]
    Truncated { needed: u64, left: u64 },
    #[error(transparent)]
    Event(#[from] Error),
}

/// One event of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEvent {
    pub offset: u64,
    /// Header, body and checksum.
    pub bytes: Bytes,
}

/// Reads events one after the other. After an error it gives nothing more.
#[derive(Debug)]
pub struct BinlogFile<R> {
    reader: R,
    framing: Framing,
    offset: u64,
    event_bytes_max: usize,
    is_in_use: bool,
    has_failed: bool,
}

impl<R: BufRead> BinlogFile<R> {
    /// From the head of a file; reads its four magic bytes.
    pub fn open(mut reader: R, event_bytes_max: usize) -> Result<Self, FileError> {
        let mut magic = Vec::with_capacity(MAGIC.len());
        reader
            .by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .map_err(|error| FileError {
                offset: 0,
                cause: FileCause::Io(error),
            })?;
        if magic != MAGIC {
            return Err(FileError {
                offset: 0,
                cause: FileCause::Magic(magic),
            });
        }
        Ok(Self::resume(
            reader,
            Framing::default(),
            MAGIC.len() as u64,
            event_bytes_max,
        ))
    }

    /// From the boundary at `offset`, where `reader` already stands; `framing` as the file's head gave it.
    pub fn resume(reader: R, framing: Framing, offset: u64, event_bytes_max: usize) -> Self {
        Self {
            reader,
            framing,
            offset,
            event_bytes_max,
            is_in_use: false,
            has_failed: false,
        }
    }

    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the server had not closed the file when its head was written or last changed.
    pub fn is_in_use(&self) -> bool {
        self.is_in_use
    }

    /// The next event; `None` where the file ends between two events.
    pub fn next_event(&mut self) -> Result<Option<FileEvent>, FileError> {
        if self.has_failed {
            return Ok(None);
        }
        self.read().map_err(|cause| {
            self.has_failed = true;
            FileError {
                offset: self.offset,
                cause,
            }
        })
    }

    fn read(&mut self) -> Result<Option<FileEvent>, FileCause> {
        let mut bytes = Vec::new();
        self.fill(&mut bytes, HEADER_BYTES)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let truncated = |needed: usize, bytes: &[u8]| FileCause::Truncated {
            needed: needed as u64,
            left: bytes.len() as u64,
        };
        if bytes.len() < HEADER_BYTES {
            return Err(truncated(HEADER_BYTES, &bytes));
        }
        let header = EventHeader::parse(&bytes)?;
        let length = usize::try_from(header.bytes).unwrap_or(usize::MAX);
        if length < HEADER_BYTES {
            return Err(Error::malformed("event length", length).into());
        }
        if length > self.event_bytes_max {
            return Err(FileCause::Event(Error::TooLarge {
                what: "event",
                bytes: u64::from(header.bytes),
                bytes_max: self.event_bytes_max as u64,
            }));
        }
        self.fill(&mut bytes, length)?;
        if bytes.len() < length {
            return Err(truncated(length, &bytes));
        }
        let event = self.framing.event(&bytes)?;
        if event.header.kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
            self.is_in_use = event.header.flags & FLAG_IN_USE != 0;
        }
        // What follows in the file is bytes that only its server can read.
        if event.header.kind == EventKind::MariaStartEncryption {
            return Err(Error::Encrypted.into());
        }
        let offset = self.offset;
        self.offset += u64::from(header.bytes);
        Ok(Some(FileEvent {
            offset,
            bytes: Bytes::from(bytes),
        }))
    }

    /// Reads until `bytes` holds `length`, or the file ends. Grows with what is really there.
    fn fill(&mut self, bytes: &mut Vec<u8>, length: usize) -> Result<(), FileCause> {
        let missing = length.saturating_sub(bytes.len());
        bytes.reserve_exact(missing.min(1 << 20));
        self.reader
            .by_ref()
            .take(missing as u64)
            .read_to_end(bytes)
            .map_err(FileCause::Io)?;
        Ok(())
    }
}

impl<R: BufRead> Iterator for BinlogFile<R> {
    type Item = Result<FileEvent, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

#[cfg(test)]
mod tests;
