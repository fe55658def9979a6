//! The last key of a table: a copy ends with it, however many rows come behind it meanwhile.

use headwater_actors::{failure::Failure, ports::snapshot::Description, snapshot::Key};
use headwater_binlog::Error as RowError;

use super::{
    chunk::{Failed, Rows},
    describe::changing,
    session::{DOING, Session},
    sql,
    stretch::key_of,
};
use crate::mysql::error::Error;

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
        let mut row = Rows::default();
        let bounds = (usize::MAX, ROW_BYTES_MAX);
        match self.select(&sql, description, bounds, &mut row).await {
            Ok(()) if row.count == 0 => Ok(None),
            Ok(()) => key_of(description, &row.images).map(Some).map_err(refused),
            Err(Failed::Sql(Error::Server(_))) => Err(changing(table)),
            Err(Failed::Form(error)) => Err(changing(table).because(error)),
            Err(Failed::Row(error) | Failed::Place(error)) => Err(refused(error)),
            Err(Failed::Sql(error)) => {
                Err(self.server.failure(&format!("{DOING}, {table}"), error))
            }
        }
    }
}
