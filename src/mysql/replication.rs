//! Whether a server still gets transactions from another one: what it lacks now may come.
//!
//! What counts is the applier: while it runs, transactions arrive from the relay log even when the source is
//! gone. A stopped one gets nothing until an operator starts it, and a promoted server has none.

use headwater_actors::failure::Failure;

use super::{
    facts::{Flavour, Server, number, text},
    query::Answer,
};

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
        let Some(channels) = self.answer_if_told(DOING, sql).await? else {
            return Ok(Replication::Hidden);
        };
        if applies(&channels) || self.is_group_member().await? {
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
        let doing = "ask whether the server is of a group";
        let rows = self.rows_if_told(doing, sql).await?;
        Ok(rows.is_some_and(|rows| !rows.is_empty()))
    }
}

/// Whether one of the channels does.
/// <https://dev.mysql.com/doc/refman/9.0/en/show-replica-status.html>
fn applies(channels: &Answer) -> bool {
    let names = ["Replica_SQL_Running", "Slave_SQL_Running"];
    let mut columns = channels.columns.iter();
    let Some(column) = columns.position(|column| names.contains(&column.as_str())) else {
        return false;
    };
    let mut channels = channels.rows.iter();
    channels.any(|channel| text(channel, column).is_some_and(|runs| runs == "Yes"))
}
