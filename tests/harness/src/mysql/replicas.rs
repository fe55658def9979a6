//! Servers that replicate others, and one whose word a source waits for.

use std::time::Duration;

use anyhow::{Context, ensure};
use mysql_async::{Row, prelude::Queryable};
use tokio::task::JoinHandle;

use super::{Flavour, MySql};
use crate::wait::Deadline;

const WITHIN: Duration = Duration::from_secs(60);
/// A source that is not told otherwise waits so long for a word.
const FOR_EVER: Duration = Duration::from_secs(3_600);

impl MySql {
    /// Makes it a replica of `source`, by GTID, or without GTIDs from the begin of its log; returns when both of its
    /// threads run.
    ///
    /// # Errors
    /// When a statement fails or the threads do not come up; the message has their last error.
    pub async fn replica_of(&self, source: &Self) -> anyhow::Result<()> {
        let port = source.port();
        let sql = match self.flavour {
            Flavour::MySql => {
                let mode = source.query_value("SELECT @@GLOBAL.gtid_mode").await?;
                let first = source.query_value("SHOW BINARY LOGS").await?;
                let from = match &*mode {
                    "OFF" => format!("SOURCE_LOG_FILE='{first}', SOURCE_LOG_POS=4"),
                    _ => "SOURCE_AUTO_POSITION=1".to_owned(),
                };
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='root', \
                     SOURCE_CONNECT_RETRY=1, {from}, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
                )
            }
            Flavour::MariaDb => format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='root', \
                 MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START REPLICA"
            ),
        };
        self.exec(&sql).await?;
        let deadline = Deadline::after(Duration::from_secs(30), "the replica's threads to run");
        loop {
            let mut conn = self.conn().await?;
            let status: Option<Row> = conn
                .query_first("SHOW REPLICA STATUS")
                .await
                .context("ask the replica")?;
            conn.disconnect().await.context("leave the server")?;
            let status = status.context("the server is no replica")?;
            let column = |name: &str| status.get::<String, _>(name).unwrap_or_default();
            let runs = |thread: &str| {
                ["Replica", "Slave"]
                    .map(|word| format!("{word}_{thread}_Running"))
                    .iter()
                    .any(|name| column(name) == "Yes")
            };
            if runs("IO") && runs("SQL") {
                return Ok(());
            }
            deadline.pause().await.with_context(|| {
                format!(
                    "it says: {} {}",
                    column("Last_IO_Error"),
                    column("Last_SQL_Error")
                )
            })?;
        }
    }

    /// Waits until this replica has applied all that `source` has committed by now.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub async fn caught_up_with(&self, source: &Self) -> anyhow::Result<()> {
        let set = source.gtid_executed().await?;
        let sql = match self.flavour {
            Flavour::MySql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{set}', 60)"),
            Flavour::MariaDb => format!("SELECT MASTER_GTID_WAIT('{set}', 60)"),
        };
        let waited = self.query_value(&sql).await?;
        ensure!(
            waited == "0",
            "the replica has not applied {set} within 60 s"
        );
        Ok(())
    }

    /// Ends its being a replica.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn promote(&self) -> anyhow::Result<()> {
        self.exec("STOP REPLICA; RESET REPLICA ALL").await
    }
}

/// A semi-synchronous replica: while it stands still, what its source writes is in the log and not committed.
///
/// The source waits for its word behind the write into the log and before the engine's commit (AFTER_SYNC).
/// <https://dev.mysql.com/doc/refman/9.0/en/replication-semisync.html>
#[derive(Debug)]
pub struct Witness {
    replica: MySql,
}

/// A write that stands in the log and is not committed.
#[derive(Debug)]
pub struct Held(JoinHandle<anyhow::Result<()>>);

impl Witness {
    /// A new server that replicates `source`, which waits for its word from now on.
    ///
    /// # Errors
    /// When a server does not start or a statement fails.
    pub async fn of(source: &MySql) -> anyhow::Result<Self> {
        Self::within(source, FOR_EVER).await
    }

    /// The same, and the source waits for so long and then commits without it.
    ///
    /// # Errors
    /// As [`Witness::of`].
    pub async fn within(source: &MySql, timeout: Duration) -> anyhow::Result<Self> {
        let options: Vec<&str> = source.options.iter().map(String::as_str).collect();
        let replica = MySql::of(source.flavour, &options).await?;
        let ms = timeout.as_millis();
        let (on_source, on_replica) = match source.flavour {
            Flavour::MySql => (
                format!(
                    "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'; \
                     SET GLOBAL rpl_semi_sync_source_enabled = ON, GLOBAL rpl_semi_sync_source_timeout = {ms}"
                ),
                "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'; \
                 SET GLOBAL rpl_semi_sync_replica_enabled = ON",
            ),
            Flavour::MariaDb => (
                format!(
                    "SET GLOBAL rpl_semi_sync_master_timeout = {ms}, GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, \
                     GLOBAL rpl_semi_sync_master_enabled = ON"
                ),
                "SET GLOBAL rpl_semi_sync_slave_enabled = ON",
            ),
        };
        source.exec(&on_source).await?;
        replica.exec(on_replica).await?;
        replica.replica_of(source).await?;
        Ok(Self { replica })
    }

    /// Stops the replica and lets the source write by one statement, which then stands still. `seen` is a query whose
    /// answer the statement will change.
    ///
    /// # Errors
    /// When the statement does not come into the log, or can be seen there already.
    pub async fn hold(&mut self, source: &MySql, sql: &str, seen: &str) -> anyhow::Result<Held> {
        let deadline = Deadline::after(WITHIN, "a source that waits for its replica");
        let status = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_source_clients', \
             'Rpl_semi_sync_source_status', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_status')";
        loop {
            let rows = source.query_rows(status).await?;
            let values: Vec<_> = rows.iter().filter_map(|row| row[1].as_deref()).collect();
            if values == ["1", "ON"] {
                break;
            }
            let pause = deadline.pause().await;
            pause.with_context(|| format!("{rows:?}"))?;
        }
        let (before, answer) = (source.position().await?, source.query_value(seen).await?);
        self.replica.pause()?;
        let (mut conn, statement) = (source.conn().await?, sql.to_owned());
        let write = tokio::spawn(async move { Ok(conn.query_drop(statement).await?) });
        let deadline = Deadline::after(WITHIN, "the write to be in the log");
        while source.position().await? == before {
            deadline.pause().await?;
        }
        let held = Held(write);
        ensure!(
            source.query_value(seen).await? == answer && held.is_held(),
            "the commit does not stand still"
        );
        Ok(held)
    }

    /// Ends a [`hold`](Self::hold).
    ///
    /// # Errors
    /// When the replica does not run.
    pub fn let_go(&mut self) -> anyhow::Result<()> {
        self.replica.resume()
    }
}

impl Held {
    pub fn is_held(&self) -> bool {
        !self.0.is_finished()
    }

    /// Waits for its commit.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn committed(self) -> anyhow::Result<()> {
        self.0.await.context("a write")?
    }
}
