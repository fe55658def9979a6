//! One COPY: the objects of a manifest, one transaction.

use std::io::Read;

use anyhow::{Context, bail};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::SinkExt;
use serde::Deserialize;
use tokio::pin;

use super::{
    LoadError, STRING_BYTES_MAX, Settings, Shape, documents,
    fields::{self, Column, Kind},
};
use crate::{objects::Objects, postgres::Session};

/// PostgreSQL counts the length of VARCHAR(n) and CHAR(n) from here.
const LENGTH_FROM: i32 = 4;
const CHUNK_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
}

/// Answers the rows. A [`LoadError`] is in `load_errors` by then.
pub(super) async fn copy(
    url: &str,
    objects: &Objects,
    settings: &Settings,
    manifest: &str,
) -> anyhow::Result<u64> {
    let mut session = Session::open(url).await?;
    let copied = copy_in(&mut session, objects, settings, manifest).await;
    if let Err(error) = &copied
        && let Some(error) = error.downcast_ref()
    {
        record(&session, &settings.schema, error).await?;
    }
    copied
}

async fn copy_in(
    session: &mut Session,
    objects: &Objects,
    settings: &Settings,
    manifest: &str,
) -> anyhow::Result<u64> {
    let table = format!("{}.{}", quote(&settings.schema), quote(&settings.table));
    let columns = match settings.shape {
        Shape::Noshred => vec![Column {
            name: "line".into(),
            kind: Kind::Json,
        }],
        Shape::Auto | Shape::AutoIgnoreCase => columns_of(session, &table).await?,
    };
    let files = read_files(objects, manifest).await?;
    let mut rows = Vec::new();
    for (key, bytes) in files {
        let refused = |(line, reason)| LoadError {
            file: key.clone(),
            line,
            reason,
        };
        let bytes = match settings.is_gzip {
            true => unzip(&bytes).map_err(|reason| refused((None, reason)))?,
            false => bytes.to_vec(),
        };
        for document in documents::read(&bytes, settings).map_err(&refused)? {
            if settings.shape == Shape::Noshred {
                fields::whole(&document, &mut rows);
                continue;
            }
            fields::by_key(&document, &columns, settings.shape, &mut rows)
                .map_err(|reason| refused((Some(document.line), reason)))?;
        }
    }
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let sql = format!("COPY {table} ({}) FROM STDIN", names.join(", "));
    put(session, &sql, rows).await.map_err(|error| {
        // What PostgreSQL finds wrong with a value: SQLSTATE classes 22 and 23.
        let of_data = error
            .as_db_error()
            .filter(|told| matches!(told.code().code().get(..2), Some("22" | "23")));
        match of_data {
            Some(told) => anyhow::Error::new(LoadError {
                file: manifest.to_owned(),
                line: None,
                reason: match told.where_() {
                    Some(place) => format!("{} ({place})", told.message()),
                    None => told.message().to_owned(),
                },
            }),
            None => anyhow::Error::new(error).context("load into the warehouse"),
        }
    })
}

async fn put(
    session: &mut Session,
    sql: &str,
    rows: Vec<u8>,
) -> Result<u64, tokio_postgres::Error> {
    let transaction = session.client().transaction().await?;
    let sink = transaction.copy_in::<_, Bytes>(sql).await?;
    pin!(sink);
    let mut rest = Bytes::from(rows);
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        sink.send(chunk).await?;
    }
    let count = sink.finish().await?;
    transaction.commit().await?;
    Ok(count)
}

async fn read_files(objects: &Objects, manifest: &str) -> anyhow::Result<Vec<(String, Bytes)>> {
    let text = objects.get(manifest).await?;
    let manifest: Manifest = serde_json::from_slice(&text).context("read a manifest")?;
    let mut files = Vec::new();
    for entry in manifest.entries {
        let Some(key) = objects.key(&entry.url) else {
            bail!("the manifest names {}, which is elsewhere", entry.url);
        };
        files.push((key.to_owned(), objects.get(key).await?));
    }
    Ok(files)
}

fn unzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut unzipped = Vec::new();
    let read = MultiGzDecoder::new(bytes).read_to_end(&mut unzipped);
    read.map_err(|error| format!("the file is no gzip: {error}"))?;
    Ok(unzipped)
}

/// Those that COPY may fill.
async fn columns_of(session: &Session, table: &str) -> anyhow::Result<Vec<Column>> {
    let sql = format!(
        "SELECT attname, typname, atttypmod FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid \
         WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' \
         ORDER BY attnum",
        table.replace('\'', "''")
    );
    let rows = session.query_rows(&sql).await?;
    let column = |row: Vec<Option<String>>| {
        let mut values = row.into_iter().flatten();
        let (name, of, length) = (values.next()?, values.next()?, values.next()?);
        let length: i32 = length.parse().ok()?;
        let bytes_max = match usize::try_from(length - LENGTH_FROM) {
            Ok(bytes) => bytes,
            Err(_) => STRING_BYTES_MAX,
        };
        let kind = match of.as_str() {
            "json" | "jsonb" => Kind::Json,
            "varchar" | "bpchar" | "text" => Kind::Text { bytes_max },
            _ => Kind::Other,
        };
        Some(Column { name, kind })
    };
    let columns: Option<Vec<Column>> = rows.into_iter().map(column).collect();
    columns.with_context(|| format!("read the columns of {table}"))
}

async fn record(session: &Session, schema: &str, error: &LoadError) -> anyhow::Result<()> {
    let table = format!("{}.load_errors", quote(schema));
    let text = |value: &str| format!("'{}'", value.replace('\'', "''").replace('\0', ""));
    let line = error.line.map_or("NULL".into(), |line| line.to_string());
    let sql = format!(
        "SET LOCAL client_min_messages = warning; \
         CREATE TABLE IF NOT EXISTS {table} (\"file\" text, \"line_number\" bigint, \"reason\" text, \
         \"at\" timestamptz DEFAULT clock_timestamp()); \
         INSERT INTO {table} (\"file\", \"line_number\", \"reason\") VALUES ({}, {line}, {})",
        text(&error.file),
        text(&error.reason)
    );
    session.exec(&sql).await
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
