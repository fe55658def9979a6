//! Whether `[columns]` and `[mask]` do what was meant, as far as the server's tables tell: a pattern that fits
//! no column, perhaps a slip of the pen that leaves a value unmasked, and tables whose rows consumers can no
//! longer tell apart. Warnings only: a table may come later, and a key may be hidden on purpose.

use std::collections::BTreeSet;

use headwater_actors::filter::ColumnFilter;

use crate::{
    encode::shape::{Mask, ShapePlan, ShapeRules, Treatment},
    mysql::{Check, SeenColumn},
};

const PATTERNS: &str = "columns and mask";
const KEYS: &str = "keys in events";
const SHOWN: usize = 10;

/// Sees the columns of the included tables, some at a time: there may be millions.
pub struct Judging<'a> {
    rules: &'a ShapeRules,
    filters: Vec<(&'static str, &'a ColumnFilter)>,
    /// Patterns that have fitted nothing so far, with their settings; none before anything was seen.
    without: Option<Vec<(&'static str, &'a str)>>,
    /// Tables that lose a column of their key.
    keyless: BTreeSet<String>,
}

impl<'a> Judging<'a> {
    pub fn new(plan: &'a ShapePlan, rules: &'a ShapeRules) -> Self {
        Self {
            rules,
            filters: plan.filters().into_iter().collect(),
            without: None,
            keyless: BTreeSet::new(),
        }
    }

    pub fn see(&mut self, columns: &[SeenColumn]) {
        let names = columns
            .iter()
            .map(|column| (&column.table, column.name.as_str()));
        let without = self.filters.iter().flat_map(|(key, filter)| {
            let unmatched = filter.without_match(names.clone()).into_iter();
            unmatched.map(|pattern| (*key, pattern))
        });
        let without: Vec<_> = without.collect();
        match &mut self.without {
            Some(before) => before.retain(|pattern| without.contains(pattern)),
            none => *none = Some(without),
        }
        let lost = columns
            .iter()
            .filter(|column| column.is_key && !self.is_shown(column));
        let lost: Vec<String> = lost.map(|column| column.table.to_string()).collect();
        self.keyless.extend(lost);
    }

    fn is_shown(&self, column: &SeenColumn) -> bool {
        matches!(
            self.rules.treatment(&column.table, &column.name),
            Treatment::Keep | Treatment::Mask(Mask::Hash(_))
        )
    }

    pub fn finish(mut self) -> Vec<Check> {
        if self.without.is_none() {
            self.see(&[]);
        }
        let mut checks = vec![patterns(&self.without.unwrap_or_default())];
        checks.extend(keys(self.keyless));
        checks
    }
}

fn patterns(without: &[(&str, &str)]) -> Check {
    let without = without.iter();
    let without: Vec<String> = without
        .map(|(key, pattern)| format!("{key} \"{pattern}\""))
        .collect();
    if without.is_empty() {
        return Check::ok(PATTERNS, "every pattern fits a column");
    }
    Check::warn(
        PATTERNS,
        format!("fits no column of an included table: {}", shown(&without)),
        "compare it with the table's definition; a table that comes later may fit",
    )
}

fn keys(tables: BTreeSet<String>) -> Option<Check> {
    let tables: Vec<String> = tables.into_iter().collect();
    (!tables.is_empty()).then(|| {
        Check::warn(
            KEYS,
            format!(
                "part of the primary key is left out or masked in {}",
                shown(&tables)
            ),
            "consumers cannot tell rows of these tables apart: keep the key's columns, or use mask.hash for them",
        )
    })
}

fn shown(names: &[String]) -> String {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let first: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use headwater_binlog::schema::TableName;

    use headwater_actors::filter::TableFilter;

    use super::*;
    use crate::{encode::shape::InvalidText, mysql::Verdict, secret::Secret};

    fn filter(patterns: &[&str]) -> ColumnFilter {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        ColumnFilter::new(&patterns).unwrap()
    }

    fn column(table: &str, name: &str, is_key: bool) -> SeenColumn {
        SeenColumn {
            table: TableName {
                database: "shop".into(),
                table: table.into(),
            },
            name: name.into(),
            is_key,
        }
    }

    fn judged(plan: &ShapePlan, tables: &[&str]) -> Vec<Check> {
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let seen = [
            column("users", "id", true),
            column("users", "email", false),
            column("staff", "name", true),
        ];
        let rules = ShapeRules::new(plan, InvalidText::Halt);
        let tables = TableFilter::new(&tables).unwrap();
        let mut judging = Judging::new(plan, &rules);
        // A question each.
        for column in seen.iter().filter(|column| tables.includes(&column.table)) {
            judging.see(std::slice::from_ref(column));
        }
        judging.finish()
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_warned_of_by_its_key() {
        let plan = ShapePlan {
            null: filter(&["shop.users.mail", "shop.users.email"]),
            ..ShapePlan::default()
        };
        let checks = judged(&plan, &["*.*"]);
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].verdict, Verdict::Warn);
        assert!(
            checks[0].found.ends_with("mask.null \"shop.users.mail\""),
            "{checks:?}"
        );
        let checks = judged(&plan, &["*.staff"]);
        assert!(checks[0].found.contains("shop.users.email"), "{checks:?}");
    }

    #[test]
    fn a_key_that_consumers_lose_is_warned_of_and_a_hashed_one_is_not() {
        let plan = ShapePlan {
            include: filter(&["!*.users.id"]),
            fixed: filter(&["*.staff.*"]),
            ..ShapePlan::default()
        };
        let checks = judged(&plan, &["*.*"]);
        assert!(
            checks[1].found.ends_with("in shop.staff, shop.users"),
            "{checks:?}"
        );
        let hashed = ShapePlan {
            hash: filter(&["*.*.*"]),
            hash_salt: Secret::new("pepper"),
            ..ShapePlan::default()
        };
        let checks = judged(&hashed, &["*.*"]);
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].verdict, Verdict::Ok);
    }
}
