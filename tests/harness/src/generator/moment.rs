//! One statement of the source: what `SELECT` said of the rows it may have touched, before and after, and
//! the check that the lines between its mark and the one before say the same.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    lines::{Line, RowParts},
    schema::{ID, Rows, Table, shortened},
};
use crate::golden::line::{member, members};

/// Rows of one table around a statement.
pub struct Touched {
    pub table: Arc<Table>,
    /// MINIMAL, NOBLOB: columns may be absent.
    pub is_partial: bool,
    pub before: Rows,
    pub after: Rows,
}

pub struct Moment {
    pub statement: String,
    pub touched: Vec<Touched>,
}

#[derive(Debug, Default, Clone)]
pub struct Compared {
    pub lines: u64,
    pub values: u64,
    pub differences: Vec<String>,
}

impl Moment {
    /// Compares the statement's lines with what was selected.
    pub fn compare(&self, lines: &[&Line], compared: &mut Compared) {
        let mut seen = vec![BTreeSet::new(); self.touched.len()];
        for line in lines {
            let place = self.touched.iter().position(|it| line.is_of(&it.table));
            let Some((touched, seen)) = place.and_then(|at| {
                let seen = seen.get_mut(at)?;
                Some((self.touched.get(at)?, seen))
            }) else {
                self.differs("no such line was expected", line, compared);
                continue;
            };
            compared.lines += 1;
            match line.parts() {
                Ok(parts) => self.compare_line(touched, line, &parts, seen, compared),
                Err(error) => self.differs(&format!("{error:#}"), line, compared),
            }
        }
        for (touched, seen) in self.touched.iter().zip(&seen) {
            let ids: BTreeSet<&i64> = touched.before.keys().chain(touched.after.keys()).collect();
            for id in ids {
                let is_changed = touched.before.get(id) != touched.after.get(id);
                if is_changed && !seen.contains(id) {
                    compared.differences.push(format!(
                        "row {id} of {} changed and has no line, after: {}",
                        touched.table.path(),
                        self.statement
                    ));
                }
            }
        }
    }

    fn differs(&self, what: &str, line: &Line, compared: &mut Compared) {
        compared.differences.push(format!(
            "{what}: {} after: {}",
            shortened(&line.text),
            self.statement
        ));
    }

    fn compare_line(
        &self,
        touched: &Touched,
        line: &Line,
        parts: &RowParts<'_>,
        seen: &mut BTreeSet<i64>,
        compared: &mut Compared,
    ) {
        let number = |object: Option<&Vec<(String, &str)>>| -> Option<i64> {
            member(object?, ID)?.parse().ok()
        };
        let Some(id) = number(Some(&parts.data)).or_else(|| number(parts.key.as_ref())) else {
            return self.differs("no id", line, compared);
        };
        let was_id = number(parts.old.as_ref()).unwrap_or(id);
        seen.extend([id, was_id]);
        let now = match line.kind.as_str() {
            "delete" => touched.before.get(&id),
            _ => touched.after.get(&id),
        };
        let Some(now) = now else {
            return self.differs("SELECT has no such row", line, compared);
        };
        let table = &touched.table;
        let names = |object: &[(String, &str)]| -> Vec<String> {
            object.iter().map(|(name, _)| name.clone()).collect()
        };
        if !touched.is_partial {
            let all: Vec<String> = table.columns.iter().map(|it| it.name.clone()).collect();
            if names(&parts.data) != all {
                self.differs("other columns than the table's", line, compared);
            }
        }
        let key = parts.key.as_deref().unwrap_or_default();
        let mut wanted = table.key.clone();
        if touched.is_partial {
            // An insert that left a key's column to its default.
            wanted.retain(|name| member(key, name).is_some());
        }
        if parts.key.is_some() == table.key.is_empty() || names(key) != wanted {
            self.differs("another key than the table's", line, compared);
        }
        let old = parts.old.as_deref().unwrap_or_default();
        if parts.old.is_some() != (line.kind == "update") {
            self.differs("`old` is what updates have", line, compared);
        }
        let mut pairs = Vec::new();
        pairs.extend(parts.data.iter().chain(key).map(|pair| (pair, now)));
        let was = touched.before.get(&was_id);
        match was {
            Some(was) => pairs.extend(old.iter().map(|pair| (pair, was))),
            None if line.kind == "update" => {
                return self.differs("SELECT had no such row", line, compared);
            }
            None => {}
        }
        for ((name, raw), row) in pairs {
            let Some(place) = table.place(name) else {
                self.differs(&format!("no column `{name}`"), line, compared);
                continue;
            };
            let (column, printed) = (&table.columns[place], row[place].as_deref());
            compared.values += 1;
            if !column.compare.is_same(raw, printed) {
                compared.differences.push(format!(
                    "`{name}` ({}) of row {id} of {}: the line says {}, SELECT {}, after: {}",
                    column.column_type,
                    table.path(),
                    shortened(raw),
                    printed.map_or("NULL".into(), |it| shortened(&String::from_utf8_lossy(it))),
                    self.statement
                ));
            }
        }
        if let (Some(was), "update") = (was, line.kind.as_str()) {
            let by_place = |object: &[(String, &str)]| {
                let mut values = vec![None; table.columns.len()];
                for (name, raw) in object {
                    if let Some(value) = table.place(name).and_then(|at| values.get_mut(at)) {
                        *value = Some((*raw).to_owned());
                    }
                }
                values
            };
            let (data, old) = (by_place(&parts.data), by_place(old));
            for (place, column) in table.columns.iter().enumerate() {
                let told = old[place].as_deref();
                let is_changed = was[place] != now[place];
                // Index 0 of an ENUM looks like the label '', and documents may be stored in two ways.
                let may_look_same = column.compare.is_document() || told == Some("\"\"");
                let is_missing = is_changed && told.is_none() && !touched.is_partial;
                let is_lost = is_changed && data[place].is_none();
                let is_spare = told.is_some() && !is_changed && !may_look_same;
                if is_missing || is_lost || is_spare {
                    let name = &column.name;
                    self.differs(
                        &format!(
                            "`{name}` in `old`: {}, changed: {is_changed}",
                            told.is_some()
                        ),
                        line,
                        compared,
                    );
                }
            }
        }
    }
}

/// The number that a line of the table of marks carries.
pub fn mark(line: &Line) -> Option<u64> {
    let fields = members(&line.text);
    member(&members(member(&fields, "data")?), "n")?
        .parse()
        .ok()
}
