//! From events to transactions: the state machine that knows where a transaction begins and ends.
//!
//! The [`Assembler`] takes one whole event (header, body, checksum) at a time and appends what it means
//! to a list of [`Item`]s. It keeps the table maps (they die with ROTATE), counts rows before any
//! filter, and halts with the reason at every event that it may not skip. Statements about accounts,
//! routines or maintenance give no item: their text, which may hold secrets, does not leave this crate.
//! Three layers: `push` knows offsets, checksums and errors with their place; `apply` knows which events may
//! stand where; the steps in `changes` and `places` know what each means.

mod changes;
mod files;
mod kinds;
mod mariadb;
mod parts;
mod places;
mod prepared;
mod refused;
mod rows_query;
mod stream;
mod tables;
mod undone;
mod unnamed;

use std::{borrow::Cow, sync::Arc};

use bytes::{Buf, Bytes};

use self::{
    kinds::{halt_reason, incident, is_passed_over},
    places::{Place, heartbeat_fields},
    prepared::Xa,
    refused::Refused,
    tables::Tables,
    undone::Fate,
};
pub use self::{stream::StreamKind, tables::Wanted};
use crate::{
    Error,
    columns::Known,
    event::{EventHeader, EventKind, Framing, HEADER_BYTES, MAGIC},
    fingerprint::LogFingerprint,
    gtid::{GtidEvent, GtidSet},
    payload::{Inner, Payload},
    position::{FileName, Position},
    rows::RowsBlock,
    schema::NameCase,
    transaction::{Boundary, Statement, Transaction},
    xa::{XaPolicy, XaTable},
};

#[derive(Debug, Clone)]
pub enum Item {
    Rows(RowsBlock),
    Statement(Statement),
    /// The transaction's last event has been read.
    Commit(Boundary),
    /// The position moved outside any transaction.
    Moved(Boundary),
}

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
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        self.cause.hint()
    }
}

/// What an [`Assembler`] is told at its start; by default nothing is known and nothing has a limit of its own.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kind: StreamKind,
    /// Of a file whose head is not pushed.
    pub framing: Framing,
    /// What a file said when it was read before; another one of its name is refused.
    pub log: Option<LogFingerprint>,
    /// The limit of one event inside a TRANSACTION_PAYLOAD; by default MySQL's own, 1 GiB.
    pub event_bytes_max: usize,
    /// [`Assembler::push`] stops inside a TRANSACTION_PAYLOAD after about so many decompressed bytes;
    /// [`Assembler::more`] goes on. By default it gives all items at once.
    pub slice_bytes_max: usize,
    /// Blocks carry the text of their statement, where the log has it.
    pub keeps_queries: bool,
    /// How the server compares names; those of statements are given as table maps have them.
    pub name_case: NameCase,
    /// So many rows and DDLs of the first transaction are done: they are counted and left out.
    pub rows_done: u64,
    /// The log may end inside any transaction, so no row counts before the end of its own is there.
    pub may_be_cut: bool,
    pub xa: XaPolicy,
    /// XA transactions that are prepared already.
    pub prepared: XaTable,
    /// Lists of columns that are known; those that are missing are asked for. `None`: nobody answers, so the
    /// rows of a table without column names fail.
    pub columns: Option<Arc<[Known]>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: StreamKind::default(),
            framing: Framing::default(),
            log: None,
            event_bytes_max: EVENT_BYTES_MAX,
            slice_bytes_max: usize::MAX,
            keeps_queries: false,
            name_case: NameCase::default(),
            rows_done: 0,
            may_be_cut: false,
            xa: XaPolicy::default(),
            prepared: XaTable::default(),
            columns: None,
        }
    }
}

const EVENT_BYTES_MAX: usize = 1 << 30;

