//! The steps inside a transaction: it opens, statements and rows come, it commits.

use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};

use super::{Assembler, Item, Open, undone::Fate};
use crate::{
    Error, compressed,
    cursor::Cursor,
    ddl::{self, Context, StatementClass, classify},
    error::Refusal,
    event::{EventHeader, EventKind},
    gtid::GtidEvent,
    position::Position,
    query::{Control, Query},
    rows::{self, RowsBlock},
    transaction::{Boundary, Statement, Transaction, TransactionEnd},
};

/// On rows events: the statement ends, and with it the use of its table maps.
const FLAG_STATEMENT_END: u16 = 1;
/// Of a rows event without rows, written only for its flag.
const DUMMY_TABLE_ID: u64 = 0x00ff_ffff;
/// Of EXECUTE_LOAD_QUERY: that of QUERY, the file's number, where in the statement its name stands, how
/// duplicates are treated.
const LOAD_POST_HEADER_BYTES: u8 = 26;

impl Assembler {
    pub(super) fn open(&mut self, header: &EventHeader, event: &GtidEvent) -> Result<(), Error> {
        self.ensure_closed()?;
        let fate = self.fate(event.may_have_statements);
        if self.open_prepared(&fate)? {
            return Ok(());
        }
        let transaction = Transaction {
            gtid: event.gtid.clone(),
            file: self.place.file.clone(),
            offset: self.place.event_offset,
            server_id: header.server_id,
            commit_us: event.commit_us().unwrap_or_else(|| header.timestamp_us()),
            thread_id: None,
            end: OnceLock::new(),
            snapshot: None,
        };
        self.open = Some(Open::new(transaction, fate));
        Ok(())
    }

    pub(super) fn ensure_closed(&self) -> Result<(), Error> {
        let open = self.open.as_ref().map(|open| open.transaction.offset);
        match open.or(self.broken_off) {
            Some(began) => Err(Error::UnfinishedTransaction { began }),
            None => Ok(()),
        }
    }

    /// The open transaction; servers before 5.7 have no event in front of its first statement.
    pub(super) fn opened(&mut self, header: &EventHeader) -> &mut Open {
        let fate = self.open.is_none().then(|| self.fate(true));
        let transaction = || Transaction {
            gtid: None,
            file: self.place.file.clone(),
            offset: self.place.event_offset,
            server_id: header.server_id,
            commit_us: header.timestamp_us(),
            thread_id: None,
            end: OnceLock::new(),
            snapshot: None,
        };
        self.open
            .get_or_insert_with(|| Open::new(transaction(), fate.unwrap_or_default()))
    }

    pub(super) fn begun(&mut self) -> Result<&mut Open, Error> {
        self.open
            .as_mut()
            .filter(|open| open.has_begun)
            .ok_or_else(|| Error::malformed("event order", "rows outside a transaction"))
    }

    pub(super) fn query(
        &mut self,
        header: &EventHeader,
        body: &Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let query = Query::parse(body, self.place.framing.post_header_bytes(EventKind::Query))?;
        match query.control() {
            Some(Control::Begin) => {
                let open = self.opened(header);
                if open.has_begun {
                    return Err(Error::UnfinishedTransaction {
                        began: open.transaction.offset,
                    });
                }
                open.has_begun = true;
                open.ran_in(query.thread_id);
                Ok(())
            }
            Some(Control::Commit) => {
                self.opened(header);
                self.commit(header, items)
            }
            Some(Control::Rollback) => self.roll_back(header, items),
            Some(Control::Savepoint) => {
                self.set_savepoint(header, &query);
                Ok(())
            }
            Some(Control::RollbackTo) => self.roll_back_to(header, &query, items),
            Some(Control::ReleaseSavepoint) => Ok(()),
            Some(Control::XaRollback) => self.xa_rollback(header, &query, items),
            Some(Control::XaStart) => self.xa_start(header, &query),
            Some(Control::XaEnd) => self.ensure_at_commit("XA END"),
            Some(Control::XaPrepare) => Err(Error::Xa("XA PREPARE")),
            Some(Control::XaCommit) => self.xa_commit(header, &query),
            // Judged when it is read again.
            None if self.xa.is_passing => Ok(()),
            None => self.statement(header, &query, items),
        }
    }

