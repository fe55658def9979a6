//! Foreign keys that change rows of their own table when those of another one change.
//!
//! MariaDB, and MySQL before 8.0, show the rules in information_schema to accounts that may do more than SELECT only;
//! then each such table is asked for its definition, up to [`ASKED_MAX`] of them.

use headwater_actors::{failure::Failure, filter::TableFilter};
use headwater_binlog::schema::{NameCase, TableName};

use super::{
    checks::Cascade,
    facts::{SLOW_ANSWER, Server, text},
    query::Row,
    unnamed::quoted,
};

const DOING: &str = "ask for foreign keys";
const ASKED_MAX: usize = 100;

/// Of included tables that the account can see.
///
/// # Errors
/// When the server does not answer.
pub async fn cascades(
    server: &mut Server,
    case: NameCase,
    filter: &TableFilter,
) -> Result<Vec<Cascade>, Failure> {
    let sql = "SELECT k.table_schema, k.table_name, k.referenced_table_schema, k.referenced_table_name, \
        k.constraint_name, r.delete_rule, r.update_rule \
        FROM information_schema.key_column_usage k \
        LEFT JOIN information_schema.referential_constraints r \
        ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name \
        AND r.table_name = k.table_name \
        WHERE k.referenced_table_name IS NOT NULL AND k.ordinal_position = 1 ORDER BY 1, 2, 5";
    let rows = server.rows_within(SLOW_ANSWER, DOING, sql).await?;
    let (mut cascades, mut asked) = (Vec::new(), 0);
    for row in &rows {
        let Some((cascade, key)) = foreign_key(row, case) else {
            continue;
        };
        if !filter.includes(&cascade.child) {
            continue;
        }
        let rules = match (text(row, 5), text(row, 6)) {
            (Some(delete), Some(update)) => Some([delete, update]),
            _ if asked < ASKED_MAX => {
                asked += 1;
                let names = [text(row, 0), text(row, 1)];
                let [database, table] = names.map(|name| quoted(&name.unwrap_or_default()));
                let sql = format!("SHOW CREATE TABLE {database}.{table}");
                let told = server.rows_if_told(DOING, &sql).await?.unwrap_or_default();
                let definition = told.first().and_then(|row| text(row, 1));
                definition.and_then(|definition| rules_of(&definition, &key))
            }
            _ => None,
        };
        cascades.extend(rules.map(|rules| Cascade { rules, ..cascade }));
    }
    let changes = |rule: &String| !matches!(rule.as_str(), "RESTRICT" | "NO ACTION");
    cascades.retain(|cascade| cascade.rules.iter().any(changes));
    Ok(cascades)
}

/// One without its rules, and its name.
fn foreign_key(row: &Row, case: NameCase) -> Option<(Cascade, String)> {
    let name = |database, table| {
        Some(TableName {
            database: case.fold(text(row, database)?),
            table: case.fold(text(row, table)?),
        })
    };
    let cascade = Cascade {
        child: name(0, 1)?,
        parent: name(2, 3)?,
        rules: [String::new(), String::new()],
    };
    Some((cascade, text(row, 4)?))
}

/// ON DELETE and ON UPDATE of the foreign key called `key`, from SHOW CREATE TABLE.
fn rules_of(definition: &str, key: &str) -> Option<[String; 2]> {
    let head = format!("CONSTRAINT {} FOREIGN KEY ", quoted(key));
    let line = definition
        .lines()
        .find(|line| line.trim_start().starts_with(&head))?;
    // Behind the last column of the parent.
    let (_, rules) = line.rsplit_once(')')?;
    Some(["ON DELETE ", "ON UPDATE "].map(|which| {
        let rule = rules.split_once(which).map_or("", |(_, rule)| rule);
        let rule = rule.split(" ON ").next().unwrap_or_default();
        match rule.trim_end_matches(',').trim() {
            "" => "NO ACTION".to_owned(),
            rule => rule.to_owned(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_key_by_its_name() {
        let definition = "CREATE TABLE `chi` (\n  `id` int(11) NOT NULL,\n  `ON DELETE )` int,\n  PRIMARY KEY (`id`),\n  \
            CONSTRAINT `a` FOREIGN KEY (`p`) REFERENCES `par` (`id`) ON DELETE CASCADE ON UPDATE SET NULL,\n  \
            CONSTRAINT `b``x` FOREIGN KEY (`q`) REFERENCES `par` (`id`) ON UPDATE CASCADE,\n  \
            CONSTRAINT `c` FOREIGN KEY (`r`) REFERENCES `par` (`ON DELETE )`)\n) ENGINE=InnoDB";
        let of =
            |key| rules_of(definition, key).map(|[delete, update]| format!("{delete}, {update}"));
        assert_eq!(of("a").as_deref(), Some("CASCADE, SET NULL"));
        assert_eq!(of("b`x").as_deref(), Some("NO ACTION, CASCADE"));
        assert_eq!(of("c").as_deref(), Some("NO ACTION, NO ACTION"));
        assert_eq!(of("d"), None);
    }
}
