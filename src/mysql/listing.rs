//! The tables that the server has now, and their columns, for patterns that name them.
//!
//! Columns are asked for by table: a server may have millions of them in schemas that nobody wants, and
//! information_schema opens each table for its answer.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use headwater_actors::{failure::Failure, filter::TableFilter};
use headwater_binlog::schema::{NameCase, TableName};

use super::options::SourcePlan;
use super::{
    facts::{SLOW_ANSWER, Server, number, text},
    query::Row,
    session::server,
};

/// Tables that one question is about.
const TABLES_A_QUESTION: usize = 200;
const DOING: &str = "list the included tables";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenColumn {
    pub table: TableName,
    pub name: String,
    /// Part of the primary key.
    pub is_key: bool,
}

/// How much was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listed {
    pub tables: usize,
    pub columns: usize,
    pub took: Duration,
}

/// The columns of the included base tables, some tables at a time.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub async fn list_columns(
    plan: &SourcePlan,
    tables: &TableFilter,
    mut take: impl FnMut(&[SeenColumn]),
) -> Result<Listed, Failure> {
    let began = Instant::now();
    let mut listed = Listed::default();
    let mut server = server(plan).await?;
    for (database, tables) in included(&mut server, tables).await? {
        listed.tables += tables.len();
        for tables in tables.chunks(TABLES_A_QUESTION) {
            let columns = columns(&mut server, &database, tables).await?;
            listed.columns += columns.len();
            take(&columns);
        }
    }
    server.leave().await;
    listed.took = began.elapsed();
    Ok(listed)
}

/// The included tables with rows of their own that the account can see, named as the log names them.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub async fn list_tables(
    plan: &SourcePlan,
    tables: &TableFilter,
    case: NameCase,
) -> Result<Vec<TableName>, Failure> {
    let mut server = server(plan).await?;
    let sql = tables_of_types("'BASE TABLE', 'SYSTEM VERSIONED'");
    let rows = server.rows_within(SLOW_ANSWER, DOING, &sql).await;
    server.leave().await;
    let name = |row: &Row| {
        Some(TableName {
            database: case.fold(text(row, 0)?),
            table: case.fold(text(row, 1)?),
        })
    };
    let names = rows?;
    let names = names.iter().filter_map(name);
    Ok(names.filter(|name| tables.includes(name)).collect())
}

fn tables_of_types(types: &str) -> String {
    format!(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN ({types}) \
         AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')"
    )
}

/// By database.
async fn included(
    server: &mut Server,
    filter: &TableFilter,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let sql = tables_of_types("'BASE TABLE'");
    let rows = server.rows_within(SLOW_ANSWER, DOING, &sql).await?;
    let mut included: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let name = |row: &Row| {
        Some(TableName {
            database: text(row, 0)?,
            table: text(row, 1)?,
        })
    };
    for name in rows.iter().filter_map(name) {
        if filter.includes(&name) {
            included.entry(name.database).or_default().push(name.table);
        }
    }
    Ok(included)
}

async fn columns(
    server: &mut Server,
    database: &str,
    tables: &[String],
) -> Result<Vec<SeenColumn>, Failure> {
    let names: Vec<String> = tables.iter().map(|table| literal(table)).collect();
    let sql = format!(
        "SELECT c.table_name, c.column_name, s.column_name IS NOT NULL \
        FROM information_schema.columns c LEFT JOIN information_schema.statistics s \
        ON s.table_schema = c.table_schema AND s.table_name = c.table_name \
        AND s.column_name = c.column_name AND s.index_name = 'PRIMARY' \
        WHERE c.table_schema = {} AND c.table_name IN ({}) \
        ORDER BY c.table_name, c.ordinal_position",
        literal(database),
        names.join(", ")
    );
    let rows = server.rows_within(SLOW_ANSWER, DOING, &sql).await?;
    let column = |row: &Row| {
        Some(SeenColumn {
            table: TableName {
                database: database.to_owned(),
                table: text(row, 0)?,
            },
            name: text(row, 1)?,
            is_key: number(row, 2)? != 0,
        })
    };
    Ok(rows.iter().filter_map(column).collect())
}

/// In hexadecimal, which no mode of the session reads in another way.
fn literal(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("_utf8mb4 x'{digits}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_part_of_the_question() {
        assert_eq!(literal("a'\\"), "_utf8mb4 x'61275c'");
    }
}
