//! `binlog_row_value_options = PARTIAL_JSON`: the log holds diffs, the lines hold what `SELECT` prints.

use fastrand::Rng;

use crate::{
    compare::Compare,
    documents::{random_document, random_string},
    scenario::{Column, ID, Images, Scenario, Snapshot, Table},
    texts::literal,
};

const PARTIAL: &str = "--binlog-row-value-options=PARTIAL_JSON";

fn table(name: &str) -> Table {
    let column = |name: &str, compare| Column {
        name: name.into(),
        compare,
    };
    Table {
        database: "golden".into(),
        name: name.into(),
        columns: vec![
            column(ID, Compare::Number),
            column("j", Compare::Json),
            column("note", Compare::Text),
            column("k", Compare::Json),
            column("n", Compare::Number),
        ],
        key: vec![ID.into()],
    }
}

fn create(name: &str) -> String {
    format!("CREATE TABLE {name} (id INT PRIMARY KEY, j JSON, note TEXT, k JSON NOT NULL, n INT)")
}

/// How many partial updates the log has in all.
fn partial_events(scenario: &Scenario) -> usize {
    let path = scenario.server.binlog_files().expect("files").pop();
    let path = path.expect("a file");
    let reader = std::io::BufReader::new(std::fs::File::open(path).expect("readable"));
    let mut file = headwater_binlog::file::BinlogFile::open(reader, 1 << 30).expect("a log");
    let mut count = 0;
    while let Some(event) = file.next_event().expect("an event") {
        count += usize::from(event.bytes[4] == 39);
    }
    count
}

/// What makes documents whose changes show each rule.
const CHANGES: &[&str] = &[
    // Members and elements, replaced, inserted, removed, several at once.
    "j = JSON_SET(j, '$.a', 1)",
    "j = JSON_SET(j, '$.new', JSON_OBJECT('x', JSON_ARRAY(1, 2.5, 'é😀', NULL)))",
    "j = JSON_SET(j, '$.new.x[1]', 'two', '$.new.x[99]', TRUE, '$.new.y', CAST('null' AS JSON))",
    "j = JSON_REPLACE(j, '$.list[0]', -70000, '$.nothing', 1, '$.list[last]', 'last')",
    "j = JSON_REMOVE(j, '$.list[1]', '$.a')",
    "j = JSON_REMOVE(j, '$.nothing')",
    "j = JSON_SET(j, '$.\"a b\"', 1, '$.\"q\\\\\"\\\\\\\\[]\"', 2, '$.\"été\"', 3, '$.\"\"', 4, '$.\"line\\\\n\"', 5, '$._x$1', 6)",
    "j = JSON_SET(j, '$.\"q\\\\\"\\\\\\\\[]\"', JSON_ARRAY(), '$.\"\"', JSON_OBJECT(), '$.\"line\\\\n\"', 'x')",
    "j = JSON_REMOVE(j, '$.\"a b\"', '$.\"été\"', '$.\"\"')",
    // An index past the end, one that wraps a scalar, the whole of an array's places.
    "j = JSON_SET(j, '$.list[50]', 'end', '$.n[0]', 'instead', '$.m[1]', 'wrapped')",
    "j = JSON_SET(j, '$.list[last-1]', 0, '$.list[0]', JSON_ARRAY(JSON_ARRAY(1)))",
    "j = JSON_SET(j, '$.list[0][0][0]', 2, '$.list[0][0][1]', 3)",
    // Both columns, and a plain column beside them.
    "j = JSON_SET(j, '$.both', 1), k = JSON_SET(k, '$.both', 2), n = n + 1",
    "k = JSON_REMOVE(JSON_SET(k, '$.more', 1, '$.most', 2), '$.both'), note = 'é'",
    // Whole documents among partial ones.
    "j = JSON_ARRAY_INSERT(j, '$.list[0]', 'first'), k = JSON_SET(k, '$.again', 1)",
    "j = JSON_ARRAY_APPEND(j, '$.list', 'appended'), k = JSON_MERGE_PATCH(k, '{\"p\":1}')",
    "j = NULL, k = JSON_SET(k, '$.alone', 1)",
    "j = JSON_OBJECT('list', JSON_ARRAY(1, 2, 3)), k = JSON_SET(k, '$.alone', 2)",
    // Opaque values.
    "j = JSON_SET(j, '$.d', CAST('2024-02-29' AS DATE), '$.t', CAST('-12:34:56.5' AS TIME(1)), '$.dec', CAST(-1.50 AS DECIMAL(10,2)), '$.dt', TIMESTAMP'2024-02-03 04:05:06.000001', '$.bit', b'101', '$.bin', x'00ff')",
    "j = JSON_REPLACE(j, '$.d', CAST('0000-00-00' AS DATE), '$.dec', 12345678901234567890.5, '$.bin', REPEAT(x'01', 300))",
    "j = JSON_REMOVE(j, '$.t', '$.dt')",
    // Small to large and back, and numbers that change their place with it.
    "j = JSON_SET(j, '$.i16', -3, '$.u16', 65535, '$.i32', -70000, '$.u32', 4294967295, '$.i64', 18446744073709551615, '$.f', 1e0)",
    "j = JSON_SET(j, '$.long', REPEAT('x', 40000))",
    "j = JSON_SET(j, '$.longer', REPEAT('y', 40000), '$.i16', -4)",
    "j = JSON_SET(j, '$.i32', 1, '$.inner', JSON_OBJECT('deep', REPEAT('z', 70000)))",
    "j = JSON_SET(j, '$.inner.deep', 'short', '$.inner.other', -1)",
    "j = JSON_REMOVE(j, '$.long', '$.longer')",
    "j = JSON_SET(j, '$.f', 2e0, '$.u32', 4294967294)",
    // Deep.
    "k = JSON_SET(k, '$.deep', CAST(CONCAT(REPEAT('[', 97), '1', REPEAT(']', 97)) AS JSON))",
];

