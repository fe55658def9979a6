//! A list of a table's columns as JSON: in checkpoints and in dead letters, for tables that are logged without
//! names.

use headwater_binlog::columns::{ColumnList, ListedColumn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnBody {
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

/// The columns; the key goes beside them as it is.
pub fn bodies(list: &ColumnList) -> Vec<ColumnBody> {
    let body = |column: &ListedColumn| ColumnBody {
        name: column.name.clone(),
        column_type: column.column_type.clone(),
        octets: column.octets,
        charset: column.charset.clone(),
        nullable: column.nullable,
        invisible: !column.visible,
    };
    list.columns.iter().map(body).collect()
}

pub fn list(bodies: Vec<ColumnBody>, primary_key: Vec<usize>) -> ColumnList {
    let column = |body: ColumnBody| ListedColumn {
        name: body.name,
        column_type: body.column_type,
        octets: body.octets,
        charset: body.charset,
        nullable: body.nullable,
        visible: !body.invisible,
    };
    ColumnList {
        columns: bodies.into_iter().map(column).collect(),
        primary_key,
    }
}
