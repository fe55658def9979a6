//! TRANSACTION_PAYLOAD: the events of a compressed transaction, decompressed in a window.
//!
//! A payload of a few megabytes can unfold to gigabytes, so the reader holds the compressed bytes that have
//! come, the decompressor's window and one inner event, never the whole. The compressed bytes may come in
//! parts; then the last inner event waits for all of them, because only then is the checksum known. A payload
//! that ends early, late or is damaged is an error; nothing of it can vanish. Inner events carry no checksum.
//! Source: libs/mysql/binlog/event/codecs/binary.cpp.

mod feed;

use std::{fmt, io::Read};

use bytes::Bytes;
use zstd::stream::read::Decoder;

use self::feed::Feed;
use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, HEADER_BYTES},
};

/// Windows above 2^27 bytes are refused; MySQL's highest level asks for no more.
const WINDOW_LOG_MAX: u32 = 27;
/// Made for an inner event at first; from then on as much again as it has.
const ROOM_BYTES: usize = 1 << 20;

/// Gives the inner events one by one.
pub struct Payload {
    source: Source,
    /// Uncompressed.
    bytes_announced: Option<u64>,
    bytes_read: u64,
    event_bytes_max: usize,
    /// The inner event in hand, as far as it is unpacked.
    event: Vec<u8>,
    awaits: bool,
}

enum Source {
    Plain(Feed),
    Zstd(Box<Decoder<'static, Feed>>),
}

impl Source {
    fn feed(&mut self) -> &mut Feed {
        match self {
            Self::Plain(feed) => feed,
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::Plain(feed) => feed,
            Self::Zstd(decoder) => decoder,
        }
    }
}

/// What a payload gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inner {
    /// Header and body.
    Event(Bytes),
    /// Nothing more before [`Payload::push`].
    Awaits,
    /// The last event has been given.
    End,
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Payload")
            .field("bytes_announced", &self.bytes_announced)
            .field("bytes_read", &self.bytes_read)
            .finish_non_exhaustive()
    }
}

const WHAT: &str = "transaction payload";

#[derive(Default)]
struct Fields {
    bytes: Option<u64>,
    compression: Option<u64>,
    uncompressed_bytes: Option<u64>,
}

impl Fields {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let mut fields = Self::default();
        loop {
            let field = cursor.lenenc()?;
            if field == 0 {
                return Ok(fields);
            }
            let length = cursor.lenenc()?;
            let length = cursor.length(length)?;
            let mut value = Cursor::new(WHAT, cursor.take(length)?);
            match field {
                1 => fields.bytes = Some(value.lenenc()?),
                2 => fields.compression = Some(value.lenenc()?),
                3 => fields.uncompressed_bytes = Some(value.lenenc()?),
                _ => {}
            }
        }
    }
}

impl Payload {
    /// All of the event's body; inner events above `event_bytes_max` are refused before they are allocated.
    pub fn parse(body: Bytes, event_bytes_max: usize) -> Result<Self, Error> {
        let body_bytes = body.len() as u64;
        Self::begin(body, body_bytes, event_bytes_max)
    }

    /// The first part of a body of `body_bytes`; [`Payload::push`] takes the rest.
    pub fn begin(first: Bytes, body_bytes: u64, event_bytes_max: usize) -> Result<Self, Error> {
        let mut cursor = Cursor::new(WHAT, &first);
        let fields = Fields::parse(&mut cursor)?;
        let missing = |what| Error::malformed(WHAT, format_args!("no {what}"));
        let bytes = fields.bytes.ok_or_else(|| missing("size"))?;
        let awaited = body_bytes.saturating_sub(first.len() as u64);
        let found = awaited.saturating_add(cursor.left() as u64);
        if bytes != found {
            return Err(cursor.malformed(format_args!("size {bytes}, {found} bytes are here")));
        }
        let feed = Feed::new(first.slice_ref(cursor.rest()), awaited);
        let compression = fields.compression;
        let (source, bytes_announced) =
            match compression.ok_or_else(|| missing("compression type"))? {
                0 => {
                    let decoder = decoder(feed).map_err(|error| Error::malformed(WHAT, error))?;
                    (Source::Zstd(Box::new(decoder)), fields.uncompressed_bytes)
                }
                255 => (
                    Source::Plain(feed),
                    Some(fields.uncompressed_bytes.unwrap_or(bytes)),
                ),
                other => {
                    return Err(Error::Unsupported(format!(
                        "{WHAT}, compression type {other}"
                    )));
                }
            };
        Ok(Self {
            source,
            bytes_announced,
            bytes_read: 0,
            event_bytes_max,
            event: Vec::new(),
            awaits: false,
        })
    }

