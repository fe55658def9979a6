//! Tables for the tests of this crate.

use std::sync::LazyLock;

use headwater_binlog::{
    charset::Charset,
    columns::ListedColumn,
    schema::{ColumnKind, TableName},
};

use crate::{
    dialect::Dialect,
    generate::{Lake, Lines, Request},
    incoming::Incoming,
    stored::Choices,
    table::{Shown, SourceColumn, SourceTable},
};

/// The collation utf8mb4_0900_ai_ci.
const UTF8MB4: u64 = 255;

pub fn listed(declared: &str, octets: Option<u64>, charset: Option<&str>) -> ListedColumn {
    ListedColumn {
        name: "c".into(),
        column_type: declared.into(),
        octets,
        charset: charset.map(str::to_owned),
        nullable: true,
        visible: true,
    }
}

pub fn int() -> ColumnKind {
    ColumnKind::Int { unsigned: false }
}

pub fn text() -> ColumnKind {
    ColumnKind::Text {
        length_bytes: 1,
        charset: Charset::of_collation(UTF8MB4),
    }
}

pub fn column(name: &str, declared: &str, kind: ColumnKind) -> SourceColumn {
    let charset = matches!(kind, ColumnKind::Text { .. }).then_some("utf8mb4");
    SourceColumn {
        listed: ListedColumn {
            name: name.into(),
            ..listed(declared, None, charset)
        },
        kind,
        shown: Shown::AsItIs,
    }
}

/// Of `id INT, note VARCHAR(20)`, by its id.
pub fn table(database: &str, name: &str) -> SourceTable {
    SourceTable {
        name: TableName {
            database: database.into(),
            table: name.into(),
        },
        columns: vec![
            column("id", "int", int()),
            column("note", "varchar(20)", text()),
        ],
        key: vec![0],
    }
}

pub fn request(dialect: Dialect, tables: &[SourceTable]) -> Request<'_> {
    Request {
        dialect,
        control_schema: "headwater",
        choices: dialect.choices(Choices::default()),
        incoming: &Incoming::Copy,
        is_by_key: false,
        lines: lines(dialect),
        lake: lake(),
        tables,
    }
}

fn lines(dialect: Dialect) -> &'static Lines {
    static FLAT: LazyLock<Lines> = LazyLock::new(|| Lines::Flat { prefix: "_".into() });
    match dialect {
        Dialect::Iceberg => &FLAT,
        _ => &Lines::Nested,
    }
}

fn lake() -> &'static Lake {
    static LAKE: LazyLock<Lake> = LazyLock::new(|| Lake {
        log: "s3://lake/changes/".into(),
        since: "2026/03/01/00".into(),
        tables: "s3://lake/tables/".into(),
    });
    &LAKE
}