/// Turns events into [`Item`]s. After an error it must not be used again: make a new one at the last
/// boundary.
#[derive(Debug)]
pub struct Assembler {
    place: Place,
    /// See [`Settings::log`].
    log: Option<LogFingerprint>,
    open: Option<Open>,
    tables: Tables,
    xa: Xa,
    refused: Option<Refused>,
    name_case: NameCase,
    /// Statements that changed rows of tables which are not wanted.
    statements_passed_over: u64,
    keeps_queries: bool,
    /// Of the statement whose rows come.
    query: Option<Arc<str>>,
    /// See [`Settings::rows_done`]; 0 behind that transaction.
    done_before: u64,
    may_be_cut: bool,
    /// Offset of a transaction that the last file does not end.
    broken_off: Option<u64>,
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
    fate: Fate,
    /// Its statement does nothing yet, or failed (MariaDB's `binlog_alter_two_phase`).
    is_without_effect: bool,
}

impl Assembler {
    /// Reads from the boundary at `offset` of `file`; an artificial ROTATE may move that.
    pub fn new(file: FileName, offset: u64) -> Self {
        Self::with_settings(Position::new(file, offset), Settings::default())
    }

    /// Reads from the boundary at `from`; an artificial ROTATE may move that.
    pub fn with_settings(from: Position, settings: Settings) -> Self {
        Self {
            place: Place::new(from, settings.framing, settings.kind),
            log: settings.log,
            open: None,
            tables: Tables::new(settings.columns.as_deref()),
            xa: Xa::new(settings.xa, settings.prepared),
            refused: None,
            name_case: settings.name_case,
            statements_passed_over: 0,
            keeps_queries: settings.keeps_queries,
            query: None,
            done_before: settings.rows_done,
            may_be_cut: settings.may_be_cut,
            broken_off: None,
            event_bytes_max: settings.event_bytes_max,
            slice_bytes_max: settings.slice_bytes_max,
        }
    }

    /// Only rows of tables for which this holds become items; all are counted. A table map of another
    /// table that cannot be parsed is no error; its rows then cannot be counted and count as none.
    pub fn set_wanted(&mut self, wanted: Wanted) {
        self.tables.set_wanted(wanted);
    }

    /// Since the last time asked: statements that changed rows of tables which are not wanted.
    pub fn take_statements_passed_over(&mut self) -> u64 {
        std::mem::take(&mut self.statements_passed_over)
    }

    /// What table maps take, and what was parsed from them.
    #[cfg(test)]
    fn map_bytes(&self) -> (usize, usize) {
        self.tables.bytes()
    }

    pub fn is_in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// The open transaction.
    pub fn transaction(&self) -> Option<&Arc<Transaction>> {
        self.open.as_ref().map(|open| &open.transaction)
    }

