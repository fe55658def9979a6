//! Statements: TRUNCATE as an event of its table, the rest as schema change events, both by option.
//!
//! A schema change event carries the statement and whose table it changes, not the table's columns: these
//! come with the rows, and no statement is interpreted here. Of a snapshot only the rows are told, as by Debezium.

use headwater_actors::ports::encoder::{StatementEvent, Written};
use headwater_binlog::{
    ddl::Action,
    json::{escape_json, write_json_string},
    schema::TableName,
};

use super::{
    DebeziumOptions,
    origin::{Op, Origin, OriginText},
};
use crate::encode::value::write_integer;

pub(super) fn write(
    options: &DebeziumOptions,
    event: &StatementEvent<'_>,
    out: &mut Vec<u8>,
) -> Written {
    let statement = event.statement;
    let origin = Origin {
        options,
        transaction: &statement.transaction,
        table: event.table,
        event_offset: statement.event_offset,
        query: None,
    };
    let action = statement.subject.action();
    if action == Action::TruncateTable && !options.skipped.truncate {
        let mut text = OriginText::default();
        origin.prepare(&mut text);
        out.extend_from_slice(b"{\"before\":null,\"after\":null");
        text.write(statement.row, Op::Truncate, out);
        return Written::Last;
    }
    let is_mark = matches!(action, Action::SnapshotBegin | Action::SnapshotEnd { .. });
    if is_mark || !options.include_schema_changes {
        return Written::Nothing;
    }
    out.push(b'{');
    origin.write_source(statement.row, out);
    out.extend_from_slice(b",\"ts_ms\":");
    write_integer(statement.transaction.commit_us / 1_000, out);
    out.extend_from_slice(b",\"databaseName\":");
    write_json_string(&event.table.database, out);
    out.extend_from_slice(b",\"schemaName\":null,\"ddl\":");
    write_json_string(&statement.text, out);
    out.extend_from_slice(b",\"tableChanges\":[");
    let kind = match action {
        Action::CreateTable => Some("CREATE"),
        Action::AlterTable => Some("ALTER"),
        Action::DropTable => Some("DROP"),
        _ => None,
    };
    if let Some(kind) = kind {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"id\":\"");
        write_id(event.table, out);
        out.extend_from_slice(b"\",\"table\":null}");
    }
    out.extend_from_slice(b"]}");
    Written::Last
}

/// `"db"."tbl"`, a quote doubled, as it stands between the quotes of a JSON string.
fn write_id(table: &TableName, out: &mut Vec<u8>) {
    for (index, name) in [&table.database, &table.table].into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(b"\\\"");
        escape_json(&name.replace('"', "\"\""), out);
        out.extend_from_slice(b"\\\"");
    }
}
