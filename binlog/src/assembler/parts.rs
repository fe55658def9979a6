//! A TRANSACTION_PAYLOAD too large to be held, taken in parts.
//!
//! Its rows leave while it is still coming, and its checksum is known only at its end. What may not leave
//! before is the end of the transaction: the payload keeps its last inner event until all parts are here, and
//! the last part is not handed on before the checksum was compared. A source that can read the event twice
//! verifies it before it gives the first part.

use bytes::Bytes;

use super::{AssembleError, Assembler, Item};
use crate::{
    Error,
    event::{CHECKSUM_BYTES, Checksum, EventHeader, EventKind, HEADER_BYTES},
    payload::Payload,
};

const WHAT: &str = "event in parts";

/// What is still to come of the event.
#[derive(Debug)]
pub(super) struct PayloadParts {
    /// Before the trailer.
    covered_left: u64,
    trailer_left: usize,
    hasher: crc32fast::Hasher,
    trailer: Vec<u8>,
    /// The last bytes before the trailer, while that is not whole.
    unverified: Bytes,
}

impl PayloadParts {
    fn bytes_left(&self) -> u64 {
        self.covered_left + self.trailer_left as u64
    }

    /// Takes a part; gives what may be unpacked now.
    fn take(&mut self, part: &Bytes) -> Result<Bytes, Error> {
        let covered = self.covered_left.min(part.len() as u64);
        let (covered, trailer) = part
            .split_at_checked(usize::try_from(covered).unwrap_or(usize::MAX))
            .ok_or_else(|| Error::malformed(WHAT, "a part without an end"))?;
        self.covered_left -= covered.len() as u64;
        self.trailer_left = self
            .trailer_left
            .checked_sub(trailer.len())
            .ok_or_else(|| Error::malformed(WHAT, "more bytes than its header says"))?;
        self.hasher.update(covered);
        self.trailer.extend_from_slice(trailer);
        let covered = part.slice_ref(covered);
        if self.bytes_left() == 0 {
            self.verify()?;
            let before = std::mem::take(&mut self.unverified);
            return Ok(if before.is_empty() { covered } else { before });
        }
        if self.covered_left == 0 && !covered.is_empty() {
            self.unverified = covered;
            return Ok(Bytes::new());
        }
        Ok(covered)
    }

    fn verify(&self) -> Result<(), Error> {
        let Some(stored) = self.trailer.first_chunk::<CHECKSUM_BYTES>() else {
            return Ok(());
        };
        let stored = u32::from_le_bytes(*stored);
        let computed = self.hasher.clone().finalize();
        if stored == computed {
            Ok(())
        } else {
            Err(Error::Checksum { stored, computed })
        }
    }
}

impl Assembler {
    /// Bytes of the event in parts that have not come; 0 when there is none.
    pub fn parts_left(&self) -> u64 {
        self.place
            .parts
            .as_ref()
            .map_or(0, PayloadParts::bytes_left)
    }

    /// Takes a part of a TRANSACTION_PAYLOAD: the first one holds the header and all fields, but not all bytes;
    /// then the others in turn. [`Assembler::has_more`] and [`Assembler::more`] as for a whole one.
    pub fn push_part(&mut self, part: &Bytes, items: &mut Vec<Item>) -> Result<(), AssembleError> {
        self.tables.leave_unanswered();
        while self.more(items)? {
            self.tables.leave_unanswered();
        }
        let taken = match self.place.parts.take() {
            Some(parts) => self.take_part(parts, part),
            None => {
                self.place.event_offset = self.place.offset;
                self.take_first_part(part)
            }
        };
        taken.map_err(|cause| self.error(EventKind::TransactionPayload, cause))?;
        self.more(items).map(drop)
    }

    /// A whole event may not come between parts.
    pub(super) fn ensure_no_parts(&self) -> Result<(), Error> {
        match self.parts_left() {
            0 => Ok(()),
            left => Err(Error::malformed(
                WHAT,
                format_args!("another event before its last {left} bytes"),
            )),
        }
    }

    fn take_first_part(&mut self, part: &Bytes) -> Result<(), Error> {
        let header = EventHeader::parse(part)?;
        let trailer_bytes = match self.place.framing.checksum() {
            Checksum::None => 0,
            Checksum::Crc32 => CHECKSUM_BYTES,
            Checksum::Undecided => {
                let found = format!("{} before FORMAT_DESCRIPTION", header.kind);
                return Err(Error::malformed("event order", found));
            }
        };
        let covered_bytes = u64::from(header.bytes)
            .checked_sub(trailer_bytes as u64)
            .filter(|covered| *covered > HEADER_BYTES as u64);
        let (Some(covered_bytes), EventKind::TransactionPayload) = (covered_bytes, header.kind)
        else {
            let found = format!("{} of {} bytes", header.kind, header.bytes);
            return Err(Error::malformed(WHAT, found));
        };
        let mut parts = PayloadParts {
            covered_left: covered_bytes,
            trailer_left: trailer_bytes,
            hasher: crc32fast::Hasher::new(),
            trailer: Vec::new(),
            unverified: Bytes::new(),
        };
        let covered = parts.take(part)?;
        if self.is_counted(&header) {
            self.count_bytes(&header)?;
        }
        let body_bytes = covered_bytes - HEADER_BYTES as u64;
        let first = covered.slice(HEADER_BYTES.min(covered.len())..);
        self.place.payload = Some(Payload::begin(first, body_bytes, self.event_bytes_max)?);
        self.place.parts = Some(parts).filter(|parts| parts.bytes_left() > 0);
        self.begin_payload();
        Ok(())
    }

    fn take_part(&mut self, mut parts: PayloadParts, part: &Bytes) -> Result<(), Error> {
        let covered = parts.take(part)?;
        match &mut self.place.payload {
            Some(payload) => payload.push(&covered)?,
            None if parts.bytes_left() > 0 => {
                return Err(Error::malformed(WHAT, "it ends before its parts"));
            }
            None => (),
        }
        self.place.parts = Some(parts).filter(|parts| parts.bytes_left() > 0);
        Ok(())
    }
}
