//! A transaction read to its end for what becomes of its rows, on a stream of its own.
//!
//! Such a reading costs its bytes twice, and a connection; a chunk and one event of it are in memory at a time,
//! beside the budget, while nothing else is read. What makes no sense is read once more: the network may have
//! damaged it. What an outcome is stands in [`headwater_binlog::outcome`].

use bytes::{Bytes, BytesMut};
use headwater_binlog::{
    Error,
    assembler::AssembleError,
    event::EventHeader,
    outcome::{Ahead, Outcome},
    position::Position,
};

use super::{CHUNK_BYTES, intake};
use crate::{
    failure::Failure,
    ports::source::{Read, Source},
};

/// How the transaction ends that begins at `begin`.
///
/// # Errors
/// What the source says; definite when a second reading makes no sense either.
pub async fn outcome(
    source: &dyn Source,
    begin: &Position,
    event_bytes_max: usize,
) -> Result<Outcome, Failure> {
    let mut read = read(source, begin, event_bytes_max).await?;
    if read.is_err() {
        read = self::read(source, begin, event_bytes_max).await?;
    }
    read.map_err(|error| Failure::from(&*error).within("read a transaction ahead to its end"))
}

type Told<T> = Result<T, Box<AssembleError>>;

/// The inner error is that of the bytes.
async fn read(
    source: &dyn Source,
    begin: &Position,
    event_bytes_max: usize,
) -> Result<Told<Outcome>, Failure> {
    let mut stream = source.open_beside(begin.clone()).await?;
    let mut ahead = Ahead::new(event_bytes_max);
    let mut chunk = BytesMut::new();
    loop {
        let events = match stream.read(&mut chunk, CHUNK_BYTES).await? {
            Read::Events | Read::Part => chunk.split().freeze(),
            Read::Ended => return Ok(Ok(ahead.end())),
        };
        match take(&mut ahead, events, begin) {
            Ok(None) => (),
            Ok(Some(outcome)) => return Ok(Ok(outcome)),
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn take(ahead: &mut Ahead, mut events: Bytes, begin: &Position) -> Told<Option<Outcome>> {
    while !events.is_empty() {
        let bytes = intake::event_bytes(&events).unwrap_or_default();
        let bytes = bytes.max(intake::SIZE_OFFSET).min(events.len());
        let event = events.split_to(bytes);
        match ahead.push(&event) {
            Ok(None) => (),
            Ok(Some(outcome)) => return Ok(Some(outcome)),
            Err(cause) => return Err(Box::new(wrong(&event, begin, cause))),
        }
    }
    Ok(None)
}

/// Where the event is, as far as it says so itself.
fn wrong(event: &[u8], begin: &Position, cause: Error) -> AssembleError {
    use headwater_binlog::event::EventKind;
    let header = EventHeader::parse(event);
    AssembleError {
        file: begin.file.clone(),
        offset: begin.offset,
        kind: header.map_or(EventKind::Unknown(0), |header| header.kind),
        cause,
    }
}
