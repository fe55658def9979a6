//! The tables of a filter with their columns and keys, as the log describes them: for who makes something of them.
//!
//! Unlike a copy, this reads no row and knows no engine.

use headwater_actors::{failure::Failure, filter::TableFilter};
use headwater_binlog::{
    columns::ListedColumn,
    schema::{NameCase, Table, TableName},
};

use super::session::Session;
use crate::mysql::{list_tables, options::SourcePlan};

/// One table.
#[derive(Debug)]
pub struct TableShape {
    pub name: TableName,
    /// Or why the log could not describe it.
    pub shape: Result<(Table, Vec<ListedColumn>), String>,
}

/// In the order of their names. A table's primary key is what lines have as its `key`.
///
/// # Errors
/// When no server answers, it does not let us in, or a table changes while it is looked at.
pub async fn table_shapes(
    plan: &SourcePlan,
    tables: &TableFilter,
    case: NameCase,
) -> Result<Vec<TableShape>, Failure> {
    let mut names = list_tables(plan, tables, case).await?;
    names.sort();
    let mut session = Session::open(plan, None).await?;
    let mut shapes = Vec::with_capacity(names.len());
    for name in names {
        let shape = session.shape_of(&name).await?;
        let shape = shape.map(|shape| (shape.described, shape.columns));
        shapes.push(TableShape { name, shape });
    }
    session.server.leave().await;
    Ok(shapes)
}
