//! Columns of tables that the log describes without names, asked of the server and proven right.
//!
//! The list is read while a transaction of ours has the table open: a statement that changes the table waits
//! for us and logs later, so the list is exactly the table's at the end of the log, which is read under the same
//! lock. It is right at the question's place only if no statement between the two touched the table: that part
//! of the log is read by a second connection, once for all questions of a backlog. Where one did, the columns of
//! that place are known to nobody any more, and the answer is a definite failure. What is not in the log
//! (`sql_log_bin = 0`, `binlog_do_db`) cannot be seen there: with filters nothing is answered.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use headwater_actors::failure::Failure;
use headwater_binlog::{
    columns::{Ahead, Answer, Change, ColumnList, ListedColumn, Question},
    gtid::Uuid,
    position::Position,
    schema::TableName,
};
use tokio::{sync::Mutex, time::timeout};

use super::options::{Host, SourcePlan};
use super::{
    connection::Connection,
    dump::{AtLogEnd, Replica, Taken},
    error::Error,
    facts::{Server, number, text},
    log_filters::LogFilters,
    query::{Row, text_literal},
    resume::Route,
    session::server,
};

const DOING: &str = "ask for the columns of a table";
/// All questions about one table together; they are quick unless somebody alters it.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a statement that alters the table may keep us waiting. The server drops a connection of ours that
/// stands still with the table open after the second.
const SESSION: &str = "SET SESSION lock_wait_timeout = 10, SESSION wait_timeout = 60";

/// What is kept from one question to the next.
#[derive(Default)]
pub(super) struct Columns {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    server: Option<Server>,
    ahead: Option<Ahead>,
}

impl Columns {
    /// `home` is the server whose log is read.
    pub(super) async fn ask(
        &self,
        plan: &SourcePlan,
        home: Uuid,
        question: &Question,
    ) -> Result<Answer, Failure> {
        let mut state = self.state.lock().await;
        let kept = state.server.take();
        let (server, list, end) = match ask_again(kept, &question.table).await {
            Some(answer) => answer,
            None => {
                let server = open(plan, home).await?;
                listed(server, &question.table).await?
            }
        };
        let host = server.host();
        state.server = Some(server);
        let ahead = match state.ahead.take() {
            Some(ahead) if ahead.has(&question.at) => ahead,
            _ => Ahead::new(question.transaction.clone()),
        };
        let ahead = state.ahead.insert(ahead);
        if *ahead.reached() != end {
            tracing::debug!(table = %question.table, from = %ahead.reached(), to = %end, "look for statements ahead");
            look_ahead(plan, (&host, home), ahead, &end).await?;
        }
        let change = ahead.last_change(&question.table, &question.at);
        match (list, change) {
            (Some(list), None) => Ok(Answer::Listed(Arc::new(list))),
            (Some(_), Some(change)) => Err(overtaken(question, change)),
            (None, change) => Err(refused(
                question,
                "the server no longer has the table",
                change.map(|change| &change.end),
            )),
        }
    }
}

/// On a connection that may have died while nobody used it.
async fn ask_again(
    kept: Option<Server>,
    table: &TableName,
) -> Option<(Server, Option<ColumnList>, Position)> {
    listed(kept?, table).await.ok()
}

/// A connection to the server of the log, and to no other.
async fn open(plan: &SourcePlan, home: Uuid) -> Result<Server, Failure> {
    let mut server = server(plan).await?;
    let found = server.server_uuid().await?;
    if found != home {
        return Err(Failure::transient(format!(
            "{DOING}: the log is that of server {home}, and {found} answers"
        )));
    }
    let filters = server.log_filters().await?;
    if !filters.is_empty() {
        return Err(filtered(&filters));
    }
    for sql in [
        SESSION,
        // Each question sees what is committed by then.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ] {
        server.execute(DOING, sql).await?;
    }
    // The hidden key of 8.0.30 and later is logged, and may be hidden in information_schema.
    let sql = "SET SESSION show_gipk_in_create_table_and_information_schema = ON";
    server.rows_if_told(DOING, sql).await?;
    Ok(server)
}

