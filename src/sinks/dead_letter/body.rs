//! A letter as one line of JSON, and back.
//!
//! First what a human needs: `lane`, `reason`, `position`, `gtid`, `n`. Then the change: its `line` as it would
//! have been sent, or, of what could not be encoded, the log's own row image (`raw`) with all that gives it a
//! meaning: the log's TABLE_MAP, transaction, kind of change, server and epoch. A statement is its text. What belongs
//! to a snapshot is an insert or a statement that says which one.

use std::sync::Arc;

use bytes::Bytes;
use headwater_actors::{
    changes::Part, lane::Lane, ports::dead_letters::DeadLetter, progress::Home,
};
use headwater_binlog::{
    ddl::Subject,
    gtid::{Gtid, GtidSet},
    position::Position,
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::TableName,
    transaction::{SnapshotOrigin, Statement, Transaction, TransactionEnd},
};
use serde::{Deserialize, Serialize};

use super::{
    older,
    statement::{self, EndBody, NameBody},
    table::{self, TableMapBody},
};

/// Why a line of the file is no letter that can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is no letter of this program: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its bytes are not base64")]
    Base64,
    #[error("its {what} cannot be read: {error}")]
    Field {
        what: &'static str,
        error: headwater_binlog::Error,
    },
    #[error("it has no {0}")]
    Missing(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    lane: String,
    reason: String,
    position: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtid: Option<String>,
    n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// A line that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    change: ChangeBody,
}

#[derive(Serialize, Deserialize)]
struct ChangeBody {
    database: String,
    table: String,
    lane_index: u32,
    lane_count: u32,
    server_uuid: String,
    epoch: u32,
    event_offset: u64,
    server_id: u32,
    commit_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    xid: Option<u64>,
    /// Index of the transaction's last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_n: Option<u64>,
    /// It was its transaction's last in the lane.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    last: bool,
    /// It is of no transaction, but of a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotBody>,
    #[serde(flatten)]
    content: ContentBody,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ContentBody {
    Insert(RowBody),
    Update(RowBody),
    Delete(RowBody),
    Statement {
        statement: String,
        default_database: String,
        sql_mode: u64,
        charset: String,
        is_shared: bool,
        /// Always written; older versions had none.
        #[serde(default)]
        action: Option<String>,
        /// That the statement names; empty where it is about the lane's database.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tables: Vec<NameBody>,
        #[serde(flatten)]
        end: EndBody,
    },
}

#[derive(Serialize, Deserialize)]
struct SnapshotBody {
    run: String,
    attempt: u32,
    /// It has a target of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_apart: bool,
}

/// Without a table where the letter has the line.
#[derive(Default, Serialize, Deserialize)]
struct RowBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table_map: Option<TableMapBody>,
    /// Of older versions, in place of a table map.
    #[serde(default, skip_serializing)]
    columns: Vec<older::ColumnBody>,
    /// Indexes into `columns`.
    #[serde(default, skip_serializing)]
    primary_key: Vec<usize>,
    /// One bit per column that the image has, lowest first, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<SetBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<SetBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SetBody {
    columns: usize,
    bits: String,
}

