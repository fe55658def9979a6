//! One chunk: the wait for what was sent, the SELECT, the end of the log.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use headwater_actors::{
    failure::Failure,
    ports::snapshot::{Chunk, ChunkAnswer, ChunkAsk, Description},
};
use headwater_binlog::{schema::ColumnKind, snapshot::RowWriter};

use super::{
    Shared,
    describe::columns_of,
    refusal::Refusal,
    session::{DOING, Session},
    sql::{self, Wanted},
    visible::Visible,
};
use crate::mysql::{
    error::Error,
    statement::{self, ColumnDefinition, RowsEnd, Wanted as More},
};

/// Rows as they came.
struct Rows {
    images: Vec<u8>,
    count: u32,
    end: RowsEnd,
}

/// Why there are none.
enum Failed {
    /// The connection must not be used again, unless it is the server's word.
    Sql(Error),
    Row(headwater_binlog::Error),
    /// The columns are no longer what they were.
    Other,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl Shared {
    pub(super) async fn read(&self, ask: ChunkAsk) -> Result<ChunkAnswer, Failure> {
        let (mut session, _permit) = self.pool.take(&self.plan, self.home).await?;
        if let Some(reason) = self.pace.busy(&mut session).await? {
            self.pool.give_back(session);
            return Ok(ChunkAnswer::Busy(reason));
        }
        let table = &ask.description.table.name;
        let wanted = Wanted {
            part: &ask.part,
            condition: ask.condition.as_deref(),
            rows_max: ask.rows_max,
        };
        let sql = sql::chunk(&ask.description, session.dialect(), wanted).map_err(|error| {
            Failure::definite(format!("{DOING}, {table}: where it goes on")).because(error)
        })?;
        self.looks.look(&mut session, &ask, &sql).await;
        let visible = session.wait_for(table, &ask.sent).await?;
        let begun = Instant::now();
        let outcome = Box::pin(session.select(&sql, &ask, self.plan.event_bytes_max)).await;
        let took = begun.elapsed();
        let rows = match outcome {
            Ok(rows) => rows,
            Err(Failed::Sql(Error::Server(error))) => {
                let condition = ask.condition.as_deref();
                let refusal = Box::pin(session.refusal(table, condition, error)).await;
                session.done(&visible).await?;
                self.pool.give_back(session);
                return match refusal {
                    Refusal::Changed => Ok(ChunkAnswer::Changed),
                    Refusal::Failed(failure) => Err(failure),
                };
            }
            Err(Failed::Sql(error)) => {
                return Err(session.server.failure(&format!("{DOING}, {table}"), error));
            }
            Err(Failed::Other) => return Ok(ChunkAnswer::Changed),
            Err(Failed::Row(error)) => {
                drop(session);
                return self.judge(&ask.description, error).await;
            }
        };
        let read_us = now_us();
        if rows.end == RowsEnd::Left {
            // Another connection to the same server; what is left of the rows ends with this one.
            drop(session);
            session = Session::open(&self.plan, Some(self.home)).await?;
        } else {
            session.done(&visible).await?;
        }
        let end = match visible {
            Visible::UpTo(place) => place,
            Visible::Latest => session.server.head().await?,
        };
        self.pool.give_back(session);
        let is_whole = rows.end == RowsEnd::All;
        let has_key = !ask.description.key.is_empty();
        if !has_key && !is_whole {
            return Ok(ChunkAnswer::TooLarge(too_large(&ask)));
        }
        Ok(ChunkAnswer::Read(Chunk {
            images: Bytes::from(rows.images),
            rows: rows.count,
            is_end: is_whole && (!has_key || (rows.count as usize) < ask.rows_max),
            end,
            read_us,
            took,
        }))
    }

    /// A row that cannot be written as the log has it is one of other columns, or nobody's to cure.
    async fn judge(
        &self,
        description: &Description,
        error: headwater_binlog::Error,
    ) -> Result<ChunkAnswer, Failure> {
        let mut session = Session::open(&self.plan, Some(self.home)).await?;
        let table = &description.table.name;
        let columns = columns_of(&mut session, table).await?;
        self.pool.give_back(session);
        if columns != description.columns {
            return Ok(ChunkAnswer::Changed);
        }
        Err(Failure::definite(format!(
            "{DOING}, {table}: a row cannot be written as the log would have it"
        ))
        .because(error))
    }
}

impl Session {
    async fn select(
        &mut self,
        sql: &str,
        ask: &ChunkAsk,
        row_bytes_max: usize,
    ) -> Result<Rows, Failed> {
        let description = &ask.description;
        let packets = &mut self.server.conn.packets;
        let statement = statement::prepare(packets, sql).await?;
        if !are_as_described(description, &statement.columns) {
            return Err(Failed::Other);
        }
        let mut writer = RowWriter::new(&description.table);
        let mut images = Vec::new();
        let mut count = 0_u32;
        let take = |row: &[u8]| -> Result<More, Failed> {
            writer.write(row, &mut images).map_err(Failed::Row)?;
            count += 1;
            Ok(match images.len() < ask.bytes_max && count < u32::MAX {
                true => More::More,
                false => More::Enough,
            })
        };
        let end = statement::execute(packets, &statement, row_bytes_max, take).await;
        // The server's error ends the rows, not the statement.
        if matches!(
            end,
            Ok(RowsEnd::All | RowsEnd::Dropped) | Err(Failed::Sql(Error::Server(_)))
        ) {
            statement::close(packets, statement).await?;
        }
        let end = end?;
        // What it has grown to would be kept for as long as the rows are.
        images.shrink_to_fit();
        Ok(Rows { images, count, end })
    }
}

/// How a value comes in the binary protocol, where bytes of another type would be taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Bytes, and whether there is a sign.
    Integer(u8, bool),
    Float,
    Double,
    Date,
    Time,
    /// Behind its length.
    Bytes,
}

