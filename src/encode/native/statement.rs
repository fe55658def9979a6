//! A DDL as an event: the statement as it was run, with what is needed to read it (default database,
//! sql_mode, client's character set) and the tables that it names.
//!
//! `sql_mode` is printed as `SELECT @@sql_mode` does. A statement about a database has an empty table.
//! Not here: the end of a snapshot (`snapshot_end`).

use headwater_actors::ports::encoder::{StatementEvent, Written};
use headwater_binlog::{
    Error,
    ddl::{Action, Subject},
    gtid::Uuid,
    json::{escape_json, write_json_string},
    schema::TableName,
    transaction::Statement,
};

use super::{
    super::value,
    NativeField,
    layout::Layout,
    names::Name,
    origin::{Numbering, Origin},
    snapshot_end,
};

/// A line, or nothing: for the beginning of a snapshot, and where only rows are wanted.
pub(super) fn write(
    server_uuid: Uuid,
    layout: &Layout,
    event: &StatementEvent<'_>,
    out: &mut Vec<u8>,
) -> Result<Written, Error> {
    if !layout.shows_statements() {
        return Ok(Written::Nothing);
    }
    let statement = event.statement;
    let transaction = &statement.transaction;
    Numbering::of(transaction).ensure_sortable(transaction.file.number, statement.row)?;
    let origin = Origin {
        transaction,
        layout,
        server_uuid,
        epoch: event.epoch,
        event_offset: place(statement),
    };
    match statement.subject.action() {
        Action::SnapshotBegin => return Ok(Written::Nothing),
        Action::SnapshotEnd { rows, begun } => {
            snapshot_end::write(&origin, event, (rows, begun), out);
        }
        Action::TruncateTable => write_statement("truncate", &origin, event, out),
        _ => write_statement("ddl", &origin, event, out),
    }
    Ok(Written::Last)
}

/// Of the statement in `seq`. Servers before MySQL 5.7 log it without an event in front where they have no GTIDs:
/// one byte further it sorts behind what stands between it and the transaction before, as heartbeats do.
fn place(statement: &Statement) -> u64 {
    let transaction = &statement.transaction;
    let is_first = statement.event_offset == transaction.offset && transaction.snapshot.is_none();
    statement.event_offset + u64::from(is_first)
}

/// From the names up to `position`.
pub(super) fn write_origin(origin: &Origin<'_>, event: &StatementEvent<'_>, out: &mut Vec<u8>) {
    let (statement, layout) = (event.statement, origin.layout);
    match &statement.subject {
        Subject::Database { database, .. } => layout.write_names(database, "", out),
        Subject::Tables { .. } => {
            layout.write_names(&event.table.database, &event.table.table, out)
        }
    }
    origin.write_time_and_id(out);
    if layout.has(NativeField::Id) {
        value::write_integer(statement.row, out);
        if event.is_shared {
            out.push(b':');
            escape_json(&event.table.database, out);
            out.push(b'.');
            escape_json(&event.table.table, out);
        }
    }
    origin.write_seq(out);
    if layout.has(NativeField::Seq) {
        Numbering::of(&statement.transaction).write(statement.row, out);
    }
    origin.write_position(out);
}

fn write_statement(kind: &str, origin: &Origin<'_>, event: &StatementEvent<'_>, out: &mut Vec<u8>) {
    let (statement, layout) = (event.statement, origin.layout);
    layout.write_type(kind, out);
    write_origin(origin, event, out);
    layout.write_label(Name::Statement, out);
    write_json_string(&statement.text, out);
    layout.write_label(Name::DefaultDatabase, out);
    write_json_string(&statement.default_database, out);
    layout.write_label(Name::SqlMode, out);
    write_sql_mode(statement.sql_mode, out);
    out.push(b'"');
    layout.write_label(Name::Charset, out);
    write_json_string(&statement.charset, out);
    layout.write_label(Name::Tables, out);
    if let Subject::Tables { tables, .. } = &statement.subject {
        write_tables(tables, out);
    }
    out.push(b']');
    if event.last && layout.has(NativeField::Last) {
        layout.write_label(Name::Last, out);
        out.extend_from_slice(b"true");
    }
    out.push(b'}');
}

