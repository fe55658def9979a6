//! `warehouse`: the SQL of a warehouse for the tables that the source has now, written into a folder; or what has changed
//! since it was.
//!
//! Files are written one by one, the manifest last: a folder without the new manifest is one that was not finished.
//! What SQL is written stands in the crate `headwater-warehouse`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use headwater_actors::{
    checkpoint::OrderingKey,
    failure::Failure,
    packing::{Compression, Packing},
};
use headwater_binlog::{columns::ListedColumn, schema::Table};
use headwater_warehouse::{
    dialect::Dialect,
    diff::diff,
    generate::{Generated, MANIFEST_FILE, Request, generate},
    incoming::Incoming,
    manifest::Manifest,
    table::{LeftOut, Shown, SourceColumn, SourceTable},
};

use super::{lake, system};
use crate::{
    encode::{
        native::{Documents, LineLayout, NativeField, Statements},
        shape::ShapePlan,
    },
    exit::Exit,
    mysql,
    plan::{PackingPlan, Plan},
    sinks::read_back::ReadBack,
    terminal,
};

/// What to write.
#[derive(Debug, Clone)]
pub struct WarehouseMode {
    pub dialect: Dialect,
    pub out: PathBuf,
    /// Only say what has changed since.
    pub is_diff: bool,
}

/// Fields that a merge cannot go without.
const FIELDS: [(NativeField, &str); 6] = [
    (NativeField::Database, "database"),
    (NativeField::Table, "table"),
    (NativeField::Id, "id"),
    (NativeField::Seq, "seq"),
    (NativeField::Key, "key"),
    (NativeField::Old, "old"),
];

/// Whether the lines of these settings can be merged; the text says what to do.
pub fn ensure_mergeable(plan: &Plan) -> Result<(), String> {
    ensure_told_whole(plan)?;
    if plan.native.layout != LineLayout::Nested {
        return Err(
            "native.layout = \"flat\" has no `data`, which the merge reads; set it to \"nested\""
                .to_owned(),
        );
    }
    ensure_inline(plan)
}

/// What every merge needs of the lines, in whatever layout.
pub(super) fn ensure_told_whole(plan: &Plan) -> Result<(), String> {
    let mut routes = plan.routes.iter().chain([&plan.top]);
    if let Some(route) = routes.find(|route| !route.format.is_verifiable()) {
        return Err(format!(
            "the format of {} is not \"native\", and no other can be merged; set format.type = \"native\"",
            route.place()
        ));
    }
    let lacking = FIELDS
        .iter()
        .find(|(field, _)| !plan.native.fields.contains(field));
    if let Some((_, name)) = lacking {
        return Err(format!(
            "native.fields lacks \"{name}\", which a merge needs; add it"
        ));
    }
    if plan.native.statements != Statements::InPlace {
        return Err(
            "native.statements = \"none\" leaves out TRUNCATE, which the merge must know; set it to \"in_place\""
                .to_owned(),
        );
    }
    Ok(())
}

pub(super) fn ensure_inline(plan: &Plan) -> Result<(), String> {
    if plan.native.documents != Documents::Inline {
        return Err(
            "native.json = \"string\" makes a text of a document; set it to \"inline\"".to_owned(),
        );
    }
    Ok(())
}

/// What would be generated now.
///
/// # Errors
/// When no server answers, it logs parts of rows, or two tables would have one name.
pub(super) async fn current(plan: &Plan, dialect: Dialect) -> Result<Generated, Failure> {
    let (tables, left_out) = tables(plan).await?;
    let incoming = match dialect.is_lake() {
        true => Incoming::Copy,
        false => incoming(plan)?,
    };
    let request = Request {
        incoming: &incoming,
        dialect,
        control_schema: &plan.warehouse.schema,
        choices: dialect.choices(plan.warehouse.choices),
        is_by_key: !matches!(plan.ordering, OrderingKey::Table),
        lines: &lake::lines(plan),
        lake: &plan.warehouse.lake,
        tables: &tables,
    };
    let mut generated = generate(&request).map_err(|error| {
        Failure::definite("generate the SQL of the warehouse")
            .because(error)
            .with_hint("leave a table out of source.tables, or choose another warehouse.schema")
    })?;
    generated.left_out.extend(left_out);
    Ok(generated)
}

/// Writes the files, or prints what has changed. Exit 1 when something has.
pub fn warehouse(plan: &Plan, mode: &WarehouseMode) -> anyhow::Result<Exit> {
    let generated = system::start()?.block_on(current(plan, mode.dialect))?;
    let before = manifest(&mode.out)?;
    if mode.is_diff {
        return say_diff(&mode.out, before.as_ref(), &generated.manifest);
    }
    write(&mode.out, before.as_ref(), &generated)?;
    say(&mode.out, &generated)?;
    Ok(Exit::Success)
}

