//! The SQL of a lake against the model of the merge (`model`): any delivery of a log gives the table that it describes.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use headwater_harness::lake::Lake;
use headwater_warehouse::{
    dialect::Dialect,
    generate::{self, Lines, Request, generate},
    incoming::Incoming,
    stored::Choices,
};
use serde_json::{Map, Value};

use crate::model::{Log, delivered, seeded, source};

const ROUNDS: usize = 3;

fn write(dialect: Dialect, lines: &Lines, folder: &Path) -> anyhow::Result<()> {
    let lake = generate::Lake {
        log: "s3://lake/changes/".into(),
        since: "2026/03/01/00".into(),
        tables: "s3://lake/tables/".into(),
    };
    let generated = generate(&Request {
        dialect,
        control_schema: "headwater",
        choices: dialect.choices(Choices::default()),
        incoming: &Incoming::Copy,
        is_by_key: false,
        lines,
        lake: &lake,
        tables: &[source()],
    })?;
    for (file, text) in generated.files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// As Firehose lays it.
fn lay(folder: &Path, number: usize, lines: &[String]) -> anyhow::Result<String> {
    let key = format!("changes/2026/03/01/{:02}/{number}.gz", number % 24);
    let path = folder.join("objects").join(&key);
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        writeln!(encoder, "{line}")?;
    }
    fs::write(path, encoder.finish()?)?;
    Ok(key)
}

/// The same line with its columns at the top, and a prefix for all else.
fn flat(line: &Value) -> Value {
    let mut flat = Map::new();
    for (name, value) in line.as_object().into_iter().flatten() {
        match value {
            Value::Object(columns) if name == "data" => flat.extend(columns.clone()),
            value => drop(flat.insert(format!("_{name}"), value.clone())),
        }
    }
    Value::Object(flat)
}

fn ensure_any_delivery(dialect: Dialect, lines: &Lines) -> anyhow::Result<()> {
    let (seed, mut rng) = seeded();
    for round in 0..ROUNDS {
        let mut log = Log::new(rng.fork());
        if *lines != Lines::Nested {
            log.lines.iter_mut().for_each(|line| *line = flat(line));
        }
        let folder = tempfile::tempdir()?;
        let generated = folder.path().join("generated");
        write(dialect, lines, &generated)?;
        let state = folder.path().join("lake");
        let lake = Lake::new(&state)?;
        let parts = delivered(&mut rng, &log.lines);
        let keys = parts.iter().enumerate();
        let keys = keys.map(|(number, part)| lay(&state, number, part));
        let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
        lake.apply(&generated)?;
        if dialect == Dialect::Iceberg {
            for key in keys {
                lake.append(&[key])?;
                lake.merge(0)?;
            }
        }
        let found = lake.query("SELECT id, name, n FROM shop.orders ORDER BY id, name")?;
        assert_eq!(found, log.rows(), "round {round} of seed {seed}");
    }
    Ok(())
}

#[test]
fn any_delivery_of_a_log_gives_views_of_the_table_that_it_describes() -> anyhow::Result<()> {
    ensure_any_delivery(Dialect::Athena, &Lines::Nested)
}

#[test]
fn so_does_one_of_flat_lines() -> anyhow::Result<()> {
    let prefix = "_".into();
    ensure_any_delivery(Dialect::Athena, &Lines::Flat { prefix })
}

#[test]
fn any_delivery_of_a_log_gives_a_table_of_iceberg_as_it_describes() -> anyhow::Result<()> {
    let prefix = "_".into();
    ensure_any_delivery(Dialect::Iceberg, &Lines::Flat { prefix })
}
