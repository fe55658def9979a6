//! The state machine. Three layers: `push` knows offsets, checksums and errors with their place; `apply`
//! knows which events may stand where; the steps below it know transactions and rows.
//!
//! The offset is counted in 64 bits from the events' lengths and checked against the 32 bits that the
//! header has. A gap is accepted only between transactions, where a dump by GTID skips what we have.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::{Boundary, Item, Statement, Transaction, Wanted, tables::Tables};
use crate::{
    Error,
    cursor::Cursor,
    ddl::{StatementClass, Tokens, classify},
    event::{EventHeader, EventKind, FLAG_ARTIFICIAL, Framing, MAGIC},
    gtid::{GtidEvent, GtidSet},
    payload::Payload,
    position::{FileName, Position},
    query::{Control, Query},
    rows::{self, RowsBlock},
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

/// On rows events: the statement ends, and with it the use of its table maps.
const FLAG_STATEMENT_END: u16 = 1;
/// Of a rows event without rows, written only for its flag.
const DUMMY_TABLE_ID: u64 = 0x00ff_ffff;
const EVENT_BYTES_MAX: usize = 1 << 30;
/// A backward step of the 32-bit offset looks like a gap of almost 4 GiB.
const GAP_BYTES_MAX: u32 = 1 << 31;
const SAVEPOINTS_MAX: usize = 1000;

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
    previous_gtids: Option<GtidSet>,
    /// Rows of the first transaction that are not wanted again.
    skip_left: u64,
    event_bytes_max: usize,
    slice_bytes_max: usize,
}

/// A transaction of which not all has been read.
#[derive(Debug)]
struct Open {
    transaction: Arc<Transaction>,
    has_begun: bool,
    rows_done: u64,
    /// Names and the rows before each.
    savepoints: Vec<(String, u64)>,
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
            previous_gtids: None,
            skip_left: 0,
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

    /// Takes one whole event: header, body, checksum.
    pub fn push(&mut self, bytes: Bytes, items: &mut Vec<Item>) -> Result<(), AssembleError> {
        while self.more(items)? {}
        self.event_offset = self.offset;
        let kind = EventHeader::parse(&bytes).map_or(EventKind::Unknown(0), |header| header.kind);
        self.take(&bytes, items)
            .map_err(|cause| self.error(kind, cause))?;
        self.more(items).map(drop)
    }