    /// Rows and DDLs of the open transaction so far, skipped ones too, but not those that were undone.
    pub fn rows_done(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.rows_done)
    }

    /// The last boundary.
    pub fn position(&self) -> &Position {
        &self.place.position
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.place.offset
    }

    pub fn framing(&self) -> &Framing {
        &self.place.framing
    }

    /// Goes on with another file, as a ROTATE would; for logs read from files, which may end in STOP.
    pub fn enter_file(&mut self, file: FileName) -> Result<(), AssembleError> {
        self.enter(Position::new(file, MAGIC.len() as u64))
            .map_err(|cause| self.error(EventKind::Rotate, cause))
    }

    /// Takes one whole event: header, body, checksum. Parts of another one must not be missing.
    pub fn push(&mut self, bytes: Bytes, items: &mut Vec<Item>) -> Result<(), AssembleError> {
        self.tables.leave_unanswered();
        while self.more(items)? {
            self.tables.leave_unanswered();
        }
        self.place.event_offset = self.place.offset;
        let kind = EventHeader::parse(&bytes).map_or(EventKind::Unknown(0), |header| header.kind);
        self.take(&bytes, items)
            .map_err(|cause| self.error(kind, cause))?;
        self.xa.has_left = false;
        self.more(items).map(drop)
    }

    /// Whether a TRANSACTION_PAYLOAD is not used up: [`Assembler::more`] gives the next slice.
    pub fn has_more(&self) -> bool {
        self.place
            .payload
            .as_ref()
            .is_some_and(|payload| !payload.awaits())
    }

    /// Gives the next slice of a TRANSACTION_PAYLOAD; whether anything is left of it. A slice ends at a
    /// question too.
    pub fn more(&mut self, items: &mut Vec<Item>) -> Result<bool, AssembleError> {
        let Some(mut payload) = self.place.payload.take() else {
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
                    self.place.payload = Some(payload);
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
                return Ok(self.place.payload.is_some());
            }
        }
        self.place.payload = Some(payload);
        Ok(true)
    }

    fn error(&self, kind: EventKind, cause: Error) -> AssembleError {
        let refused = self.refused.as_ref();
        let (kind, offset) = match refused.filter(|_| matches!(cause, Error::Statement(_))) {
            Some(refused) => (refused.kind, refused.event_offset),
            None => (kind, self.place.event_offset),
        };
        AssembleError {
            file: self.place.file.clone(),
            offset,
            kind,
            cause,
        }
    }

    fn take(&mut self, bytes: &Bytes, items: &mut Vec<Item>) -> Result<(), Error> {
        self.ensure_no_parts()?;
        let event = self.place.framing.event(bytes)?;
        let body = bytes.slice_ref(event.body);
        if event.header.kind == EventKind::FormatDescription {
            self.place.framing.learn(&event)?;
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
        let is_of_transaction = header.kind.is_rows()
            || header.is_ignorable()
            || matches!(
                header.kind,
                EventKind::Query
                    | EventKind::ExecuteLoadQuery
                    | EventKind::TableMap
                    | EventKind::Xid
                    | EventKind::XaPrepare
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

    fn apply(
        &mut self,
        header: &EventHeader,
        body: Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if self.refused.is_some() {
            return self.pass_refused(header, &body);
        }
        if self.broken_off.is_some()
            && header.kind != EventKind::FormatDescription
            && !header.kind.is_heartbeat()
        {
            return self.ensure_closed();
        }
        match header.kind {
            kind if kind.is_rows() => self.rows(kind, body, items),
            EventKind::TableMap => {
                let is_rolled_back = self.begun()?.fate.is_rolled_back();
                if self.xa.is_passing || is_rolled_back {
                    return Ok(());
                }
                let at = self.event_position();
                self.tables.add(&body, &self.place.framing, at)
            }
            EventKind::Query => self.query(header, &body, items),
            EventKind::MariaQueryCompressed => {
                let body = self.expanded_query(&body)?;
                self.query(header, &body, items)
            }
            EventKind::ExecuteLoadQuery => self.load(header, &body, items),
            EventKind::Xid => self.xid(header, &body, items),
            EventKind::Gtid => self.open(header, &GtidEvent::parse(&body)?),
            EventKind::GtidTagged => self.open(header, &GtidEvent::parse_tagged(&body)?),
            EventKind::AnonymousGtid => self.open(header, &GtidEvent::parse_anonymous(&body)?),
            EventKind::MariaGtid => self.open_mariadb(header, &body),
            EventKind::XaPrepare => self.xa_prepare(header, &body, items),
            EventKind::TransactionPayload => {
                self.place.payload = Some(Payload::parse(body, self.event_bytes_max)?);
                self.begin_payload();
                Ok(())
            }
            EventKind::Rotate => self.rotate(header, &body, items),
            EventKind::FormatDescription => self.format_description(header, items),
            EventKind::Stop => self.moved(header, items),
            EventKind::MariaGtidList => {
                self.moved_behind(GtidSet::parse_gtid_list(&body)?, header, items)
            }
            // A server decrypts what it sends; who reads files refuses encrypted ones.
            EventKind::MariaBinlogCheckpoint | EventKind::MariaStartEncryption => {
                self.moved(header, items)
            }
            EventKind::PreviousGtids => {
                self.moved_behind(GtidSet::parse_previous_gtids(&body)?, header, items)
            }
            EventKind::Heartbeat => {
                self.heartbeat(header, &FileName::from_bytes(&body)?, None, items)
            }
            EventKind::HeartbeatV2 => {
                let (file, offset) = heartbeat_fields(&body)?;
                self.heartbeat(header, &file, Some(offset), items)
            }
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
}

#[cfg(test)]
mod tests;
