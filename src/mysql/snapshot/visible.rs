//! Waits until all that the stream has sent is visible to the next SELECT.
//!
//! A transaction stands in the log before the engine commits it, long before where a semi-synchronous replica stands
//! still. So what the stream has sent may not be there yet for a SELECT, and an older value would follow a newer one.
//! How the wait ends depends on the server:
//!
//! - **GTIDs**: a GTID enters `gtid_executed` after the engine's commit, so the server waits for the set.
//! - **MariaDB**: a consistent snapshot names the exact place of the log that it stands for. One that stands before what
//!   was sent is left and taken again.
//! - **Locks**: a transaction holds the metadata lock of each table that it has changed until its commit has ended in the
//!   engine. Whoever gets the table's read lock, which is let go at once, comes after all of them. Writers do not queue
//!   behind the wait for it: MySQL's own rule prefers them.
//! - **Time**: without the right to lock. What was sent has been in the log since before the question, and is committed
//!   by now, unless the commit takes longer than the longest wait that the server knows: that for a replica's
//!   acknowledgement, and a margin for the disk. Keys of changes that leave within that time need not be remembered
//!   then: they lie before the SELECT. A lock that others do not let us have within that time ends the same way.
//!   What would take more than a minute is not waited for: the copy says which right it lacks.
//!
//! <https://dev.mysql.com/doc/refman/8.4/en/gtid-functions.html>,
//! <https://mariadb.com/kb/en/enhancements-for-start-transaction-with-consistent-snapshot/>

use std::{
    cmp::Ordering,
    time::{Duration, Instant},
};

use headwater_actors::{failure::Failure, ports::snapshot::Sent};
use headwater_binlog::{
    gtid::GtidSet,
    position::{FileName, Position},
    schema::TableName,
};
use tokio::time::sleep;

use super::{
    session::{DOING, LOCK_WAIT, Session},
    sql::name_of,
};
use crate::mysql::{
    error::Error,
    facts::{number, text},
};

/// One question waits so long; then it is said what is waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Above what the server waits for.
const ANSWER_MARGIN: Duration = Duration::from_secs(30);
/// Between two looks at a consistent snapshot.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Of time alone no more is waited for.
pub(super) const TIME_MAX: Duration = Duration::from_secs(60);
/// A commit that waits for no replica.
const COMMIT_MAX: Duration = Duration::from_secs(2);

/// What a SELECT on this connection will see.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Visible {
    /// What is committed when it begins.
    Latest,
    /// Just what stands in the log before this place; a transaction is open.
    UpTo(Position),
}

/// By what the wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Gtids,
    Snapshot,
    LockOrTime,
}

impl Session {
    pub async fn rule(&mut self) -> Result<Rule, Failure> {
        if self.is_mariadb() {
            return Ok(Rule::Snapshot);
        }
        let rows = self.server.rows(DOING, "SELECT @@GLOBAL.gtid_mode").await?;
        let mode = rows.first().and_then(|row| text(row, 0));
        // With ON_PERMISSIVE a transaction may have none.
        Ok(match mode.as_deref() {
            Some("ON") => Rule::Gtids,
            _ => Rule::LockOrTime,
        })
    }

    /// # Errors
    /// Transient, with what was waited for.
    pub async fn wait_for(&mut self, table: &TableName, sent: &Sent) -> Result<Visible, Failure> {
        match self.rule().await? {
            Rule::Gtids => self.wait_for_gtids(&sent.gtids).await?,
            Rule::Snapshot => return self.wait_for_snapshot(&sent.position).await,
            Rule::LockOrTime => self.wait_for_lock(table).await?,
        }
        Ok(Visible::Latest)
    }

    /// Ends what [`Session::wait_for`] has opened.
    pub async fn done(&mut self, visible: &Visible) -> Result<(), Failure> {
        match visible {
            Visible::Latest => Ok(()),
            Visible::UpTo(_) => self.server.execute(DOING, "COMMIT").await,
        }
    }

    async fn wait_for_gtids(&mut self, sent: &GtidSet) -> Result<(), Failure> {
        if sent.is_empty() {
            return Ok(());
        }
        let secs = WAIT_MAX.as_secs();
        let sql = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{sent}', {secs})");
        let wait_max = WAIT_MAX + ANSWER_MARGIN;
        let rows = self.server.rows_within(wait_max, DOING, &sql).await?;
        if rows.first().and_then(|row| number(row, 0)) == Some(0) {
            return Ok(());
        }
        let sql = "SELECT @@GLOBAL.gtid_executed";
        let rows = self.server.rows(DOING, sql).await?;
        let executed = rows.first().and_then(|row| text(row, 0));
        let executed: GtidSet = executed
            .unwrap_or_default()
            .parse()
            .map_err(|error| Failure::transient(DOING).because(error))?;
        let mut missing = sent.clone();
        missing.subtract(&executed);
        Err(not_committed(&format!("GTIDs {missing}")))
    }

