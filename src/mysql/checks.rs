//! Whether a server's settings, grants and tables allow its log to be read: one small function a check,
//! each with the one line that cures it. Pure: what the server said comes in.

mod names;
mod tables;
mod tls;
mod unlogged;

use std::collections::HashMap;

use headwater_actors::filter::TableFilter;
use headwater_binlog::schema::{NameCase, TableName};

use super::{facts::Flavour, failure::grant_hint, options::EVENT_BYTES_MAX};

pub use names::{ensure_column_names, ensure_row_metadata};
pub use tables::{
    SeenTable, ensure_all_seen, ensure_primary_keys, ensure_read_before, ensure_tables,
};
pub use tls::ensure_tls;
pub use unlogged::{
    Cascade, ensure_cascades, ensure_log_filters, ensure_log_storage, logs_cascades,
};

const TABLES: &str = "source.tables";
const PRIMARY_KEYS: &str = "ordering.key";
const LOG_FILTERS: &str = "binlog_do_db, binlog_ignore_db";

/// One line of `headwater check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub found: String,
    pub verdict: Verdict,
    /// The SQL line, RDS parameter or GRANT that cures it.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
    /// Not looked into, for what it needs has failed.
    Skip,
}

impl Check {
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            found: found.into(),
            verdict: Verdict::Ok,
            remedy: None,
        }
    }

    pub fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    pub fn skip(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skip,
            ..Self::ok(name, found)
        }
    }

    pub fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }
}

/// Global variables by name. A variable that the server does not know is empty.
#[derive(Debug, Clone, Default)]
pub struct Variables(pub HashMap<String, String>);

impl Variables {
    /// What is asked for; old and new words of one thing side by side.
    pub const NAMES: [&str; 21] = [
        "lower_case_table_names",
        "version",
        "gtid_strict_mode",
        "log_bin",
        "binlog_format",
        "binlog_row_image",
        "binlog_row_metadata",
        "binlog_row_value_options",
        "binlog_checksum",
        "gtid_mode",
        "binlog_expire_logs_seconds",
        "expire_logs_days",
        "server_id",
        "sync_binlog",
        "innodb_flush_log_at_trx_commit",
        "max_allowed_packet",
        "log_replica_updates",
        "log_slave_updates",
        "server_uuid",
        "binlog_storage_engine",
        "innodb_native_foreign_keys",
    ];

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    pub fn name_case(&self) -> NameCase {
        match self.get("lower_case_table_names") {
            "" | "0" => NameCase::Sensitive,
            _ => NameCase::Folded,
        }
    }

    pub fn flavour(&self) -> Flavour {
        Flavour::of(self.get("version"))
    }

    /// The line that sets a variable for good; MariaDB, and MySQL before 8.0, cannot keep one by SQL.
    fn set(&self, assignment: &str) -> String {
        let is_old = self.get("version").starts_with("5.");
        if is_old || self.flavour() == Flavour::MariaDb {
            format!("SET GLOBAL {assignment}, and the same in the server's option file")
        } else {
            format!("SET PERSIST {assignment}")
        }
    }

    /// As [`Variables::set`], with the parameter of RDS that has the same name.
    fn set_also_on_rds(&self, assignment: &str) -> String {
        let name = assignment.split(' ').next().unwrap_or_default();
        format!("{} (RDS parameter group: {name})", self.set(assignment))
    }
}

/// Whether the server writes a log that can be read; `docs/servers.md` says which of them were run.
pub fn ensure_version(text: &str, version: (u16, u16, u16)) -> Check {
    let name = "server version";
    let (oldest, remedy) = match Flavour::of(text) {
        Flavour::MySql => ((5, 5, 0), "use MySQL 5.5 or later, better 8.0.1 or later"),
        Flavour::MariaDb => (
            (10, 0, 2),
            "use MariaDB 10.0.2 or later, better 10.5 or later",
        ),
    };
    if version < oldest {
        return Check::fail(name, text, remedy);
    }
    Check::ok(name, text)
}

pub fn ensure_log_bin(variables: &Variables) -> Check {
    match variables.get("log_bin") {
        "ON" | "1" => Check::ok("log_bin", "ON"),
        found => Check::fail(
            "log_bin",
            found,
            "start the server with --log-bin; on RDS turn automated backups on (retention ≥ 1 day)",
        ),
    }
}

pub fn ensure_format(variables: &Variables) -> Check {
    match variables.get("binlog_format") {
        // A server that has dropped the variable writes rows.
        "ROW" | "" => Check::ok("binlog_format", "ROW"),
        found => Check::fail(
            "binlog_format",
            found,
            format!(
                "{}; sessions keep the old one until they reconnect",
                variables.set_also_on_rds("binlog_format = 'ROW'")
            ),
        ),
    }
}

pub fn ensure_row_image(variables: &Variables) -> Check {
    match variables.get("binlog_row_image") {
        "FULL" | "" => Check::ok("binlog_row_image", "FULL"),
        found => Check::warn(
            "binlog_row_image",
            format!("{found}: columns that the log lacks are absent from events"),
            variables.set_also_on_rds("binlog_row_image = 'FULL'"),
        ),
    }
}