pub(super) fn write(letter: &DeadLetter, lines: &mut Vec<u8>) -> Result<(), Error> {
    let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
    let has_line = !letter.line.is_empty();
    let line = std::str::from_utf8(&letter.line).ok();
    let transaction = letter.transaction();
    let end = transaction.end.get();
    let (event_offset, last, content) = match &letter.change {
        Part::Rows { block, is_last, .. } => {
            (block.event_offset, *is_last, row_content(block, has_line)?)
        }
        Part::Statement {
            statement,
            is_shared,
            is_last,
        } => {
            let (action, end) = statement::name(statement.subject.action());
            let tables = match &statement.subject {
                Subject::Tables { tables, .. } => tables.iter().map(NameBody::from).collect(),
                Subject::Database { .. } => Vec::new(),
            };
            let content = ContentBody::Statement {
                action: action.map(str::to_owned),
                tables,
                end,
                statement: statement.text.to_string(),
                default_database: statement.default_database.clone(),
                sql_mode: statement.sql_mode,
                charset: statement.charset.clone(),
                is_shared: *is_shared,
            };
            (statement.event_offset, *is_last, content)
        }
    };
    let raw = Some(letter.raw()).filter(|raw| !has_line && !raw.is_empty());
    let body = Body {
        lane: letter.lane.to_string(),
        reason: letter.reason.clone(),
        position: transaction.position().to_string(),
        gtid: transaction.gtid.as_ref().map(ToString::to_string),
        n: letter.n(),
        line: line.filter(|line| !line.is_empty()).map(str::to_owned),
        line_base64: line.is_none().then(|| base64(&letter.line)),
        partition_key: letter.partition_key.clone().filter(|_| has_line),
        raw: raw.map(base64),
        change: ChangeBody {
            database: letter.lane.table.database.clone(),
            table: letter.lane.table.table.clone(),
            lane_index: letter.lane.index,
            lane_count: letter.lane.count,
            server_uuid: letter.home.server_uuid.to_string(),
            epoch: letter.home.epoch,
            event_offset,
            server_id: transaction.server_id,
            commit_us: transaction.commit_us,
            thread_id: transaction.thread_id,
            xid: end.and_then(|end| end.xid),
            last_n: end.and_then(|end| end.last),
            last,
            snapshot: transaction.snapshot.as_ref().map(SnapshotBody::from),
            content,
        },
    };
    serde_json::to_writer(&mut *lines, &body)?;
    lines.push(b'\n');
    Ok(())
}

