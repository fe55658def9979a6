//! What has changed in MySQL since the SQL was generated, as SQL and as what a person must do. Nothing is dropped here.
//!
//! A new column is empty in rows that were merged before it, a column of another type holds what it held, and what an
//! ALTER made of the values is in no line: a copy of the table (`headwater snapshot start`) sends every row again with a
//! newer seq, so it fills all of them, beside the stream.
//! What no longer exists in MySQL stays, and the text says how it can be removed. After this SQL the generated files are
//! applied again.

mod kept;
mod lake;

use self::kept::keeps_values;
use crate::{
    dialect::Dialect,
    manifest::Manifest,
    names::{in_comment, quoted},
    stored::Stored,
    table::{Column, Target},
};

/// Why two manifests cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error("it was generated for {before}, not for {now}")]
    Dialect {
        before: &'static str,
        now: &'static str,
    },
    #[error("it has the schema {before}, and warehouse.schema is {now}")]
    Schema { before: String, now: String },
}

/// SQL with comments; empty when nothing has changed.
///
/// # Errors
/// When the two are of different warehouses.
pub fn diff(before: &Manifest, now: &Manifest) -> Result<String, Incomparable> {
    if before.dialect != now.dialect {
        return Err(Incomparable::Dialect {
            before: before.dialect.name(),
            now: now.dialect.name(),
        });
    }
    if before.control_schema != now.control_schema {
        return Err(Incomparable::Schema {
            before: before.control_schema.clone(),
            now: now.control_schema.clone(),
        });
    }
    let mut out = String::new();
    for target in &now.tables {
        match before.target(&target.name()) {
            None => is_new(&mut out, target),
            Some(old) if old != target && now.dialect.is_lake() => {
                lake::has_changed(&mut out, now.dialect, old, target);
            }
            Some(old) if old != target => has_changed(&mut out, now, old, target),
            Some(_) => (),
        }
    }
    for old in &before.tables {
        if now.target(&old.name()).is_none() {
            is_gone(&mut out, now.dialect, old);
        }
    }
    Ok(out)
}

fn is_new(out: &mut String, target: &Target) {
    let name = target.name();
    section(out, &format!("{name} is new"));
    remark(out, "Apply its generated file. Rows that it has already:");
    copy(out, target);
}

fn is_gone(out: &mut String, dialect: Dialect, old: &Target) {
    let name = old.name();
    section(
        out,
        &format!("{name} is no longer there, has no key any more, or is not in source.tables"),
    );
    if dialect.is_lake() {
        return lake::is_gone(out, old);
    }
    remark(
        out,
        "Its table stays as it is and is not merged any more. When nobody reads it:",
    );
    let (view, rows) = (old.within_schema(&old.view), old.within_schema(&old.rows));
    remark(out, &format!("  DROP VIEW {view}; DROP TABLE {rows};"));
}

fn has_changed(out: &mut String, now: &Manifest, old: &Target, target: &Target) {
    let dialect = now.dialect;
    let name = target.name();
    let rows = target.within_schema(&target.rows);
    section(out, &format!("{name} has changed"));
    let is_rebuilt = old.key != target.key
        || old.rows != target.rows
        || old.schema != target.schema
        || !keeps_keys(old, target);
    // A view is not replaced by one that lacks columns.
    statement(
        out,
        &format!("DROP VIEW IF EXISTS {}", old.within_schema(&old.view)),
    );
    if is_rebuilt {
        let before = kept_as(&old.rows, dialect);
        remark(
            out,
            "Its key is another one, so its rows are told apart in another way: the table is built anew, from a copy.",
        );
        remark(out, "The one that was stays beside it, until you drop it.");
        let was = old.within_schema(&old.rows);
        statement(
            out,
            &format!("ALTER TABLE {was} RENAME TO {}", quoted(&before)),
        );
        remark(
            out,
            "What is older than the statement and arrives late is under the key that was: it says nothing any more.",
        );
        statement(out, &emptied(dialect, &now.control_schema, target));
        apply(out);
        copy(out, target);
        return;
    }
    let mut wants_copy = false;
    for column in &target.columns {
        match old.column(&column.name) {
            None => {
                let kind = dialect.column_type(column.stored);
                let identifier = quoted(&column.identifier);
                statement(
                    out,
                    &format!("ALTER TABLE {rows} ADD COLUMN {identifier} {kind}"),
                );
                remark(
                    out,
                    &format!(
                        "{} is new ({}): NULL in rows that were merged before it.",
                        column.name, column.declared
                    ),
                );
                wants_copy = true;
            }
            Some(was) if was.stored != column.stored || was.identifier != column.identifier => {
                wants_copy |= of_another_type(out, dialect, &rows, was, column);
            }
            Some(was) if !keeps_values(was, column) => {
                wants_copy = true;
                remark(
                    out,
                    &format!(
                        "{}: values that the ALTER changed are in no line.",
                        has_become(was, column)
                    ),
                );
            }
            Some(_) => (),
        }
    }
    for was in &old.columns {
        if target.column(&was.name).is_none() {
            let identifier = quoted(&was.identifier);
            remark(
                out,
                &format!(
                    "{} is no longer there: its column stays, and is NULL in rows that are merged from now on.",
                    was.name
                ),
            );
            remark(
                out,
                &format!("  When nobody reads it: ALTER TABLE {rows} DROP COLUMN {identifier};"),
            );
        }
    }
    apply(out);
    if wants_copy {
        copy(out, target);
    }
}