    async fn wait_for_snapshot(&mut self, sent: &Position) -> Result<Visible, Failure> {
        let begun = Instant::now();
        loop {
            let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
            self.server.execute(DOING, sql).await?;
            let place = self.snapshot_place().await?;
            match place.partial_cmp(sent) {
                Some(Ordering::Equal | Ordering::Greater) => return Ok(Visible::UpTo(place)),
                None => {
                    return Err(Failure::transient(format!(
                        "{DOING}: {place} and {sent} are not of one log"
                    )));
                }
                Some(Ordering::Less) => (),
            }
            self.server.execute(DOING, "COMMIT").await?;
            if WAIT_MAX < begun.elapsed() {
                let what = format!("a commit between {place} and {sent}");
                return Err(not_committed(&what));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn snapshot_place(&mut self) -> Result<Position, Failure> {
        let sql = "SHOW STATUS LIKE 'binlog_snapshot_%'";
        let rows = self.server.rows(DOING, sql).await?;
        let of = |end: &str| {
            let mut rows = rows.iter();
            rows.find(|row| text(row, 0).is_some_and(|name| name.to_lowercase().ends_with(end)))
        };
        let file = of("_file").and_then(|row| text(row, 1)).unwrap_or_default();
        let offset = of("_position").and_then(|row| number(row, 1));
        let unknown = || {
            Failure::transient(format!(
                "{DOING}: the server does not say which place of its log a consistent snapshot stands for"
            ))
        };
        Ok(Position {
            file: FileName::parse(&file).map_err(|_| unknown())?,
            offset: offset.ok_or_else(unknown)?,
        })
    }

    async fn wait_for_lock(&mut self, table: &TableName) -> Result<(), Failure> {
        const LOCK_WAIT_TIMEOUT: u16 = 1205;
        // Denied, and READ ONLY servers that take it for a write.
        const NOT_ALLOWED: [u16; 4] = [1044, 1142, 1227, 1290];
        // What is there in its place is found out by whoever looks at it.
        const NO_SUCH_TABLE: [u16; 2] = [1049, 1146];
        let begun = Instant::now();
        let commits_within = self.commits_within().await?;
        let sql = format!("LOCK TABLES {} READ", name_of(table));
        loop {
            match self.server.conn.query(&sql).await {
                Ok(_) => return self.server.execute(DOING, "UNLOCK TABLES").await,
                Err(Error::Server(error)) if error.number == LOCK_WAIT_TIMEOUT => {
                    if commits_within < begun.elapsed() {
                        tracing::debug!(%table, "no lock; what was sent is committed by now");
                        return Ok(());
                    }
                    if WAIT_MAX < begun.elapsed() && TIME_MAX < commits_within {
                        return Err(not_committed(&format!(
                            "transactions that have changed {table}"
                        )));
                    }
                }
                Err(Error::Server(error)) if NO_SUCH_TABLE.contains(&error.number) => return Ok(()),
                Err(Error::Server(error))
                    if NOT_ALLOWED.contains(&error.number) && TIME_MAX < commits_within =>
                {
                    let secs = commits_within.as_secs();
                    let user = &self.server.user;
                    return Err(Failure::transient(format!(
                        "{DOING}, {table}: commits may wait {secs} s for a replica, and the account may not lock the table to know when they have ended"
                    ))
                    .with_hint(format!(
                        "turn GTIDs on, or GRANT LOCK TABLES ON *.* TO '{user}'@'%'"
                    )));
                }
                Err(Error::Server(error)) if NOT_ALLOWED.contains(&error.number) => {
                    let left = commits_within.saturating_sub(begun.elapsed());
                    tracing::debug!(%table, secs = left.as_secs_f32(), "wait until what was sent is committed");
                    sleep(left).await;
                    return Ok(());
                }
                Err(error) => return Err(self.server.failure(&format!("{DOING}, {table}"), error)),
            }
        }
    }

    /// The longest that a commit takes from the log to the engine.
    pub async fn commits_within(&mut self) -> Result<Duration, Failure> {
        let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
            ('rpl_semi_sync_source_enabled', 'rpl_semi_sync_source_timeout', \
            'rpl_semi_sync_master_enabled', 'rpl_semi_sync_master_timeout')";
        let rows = self.server.rows(DOING, sql).await?;
        let of = |end: &str| {
            let mut rows = rows.iter();
            rows.find(|row| text(row, 0).is_some_and(|name| name.ends_with(end)))
        };
        let is_on = of("_enabled").and_then(|row| text(row, 1));
        let timeout_ms = of("_timeout").and_then(|row| number(row, 1));
        let waits = match is_on.as_deref() {
            Some("ON" | "1") => Duration::from_millis(timeout_ms.unwrap_or_default()),
            _ => Duration::ZERO,
        };
        Ok(COMMIT_MAX + waits)
    }
}

fn not_committed(what: &str) -> Failure {
    Failure::transient(format!(
        "{DOING}: waited {} s for what stands in the log and is not committed yet: {what}",
        WAIT_MAX.as_secs()
    ))
    .with_hint("look for what holds commits back: a semi-synchronous replica that does not answer (SHOW STATUS LIKE 'Rpl_semi_sync%'), a full disk, a long transaction (SHOW PROCESSLIST)")
}

const _: () = assert!(LOCK_WAIT.as_secs() < WAIT_MAX.as_secs());
