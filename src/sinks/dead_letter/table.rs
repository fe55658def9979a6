//! The table of a letter's row: the log's own TABLE_MAP, so that the row is read as the stream reads it, whatever
//! later becomes of the table.

use std::sync::Arc;

use bytes::Bytes;
use headwater_binlog::{columns::Answer, event::Dialect, table_map::TableMap};
use serde::{Deserialize, Serialize};

use super::body::Error;
use crate::column_list::{self, ColumnBody};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableMapBody {
    /// The event without header and checksum, as base64.
    body: String,
    post_header_bytes: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_mariadb: bool,
    /// Of a table that is logged without names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<ColumnsBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ColumnsBody {
    Positional,
    Listed {
        columns: Vec<ColumnBody>,
        /// Indexes into `columns`.
        key: Vec<usize>,
    },
}

pub fn body(map: &TableMap) -> TableMapBody {
    let columns = map.answer.as_ref().map(|answer| match answer {
        Answer::Positional => ColumnsBody::Positional,
        Answer::Listed(list) => ColumnsBody::Listed {
            columns: column_list::bodies(list),
            key: list.primary_key.clone(),
        },
    });
    TableMapBody {
        body: base64_simd::STANDARD.encode_to_string(&map.body),
        post_header_bytes: map.post_header_bytes,
        is_mariadb: map.dialect == Dialect::MariaDb,
        columns,
    }
}

pub fn map(body: TableMapBody) -> Result<TableMap, Error> {
    let bytes = base64_simd::STANDARD.decode_to_vec(body.body);
    let answer = body.columns.map(|columns| match columns {
        ColumnsBody::Positional => Answer::Positional,
        ColumnsBody::Listed { columns, key } => {
            Answer::Listed(Arc::new(column_list::list(columns, key)))
        }
    });
    Ok(TableMap {
        body: Bytes::from(bytes.map_err(|_| Error::Base64)?),
        dialect: match body.is_mariadb {
            true => Dialect::MariaDb,
            false => Dialect::MySql,
        },
        post_header_bytes: body.post_header_bytes,
        answer,
    })
}
