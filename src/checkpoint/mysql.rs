//! Checkpoints in a MySQL table: one row per pipeline, one statement per write.
//!
//! The condition stands in the WHERE, so the server decides; that a row was changed is its answer. Statements
//! commit by themselves. A connection is kept and opened anew after any trouble: the name may lead to another
//! server by then. Where the table lies on the source itself, its writes are in the log that is read: the plan
//! leaves its whole database out. A server that may not be written just now (`read_only`) is transient: it
//! may be the old primary of a failover.

use headwater_actors::{
    failure::{Class, Code, Failure},
    ports::BoxFuture,
};
use mysql_async::{Conn, Params, Row as SqlRow, Value, params, prelude::Queryable};
use tokio::sync::Mutex;

use super::{
    MySqlStorePlan,
    remote::{Row, Table},
};
use crate::{
    lease::Claim,
    mysql::{
        connect::connect,
        failure::{code, failure},
    },
};

/// MEDIUMBLOB takes 16 MiB.
const BODY_BYTES_MAX: usize = 15 << 20;

/// What the documentation shows, too.
const COLUMNS: &str = "(
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  term BIGINT UNSIGNED NOT NULL,
  holder VARCHAR(255) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL,
  renewals BIGINT UNSIGNED NOT NULL,
  lease_ms BIGINT UNSIGNED NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  body MEDIUMBLOB NOT NULL
) ENGINE = InnoDB";

/// One pipeline's row of the table.
pub struct MySqlTable {
    plan: MySqlStorePlan,
    name: String,
    place: String,
    conn: Mutex<Option<Conn>>,
}

impl MySqlTable {
    pub fn new(plan: &MySqlStorePlan, name: &str) -> Self {
        let hosts = plan.server.hosts.iter();
        let hosts: Vec<_> = hosts
            .map(|host| format!("{}:{}", host.name, host.port))
            .collect();
        Self {
            place: format!("table \"{}\" on {}", plan.full_name(), hosts.join(", ")),
            plan: plan.clone(),
            name: name.to_owned(),
            conn: Mutex::new(None),
        }
    }

    /// Runs one statement: its first row, and how many rows it changed.
    async fn run(&self, sql: &str, values: Params) -> Result<(Option<SqlRow>, u64), Failure> {
        let mut kept = self.conn.lock().await;
        // Out of its place while it works: a call that is given up takes its connection with it.
        let (mut conn, is_fresh) = match kept.take() {
            Some(conn) => (conn, false),
            None => (self.connect().await?, true),
        };
        let outcome = conn.exec_first(sql, values.clone()).await;
        let (row, conn) = match outcome {
            Ok(row) => (row, conn),
            // It may have been closed for idleness. Every write is conditional, so saying it twice is safe.
            Err(mysql_async::Error::Io(_) | mysql_async::Error::Driver(_)) if !is_fresh => {
                let mut conn = self.connect().await?;
                let row = conn.exec_first(sql, values).await;
                (row.map_err(|error| self.failure(error))?, conn)
            }
            Err(error) => return Err(self.failure(error)),
        };
        let changed = conn.affected_rows();
        *kept = Some(conn);
        Ok((row, changed))
    }

    async fn connect(&self) -> Result<Conn, Failure> {
        let connected = connect(&self.plan.server).await;
        connected.map_err(|failure| failure.within(&self.place))
    }

    fn failure(&self, error: mysql_async::Error) -> Failure {
        let user = &self.plan.server.user;
        let plain = failure(&self.place, user, error);
        let Some(Code::MySql { number, .. }) = plain.code else {
            return plain;
        };
        let database = &self.plan.database;
        let (class, hint) = match number {
            1049 | 1146 => (
                Class::Definite,
                "create it: `headwater check --create`, or the SQL in docs/high-availability.md".to_owned(),
            ),
            1044 | 1142 | 1143 => (
                Class::Definite,
                format!(
                    "GRANT SELECT, INSERT, UPDATE ON `{database}`.* TO '{user}'@'%' (and CREATE for `headwater check --create`)"
                ),
            ),
            1054 => (
                Class::Definite,
                "the table has other columns than those in docs/high-availability.md".to_owned(),
            ),
            1290 | 1792 | 1836 => (
                Class::Transient,
                "the server takes no writes: checkpoint.mysql.url must lead to the primary, also after a failover".to_owned(),
            ),
            _ => return plain,
        };
        plain.with_class(class).with_hint(hint)
    }

    async fn read_row(&self) -> Result<Option<Row>, Failure> {
        let sql = format!(
            "SELECT term, holder, renewals, lease_ms, version, body FROM {} WHERE name = :name",
            self.plan.quoted()
        );
        let (row, _) = self.run(&sql, params! { "name" => &self.name }).await?;
        row.map(|row| self.row(row)).transpose()
    }

