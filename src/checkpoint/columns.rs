//! Column lists in the checkpoint's text, for tables that are logged without names. Absent where there are
//! none, so that a checkpoint without them reads as it always did.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    columns::{ColumnList, Known, ListedColumn},
    schema::TableName,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownBody {
    database: String,
    table: String,
    /// The log positions between which the list is right.
    since: String,
    until: Option<String>,
    columns: Vec<ColumnBody>,
    /// Indexes into `columns`.
    key: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnBody {
    name: String,
    #[serde(rename = "type")]
    column_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    octets: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charset: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nullable: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    invisible: bool,
}

pub(super) fn bodies(known: &[Known]) -> Vec<KnownBody> {
    known.iter().map(body).collect()
}

fn body(known: &Known) -> KnownBody {
    let column = |column: &ListedColumn| ColumnBody {
        name: column.name.clone(),
        column_type: column.column_type.clone(),
        octets: column.octets,
        charset: column.charset.clone(),
        nullable: column.nullable,
        invisible: !column.visible,
    };
    KnownBody {
        database: known.table.database.clone(),
        table: known.table.table.clone(),
        since: known.since.to_string(),
        until: known.until.as_ref().map(ToString::to_string),
        columns: known.list.columns.iter().map(column).collect(),
        key: known.list.primary_key.clone(),
    }
}

pub(super) fn known(bodies: Vec<KnownBody>) -> Result<Arc<[Known]>, Error> {
    bodies.into_iter().map(one).collect()
}

fn one(body: KnownBody) -> Result<Known, Error> {
    let column = |column: ColumnBody| ListedColumn {
        name: column.name,
        column_type: column.column_type,
        octets: column.octets,
        charset: column.charset,
        nullable: column.nullable,
        visible: !column.invisible,
    };
    Ok(Known {
        table: TableName {
            database: body.database,
            table: body.table,
        },
        since: body.since.parse()?,
        until: body.until.map(|until| until.parse()).transpose()?,
        list: Arc::new(ColumnList {
            columns: body.columns.into_iter().map(column).collect(),
            primary_key: body.key,
        }),
    })
}
