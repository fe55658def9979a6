//! Whether a column of the server's tables has a name that its line keeps for fields of its own.
//!
//! Such a table's first row would halt, so a first start refuses it; unless a row that cannot be written does not
//! halt, or the pipeline has been running: a standby must take over, though a table that nobody writes to is so.
//! Columns that are left out count for nothing.

use std::collections::BTreeMap;

use headwater_actors::on_error::OnError;

use crate::{
    encode::{
        Format,
        shape::{ShapeRules, Treatment},
    },
    mysql::{Check, SeenColumn},
    plan::Plan,
};

const NAME: &str = "names of columns";
const SHOWN: usize = 10;

/// Sees the columns of the included tables, some at a time.
pub struct FieldNames<'a> {
    plan: &'a Plan,
    rules: &'a ShapeRules,
    /// By table: the first such column.
    refused: BTreeMap<String, String>,
}

impl<'a> FieldNames<'a> {
    /// `None` where no line has such names.
    pub fn new(plan: &'a Plan, rules: &'a ShapeRules) -> Option<Self> {
        plan.formats().any(Format::refuses_columns).then(|| Self {
            plan,
            rules,
            refused: BTreeMap::new(),
        })
    }

    pub fn see(&mut self, columns: &[SeenColumn]) {
        for SeenColumn { table, name, .. } in columns {
            let format = &self.plan.route_of(table).format;
            let is_refused = format.refuses_column(name)
                && !matches!(self.rules.treatment(table, name), Treatment::Drop);
            if is_refused {
                let refused = self.refused.entry(table.to_string());
                refused.or_insert_with(|| name.clone());
            }
        }
    }

    pub fn finish(self, is_first_start: bool) -> Check {
        let prefix = &self.plan.native.prefix;
        if self.refused.is_empty() {
            let found = format!("none begins with \"{prefix}\", as the fields of flat lines do");
            return Check::ok(NAME, found);
        }
        let more = if self.refused.len() > SHOWN {
            ", …"
        } else {
            ""
        };
        let refused = self.refused.iter().take(SHOWN);
        let refused: Vec<String> = refused
            .map(|(table, column)| format!("`{column}` of {table}"))
            .collect();
        let found = format!(
            "begin with \"{prefix}\", as the fields of flat lines do: {}{more}",
            refused.join(", ")
        );
        let remedy = "set another native.prefix, with which no column begins, or leave these columns out \
            (columns.include)";
        let halts = self.plan.errors.undecodable == OnError::Halt;
        match halts && is_first_start {
            true => Check::fail(NAME, found, remedy),
            false => Check::warn(NAME, found, remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_binlog::schema::TableName;

    use super::*;
    use crate::{
        mysql::Verdict,
        settings::{Document, Layers},
    };

    fn plan(sets: &[&str], routes: &str) -> Plan {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), routes).unwrap();
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let layers = Layers {
            documents: vec![Document::of_argument(file.path())],
            sets: &sets,
            ..Layers::default()
        };
        Plan::from_settings(&layers.load().unwrap()).unwrap()
    }

    fn judged(sets: &[&str], routes: &str, is_first_start: bool) -> Option<(Verdict, String)> {
        let plan = plan(sets, routes);
        let rules = ShapeRules::new(&plan.shape, plan.errors.invalid_text);
        let mut names = FieldNames::new(&plan, &rules)?;
        for (table, name) in [
            ("orders", "id"),
            ("orders", "_SEQ"),
            ("orders", "_note"),
            ("items", "hw_x"),
        ] {
            let table = TableName {
                database: "shop".into(),
                table: table.into(),
            };
            names.see(&[SeenColumn {
                table,
                name: name.into(),
                is_key: false,
            }]);
        }
        let check = names.finish(is_first_start);
        Some((check.verdict, check.found))
    }

    #[test]
    fn a_first_start_refuses_a_table_with_a_fields_name_and_names_the_column() {
        let flat = "native.layout=flat";
        assert_eq!(judged(&[], "", true), None);
        let (verdict, found) = judged(&[flat], "", true).unwrap();
        assert_eq!(verdict, Verdict::Fail);
        assert!(found.ends_with("do: `_SEQ` of shop.orders"), "{found}");
        let (verdict, found) = judged(&[flat, "native.prefix=hw_"], "", true).unwrap();
        assert_eq!(verdict, Verdict::Fail);
        assert!(found.ends_with("do: `hw_x` of shop.items"), "{found}");
        let (verdict, _) = judged(&[flat, "native.prefix=q"], "", true).unwrap();
        assert_eq!(verdict, Verdict::Ok);
        let without = [flat, "columns.include=!*.*._seq,!*.*._note"];
        assert_eq!(judged(&without, "", true).unwrap().0, Verdict::Ok);
    }

    #[test]
    fn who_runs_already_or_parks_such_a_table_is_warned() {
        let flat = "native.layout=flat";
        assert_eq!(judged(&[flat], "", false).unwrap().0, Verdict::Warn);
        let parks = [flat, "errors.undecodable=park_table"];
        assert_eq!(judged(&parks, "", true).unwrap().0, Verdict::Warn);
    }

    #[test]
    fn a_table_whose_format_is_another_has_no_such_names() {
        let route = "[[routes]]\ntables = [\"shop.orders\"]\nformat.type = \"maxwell\"\n";
        let judged = judged(&["native.layout=flat"], route, true).unwrap();
        assert_eq!(judged.0, Verdict::Ok);
    }
}
