//! DDL as Maxwell tells it, without what it takes from its schema store: the tables' definitions.
//!
//! Maxwell passes over TRUNCATE; here it is `table-truncate`, because rows are gone. Views and sequences are
//! none of its business. Not here: the marks of snapshots (`bootstrap`).

use headwater_actors::ports::encoder::{StatementEvent, Written};
use headwater_binlog::{Error, ddl::Action, json::write_json_string};

use super::{MaxwellOptions, write_origin};
use crate::encode::value::write_integer;

pub(super) fn write(
    options: &MaxwellOptions,
    event: &StatementEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<Written, Error> {
    let statement = event.statement;
    let kind = match statement.subject.action() {
        Action::CreateTable => "table-create",
        Action::AlterTable => "table-alter",
        Action::DropTable => "table-drop",
        Action::TruncateTable => "table-truncate",
        Action::CreateDatabase => "database-create",
        Action::AlterDatabase => "database-alter",
        Action::DropDatabase => "database-drop",
        Action::View | Action::Sequence | Action::SnapshotBegin | Action::SnapshotEnd { .. } => {
            return Ok(Written::Nothing);
        }
    };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"database\":");
    write_json_string(&event.table.database, out);
    if !event.table.table.is_empty() {
        out.extend_from_slice(b",\"table\":");
        write_json_string(&event.table.table, out);
    }
    out.extend_from_slice(b",\"ts\":");
    write_integer(statement.transaction.commit_us / 1_000, out);
    out.extend_from_slice(b",\"sql\":");
    write_json_string(&statement.text, out);
    write_origin(options, &statement.transaction, statement.event_offset, out);
    out.push(b'}');
    Ok(Written::Last)
}
