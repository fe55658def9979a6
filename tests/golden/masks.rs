//! Columns left out and masked: the log's lines show what the server itself would make of the values.

use headwater::{
    encode::{
        native::NativeEncoder,
        shape::{InvalidText, ShapePlan, ShapeRules},
    },
    secret::Secret,
};
use headwater_actors::filter::ColumnFilter;
use headwater_binlog::gtid::Uuid;

use crate::{
    line::{member, members},
    scenario::Scenario,
};

/// Declaration, expression for the value's text.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("tiny", "TINYINT", "{c}"),
    ("big", "BIGINT UNSIGNED", "{c}"),
    ("amount", "DECIMAL(12,3)", "{c}"),
    ("day", "DATE", "{c}"),
    ("at", "DATETIME(6)", "{c}"),
    ("moment", "TIMESTAMP(3) NULL", "{c}"),
    ("span", "TIME(2)", "{c}"),
    ("made", "YEAR", "{c} + 0"),
    ("bits", "BIT(12)", "{c} + 0"),
    ("name", "VARCHAR(40) CHARACTER SET latin1", "{c}"),
    ("nick", "CHAR(20) CHARACTER SET sjis", "{c}"),
    ("note", "TEXT CHARACTER SET utf16", "{c}"),
    ("label", "ENUM('new','p\u{e4}id')", "{c}"),
    ("tags", "SET('a','b','c')", "{c}"),
    ("raw", "VARBINARY(40)", "REPLACE(TO_BASE64({c}), '\\n', '')"),
    ("padded", "BINARY(5)", "REPLACE(TO_BASE64({c}), '\\n', '')"),
];

const ROWS: [&str; 3] = [
    "1, -7, 18446744073709551615, 12.5, '2024-02-03', '2024-02-03 04:05:06.5', '2024-02-03 04:05:06.125', \
     '-101:02:03.5', 2024, 261, 'caf\u{e9} \"x\"', '表ソ', 'a\\n\u{1f600}', 'p\u{e4}id', 'a,c', x'00ff', x'01'",
    "2, 0, 0, -0.001, '0000-00-00', '0000-00-00', '1970-01-01 00:00:01', '00:00:00', 0, 0, '', '', '', 1, '', '', ''",
    "3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
];

fn filter(pattern: &str) -> ColumnFilter {
    ColumnFilter::new(&[pattern.to_owned()]).unwrap()
}

fn encoder(shape: ShapePlan) -> NativeEncoder {
    let rules = ShapeRules::new(&shape, InvalidText::Halt);
    NativeEncoder::new(Uuid([7; 16])).with_shape(rules)
}

/// The rows' lines under `shape`, and the server's own answer to `expression` of each value's text.
async fn compare(shape: ShapePlan, expression: &str) {
    let mut scenario = Scenario::start(&[]).await;
    let definitions: Vec<String> = COLUMNS
        .iter()
        .map(|(name, sql, _)| format!("{name} {sql}"))
        .collect();
    scenario
        .run(&format!(
            "CREATE TABLE people (id INT PRIMARY KEY, {})",
            definitions.join(", ")
        ))
        .await;
    scenario.log.read();
    scenario.log.write_by(encoder(shape));
    for row in ROWS {
        scenario
            .run(&format!("INSERT INTO people VALUES ({row})"))
            .await;
    }
    let changes = scenario.log.changes();
    assert_eq!(changes.len(), ROWS.len());
    for (name, _, text) in COLUMNS {
        let text = expression.replace("TEXT", &text.replace("{c}", name));
        let sql = format!("SELECT CONVERT({text} USING utf8mb4) FROM people ORDER BY id");
        let theirs: Vec<Option<String>> = scenario.query(&sql).await;
        for (change, theirs) in changes.iter().zip(theirs) {
            let line = members(&change.line);
            let data = members(member(&line, "data").expect("data"));
            let ours = member(&data, name).expect("the column");
            let expected = serde_json::to_string(&theirs).expect("JSON");
            assert_eq!(ours, expected, "column {name}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_hash_is_what_the_server_computes() {
    let shape = ShapePlan {
        hash: filter("golden.people.*"),
        hash_salt: Secret::new("p\u{e4}pper"),
        ..ShapePlan::default()
    };
    compare(
        shape,
        "SHA2(CONCAT('p\u{e4}pper', CONVERT(TEXT USING utf8mb4)), 256)",
    )
    .await;
}

#[tokio::test]
async fn a_cut_text_is_what_the_server_cuts() {
    let shape = ShapePlan {
        truncate: filter("golden.*.*"),
        truncate_chars: 5,
        ..ShapePlan::default()
    };
    compare(shape, "LEFT(CONVERT(TEXT USING utf8mb4), 5)").await;
}

#[tokio::test]
async fn masks_and_left_out_columns_hold_through_every_kind_of_change() {
    let mut scenario = Scenario::start(&[]).await;
    scenario
        .run("CREATE TABLE users (email VARCHAR(40), id INT, note TEXT, PRIMARY KEY (email, id))")
        .await;
    scenario.log.read();
    scenario.log.write_by(encoder(ShapePlan {
        include: filter("!*.users.Note"),
        fixed: filter("golden.users.EMAIL"),
        ..ShapePlan::default()
    }));
    for sql in [
        "INSERT INTO users VALUES ('ana@example.com', 1, 'secret')",
        "UPDATE users SET email = 'ana@example.org'",
        "UPDATE users SET note = 'secret too'",
        "SET binlog_row_image = 'MINIMAL'",
        "UPDATE users SET email = 'bob@example.com'",
        "DELETE FROM users",
    ] {
        scenario.run(sql).await;
    }
    let changes = scenario.log.changes();
    let bodies: Vec<&str> = changes
        .iter()
        .map(|change| {
            let (_, body) = change.line.split_once(r#","key":"#).expect("a key");
            body
        })
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"email":"***","id":1},"data":{"email":"***","id":1}}"#,
            r#"{"email":"***","id":1},"data":{"email":"***","id":1},"old":{"email":"***"}}"#,
            r#"{"email":"***","id":1},"data":{"email":"***","id":1},"old":{}}"#,
            r#"{"email":"***","id":1},"data":{"email":"***"},"old":{"email":"***"}}"#,
            r#"{"email":"***","id":1},"data":{"email":"***","id":1}}"#,
        ]
    );
    for change in &changes {
        assert!(!change.line.contains("example") && !change.line.contains("secret"));
    }
}
