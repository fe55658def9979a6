//! Connections that read tables: proven to be the right server, and set up so that values come as the log has them.
//!
//! An account's `init_connect`, and the server's defaults, may have changed what a session does: all that changes which
//! rows come, or what their values look like, is set back once per connection. ALLOW_INVALID_DATES is on so that a date
//! that the server holds is also one that it compares with. A connection that died while nobody used it is replaced.

use std::{sync::PoisonError, time::Duration};

use headwater_actors::failure::Failure;
use headwater_binlog::{event::Dialect, gtid::Uuid};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::mysql::{
    facts::{Flavour, Server, text},
    options::SourcePlan,
    session::server,
};

pub(super) const DOING: &str = "read tables beside the stream";

/// How long a statement on a table may keep us waiting for it; nobody waits behind us for longer.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(2);

/// What every session needs. The first one makes sure that the others are read as they are written.
const SETTINGS: [&str; 5] = [
    "SET NAMES utf8mb4",
    "ROLLBACK",
    "UNLOCK TABLES",
    "SET SESSION character_set_results = NULL, SESSION time_zone = '+00:00', \
     SESSION sql_mode = 'ALLOW_INVALID_DATES', SESSION autocommit = 1, \
     SESSION sql_select_limit = 18446744073709551615, SESSION lock_wait_timeout = 2, \
     SESSION wait_timeout = 600, SESSION net_write_timeout = 600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
];

/// What only some servers know.
const SETTINGS_IF_KNOWN: [&str; 7] = [
    "SET SESSION sql_big_selects = 1",
    "SET SESSION sql_auto_is_null = 0",
    "SET SESSION max_execution_time = 0",
    "SET SESSION max_statement_time = 0",
    "SET SESSION system_versioning_asof = DEFAULT",
    // The hidden key of 8.0.30 and later is logged, and may be hidden in information_schema.
    "SET SESSION show_gipk_in_create_table_and_information_schema = ON",
    // Else estimates may be a day old.
    "SET SESSION information_schema_stats_expiry = 0",
];

/// A connection that is set up.
pub(super) struct Session {
    pub server: Server,
    /// What is found on it has been used once: it may have died since.
    is_used: bool,
}

impl Session {
    /// `home` is the server whose log is read; `None`: whichever answers.
    ///
    /// # Errors
    /// Transient where another server answers; definite on a reader of Aurora, which keeps no log of what it shows.
    pub async fn open(plan: &SourcePlan, home: Option<Uuid>) -> Result<Self, Failure> {
        let mut server = server(plan).await?;
        let found = server.server_uuid().await?;
        if let Some(home) = home.filter(|home| *home != found) {
            return Err(Failure::transient(format!(
                "{DOING}: the log is that of server {home}, and {found} answers"
            )));
        }
        ensure_version(&server)?;
        for sql in SETTINGS {
            server.execute(DOING, sql).await?;
        }
        for sql in SETTINGS_IF_KNOWN {
            server.rows_if_told(DOING, sql).await?;
        }
        ensure_no_aurora_reader(&mut server).await?;
        Ok(Self {
            server,
            is_used: false,
        })
    }

    pub fn is_mariadb(&self) -> bool {
        self.server.flavour() == Flavour::MariaDb
    }

    pub fn dialect(&self) -> Dialect {
        match self.server.flavour() {
            Flavour::MySql => Dialect::MySql,
            Flavour::MariaDb => Dialect::MariaDb,
        }
    }

    async fn is_alive(&mut self) -> bool {
        !self.is_used || self.server.execute(DOING, "DO 0").await.is_ok()
    }
}

/// Older ones cannot be asked to wait for what was sent. Aurora names two numbers of its MySQL only.
fn ensure_version(server: &Server) -> Result<(), Failure> {
    let oldest = match server.flavour() {
        Flavour::MySql => (5, 7, 0),
        Flavour::MariaDb => (10, 1, 0),
    };
    if server.version() >= oldest {
        return Ok(());
    }
    let version = &server.version_text;
    let failure = Failure::definite(format!("{DOING}: the server is {version}"));
    Err(failure.with_hint("snapshots need MySQL 5.7 or MariaDB 10.1 at least: copy the tables by a dump (docs/start.md)"))
}

/// Aurora's readers show the writer's storage, at no place of a log that they could name.
async fn ensure_no_aurora_reader(server: &mut Server) -> Result<(), Failure> {
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('aurora_version', 'innodb_read_only')";
    let rows = server.rows(DOING, sql).await?;
    let of = |name: &str| {
        let row = rows
            .iter()
            .find(|row| text(row, 0).as_deref() == Some(name))?;
        text(row, 1)
    };
    let [aurora, read_only] = ["aurora_version", "innodb_read_only"].map(of);
    if !is_aurora_reader(aurora.as_deref(), read_only.as_deref()) {
        return Ok(());
    }
    Err(Failure::definite(format!(
        "{DOING}: the server is a reader of an Aurora cluster, which keeps no log of its rows"
    ))
    .with_hint("let source.url name the cluster's writer endpoint"))
}

/// By what the server says of these variables, if it knows them.
fn is_aurora_reader(aurora_version: Option<&str>, innodb_read_only: Option<&str>) -> bool {
    aurora_version.is_some() && matches!(innodb_read_only, Some("ON" | "1"))
}

/// At most so many connections at once; those that are free are kept.
pub(super) struct Pool {
    permits: Semaphore,
    free: std::sync::Mutex<Vec<Session>>,
}

impl Pool {
    pub fn new(connections_max: usize) -> Self {
        Self {
            permits: Semaphore::new(connections_max.max(1)),
            free: std::sync::Mutex::default(),
        }
    }

    /// Waits for a connection, or makes one.
    pub async fn take(
        &self,
        plan: &SourcePlan,
        home: Uuid,
    ) -> Result<(Session, SemaphorePermit<'_>), Failure> {
        let closed = |_| Failure::transient(format!("{DOING}: no more connections are given out"));
        let permit = self.permits.acquire().await.map_err(closed)?;
        loop {
            let free = self.free().pop();
            let Some(mut session) = free else {
                break;
            };
            if session.is_alive().await {
                return Ok((session, permit));
            }
        }
        Ok((Session::open(plan, Some(home)).await?, permit))
    }

    /// Only what nothing is left to be read of.
    pub fn give_back(&self, mut session: Session) {
        session.is_used = true;
        self.free().push(session);
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aurora_reader_is_no_writer_and_no_server_that_is_read_only() {
        assert!(is_aurora_reader(Some("3.08.0"), Some("ON")));
        assert!(is_aurora_reader(Some("2.11.5"), Some("1")));
        assert!(!is_aurora_reader(Some("3.08.0"), Some("OFF")));
        assert!(!is_aurora_reader(None, Some("ON")));
        assert!(!is_aurora_reader(None, None));
    }
}
