//! What a statement is about, in a letter: its action by name, and the tables.

use headwater_binlog::{
    ddl::{Action, Subject},
    position::SeqPlace,
    schema::TableName,
};
use serde::{Deserialize, Serialize};

use super::body::Error;

#[derive(Serialize, Deserialize)]
pub struct NameBody {
    database: String,
    table: String,
}

/// What the end of a snapshot says.
#[derive(Default, Serialize, Deserialize)]
pub struct EndBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
}

/// Every action by its name in a letter; a snapshot's end with [`EndBody`].
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

pub fn name(action: Action) -> (Option<&'static str>, EndBody) {
    match action {
        Action::SnapshotEnd { rows, begun } => {
            let end = EndBody {
                rows: Some(rows),
                begun: begun.map(|place| place.to_string()),
            };
            (Some(SNAPSHOT_END), end)
        }
        action => {
            let named = ACTIONS.iter().find(|(_, named)| *named == action);
            (named.map(|(name, _)| *name), EndBody::default())
        }
    }
}

pub fn action(name: &str, end: &EndBody) -> Result<Action, Error> {
    if name == SNAPSHOT_END {
        let rows = end
            .rows
            .ok_or(Error::Missing("number of the snapshot's rows"))?;
        let begun = end.begun.as_ref().map(|text| text.parse::<SeqPlace>());
        let begun = begun.transpose().map_err(|error| Error::Field {
            what: "snapshot's begin",
            error,
        })?;
        return Ok(Action::SnapshotEnd { rows, begun });
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
