//! The state machine. Three layers: `push` knows offsets, checksums and errors with their place; `apply`
//! knows which events may stand where; the steps in `changes` and `places` know what each means.
//!
//! The offset is counted in 64 bits from the events' lengths and checked against the 32 bits that the
//! header has. A gap is accepted only between transactions, where a dump by GTID skips what we have.

mod changes;
mod kinds;
mod mariadb;
mod parts;
mod places;
mod prepared;
mod rows_query;
mod unnamed;

use std::sync::Arc;

use bytes::{Buf, Bytes};

use self::{
    kinds::{halt_reason, incident, is_passed_over, is_rows},
    parts::PayloadParts,
    places::heartbeat_fields,
    prepared::Xa,
};
use super::{Item, Transaction, Wanted, tables::Tables};
use crate::{
    Error,
    event::{EventHeader, EventKind, Framing, HEADER_BYTES, MAGIC},
    gtid::{GtidEvent, GtidSet},
    payload::{Inner, Payload},
    position::{FileName, Position},
};

/// Why the log cannot be followed beyond an event, and where that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("binlog event {kind} at {file}:{offset}")]
pub struct AssembleError {
    pub file: FileName,
    /// Where the event begins; of an inner event, where its payload event begins.
    pub offset: u64,
    pub kind: EventKind,
    #[source]
    pub cause: Error,
}

impl AssembleError {
    /// What the operator can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        self.cause.hint()
    }
}

const EVENT_BYTES_MAX: usize = 1 << 30;
/// A backward step of the 32-bit offset looks like a gap of almost 4 GiB.
const GAP_BYTES_MAX: u32 = 1 << 31;

/// Turns events into [`Item`]s. After an error it must not be used again: make a new one at the last
/// boundary.
#[derive(Debug)]
pub struct Assembler {
    file: FileName,
    /// Where the next event begins.
    offset: u64,
    /// Where the event in hand begins.
    event_offset: u64,
    framing: Framing,
    /// The last boundary.
    position: Position,
    open: Option<Open>,
    tables: Tables,
    payload: Option<Payload>,
    /// The payload's event, while its last part has not come.
    parts: Option<PayloadParts>,
    xa: Xa,
    previous_gtids: Option<GtidSet>,
    keeps_queries: bool,
    /// Of the statement whose rows come.
    query: Option<Arc<str>>,
    /// Rows of the first transaction that are not wanted again.
    skip_left: u64,
    /// Bytes of events without an offset, counted as if they stood in the file: the next one tells.
    unplaced_bytes: u32,
    event_bytes_max: usize,
    slice_bytes_max: usize,
}

/// A transaction of which not all has been read.
#[derive(Debug)]
struct Open {
    transaction: Arc<Transaction>,
    has_begun: bool,
    rows_done: u64,
    /// Index of the newest row or DDL that became an item.
    last_item: Option<u64>,
    /// Names and the rows before each.
    savepoints: Vec<(String, u64)>,
    /// Its statement does nothing yet, or failed (MariaDB's `binlog_alter_two_phase`).
    is_without_effect: bool,
}

impl Assembler {
    /// Reads from the boundary at `offset` of `file`; an artificial ROTATE may move that.
    pub fn new(file: FileName, offset: u64) -> Self {
        Self {
            position: Position::new(file.clone(), offset),
            file,
            offset,
            event_offset: offset,
            framing: Framing::default(),
            open: None,
            tables: Tables::new(),
            payload: None,
            parts: None,
            xa: Xa::default(),
            previous_gtids: None,
            keeps_queries: false,
            query: None,
            skip_left: 0,
            unplaced_bytes: 0,
            event_bytes_max: EVENT_BYTES_MAX,
            slice_bytes_max: usize::MAX,
        }
    }

    /// Only rows of tables for which this holds become items; all are counted. A table map of another
    /// table that cannot be parsed is no error; its rows then cannot be counted and count as none.
    pub fn set_wanted(&mut self, wanted: Wanted) {
        self.tables.set_wanted(wanted);
    }

    /// The framing of a file whose head is not pushed.
    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// The limit of one event inside a TRANSACTION_PAYLOAD; 1 GiB, MySQL's own, if not set.
    pub fn set_event_bytes_max(&mut self, event_bytes_max: usize) {
        self.event_bytes_max = event_bytes_max;
    }

    /// [`Assembler::push`] stops inside a TRANSACTION_PAYLOAD after about so many decompressed bytes;
    /// [`Assembler::more`] goes on. Not set: it gives all items at once.
    pub fn set_slice_bytes_max(&mut self, slice_bytes_max: usize) {
        self.slice_bytes_max = slice_bytes_max;
    }