#[tokio::test]
async fn partial_updates_print_the_document_that_select_prints() {
    let mut scenario = Scenario::start(&[PARTIAL]).await;
    scenario.run(&create("parts")).await;
    scenario.log.read();
    let table = table("parts");
    let inserts = [
        r#"INSERT INTO parts VALUES (1, '{"a":0,"list":[1,2,"three"],"n":5,"m":{"s":1}}', 'x', '{}', 0),
           (2, '{"list":[],"m":"scalar"}', NULL, '{"a":1}', NULL), (3, '[1,{"a":2},3]', '', '[]', 3)"#
            .to_owned(),
    ];
    let (mut rows, _) = scenario
        .step(&table, &Snapshot::new(), &inserts, Images::Full)
        .await;
    for change in CHANGES {
        let update = [format!("UPDATE parts SET {change}")];
        (rows, _) = scenario.step(&table, &rows, &update, Images::Full).await;
    }
    // The deepest that there may be, a step at a time.
    let path = format!("$.deep{}", "[0]".repeat(97));
    let update = [format!(
        "UPDATE parts SET k = JSON_SET(k, '{path}', 'bottom')"
    )];
    let (rows, _) = scenario.step(&table, &rows, &update, Images::Full).await;
    let delete = ["DELETE FROM parts".to_owned()];
    scenario.step(&table, &rows, &delete, Images::Full).await;
    scenario.ensure_no_difference();
    assert!(partial_events(&scenario) >= 25, "the log holds diffs");
}

