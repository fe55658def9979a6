//! What each table of MySQL is called and made of in the warehouse.

use std::collections::BTreeMap;

use super::{Error, Request};
use crate::{
    dialect::Dialect,
    stored::{Choices, LongText, masked, stored},
    table::{Column, LeftOut, Shown, SourceColumn, SourceTable, Target},
};

/// Columns of ours in each table, and of the facts that a merge works with; and its variables, because Redshift puts a
/// variable's value in the place of any name that is spelled so.
const OURS: [&str; 17] = [
    "_seq",
    "_ts",
    "_deleted",
    "_lost",
    "_raw",
    "headwater_seq",
    "headwater_ts",
    "headwater_gone",
    "headwater_lost",
    "headwater_data",
    "headwater_place",
    "merge_taken",
    "merge_refused",
    "merge_facts",
    "merge_written",
    "merge_lost",
    "merge_emptied",
];
/// Those of views and merges in a lake.
const OURS_IN_A_LAKE: [&str; 9] = [
    "_type",
    "_id",
    "_hour",
    "_refused",
    "headwater_type",
    "headwater_id",
    "headwater_ts_us",
    "headwater_old",
    "headwater_part",
];
/// Of a table, ours among them. <https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html>
const COLUMNS_MAX: usize = 1_600;
/// Beside those of the table where a merge has most of them.
const OURS_MAX: usize = 6;
/// Around the text of a procedure.
const BODY_END: &str = "$$";
const ROWS: &str = "__rows";
/// In the place of those, a view of every change.
const CHANGES: &str = "__changes";
/// What Firehose appends to.
const LOG: &str = "__log";
const NO_KEY: &str =
    "it has no primary key, and no unique key over NOT NULL columns: rows cannot be told apart";

/// The tables that can be merged, in the order of their names, and those that cannot.
///
/// # Errors
/// When two would have one name.
pub fn targets(request: &Request<'_>) -> Result<(Vec<Target>, Vec<LeftOut>), Error> {
    let mut sources: Vec<&SourceTable> = request.tables.iter().collect();
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for source in sources {
        match why_left_out(source, request) {
            None => kept.push(source),
            Some((reason, remedy)) => left_out.push(LeftOut {
                table: source.name.to_string(),
                reason,
                remedy,
            }),
        }
    }
    let schemas = schemas(request, &kept)?;
    let mut targets = Vec::new();
    for (database, schema) in &schemas {
        let of_it = kept.iter().filter(|table| table.name.database == *database);
        let of_it: Vec<&SourceTable> = of_it.copied().collect();
        targets.extend(of_schema(request, schema, &of_it));
    }
    ensure_distinct(&targets)?;
    Ok((targets, left_out))
}

fn why_left_out(table: &SourceTable, request: &Request<'_>) -> Option<(String, String)> {
    let columns = table.columns.iter().map(|column| &column.listed.name);
    let mut names = columns.chain([&table.name.database, &table.name.table]);
    if let Some(name) = names.find(|name| name.contains(BODY_END)) {
        let reason =
            format!("{name} has {BODY_END} in it, which would end the text of a procedure");
        return Some((reason, "give it another name".into()));
    }
    let member_bytes_max = request.dialect.member_bytes_max();
    let is_long = |column: &&SourceColumn| column.listed.name.len() > member_bytes_max;
    if let Some(column) = table.shown_columns().find(is_long) {
        let name = &column.listed.name;
        let reason = format!(
            "column {name} has a name of {} bytes, and what is named in a line can have {member_bytes_max}",
            name.len()
        );
        return Some((
            reason,
            "give the column a shorter name, or leave it out with columns.include".into(),
        ));
    }
    let columns = table.shown_columns().count();
    if COLUMNS_MAX < columns + OURS_MAX {
        let most = COLUMNS_MAX - OURS_MAX;
        let reason = format!("it has {columns} columns, and one in the warehouse {most} at most");
        return Some((reason, "leave columns out: columns.include".into()));
    }
    if table.key.is_empty() {
        let remedy = "give it a primary key; its lines are in the log in S3 all the same";
        return Some((NO_KEY.into(), remedy.into()));
    }
    for column in table.key_columns() {
        let name = &column.listed.name;
        if column.shown != Shown::AsItIs {
            let reason = format!("its key column {name} is masked or left out of its lines");
            return Some((reason, "show it: columns.include, [mask]".into()));
        }
        // Whole, also where another column of its type would be cut.
        let long_text = LongText::Super;
        let choices = Choices {
            long_text,
            ..request.choices
        };
        if !stored(&column.kind, &column.listed, choices).is_comparable() {
            let reason = format!(
                "its key column {name} ({}) can be longer than what the warehouse compares",
                column.listed.column_type
            );
            return Some((reason, "give it a key of shorter columns".into()));
        }
    }
    None
}

