//! The last key of a table: a copy ends with it, however many rows come behind it meanwhile.

use headwater_actors::{failure::Failure, ports::snapshot::Description, snapshot::Key};
use headwater_binlog::{
    Error as RowError,
    rows::{ColumnSet, Image},
    schema::Table,
    snapshot::{KeyReader, RowWriter, split},
};

use super::{
    chunk::are_as_described,
    describe::changing,
    session::{DOING, Session},
    sql,
};
use crate::mysql::{
    error::Error,
    statement::{self, Wanted},
};

/// Of the one row.
const ROW_BYTES_MAX: usize = 1 << 30;

impl Session {
    /// `None` without a row.
    ///
    /// # Errors
    /// Transient when the table is no longer as it was described.
    pub async fn last_key(&mut self, description: &Description) -> Result<Option<Key>, Failure> {
        let table = &description.table.name;
        let refused = |error: RowError| {
            Failure::definite(format!("{DOING}, {table}: its last key")).because(error)
        };
        let sql = sql::last(description, self.dialect()).map_err(refused)?;
        let packets = &mut self.server.conn.packets;
        let prepared = match statement::prepare(packets, &sql).await {
            Ok(prepared) if are_as_described(description, &prepared.columns) => prepared,
            Ok(_) | Err(Error::Server(_)) => return Err(changing(table)),
            Err(error) => return Err(self.server.failure(&format!("{DOING}, {table}"), error)),
        };
        let mut found = Vec::new();
        let take = |row: &[u8]| -> Result<Wanted, Error> {
            found = row.to_vec();
            Ok(Wanted::More)
        };
        let outcome = statement::execute(packets, &prepared, ROW_BYTES_MAX, take).await;
        let outcome = match outcome {
            Ok(_) => statement::close(packets, prepared).await,
            Err(error) => Err(error),
        };
        outcome.map_err(|error| self.server.failure(&format!("{DOING}, {table}"), error))?;
        match found.is_empty() {
            true => Ok(None),
            false => key_of(description, &found).map(Some).map_err(refused),
        }
    }
}

fn key_of(description: &Description, row: &[u8]) -> Result<Key, RowError> {
    let table: &Table = &description.table;
    let mut image = Vec::new();
    RowWriter::new(table).write(row, &mut image)?;
    let present = ColumnSet::all(table.columns.len());
    let short = || RowError::malformed("row image", "no NULL bits");
    let null_bytes = table.columns.len().div_ceil(8);
    let (nulls, values) = image.split_at_checked(null_bytes).ok_or_else(short)?;
    let image = Image {
        table,
        present: &present,
        has_all: true,
        nulls,
        values,
    };
    let mut bytes = Vec::new();
    KeyReader::new(table, &description.key)?.read(&image, &mut bytes)?;
    Ok(Key(split(&bytes).map(Into::into).collect()))
}
