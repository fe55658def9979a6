//! The files of a lake: one statement in each, for that is what Athena runs, in folders that sort as they are applied.
//!
//! The rules of the merge are those of `values`; here they stand in queries over the log, whose files never change.
//! What Firehose or Athena cannot take is left out and named.

use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{
    Error, Generated, MANIFEST_FILE, Request,
    files::{manifest, templates},
    values::{line, table, types},
};
use crate::{
    dialect::{Dialect, field, log_type},
    manifest::database_file,
    names::{literal, quoted, ticked},
    table::{Column, LeftOut, Target},
};

macro_rules! template {
    ($file:literal) => {
        ($file, include_str!(concat!("../../templates/lake/", $file)))
    };
}

const TEMPLATES: [(&str, &str); 15] = [
    template!("batch.sql"),
    template!("changes.sql"),
    template!("complete_to.sql"),
    template!("current.sql"),
    template!("emptied.sql"),
    template!("facts.sql"),
    template!("log.sql"),
    template!("rejected.sql"),
    template!("statements.sql"),
    template!("iceberg_empty.sql"),
    template!("iceberg_log.sql"),
    template!("iceberg_merge.sql"),
    template!("iceberg_rows.sql"),
    template!("iceberg_view.sql"),
    template!("readme.md"),
];
/// Of each table, as `Target::files` has them.
const ATHENA: [&str; 2] = ["changes.sql", "current.sql"];
const ICEBERG: [&str; 5] = [
    "iceberg_log.sql",
    "iceberg_rows.sql",
    "iceberg_view.sql",
    "iceberg_empty.sql",
    "iceberg_merge.sql",
];
/// Over all tables.
const SHARED: [(&str, &str); 4] = [
    ("02-log.sql", "log.sql"),
    ("05-views/complete_to.sql", "complete_to.sql"),
    ("05-views/rejected.sql", "rejected.sql"),
    ("05-views/statements.sql", "statements.sql"),
];
/// Of a query. <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
const STATEMENT_BYTES_MAX: usize = 262_144;

/// Where its files are in S3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lake {
    /// `s3://…/` in front of `yyyy/MM/dd/HH/`, as Firehose writes lines.
    pub log: String,
    /// The first hour that it has, as `2026/03/01/00`.
    pub since: String,
    /// `s3://…/` of the tables of Iceberg.
    pub tables: String,
}

/// What only a lake asks of a table.
#[derive(Debug, Serialize)]
struct LakeValues {
    /// As queries quote it.
    log: String,
    /// As DDL quotes them.
    log_ddl: String,
    rows_ddl: String,
    log_columns: Vec<Declared>,
    rows_columns: Vec<Declared>,
    log_location: String,
    rows_location: String,
    /// `"shop.orders": "…"`, by which Firehose finds the database and the log.
    route_schema: String,
    route_log: String,
}

#[derive(Debug, Serialize)]
struct Declared {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn generate(
    request: &Request<'_>,
    targets: Vec<Target>,
    mut left_out: Vec<LeftOut>,
) -> Result<Generated, Error> {
    let dialect = request.dialect;
    let environment = templates(&TEMPLATES)?;
    let control = quoted(request.control_schema);
    let common = common(request, &control);
    let fill = |file: &'static str, values: Value| {
        let template = environment.get_template(file);
        let text =
            template.and_then(|template| template.render(context! { ..values, ..common.clone() }));
        // A template loses the line feed at its end.
        let text = text.map(|text| text + "\n");
        text.map_err(|source| Error::Template { file, source })
    };

