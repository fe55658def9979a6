//! Whether `[columns]` and `[mask]` do what was meant, as far as the server's tables tell: a pattern that fits
//! no column, perhaps a slip of the pen that leaves a value unmasked, and tables whose rows consumers can no
//! longer tell apart. Warnings only: a table may come later, and a key may be hidden on purpose.

use std::collections::BTreeSet;

use headwater_actors::filter::TableFilter;

use crate::{
    encode::shape::{Mask, ShapePlan, ShapeRules, Treatment},
    mysql::{Check, SeenColumn},
};

const PATTERNS: &str = "columns and mask";
const KEYS: &str = "keys in events";
const SHOWN: usize = 10;

pub fn judge(
    plan: &ShapePlan,
    rules: &ShapeRules,
    tables: &TableFilter,
    seen: &[SeenColumn],
) -> Vec<Check> {
    let seen: Vec<&SeenColumn> = seen
        .iter()
        .filter(|column| tables.includes(&column.table))
        .collect();
    let mut checks = vec![patterns(plan, &seen)];
    checks.extend(keys(rules, &seen));
    checks
}

fn patterns(plan: &ShapePlan, seen: &[&SeenColumn]) -> Check {
    let columns = seen
        .iter()
        .map(|column| (&column.table, column.name.as_str()));
    let without: Vec<String> = plan
        .filters()
        .into_iter()
        .flat_map(|(key, filter)| {
            let unmatched = filter.without_match(columns.clone()).into_iter();
            unmatched.map(move |pattern| format!("{key} \"{pattern}\""))
        })
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

fn keys(rules: &ShapeRules, seen: &[&SeenColumn]) -> Option<Check> {
    let is_shown = |column: &SeenColumn| {
        matches!(
            rules.treatment(&column.table, &column.name),
            Treatment::Keep | Treatment::Mask(Mask::Hash(_))
        )
    };
    let tables: BTreeSet<String> = seen
        .iter()
        .filter(|column| column.is_key && !is_shown(column))
        .map(|column| column.table.to_string())
        .collect();
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

    use headwater_actors::filter::ColumnFilter;

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
        judge(plan, &rules, &TableFilter::new(&tables).unwrap(), &seen)
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