/// The list, and the place of the log at which it is right; no list where there is no such table.
async fn listed(
    mut server: Server,
    table: &TableName,
) -> Result<(Server, Option<ColumnList>, Position), Failure> {
    let asked = async {
        server.execute(DOING, "START TRANSACTION").await?;
        let is_there = hold(&mut server, table).await?;
        let end = server.head().await?;
        let list = match is_there {
            true => Some(list(&mut server, table).await?),
            false => None,
        };
        server.execute(DOING, "COMMIT").await?;
        Ok::<_, Failure>((list, end))
    };
    let (list, end) = timeout(ASK_TIMEOUT, asked).await.map_err(|_| {
        Failure::transient(format!(
            "{DOING}: no answer within {} s",
            ASK_TIMEOUT.as_secs()
        ))
    })??;
    Ok((server, list, end))
}

/// Opens the table: until COMMIT nobody can alter it. Whether there is one.
async fn hold(server: &mut Server, name: &TableName) -> Result<bool, Failure> {
    const NO_SUCH_DATABASE: u16 = 1049;
    const NO_SUCH_TABLE: u16 = 1146;
    let TableName { database, table } = name;
    let sql = format!(
        "SELECT 1 FROM {}.{} LIMIT 0",
        quoted(database),
        quoted(table)
    );
    match server.conn.query(&sql).await {
        Ok(_) => Ok(true),
        Err(Error::Server(error)) if [NO_SUCH_DATABASE, NO_SUCH_TABLE].contains(&error.number) => {
            Ok(false)
        }
        Err(error) => Err(server.failure(&format!("{DOING}, {name}"), error)),
    }
}

/// The columns as information_schema lists them; none of a table that it does not show.
pub(super) async fn list(server: &mut Server, table: &TableName) -> Result<ColumnList, Failure> {
    // Old servers list databases and tables without regard to case: the names are compared here.
    let is_of_it = is_of(table);
    let sql = format!(
        "SELECT table_schema, table_name, column_name, column_type, character_octet_length, \
         character_set_name, is_nullable, extra FROM information_schema.columns \
         WHERE {is_of_it} ORDER BY ordinal_position"
    );
    let columns = of_table(server, &sql, table).await?;
    let columns: Vec<ListedColumn> = columns.iter().filter_map(listed_column).collect();
    let sql = format!(
        "SELECT table_schema, table_name, column_name FROM information_schema.key_column_usage \
         WHERE {is_of_it} AND constraint_name = 'PRIMARY' ORDER BY ordinal_position"
    );
    let key = of_table(server, &sql, table).await?;
    let index_of = |row: &Row| {
        let name = text(row, 2)?;
        columns.iter().position(|column| column.name == name)
    };
    let primary_key: Option<Vec<usize>> = key.iter().map(index_of).collect();
    let primary_key = primary_key.ok_or_else(|| {
        Failure::transient(format!("{DOING}, {table}: its key names no column of it"))
    })?;
    Ok(ColumnList {
        columns,
        primary_key,
    })
}

/// The condition that rows of information_schema are of the table.
pub(super) fn is_of(table: &TableName) -> String {
    let [database, table] = [&table.database, &table.table].map(|name| text_literal(name));
    format!("table_schema = {database} AND table_name = {table}")
}

/// Rows whose first two columns are just the table's name.
pub(super) async fn of_table(
    server: &mut Server,
    sql: &str,
    table: &TableName,
) -> Result<Vec<Row>, Failure> {
    let rows = server.rows(DOING, sql).await?;
    let is_it = |row: &Row| {
        text(row, 0).as_ref() == Some(&table.database)
            && text(row, 1).as_ref() == Some(&table.table)
    };
    Ok(rows.into_iter().filter(is_it).collect())
}

