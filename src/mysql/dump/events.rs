//! Events out of the packets of a dump: each as it stands in the log, appended to the caller's chunk.
//!
//! An event begins behind a status byte and may go on over several packets. One that the buffer can hold is
//! taken from there when all of it has come; a larger one is read to its end where it belongs. A
//! TRANSACTION_PAYLOAD above [`Limits::payload_bytes_held`] is given in parts, so that a transaction that
//! was compressed is never whole in memory: each call gives one part until its length is reached.

use bytes::BytesMut;
use headwater_binlog::{
    event::{Checksum, EventHeader, EventKind, Framing, HEADER_BYTES},
    position::FileName,
};

use crate::mysql::{
    error::{Error, server_error},
    packets::{BUFFER_BYTES, HEAD_BYTES, PACKET_BYTES_MAX, Packets},
};

/// Of a large TRANSACTION_PAYLOAD, at a time.
const PART_BYTES: usize = 256 * 1024;
/// Of a packet that says why there are no more events.
const LAST_WORDS_BYTES_MAX: usize = 4096;
/// Before the event in the first of its packets.
const STATUS_BYTES: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A larger event is refused, before memory is taken for it.
    pub event_bytes_max: usize,
    /// A larger TRANSACTION_PAYLOAD comes in parts and has no other limit.
    pub payload_bytes_held: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A whole one.
    Event,
    /// A part of a large TRANSACTION_PAYLOAD; the first one begins with its header.
    Part,
    /// The server has no more.
    End,
}

/// What is to be had without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    Event,
    End,
    /// Not all of the next event is here, or it is a large one.
    Later,
}

pub struct Events {
    packets: Packets,
    limits: Limits,
    place: Place,
    /// The large event in hand.
    rest: Option<Rest>,
}

/// Which file the events are of, and how they are framed; as far as the log has said so.
#[derive(Debug, Default)]
pub struct Place {
    framing: Framing,
    file: Option<FileName>,
}

impl Place {
    pub fn file(&self) -> Option<&FileName> {
        self.file.as_ref()
    }

    pub fn checksum(&self) -> Checksum {
        self.framing.checksum()
    }

    /// What is wrong with these events is said by whoever reads them for what they mean.
    fn note(&mut self, bytes: &[u8]) {
        let framing = self.framing.clone();
        let Ok(event) = framing.event(bytes) else {
            return;
        };
        match event.header.kind {
            EventKind::FormatDescription if self.framing.learn(&event).is_err() => {
                self.framing = Framing::default();
            }
            EventKind::Rotate => {
                // Eight bytes of offset, then the name.
                let name = event.body.get(8..).unwrap_or_default();
                self.file = FileName::parse(&String::from_utf8_lossy(name)).ok();
            }
            _ => (),
        }
    }
}

/// What is still to come of an event that is read in several steps.
#[derive(Debug, Clone, Copy)]
struct Rest {
    event_bytes: usize,
    event_left: usize,
    packet_left: usize,
    /// The packet in hand goes on in another one.
    goes_on: bool,
}

enum Buffered {
    Event,
    End,
    Large,
    NotYet,
}

impl Events {
    pub fn of(packets: Packets, limits: Limits) -> Self {
        Self {
            packets,
            limits,
            place: Place::default(),
            rest: None,
        }
    }

    /// Waits for the next event, or the next part of the one in hand, and appends it. After an error, or
    /// when the future was dropped, the connection must not be used again.
    pub async fn next(&mut self, chunk: &mut BytesMut) -> Result<Taken, Error> {
        if self.rest.is_some() {
            return self.part(chunk).await;
        }
        loop {
            match self.take_buffered(chunk)? {
                Buffered::Event => return Ok(Taken::Event),
                Buffered::End => return Ok(Taken::End),
                Buffered::Large => return self.take_large(chunk).await,
                Buffered::NotYet => self.packets.fill().await?,
            }
        }
    }

    /// Appends the next event if it has come already.
    pub fn ready(&mut self, chunk: &mut BytesMut) -> Result<Ready, Error> {
        if self.rest.is_some() {
            return Ok(Ready::Later);
        }
        loop {
            match self.take_buffered(chunk)? {
                Buffered::Event => return Ok(Ready::Event),
                Buffered::End => return Ok(Ready::End),
                Buffered::Large => return Ok(Ready::Later),
                Buffered::NotYet => match self.packets.fill_at_once() {
                    Some(outcome) => outcome?,
                    None => return Ok(Ready::Later),
                },
            }
        }
    }

    fn take_buffered(&mut self, chunk: &mut BytesMut) -> Result<Buffered, Error> {
        let Some((length, sequence)) = self.packets.peek_head() else {
            return Ok(Buffered::NotYet);
        };
        if length > BUFFER_BYTES - HEAD_BYTES {
            return Ok(Buffered::Large);
        }
        let buffered = self.packets.buffered().get(HEAD_BYTES..);
        let buffered = buffered.unwrap_or_default();
        let Some(packet) = buffered.get(..length) else {
            ensure_plausible(buffered, length)?;
            return Ok(Buffered::NotYet);
        };
        let taken = match packet {
            [0, event @ ..] => {
                let kind = ensure_length(event, self.limits.event_bytes_max)?;
                if matches!(kind, EventKind::Rotate | EventKind::FormatDescription) {
                    self.place.note(event);
                }
                chunk.extend_from_slice(event);
                Buffered::Event
            }
            [0xff, ..] => return Err(server_error(packet)),
            [0xfe, rest @ ..] if rest.len() < 8 => Buffered::End,
            _ => return Err(Error::Unexpected("packet in the dump")),
        };
        self.packets.check(sequence)?;
        self.packets.consume(HEAD_BYTES + length);
        Ok(taken)
    }

