//! When the server is too busy to be read from.
//!
//! Asked before chunks, once a second at most, whoever asks: what one question has found counts for all until then.
//! Our own statements count among those that run.

use std::time::{Duration, Instant};

use headwater_actors::failure::Failure;
use tokio::sync::Mutex;

use super::session::{DOING, Session};
use crate::mysql::{
    facts::{Flavour, Server, number, text},
    query::Answer,
};

const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// As `[snapshot]` has them; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// Statements that the server runs at once, `Threads_running`.
    pub source_threads_running_max: u64,
    /// Of the server itself, where it replicates from another one.
    pub replica_lag_secs_max: u64,
}

/// The limits, and what the last look has found.
pub(super) struct Pace {
    limits: SnapshotLimits,
    found: Mutex<Option<(Instant, Option<String>)>>,
}

impl Pace {
    pub fn new(limits: SnapshotLimits) -> Self {
        Self {
            limits,
            found: Mutex::default(),
        }
    }

    /// Why nothing should be read now, as a sentence.
    pub async fn busy(&self, session: &mut Session) -> Result<Option<String>, Failure> {
        if self.limits == SnapshotLimits::default() {
            return Ok(None);
        }
        let mut found = self.found.lock().await;
        if let Some((at, busy)) = &*found
            && at.elapsed() < ASK_INTERVAL
        {
            return Ok(busy.clone());
        }
        let busy = self.look(&mut session.server).await?;
        *found = Some((Instant::now(), busy.clone()));
        Ok(busy)
    }

    async fn look(&self, server: &mut Server) -> Result<Option<String>, Failure> {
        let threads_max = self.limits.source_threads_running_max;
        if threads_max > 0 {
            let sql = "SHOW GLOBAL STATUS LIKE 'Threads_running'";
            let rows = server.rows(DOING, sql).await?;
            let threads = rows.first().and_then(|row| number(row, 1)).unwrap_or(0);
            if threads_max < threads {
                return Ok(Some(format!(
                    "the source runs {threads} statements at once, snapshot.source_threads_running_max is {threads_max}"
                )));
            }
        }
        let lag_max = self.limits.replica_lag_secs_max;
        if lag_max > 0
            && let Some(lag) = lag_secs(server).await?
            && lag_max < lag
        {
            return Ok(Some(format!(
                "the source is {lag} s behind the server that it replicates, snapshot.replica_lag_secs_max is {lag_max}"
            )));
        }
        Ok(None)
    }
}

/// `None` on a server that replicates from nobody, or does not know its lag.
async fn lag_secs(server: &mut Server) -> Result<Option<u64>, Failure> {
    let is_new = server.flavour() == Flavour::MySql && server.version() >= (8, 0, 22);
    let sql = match (server.flavour(), is_new) {
        (_, true) => "SHOW REPLICA STATUS",
        (Flavour::MySql, false) => "SHOW SLAVE STATUS",
        (Flavour::MariaDb, false) => "SHOW ALL SLAVES STATUS",
    };
    let Some(channels) = server.answer_if_told(DOING, sql).await? else {
        let user = &server.user;
        let hint = format!(
            "GRANT REPLICATION CLIENT ON *.* TO '{user}'@'%' (MariaDB: REPLICA MONITOR), or set snapshot.replica_lag_secs_max = 0"
        );
        let failure = Failure::transient(format!(
            "{DOING}: the account may not ask how far the source is behind"
        ));
        return Err(failure.with_hint(hint));
    };
    Ok(furthest_behind(&channels))
}

/// <https://dev.mysql.com/doc/refman/9.0/en/show-replica-status.html>
fn furthest_behind(channels: &Answer) -> Option<u64> {
    let names = ["Seconds_Behind_Source", "Seconds_Behind_Master"];
    let mut columns = channels.columns.iter();
    let column = columns.position(|column| names.contains(&column.as_str()))?;
    let lags = channels.rows.iter().filter_map(|row| text(row, column));
    lags.filter_map(|lag| lag.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::query::Row;

    #[test]
    fn the_channel_that_is_furthest_behind_counts() {
        let row = |lag: &[u8]| Row::of([&b"\x01x"[..], lag].concat(), 2).expect("a row");
        let of = |rows| {
            furthest_behind(&Answer {
                columns: vec!["Channel_Name".into(), "Seconds_Behind_Source".into()],
                rows,
                changed: 0,
            })
        };
        assert_eq!(
            of(vec![row(b"\x017"), row(b"\x0242"), row(b"\xfb")]),
            Some(42)
        );
        assert_eq!(of(vec![row(b"\xfb")]), None);
        assert_eq!(of(vec![]), None);
        assert_eq!(furthest_behind(&Answer::default()), None);
    }
}
