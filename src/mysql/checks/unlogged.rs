//! What changes and is not in the log: databases that the server leaves out, rows that a foreign key changes, a log
//! that is kept elsewhere.

use headwater_actors::filter::TableFilter;
use headwater_binlog::schema::{NameCase, TableName};

use super::{Check, LOG_FILTERS, SeenTable, Variables};
use crate::mysql::{facts::Flavour, log_filters::LogFilters};

/// Lines or names of one kind; the rest is counted.
const SHOWN: usize = 10;

/// `filters` are `None` where the account may not ask for them.
pub fn ensure_log_filters(
    filters: Option<&LogFilters>,
    tables: &[SeenTable],
    filter: &TableFilter,
    case: NameCase,
) -> Check {
    let name = LOG_FILTERS;
    let filters = match filters {
        None => {
            let found = "not known: the account may not ask";
            return Check::warn(name, found, "GRANT REPLICATION CLIENT");
        }
        Some(filters) if filters.is_empty() => return Check::ok(name, "none"),
        Some(filters) => filters,
    };
    let included = tables.iter().filter(|table| filter.includes(&table.name));
    let (logged, missing): (Vec<_>, Vec<_>) =
        included.partition(|table| filters.logs(&table.name.database, case));
    let remedy = "start the server without binlog_do_db and binlog_ignore_db, or exclude these tables (source.tables)";
    let names = || {
        let names = missing
            .iter()
            .take(SHOWN)
            .map(|table| table.name.to_string());
        let more = if SHOWN < missing.len() { ", …" } else { "" };
        format!("{}{more}", names.collect::<Vec<_>>().join(", "))
    };
    match (logged.is_empty(), missing.is_empty()) {
        (_, true) => Check::warn(
            name,
            format!("{filters}: a table that appears in another database is not logged"),
            "start the server without binlog_do_db and binlog_ignore_db",
        ),
        (true, false) => Check::fail(
            name,
            format!("{filters}: no included table is logged, so nothing would ever come"),
            remedy,
        ),
        (false, false) => Check::warn(
            name,
            format!(
                "{filters}: changes of {} included tables are not logged: {}",
                missing.len(),
                names()
            ),
            remedy,
        ),
    }
}

/// MariaDB since 12.3 can keep its log in InnoDB's pages, where there are no files and offsets.
pub fn ensure_log_storage(variables: &Variables) -> Option<Check> {
    let name = "binlog_storage_engine";
    match variables.get(name) {
        "" => None,
        found => Some(Check::fail(
            name,
            format!("{found}: the log has no files and offsets, by which it is read"),
            "start the server without binlog_storage_engine",
        )),
    }
}

/// A table whose rows a foreign key changes with those of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cascade {
    pub child: TableName,
    pub parent: TableName,
    /// ON DELETE, ON UPDATE.
    pub rules: [String; 2],
}

/// InnoDB changes them by itself, below the log: until MySQL 9.6, and in MariaDB.
pub fn logs_cascades(variables: &Variables, version: (u16, u16, u16)) -> bool {
    variables.flavour() == Flavour::MySql
        && (9, 6, 0) <= version
        && variables.get("innodb_native_foreign_keys") != "ON"
}

/// `cascades` of included tables that are not logged.
pub fn ensure_cascades(cascades: &[Cascade]) -> Vec<Check> {
    let name = "foreign keys";
    if cascades.is_empty() {
        let found = "no included table whose rows they change unseen";
        return vec![Check::ok(name, found)];
    }
    let remedy = "let a trigger on the parent change the child's rows, or use MySQL 9.6 or later without innodb_native_foreign_keys; a consumer can apply the rule by itself";
    let check = |cascade: &Cascade| {
        let Cascade {
            child,
            parent,
            rules: [delete, update],
        } = cascade;
        let found = format!(
            "rows of {child} that change with {parent} (ON DELETE {delete}, ON UPDATE {update}) are not in the log"
        );
        Check::warn(name, found, remedy)
    };
    let mut checks: Vec<_> = cascades.iter().take(SHOWN).map(check).collect();
    if let Some(more) = cascades.len().checked_sub(SHOWN).filter(|more| 0 < *more) {
        checks.push(Check::warn(name, format!("and {more} more"), remedy));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::checks::Verdict;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Variables(pairs.iter().map(owned).collect())
    }

    fn name(database: &str, table: &str) -> TableName {
        TableName {
            database: database.into(),
            table: table.into(),
        }
    }

    fn filter(pattern: &str) -> TableFilter {
        TableFilter::new(&[pattern.to_owned()]).expect("a pattern")
    }

    #[test]
    fn a_server_that_logs_no_included_table_fails_and_one_that_lacks_some_warns() {
        let seen = |database: &str, table: &str| SeenTable {
            name: name(database, table),
            has_primary_key: true,
        };
        let tables = [seen("shop", "orders"), seen("log", "lines")];
        let check = |only: &str, never: &str, pattern: &str| {
            let filters = LogFilters::new(only, never);
            ensure_log_filters(
                Some(&filters),
                &tables,
                &filter(pattern),
                NameCase::Sensitive,
            )
        };
        assert_eq!(check("", "", "*.*").verdict, Verdict::Ok);
        let none = check("other", "", "*.*");
        assert_eq!(none.verdict, Verdict::Fail);
        assert!(none.found.contains("binlog_do_db = other"), "{none:?}");
        assert_eq!(check("", "shop", "shop.*").verdict, Verdict::Fail);
        let some = check("shop", "", "*.*");
        assert_eq!(some.verdict, Verdict::Warn);
        assert!(some.found.contains("log.lines"), "{some:?}");
        assert_eq!(check("shop", "", "shop.*").verdict, Verdict::Warn);
        // A table may be gone at the next start.
        assert_eq!(none.at_a_later_start().verdict, Verdict::Warn);
        let unknown = ensure_log_filters(None, &tables, &filter("*.*"), NameCase::Sensitive);
        assert_eq!(unknown.verdict, Verdict::Warn);
    }

    #[test]
    fn a_log_without_files_is_refused() {
        assert_eq!(ensure_log_storage(&variables(&[])), None);
        let innodb = variables(&[("binlog_storage_engine", "InnoDB")]);
        let check = ensure_log_storage(&innodb).expect("a finding");
        assert_eq!(check.verdict, Verdict::Fail);
    }

    #[test]
    fn rows_that_foreign_keys_change_unseen_are_named_within_bounds() {
        let cascade = |number: usize| Cascade {
            child: name("shop", &format!("child{number}")),
            parent: name("shop", "parent"),
            rules: ["CASCADE".into(), "NO ACTION".into()],
        };
        let cascades: Vec<_> = (0..25).map(cascade).collect();
        let checks = ensure_cascades(&cascades);
        assert_eq!(checks.len(), SHOWN + 1);
        assert!(checks.iter().all(|check| check.verdict == Verdict::Warn));
        assert!(checks[0].found.contains("shop.child0"), "{checks:?}");
        assert_eq!(checks[SHOWN].found, "and 15 more");
        assert_eq!(ensure_cascades(&[])[0].verdict, Verdict::Ok);
        let logs = |version: &str, numbers, native: &str| {
            let pairs = [("version", version), ("innodb_native_foreign_keys", native)];
            logs_cascades(&variables(&pairs), numbers)
        };
        assert!(!logs("8.4.3", (8, 4, 3), ""));
        assert!(!logs("10.11.6-MariaDB", (10, 11, 6), ""));
        assert!(logs("9.7.0", (9, 7, 0), "OFF"));
        assert!(!logs("9.7.0", (9, 7, 0), "ON"));
    }
}
