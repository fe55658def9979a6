//! Whether the tables that are wanted are there, and have what their order needs.

use headwater_actors::{checkpoint::OrderingKey, filter::TableFilter};
use headwater_binlog::schema::TableName;

use super::{Check, PRIMARY_KEYS, TABLES, gives, gives_in};
use crate::mysql::failure::grant_hint;

/// A table that the account can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTable {
    pub name: TableName,
    pub has_primary_key: bool,
}

/// Whether the patterns name any table that exists. Patterns that take everything may wait for tables.
pub fn ensure_tables(tables: &[SeenTable], filter: &TableFilter, user: &str) -> Check {
    let name = TABLES;
    let included = tables
        .iter()
        .filter(|table| filter.includes(&table.name))
        .count();
    if included > 0 {
        return Check::ok(name, format!("{included} of {} tables", tables.len()));
    }
    // `is_everything` says no to "all but these", which may wait for tables just as well.
    let any = TableName {
        database: "headwater-no-such-database".into(),
        table: "headwater-no-such-table".into(),
    };
    if filter.includes(&any) {
        return Check::warn(
            name,
            "no table yet, or none that the account can see",
            grant_hint(user),
        );
    }
    Check::fail(
        name,
        format!(
            "no pattern matches any of the {} tables that the account can see",
            tables.len()
        ),
        "correct source.tables (names as the server stores them), or let the account see the tables: GRANT SELECT",
    )
}

/// Tables that are included now and were not up to the stored position, and that are not copied either; `before` is
/// what was included there.
pub fn ensure_read_before(
    tables: &[SeenTable],
    filter: &TableFilter,
    before: &TableFilter,
    copied: Option<&TableFilter>,
) -> Option<Check> {
    const SHOWN: usize = 10;
    let is_copied = |table: &SeenTable| copied.is_some_and(|copied| copied.includes(&table.name));
    let added: Vec<_> = tables
        .iter()
        .filter(|table| filter.includes(&table.name) && !before.includes(&table.name))
        .filter(|table| !is_copied(table))
        .map(|table| table.name.to_string())
        .collect();
    added.first()?;
    let shown: Vec<_> = added.iter().take(SHOWN).map(String::as_str).collect();
    let more = if added.len() > SHOWN { ", …" } else { "" };
    Some(Check::warn(
        TABLES,
        format!(
            "{} tables were added behind the stored position, and their rows and changes before it are not sent: {}{more}",
            added.len(),
            shown.join(", ")
        ),
        "add them to snapshot.tables, or ask for them by `headwater snapshot start` (docs/snapshots.md); this is said at the first start with them only",
    ))
}

/// Tables that are to be copied must be seen, and those that the account cannot see nobody can list.
pub fn ensure_all_seen(grants: &[String], copied: &TableFilter, user: &str) -> Option<Check> {
    const PRIVILEGE: &str = "SELECT";
    let is_seen = |database: &String| {
        let mut grants = grants.iter();
        grants.any(|grant| gives_in(grant, PRIVILEGE, database))
    };
    let sees_all = grants.iter().any(|grant| gives(grant, PRIVILEGE));
    let databases = copied.databases();
    if sees_all || databases.is_some_and(|databases| databases.iter().all(is_seen)) {
        return None;
    }
    Some(Check::warn(
        TABLES,
        "snapshot.tables takes tables that the account may not see: such a table is not copied, and nothing says so",
        format!(
            "GRANT SELECT ON *.* TO '{user}'@'%', or on each database that snapshot.tables names; or see that it has SELECT on every table of snapshot.tables before a start"
        ),
    ))
}

/// A table in several lanes needs a key to spread its rows by.
pub fn ensure_primary_keys(
    tables: &[SeenTable],
    filter: &TableFilter,
    ordering: &OrderingKey,
) -> Option<Check> {
    const SHOWN: usize = 10;
    let name = PRIMARY_KEYS;
    if *ordering == OrderingKey::Table {
        return None;
    }
    let without: Vec<_> = tables
        .iter()
        .filter(|table| !table.has_primary_key && filter.includes(&table.name))
        .filter(|table| *ordering.of(&table.name) != OrderingKey::Table)
        .map(|table| table.name.to_string())
        .collect();
    let Some(first) = without.first() else {
        return Some(Check::ok(name, "every included table has a primary key"));
    };
    let shown: Vec<_> = without.iter().take(SHOWN).map(String::as_str).collect();
    let more = if without.len() > SHOWN { ", …" } else { "" };
    Some(Check::fail(
        name,
        format!(
            "{} without a primary key: {}{more}",
            without.len(),
            shown.join(", ")
        ),
        format!(
            "add primary keys, exclude them (source.tables = [\"!{first}\"]), or set ordering.key = \"table\""
        ),
    ))
}