    pub(super) fn statement(
        &mut self,
        header: &EventHeader,
        query: &Query<'_>,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let lossy = query.text_lossy();
        let context = Context {
            default_database: query.default_database,
            sql_mode: query.sql_mode,
            dialect: self.place.framing.dialect(),
            case: self.name_case,
        };
        let mut class = classify(&lossy, &context);
        if let StatementClass::Dml { table, .. } = &mut class
            && query.text().is_err()
        {
            *table = None;
        }
        self.tables.touched(&class, &self.event_position());
        let subject = match class {
            StatementClass::Published(subject) => Some(subject),
            StatementClass::Unpublished => None,
            // Its own tables decide.
            StatementClass::Dml {
                table: Some(table), ..
            } if !self.tables.wants(&table) => {
                self.statements_passed_over += 1;
                None
            }
            StatementClass::Dml { verb, table } => {
                return self.refuse(header, Refusal::Rows { verb, table });
            }
            StatementClass::Unknown => {
                let head = ddl::head(&lossy, &context);
                return self.refuse(header, Refusal::Unknown { head });
            }
        };
        let event_offset = self.counted_offset();
        let done_before = self.done_before;
        let open = self.opened(header);
        if let Some(subject) = subject.filter(|_| !open.is_without_effect) {
            let row = open.rows_done;
            open.rows_done += 1;
            open.ran_in(query.thread_id);
            if done_before <= row {
                open.gives(row);
                items.push(Item::Statement(Statement {
                    transaction: open.transaction.clone(),
                    event_offset,
                    row,
                    text: query.text()?.into(),
                    default_database: query.default_database.to_owned(),
                    sql_mode: query.sql_mode,
                    charset: query.charset()?.to_owned(),
                    subject,
                }));
            }
        }
        // CREATE TABLE ... SELECT stands between BEGIN and its rows; every other DDL commits itself.
        if self.open.as_ref().is_some_and(|open| open.has_begun) {
            Ok(())
        } else {
            self.commit(header, items)
        }
    }

    /// LOAD DATA by statement; the data have come before.
    pub(super) fn load(
        &mut self,
        header: &EventHeader,
        body: &Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let query = Query::parse(body, Some(LOAD_POST_HEADER_BYTES))?;
        if self.xa.is_passing {
            return Ok(());
        }
        self.statement(header, &query, items)
    }

    pub(super) fn rows(
        &mut self,
        kind: EventKind,
        body: Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let table_id_bytes = self.place.framing.table_id_bytes(kind);
        let mut cursor = Cursor::new("rows event", &body);
        let table_id = cursor.uint(table_id_bytes)?;
        let ends_statement = cursor.u16()? & FLAG_STATEMENT_END != 0;
        let is_undone = self.begun()?.fate.is_next_undone();
        if self.xa.is_passing {
            return Ok(());
        }
        let is_dummy = table_id == DUMMY_TABLE_ID && ends_statement;
        if !is_undone && !is_dummy {
            self.block(table_id, kind, body, items)?;
        }
        if ends_statement {
            self.tables.trim();
            self.query = None;
        }
        Ok(())
    }

