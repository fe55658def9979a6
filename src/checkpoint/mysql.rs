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
use tokio::sync::Mutex;

use super::{
    MySqlStorePlan,
    remote::{Row, Table},
};
use crate::{
    lease::Claim,
    mysql::{
        connect::connect,
        connection::Connection,
        error::Error,
        failure::{code, failure},
        query::{Answer, Row as SqlRow, bytes_literal, text_literal},
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
    conn: Mutex<Option<Connection>>,
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

    /// Runs one statement.
    async fn run(&self, sql: &str) -> Result<Answer, Failure> {
        let mut kept = self.conn.lock().await;
        // Out of its place while it works: a call that is given up takes its connection with it.
        let (mut conn, is_fresh) = match kept.take() {
            Some(conn) => (conn, false),
            None => (self.connect().await?, true),
        };
        let outcome = conn.query(sql).await;
        let (answer, conn) = match outcome {
            Ok(answer) => (answer, conn),
            Err(error @ Error::Server(_)) => return Err(self.failure(error)),
            Err(error) if is_fresh => return Err(self.failure(error)),
            // It may have been closed for idleness. Every write is conditional, so saying it twice is safe.
            Err(_) => {
                let mut conn = self.connect().await?;
                let answer = conn.query(sql).await;
                (answer.map_err(|error| self.failure(error))?, conn)
            }
        };
        *kept = Some(conn);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let connected = connect(&self.plan.server).await;
        connected.map_err(|failure| failure.within(&self.place))
    }

    fn failure(&self, error: Error) -> Failure {
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
            "SELECT term, holder, renewals, lease_ms, version, body FROM {} WHERE name = {}",
            self.plan.quoted(),
            text_literal(&self.name)
        );
        let answer = self.run(&sql).await?;
        answer.rows.first().map(|row| self.row(row)).transpose()
    }

    fn row(&self, row: &SqlRow) -> Result<Row, Failure> {
        let damaged = || {
            Failure::definite(format!(
                "{}: its row has values that were never written",
                self.place
            ))
            .with_hint("the table has other columns than those in docs/high-availability.md")
        };
        let bytes = |index| row.bytes(index).map(<[u8]>::to_vec).ok_or_else(damaged);
        let text = |index| String::from_utf8(bytes(index)?).map_err(|_| damaged());
        let number = |index| text(index)?.parse().map_err(|_| damaged());
        let (term, renewals) = (number(0)?, number(2)?);
        let (lease_ms, version) = (number(3)?, number(4)?);
        let (holder, body) = (text(1)?, bytes(5)?);
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
        let (term, renewals) = (new.term, new.renewals);
        let (name, holder) = (text_literal(&self.name), text_literal(&new.holder));
        let Some(seen) = seen else {
            let sql = format!(
                "INSERT INTO {table} (name, term, holder, renewals, lease_ms, version, body) \
                 VALUES ({name}, {term}, {holder}, {renewals}, {lease_ms}, 0, '')"
            );
            return match self.run(&sql).await {
                Ok(_) => Ok(true),
                // Somebody else was first.
                Err(failure) if failure.is_mysql(code::DUPLICATE_KEY) => Ok(false),
                Err(failure) => Err(failure),
            };
        };
        let seen_holder = text_literal(&seen.holder);
        let sql = format!(
            "UPDATE {table} SET term = {term}, holder = {holder}, renewals = {renewals}, lease_ms = {lease_ms} \
             WHERE name = {name} AND term = {} AND holder = {seen_holder} AND renewals = {}",
            seen.term, seen.renewals
        );
        Ok(self.run(&sql).await?.changed == 1)
    }

    async fn write_body(&self, claim: &Claim, version: u64, body: &[u8]) -> Result<bool, Failure> {
        let sql = format!(
            "UPDATE {} SET body = {}, version = {version} + 1 \
             WHERE name = {} AND term = {} AND holder = {} AND version = {version}",
            self.plan.quoted(),
            bytes_literal(body),
            text_literal(&self.name),
            claim.term,
            text_literal(&claim.holder)
        );
        Ok(self.run(&sql).await?.changed == 1)
    }

    /// Changes nothing, but needs all that a write needs.
    async fn write_nothing(&self) -> Result<(), Failure> {
        let sql = format!(
            "UPDATE {} SET version = version + 1 WHERE name = ''",
            self.plan.quoted()
        );
        self.run(&sql).await.map(drop)
    }

    async fn make(&self) -> Result<(), Failure> {
        // The account may have no right to it where it is there already: then the table decides.
        let database = format!("CREATE DATABASE IF NOT EXISTS `{}`", self.plan.database);
        if let Err(failure) = self.run(&database).await {
            tracing::debug!(error = %failure, "the database was not created");
        }
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} {COLUMNS}",
            self.plan.quoted()
        );
        self.run(&table).await.map(drop)
    }
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