/// Whether rows that are there must be sent again.
fn of_another_type(
    out: &mut String,
    dialect: Dialect,
    rows: &str,
    was: &Column,
    column: &Column,
) -> bool {
    let (kind, identifier) = (
        dialect.column_type(column.stored),
        quoted(&column.identifier),
    );
    remark(out, &format!("{}.", has_become(was, column)));
    if was.identifier == column.identifier && is_wider(was.stored, column.stored) {
        statement(
            out,
            &format!("ALTER TABLE {rows} ALTER COLUMN {identifier} TYPE {kind}"),
        );
        return !keeps_values(was, column);
    }
    let before = quoted(&kept_as(&was.identifier, dialect));
    let old = quoted(&was.identifier);
    remark(
        out,
        &format!("What it held stays in {before}, until you drop that."),
    );
    statement(
        out,
        &format!("ALTER TABLE {rows} RENAME COLUMN {old} TO {before}"),
    );
    statement(
        out,
        &format!("ALTER TABLE {rows} ADD COLUMN {identifier} {kind}"),
    );
    true
}

/// Redshift changes the type of a column in place from VARCHAR to a longer one only.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>
fn is_wider(was: Stored, is: Stored) -> bool {
    matches!((was, is), (Stored::Varchar { bytes_max: before }, Stored::Varchar { bytes_max: now }) if before < now)
}

fn has_become(was: &Column, now: &Column) -> String {
    let (before, after) = (was.definition(), now.definition());
    format!("{} was {before}, and is {after}", now.name)
}

/// As a TRUNCATE in the place of the newest statement on the table.
fn emptied(dialect: Dialect, control: &str, target: &Target) -> String {
    let control = quoted(control);
    let (database, table) = (
        dialect.literal(&target.database),
        dialect.literal(&target.table),
    );
    format!(
        "INSERT INTO {control}.lines (database_name, table_name, type, seq) \
         SELECT database_name, table_name, 'truncate', MAX(seq) FROM {control}.pending_statements \
         WHERE database_name = {database} AND table_name = {table} GROUP BY database_name, table_name"
    )
}

/// Whether rows of the table that was are found by the keys that the rows have now.
fn keeps_keys(old: &Target, target: &Target) -> bool {
    target.key.iter().all(|name| {
        let both = old.column(name).zip(target.column(name));
        both.is_some_and(|(was, is)| was.stored == is.stored && keeps_values(was, is))
    })
}

fn kept_as(identifier: &str, dialect: Dialect) -> String {
    let name = format!("{identifier}__before");
    dialect.identifiers(&[&name], &[]).concat()
}

fn section(out: &mut String, title: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    remark(out, title);
}

fn remark(out: &mut String, text: &str) {
    out.push_str("-- ");
    out.push_str(&in_comment(text));
    out.push('\n');
}

fn statement(out: &mut String, sql: &str) {
    out.push_str(sql);
    out.push_str(";\n");
}

fn apply(out: &mut String) {
    remark(
        out,
        "Then generate anew, without --diff, and apply the table's file.",
    );
}

fn copy(out: &mut String, target: &Target) {
    remark(
        out,
        &format!(
            "Then copy the table: headwater snapshot start -c FILE {}",
            pattern(target)
        ),
    );
}

/// As a shell takes it: what is in backticks is literal, and a control character, which no comment holds, is any one.
fn pattern(target: &Target) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let both = [target.database.as_str(), target.table.as_str()];
    if both.iter().all(|name| name.chars().all(is_plain)) {
        return both.join(".");
    }
    let of = |name: &str| {
        let literal = format!("`{}`", name.replace('`', "``"));
        let apart = literal.split_inclusive(char::is_control);
        let parts = apart.map(|part| match part.strip_suffix(char::is_control) {
            Some(before) => format!("{before}`?`"),
            None => part.to_owned(),
        });
        parts.collect::<String>().replace("``?", "?")
    };
    let names = both.map(of).join(".");
    format!("'{}'", names.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