#[tokio::test]
async fn random_changes_of_random_documents_print_what_select_prints() {
    let mut scenario = Scenario::start(&[PARTIAL]).await;
    scenario.run(&create("drawn")).await;
    scenario.log.read();
    let table = table("drawn");
    let mut rng = Rng::with_seed(7);
    let document = |rng: &mut Rng| {
        let inner = random_document(rng, 4);
        format!(
            "CAST({} AS JSON)",
            literal(&format!("{{\"a\":[{inner},{inner}],\"b\":{inner}}}"))
        )
    };
    let insert: Vec<String> = (0..20)
        .map(|id| {
            let (j, k) = (document(&mut rng), document(&mut rng));
            format!("INSERT INTO drawn VALUES ({id}, {j}, NULL, {k}, 0)")
        })
        .collect();
    let (mut rows, _) = scenario
        .step(&table, &Snapshot::new(), &insert, Images::Full)
        .await;
    for _ in 0..60 {
        let mut expression = |column: &str| {
            let mut expression = column.to_owned();
            for _ in 0..rng.usize(1..4) {
                let path = random_path(&mut rng);
                let value = format!("CAST({} AS JSON)", literal(&random_document(&mut rng, 2)));
                expression = match rng.u8(..4) {
                    0 => format!("JSON_REMOVE({expression}, {path})"),
                    1 => format!("JSON_REPLACE({expression}, {path}, {value})"),
                    _ => format!("JSON_SET({expression}, {path}, {value})"),
                };
            }
            format!("{column} = {expression}")
        };
        let update = format!("UPDATE drawn SET {}, {}", expression("j"), expression("k"));
        (rows, _) = scenario.step(&table, &rows, &[update], Images::Full).await;
    }
    scenario.ensure_no_difference();
    assert!(partial_events(&scenario) >= 40, "the log holds diffs");
}

fn random_path(rng: &mut Rng) -> String {
    let mut path = String::from("$");
    path.push_str(["", ".a", ".b", ".c"][rng.usize(1..4)]);
    for _ in 0..rng.usize(..4) {
        match rng.u8(..4) {
            0 => path.push_str(&format!(".{}", random_string(rng))),
            1 => path.push_str(&format!("[last-{}]", rng.u8(..3))),
            _ => path.push_str(&format!("[{}]", rng.u8(..4))),
        }
    }
    literal(&path)
}

#[tokio::test]
async fn with_noblob_images_the_documents_are_whole_as_well() {
    let mut scenario = Scenario::start(&[PARTIAL, "--binlog-row-image=NOBLOB"]).await;
    scenario.run(&create("parts")).await;
    scenario.log.read();
    let table = table("parts");
    let insert = [r#"INSERT INTO parts VALUES (1, '{"a":"0123456789"}', 'x', '{}', 0)"#.to_owned()];
    let (mut rows, _) = scenario
        .step(&table, &Snapshot::new(), &insert, Images::Partial)
        .await;
    for change in [
        "j = JSON_SET(j, '$.a', 1)",
        "k = JSON_SET(k, '$.b', 2), n = 3",
    ] {
        let update = [format!("UPDATE parts SET {change}")];
        (rows, _) = scenario.step(&table, &rows, &update, Images::Partial).await;
    }
    scenario.ensure_no_difference();
    assert!(partial_events(&scenario) >= 2, "the log holds diffs");
}

#[tokio::test]
async fn without_the_document_before_it_halts_and_names_the_column() {
    let mut scenario = Scenario::start(&[PARTIAL, "--binlog-row-image=MINIMAL"]).await;
    scenario.run(&create("parts")).await;
    scenario
        .run(r#"INSERT INTO parts VALUES (1, '{"a":"0123456789"}', '', '{}', 0)"#)
        .await;
    scenario.run("UPDATE parts SET n = 1").await;
    scenario.log.read();
    scenario
        .run("UPDATE parts SET j = JSON_SET(j, '$.a', 1)")
        .await;
    let error = scenario.log.refused();
    let said = format!("{error}: {}", error.cause);
    assert!(said.contains("PARTIAL_UPDATE_ROWS at binlog.0"), "{said}");
    assert!(
        said.contains("column `j` of table `golden.parts`"),
        "{said}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("binlog_row_image = 'FULL'"))
    );
}