/// Redshift reads one stream, of records that are JSON.
fn incoming(plan: &Plan) -> Result<Incoming, Failure> {
    let Some(role) = &plan.warehouse.stream_role else {
        return Ok(Incoming::Copy);
    };
    let refused = |found: &str, remedy: &str| {
        let text = format!("warehouse.incoming = \"streaming\": {found}");
        Err(Failure::definite(text).with_hint(remedy))
    };
    let Some(ReadBack::Stream(stream)) = plan.sink.read_back() else {
        return refused(
            "the sink is no Kinesis stream",
            "set sink.type = \"kinesis\", or warehouse.incoming = \"copy\"",
        );
    };
    let is_apart = plan.routes.iter().any(|route| route.target.is_some())
        || plan.snapshot.runs.iter().any(|run| run.target.is_some());
    if is_apart {
        return refused(
            "routes or runs have streams of their own, and one stream is read",
            "write all tables to one stream, or set warehouse.incoming = \"copy\"",
        );
    }
    let mut packings = plan
        .routes
        .iter()
        .chain([&plan.top])
        .map(|route| &route.packing);
    let kind = plan.top.packing.kind;
    let is_document = matches!(kind, Packing::None | Packing::JsonArray);
    let is_same =
        |packing: &PackingPlan| packing.kind == kind && packing.compression == Compression::None;
    if !is_document || !packings.all(is_same) {
        return refused(
            "a record must be one JSON document",
            "set packing.type = \"json_array\" (or \"none\") and packing.compression = \"none\"",
        );
    }
    Ok(Incoming::Stream {
        name: stream.stream,
        role: role.clone(),
        is_array: kind == Packing::JsonArray,
    })
}

async fn tables(plan: &Plan) -> Result<(Vec<SourceTable>, Vec<LeftOut>), Failure> {
    mysql::ensure_whole_rows(&plan.source).await?;
    let case = mysql::name_case(&plan.source).await?;
    let shapes = mysql::table_shapes(&plan.source, &plan.tables, case).await?;
    let (mut tables, mut left_out) = (Vec::new(), Vec::new());
    for found in shapes {
        match found.shape {
            Ok((table, columns)) => tables.push(source_table(&plan.shape, table, columns)),
            Err(reason) => left_out.push(LeftOut {
                table: found.name.to_string(),
                reason,
                remedy: "leave it out of source.tables".into(),
            }),
        }
    }
    Ok((tables, left_out))
}

fn source_table(shape: &ShapePlan, table: Table, columns: Vec<ListedColumn>) -> SourceTable {
    let each = table.columns.into_iter().zip(columns);
    let columns = each.map(|(column, listed)| SourceColumn {
        shown: match () {
            () if !shape.include.matches(&table.name, &listed.name) => Shown::LeftOut,
            () if shape.masks(&table.name, &listed.name) => Shown::Masked,
            () => Shown::AsItIs,
        },
        kind: column.kind,
        listed,
    });
    SourceTable {
        columns: columns.collect(),
        key: table.primary_key,
        name: table.name,
    }
}

/// Of the folder, where there is one.
pub(super) fn manifest(folder: &Path) -> Result<Option<Manifest>, Failure> {
    let path = folder.join(MANIFEST_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file("read", &path, &error)),
    };
    Manifest::parse(&text).map(Some).map_err(|error| {
        Failure::definite(format!("{}: {error}", path.display()))
            .with_hint("generate into an empty folder, and compare the two yourself")
    })
}

/// What a person has to do since `before` was written into the folder; empty where nothing has changed.
pub(super) fn changed_since(
    folder: &Path,
    before: &Manifest,
    now: &Manifest,
) -> Result<String, Failure> {
    diff(before, now).map_err(|error| {
        Failure::definite(format!("{}: {error}", folder.join(MANIFEST_FILE).display()))
            .with_hint("name the folder that was generated with these settings")
    })
}

fn say_diff(folder: &Path, before: Option<&Manifest>, now: &Manifest) -> anyhow::Result<Exit> {
    let before = before.ok_or_else(|| {
        let path = folder.join(MANIFEST_FILE);
        Failure::definite(format!(
            "{} is not there: nothing was generated yet",
            path.display()
        ))
        .with_hint("generate first, without --diff")
    })?;
    let changed = changed_since(folder, before, now)?;
    if changed.is_empty() {
        terminal::line("nothing has changed")?;
        return Ok(Exit::Success);
    }
    terminal::page(&changed)?;
    Ok(Exit::Halted)
}

/// Tables that are no longer there lose their file; what else lies in the folder is not touched.
fn write(folder: &Path, before: Option<&Manifest>, generated: &Generated) -> Result<(), Failure> {
    let old = before.map(Manifest::table_files).unwrap_or_default();
    let is_written = |file: &String| generated.files.iter().any(|(path, _)| path == file);
    for file in old.iter().filter(|file| !is_written(file)) {
        let path = folder.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(of_file("remove", &path, &error));
            }
            _ => (),
        }
    }
    for (file, text) in &generated.files {
        let path = folder.join(file);
        let within = path.parent().unwrap_or(folder);
        fs::create_dir_all(within).map_err(|error| of_file("create", within, &error))?;
        fs::write(&path, text).map_err(|error| of_file("write", &path, &error))?;
    }
    Ok(())
}

fn say(folder: &Path, generated: &Generated) -> io::Result<()> {
    let tables = generated.manifest.tables.len();
    terminal::line(&format!(
        "{tables} tables, {} files in {}; README.md there says how to apply them",
        generated.files.len(),
        folder.display()
    ))?;
    for LeftOut {
        table,
        reason,
        remedy,
    } in &generated.left_out
    {
        terminal::line(&format!("{table} is left out: {reason}; {remedy}"))?;
    }
    Ok(())
}

fn of_file(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::definite(format!("{doing} {}: {error}", path.display()))
        .with_hint("name a folder that this user may write to, with --out")
}
