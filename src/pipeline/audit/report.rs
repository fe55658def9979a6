//! What an audit found, for people and as JSON.

use std::fmt;

use headwater_warehouse::audit::Compared;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Report {
    pub tables: Vec<TableReport>,
}

#[derive(Debug, Serialize)]
pub struct TableReport {
    /// As `shop.orders`.
    pub table: String,
    /// All before it was visible when MySQL was read: what the warehouse equals.
    pub position: String,
    pub rows: u64,
    #[serde(flatten)]
    pub compared: Compared,
    /// Rows with a value that is too long to be shown.
    pub not_compared: u64,
    /// The first keys that are wrong, of each kind.
    pub keys: Keys,
    /// How far the warehouse is, where that is not far enough to judge differences.
    pub behind: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Keys {
    pub missing: Vec<String>,
    pub extra: Vec<String>,
    pub different: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.compared.is_clean())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            write!(out, "{table}")?;
        }
        let wrong = self
            .tables
            .iter()
            .filter(|table| !table.compared.is_clean())
            .count();
        match wrong {
            0 => write!(out, "{} tables, all equal", self.tables.len()),
            _ => write!(out, "{wrong} of {} tables differ", self.tables.len()),
        }
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared {
            equal, moved_on, ..
        } = self.compared;
        let verdict = if self.compared.is_clean() {
            "equal"
        } else {
            "DIFFERENT"
        };
        writeln!(
            out,
            "{}: {verdict} at {}: {} rows in MySQL, {equal} compared, {moved_on} changed since",
            self.table, self.position, self.rows
        )?;
        if 0 < self.not_compared {
            writeln!(
                out,
                "  {} rows not compared: a value has more than 65535 bytes",
                self.not_compared
            )?;
        }
        if let Some(behind) = &self.behind {
            writeln!(out, "  {behind}")?;
        }
        let kinds = [
            (
                "missing in the warehouse",
                self.compared.missing,
                &self.keys.missing,
            ),
            ("gone in MySQL", self.compared.extra, &self.keys.extra),
            (
                "with other values",
                self.compared.different,
                &self.keys.different,
            ),
        ];
        for (what, rows, keys) in kinds.into_iter().filter(|(_, rows, _)| 0 < *rows) {
            let shown = keys.len() as u64;
            let more = if shown < rows { ", …" } else { "" };
            writeln!(out, "  {rows} rows {what}: ({}){more}", keys.join("), ("))?;
        }
        Ok(())
    }
}
