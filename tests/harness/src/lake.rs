//! A lake without AWS: the SQL that was generated for Athena, run on DuckDB over the objects that Firehose wrote.
//!
//! `lake.py` says what stands in for what. State lies in a folder, so each call is a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{cache, objects::Objects};

const SCRIPT: &str = include_str!("lake.py");
const SYNTAX: &str = include_str!("sqlcheck.py");

#[derive(Debug)]
pub struct Lake {
    folder: PathBuf,
}

impl Lake {
    /// Keeps its state in the folder, which is made.
    ///
    /// # Errors
    /// When that is refused.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("objects")).context("create a folder")?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// All files of the folder that `headwater warehouse` wrote, in their order.
    ///
    /// # Errors
    /// When one of them does not run; says which.
    pub fn apply(&self, generated: &Path) -> anyhow::Result<()> {
        self.call("apply", &[&generated.display().to_string()])?;
        Ok(())
    }

    /// What `--diff` said of tables of Iceberg; comments are passed over.
    ///
    /// # Errors
    /// When one of its statements does not run.
    pub fn alter(&self, sql: &str) -> anyhow::Result<()> {
        self.call("alter", &[sql])?;
        Ok(())
    }

    /// Takes objects out of the bucket, as they lie there.
    ///
    /// # Errors
    /// When one is not there.
    pub async fn copy(&self, bucket: &Objects, keys: &[String]) -> anyhow::Result<()> {
        let folder = Objects::folder(&self.folder.join("objects"));
        for key in keys {
            folder.put(key, bucket.get(key).await?).await?;
        }
        Ok(())
    }

    /// Firehose to Iceberg: appends the lines of objects that were copied.
    ///
    /// # Errors
    /// When a value has another type than its column.
    pub fn append(&self, keys: &[String]) -> anyhow::Result<()> {
        let path = |key: &String| self.folder.join("objects").join(key).display().to_string();
        let files: Vec<String> = keys.iter().map(path).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.call("deliver", &files)?;
        Ok(())
    }

    /// The merges of Iceberg, of lines that were committed from then on.
    ///
    /// # Errors
    /// When one of them does not run; says which.
    pub fn merge(&self, from_us: u64) -> anyhow::Result<()> {
        self.call("merge", &[&from_us.to_string()])?;
        Ok(())
    }

    /// The rows of a query, each value as text.
    ///
    /// # Errors
    /// When it does not run.
    pub fn query(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let output = self.call("query", &[sql])?;
        serde_json::from_slice(&output).context("read the rows")
    }

    fn call(&self, action: &str, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let folder = self.folder.display().to_string();
        let arguments = [&[folder.as_str(), action], arguments].concat();
        python("duckdb", SCRIPT, &arguments)
    }
}

/// That each file is one statement, by two parsers: sqlfluff in Athena's dialect, sqlglot in Athena's.
///
/// # Errors
/// When one of them does not take a file; says which.
pub fn ensure_parses(generated: &Path) -> anyhow::Result<()> {
    python(
        "sqlcheck",
        SYNTAX,
        &["athena", &generated.display().to_string()],
    )?;
    Ok(())
}

fn python(thing: &str, script: &str, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(cache::installed(thing)?.join("venv/bin/python"))
        .args(["-c", script])
        .args(arguments)
        .output()
        .context("start python")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{thing} {arguments:?}: {said}");
    Ok(output.stdout)
}
