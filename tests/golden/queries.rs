//! The text of the statement that changed a row.

use crate::{
    line::{member, members, string},
    log::Logged,
    scenario::Scenario,
};

/// Each row's `id` and query, in the order of the log.
fn queries(logged: &[Logged]) -> Vec<(i64, Option<String>)> {
    let row = |logged: &Logged| {
        let Logged::Row(change) = logged else {
            return None;
        };
        let fields = members(&change.line);
        let key = members(member(&fields, "key").expect("a key"));
        let id = member(&key, "id")
            .expect("an id")
            .parse()
            .expect("a number");
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let place = names.iter().position(|name| *name == "query");
        assert!(
            place.is_none_or(|place| names[place - 1] == "position" && names[place + 1] == "key")
        );
        Some((id, member(&fields, "query").map(string)))
    };
    logged.iter().filter_map(row).collect()
}

#[tokio::test]
async fn each_row_carries_its_own_statement_where_the_log_has_it() {
    let mut scenario = Scenario::start(&[]).await;
    scenario.log.keep_queries();
    scenario
        .run("CREATE TABLE t (id INT PRIMARY KEY, v TEXT); CREATE TABLE u (id INT PRIMARY KEY)")
        .await;
    scenario.log.read();
    scenario.run("INSERT INTO t VALUES (1, 'off')").await;
    assert_eq!(queries(&scenario.log.read()), [(1, None)]);

    scenario.run("SET binlog_rows_query_log_events = ON").await;
    let long = format!("INSERT INTO t VALUES (2, '{}')", "é😀\\n\\\"".repeat(200));
    let update = "UPDATE t, u /* two\ttables */ SET t.v = 'x', u.id = u.id + 10 WHERE t.id = 2";
    scenario.run("BEGIN").await;
    scenario.run(&long).await;
    scenario.run("INSERT INTO u VALUES (1), (2)").await;
    scenario.run(update).await;
    scenario.run("SET binlog_rows_query_log_events = OFF").await;
    scenario.run("DELETE FROM t WHERE id = 2").await;
    scenario.run("COMMIT").await;
    let found = queries(&scenario.log.read());
    let said = |text: &str| Some(text.to_owned());
    let mut expected = vec![
        (2, said(&long)),
        (1, said("INSERT INTO u VALUES (1), (2)")),
        (2, said("INSERT INTO u VALUES (1), (2)")),
    ];
    // Three rows of two tables, by one statement.
    assert_eq!(found.len(), 7, "{found:?}");
    assert!(
        found[3..6]
            .iter()
            .all(|(_, query)| query.as_deref() == Some(update))
    );
    expected.extend_from_slice(&found[3..6]);
    expected.push((2, None));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_statement_of_many_events_is_said_with_each_and_one_in_another_charset_with_none() {
    let mut scenario = Scenario::start(&[
        "--binlog-rows-query-log-events=ON",
        "--binlog-row-event-max-size=1024",
    ])
    .await;
    scenario.log.keep_queries();
    scenario
        .run("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
        .await;
    scenario.log.read();
    let insert = "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) \
        SELECT i, REPEAT('x', 200) FROM n";
    scenario.run(insert).await;
    let found = queries(&scenario.log.read());
    assert_eq!(found.len(), 99);
    assert!(
        found
            .iter()
            .all(|(_, query)| query.as_deref() == Some(insert))
    );

    scenario.run("SET NAMES latin1").await;
    scenario
        .run("DELETE FROM t WHERE id > 3 AND 'é' <> ''")
        .await;
    let found = queries(&scenario.log.read());
    assert_eq!(found.len(), 96);
    scenario.log.forget_queries();
    scenario.run("DELETE FROM t").await;
    assert!(
        queries(&scenario.log.read())
            .iter()
            .all(|(_, query)| query.is_none())
    );
}
