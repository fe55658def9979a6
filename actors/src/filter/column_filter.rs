//! Which columns are meant: patterns of `db.table.column`, as those of `source.tables` with a third part.
//!
//! The first two dots outside backticks separate, `!` excludes, the last pattern that matches wins, a list
//! of excludes only begins with `*.*.*`. Databases and tables are compared exactly, columns without case,
//! as MySQL does: a mask must not miss `Email` for `email`.

use headwater_binlog::schema::{NameCase, TableName};

use super::{FilterError, Glob, Rule, Token, never_matching, parts};

/// Globs over `db.table.column`; the last match wins. The default matches nothing.
#[derive(Debug, Clone, Default)]
pub struct ColumnFilter {
    patterns: Vec<String>,
    rules: Vec<ColumnRule>,
}

#[derive(Debug, Clone)]
struct ColumnRule {
    table: Rule,
    /// In lower case.
    column: Glob,
}

impl ColumnFilter {
    /// An empty list matches nothing.
    pub fn new(patterns: &[String]) -> Result<Self, FilterError> {
        let mut rules = Vec::with_capacity(patterns.len() + 1);
        for pattern in patterns {
            let rule = ColumnRule::parse(pattern).map_err(|problem| FilterError::Column {
                pattern: pattern.clone(),
                problem,
            })?;
            rules.push(rule);
        }
        if !rules.is_empty() && rules.iter().all(|rule| !rule.table.includes) {
            rules.insert(0, ColumnRule::everything());
        }
        Ok(Self {
            patterns: patterns.to_vec(),
            rules,
        })
    }

    /// Every column of every table.
    pub fn everything() -> Self {
        Self {
            patterns: vec!["*.*.*".to_owned()],
            rules: vec![ColumnRule::everything()],
        }
    }

    /// As [`TableFilter::never_matching`](super::TableFilter::never_matching).
    pub fn never_matching(&self, case: NameCase) -> Vec<&str> {
        let tables = self.rules.iter().map(|rule| &rule.table);
        never_matching(&self.patterns, tables, case)
    }

    pub fn matches(&self, table: &TableName, column: &str) -> bool {
        let column = column.to_lowercase();
        self.rules
            .iter()
            .rev()
            .find(|rule| rule.matches(table, &column))
            .is_some_and(|rule| rule.table.includes)
    }

    /// Nothing is matched, whatever the column.
    pub fn is_nothing(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every column is matched.
    pub fn is_everything(&self) -> bool {
        self.rules
            .iter()
            .rev()
            .take_while(|rule| rule.table.includes)
            .any(|rule| rule.table.is_everything() && rule.column.is_everything())
    }

    /// The patterns, as they were written, that fit none of `columns`.
    pub fn without_match<'a>(
        &self,
        columns: impl Iterator<Item = (&'a TableName, &'a str)> + Clone,
    ) -> Vec<&str> {
        let implied = self.rules.len().saturating_sub(self.patterns.len());
        let rules = self.rules.iter().skip(implied);
        self.patterns
            .iter()
            .zip(rules)
            .filter(|(_, rule)| {
                let fits = |(table, column): (&TableName, &str)| {
                    rule.matches(table, &column.to_lowercase())
                };
                !columns.clone().any(fits)
            })
            .map(|(pattern, _)| pattern.as_str())
            .collect()
    }
}

impl ColumnRule {
    fn everything() -> Self {
        Self {
            table: Rule::everything(),
            column: Glob(vec![Token::Run]),
        }
    }

    fn matches(&self, table: &TableName, lower_column: &str) -> bool {
        self.table.matches(table) && self.column.matches(lower_column)
    }