/// Diffs of a JSON document need the document before, which only MINIMAL images lack.
pub fn ensure_row_value_options(variables: &Variables) -> Check {
    let name = "binlog_row_value_options";
    match (variables.get(name), variables.get("binlog_row_image")) {
        ("", _) => Check::ok(name, "none"),
        ("PARTIAL_JSON", "FULL" | "NOBLOB") => Check::ok(name, "PARTIAL_JSON"),
        ("PARTIAL_JSON", image) => Check::fail(
            name,
            format!(
                "PARTIAL_JSON with binlog_row_image = {image}: the log lacks the documents that it changes"
            ),
            "SET PERSIST binlog_row_image = 'FULL', or SET PERSIST binlog_row_value_options = '' (RDS parameter group: binlog_row_image, binlog_row_value_options)",
        ),
        (found, _) => Check::fail(
            name,
            found,
            variables.set_also_on_rds("binlog_row_value_options = ''"),
        ),
    }
}

pub fn ensure_checksum(variables: &Variables) -> Check {
    match variables.get("binlog_checksum") {
        "CRC32" => Check::ok("binlog_checksum", "CRC32"),
        "" => Check::warn(
            "binlog_checksum",
            "not known to the server: damaged events are not noticed",
            "use MySQL 5.6 or later",
        ),
        found => Check::warn(
            "binlog_checksum",
            format!("{found}: damaged events are not noticed"),
            "SET GLOBAL binlog_checksum = 'CRC32'",
        ),
    }
}

pub fn ensure_gtid_mode(variables: &Variables) -> Check {
    if variables.flavour() == Flavour::MariaDb {
        return Check::ok("gtid_mode", "always on in MariaDB");
    }
    match variables.get("gtid_mode") {
        "ON" => Check::ok("gtid_mode", "ON"),
        "" => Check::warn(
            "gtid_mode",
            "not known to the server: no failover to another server",
            "use MySQL 5.6 or later",
        ),
        found => Check::warn(
            "gtid_mode",
            format!("{found}: no failover to another server"),
            "turn GTIDs on, step by step, as the MySQL manual's \"Changing GTID Mode Online\" says",
        ),
    }
}

/// MariaDB. What has been read is known by the last GTID of each domain: numbers must rise.
pub fn ensure_strict_gtids(variables: &Variables) -> Check {
    let name = "gtid_strict_mode";
    match variables.get(name) {
        "ON" | "1" => Check::ok(name, "ON"),
        found => Check::warn(
            name,
            format!("{found}: numbers of a domain may fall, and a failover then halts"),
            variables.set_also_on_rds("gtid_strict_mode = ON"),
        ),
    }
}

/// MariaDB. The log does not say how long such values are.
pub fn ensure_no_old_fractions(tables: &[TableName], filter: &TableFilter) -> Check {
    let name = "mysql56_temporal_format";
    let included: Vec<_> = tables
        .iter()
        .filter(|table| filter.includes(table))
        .map(ToString::to_string)
        .collect();
    let Some(first) = included.first() else {
        return Check::ok(name, "no fraction of a second in the format of MariaDB 5.3");
    };
    Check::fail(
        name,
        format!(
            "fractions of a second in the format of MariaDB 5.3, which the log cannot show: {}",
            included.join(", ")
        ),
        format!(
            "SET GLOBAL mysql56_temporal_format = ON, then ALTER TABLE {first} FORCE, and start behind that; or exclude the table"
        ),
    )
}

/// `rds_hours`: what RDS keeps, where its table exists; its NULL is `Some(None)`.
pub fn ensure_retention(variables: &Variables, rds_hours: Option<Option<u64>>) -> Check {
    const DAY_SECS: u64 = 24 * 60 * 60;
    let name = "retention";
    let rds_remedy = "CALL mysql.rds_set_configuration('binlog retention hours', 72)";
    match rds_hours {
        Some(None) => {
            return Check::warn(name, "RDS deletes the log as soon as it can", rds_remedy);
        }
        Some(Some(hours)) if hours < 24 => {
            return Check::warn(name, format!("{hours} h"), rds_remedy);
        }
        Some(Some(hours)) => return Check::ok(name, format!("{hours} h")),
        None => (),
    }
    let secs = match variables.number("binlog_expire_logs_seconds") {
        Some(secs) if secs > 0 => Some(secs),
        _ => variables
            .number("expire_logs_days")
            .map(|days| days * DAY_SECS),
    };
    match secs {
        None | Some(0) => Check::ok(name, "for ever"),
        Some(secs) if secs < DAY_SECS => Check::warn(
            name,
            format!("{secs} s: an outage of ours longer than that loses changes"),
            variables.set("binlog_expire_logs_seconds = 259200"),
        ),
        Some(secs) => Check::ok(name, format!("{} h", secs / 3600)),
    }
}