    async fn take_large(&mut self, chunk: &mut BytesMut) -> Result<Taken, Error> {
        let length = self.packets.head().await?;
        while self.packets.buffered().len() < STATUS_BYTES + HEADER_BYTES {
            self.packets.fill().await?;
        }
        let [0, header @ ..] = self.packets.buffered() else {
            return Err(Error::Unexpected("packet in the dump"));
        };
        let header = EventHeader::parse(header).map_err(|_| Error::Unexpected("event header"))?;
        let bytes = header.bytes as usize;
        let packet_left = length.saturating_sub(STATUS_BYTES);
        let goes_on = length == PACKET_BYTES_MAX;
        if bytes < packet_left || (bytes > packet_left && !goes_on) {
            return Err(Error::Torn {
                claimed: bytes,
                found: packet_left,
            });
        }
        let is_in_parts =
            header.kind == EventKind::TransactionPayload && bytes > self.limits.payload_bytes_held;
        if !is_in_parts && bytes > self.limits.event_bytes_max {
            return Err(Error::EventTooLarge {
                bytes,
                bytes_max: self.limits.event_bytes_max,
            });
        }
        self.packets.consume(STATUS_BYTES);
        let mut rest = Rest {
            event_bytes: bytes,
            event_left: bytes,
            packet_left,
            goes_on,
        };
        if is_in_parts {
            self.rest = Some(rest);
            return self.part(chunk).await;
        }
        chunk.reserve(bytes);
        self.take_bytes(&mut rest, chunk, bytes).await?;
        Ok(Taken::Event)
    }

    async fn part(&mut self, chunk: &mut BytesMut) -> Result<Taken, Error> {
        let Some(mut rest) = self.rest.take() else {
            return Err(Error::Unexpected("event in parts"));
        };
        let bytes = PART_BYTES.min(rest.event_left);
        chunk.reserve(bytes);
        self.take_bytes(&mut rest, chunk, bytes).await?;
        self.rest = Some(rest).filter(|rest| rest.event_left > 0);
        Ok(Taken::Part)
    }

    /// Whether the event in hand has parts to come.
    pub fn has_parts(&self) -> bool {
        self.rest.is_some()
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    async fn take_bytes(
        &mut self,
        rest: &mut Rest,
        chunk: &mut BytesMut,
        bytes: usize,
    ) -> Result<(), Error> {
        let mut wanted = bytes;
        while wanted > 0 {
            self.enter_packet(rest).await?;
            let here = wanted.min(rest.packet_left);
            let taken = self.packets.take_some(chunk, here).await?;
            wanted -= taken;
            rest.event_left -= taken;
            rest.packet_left -= taken;
        }
        if rest.event_left > 0 {
            return Ok(());
        }
        // A full packet is followed by another one, be it an empty one.
        self.enter_packet(rest).await?;
        match rest.packet_left {
            0 => Ok(()),
            more => Err(rest.torn(more)),
        }
    }

    /// Goes on to the packet that holds the next byte, if the one in hand is used up and not the last.
    async fn enter_packet(&mut self, rest: &mut Rest) -> Result<(), Error> {
        while rest.packet_left == 0 && rest.goes_on {
            let length = self.packets.head().await?;
            rest.packet_left = length;
            rest.goes_on = length == PACKET_BYTES_MAX;
        }
        if rest.packet_left == 0 && rest.event_left > 0 {
            return Err(rest.torn(0));
        }
        Ok(())
    }
}

impl Rest {
    fn torn(&self, beyond: usize) -> Error {
        Error::Torn {
            claimed: self.event_bytes,
            found: self.event_bytes - self.event_left + beyond,
        }
    }
}

/// A damaged length would have us wait for bytes that do not come, while heartbeats do: what has come of the
/// packet must agree with it.
fn ensure_plausible(begin: &[u8], length: usize) -> Result<(), Error> {
    let event = match begin {
        [0, event @ ..] => event,
        [] => return Ok(()),
        [0xfe | 0xff, ..] if length <= LAST_WORDS_BYTES_MAX => return Ok(()),
        _ => return Err(Error::Unexpected("packet in the dump")),
    };
    let Ok(header) = EventHeader::parse(event) else {
        return Ok(());
    };
    let (claimed, found) = (header.bytes as usize, length.saturating_sub(STATUS_BYTES));
    if claimed != found {
        return Err(Error::Torn { claimed, found });
    }
    Ok(())
}

/// The header's length must be the packet's: events are told apart by it further on.
fn ensure_length(event: &[u8], event_bytes_max: usize) -> Result<EventKind, Error> {
    let header = EventHeader::parse(event).map_err(|_| Error::Unexpected("event header"))?;
    if header.bytes as usize != event.len() {
        return Err(Error::Torn {
            claimed: header.bytes as usize,
            found: event.len(),
        });
    }
    if event.len() > event_bytes_max {
        return Err(Error::EventTooLarge {
            bytes: event.len(),
            bytes_max: event_bytes_max,
        });
    }
    Ok(header.kind)
}

#[cfg(test)]
mod tests;
