//! What Headwater wrote: a file's lines in the order of `seq`, each taken apart.

use std::path::Path;

use anyhow::{Context, ensure};

use super::schema::{Table, shortened};
use crate::golden::line::{member, members, string};

/// One line of the native format.
#[derive(Debug)]
pub struct Line {
    pub kind: String,
    pub database: String,
    pub table: String,
    pub seq: String,
    /// Without the table that a statement in several lanes has at its end.
    pub id: String,
    pub text: String,
}

/// A row's parts; columns by name, values as they are written.
#[derive(Debug)]
pub struct RowParts<'a> {
    pub data: Vec<(String, &'a str)>,
    pub key: Option<Vec<(String, &'a str)>>,
    pub old: Option<Vec<(String, &'a str)>>,
}

impl Line {
    fn parse(text: String) -> anyhow::Result<Self> {
        let fields = members(&text);
        let field = |name: &str| {
            member(&fields, name)
                .map(string)
                .with_context(|| format!("no `{name}` in {}", shortened(&text)))
        };
        let mut id = field("id")?;
        if let Some((transaction, n)) = id.split_once('/')
            && let Some((n, _)) = n.split_once(':')
        {
            id = format!("{transaction}/{n}");
        }
        Ok(Self {
            kind: field("type")?,
            database: field("database")?,
            table: field("table")?,
            seq: field("seq")?,
            id,
            text,
        })
    }

    pub fn is_row(&self) -> bool {
        matches!(self.kind.as_str(), "insert" | "update" | "delete")
    }

    pub fn is_of(&self, table: &Table) -> bool {
        self.database == table.database && self.table == table.name
    }

    /// A field that is a string.
    pub fn field(&self, name: &str) -> Option<String> {
        member(&members(&self.text), name).map(string)
    }

    /// # Errors
    /// When the line has no `data`.
    pub fn parts(&self) -> anyhow::Result<RowParts<'_>> {
        let fields = members(&self.text);
        let object = |name| member(&fields, name).map(members);
        Ok(RowParts {
            data: object("data").context("a row's line has `data`")?,
            key: object("key"),
            old: object("old"),
        })
    }
}

/// The lines of a file in the source's order; a statement that went to several lanes once.
///
/// # Errors
/// When a line cannot be read, or a row has two.
pub fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut lines: Vec<Line> = text
        .lines()
        .map(|line| Line::parse(line.to_owned()))
        .collect::<anyhow::Result<_>>()?;
    lines.sort_by(|one, other| one.seq.cmp(&other.seq));
    let twice = lines
        .windows(2)
        .find(|pair| matches!(pair, [one, other] if one.is_row() && one.id == other.id));
    ensure!(twice.is_none(), "a row has two lines: {twice:?}");
    lines.dedup_by(|one, other| !one.is_row() && one.id == other.id);
    Ok(lines)
}
