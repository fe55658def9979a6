//! The same of a lake. Views are made anew from the log, so nothing there is altered; a table of Iceberg gets new columns
//! beside those that it has, in the log first, for Firehose passes over what has no column.
//!
//! Firehose and the merge may run meanwhile: lines that came between the ALTER in MySQL and this SQL lack the new column,
//! which the copy cures.

use super::{apply, copy, has_become, kept::keeps_values, kept_as, remark, statement};
use crate::{
    dialect::{Dialect, log_type},
    names::ticked,
    stored::Stored,
    table::{Column, Target},
};

pub(super) fn has_changed(out: &mut String, dialect: Dialect, old: &Target, target: &Target) {
    super::section(out, &format!("{} has changed", target.name()));
    match dialect {
        Dialect::Iceberg => tables(out, dialect, old, target),
        _ => views(out, dialect, old, target),
    }
}

pub(super) fn is_gone(out: &mut String, old: &Target) {
    let log = old.log.as_deref();
    let stays = match log {
        Some(_) => "Its tables stay as they are. When nobody reads them:",
        None => "Its views stay as they are, and its lines in the log. When nobody reads them:",
    };
    remark(out, stays);
    let view = |name: &str| format!("  DROP VIEW {};", old.within_schema(name));
    remark(out, &view(&old.view));
    match log {
        None => remark(out, &view(&old.rows)),
        Some(log) => {
            for name in [&old.rows, log] {
                remark(out, &format!("  DROP TABLE {};", ddl(old, name)));
            }
        }
    }
}

/// The log has every line, so all that the views say follows.
fn views(out: &mut String, dialect: Dialect, old: &Target, target: &Target) {
    for column in &target.columns {
        match old.column(&column.name) {
            None => remark(
                out,
                &format!(
                    "{} is new ({}): NULL in rows that have no line since.",
                    column.name, column.declared
                ),
            ),
            Some(was) if was.definition() != column.definition() => remark(
                out,
                &format!(
                    "{}: older lines are read by the new type, and what does not fit is counted in _lost.",
                    has_become(was, column)
                ),
            ),
            Some(_) => (),
        }
    }
    for was in &old.columns {
        if target.column(&was.name).is_none() {
            remark(
                out,
                &format!(
                    "{} is no longer there: the views lose it, the log keeps it.",
                    was.name
                ),
            );
        }
    }
    remark(
        out,
        "Generate anew, without --diff, and apply the table's files.",
    );
    let is_same = |column: &Column| {
        let was = old.column(&column.name);
        was.is_some_and(|was| {
            is_alike(dialect, was.stored, column.stored) && keeps_values(was, column)
        })
    };
    if old.key != target.key || !target.columns.iter().all(is_same) {
        copy(out, target);
    }
}

/// Text has no length here.
fn is_alike(dialect: Dialect, was: Stored, is: Stored) -> bool {
    dialect.column_type(was) == dialect.column_type(is)
}

/// Whether rows are told apart in another way.
fn has_other_key(dialect: Dialect, old: &Target, target: &Target) -> bool {
    let is_kept = |name: &String| match (old.column(name), target.column(name)) {
        (Some(was), Some(is)) => {
            is_alike(dialect, was.stored, is.stored) || is_promoted(was.stored, is.stored)
        }
        _ => false,
    };
    let is_called_so =
        (&old.schema, &old.rows, &old.log) == (&target.schema, &target.rows, &target.log);
    old.key != target.key || !is_called_so || !target.key.iter().all(is_kept)
}