/// By database.
fn schemas<'a>(
    request: &Request<'_>,
    tables: &[&'a SourceTable],
) -> Result<BTreeMap<&'a str, String>, Error> {
    let mut databases: Vec<&str> = tables
        .iter()
        .map(|table| table.name.database.as_str())
        .collect();
    databases.dedup();
    if let Some(name) = databases
        .iter()
        .find(|name| name.eq_ignore_ascii_case(request.control_schema))
    {
        return Err(Error::ControlSchema((*name).to_owned()));
    }
    let named = request
        .dialect
        .identifiers(&databases, &["information_schema"]);
    let of = |(database, schema): (&'a str, String)| {
        // Names that begin so are the server's own.
        let is_reserved = schema.starts_with("pg_");
        (
            database,
            if is_reserved {
                format!("db_{schema}")
            } else {
                schema
            },
        )
    };
    Ok(databases.iter().copied().zip(named).map(of).collect())
}

fn of_schema(request: &Request<'_>, schema: &str, tables: &[&SourceTable]) -> Vec<Target> {
    let dialect = request.dialect;
    let names: Vec<&str> = tables
        .iter()
        .map(|table| table.name.table.as_str())
        .collect();
    let views = dialect.identifiers(&names, &[]);
    let taken: Vec<&str> = views.iter().map(String::as_str).collect();
    let behind = |end: &str, taken: &[&str]| {
        let each: Vec<String> = names.iter().map(|name| format!("{name}{end}")).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        dialect.identifiers(&each, taken)
    };
    let rows = behind(
        match dialect {
            Dialect::Athena => CHANGES,
            _ => ROWS,
        },
        &taken,
    );
    let taken: Vec<&str> = views.iter().chain(&rows).map(String::as_str).collect();
    let logs: Vec<Option<String>> = match dialect {
        Dialect::Iceberg => behind(LOG, &taken).into_iter().map(Some).collect(),
        _ => vec![None; names.len()],
    };
    let merges: Vec<String> = names
        .iter()
        .map(|name| format!("merge {schema}.{name}"))
        .collect();
    let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
    let merges = dialect.identifiers(&merges, &[]);
    let each = tables.iter().zip(views).zip(rows).zip(merges).zip(logs);
    each.map(|((((table, view), rows), merge), log)| Target {
        database: table.name.database.clone(),
        table: table.name.table.clone(),
        schema: schema.to_owned(),
        view,
        rows,
        merge,
        log,
        columns: columns(request, table),
        key: table
            .key_columns()
            .map(|column| column.listed.name.clone())
            .collect(),
    })
    .collect()
}

fn columns(request: &Request<'_>, table: &SourceTable) -> Vec<Column> {
    let shown: Vec<&SourceColumn> = table.shown_columns().collect();
    let names: Vec<&str> = shown
        .iter()
        .map(|column| column.listed.name.as_str())
        .collect();
    let taken = taken(request.dialect);
    let identifiers = request.dialect.identifiers(&names, &taken);
    let each = shown.iter().zip(identifiers);
    each.map(|(column, identifier)| Column {
        name: column.listed.name.clone(),
        identifier,
        declared: column.listed.column_type.clone(),
        charset: column.listed.charset.clone(),
        stored: match column.shown {
            Shown::Masked => masked(request.choices),
            _ => stored(&column.kind, &column.listed, request.choices),
        },
    })
    .collect()
}

/// Ours, and those that each table of the warehouse has without being asked.
fn taken(dialect: Dialect) -> Vec<&'static str> {
    let own: &[&str] = match dialect {
        Dialect::Redshift => &["oid", "xmin", "xmax", "cmin", "cmax", "ctid", "tableoid"],
        Dialect::Postgres => &["xmin", "xmax", "cmin", "cmax", "ctid", "tableoid"],
        Dialect::Athena | Dialect::Iceberg => &OURS_IN_A_LAKE,
    };
    OURS.iter().chain(own).copied().collect()
}

fn ensure_distinct(targets: &[Target]) -> Result<(), Error> {
    let mut called: BTreeMap<String, &Target> = BTreeMap::new();
    for target in targets {
        let log = target.log.iter();
        let names = [
            format!("{}.{}", target.schema, target.view),
            format!("{}.{}", target.schema, target.rows),
            target.merge.clone(),
        ];
        let names = names.into_iter();
        for name in names.chain(log.map(|log| format!("{}.{log}", target.schema))) {
            if let Some(other) = called.insert(name.clone(), target) {
                return Err(Error::Clash {
                    table: target.name(),
                    other: other.name(),
                    identifier: name,
                });
            }
        }
        let columns = target
            .columns
            .iter()
            .map(|column| column.identifier.as_str());
        let mut columns: Vec<&str> = columns.collect();
        columns.sort_unstable();
        if let Some(twice) = columns.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(Error::Clash {
                table: target.name(),
                other: target.name(),
                identifier: twice.concat(),
            });
        }
    }
    Ok(())
}