    fn row(&self, mut row: SqlRow) -> Result<Row, Failure> {
        let damaged = || {
            Failure::definite(format!(
                "{}: its row has values that were never written",
                self.place
            ))
            .with_hint("the table has other columns than those in docs/high-availability.md")
        };
        let mut number = |index| row.take::<u64, _>(index).ok_or_else(damaged);
        let (term, renewals) = (number(0)?, number(2)?);
        let (lease_ms, version) = (number(3)?, number(4)?);
        let holder = row.take::<String, _>(1).ok_or_else(damaged)?;
        let body = row.take::<Vec<u8>, _>(5).ok_or_else(damaged)?;
        Ok(Row {
            claim: Claim {
                term,
                holder,
                renewals,
                lease: std::time::Duration::from_millis(lease_ms),
            },
            version,
            body,
        })
    }

    async fn write_claim(&self, seen: Option<&Claim>, new: &Claim) -> Result<bool, Failure> {
        let table = self.plan.quoted();
        let lease_ms = u64::try_from(new.lease.as_millis()).unwrap_or(u64::MAX);
        let mut values = vec![
            ("term", Value::from(new.term)),
            ("holder", Value::from(&new.holder)),
            ("renewals", Value::from(new.renewals)),
            ("lease_ms", Value::from(lease_ms)),
            ("name", Value::from(&self.name)),
        ];
        let Some(seen) = seen else {
            let sql = format!(
                "INSERT INTO {table} (name, term, holder, renewals, lease_ms, version, body) \
                 VALUES (:name, :term, :holder, :renewals, :lease_ms, 0, '')"
            );
            return match self.run(&sql, named(values)).await {
                Ok(_) => Ok(true),
                // Somebody else was first.
                Err(failure) if failure.is_mysql(code::DUPLICATE_KEY) => Ok(false),
                Err(failure) => Err(failure),
            };
        };
        let sql = format!(
            "UPDATE {table} SET term = :term, holder = :holder, renewals = :renewals, lease_ms = :lease_ms \
             WHERE name = :name AND term = :seen_term AND holder = :seen_holder AND renewals = :seen_renewals"
        );
        values.extend([
            ("seen_term", Value::from(seen.term)),
            ("seen_holder", Value::from(&seen.holder)),
            ("seen_renewals", Value::from(seen.renewals)),
        ]);
        let (_, changed) = self.run(&sql, named(values)).await?;
        Ok(changed == 1)
    }

    async fn write_body(&self, claim: &Claim, version: u64, body: &[u8]) -> Result<bool, Failure> {
        let sql = format!(
            "UPDATE {} SET body = :body, version = :version + 1 \
             WHERE name = :name AND term = :term AND holder = :holder AND version = :version",
            self.plan.quoted()
        );
        let values = vec![
            ("body", Value::from(body)),
            ("version", Value::from(version)),
            ("name", Value::from(&self.name)),
            ("term", Value::from(claim.term)),
            ("holder", Value::from(&claim.holder)),
        ];
        let (_, changed) = self.run(&sql, named(values)).await?;
        Ok(changed == 1)
    }

    /// Changes nothing, but needs all that a write needs.
    async fn write_nothing(&self) -> Result<(), Failure> {
        let sql = format!(
            "UPDATE {} SET version = version + 1 WHERE name = ''",
            self.plan.quoted()
        );
        self.run(&sql, Params::Empty).await.map(drop)
    }

    async fn make(&self) -> Result<(), Failure> {
        // The account may have no right to it where it is there already: then the table decides.
        let database = format!("CREATE DATABASE IF NOT EXISTS `{}`", self.plan.database);
        if let Err(failure) = self.run(&database, Params::Empty).await {
            tracing::debug!(error = %failure, "the database was not created");
        }
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} {COLUMNS}",
            self.plan.quoted()
        );
        self.run(&table, Params::Empty).await.map(drop)
    }
}

fn named(values: Vec<(&str, Value)>) -> Params {
    Params::from(values)
}

impl Table for MySqlTable {
    fn place(&self) -> &str {
        &self.place
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn read(&self) -> BoxFuture<'_, Result<Option<Row>, Failure>> {
        Box::pin(self.read_row())
    }

    fn claim<'a>(
        &'a self,
        seen: Option<&'a Claim>,
        new: &'a Claim,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(self.write_claim(seen, new))
    }

    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        version: u64,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(self.write_body(claim, version, body))
    }

    fn try_write(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.write_nothing())
    }

    fn create(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.make())
    }
}
