//! Connections on which values look as `docs/event-format.md` has them.

use anyhow::Context;
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

use crate::mysql::MySql;

/// Large and odd rows pass; nothing here has to outlive a crash.
pub const SOURCE: [&str; 5] = [
    "--max-allowed-packet=1G",
    "--secure-file-priv=",
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
];

/// The same without a log of its own, whose rules would forbid to mix engines in a transaction.
pub const SECOND: [&str; 6] = [
    "--max-allowed-packet=1G",
    "--skip-log-bin",
    "--gtid-mode=OFF",
    "--enforce-gtid-consistency=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
];

/// A connection as `root` that takes any value and counts the rows it finds, not those it changes.
///
/// # Errors
/// When the server does not take it.
pub async fn open(server: &MySql) -> anyhow::Result<Conn> {
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.port())
        .user(Some("root"))
        .prefer_socket(false)
        .client_found_rows(true)
        .max_allowed_packet(Some(1 << 30));
    let mut conn = Conn::new(opts)
        .await
        .with_context(|| format!("connect to mysqld on port {}", server.port()))?;
    conn.query_drop("SET sql_mode = '', time_zone = '+00:00', NAMES utf8mb4")
        .await
        .context("set the session")?;
    Ok(conn)
}
