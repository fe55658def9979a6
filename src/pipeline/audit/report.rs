//! What an audit found, for people and as JSON.

use std::fmt;

use headwater_actors::ports::snapshot::Sent;
use headwater_warehouse::{audit::Compared, table::Target};
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
    /// Why MySQL's table could not be read, so that nothing was compared.
    pub refused: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Keys {
    pub missing: Vec<String>,
    pub extra: Vec<String>,
    pub different: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(TableReport::is_clean)
    }
}

impl TableReport {
    pub fn refused(target: &Target, sent: &Sent, reason: String) -> Self {
        Self {
            table: target.name().to_string(),
            position: sent.position.to_string(),
            rows: 0,
            compared: Compared::default(),
            not_compared: 0,
            keys: Keys::default(),
            behind: None,
            refused: Some(reason),
        }
    }

    /// What was not compared is not known to be equal.
    fn is_clean(&self) -> bool {
        self.refused.is_none() && self.compared.is_clean()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            write!(out, "{table}")?;
        }
        let all = self.tables.len();
        let count = |is: fn(&TableReport) -> bool| self.tables.iter().filter(|it| is(it)).count();
        let wrong = count(|table| !table.compared.is_clean());
        match (wrong, count(|table| table.refused.is_some())) {
            (0, 0) => write!(out, "{all} tables, all equal"),
            (_, 0) => write!(out, "{wrong} of {all} tables differ"),
            (_, refused) => write!(
                out,
                "{wrong} of {all} tables differ, {refused} could not be compared"
            ),
        }
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.refused {
            return writeln!(out, "{}: NOT COMPARED: {reason}", self.table);
        }
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
            (
                "gone in MySQL, or twice here",
                self.compared.extra,
                &self.keys.extra,
            ),
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
