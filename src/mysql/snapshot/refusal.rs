//! What an error of a chunk's SELECT means.
//!
//! The server's text of an error about a value may repeat that value, so it is passed on for errors alone whose texts
//! hold names and numbers of limits. A right that was taken away is waited for: a definite failure would end the stream
//! of all tables for what only a copy needs, and one GRANT cures it.

use headwater_actors::failure::{Class, Failure};
use headwater_binlog::schema::TableName;

use super::{
    session::{DOING, Session},
    sql::{name_of, with_condition},
};
use crate::mysql::{
    error::{Error, ServerError},
    statement,
};

/// Database, table, column or index are gone; what was a table is none; its definition is another one now.
const CHANGED: [u16; 6] = [1049, 1054, 1146, 1176, 1347, 1412];
const DENIED: [u16; 4] = [1044, 1142, 1143, 1370];
/// Killed, out of time (MySQL's and MariaDB's word), locks, shutdown, and what a server has no more of: texts without
/// values.
const PASSING: [u16; 14] = [
    1021, 1037, 1040, 1041, 1053, 1205, 1213, 1317, 1461, 1615, 1927, 1969, 2013, 3024,
];

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum Refusal {
    Changed,
    Failed(Failure),
}

impl Session {
    /// `condition` is the run's. The connection is usable: the server has spoken.
    pub async fn refusal(
        &mut self,
        table: &TableName,
        condition: Option<&str>,
        error: ServerError,
    ) -> Refusal {
        let is_known = DENIED.contains(&error.number) || PASSING.contains(&error.number);
        if let Some(condition) = condition.filter(|_| !is_known) {
            match self.refused_condition(table, condition, &error).await {
                Ok(None) => (),
                Ok(Some(failure)) | Err(failure) => return Refusal::Failed(failure),
            }
        }
        if CHANGED.contains(&error.number) {
            return Refusal::Changed;
        }
        if DENIED.contains(&error.number) {
            return Refusal::Failed(self.denied(table, error));
        }
        let error = match PASSING.contains(&error.number) {
            true => error,
            false => without_text(error),
        };
        let doing = format!("{DOING}, {table}");
        Refusal::Failed(self.server.failure(&doing, Error::Server(error)))
    }

    pub fn denied(&self, table: &TableName, error: ServerError) -> Failure {
        let doing = format!("{DOING}, {table}");
        let failure = self.server.failure(&doing, Error::Server(error));
        failure.with_class(Class::Transient).with_hint(format!(
            "GRANT SELECT ON {} TO '{}'@'%'; the copy goes on by itself then",
            name_of(table),
            self.server.user
        ))
    }

    /// Whether the server takes the condition by itself; what it says of it holds no key.
    async fn refused_condition(
        &mut self,
        table: &TableName,
        condition: &str,
        error: &ServerError,
    ) -> Result<Option<Failure>, Failure> {
        // A data exception or a cardinality, which shows when rows are read.
        const OF_VALUES: [&str; 2] = ["21", "22"];
        // A `?` is a parameter, and none has a value.
        const NO_VALUES: [u16; 2] = [1210, 1835];
        let sql = with_condition(table, condition);
        let packets = &mut self.server.conn.packets;
        let error = match statement::prepare(packets, &sql).await {
            Ok(prepared) => {
                let closed = statement::close(packets, prepared).await;
                closed.map_err(|error| self.server.failure(DOING, error))?;
                let class = error.state.get(..2).unwrap_or_default();
                let is_its_fault = OF_VALUES.contains(&class) || NO_VALUES.contains(&error.number);
                if !is_its_fault {
                    return Ok(None);
                }
                without_text(error.clone())
            }
            Err(Error::Server(error)) if is_of_condition(&error) => error,
            Err(Error::Server(_)) => return Ok(None),
            Err(error) => return Err(self.server.failure(DOING, error)),
        };
        let doing = format!("{DOING}, {table}: the condition of its run");
        let failure = self.server.failure(&doing, Error::Server(error));
        Ok(Some(failure.with_class(Class::Definite).with_hint(
            "correct where of its run in snapshot.runs: it must be what SELECT takes behind WHERE, with columns of this table",
        )))
    }
}

/// The table may be gone all the same.
fn is_of_condition(error: &ServerError) -> bool {
    const UNKNOWN_COLUMN: u16 = 1054;
    error.number == UNKNOWN_COLUMN
        || !(CHANGED.contains(&error.number)
            || DENIED.contains(&error.number)
            || PASSING.contains(&error.number))
}

fn without_text(error: ServerError) -> ServerError {
    ServerError {
        message: "its text is not shown, for it may hold values of a row".into(),
        ..error
    }
}
