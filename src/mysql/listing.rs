//! Every column that the server has now, for patterns that name columns.

use headwater_actors::failure::Failure;
use headwater_binlog::schema::TableName;

use super::options::SourcePlan;
use super::{
    facts::{SLOW_ANSWER, number, text},
    query::Row,
    session::server,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenColumn {
    pub table: TableName,
    pub name: String,
    /// Part of the primary key.
    pub is_key: bool,
}

/// The columns of all base tables but the system's.
///
/// # Errors
/// When no server answers, or it does not let us in.
pub async fn list_columns(plan: &SourcePlan) -> Result<Vec<SeenColumn>, Failure> {
    let mut server = server(plan).await?;
    let sql = "SELECT c.table_schema, c.table_name, c.column_name, s.column_name IS NOT NULL \
        FROM information_schema.columns c \
        JOIN information_schema.tables t \
        ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
        LEFT JOIN information_schema.statistics s \
        ON s.table_schema = c.table_schema AND s.table_name = c.table_name \
        AND s.column_name = c.column_name AND s.index_name = 'PRIMARY' \
        WHERE t.table_type = 'BASE TABLE' \
        AND c.table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') \
        ORDER BY c.table_schema, c.table_name, c.ordinal_position";
    let doing = "list the columns";
    let rows = server.rows_within(SLOW_ANSWER, doing, sql).await?;
    server.leave().await;
    let column = |row: &Row| {
        Some(SeenColumn {
            table: TableName {
                database: text(row, 0)?,
                table: text(row, 1)?,
            },
            name: text(row, 2)?,
            is_key: number(row, 3)? != 0,
        })
    };
    Ok(rows.iter().filter_map(column).collect())
}
