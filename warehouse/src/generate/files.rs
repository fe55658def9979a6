//! The templates, filled: which file has what, and in which order they are applied.

use minijinja::{Environment, Value, context, value::Serde};

use super::{
    Error, Generated, Lines, Request, lake,
    targets::targets,
    values::{TableValues, line, table},
};
use crate::{
    dialect::Dialect,
    incoming::Incoming,
    manifest::{Manifest, VERSION},
    names::{literal, quoted},
    stored::Stored,
    table::Target,
};

const TEMPLATES: [(&str, &str); 8] = [
    ("casts.sql", include_str!("../../templates/casts.sql")),
    ("control.sql", include_str!("../../templates/control.sql")),
    ("merge.sql", include_str!("../../templates/merge.sql")),
    (
        "merge_all.sql",
        include_str!("../../templates/merge_all.sql"),
    ),
    ("readme.md", include_str!("../../templates/readme.md")),
    ("stream.sql", include_str!("../../templates/stream.sql")),
    ("table.sql", include_str!("../../templates/table.sql")),
    ("views.sql", include_str!("../../templates/views.sql")),
];
/// External, of all streams of the account.
const STREAM_SCHEMA: &str = "headwater_kinesis";
pub const MANIFEST_FILE: &str = "manifest.json";

/// All files of a warehouse.
///
/// # Errors
/// When two tables would have one name.
pub fn generate(request: &Request<'_>) -> Result<Generated, Error> {
    let (targets, left_out) = targets(request)?;
    let dialect = request.dialect;
    if dialect.is_lake() {
        return lake::generate(request, targets, left_out);
    }
    let environment = environment(dialect)?;
    let fill = |file: &'static str, values: Value| {
        let template = environment.get_template(file);
        let text = template.and_then(|template| template.render(values));
        text.map_err(|source| Error::Template { file, source })
    };
    let control = quoted(request.control_schema);
    let stream = stream(request.incoming);
    let common = common(dialect, &control, stream.clone());
    let with = |values: Value| context! { ..values, ..common.clone() };

    let mut files = Vec::new();
    if !stream.is_none() {
        files.push((
            "00-stream.sql".to_owned(),
            fill("stream.sql", with(context! {}))?,
        ));
    }
    let taken = context! { line => line(dialect, &Lines::Nested, "i") };
    files.push((
        "01-control.sql".to_owned(),
        fill("control.sql", with(taken))?,
    ));
    let tables = targets
        .iter()
        .map(|target| table(dialect, &control, request.is_by_key, target));
    let tables: Vec<TableValues> = tables.collect();
    for (target, values) in targets.iter().zip(&tables) {
        let values = context! { line => merged_line(dialect), ..Value::from(Serde(values)) };
        let text = fill("table.sql", with(values))?;
        files.extend(
            target
                .files(dialect)
                .into_iter()
                .map(|file| (file, text.clone())),
        );
    }
    let all = context! { tables => Value::from(Serde(&tables)) };
    let merge_all = fill("merge_all.sql", with(all.clone()))?;
    files.push(("03-merge-all.sql".to_owned(), merge_all));
    files.push(("04-views.sql".to_owned(), fill("views.sql", with(all))?));

    let readme = context! {
        tables => Value::from(Serde(&tables)),
        left_out => Value::from(Serde(&left_out)),
        schema => request.control_schema,
    };
    files.insert(
        0,
        ("README.md".to_owned(), fill("readme.md", with(readme))?),
    );
    let manifest = manifest(request, targets);
    files.push((MANIFEST_FILE.to_owned(), manifest.text()?));
    Ok(Generated {
        files,
        manifest,
        left_out,
    })
}

pub(super) fn manifest(request: &Request<'_>, tables: Vec<Target>) -> Manifest {
    Manifest {
        version: VERSION,
        dialect: request.dialect,
        control_schema: request.control_schema.to_owned(),
        choices: request.choices,
        incoming: request.incoming.clone(),
        is_by_key: request.is_by_key,
        tables,
    }
}

fn environment(dialect: Dialect) -> Result<Environment<'static>, Error> {
    let mut environment = templates(&TEMPLATES)?;
    environment.add_function("text", move |bytes_max: u64| {
        dialect.column_type(Stored::Varchar { bytes_max })
    });
    Ok(environment)
}

/// By name, with their text.
pub(super) fn templates(
    of: &[(&'static str, &'static str)],
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for &(file, text) in of {
        let added = environment.add_template(file, text);
        added.map_err(|source| Error::Template { file, source })?;
    }
    Ok(environment)
}

fn common(dialect: Dialect, control: &str, stream: Value) -> Value {
    let taken = match stream.is_none() {
        true => format!("{control}.incoming"),
        false => "headwater_taken".to_owned(),
    };
    context! {
        stream,
        taken,
        dialect => dialect.name(),
        control,
        document => dialect.column_type(Stored::Document),
        now => dialect.now(),
        ts => dialect.time_of("b.ts_us"),
        procedure_settings => dialect.procedure_settings(),
        text_cast => format!("::{}", dialect.column_type(Stored::Varchar { bytes_max: 256 })),
    }
}

/// `None` where COPY fills a table.
fn stream(incoming: &Incoming) -> Value {
    match incoming {
        Incoming::Copy => Value::from(()),
        Incoming::Stream {
            name,
            role,
            is_array,
        } => context! {
            schema => quoted(STREAM_SCHEMA),
            name => quoted(name),
            role => if role == "default" { role.clone() } else { literal(role) },
            is_array,
            packing => if *is_array { "json_array" } else { "none" },
        },
    }
}

/// Of a line that stands in the batch, and before that in lines.
fn merged_line(dialect: Dialect) -> Value {
    let lines = |alias| line(dialect, &Lines::Nested, alias);
    let (mut of_lines, of_batch) = (lines("l"), lines("b"));
    for field in ["statement", "run", "rows", "begin_seq", "lane", "lanes"] {
        if let Some(expression) = of_batch.get(field) {
            of_lines.insert(field, expression.clone());
        }
    }
    Value::from(Serde(of_lines))
}
