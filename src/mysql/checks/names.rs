//! Whether column names are in the log, and if not, whether information_schema can tell them.

use super::{Check, Variables};
use crate::mysql::{
    failure::grant_hint, log_filters::LogFilters, options::UnnamedColumns, unnamed::filtered,
};

/// What happens to tables that are logged without column names.
pub fn ensure_row_metadata(variables: &Variables, unnamed: UnnamedColumns) -> Check {
    let consequence = match (variables.get("binlog_row_metadata"), unnamed) {
        ("FULL", _) => return Check::ok("binlog_row_metadata", "FULL"),
        (_, UnnamedColumns::Refuse) => {
            "column names come from information_schema; rows logged before an ALTER that is done when they are read stop the pipeline"
        }
        (_, UnnamedColumns::Positional) => "columns are called @1, @2, …, and no table has a key",
    };
    // Servers that do not know the variable log no names.
    let (found, remedy) = match variables.get("binlog_row_metadata") {
        "" => (
            "not known to the server",
            "use MySQL 8.0.1, MariaDB 10.5 or later: they log names with binlog_row_metadata = 'FULL'"
                .to_owned(),
        ),
        found => (
            found,
            variables.set_also_on_rds("binlog_row_metadata = 'FULL'"),
        ),
    };
    Check::warn(
        "binlog_row_metadata",
        format!("{found}: {consequence}"),
        remedy,
    )
}

/// What information_schema needs to tell column names; nothing where the log has them.
///
/// `grants` as for `ensure_privileges`; `filters` are the server's `binlog_do_db` and `binlog_ignore_db`.
pub fn ensure_column_names(
    variables: &Variables,
    unnamed: UnnamedColumns,
    grants: &[String],
    filters: Option<&LogFilters>,
    user: &str,
) -> Option<Check> {
    let name = "column names";
    if variables.get("binlog_row_metadata") == "FULL" || unnamed == UnnamedColumns::Positional {
        return None;
    }
    if let Some(filters) = filters.filter(|filters| !filters.is_empty()) {
        let failure = filtered(filters);
        let remedy = failure.hint.clone().unwrap_or_default();
        return Some(Check::fail(name, failure.to_string(), remedy));
    }
    let may_select = grants.iter().any(|grant| {
        let privileges = grant
            .strip_prefix("GRANT ")
            .and_then(|rest| rest.split_once(" ON "));
        privileges.is_some_and(|(privileges, _)| {
            privileges.split(',').any(|given| {
                let given = given.trim();
                given.starts_with("SELECT") || given.starts_with("ALL")
            })
        })
    });
    Some(if may_select {
        Check::ok(name, "from information_schema")
    } else {
        Check::fail(
            name,
            "SELECT missing: information_schema shows only tables that the account may read",
            grant_hint(user),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::checks::Verdict;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables(pairs.collect())
    }

    #[test]
    fn a_log_without_column_names_needs_a_schema_that_can_be_read() {
        let (refuse, positional) = (UnnamedColumns::Refuse, UnnamedColumns::Positional);
        let (full, minimal) = (
            variables(&[("binlog_row_metadata", "FULL")]),
            variables(&[("binlog_row_metadata", "MINIMAL")]),
        );
        assert_eq!(ensure_row_metadata(&full, refuse).verdict, Verdict::Ok);
        for (unnamed, consequence) in [(refuse, "information_schema"), (positional, "@1")] {
            for variables in [&minimal, &Variables::default()] {
                let check = ensure_row_metadata(variables, unnamed);
                assert_eq!(check.verdict, Verdict::Warn);
                assert!(check.found.contains(consequence), "{check:?}");
                assert!(check.remedy.is_some_and(|remedy| remedy.contains("'FULL'")));
            }
        }
        let replicates =
            ["GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `h`@`%`".to_owned()];
        let reads = [
            &replicates[..],
            &["GRANT SELECT ON `shop`.* TO `h`@`%`".to_owned()],
        ]
        .concat();
        let judged = |variables, unnamed, grants: &[String], filters| {
            ensure_column_names(variables, unnamed, grants, filters, "h")
        };
        assert_eq!(judged(&full, refuse, &replicates, None), None);
        assert_eq!(judged(&minimal, positional, &replicates, None), None);
        let check = judged(&minimal, refuse, &replicates, None).expect("a check");
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(
            check
                .remedy
                .is_some_and(|remedy| remedy.contains("SELECT ON"))
        );
        let check = judged(&minimal, refuse, &reads, None).expect("a check");
        assert_eq!(check.verdict, Verdict::Ok);
        let check =
            judged(&minimal, refuse, &reads, Some(&LogFilters::new("shop", ""))).expect("a check");
        assert_eq!(check.verdict, Verdict::Fail);
    }
}