    let (mut files, mut kept, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets {
        if let Some(out) = why_left_out(dialect, &target) {
            left_out.push(out);
            continue;
        }
        let base = table(dialect, &control, request.is_by_key, &target);
        let lake = Value::from(Serde(lake_values(request, &target)));
        let values = context! { ..lake, ..Value::from(Serde(&base)) };
        let each: &[&'static str] = if dialect == Dialect::Iceberg {
            &ICEBERG
        } else {
            &ATHENA
        };
        let each = each.iter().map(|file| fill(file, values.clone()));
        let texts = each.collect::<Result<Vec<_>, _>>()?;
        if let Some(out) = is_too_long(&target, &texts) {
            left_out.push(out);
            continue;
        }
        files.extend(target.files(dialect).into_iter().zip(texts));
        shown.push(values);
        kept.push(target);
    }
    left_out.sort_by(|one, other| one.table.cmp(&other.table));
    for target in &kept {
        files.push(database(&target.schema));
    }
    if dialect == Dialect::Athena {
        files.push(database(request.control_schema));
        for (file, template) in SHARED {
            files.push((file.to_owned(), fill(template, context! {})?));
        }
    }
    files.sort();
    files.dedup();

    let readme = context! { tables => shown, left_out => Value::from(Serde(&left_out)) };
    files.insert(0, ("README.md".to_owned(), fill("readme.md", readme)?));
    let manifest = manifest(request, kept);
    files.push((MANIFEST_FILE.to_owned(), manifest.text()?));
    Ok(Generated {
        files,
        manifest,
        left_out,
    })
}

fn common(request: &Request<'_>, control: &str) -> Value {
    let dialect = request.dialect;
    let control_ddl = ticked(request.control_schema);
    let field = |name: &str| quoted(&request.lines.field(name));
    context! {
        dialect => dialect.name(),
        control,
        control_ddl,
        schema => request.control_schema,
        log_location => &request.lake.log,
        since => &request.lake.since,
        ts => dialect.time_of("b.headwater_ts_us"),
        types => types(),
        line => Value::from(Serde(line(dialect, request.lines, "l"))),
        field_type => field("type"),
        field_seq => field("seq"),
        field_begin_seq => field("begin_seq"),
        field_id => field("id"),
        field_ts_us => field("ts_us"),
        field_old => field("old"),
        json_database => request.lines.field("database"),
        json_table => request.lines.field("table"),
    }
}

fn database(schema: &str) -> (String, String) {
    let sql = format!("CREATE DATABASE IF NOT EXISTS {};\n", ticked(schema));
    (database_file(schema), sql)
}

/// Firehose finds a column by the name that it has in the line.
fn why_left_out(dialect: Dialect, target: &Target) -> Option<LeftOut> {
    let is_renamed = |column: &&Column| column.name != column.identifier;
    let column = target.columns.iter().find(is_renamed)?;
    let reason = format!(
        "its column {} cannot have its name in Iceberg, and Firehose finds columns by name",
        column.name
    );
    (dialect == Dialect::Iceberg).then(|| LeftOut {
        table: target.name().to_string(),
        reason,
        remedy: "write it with `headwater warehouse athena`, leave the column out of its lines (columns.include), \
                 or give it a name of lower-case letters, digits and \"_\""
            .into(),
    })
}

fn is_too_long(target: &Target, texts: &[String]) -> Option<LeftOut> {
    let bytes = texts.iter().map(String::len).max()?;
    (bytes > STATEMENT_BYTES_MAX).then(|| LeftOut {
        table: target.name().to_string(),
        reason: format!("its SQL has {bytes} bytes, and Athena takes {STATEMENT_BYTES_MAX}"),
        remedy: "leave columns out of its lines: columns.include".into(),
    })
}

fn lake_values(request: &Request<'_>, target: &Target) -> LakeValues {
    let log = target.log.as_deref().unwrap_or_default();
    let schema = ticked(&target.schema);
    let location = |table: &str| {
        let within = format!("{}{}/{table}/", request.lake.tables, target.schema);
        literal(&within)
    };
    let declared = |name: &str, kind: String| Declared {
        name: ticked(name),
        kind,
    };
    let ours = [
        ("type", "string"),
        ("deleted", "boolean"),
        ("ts_us", "bigint"),
        ("id", "string"),
        ("seq", "string"),
        ("gtid", "string"),
        ("position", "string"),
        ("statement", "string"),
        ("begin_seq", "string"),
    ];
    let ours = ours.map(|(name, kind)| declared(&request.lines.field(name), kind.into()));
    let columns = target.columns.iter();
    let of_log = columns.map(|column| (column.identifier.as_str(), log_type(column)));
    let of_log: Vec<(&str, String)> = of_log.collect();
    let old = of_log.iter().map(|(name, kind)| field(name, kind));
    let old: Vec<String> = old.collect();
    let old = declared(
        &request.lines.field("old"),
        format!("struct<{}>", old.join(",")),
    );
    let columns = target.columns.iter();
    let of_rows = columns.map(|column| {
        let kind = request.dialect.column_type(column.stored);
        declared(&column.identifier, kind)
    });
    let name = json_string(&target.name().to_string());
    LakeValues {
        route_schema: format!("{name}: {}", json_string(&target.schema)),
        route_log: format!("{name}: {}", json_string(log)),
        log: target.within_schema(log),
        log_ddl: format!("{schema}.{}", ticked(log)),
        rows_ddl: format!("{schema}.{}", ticked(&target.rows)),
        log_columns: ours
            .into_iter()
            .chain([old])
            .chain(of_log.into_iter().map(|(name, kind)| declared(name, kind)))
            .collect(),
        rows_columns: of_rows.collect(),
        log_location: location(log),
        rows_location: location(&target.rows),
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