    pub(super) fn block(
        &mut self,
        table_id: u64,
        kind: EventKind,
        body: Bytes,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let post_header_bytes = self.place.framing.post_header_bytes_or(kind, 10);
        let event_offset = self.counted_offset();
        let bytes_max = self.event_bytes_max;
        let open = self
            .open
            .as_mut()
            .ok_or_else(|| Error::malformed("event order", "rows outside a transaction"))?;
        let (entry, parsed) = self.tables.get(table_id)?;
        let counted = parsed.table.and_then(|table| {
            let mut event = rows::parse(kind.code(), body, post_header_bytes)?;
            if kind.has_compressed_rows() {
                event.images = compressed::record(&event.images, bytes_max)?.into();
            }
            let mut block = RowsBlock {
                transaction: open.transaction.clone(),
                table,
                map: Some(Arc::clone(&entry.map)),
                kind: event.kind,
                event_offset,
                first_row: open.rows_done,
                row_count: 0,
                before: event.before,
                after: event.after,
                images: event.images,
                query: self.query.clone(),
            };
            if !parsed.compressed_columns.is_empty() {
                block.expand_columns(&parsed.compressed_columns, bytes_max)?;
            }
            block.row_count = match (event.is_partial, entry.is_wanted) {
                (false, _) => block.count_rows()?,
                (true, true) => rows::partial::make_whole(&mut block)?,
                (true, false) => rows::partial::count(&block)?,
            };
            Ok(block)
        });
        let mut block = match counted {
            Ok(block) => block,
            Err(_) if !entry.is_wanted => return Ok(()),
            Err(error) => return Err(error),
        };
        open.rows_done += u64::from(block.row_count);
        if entry.is_wanted && self.place.framing.mixes_engines() {
            open.fate.may_be_kept(&block.table.name);
        }
        let skipped = self.done_before.saturating_sub(block.first_row);
        let skipped = u32::try_from(skipped)
            .unwrap_or(u32::MAX)
            .min(block.row_count);
        if entry.is_wanted && skipped < block.row_count {
            open.gives(open.rows_done - 1);
            drop_rows(&mut block, skipped)?;
            items.push(Item::Rows(block));
        }
        Ok(())
    }

    pub(super) fn xid(
        &mut self,
        header: &EventHeader,
        body: &[u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let bytes = body.first_chunk().ok_or(Error::Short {
            what: "XID event",
            needed: 8,
            left: body.len(),
        })?;
        if let Some(open) = &self.open {
            open.end(Some(u64::from_le_bytes(*bytes)));
        }
        self.commit(header, items)
    }

    pub(super) fn commit(
        &mut self,
        header: &EventHeader,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        if let Some(open) = &self.open {
            open.end(None);
        }
        let Open {
            transaction,
            rows_done,
            ..
        } = self.open.take().ok_or_else(|| {
            Error::malformed("event order", "end of a transaction that has not begun")
        })?;
        let done_before = std::mem::take(&mut self.done_before);
        if rows_done < done_before {
            return Err(Error::Refused(format!(
                "{done_before} rows of this transaction are said to be done, it has {rows_done}"
            )));
        }
        self.xa.is_passing = false;
        self.tables.trim();
        self.query = None;
        self.place.position = Position::new(self.place.file.clone(), self.place.offset);
        let commit_us = if transaction.commit_us == 0 {
            header.timestamp_us()
        } else {
            transaction.commit_us
        };
        items.push(Item::Commit(Boundary {
            xa: self.xa.change.take().map(Box::new),
            ..self.boundary(transaction.gtid.clone(), commit_us)
        }));
        Ok(())
    }
}

impl Open {
    fn new(transaction: Transaction, fate: Fate) -> Self {
        Self {
            transaction: Arc::new(transaction),
            has_begun: false,
            rows_done: 0,
            last_item: None,
            fate,
            is_without_effect: false,
        }
    }

    /// The row or DDL with this index ends what becomes an item now.
    fn gives(&mut self, index: u64) {
        self.last_item = Some(index);
        self.fate.items += 1;
    }

    /// Before any change of the transaction, so that nobody else holds it.
    pub(super) fn ran_in(&mut self, thread_id: u32) {
        if let Some(transaction) = Arc::get_mut(&mut self.transaction) {
            transaction.thread_id = Some(thread_id);
        }
    }

    /// The first word counts.
    fn end(&self, xid: Option<u64>) {
        self.transaction.end.get_or_init(|| TransactionEnd {
            xid,
            last: self.last_item,
        });
    }
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
