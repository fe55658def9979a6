//! Patterns of the settings against how the server compares names.
//!
//! A server that compares them without case gives them in lower case, so a pattern with other letters takes
//! nothing, and one that excludes lets everything through. Neither is wanted by anyone, so it is refused.

use headwater_actors::failure::Failure;
use headwater_binlog::schema::NameCase;

use crate::{mysql::Check, plan::Plan};

const NAME: &str = "lower_case_table_names";

pub(super) fn check(plan: &Plan, case: NameCase) -> Check {
    let patterns = never_matching(plan, case);
    if patterns.is_empty() {
        return Check::ok(
            NAME,
            match case {
                NameCase::Sensitive => "0: names differ by case",
                NameCase::Folded => "names are compared without case",
            },
        );
    }
    Check::fail(
        NAME,
        format!(
            "the server compares names without case and gives them in lower case; these patterns can match none: {}",
            patterns.join(", ")
        ),
        "write the databases and tables of patterns in lower case",
    )
}

/// For files, of which no server says anything: the settings do.
pub(super) fn of_files(plan: &Plan) -> Result<NameCase, Failure> {
    let case = plan.source.name_case.unwrap_or_default();
    let patterns = never_matching(plan, case);
    if patterns.is_empty() {
        return Ok(case);
    }
    let patterns = patterns.join(", ");
    Err(Failure::definite(format!(
        "source.lower_case_table_names: names are in lower case, and these patterns can match none: {patterns}"
    ))
    .with_hint("write the databases and tables of patterns in lower case"))
}

fn never_matching(plan: &Plan, case: NameCase) -> Vec<String> {
    let tables = [("source.tables".to_owned(), &plan.tables)].into_iter();
    let routes = plan
        .routes
        .iter()
        .map(|route| (format!("{}.tables", route.place()), &route.tables));
    let tables = tables
        .chain(routes)
        .map(|(key, filter)| (key, filter.never_matching(case)));
    let copied = plan
        .snapshot
        .filters()
        .map(|(key, filter)| (key, filter.never_matching(case)));
    let columns = plan
        .shape
        .filters()
        .into_iter()
        .map(|(key, filter)| (key.to_owned(), filter.never_matching(case)));
    tables
        .chain(copied)
        .chain(columns)
        .flat_map(|(key, patterns)| {
            let quoted = move |pattern: &str| format!("{key} \"{pattern}\"");
            patterns.into_iter().map(quoted).collect::<Vec<_>>()
        })
        .collect()
}