    /// Gives the next slice of a TRANSACTION_PAYLOAD; whether anything is left of it.
    pub fn more(&mut self, items: &mut Vec<Item>) -> Result<bool, AssembleError> {
        let Some(mut payload) = self.payload.take() else {
            return Ok(false);
        };
        let mut slice_bytes = 0;
        while slice_bytes < self.slice_bytes_max {
            let event = payload
                .next_event()
                .map_err(|cause| self.error(EventKind::TransactionPayload, cause))?;
            let Some(event) = event else { return Ok(false) };
            slice_bytes += event.len();
            let kind =
                EventHeader::parse(&event).map_or(EventKind::Unknown(0), |header| header.kind);
            self.take_inner(&event, items)
                .map_err(|cause| self.error(kind, cause))?;
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
        let event = self.framing.event(bytes)?;
        let body = bytes.slice_ref(event.body);
        if event.header.kind == EventKind::FormatDescription {
            self.framing.learn(&event)?;
        }
        if self.is_counted(&event.header) {
            self.count_bytes(&event.header)?;
        }
        self.apply(&event.header, body, items)
    }

    fn take_inner(&mut self, bytes: &Bytes, items: &mut Vec<Item>) -> Result<(), Error> {
        let header = EventHeader::parse(bytes)?;
        let is_of_transaction = is_rows(header.kind)
            || header.is_ignorable()
            || matches!(
                header.kind,
                EventKind::Query | EventKind::TableMap | EventKind::Xid
            )
            || is_passed_over(header.kind);
        if !is_of_transaction && halt_reason(header.kind).is_none() {
            return Err(Error::malformed(
                "transaction payload",
                "an event that belongs to no transaction",
            ));
        }
        let mut body = bytes.clone();
        body.advance(crate::event::HEADER_BYTES.min(body.len()));
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
                self.tables
                    .add(&body, self.framing.table_id_bytes(EventKind::TableMap))
            }
            EventKind::Query => self.query(header, &body, items),
            EventKind::Xid => self.commit(header, items),
            EventKind::Gtid => self.open(header, &GtidEvent::parse(&body)?),
            EventKind::GtidTagged => self.open(header, &GtidEvent::parse_tagged(&body)?),
            EventKind::AnonymousGtid => self.open(header, &GtidEvent::parse_anonymous(&body)?),
            EventKind::TransactionPayload => {
                self.payload = Some(Payload::parse(body, self.event_bytes_max)?);
                Ok(())
            }
            EventKind::Rotate => self.rotate(header, &body, items),
            EventKind::FormatDescription if !self.is_counted_now(header) => Ok(()),
            EventKind::FormatDescription | EventKind::Stop => self.moved(header, items),
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

    fn open(&mut self, header: &EventHeader, event: &GtidEvent) -> Result<(), Error> {
        self.ensure_closed()?;
        self.open = Some(Open {
            transaction: Arc::new(Transaction {
                gtid: event.gtid.clone(),
                file: self.file.clone(),
                offset: self.event_offset,
                server_id: header.server_id,
                commit_us: event.commit_us().unwrap_or_else(|| header.timestamp_us()),
            }),
            has_begun: false,
            rows_done: 0,
            savepoints: Vec::new(),
        });
        Ok(())
    }

    fn ensure_closed(&self) -> Result<(), Error> {
        match &self.open {
            Some(open) => Err(Error::UnfinishedTransaction {
                began: open.transaction.offset,
            }),
            None => Ok(()),
        }
    }

    /// The open transaction; servers before 5.7 have no event in front of its first statement.
    fn opened(&mut self, header: &EventHeader) -> &mut Open {
        let transaction = || Transaction {
            gtid: None,
            file: self.file.clone(),
            offset: self.event_offset,
            server_id: header.server_id,
            commit_us: header.timestamp_us(),
        };
        self.open.get_or_insert_with(|| Open {
            transaction: Arc::new(transaction()),
            has_begun: false,
            rows_done: 0,
            savepoints: Vec::new(),
        })
    }

    fn begun(&mut self) -> Result<&mut Open, Error> {
        self.open
            .as_mut()
            .filter(|open| open.has_begun)
            .ok_or_else(|| Error::malformed("event order", "rows outside a transaction"))
    }

    fn query(
        &mut self,
        header: &EventHeader,
        body: &Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let query = Query::parse(body, self.framing.post_header_bytes(EventKind::Query))?;
        match query.control() {
            Some(Control::Begin) => {
                let open = self.opened(header);
                if open.has_begun {
                    return Err(Error::UnfinishedTransaction {
                        began: open.transaction.offset,
                    });
                }
                open.has_begun = true;
                Ok(())
            }
            // What is logged before a ROLLBACK stays: rows of tables that cannot roll back. An XA
            // transaction rolled back was prepared before our start, or we would have halted there.
            Some(Control::Commit | Control::Rollback | Control::XaRollback) => {
                self.opened(header);
                self.commit(header, items)
            }
            Some(Control::Savepoint) => {
                let name = savepoint_name(&query);
                let open = self.opened(header);
                open.savepoints.retain(|(other, _)| *other != name);
                if open.savepoints.len() < SAVEPOINTS_MAX {
                    open.savepoints.push((name, open.rows_done));
                }
                Ok(())
            }
            Some(Control::RollbackTo) => {
                let name = savepoint_name(&query);
                let open = self.opened(header);
                let rows = open
                    .savepoints
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map_or(0, |(_, rows)| *rows);
                if open.rows_done > rows {
                    return Err(Error::Refused(
                        "rows were logged and then rolled back to a savepoint".into(),
                    ));
                }
                Ok(())
            }
            Some(Control::ReleaseSavepoint) => Ok(()),
            Some(Control::XaStart) => Err(Error::Xa("XA START")),
            Some(Control::XaEnd) => Err(Error::Xa("XA END")),
            Some(Control::XaPrepare) => Err(Error::Xa("XA PREPARE")),
            Some(Control::XaCommit) => Err(Error::Xa("XA COMMIT")),
            None => self.statement(header, &query, items),
        }
    }

    fn statement(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let lossy = query.text_lossy();
        let class = classify(&lossy, query.default_database, query.sql_mode);
        let event_offset = self.event_offset;
        let skip_left = self.skip_left;
        let open = self.opened(header);
        match class {
            StatementClass::Dml { verb } => return Err(Error::StatementFormat(verb)),
            StatementClass::Unpublished => {}
            class => {
                let row = open.rows_done;
                open.rows_done += 1;
                if skip_left == 0 {
                    items.push(Item::Statement(Statement {
                        transaction: open.transaction.clone(),
                        event_offset,
                        row,
                        text: query.text()?.into(),
                        default_database: query.default_database.to_owned(),
                        sql_mode: query.sql_mode,
                        charset: query.charset()?.to_owned(),
                        class,
                    }));
                }
                self.skip_left = skip_left.saturating_sub(1);
            }
        }
        // CREATE TABLE ... SELECT stands between BEGIN and its rows; every other DDL commits itself.
        if self.open.as_ref().is_some_and(|open| open.has_begun) {
            Ok(())
        } else {
            self.commit(header, items)
        }
    }

    fn rows(&mut self, kind: EventKind, body: Bytes, items: &mut Vec<Item>) -> Result<(), Error> {
        let table_id_bytes = self.framing.table_id_bytes(kind);
        let mut cursor = Cursor::new("rows event", &body);
        let table_id = cursor.uint(table_id_bytes)?;
        let ends_statement = cursor.u16()? & FLAG_STATEMENT_END != 0;
        self.begun()?;
        if !(table_id == DUMMY_TABLE_ID && ends_statement) {
            self.block(table_id, kind, body, items)?;
        }
        if ends_statement {
            self.tables.trim();
        }
        Ok(())
    }

    fn block(
        &mut self,
        table_id: u64,
        kind: EventKind,
        body: Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let table_id_bytes = self.framing.table_id_bytes(kind);
        let event_offset = self.event_offset;
        let open = self
            .open
            .as_mut()
            .ok_or_else(|| Error::malformed("event order", "rows outside a transaction"))?;
        let entry = self.tables.get(table_id)?;
        let counted = entry.table.clone().and_then(|table| {
            let event = rows::parse(kind.code(), body, table_id_bytes)?;
            let mut block = RowsBlock {
                transaction: open.transaction.clone(),
                table,
                kind: event.kind,
                event_offset,
                first_row: open.rows_done,
                row_count: 0,
                before: event.before,
                after: event.after,
                images: event.images,
            };
            block.row_count = block.count_rows()?;
            Ok(block)
        });
        let mut block = match counted {
            Ok(block) => block,
            Err(_) if !entry.is_wanted => return Ok(()),
            Err(error) => return Err(error),
        };
        open.rows_done += u64::from(block.row_count);
        let skipped = u32::try_from(self.skip_left)
            .unwrap_or(u32::MAX)
            .min(block.row_count);
        self.skip_left -= u64::from(skipped);
        if entry.is_wanted && skipped < block.row_count {
            drop_rows(&mut block, skipped)?;
            items.push(Item::Rows(block));
        }
        Ok(())
    }

    fn commit(&mut self, header: &EventHeader, items: &mut Vec<Item>) -> Result<(), Error> {
        let Open {
            transaction,
            rows_done,
            ..
        } = self.open.take().ok_or_else(|| {
            Error::malformed("event order", "end of a transaction that has not begun")
        })?;
        if self.skip_left > 0 {
            return Err(Error::Refused(format!(
                "{} rows of this transaction are said to be done, it has {rows_done}",
                rows_done + self.skip_left
            )));
        }
        self.tables.trim();
        self.position = Position::new(self.file.clone(), self.offset);
        let commit_us = if transaction.commit_us == 0 {
            header.timestamp_us()
        } else {
            transaction.commit_us
        };
        items.push(Item::Commit(
            self.boundary(transaction.gtid.clone(), commit_us),
        ));
        Ok(())
    }

    fn boundary(&self, gtid: Option<crate::gtid::Gtid>, commit_us: u64) -> Boundary {
        Boundary {
            file: self.file.clone(),
            offset: self.offset,
            gtid,
            commit_us,
        }
    }

    fn moved(&mut self, header: &EventHeader, items: &mut Vec<Item>) -> Result<(), Error> {
        self.ensure_closed()?;
        self.position = Position::new(self.file.clone(), self.offset);
        items.push(Item::Moved(self.boundary(None, header.timestamp_us())));
        Ok(())
    }

    fn rotate(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let mut cursor = Cursor::new("ROTATE event", body);
        let offset = cursor.u64()?;
        let file = FileName::from_bytes(cursor.rest())?;
        let is_here = file == self.file && offset == self.offset;
        if is_here && header.flags & FLAG_ARTIFICIAL != 0 {
            return Ok(());
        }
        self.enter(file, offset, header.timestamp_us(), items)
    }

    fn enter(
        &mut self,
        file: FileName,
        offset: u64,
        time_us: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        self.ensure_closed()?;
        self.tables.clear();
        self.previous_gtids = None;
        self.file = file;
        self.offset = offset;
        self.event_offset = offset;
        self.position = Position::new(self.file.clone(), offset);
        items.push(Item::Moved(self.boundary(None, time_us)));
        Ok(())
    }

    /// `offset` may lack its upper 32 bits.
    fn heartbeat(
        &mut self,
        header: &EventHeader,
        file: &FileName,
        offset: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if self.open.is_some() || *file != self.file {
            return Ok(());
        }
        if header.kind == EventKind::HeartbeatV2 {
            self.offset = self.offset.max(offset);
        } else {
            let low = u32::try_from(self.offset & u64::from(u32::MAX)).unwrap_or_default();
            let gap = header.next_offset.wrapping_sub(low);
            self.offset += if gap < GAP_BYTES_MAX {
                u64::from(gap)
            } else {
                0
            };
        }
        self.moved(header, items)
    }
}

fn is_rows(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::WriteRows
            | EventKind::UpdateRows
            | EventKind::DeleteRows
            | EventKind::WriteRowsV1
            | EventKind::UpdateRowsV1
            | EventKind::DeleteRowsV1
            | EventKind::PartialUpdateRows
    )
}