    fn parse(pattern: &str) -> Result<Self, String> {
        let (includes, body) = match pattern.strip_prefix('!') {
            Some(body) => (false, body),
            None => (true, pattern),
        };
        let ([database, table, column], dots) = parts(body)?;
        if dots < 2 {
            let found = if dots == 0 { "no dot" } else { "one dot" };
            return Err(format!(
                "has {found}; write \"db.table.column\", or \"*.*.column\" for that column of all tables"
            ));
        }
        if database.0.is_empty() || table.0.is_empty() || column.0.is_empty() {
            return Err(
                "lacks the database, the table or the column; write \"db.table.column\"".to_owned(),
            );
        }
        let lower = |token: &Token| match *token {
            Token::Literal(character) => character.to_lowercase().map(Token::Literal).collect(),
            other => vec![other],
        };
        Ok(Self {
            table: Rule {
                includes,
                database,
                table,
            },
            column: Glob(column.0.iter().flat_map(lower).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(patterns: &[&str]) -> ColumnFilter {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        ColumnFilter::new(&patterns).unwrap()
    }

    fn name(table: &str) -> TableName {
        TableName {
            database: "shop".to_owned(),
            table: table.to_owned(),
        }
    }

    #[test]
    fn the_last_match_wins_and_excludes_only_begin_with_everything() {
        let some = filter(&["shop.users.*", "!*.*.email", "*.staff.email"]);
        assert!(some.matches(&name("users"), "id"));
        assert!(!some.matches(&name("users"), "email"));
        assert!(some.matches(&name("staff"), "email"));
        assert!(!some.matches(&name("staff"), "id"));
        let all_but = filter(&["!*.*.email"]);
        assert!(all_but.matches(&name("users"), "id"));
        assert!(!all_but.matches(&name("users"), "email"));
        assert!(!filter(&[]).matches(&name("users"), "id"));
    }

    #[test]
    fn columns_are_compared_without_case_and_tables_with() {
        let email = filter(&["shop.users.E-Mail?É"]);
        assert!(email.matches(&name("users"), "e-MAIL1é"));
        assert!(!email.matches(&name("Users"), "e-MAIL1é"));
    }

    #[test]
    fn the_first_two_dots_outside_backticks_separate() {
        assert!(filter(&["shop.`a.b`.c.d"]).matches(&name("a.b"), "c.d"));
        assert!(filter(&["shop.a.`*`"]).matches(&name("a"), "*"));
        assert!(!filter(&["shop.a.`*`"]).matches(&name("a"), "x"));
    }

    #[test]
    fn everything_and_nothing_are_known_as_such() {
        assert!(filter(&["!a.b.c", "*.*.*"]).is_everything());
        assert!(ColumnFilter::everything().is_everything());
        assert!(!filter(&["!a.b.c"]).is_everything());
        assert!(filter(&[]).is_nothing() && !filter(&["!a.b.c"]).is_nothing());
    }

    #[test]
    fn a_pattern_that_fits_no_column_is_told() {
        let (users, staff) = (name("users"), name("staff"));
        let columns = [(&users, "id"), (&users, "Email"), (&staff, "id")];
        let some = filter(&["!*.*.email", "!*.staff.email"]);
        assert_eq!(some.without_match(columns.into_iter()), ["!*.staff.email"]);
        let some = filter(&["shop.user.id", "shop.*.id"]);
        assert_eq!(some.without_match(columns.into_iter()), ["shop.user.id"]);
    }

    #[test]
    fn a_wrong_pattern_says_what_to_write() {
        let refusal = |pattern: &str| {
            ColumnFilter::new(&[pattern.to_owned()])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refusal("users.email"),
            "column pattern \"users.email\" has one dot; write \"db.table.column\", or \"*.*.column\" for that column of all tables"
        );
        assert!(refusal("email").contains("has no dot"));
        assert!(refusal("a..c").contains("lacks"));
        assert!(refusal("a.b.").contains("lacks"));
        assert!(refusal("a.`b.c").contains("open backtick"));
        assert!(refusal("a.b.c ").contains("space"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_a_refusal(pattern in "\\PC{0,24}", column in "\\PC{0,8}") {
            if let Ok(filter) = ColumnFilter::new(&[pattern]) {
                filter.matches(&name("users"), &column);
            }
        }

        #[test]
        fn a_quoted_column_matches_itself_alone(column in "[a-cA-C`.*? é]{1,8}", other in "[a-cA-C`.*? é]{1,8}") {
            let filter = filter(&[&format!("shop.users.`{}`", column.replace('`', "``"))]);
            prop_assert!(filter.matches(&name("users"), &column));
            let is_same = column.to_lowercase() == other.to_lowercase();
            prop_assert_eq!(filter.matches(&name("users"), &other), is_same);
        }
    }
}
