//! The golden test: what Headwater writes of a real server's log is what the server's `SELECT` prints.
//!
//! Each test makes tables, writes rows, reads the rows back by SQL at that moment and compares them with
//! the lines, by the rules of `docs/event-format.md`. mysql_common decodes the same events and must agree.
//! `HEADWATER_GOLDEN_ROWS` sets how many random rows are written, `HEADWATER_GOLDEN_SEED` which.

#![allow(clippy::unwrap_used)] // a test ends there

mod charsets;
mod flat;
mod images;
mod log;
mod masks;
mod oracle;
mod partial;
mod queries;
mod random;
mod recorded;
mod scenario;
mod snapshots;
mod statements;
mod tables;

use headwater_harness::{
    golden::{columns, compare, documents, line, texts},
    sql::quote,
};

use columns::families;
use fastrand::Rng;
use scenario::{Column, ID, Images, Scenario, Snapshot, Table, Wanted};

/// The rows that show every edge value of every column, and one of NULLs.
fn edge_rows(wanted: &[Wanted<'_>]) -> Vec<String> {
    let rows = wanted.iter().map(|it| it.column.edges.len()).max();
    let rows = rows.expect("a column");
    let row = |at: usize| {
        let values: Vec<&str> = wanted
            .iter()
            .map(|it| it.column.edges[at % it.column.edges.len()].as_str())
            .collect();
        format!("({at}, {})", values.join(", "))
    };
    let nulls = vec!["NULL"; wanted.len()].join(", ");
    let mut rows: Vec<String> = (0..rows).map(row).collect();
    rows.push(format!("({}, {nulls})", rows.len()));
    rows
}

#[tokio::test]
async fn every_type_prints_as_select_prints_it() {
    let mut scenario = Scenario::start(&[]).await;
    let mut rng = Rng::with_seed(1);
    for (family, types) in families() {
        let wanted: Vec<Wanted<'_>> = types
            .iter()
            .enumerate()
            .map(|(at, column)| Wanted {
                name: format!(
                    "c{at} {}",
                    column
                        .sql
                        .chars()
                        .filter(char::is_ascii)
                        .take(40)
                        .collect::<String>()
                )
                .trim_end()
                .to_owned(),
                column,
                is_nullable: true,
            })
            .collect();
        let definitions: Vec<String> = wanted.iter().map(Wanted::definition).collect();
        scenario
            .run(&format!(
                "CREATE TABLE {family} ({ID} INT PRIMARY KEY, {})",
                definitions.join(", ")
            ))
            .await;
        scenario.log.read();
        let table = Table {
            database: "golden".into(),
            name: family.into(),
            columns: std::iter::once(Column {
                name: ID.into(),
                compare: compare::Compare::Number,
            })
            .chain(wanted.iter().map(|it| Column {
                name: it.name.clone(),
                compare: it.column.compare,
            }))
            .collect(),
            key: vec![ID.into()],
        };

        let rows = edge_rows(&wanted);
        let count = rows.len();
        let inserts: Vec<String> = rows
            .chunks(7)
            .map(|rows| format!("INSERT INTO {family} VALUES {}", rows.join(", ")))
            .collect();
        let empty = Snapshot::new();
        let (full, changes) = scenario.step(&table, &empty, &inserts, Images::Full).await;
        assert_eq!(changes.len(), count);

        // Every edge becomes another, and NULL comes and goes.
        let mut updates = Vec::new();
        for id in 0..count {
            let sets: Vec<String> = wanted
                .iter()
                .map(|it| format!("{} = {}", quote(&it.name), it.value(&mut rng)))
                .collect();
            updates.push(format!(
                "UPDATE {family} SET {} WHERE id = {id}",
                sets.join(", ")
            ));
        }
        let (other, _) = scenario.step(&table, &full, &updates, Images::Full).await;
        let delete = [format!("DELETE FROM {family}")];
        let (empty, changes) = scenario.step(&table, &other, &delete, Images::Full).await;
        assert!(empty.is_empty());
        assert_eq!(changes.len(), count);
    }
    scenario.ensure_no_difference();
    assert!(scenario.log.values_agreed() > 5_000, "the oracle was asked");
}