fn row_content(block: &RowsBlock, has_line: bool) -> Result<ContentBody, Error> {
    let set = |set: &ColumnSet| {
        (set.columns > 0).then(|| SetBody {
            columns: set.columns,
            bits: set.bits.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    };
    let map = || block.map.as_deref().ok_or(Error::Missing("table map"));
    let row = match has_line {
        true => RowBody::default(),
        false => RowBody {
            table_map: Some(table::body(map()?)),
            before: set(&block.before),
            after: set(&block.after),
            query: block.query.as_ref().map(ToString::to_string),
            ..RowBody::default()
        },
    };
    Ok(match block.kind {
        RowsKind::Insert => ContentBody::Insert(row),
        RowsKind::Update => ContentBody::Update(row),
        RowsKind::Delete => ContentBody::Delete(row),
    })
}

pub(super) fn read(line: &[u8]) -> Result<DeadLetter, Error> {
    let body: Body = serde_json::from_slice(line)?;
    let change = body.change;
    let field = |what| move |error| Error::Field { what, error };
    let decoded = |text: Option<String>| {
        let bytes = text.map(|text| base64_simd::STANDARD.decode_to_vec(text));
        bytes.transpose().map_err(|_| Error::Base64)
    };
    let line = match body.line {
        Some(line) => Some(line.into_bytes()),
        None => decoded(body.line_base64)?,
    };
    let position: Position = body.position.parse().map_err(field("position"))?;
    let end = TransactionEnd {
        xid: change.xid,
        last: change.last_n,
    };
    let transaction = Arc::new(Transaction {
        gtid: body.gtid.map(|text| gtid(&text)).transpose()?,
        file: position.file,
        offset: position.offset,
        server_id: change.server_id,
        commit_us: change.commit_us,
        thread_id: change.thread_id,
        end: end.into(),
        snapshot: change.snapshot.map(SnapshotOrigin::from),
    });
    let name = TableName {
        database: change.database,
        table: change.table,
    };
    let place = Place {
        transaction,
        name: name.clone(),
        event_offset: change.event_offset,
        n: body.n,
        is_last: change.last,
        images: decoded(body.raw)?,
        has_line: line.is_some(),
    };
    let origin = place.transaction.snapshot.as_ref();
    let run = origin.and_then(|origin| origin.is_apart.then(|| Arc::clone(&origin.run)));
    let part = match change.content {
        ContentBody::Insert(row) => place.row(RowsKind::Insert, row)?,
        ContentBody::Update(row) => place.row(RowsKind::Update, row)?,
        ContentBody::Delete(row) => place.row(RowsKind::Delete, row)?,
        ContentBody::Statement {
            statement: text,
            default_database,
            sql_mode,
            charset,
            is_shared,
            action,
            tables,
            end,
        } => Part::Statement {
            is_shared,
            is_last: place.is_last,
            statement: Arc::new(Statement {
                transaction: place.transaction,
                event_offset: place.event_offset,
                row: place.n,
                subject: match action {
                    Some(action) => {
                        let action = statement::action(&action, &end)?;
                        statement::subject(action, tables, &name.database)
                    }
                    None => older::subject(&text, &default_database, sql_mode)?,
                },
                text: text.into(),
                default_database,
                sql_mode,
                charset,
            }),
        },
    };
    Ok(DeadLetter {
        lane: Arc::new(Lane {
            table: name,
            index: change.lane_index,
            count: change.lane_count,
            run,
        }),
        reason: body.reason,
        home: Home {
            server_uuid: change.server_uuid.parse().map_err(field("server UUID"))?,
            epoch: change.epoch,
        },
        change: part,
        line: line.unwrap_or_default().into(),
        partition_key: body.partition_key,
    })
}

impl From<&SnapshotOrigin> for SnapshotBody {
    fn from(origin: &SnapshotOrigin) -> Self {
        Self {
            run: origin.run.to_string(),
            attempt: origin.attempt,
            is_apart: origin.is_apart,
        }
    }
}

impl From<SnapshotBody> for SnapshotOrigin {
    fn from(body: SnapshotBody) -> Self {
        Self {
            run: body.run.into(),
            attempt: body.attempt,
            is_apart: body.is_apart,
        }
    }
}

/// Where a change stands.
struct Place {
    transaction: Arc<Transaction>,
    name: TableName,
    event_offset: u64,
    n: u64,
    is_last: bool,
    images: Option<Vec<u8>>,
    has_line: bool,
}

impl Place {
    fn row(self, kind: RowsKind, row: RowBody) -> Result<Part, Error> {
        if self.images.is_none() && !self.has_line {
            return Err(Error::Missing("row image and no line"));
        }
        let map = row.table_map.map(table::map).transpose()?;
        let table = match &map {
            Some(map) => map.table().map_err(|error| Error::Field {
                what: "table map",
                error,
            })?,
            None => older::table(self.name, row.columns, row.primary_key)?,
        };
        let set = |set: Option<SetBody>| set.map_or_else(|| Ok(ColumnSet::none()), column_set);
        let block = RowsBlock {
            transaction: self.transaction,
            table: Arc::new(table),
            map: map.map(Arc::new),
            kind,
            event_offset: self.event_offset,
            first_row: self.n,
            row_count: 1,
            before: set(row.before)?,
            after: set(row.after)?,
            images: self.images.unwrap_or_default().into(),
            query: row.query.map(Into::into),
        };
        Ok(Part::Rows {
            block,
            numbers: None,
            is_last: self.is_last,
        })
    }
}

fn column_set(body: SetBody) -> Result<ColumnSet, Error> {
    let byte = |at: usize| {
        let digits = body.bits.get(at..at + 2)?;
        u8::from_str_radix(digits, 16).ok()
    };
    let bits: Option<Vec<u8>> = (0..body.bits.len()).step_by(2).map(byte).collect();
    let bits = bits.filter(|bits| bits.len() == body.columns.div_ceil(8));
    Ok(ColumnSet {
        bits: Bytes::from(bits.ok_or(Error::Missing("whole set of columns"))?),
        columns: body.columns,
    })
}

fn gtid(text: &str) -> Result<Gtid, Error> {
    let set: GtidSet = text.parse().map_err(|error| Error::Field {
        what: "GTID",
        error,
    })?;
    set.only().ok_or(Error::Missing("single GTID"))
}