pub(super) fn are_as_described(description: &Description, found: &[ColumnDefinition]) -> bool {
    let kinds = description.table.columns.iter();
    let expected = kinds.map(|column| expected(&column.kind));
    expected.eq(found.iter().map(|found| form(*found)))
}

fn expected(kind: &ColumnKind) -> Form {
    use ColumnKind as Kind;
    match *kind {
        Kind::TinyInt { unsigned } => Form::Integer(1, unsigned),
        Kind::SmallInt { unsigned } => Form::Integer(2, unsigned),
        Kind::MediumInt { unsigned } | Kind::Int { unsigned } => Form::Integer(4, unsigned),
        Kind::BigInt { unsigned } => Form::Integer(8, unsigned),
        Kind::Year => Form::Integer(2, true),
        Kind::Enum { .. } | Kind::Set { .. } => Form::Integer(8, true),
        Kind::Float => Form::Float,
        Kind::Double => Form::Double,
        Kind::Date
        | Kind::OldDateTime
        | Kind::OldTimestamp
        | Kind::DateTime { .. }
        | Kind::Timestamp { .. } => Form::Date,
        Kind::OldTime | Kind::Time { .. } => Form::Time,
        Kind::Decimal { .. }
        | Kind::Bit { .. }
        | Kind::Text { .. }
        | Kind::LongText { .. }
        | Kind::Binary { .. }
        | Kind::Blob { .. }
        | Kind::Json { .. }
        | Kind::Geometry { .. }
        | Kind::Vector { .. } => Form::Bytes,
    }
}

/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>
fn form(definition: ColumnDefinition) -> Form {
    let unsigned = definition.is_unsigned;
    match definition.type_byte {
        1 => Form::Integer(1, unsigned),
        2 => Form::Integer(2, unsigned),
        3 | 9 => Form::Integer(4, unsigned),
        8 => Form::Integer(8, unsigned),
        13 => Form::Integer(2, true),
        4 => Form::Float,
        5 => Form::Double,
        7 | 10 | 12 => Form::Date,
        11 => Form::Time,
        _ => Form::Bytes,
    }
}

fn too_large(ask: &ChunkAsk) -> String {
    format!(
        "table {} has no key to read it by in parts (a primary key, or a unique key over whole NOT NULL columns), and its rows take more than {} bytes at once: give it such a key, or raise memory.budget_bytes",
        ask.description.table.name, ask.bytes_max
    )
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
