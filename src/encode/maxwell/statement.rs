//! DDL as Maxwell tells it, without what it takes from its schema store: the tables' definitions.
//!
//! Maxwell passes over TRUNCATE; here it is `table-truncate`, because rows are gone. Views are none of its
//! business.

use headwater_actors::ports::encoder::{StatementEvent, Written};
use headwater_binlog::{
    Error,
    ddl::{self, Action},
    json::write_json_string,
};

use super::{MaxwellOptions, write_origin};
use crate::encode::value::write_integer;

pub(super) fn write(
    options: &MaxwellOptions,
    event: &StatementEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<Written, Error> {
    let statement = event.statement;
    let kind = match ddl::action(&statement.text, statement.sql_mode) {
        Some(Action::CreateTable) => "table-create",
        Some(Action::AlterTable) => "table-alter",
        Some(Action::DropTable) => "table-drop",
        Some(Action::TruncateTable) => "table-truncate",
        Some(Action::CreateDatabase) => "database-create",
        Some(Action::AlterDatabase) => "database-alter",
        Some(Action::DropDatabase) => "database-drop",
        Some(Action::View) | None => return Ok(Written::Nothing),
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
