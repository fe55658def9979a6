//! Where the log is read, and the steps between transactions, which move that within the file or to another one.
//!
//! The offset is counted in 64 bits from the events' lengths and checked against the 32 bits that the
//! header has. A gap is accepted only between transactions of a dump by GTID, which skips what we have: in a dump
//! by position something that stands between us and the server has left events out. Not here: how one file
//! follows another (`files`).

use super::{Assembler, Item, StreamKind, parts::PayloadParts};
use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, EventKind, Framing, MAGIC},
    gtid::{Gtid, GtidSet},
    payload::Payload,
    position::{FileName, Position},
    transaction::Boundary,
};

/// A place in the log, with what the log has said of it so far. Another part of the log is read from another one.
#[derive(Debug)]
pub(super) struct Place {
    pub kind: StreamKind,
    /// Who said that the events are of `file`.
    pub entered: Entered,
    pub file: FileName,
    /// Where the next event begins.
    pub offset: u64,
    /// Where the event in hand begins.
    pub event_offset: u64,
    /// Bytes of events without an offset, counted as if they stood in the file: the next one tells.
    pub unplaced_bytes: u32,
    /// The last boundary.
    pub position: Position,
    pub framing: Framing,
    pub payload: Option<Payload>,
    /// The payload's event, while its last part has not come.
    pub parts: Option<PayloadParts>,
}

/// Why the events are taken for those of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// It was asked for.
    Asked,
    /// A ROTATE said so.
    Told,
    /// It has said what it is.
    Proven,
}

impl Place {
    pub fn new(position: Position, framing: Framing, kind: StreamKind) -> Self {
        Self {
            kind,
            entered: Entered::Asked,
            file: position.file.clone(),
            offset: position.offset,
            event_offset: position.offset,
            unplaced_bytes: 0,
            position,
            framing,
            payload: None,
            parts: None,
        }
    }
}

impl Assembler {
    pub(super) fn boundary(&self, gtid: Option<Gtid>, commit_us: u64) -> Boundary {
        Boundary {
            file: self.place.file.clone(),
            offset: self.place.offset,
            gtid,
            commit_us,
            xa: None,
            log: None,
            had: None,
        }
    }

    /// The head of a file is sent again to readers that begin in its middle.
    pub(super) fn is_counted(&self, header: &EventHeader) -> bool {
        let is_head_again =
            header.kind == EventKind::FormatDescription && self.place.offset != MAGIC.len() as u64;
        header.is_in_file() && !is_head_again
    }

    pub(super) fn count_bytes(&mut self, header: &EventHeader) -> Result<(), Error> {
        self.ensure_proven(header)?;
        let expected = self.place.offset.saturating_add(u64::from(header.bytes));
        let end = self
            .end_without_unplaced(header.next_offset, expected)
            .or_else(|| header.next_offset.at_or_after(expected));
        let Some(end) = end.filter(|end| *end <= expected || self.open.is_none()) else {
            return Err(Error::malformed(
                "event offset",
                format_args!(
                    "{} in the event, {} expected (modulo 4 GiB)",
                    header.begin(),
                    self.place.offset
                ),
            ));
        };
        let begin = end.saturating_sub(u64::from(header.bytes));
        self.ensure_gapless(begin)?;
        self.place.event_offset = begin;
        self.place.offset = end;
        Ok(())
    }

    /// A file says what it is before it says anything else.
    fn ensure_proven(&self, header: &EventHeader) -> Result<(), Error> {
        let is_known = self.place.kind == StreamKind::Files
            || self.place.entered == Entered::Proven
            || header.kind == EventKind::FormatDescription;
        if is_known {
            return Ok(());
        }
        let found = format!("{} before FORMAT_DESCRIPTION", header.kind);
        Err(Error::malformed("event order", found))
    }

    /// What comes next begins, or the log ends, at `offset`.
    fn ensure_gapless(&self, offset: u64) -> Result<(), Error> {
        let from = self.place.offset;
        let gap = offset.saturating_sub(from);
        let is_allowed =
            self.place.kind != StreamKind::ByPosition || gap == 0 || self.is_start_encryption(gap);
        if is_allowed {
            return Ok(());
        }
        Err(Error::Gap { from, to: offset })
    }

    pub(super) fn moved(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.move_to(self.boundary(None, header.timestamp_us()), items)
    }

    /// The file says what was committed before it.
    pub(super) fn moved_behind(
        &mut self,
        had: GtidSet,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let had = Some(Box::new(had));
        let boundary = self.boundary(None, header.timestamp_us());
        self.move_to(Boundary { had, ..boundary }, items)
    }

    pub(super) fn move_to(
        &mut self,
        boundary: Boundary,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_closed()?;
        self.place.position = boundary.position();
        if !self.is_in_prepared() {
            items.push(Item::Moved(boundary));
        }
        Ok(())
    }

    /// `offset` is the full one, where the event has it.
    pub(super) fn heartbeat(
        &mut self,
        header: &EventHeader,
        file: &FileName,
        offset: Option<u64>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if self.open.is_some() || *file != self.place.file || self.place.entered != Entered::Proven
        {
            return Ok(());
        }
        let offset = offset.or_else(|| header.next_offset.at_or_after(self.place.offset));
        let offset = offset.unwrap_or_default();
        self.ensure_gapless(offset)?;
        self.place.offset = self.place.offset.max(offset);
        self.moved(header, items)
    }
}

/// File and offset of a HEARTBEAT_V2: numbered fields, 0 ends them.
pub(super) fn heartbeat_fields(body: &[u8]) -> Result<(FileName, u64), Error> {
    let mut cursor = Cursor::new("HEARTBEAT_V2 event", body);
    let (mut file, mut offset) = (None, None);
    loop {
        let field = cursor.lenenc()?;
        if field == 0 {
            break;
        }
        let length = cursor.lenenc()?;
        let length = cursor.length(length)?;
        let value = cursor.take(length)?;
        match field {
            1 => file = Some(FileName::from_bytes(value)?),
            2 => offset = Some(Cursor::new("HEARTBEAT_V2 event", value).lenenc()?),
            _ => {}
        }
    }
    file.zip(offset)
        .ok_or_else(|| cursor.malformed("no file or no offset"))
}
