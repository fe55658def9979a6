//! One chunk: the wait for what was sent, the SELECT, the end of the log.

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
    visible::Visible,
};
use crate::{
    clock::now_us,
    mysql::{
        error::Error,
        statement::{self, ColumnDefinition, RowsEnd, Wanted as More},
    },
};

/// Rows as they came.
pub(super) struct Rows {
    pub images: Vec<u8>,
    pub count: u32,
    /// Of the last SELECT.
    pub end: RowsEnd,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            count: 0,
            end: RowsEnd::All,
        }
    }
}

/// Why there are none.
pub(super) enum Failed {
    /// The connection must not be used again, unless it is the server's word.
    Sql(Error),
    Row(headwater_binlog::Error),
    /// Where the chunk begins or ends is no key of the table.
    Place(headwater_binlog::Error),
    /// A column comes in another form than the one that it was described with.
    Form(headwater_binlog::Error),
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
        self.looks.look(&mut session, &ask).await;
        let visible = session.wait_for(table, &ask.sent).await?;
        let reached = self.reached.of(&ask);
        let outcome = Box::pin(session.find(&ask, reached, self.plan.event_bytes_max)).await;
        let found = match outcome {
            Ok(found) => found,
            Err(failed) => return self.settle(session, &visible, &ask, failed).await,
        };
        let read_us = now_us();
        if found.rows.end == RowsEnd::Left {
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
        let is_in_vain = found.rows.count == 0 && !found.is_end;
        self.reached
            .keep(&ask, found.reached.filter(|_| is_in_vain));
        if ask.description.key.is_empty() && !found.is_end {
            return Ok(ChunkAnswer::TooLarge(too_large(&ask)));
        }
        if is_in_vain {
            return Ok(ChunkAnswer::Busy(format!(
                "no row has met the condition so far; {table} is looked through on"
            )));
        }
        Ok(ChunkAnswer::Read(Chunk {
            images: Bytes::from(found.rows.images),
            rows: found.rows.count,
            is_end: found.is_end,
            end,
            read_us,
            took: found.took,
        }))
    }

    async fn settle(
        &self,
        mut session: Session,
        visible: &Visible,
        ask: &ChunkAsk,
        failed: Failed,
    ) -> Result<ChunkAnswer, Failure> {
        let table = &ask.description.table.name;
        match failed {
            Failed::Sql(Error::Server(error)) => {
                let condition = ask.condition.as_deref();
                let refusal = Box::pin(session.refusal(table, condition, error)).await;
                session.done(visible).await?;
                self.pool.give_back(session);
                match refusal {
                    Refusal::Changed => Ok(ChunkAnswer::Changed),
                    Refusal::Failed(failure) => Err(failure),
                }
            }
            Failed::Sql(error) => Err(session.server.failure(&format!("{DOING}, {table}"), error)),
            Failed::Form(error) | Failed::Row(error) => {
                drop(session);
                self.judge(&ask.description, error).await
            }
            Failed::Place(error) => {
                Err(Failure::definite(format!("{DOING}, {table}: where it goes on")).because(error))
            }
        }
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
    /// Appends what the statement gives: up to the row that reaches the first bound, of rows within the second.
    pub(super) async fn select(
        &mut self,
        sql: &str,
        description: &Description,
        (bytes_max, row_bytes_max): (usize, usize),
        rows: &mut Rows,
    ) -> Result<(), Failed> {
        let packets = &mut self.server.conn.packets;
        let statement = statement::prepare(packets, sql).await?;
        let mut writer = RowWriter::new(&description.table);
        ensure_form(description, &writer, &statement.columns).map_err(Failed::Form)?;
        let Rows { images, count, end } = rows;
        let take = |row: &[u8]| -> Result<More, Failed> {
            writer.write(row, images).map_err(Failed::Row)?;
            *count += 1;
            Ok(match images.len() < bytes_max && *count < u32::MAX {
                true => More::More,
                false => More::Enough,
            })
        };
        let outcome = statement::execute(packets, &statement, row_bytes_max, take).await;
        // The server's error ends the rows, not the statement.
        if matches!(
            outcome,
            Ok(RowsEnd::All | RowsEnd::Dropped) | Err(Failed::Sql(Error::Server(_)))
        ) {
            statement::close(packets, statement).await?;
        }
        *end = outcome?;
        // What it has grown to would be kept for as long as the rows are.
        images.shrink_to_fit();
        Ok(())
    }
}

/// Types alone do not tell whether a number has a sign.
fn ensure_form(
    description: &Description,
    writer: &RowWriter,
    found: &[ColumnDefinition],
) -> Result<(), headwater_binlog::Error> {
    let types: Vec<u8> = found.iter().map(|found| found.type_byte).collect();
    writer.ensure_sent_as(&types)?;
    let columns = description.table.columns.iter();
    for (column, found) in columns.zip(found) {
        let is_unsigned = match column.kind {
            ColumnKind::TinyInt { unsigned }
            | ColumnKind::SmallInt { unsigned }
            | ColumnKind::MediumInt { unsigned }
            | ColumnKind::Int { unsigned }
            | ColumnKind::BigInt { unsigned } => unsigned,
            _ => continue,
        };
        if is_unsigned != found.is_unsigned {
            return Err(headwater_binlog::Error::Unsupported(format!(
                "column `{}` of table `{}` with a sign, and without one",
                column.name, description.table.name
            )));
        }
    }
    Ok(())
}

fn too_large(ask: &ChunkAsk) -> String {
    format!(
        "table {} has no key to read it by in parts (a primary key, or a unique key over whole NOT NULL columns), and its rows take more than {} bytes at once: give it such a key, or raise memory.budget_bytes",
        ask.description.table.name, ask.bytes_max
    )
}
