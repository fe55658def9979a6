//! Whether a server still gets transactions from another one: what it lacks now may come.
//!
//! What counts is the applier: while it runs, transactions arrive from the relay log even when the source is
//! gone. A stopped one gets nothing until an operator starts it, and a promoted server has none.

use headwater_actors::failure::Failure;
use mysql_async::{Error, Row, prelude::Queryable};

use super::facts::{Flavour, Server, number, text};

const DOING: &str = "ask whether the server replicates";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    Runs,
    /// No channel, or none that applies.
    Stopped,
    /// The account may not see it.
    Hidden,
}

impl Server {
    pub(super) async fn replication(&mut self) -> Result<Replication, Failure> {
        if self.flavour() == Flavour::MariaDb {
            return self.mariadb_replication().await;
        }
        let sql = if self.version() >= (8, 0, 22) {
            "SHOW REPLICA STATUS"
        } else {
            "SHOW SLAVE STATUS"
        };
        let channels = match self.conn.query::<Row, _>(sql).await {
            Ok(channels) => channels,
            Err(Error::Server(_)) => return Ok(Replication::Hidden),
            Err(error) => return Err(self.failure(DOING, error)),
        };
        if channels.iter().any(applies) || self.is_group_member().await? {
            return Ok(Replication::Runs);
        }
        Ok(Replication::Stopped)
    }

    /// How many appliers run; SHOW ALL SLAVES STATUS wants a privilege of its own (SLAVE MONITOR).
    async fn mariadb_replication(&mut self) -> Result<Replication, Failure> {
        let sql = "SHOW GLOBAL STATUS LIKE 'Slaves_running'";
        let rows = self.rows(DOING, sql).await?;
        Ok(match rows.first().and_then(|row| number(row, 1)) {
            Some(0) => Replication::Stopped,
            Some(_) => Replication::Runs,
            None => Replication::Hidden,
        })
    }

    /// Group replication has its applier beside the channels.
    async fn is_group_member(&mut self) -> Result<bool, Failure> {
        let sql = "SELECT 1 FROM performance_schema.replication_group_members \
            WHERE member_id = @@GLOBAL.server_uuid AND member_state IN ('ONLINE', 'RECOVERING')";
        match self.conn.query::<Row, _>(sql).await {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(Error::Server(_)) => Ok(false),
            Err(error) => Err(self.failure("ask whether the server is of a group", error)),
        }
    }
}

/// <https://dev.mysql.com/doc/refman/9.0/en/show-replica-status.html>
fn applies(channel: &Row) -> bool {
    let names = ["Replica_SQL_Running", "Slave_SQL_Running"];
    let column = channel
        .columns_ref()
        .iter()
        .position(|column| names.contains(&column.name_str().as_ref()));
    column
        .and_then(|column| text(channel, column))
        .is_some_and(|runs| runs == "Yes")
}
