//! What a statement is about, in a letter: its action by name, and the tables.

use headwater_binlog::{
    ddl::{Action, Subject},
    schema::TableName,
};
use serde::{Deserialize, Serialize};

use super::body::Error;

#[derive(Serialize, Deserialize)]
pub struct NameBody {
    database: String,
    table: String,
}

/// Every action by its name in a letter; a snapshot's end with the number of its rows.
const ACTIONS: [(&str, Action); 10] = [
    ("create_table", Action::CreateTable),
    ("alter_table", Action::AlterTable),
    ("drop_table", Action::DropTable),
    ("truncate_table", Action::TruncateTable),
    ("create_database", Action::CreateDatabase),
    ("alter_database", Action::AlterDatabase),
    ("drop_database", Action::DropDatabase),
    ("view", Action::View),
    ("sequence", Action::Sequence),
    ("snapshot_begin", Action::SnapshotBegin),
];
const SNAPSHOT_END: &str = "snapshot_end";

/// With the rows that a snapshot's end counts.
pub fn name(action: Action) -> (Option<&'static str>, Option<u64>) {
    match action {
        Action::SnapshotEnd { rows } => (Some(SNAPSHOT_END), Some(rows)),
        action => {
            let named = ACTIONS.iter().find(|(_, named)| *named == action);
            (named.map(|(name, _)| *name), None)
        }
    }
}

pub fn action(name: &str, rows: Option<u64>) -> Result<Action, Error> {
    if name == SNAPSHOT_END {
        let rows = rows.ok_or(Error::Missing("number of the snapshot's rows"))?;
        return Ok(Action::SnapshotEnd { rows });
    }
    let named = ACTIONS.iter().find(|(known, _)| *known == name);
    let (_, action) = named.ok_or(Error::Missing("known action of a statement"))?;
    Ok(*action)
}

pub fn subject(action: Action, tables: Vec<NameBody>, database: &str) -> Subject {
    if tables.is_empty() {
        Subject::Database {
            action,
            database: database.to_owned(),
        }
    } else {
        Subject::Tables {
            action,
            tables: tables.into_iter().map(TableName::from).collect(),
        }
    }
}

impl From<&TableName> for NameBody {
    fn from(name: &TableName) -> Self {
        Self {
            database: name.database.clone(),
            table: name.table.clone(),
        }
    }
}

impl From<NameBody> for TableName {
    fn from(name: NameBody) -> Self {
        Self {
            database: name.database,
            table: name.table,
        }
    }
}