    /// Leaves out the first `rows` rows and DDLs of the first transaction, which are done; they count.
    pub fn skip_rows(&mut self, rows: u64) {
        self.skip_left = rows;
    }

    pub fn is_in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// The open transaction.
    pub fn transaction(&self) -> Option<&Arc<Transaction>> {
        self.open.as_ref().map(|open| &open.transaction)
    }

    /// Rows and DDLs of the open transaction so far, skipped ones too.
    pub fn rows_done(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.rows_done)
    }

    /// The last boundary.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Of the file being read, once its PREVIOUS_GTIDS has passed.
    pub fn previous_gtids(&self) -> Option<&GtidSet> {
        self.previous_gtids.as_ref()
    }

    /// Goes on with another file, as a ROTATE would; for logs read from files, which may end in STOP.
    pub fn enter_file(
        &mut self,
        file: FileName,
        items: &mut Vec<Item>,
    ) -> Result<(), AssembleError> {
        self.enter(file, MAGIC.len() as u64, 0, items)
            .map_err(|cause| self.error(EventKind::Rotate, cause))
    }

    /// Takes one whole event: header, body, checksum. Parts of another one must not be missing.
    pub fn push(&mut self, bytes: Bytes, items: &mut Vec<Item>) -> Result<(), AssembleError> {
        self.tables.leave_unanswered();
        while self.more(items)? {
            self.tables.leave_unanswered();
        }
        self.event_offset = self.offset;
        let kind = EventHeader::parse(&bytes).map_or(EventKind::Unknown(0), |header| header.kind);
        self.take(&bytes, items)
            .map_err(|cause| self.error(kind, cause))?;
        self.xa.has_left = false;
        self.more(items).map(drop)
    }

    /// Whether a TRANSACTION_PAYLOAD is not used up: [`Assembler::more`] gives the next slice.
    pub fn has_more(&self) -> bool {
        self.payload
            .as_ref()
            .is_some_and(|payload| !payload.awaits())
    }

    /// Gives the next slice of a TRANSACTION_PAYLOAD; whether anything is left of it. A slice ends at a
    /// question too.
    pub fn more(&mut self, items: &mut Vec<Item>) -> Result<bool, AssembleError> {
        let Some(mut payload) = self.payload.take() else {
            return Ok(false);
        };
        let mut slice_bytes = 0;
        while slice_bytes < self.slice_bytes_max
            && self.tables.asked().is_none()
            && self.wanted().is_none()
        {
            let inner = payload
                .next_event()
                .map_err(|cause| self.error(EventKind::TransactionPayload, cause))?;
            let event = match inner {
                Inner::Event(event) => event,
                Inner::Awaits => {
                    self.payload = Some(payload);
                    return Ok(false);
                }
                Inner::End => return Ok(false),
            };
            slice_bytes += event.len();
            let kind =
                EventHeader::parse(&event).map_or(EventKind::Unknown(0), |header| header.kind);
            self.take_inner(&event, items)
                .map_err(|cause| self.error(kind, cause))?;
            if std::mem::take(&mut self.xa.has_left) {
                return Ok(self.payload.is_some());
            }
        }
        self.payload = Some(payload);
        Ok(true)
    }

    fn error(&self, kind: EventKind, cause: Error) -> AssembleError {
        AssembleError {
            file: self.file.clone(),
            offset: self.event_offset,
            kind,
            cause,
        }
    }

    fn take(&mut self, bytes: &Bytes, items: &mut Vec<Item>) -> Result<(), Error> {
        self.ensure_no_parts()?;
        let event = self.framing.event(bytes)?;
        let body = bytes.slice_ref(event.body);
        if event.header.kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
        }
        if self.is_counted(&event.header) {
            self.count_bytes(&event.header)?;
        } else if self.is_unplaced(&event.header) {
            self.count_unplaced_bytes(&event.header);
        }
        self.apply(&event.header, body, items)
    }

    fn take_inner(&mut self, bytes: &Bytes, items: &mut Vec<Item>) -> Result<(), Error> {
        let header = EventHeader::parse(bytes)?;
        let is_of_transaction = is_rows(header.kind)
            || header.is_ignorable()
            || matches!(
                header.kind,
                EventKind::Query | EventKind::TableMap | EventKind::Xid | EventKind::XaPrepare
            )
            || is_passed_over(header.kind);
        if !is_of_transaction && halt_reason(header.kind).is_none() {
            return Err(Error::malformed(
                "transaction payload",
                "an event that belongs to no transaction",
            ));
        }
        let mut body = bytes.clone();
        body.advance(HEADER_BYTES.min(body.len()));
        self.apply(&header, body, items)
    }

    /// The head of a file is sent again to readers that begin in its middle.
    fn is_counted(&self, header: &EventHeader) -> bool {
        let is_head_again =
            header.kind == EventKind::FormatDescription && self.offset != MAGIC.len() as u64;
        header.is_in_file() && !is_head_again
    }

    fn count_bytes(&mut self, header: &EventHeader) -> Result<(), Error> {
        let end = self.offset.saturating_add(u64::from(header.bytes));
        let low = u32::try_from(end & u64::from(u32::MAX)).unwrap_or_default();
        let gap = header.next_offset.wrapping_sub(low);
        if self.take_back_unplaced(low.wrapping_sub(header.next_offset)) {
            return self.count_bytes(header);
        }
        if gap > 0 && (self.open.is_some() || gap >= GAP_BYTES_MAX) {
            let begins = header.next_offset.wrapping_sub(header.bytes);
            return Err(Error::malformed(
                "event offset",
                format_args!(
                    "{begins} in the event, {} expected (modulo 4 GiB)",
                    self.offset
                ),
            ));
        }
        self.event_offset = self.offset + u64::from(gap);
        self.offset = end + u64::from(gap);
        Ok(())
    }

    fn apply(
        &mut self,
        header: &EventHeader,
        body: Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        match header.kind {
            kind if is_rows(kind) => self.rows(kind, body, items),
            EventKind::TableMap => {
                self.begun()?;
                if self.xa.is_passing {
                    return Ok(());
                }
                let at = self.event_position();
                self.tables.add(&body, &self.framing, at)
            }
            EventKind::Query => self.query(header, &body, items),
            EventKind::MariaQueryCompressed => {
                let body = self.expanded_query(&body)?;
                self.query(header, &body, items)
            }
            EventKind::Xid => self.xid(header, &body, items),
            EventKind::Gtid => self.open(header, &GtidEvent::parse(&body)?),
            EventKind::GtidTagged => self.open(header, &GtidEvent::parse_tagged(&body)?),
            EventKind::AnonymousGtid => self.open(header, &GtidEvent::parse_anonymous(&body)?),
            EventKind::MariaGtid => self.open_mariadb(header, &body),
            EventKind::XaPrepare => self.xa_prepare(header, &body, items),
            EventKind::TransactionPayload => {
                self.payload = Some(Payload::parse(body, self.event_bytes_max)?);
                Ok(())
            }
            EventKind::Rotate => self.rotate(header, &body, items),
            EventKind::FormatDescription if !self.is_counted_now(header) => Ok(()),
            EventKind::FormatDescription | EventKind::Stop => self.moved(header, items),
            EventKind::MariaGtidList => {
                self.previous_gtids = Some(GtidSet::parse_gtid_list(&body)?);
                self.moved(header, items)
            }
            // A server decrypts what it sends; who reads files refuses encrypted ones.
            EventKind::MariaBinlogCheckpoint | EventKind::MariaStartEncryption => {
                self.moved(header, items)
            }
            EventKind::PreviousGtids => {
                self.previous_gtids = Some(GtidSet::parse_previous_gtids(&body)?);
                self.moved(header, items)
            }
            EventKind::Heartbeat => {
                let low = u64::from(header.next_offset);
                self.heartbeat(header, &FileName::from_bytes(&body)?, low, items)
            }
            EventKind::HeartbeatV2 => {
                let (file, offset) = heartbeat_fields(&body)?;
                self.heartbeat(header, &file, offset, items)
            }
            // The QUERY behind it decides: with row format only DDL can follow.
            EventKind::UserVar if !self.open.as_ref().is_some_and(|open| open.has_begun) => Ok(()),
            kind @ (EventKind::RowsQuery | EventKind::MariaAnnotateRows) => {
                if self.keeps_queries {
                    self.rows_query(kind, &body);
                }
                Ok(())
            }
            EventKind::Incident => Err(Error::Incident(incident(&body)?)),
            kind if is_passed_over(kind) => Ok(()),
            kind => match halt_reason(kind) {
                Some(reason) => Err(reason),
                None if header.is_ignorable() => Ok(()),
                None => Err(Error::UnknownEvent(kind.code())),
            },
        }
    }

    /// Whether the FORMAT_DESCRIPTION in hand is the one that has just moved the offset.
    fn is_counted_now(&self, header: &EventHeader) -> bool {
        header.is_in_file()
            && self.event_offset == MAGIC.len() as u64
            && self.offset > self.event_offset
    }
}
