//! MySQL's side of the audit: all rows of a table as lines, chunk by chunk, as a copy reads them.
//!
//! No lock is taken and no transaction stays open. Each SELECT sees at least all changes up to the mark, because the port
//! waits for that; where the last one ended is what the warehouse must have merged before a difference counts.

use std::sync::Arc;

use headwater_actors::{
    failure::Failure,
    ports::{
        encoder::{Encoder, RowEvent, TableEncoder},
        snapshot::{
            Chunk, ChunkAnswer, ChunkAsk, ChunkPart, DescribeAnswer, DescribeAsk, Description,
            Sent, SnapshotSource,
        },
    },
    snapshot::{Key, KeyRange},
};
use headwater_binlog::{
    position::Position,
    rows::{ColumnSet, RowsBlock, RowsKind},
    schema::TableName,
    snapshot::{KeyReader, split},
    transaction::{SnapshotOrigin, Transaction},
};
use tokio::time::sleep;

use super::BUSY_PAUSE;

const ROWS_MAX: usize = 20_000;
const BYTES_MAX: usize = 8 << 20;
const RUN: &str = "audit";

/// Who reads, and how.
pub struct Reader<'a> {
    pub source: &'a dyn SnapshotSource,
    pub encoder: &'a dyn Encoder,
    pub sent: Sent,
}

/// How a reading ended.
pub enum Read {
    /// Where the log ended behind the last row.
    Whole(Position),
    /// There is no such table.
    Gone,
    /// It cannot be read so; why.
    Refused(String),
}

impl Reader<'_> {
    /// Hands over the line of each row.
    ///
    /// # Errors
    /// When the server fails, or a statement changes the table meanwhile.
    pub async fn read(
        &self,
        table: &TableName,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Read, Failure> {
        let asked = DescribeAsk {
            table: table.clone(),
            sent: self.sent.clone(),
            ranges: 1,
        };
        let described = match self.source.describe(asked).await? {
            DescribeAnswer::Described(described) => described,
            DescribeAnswer::Gone => return Ok(Read::Gone),
            DescribeAnswer::Refused(reason) => return Ok(Read::Refused(reason.to_string())),
        };
        let mut lines = Lines::new(&described.description, self.encoder);
        let mut end = self.sent.position.clone();
        for range in described.ranges {
            let mut range = range;
            loop {
                let chunk = self.chunk(&described.description, range.clone()).await?;
                lines.each(&chunk, take)?;
                end = chunk.end.clone();
                if chunk.is_end {
                    break;
                }
                if let Some(last) = lines.last_key(&chunk)? {
                    range.after = Some(last);
                }
            }
        }
        Ok(Read::Whole(end))
    }

    async fn chunk(
        &self,
        description: &Arc<Description>,
        range: KeyRange,
    ) -> Result<Chunk, Failure> {
        let table = &description.table.name;
        loop {
            let asked = ChunkAsk {
                description: Arc::clone(description),
                part: ChunkPart::Range(range.clone()),
                condition: None,
                sent: self.sent.clone(),
                rows_max: ROWS_MAX,
                bytes_max: BYTES_MAX,
            };
            match self.source.read(asked).await? {
                ChunkAnswer::Read(chunk) => return Ok(chunk),
                ChunkAnswer::Busy(_) => sleep(BUSY_PAUSE).await,
                ChunkAnswer::Changed => {
                    return Err(Failure::transient(format!(
                        "{table} was altered while it was read"
                    ))
                    .with_hint("audit it again"));
                }
                ChunkAnswer::TooLarge(reason) => return Err(Failure::definite(reason)),
            }
        }
    }
}

/// Rows of one table as lines.
struct Lines<'a> {
    description: &'a Arc<Description>,
    encoder: Box<dyn TableEncoder>,
    present: ColumnSet,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(description: &'a Arc<Description>, encoder: &dyn Encoder) -> Self {
        Self {
            encoder: encoder.plan(&description.table),
            present: ColumnSet::all(description.table.columns.len()),
            description,
            line: Vec::new(),
        }
    }

    fn each(
        &mut self,
        chunk: &Chunk,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let table = &self.description.table;
        let wrong = |error| Failure::definite(format!("a row of {}", table.name)).because(error);
        let block = self.block(chunk);
        self.encoder.block(&block, 0);
        for (n, row) in (0..).zip(block.rows()) {
            let (_, row) = row.map_err(wrong)?;
            let event = RowEvent {
                block: &block,
                row,
                n,
                last: false,
            };
            self.line.clear();
            self.encoder.row(&event, &mut self.line).map_err(wrong)?;
            take(&self.line)?;
        }
        Ok(())
    }

    fn block(&self, chunk: &Chunk) -> RowsBlock {
        let transaction = Transaction {
            gtid: None,
            file: chunk.end.file.clone(),
            offset: chunk.end.offset,
            server_id: 0,
            commit_us: chunk.read_us,
            thread_id: None,
            end: Default::default(),
            snapshot: Some(SnapshotOrigin {
                run: RUN.into(),
                attempt: 1,
                is_apart: true,
            }),
        };
        RowsBlock {
            event_offset: transaction.offset,
            transaction: Arc::new(transaction),
            table: Arc::clone(&self.description.table),
            map: Some(Arc::clone(&self.description.map)),
            kind: RowsKind::Insert,
            first_row: 0,
            row_count: chunk.rows,
            before: ColumnSet::none(),
            after: self.present.clone(),
            images: chunk.images.clone(),
            query: None,
        }
    }

    /// Of the chunk's last row; none where the table has no key, and so only one chunk.
    fn last_key(&self, chunk: &Chunk) -> Result<Option<Key>, Failure> {
        let table = &self.description.table;
        let wrong = |error| Failure::definite(format!("a key of {}", table.name)).because(error);
        if self.description.key.is_empty() {
            return Ok(None);
        }
        let reader = KeyReader::new(table, &self.description.key).map_err(wrong)?;
        let block = self.block(chunk);
        let mut bytes = Vec::new();
        for row in block.rows() {
            let (_, row) = row.map_err(wrong)?;
            if let Some(image) = &row.after {
                bytes.clear();
                reader.read(image, &mut bytes).map_err(wrong)?;
            }
        }
        let values = split(&bytes).map(Into::into);
        Ok((0 < chunk.rows).then(|| Key(values.collect())))
    }
}