/// `replicas`: the ids that the server's replicas present now. `wanted` 0: drawn at random.
pub fn ensure_server_id(variables: &Variables, replicas: &[u64], wanted: u32) -> Check {
    let name = "server_id";
    let remedy =
        "give source.server_id a value that no server and no replica of the group has, or 0";
    if variables.number("server_id") == Some(0) {
        let found = "0: the server gives its log to nobody";
        return Check::fail(name, found, "set server_id on the server");
    }
    if wanted == 0 {
        return Check::ok(name, "drawn at random");
    }
    if variables.number("server_id") == Some(u64::from(wanted)) {
        return Check::fail(name, format!("{wanted} is the server's own"), remedy);
    }
    if replicas.contains(&u64::from(wanted)) {
        let found =
            format!("{wanted} reads from the server now: another replica, or this pipeline");
        return Check::warn(name, found, remedy);
    }
    Check::ok(name, wanted.to_string())
}

pub fn ensure_durability(variables: &Variables) -> [Check; 2] {
    ["sync_binlog", "innodb_flush_log_at_trx_commit"].map(|name| match variables.get(name) {
        "1" => Check::ok(name, "1"),
        found => Check::warn(
            name,
            format!("{found}: after a crash of the server events may have been sent that it no longer has"),
            variables.set_also_on_rds(&format!("{name} = 1")),
        ),
    })
}

pub fn ensure_event_bytes(variables: &Variables, event_bytes_max: usize) -> Check {
    let name = "max_allowed_packet";
    let packet = variables.number(name).unwrap_or(0);
    // An update's event holds the row before and after; no server sends more than the largest packet.
    let needed = packet.saturating_mul(2).min(EVENT_BYTES_MAX);
    if needed > event_bytes_max as u64 {
        return Check::warn(
            name,
            format!(
                "{packet}: an update may make an event of {needed} bytes, source.event_bytes_max is {event_bytes_max}"
            ),
            format!("source.event_bytes_max = {needed}"),
        );
    }
    Check::ok(name, packet.to_string())
}

/// A replica writes what it applies into its own log only with this on.
pub fn ensure_replica_updates(variables: &Variables) -> Check {
    let name = "log_replica_updates";
    let found = match variables.get(name) {
        "" => variables.get("log_slave_updates"),
        found => found,
    };
    match found {
        "OFF" | "0" => Check::warn(
            name,
            "OFF: if this server is a replica, its log lacks what it replicates",
            match variables.flavour() {
                Flavour::MySql => "start the server with --log-replica-updates=ON",
                Flavour::MariaDb => "start the server with --log-slave-updates=ON",
            },
        ),
        _ => Check::ok(name, "ON"),
    }
}

/// `grants` as SHOW GRANTS prints them, those of active roles too.
pub fn ensure_privileges(grants: &[String], user: &str) -> Check {
    let name = "privileges";
    // MariaDB's word for the second since 10.5; it takes both.
    let has = |privilege| grants.iter().any(|grant| gives(grant, privilege));
    let missing: Vec<_> = ["REPLICATION SLAVE", "REPLICATION CLIENT"]
        .into_iter()
        .filter(|privilege| {
            let is_monitor = *privilege == "REPLICATION CLIENT";
            !(has(privilege) || is_monitor && has("BINLOG MONITOR"))
        })
        .collect();
    if missing.is_empty() {
        return Check::ok(name, "REPLICATION SLAVE, REPLICATION CLIENT");
    }
    Check::fail(
        name,
        format!("{} missing", missing.join(", ")),
        grant_hint(user),
    )
}

/// Where one line of SHOW GRANTS gives the privilege: what stands behind its ON.
pub(super) fn given_on<'a>(grant: &'a str, privilege: &str) -> Option<&'a str> {
    let (privileges, target) = grant.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let mut given = privileges.split(',').map(str::trim);
    given
        .any(|given| given == privilege || given == "ALL PRIVILEGES" || given == "ALL")
        .then_some(target)
}

/// Whether one line of SHOW GRANTS gives a global privilege.
fn gives(grant: &str, privilege: &str) -> bool {
    given_on(grant, privilege).is_some_and(|target| target.starts_with("*.*"))
}

/// The same for all tables of a database, whose name a grant escapes.
fn gives_in(grant: &str, privilege: &str, database: &str) -> bool {
    let target = given_on(grant, privilege);
    let Some((found, _)) = target.and_then(|target| target.split_once("`.* TO ")) else {
        return false;
    };
    let found = found.trim_start_matches('`');
    let found = found
        .replace("\\_", "_")
        .replace("\\%", "%")
        .replace("``", "`");
    found == database
}

impl Check {
    /// Tables come and go while a pipeline runs: what is wrong with them refuses its first start, and is a
    /// warning at every later one, which must not fail where the running program did not.
    pub fn at_a_later_start(mut self) -> Self {
        let is_about_tables = [TABLES, PRIMARY_KEYS, LOG_FILTERS].contains(&self.name);
        if is_about_tables && self.verdict == Verdict::Fail {
            self.verdict = Verdict::Warn;
        }
        self
    }
}

#[cfg(test)]
mod tests;
