//! Tables that are odd in themselves, and what the page for consumers says of the three row images.

use headwater_harness::sql::quote;

use crate::{
    compare::Compare,
    line::{member, members},
    log::Change,
    scenario::{Column, ID, Images, Scenario, Snapshot, Table},
};

fn table(name: &str, key: &[&str], columns: &[(&str, Compare)]) -> Table {
    let column = |(name, compare): &(&str, Compare)| Column {
        name: (*name).to_owned(),
        compare: *compare,
    };
    Table {
        database: "golden".into(),
        name: name.into(),
        columns: columns.iter().map(column).collect(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// `key`, `data`, `old` as they are written; "" where a line has none.
pub fn parts(change: &Change) -> [String; 3] {
    let fields = members(&change.line);
    ["key", "data", "old"].map(|name| member(&fields, name).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn generated_invisible_and_indexed_columns_are_as_select_has_them() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run(
            "CREATE TABLE odd (id INT, a INT, twice INT AS (a * 2) STORED, virt VARCHAR(20) AS \
             (CONCAT('<', a, '>')) VIRTUAL, hid DECIMAL(5,2) INVISIBLE DEFAULT 1.5, j JSON, \
             KEY ((a + 1)), KEY many ((CAST(j->'$.n' AS UNSIGNED ARRAY))), PRIMARY KEY (twice, id))",
        )
        .await;
    scenario.log.read();
    let odd = table(
        "odd",
        &["twice", ID],
        &[
            (ID, Compare::Number),
            ("a", Compare::Number),
            ("twice", Compare::Number),
            ("virt", Compare::Text),
            ("hid", Compare::Decimal),
            ("j", Compare::Json),
        ],
    );
    let steps = [
        "INSERT INTO odd (id, a, j) VALUES (1, 7, '{\"n\":[1,2,3]}'), (2, -7, '{\"n\":[]}'), (3, 0, NULL)",
        "UPDATE odd SET hid = 2, j = '{\"n\":[4]}'",
        "DELETE FROM odd",
    ];
    let mut rows = Snapshot::new();
    for step in steps {
        (rows, _) = scenario
            .step(&odd, &rows, &[step.into()], Images::Full)
            .await;
    }
    scenario.ensure_no_difference();
}

#[tokio::test]
async fn names_of_any_kind_and_four_thousand_columns_are_kept() {
    let mut scenario = Scenario::start(&[]).await;
    let names = [
        "a\"b",
        "c.d",
        "e`f",
        "new\nline",
        "tab\tbed",
        "日本",
        "\\",
        "'",
        "{}",
        " lead",
    ];
    let mut odd = table("t\"x.y`z\\ é\nend", &[ID], &[(ID, Compare::Number)]);
    odd.columns.extend(names.map(|name| Column {
        name: name.into(),
        compare: Compare::Number,
    }));
    let definitions = names
        .map(|name| format!("{} INT DEFAULT 3", quote(name)))
        .join(", ");
    scenario
        .run(&format!(
            "CREATE TABLE {} (id INT PRIMARY KEY, {definitions})",
            odd.path()
        ))
        .await;
    scenario.log.read();
    let insert = [format!("INSERT INTO {} (id) VALUES (1), (2)", odd.path())];
    scenario
        .step(&odd, &Snapshot::new(), &insert, Images::Full)
        .await;

    // Only MyISAM takes so many.
    let mut wide = table("wide", &[ID], &[(ID, Compare::Number)]);
    wide.columns.extend((1..4000).map(|at| Column {
        name: format!("c{at}"),
        compare: Compare::Number,
    }));
    let definitions: Vec<String> = (1..4000).map(|at| format!("c{at} TINYINT")).collect();
    scenario
        .run(&format!(
            "CREATE TABLE wide (id INT PRIMARY KEY, {}) ENGINE = MyISAM",
            definitions.join(", ")
        ))
        .await;
    scenario.log.read();
    let values: Vec<String> = (1..4000)
        .map(|at| {
            if at % 7 == 0 {
                "NULL".into()
            } else {
                (at % 100).to_string()
            }
        })
        .collect();
    let insert = [format!(
        "INSERT INTO wide VALUES (1, {})",
        values.join(", ")
    )];
    let (rows, _) = scenario
        .step(&wide, &Snapshot::new(), &insert, Images::Full)
        .await;
    let update = ["UPDATE wide SET c1 = NULL, c7 = 1, c3999 = -1".to_owned()];
    let (_, changes) = scenario.step(&wide, &rows, &update, Images::Full).await;
    assert_eq!(parts(&changes[0])[2], "{\"c1\":1,\"c7\":null,\"c3999\":99}");
    scenario.ensure_no_difference();
}

#[tokio::test]
async fn a_blob_of_16_mib_and_a_row_without_anything_are_whole() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("CREATE TABLE large (id INT, v LONGBLOB, j JSON)")
        .await;
    scenario.log.read();
    let large = table(
        "large",
        &[],
        &[
            (ID, Compare::Number),
            ("v", Compare::Base64),
            ("j", Compare::Json),
        ],
    );
    let inserts = [
        "INSERT INTO large VALUES (1, REPEAT(x'00ff5c', 5592406), NULL)".to_owned(),
        "INSERT INTO large VALUES (2, '', JSON_ARRAY(REPEAT('é\"', 1000000)))".to_owned(),
        "INSERT INTO large VALUES (3, NULL, NULL)".to_owned(),
    ];
    let (rows, _) = scenario
        .step(&large, &Snapshot::new(), &inserts, Images::Full)
        .await;
    let update = ["UPDATE large SET j = '1' WHERE id = 1".to_owned()];
    let (_, changes) = scenario.step(&large, &rows, &update, Images::Full).await;
    assert_eq!(parts(&changes[0])[2], "{\"j\":null}");
    scenario.ensure_no_difference();
}

#[tokio::test]
async fn each_row_image_gives_what_the_page_for_consumers_says() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT, n INT DEFAULT 5)")
        .await;
    let steps = [
        "INSERT INTO notes (note) VALUES ('c')",
        "UPDATE notes SET note = 'd'",
        "UPDATE notes SET n = NULL",
        "UPDATE notes SET id = id + 1",
        "DELETE FROM notes",
    ];
    let expected: [(&str, [[&str; 3]; 5]); 3] = [
        (
            "FULL",
            [
                [r#"{"id":1}"#, r#"{"id":1,"note":"c","n":5}"#, ""],
                [
                    r#"{"id":1}"#,
                    r#"{"id":1,"note":"d","n":5}"#,
                    r#"{"note":"c"}"#,
                ],
                [
                    r#"{"id":1}"#,
                    r#"{"id":1,"note":"d","n":null}"#,
                    r#"{"n":5}"#,
                ],
                [
                    r#"{"id":2}"#,
                    r#"{"id":2,"note":"d","n":null}"#,
                    r#"{"id":1}"#,
                ],
                [r#"{"id":2}"#, r#"{"id":2,"note":"d","n":null}"#, ""],
            ],
        ),
        (
            "MINIMAL",
            [
                [r#"{"id":1}"#, r#"{"id":1,"note":"c"}"#, ""],
                [r#"{"id":1}"#, r#"{"note":"d"}"#, "{}"],
                [r#"{"id":1}"#, r#"{"n":null}"#, "{}"],
                [r#"{"id":2}"#, r#"{"id":2}"#, r#"{"id":1}"#],
                [r#"{"id":2}"#, r#"{"id":2}"#, ""],
            ],
        ),
        (
            "NOBLOB",
            [
                [r#"{"id":1}"#, r#"{"id":1,"note":"c","n":5}"#, ""],
                [r#"{"id":1}"#, r#"{"id":1,"note":"d","n":5}"#, "{}"],
                [r#"{"id":1}"#, r#"{"id":1,"n":null}"#, r#"{"n":5}"#],
                [r#"{"id":2}"#, r#"{"id":2,"n":null}"#, r#"{"id":1}"#],
                [r#"{"id":2}"#, r#"{"id":2,"n":null}"#, ""],
            ],
        ),
    ];
    for (image, lines) in expected {
        scenario
            .run(&format!("TRUNCATE notes; SET binlog_row_image = {image}"))
            .await;
        scenario.log.read();
        for (step, expected) in steps.iter().zip(lines) {
            scenario.run(step).await;
            let changes = scenario.log.changes();
            assert_eq!(changes.len(), 1, "{step}");
            assert_eq!(parts(&changes[0]), expected, "{image}: {step}");
        }
    }
}