fn tables(out: &mut String, dialect: Dialect, old: &Target, target: &Target) {
    let (rows, log) = (&target.rows, target.log.as_deref().unwrap_or_default());
    if has_other_key(dialect, old, target) {
        let before = kept_as(&old.rows, dialect);
        remark(
            out,
            "Its key is another one, so its rows are told apart in another way: the table is built anew, from a copy.",
        );
        remark(
            out,
            "Take what it has, if you want it, then drop it. Its old lines must not be merged again: drop its log too.",
        );
        remark(
            out,
            &format!(
                "  CREATE TABLE {} WITH (table_type = 'ICEBERG', is_external = false, location = 's3://…') AS SELECT * FROM {};",
                old.within_schema(&before),
                old.within_schema(&old.rows)
            ),
        );
        for name in [old.rows.as_str(), old.log.as_deref().unwrap_or_default()] {
            remark(out, &format!("  DROP TABLE {};", ddl(old, name)));
        }
        apply(out);
        copy(out, target);
        return;
    }
    let mut wants_copy = false;
    for column in &target.columns {
        let (of_log, of_rows) = (log_type(column), dialect.column_type(column.stored));
        let name = ticked(&column.identifier);
        let Some(was) = old.column(&column.name) else {
            remark(
                out,
                &format!(
                    "{} is new ({}): NULL in rows that were merged before it.",
                    column.name, column.declared
                ),
            );
            add(out, target, log, &name, &of_log);
            add(out, target, rows, &name, &of_rows);
            wants_copy = true;
            continue;
        };
        if was.definition() == column.definition() {
            continue;
        }
        remark(out, &format!("{}.", has_become(was, column)));
        // Values that the ALTER changed are in no line.
        wants_copy |= !keeps_values(was, column) && !is_promoted(was.stored, column.stored);
        if log_type(was) == of_log && dialect.column_type(was.stored) == of_rows {
            continue;
        }
        let (was_of_log, was_of_rows) = (log_type(was), dialect.column_type(was.stored));
        let is_text_as_before = (was_of_log == "string") == (of_log == "string");
        if is_promoted(was.stored, column.stored) && is_text_as_before {
            for (table, before, kind) in [
                (log, &was_of_log, &of_log),
                (rows.as_str(), &was_of_rows, &of_rows),
            ] {
                if before != kind {
                    let table = ddl(target, table);
                    statement(
                        out,
                        &format!("ALTER TABLE {table} CHANGE COLUMN {name} {name} {kind}"),
                    );
                }
            }
            continue;
        }
        let before = ticked(&kept_as(&was.identifier, dialect));
        remark(
            out,
            &format!("What it held stays in {before}, until you drop that."),
        );
        for (table, was, kind) in [
            (log, was_of_log, &of_log),
            (rows.as_str(), was_of_rows, &of_rows),
        ] {
            let within = ddl(target, table);
            statement(
                out,
                &format!("ALTER TABLE {within} CHANGE COLUMN {name} {before} {was}"),
            );
            add(out, target, table, &name, kind);
        }
        wants_copy = true;
    }
    for was in &old.columns {
        if target.column(&was.name).is_none() {
            remark(
                out,
                &format!(
                    "{} is no longer there: its columns stay, and are NULL in rows that are merged from now on.",
                    was.name
                ),
            );
        }
    }
    apply(out);
    if wants_copy {
        copy(out, target);
    }
}

fn add(out: &mut String, target: &Target, table: &str, name: &str, kind: &str) {
    let table = ddl(target, table);
    statement(
        out,
        &format!("ALTER TABLE {table} ADD COLUMNS ({name} {kind})"),
    );
}

/// What Iceberg alters in place.
/// <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-alter-table-change-column.html>
fn is_promoted(was: Stored, is: Stored) -> bool {
    match (was, is) {
        (Stored::SmallInt | Stored::Integer, Stored::BigInt) => true,
        (Stored::Real, Stored::Double) => true,
        (
            Stored::Numeric { precision, scale },
            Stored::Numeric {
                precision: wider,
                scale: same,
            },
        ) => precision <= wider && scale == same,
        _ => false,
    }
}

fn ddl(target: &Target, name: &str) -> String {
    format!("{}.{}", ticked(&target.schema), ticked(name))
}