/// Known, and without meaning for rows.
fn is_passed_over(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::RowsQuery
            | EventKind::Ignorable
            | EventKind::ViewChange
            | EventKind::TransactionContext
            | EventKind::LargeTransactionHeader
    )
}

fn halt_reason(kind: EventKind) -> Option<Error> {
    Some(match kind {
        EventKind::Load
        | EventKind::NewLoad
        | EventKind::CreateFile
        | EventKind::AppendBlock
        | EventKind::ExecLoad
        | EventKind::DeleteFile
        | EventKind::BeginLoadQuery
        | EventKind::ExecuteLoadQuery => Error::StatementFormat("LOAD DATA"),
        EventKind::Intvar | EventKind::Rand | EventKind::UserVar => {
            Error::StatementFormat("with variables")
        }
        EventKind::XaPrepare => Error::Xa("XA PREPARE"),
        EventKind::StartV3
        | EventKind::Slave
        | EventKind::PreGaWriteRows
        | EventKind::PreGaUpdateRows
        | EventKind::PreGaDeleteRows => {
            Error::Unsupported(format!("{kind} of a server before 5.1"))
        }
        kind if kind.is_mariadb() => Error::MariaDb(kind),
        _ => return None,
    })
}

/// Takes the first `rows` rows off the block.
fn drop_rows(block: &mut RowsBlock, rows: u32) -> Result<(), Error> {
    let mut offset = 0;
    for _ in 0..rows {
        let row = block.row_at(offset)?;
        offset += row
            .ok_or_else(|| Error::malformed("rows event", "fewer rows than counted"))?
            .bytes;
    }
    block.images.advance(offset.min(block.images.len()));
    block.first_row += u64::from(rows);
    block.row_count -= rows;
    Ok(())
}

fn savepoint_name(query: &Query<'_>) -> String {
    let text = query.text_lossy();
    Tokens::new(&text, query.sql_mode)
        .last_name()
        .unwrap_or_default()
        .to_lowercase()
}

/// File and offset of a HEARTBEAT_V2: numbered fields, 0 ends them.
fn heartbeat_fields(body: &[u8]) -> Result<(FileName, u64), Error> {
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

fn incident(body: &[u8]) -> Result<String, Error> {
    let mut cursor = Cursor::new("INCIDENT event", body);
    let number = cursor.u16()?;
    let length = usize::from(cursor.u8()?);
    let message = String::from_utf8_lossy(cursor.take(length)?).into_owned();
    Ok(format!("incident {number}, \"{message}\""))
}
