//! Column lists in the checkpoint's text, for tables that are logged without names. Absent where there are
//! none, so that a checkpoint without them reads as it always did.

use std::sync::Arc;

use headwater_binlog::{Error, columns::Known, schema::TableName};
use serde::{Deserialize, Serialize};

use crate::column_list::{self, ColumnBody};

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

pub(super) fn bodies(known: &[Known]) -> Vec<KnownBody> {
    known.iter().map(body).collect()
}

fn body(known: &Known) -> KnownBody {
    KnownBody {
        database: known.table.database.clone(),
        table: known.table.table.clone(),
        since: known.since.to_string(),
        until: known.until.as_ref().map(ToString::to_string),
        columns: column_list::bodies(&known.list),
        key: known.list.primary_key.clone(),
    }
}

pub(super) fn known(bodies: Vec<KnownBody>) -> Result<Arc<[Known]>, Error> {
    bodies.into_iter().map(one).collect()
}

fn one(body: KnownBody) -> Result<Known, Error> {
    Ok(Known {
        table: TableName {
            database: body.database,
            table: body.table,
        },
        since: body.since.parse()?,
        until: body.until.map(|until| until.parse()).transpose()?,
        list: Arc::new(column_list::list(body.columns, body.key)),
    })
}

#[cfg(test)]
mod tests {
    use headwater_binlog::columns::{ColumnList, ListedColumn};

    use super::*;

    fn list() -> ColumnList {
        let column = |name: &str, is_odd: bool| ListedColumn {
            name: name.into(),
            column_type: "enum('a','it''s')".into(),
            octets: is_odd.then_some(16),
            charset: is_odd.then(|| "utf8mb4".into()),
            nullable: is_odd,
            visible: !is_odd,
        };
        ColumnList {
            columns: vec![column("id", false), column("e \"😀\"", true)],
            primary_key: vec![1, 0],
        }
    }

    #[test]
    fn lists_survive_their_text_with_their_places() {
        let known_until = |until: Option<&str>| Known {
            table: TableName {
                database: "shop".into(),
                table: "o.rders".into(),
            },
            since: "binlog.000009:4".parse().expect("a position"),
            until: until.map(|until| until.parse().expect("a position")),
            list: Arc::new(list()),
        };
        let before = [known_until(Some("binlog.000010:157")), known_until(None)];
        let text = serde_json::to_string(&bodies(&before)).expect("text");
        let read: Vec<KnownBody> = serde_json::from_str(&text).expect("the same text");
        assert_eq!(*known(read).expect("lists"), before);
        let broken = text.replace("binlog.000010", "binlog");
        let read: Vec<KnownBody> = serde_json::from_str(&broken).expect("the same shape");
        assert!(known(read).is_err());
    }
}