fn listed_column(row: &Row) -> Option<ListedColumn> {
    let extra = text(row, 7).unwrap_or_default();
    Some(ListedColumn {
        name: text(row, 2)?,
        column_type: text(row, 3)?,
        octets: number(row, 4),
        charset: text(row, 5),
        nullable: text(row, 6)? == "YES",
        visible: !extra
            .split_ascii_whitespace()
            .any(|word| word == "INVISIBLE"),
    })
}

/// Reads the log up to `end` for its statements. What is damaged may have been so on the way: it is read twice.
async fn look_ahead(
    plan: &SourcePlan,
    home: (&Host, Uuid),
    ahead: &mut Ahead,
    end: &Position,
) -> Result<(), Failure> {
    let mut outcome = read_ahead(plan, home, ahead, end).await?;
    if matches!(outcome, Err(headwater_binlog::Error::Checksum { .. })) {
        outcome = read_ahead(plan, home, ahead, end).await?;
    }
    outcome.map_err(|error| {
        let hint = error.hint();
        let failure =
            Failure::definite(format!("{DOING}: at {}", ahead.reached())).because(error.clone());
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// The inner error is one of the log's bytes, at the place that was reached.
async fn read_ahead(
    plan: &SourcePlan,
    (host, home): (&Host, Uuid),
    ahead: &mut Ahead,
    end: &Position,
) -> Result<Result<(), headwater_binlog::Error>, Failure> {
    let route = Route::ByPosition(ahead.reached().clone());
    let mut connection = Connection::open(plan, host).await?;
    connection.ensure_server(home).await?;
    let ask = (&route).into();
    let wait_max = plan.read_timeout;
    let mut dump = connection
        .dump(plan, Replica::stranger(), &ask, AtLogEnd::Stop, wait_max)
        .await?;
    let mut bytes = BytesMut::new();
    while ahead.reached() < end {
        bytes.clear();
        let outcome = match dump.next(&mut bytes).await? {
            Taken::Event => ahead.take(&bytes),
            // The large body of a compressed transaction holds rows only.
            Taken::Part => {
                dump.skip_parts().await?;
                ahead.take_head(&bytes)
            }
            Taken::End => {
                return Err(Failure::transient(format!(
                    "{}: it ended before {end}",
                    dump.doing()
                )));
            }
        };
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    if *ahead.reached() >= *end {
        return Ok(Ok(()));
    }
    Err(Failure::transient(format!(
        "{DOING}: {} and {end} are not of one log",
        ahead.reached()
    )))
}

fn overtaken(question: &Question, change: &Change) -> Failure {
    refused(
        question,
        &format!("the statement at {} has touched the table since", change.at),
        Some(&change.end),
    )
}

/// `behind` is where the columns are known again.
fn refused(question: &Question, reason: &str, behind: Option<&Position>) -> Failure {
    let Question { table, at, .. } = question;
    let behind = behind.map_or_else(|| "FILE:POS".to_owned(), ToString::to_string);
    Failure::definite(format!(
        "table `{table}` is logged without column names at {at}, and {reason}: what its columns were called there is no longer known"
    ))
    .with_hint(format!(
        "SET PERSIST binlog_row_metadata = 'FULL' (RDS parameter group: binlog_row_metadata), so that this cannot happen again; \
         read what was logged before with columns by number (source.unnamed_columns = \"positional\", `headwater run --until {behind}`), \
         or pass over it (`headwater position set {behind}`) and copy the table again"
    ))
}

/// The log lacks statements of some databases.
pub(super) fn filtered(filters: &LogFilters) -> Failure {
    Failure::definite(format!(
        "column names cannot be trusted: the server leaves statements out of its log ({filters})"
    ))
    .with_hint("SET PERSIST binlog_row_metadata = 'FULL' (RDS parameter group: binlog_row_metadata), or start the server without binlog_do_db and binlog_ignore_db")
}

pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
