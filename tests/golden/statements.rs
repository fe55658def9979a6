//! Statements: which are lines, of which tables, and which must never be.

mod mariadb;
mod mysql;

use headwater_binlog::{
    ddl::{Action, Subject},
    schema::{NameCase, TableName},
};
use headwater_harness::mysql::MySql;

use crate::{
    line::{member, members, string},
    log::{Log, Logged},
    scenario::Scenario,
};

/// What a statement must be in the log: its tables, the database, or nothing to publish.
enum Is {
    Tables(&'static [&'static str]),
    Truncate(&'static str),
    Database(&'static str),
    Nothing,
}

fn name_of(table: &TableName) -> String {
    table.to_string()
}

#[tokio::test]
async fn statements_name_their_tables_and_accounts_are_never_published() {
    let mut scenario = Scenario::start(&["--log-bin-trust-function-creators=ON"]).await;
    ensure(&mut scenario, mysql::STATEMENTS).await;
}

#[tokio::test]
async fn statements_that_only_mariadb_knows_name_their_tables() {
    let server = MySql::mariadb(&[]).await.expect("a server");
    let mut scenario = Scenario::of(server, Log::of_statements).await;
    ensure(&mut scenario, mariadb::STATEMENTS).await;
}

#[tokio::test]
async fn names_are_folded_as_the_server_folds_them() {
    let mut scenario = Scenario::start(&[]).await;
    let letters: Vec<char> = (0x41..=0xffff).filter_map(char::from_u32).collect();
    let mut differences = Vec::new();
    for letters in letters.chunks(2000) {
        let selects: Vec<String> = letters
            .iter()
            .map(|letter| {
                let bytes: String = letter
                    .to_string()
                    .bytes()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                format!(
                    "SELECT LOWER(CONVERT(X'{bytes}' USING utf8mb3) COLLATE utf8mb3_general_ci)"
                )
            })
            .collect();
        let lower: Vec<String> = scenario.query(&selects.join(" UNION ALL ")).await;
        let folded = letters
            .iter()
            .map(|letter| NameCase::Folded.fold(letter.to_string()));
        differences.extend(folded.zip(lower).filter(|(ours, theirs)| ours != theirs));
    }
    assert!(differences.is_empty(), "{differences:?}");
}

/// Runs each, and compares what is logged with what it must be.
async fn ensure(scenario: &mut Scenario, statements: &[(&str, Is)]) {
    for (sql, is) in statements {
        // A statement may fail on purpose, then it must not be in the log.
        scenario.try_run(sql).await;
        let logged = scenario.log.read();
        let lines: Vec<(Subject, String, &str)> = logged
            .iter()
            .map(|logged| match logged {
                Logged::Statement { statement, line } => (
                    statement.subject.clone(),
                    statement.text.to_string(),
                    line.as_str(),
                ),
                Logged::Row(change) => panic!("{sql}: a row {change:?}"),
            })
            .collect();
        let expected = match is {
            Is::Nothing => {
                assert!(lines.is_empty(), "{sql}: {lines:?}");
                continue;
            }
            Is::Tables(tables) => (false, tables.to_vec()),
            Is::Truncate(table) => (true, vec![*table]),
            Is::Database(_) => (false, Vec::new()),
        };
        let [(subject, text, line)] = lines.as_slice() else {
            panic!("{sql}: {lines:?}");
        };
        let fields = members(line);
        assert_eq!(
            string(member(&fields, "statement").expect("a statement")),
            *text
        );
        let kind = if expected.0 {
            "\"truncate\""
        } else {
            "\"ddl\""
        };
        assert_eq!(member(&fields, "type"), Some(kind), "{sql}");
        match (subject, is) {
            (Subject::Database { database, .. }, Is::Database(expected)) => {
                assert_eq!(database, expected);
            }
            (Subject::Tables { action, tables }, _) => {
                assert_eq!(member(&fields, "default_database"), Some("\"golden\""));
                assert_eq!(*action == Action::TruncateTable, expected.0, "{sql}");
                let names: Vec<String> = tables.iter().map(name_of).collect();
                assert_eq!(names, expected.1, "{sql}");
            }
            other => panic!("{sql}: {:?}", other.0),
        }
    }
}

#[tokio::test]
async fn a_table_made_of_a_query_is_a_statement_and_its_rows_in_one_transaction() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("CREATE TABLE made AS SELECT 1 AS id, 'x' AS v UNION SELECT 2, 'y'")
        .await;
    let logged = scenario.log.read();
    let ids: Vec<String> = logged
        .iter()
        .map(|logged| match logged {
            Logged::Statement { line, .. } => line,
            Logged::Row(change) => &change.line,
        })
        .map(|line| string(member(&members(line), "id").expect("an id")))
        .collect();
    let [statement, one, two] = ids.as_slice() else {
        panic!("{logged:?}");
    };
    let transaction = statement
        .strip_suffix("/0")
        .expect("the first of its transaction");
    assert_eq!(*one, format!("{transaction}/1"));
    assert_eq!(*two, format!("{transaction}/2"));
}
