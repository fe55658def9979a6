//! How one file follows another, and that a file is the one it is said to be.
//!
//! A ROTATE alone moves no boundary: it names a file, and only the FORMAT_DESCRIPTION behind it shows that there is
//! one. So a peer that sends nothing but names cannot have an impossible place stored. In a dump by position
//! files follow each other as those of one log do: it begins in the file that was asked for, and the next one is
//! the one that the file before it ends with, or a later one where that has no end (its server crashed).

use std::cmp::Ordering;

use super::{
    Assembler, Item, StreamKind,
    places::{Entered, Place},
};
use crate::{
    Error,
    cursor::Cursor,
    event::{EventHeader, FLAG_ARTIFICIAL, MAGIC},
    fingerprint::LogFingerprint,
    position::{FileName, Position},
    transaction::Boundary,
};

impl Assembler {
    /// The file says what it is; that it is another one than before is found here.
    pub(super) fn format_description(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let found = LogFingerprint::of(&self.place.file, header, &self.place.framing);
        let known = self.log.as_ref().filter(|log| log.file == found.file);
        let is_new = known.is_none();
        if let Some(known) = known
            && *known != found
        {
            return Err(Error::OtherLog(Box::new([known.clone(), found])));
        }
        self.place.entered = Entered::Proven;
        if self.place.framing.is_first() {
            self.broken_off = None;
        }
        if !is_new && !self.is_counted_now(header) {
            return Ok(());
        }
        let log = is_new.then(|| Box::new(found));
        let boundary = self.boundary(None, header.timestamp_us());
        self.move_to(Boundary { log, ..boundary }, items)
    }

    /// Whether the FORMAT_DESCRIPTION in hand is the one that has just moved the offset.
    fn is_counted_now(&self, header: &EventHeader) -> bool {
        header.is_in_file()
            && self.place.event_offset == MAGIC.len() as u64
            && self.place.offset > self.place.event_offset
    }

    pub(super) fn rotate(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let mut cursor = Cursor::new("ROTATE event", body);
        let offset = cursor.u64()?;
        let to = Position::new(FileName::from_bytes(cursor.rest())?, offset);
        let is_here = to.file == self.place.file && to.offset == self.place.offset;
        if is_here && header.flags & FLAG_ARTIFICIAL != 0 {
            return Ok(());
        }
        self.place.ensure_leads_to(&to)?;
        if header.flags & FLAG_ARTIFICIAL != 0 && to.file != self.place.file {
            self.break_off(items);
        }
        self.enter(to)
    }

    pub(super) fn enter(&mut self, to: Position) -> Result<(), Error> {
        if self.broken_off.is_none() {
            self.ensure_closed()?;
        }
        self.tables.clear();
        self.place.entered = Entered::Told;
        self.place.file = to.file;
        self.place.offset = to.offset;
        self.place.event_offset = to.offset;
        Ok(())
    }
}

impl Place {
    fn ensure_leads_to(&self, to: &Position) -> Result<(), Error> {
        // Files of another base name have no order.
        let is_later = to.file.partial_cmp(&self.file) != Some(Ordering::Less)
            && to.file != self.file
            && to.offset == MAGIC.len() as u64;
        let is_allowed = match (self.kind, self.entered) {
            (StreamKind::Files, _) | (StreamKind::ByGtid, Entered::Asked) => true,
            (_, Entered::Proven) => is_later,
            // A dump begins where it was asked to, and what one ROTATE names no other one changes.
            (StreamKind::ByPosition, Entered::Asked) | (_, Entered::Told) => false,
        };
        if is_allowed {
            return Ok(());
        }
        Err(Error::malformed(
            "ROTATE event",
            format_args!("it leads to {to} from {}:{}", self.file, self.offset),
        ))
    }
}