fn write_tables(tables: &[TableName], out: &mut Vec<u8>) {
    for (index, table) in tables.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        out.extend_from_slice(b"{\"database\":");
        write_json_string(&table.database, out);
        out.extend_from_slice(b",\"table\":");
        write_json_string(&table.table, out);
        out.push(b'}');
    }
}

/// Names by bit, lowest first, comma-joined; bits without a name as one decimal number at the end.
fn write_sql_mode(sql_mode: u64, out: &mut Vec<u8>) {
    let mut unknown = sql_mode;
    let mut is_first = true;
    for (bit, name) in SQL_MODES.iter().enumerate() {
        let mask = 1 << bit;
        if sql_mode & mask == 0 || name.is_empty() {
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        out.extend_from_slice(name.as_bytes());
        unknown &= !mask;
    }
    if unknown != 0 {
        if !is_first {
            out.push(b',');
        }
        value::write_integer(unknown, out);
    }
}

/// MySQL's modes by bit, those that 8.0 retired under their names of 5.7
/// (MySQL Reference Manual, "Server SQL Modes").
const SQL_MODES: [&str; 33] = [
    "REAL_AS_FLOAT",
    "PIPES_AS_CONCAT",
    "ANSI_QUOTES",
    "IGNORE_SPACE",
    "",
    "ONLY_FULL_GROUP_BY",
    "NO_UNSIGNED_SUBTRACTION",
    "NO_DIR_IN_CREATE",
    "POSTGRESQL",
    "ORACLE",
    "MSSQL",
    "DB2",
    "MAXDB",
    "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS",
    "NO_FIELD_OPTIONS",
    "MYSQL323",
    "MYSQL40",
    "ANSI",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_BACKSLASH_ESCAPES",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ALLOW_INVALID_DATES",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "TRADITIONAL",
    "NO_AUTO_CREATE_USER",
    "HIGH_NOT_PRECEDENCE",
    "NO_ENGINE_SUBSTITUTION",
    "PAD_CHAR_TO_FULL_LENGTH",
    "TIME_TRUNCATE_FRACTIONAL",
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_binlog::{
        gtid::{Gtid, GtidSource},
        position::FileName,
        transaction::Transaction,
    };

    use super::*;
    use crate::encode::native::NativePlan;

    const UUID: Uuid = Uuid([
        0x1b, 0x8f, 0x86, 0xdd, 0xe7, 0x09, 0x11, 0xf1, 0xa8, 0x54, 0x02, 0xfc, 0, 0, 0, 1,
    ]);

    fn name(table: &str) -> TableName {
        TableName {
            database: "shop".into(),
            table: table.into(),
        }
    }

    fn statement(text: &str, subject: Subject) -> Statement {
        Statement {
            transaction: Arc::new(Transaction {
                gtid: Some(Gtid::MySql {
                    source: GtidSource {
                        uuid: UUID,
                        tag: "".into(),
                    },
                    number: 9,
                }),
                file: FileName {
                    name: "binlog.000001".into(),
                    number: 1,
                },
                offset: 157,
                server_id: 1,
                commit_us: 1_795_416_214_123_456,
                thread_id: None,
                end: Default::default(),
                snapshot: None,
            }),
            event_offset: 234,
            row: 0,
            text: text.into(),
            default_database: "shop".into(),
            sql_mode: 1_168_113_696,
            charset: "utf8mb4".into(),
            subject,
        }
    }

    fn line(statement: &Statement, table: &TableName, is_shared: bool) -> String {
        let event = StatementEvent {
            statement,
            table,
            is_shared,
            epoch: 1,
            last: true,
        };
        let mut out = Vec::new();
        write(UUID, &Layout::default(), &event, &mut out).expect("a statement that can be written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_ddl_carries_all_that_is_needed_to_read_it() {
        let subject = Subject::Tables {
            action: Action::AlterTable,
            tables: vec![name("orders")],
        };
        let alter = statement("ALTER TABLE orders ADD note TEXT COMMENT \"a\\b\"", subject);
        assert_eq!(
            line(&alter, &name("orders"), false),
            concat!(
                r#"{"type":"ddl","database":"shop","table":"orders","ts_us":1795416214123456,"#,
                r#""id":"1b8f86dd-e709-11f1-a854-02fc00000001:9/0","#,
                r#""seq":"00000001.00000001.00000000000000ea.00000000","#,
                r#""gtid":"1b8f86dd-e709-11f1-a854-02fc00000001:9","position":"binlog.000001:157","#,
                r#""statement":"ALTER TABLE orders ADD note TEXT COMMENT \"a\\b\"","#,
                r#""default_database":"shop","sql_mode":"ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,"#,
                r#"NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION","#,
                r#""charset":"utf8mb4","tables":[{"database":"shop","table":"orders"}],"last":true}"#
            )
        );
    }

    #[test]
    fn copies_for_several_lanes_have_ids_of_their_own() {
        let subject = Subject::Tables {
            action: Action::AlterTable,
            tables: vec![name("a"), name("b")],
        };
        let rename = statement("RENAME TABLE a TO b", subject);
        let (first, second) = (
            line(&rename, &name("a"), true),
            line(&rename, &name("b"), true),
        );
        assert!(first.contains(r#":9/0:shop.a","seq""#), "{first}");
        assert!(second.contains(r#":9/0:shop.b","seq""#), "{second}");
        assert!(first.contains(
            r#""tables":[{"database":"shop","table":"a"},{"database":"shop","table":"b"}]"#
        ));
    }

    #[test]
    fn a_truncate_says_so() {
        let subject = Subject::Tables {
            action: Action::TruncateTable,
            tables: vec![name("orders")],
        };
        let truncate = statement("TRUNCATE orders", subject);
        let line = line(&truncate, &name("orders"), false);
        assert!(line.starts_with(r#"{"type":"truncate","database":"shop","table":"orders","#));
        assert!(line.contains(r#""statement":"TRUNCATE orders""#));
    }

    #[test]
    fn a_database_statement_has_no_table() {
        let subject = Subject::Database {
            action: Action::DropDatabase,
            database: "shop".into(),
        };
        let drop = statement("DROP DATABASE shop", subject);
        let line = line(&drop, &name("orders"), true);
        assert!(line.starts_with(r#"{"type":"ddl","database":"shop","table":"","#));
        assert!(line.contains(r#"/0:shop.orders","seq""#));
        assert!(line.contains(r#""tables":[]"#));
    }

    #[test]
    fn a_statement_has_the_fields_and_constants_that_rows_have() {
        let subject = Subject::Tables {
            action: Action::TruncateTable,
            tables: vec![name("orders")],
        };
        let truncate = statement("TRUNCATE orders", subject);
        let plan = NativePlan {
            fields: vec![NativeField::Seq],
            constants: vec![("env".into(), "prod".into())],
            ..NativePlan::default()
        };
        let event = StatementEvent {
            statement: &truncate,
            table: &name("orders"),
            is_shared: true,
            epoch: 1,
            last: true,
        };
        let mut out = Vec::new();
        write(UUID, &Layout::new(&plan), &event, &mut out).expect("a statement");
        let line = String::from_utf8(out).expect("UTF-8");
        assert!(
            line.starts_with(concat!(
                r#"{"type":"truncate","env":"prod","seq":"00000001.00000001.00000000000000ea.00000000","#,
                r#""statement":"TRUNCATE orders","#
            )),
            "{line}"
        );
        assert!(
            line.ends_with(r#""tables":[{"database":"shop","table":"orders"}]}"#),
            "{line}"
        );
    }

    #[test]
    fn bits_without_a_name_are_shown_as_a_number() {
        let mode = |bits| {
            let mut out = Vec::new();
            write_sql_mode(bits, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(mode(0), "");
        assert_eq!(
            mode(1 << 32 | 1 << 31),
            "PAD_CHAR_TO_FULL_LENGTH,TIME_TRUNCATE_FRACTIONAL"
        );
        assert_eq!(mode(1 << 40 | 1 << 4 | 1), "REAL_AS_FLOAT,1099511627792");
        assert_eq!(mode(1 << 63), "9223372036854775808");
    }

    #[test]
    fn a_number_that_would_break_the_order_of_seq_is_refused() {
        let subject = Subject::Tables {
            action: Action::DropTable,
            tables: vec![name("a")],
        };
        let mut late = statement("DROP TABLE a", subject);
        late.row = 1 << 32;
        let event = StatementEvent {
            statement: &late,
            table: &name("a"),
            is_shared: false,
            epoch: 1,
            last: false,
        };
        assert!(write(UUID, &Layout::default(), &event, &mut Vec::new()).is_err());
    }
}
