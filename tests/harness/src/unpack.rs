//! Packed records opened by public libraries, not by our own code: KPL aggregates, gzip, zstd.

use std::{io::Write, process::Command};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::{cache, consumer::Record};

const SCRIPT: &str = include_str!("unpack.py");

/// A row inside an aggregate of the Kinesis Producer Library.
#[derive(Debug, Clone, Deserialize)]
pub struct UserRecord {
    pub partition_key: String,
    pub explicit_hash_key: String,
    pub data: String,
}

/// The user records of one record, as `aws-kinesis-agg` finds them.
///
/// # Errors
/// When the record is no aggregate, or the library is not installed.
pub fn kpl(record: &Record) -> anyhow::Result<Vec<UserRecord>> {
    let data = base64_simd::STANDARD.encode_to_string(&record.data);
    let input = json!([{"partition_key": record.partition_key, "data": data}]);
    let output = run("kpl", input.to_string().as_bytes())?;
    serde_json::from_slice(&output).context("read the user records")
}

/// What `gzip` files hold.
///
/// # Errors
/// When some byte is not of a gzip member.
pub fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    run("gzip", bytes)
}

/// What `zstd` files hold.
///
/// # Errors
/// When some byte is not of a zstd frame.
pub fn zstd(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    run("zstd", bytes)
}

fn run(how: &str, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(input)?;
    let output = Command::new(cache::installed("unpack")?.join("venv/bin/python"))
        .args(["-c", SCRIPT, how])
        .arg(file.path())
        .output()
        .context("start python")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "unpack {how}: {error}");
    Ok(output.stdout)
}