    /// The next part of the body.
    pub fn push(&mut self, part: &Bytes) -> Result<(), Error> {
        self.awaits = false;
        self.source.feed().push(part)
    }

    /// Whether [`Payload::next_event`] has nothing more before the next part.
    pub fn awaits(&self) -> bool {
        self.awaits
    }

    pub fn next_event(&mut self) -> Result<Inner, Error> {
        let inner = self.step()?;
        self.awaits = inner == Inner::Awaits;
        Ok(inner)
    }

    fn step(&mut self) -> Result<Inner, Error> {
        match self.unpack(HEADER_BYTES)? {
            Unpacked::All => (),
            Unpacked::Awaits => return Ok(Inner::Awaits),
            Unpacked::Short if self.event.is_empty() => {
                return self.finish().map(|()| Inner::End);
            }
            Unpacked::Short => return Err(self.short(HEADER_BYTES)),
        }
        let header = EventHeader::parse(&self.event)?;
        let bytes = self.ensure_size(&header)?;
        match self.unpack(bytes)? {
            Unpacked::All => (),
            Unpacked::Awaits => return Ok(Inner::Awaits),
            Unpacked::Short => return Err(self.short(bytes)),
        }
        let read = self.bytes_read.saturating_add(u64::from(header.bytes));
        if self.bytes_announced == Some(read) && self.source.feed().awaited() > 0 {
            return Ok(Inner::Awaits);
        }
        self.bytes_read = read;
        Ok(Inner::Event(Bytes::from(std::mem::take(&mut self.event))))
    }

    /// Before anything is allocated for the event.
    fn ensure_size(&self, header: &EventHeader) -> Result<usize, Error> {
        let bytes = usize::try_from(header.bytes).unwrap_or(usize::MAX);
        if bytes < HEADER_BYTES {
            return Err(Error::malformed(
                WHAT,
                format_args!("inner event of {bytes} bytes"),
            ));
        }
        if bytes > self.event_bytes_max {
            return Err(Error::TooLarge {
                what: "event in a transaction payload",
                bytes: u64::from(header.bytes),
                bytes_max: self.event_bytes_max as u64,
            });
        }
        let left = self
            .bytes_announced
            .map_or(u64::MAX, |all| all.saturating_sub(self.bytes_read));
        if bytes as u64 > left {
            return Err(Error::malformed(
                WHAT,
                "more events than the announced size holds",
            ));
        }
        Ok(bytes)
    }

    /// Unpacks until the event in hand has `bytes` bytes. Room is made as they come: a length may lie.
    fn unpack(&mut self, bytes: usize) -> Result<Unpacked, Error> {
        while self.event.len() < bytes {
            let missing = bytes - self.event.len();
            let room = missing.min(self.event.len().max(ROOM_BYTES));
            self.event.reserve_exact(room);
            // What was read before an error stays in the event.
            let mut reader = self.source.reader().take(room as u64);
            match reader.read_to_end(&mut self.event) {
                Ok(read) if read < room => return Ok(Unpacked::Short),
                Ok(_) => (),
                Err(error) if feed::is_awaiting(&error) => return Ok(Unpacked::Awaits),
                Err(error) => return Err(Error::malformed(WHAT, error)),
            }
        }
        Ok(Unpacked::All)
    }

    fn short(&self, needed: usize) -> Error {
        Error::Short {
            what: WHAT,
            needed,
            left: self.event.len(),
        }
    }

    fn finish(&self) -> Result<(), Error> {
        match self.bytes_announced {
            Some(announced) if announced != self.bytes_read => Err(Error::malformed(
                WHAT,
                format_args!("{announced} bytes announced, {} found", self.bytes_read),
            )),
            _ => Ok(()),
        }
    }
}

enum Unpacked {
    All,
    /// The rest is in compressed bytes that have not come.
    Awaits,
    Short,
}

fn decoder(compressed: Feed) -> std::io::Result<Decoder<'static, Feed>> {
    let mut decoder = Decoder::with_buffer(compressed)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests;
