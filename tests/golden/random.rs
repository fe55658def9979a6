//! Random tables: columns of any types in any order, keys of any shape, random rows and changes, in every
//! kind of row image.

use std::env::{self, VarError};

use fastrand::Rng;
use headwater_harness::sql::quote;

use crate::{
    columns::{Type, families},
    compare::Compare,
    scenario::{Column, ID, Images, Scenario, Snapshot, Table, Wanted},
};

const ROWS: usize = 600;
const ROWS_PER_TABLE: usize = 30;

/// A number from the environment, printed so that a failed run can be had again.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    let number = match env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(VarError::NotPresent) => otherwise,
        Err(error) => panic!("{name}: {error}"),
    };
    println!("{name}={number}");
    number
}

#[tokio::test]
async fn random_tables_print_as_select_prints_them_in_every_row_image() {
    let seed = setting("HEADWATER_GOLDEN_SEED", fastrand::u64(..));
    let rows = setting("HEADWATER_GOLDEN_ROWS", ROWS as u64) as usize;
    let mut rng = Rng::with_seed(seed);
    let types: Vec<Type> = families()
        .into_iter()
        .flat_map(|(_, types)| types)
        .collect();
    let mut scenario = Scenario::start(&[]).await;
    for number in 0..rows.div_ceil(ROWS_PER_TABLE) {
        one_table(&mut scenario, &mut rng, &types, number).await;
        scenario.ensure_no_difference();
    }
    assert!(scenario.log.values_agreed() > 1_000, "the oracle was asked");
}

async fn one_table(scenario: &mut Scenario, rng: &mut Rng, types: &[Type], number: usize) {
    let image = ["FULL", "MINIMAL", "NOBLOB"][number % 3];
    let images = if image == "FULL" {
        Images::Full
    } else {
        Images::Partial
    };
    scenario
        .run(&format!("SET binlog_row_image = {image}"))
        .await;
    let wanted: Vec<Wanted<'_>> = (0..rng.usize(1..=24))
        .map(|at| {
            let column = &types[rng.usize(..types.len())];
            Wanted {
                name: format!(
                    "{at}{}",
                    rng.choice(&["", " c", "`\"\\", "é.日本", "'"])
                        .expect("one")
                ),
                column,
                is_nullable: !column.has_default || rng.bool(),
            }
        })
        .collect();
    let table = create(scenario, rng, &wanted, number).await;
    let path = table.path();
    let names: Vec<String> = wanted.iter().map(|it| quote(&it.name)).collect();

    let row = |id: usize, rng: &mut Rng| {
        let values: Vec<String> = wanted.iter().map(|it| it.value(rng)).collect();
        format!("({id}, {})", values.join(", "))
    };
    let rows: Vec<String> = (0..ROWS_PER_TABLE).map(|id| row(id, rng)).collect();
    let insert = |verb: &str, rows: &[String]| {
        format!(
            "{verb} INTO {path} ({ID}, {}) VALUES {}",
            names.join(", "),
            rows.join(", ")
        )
    };
    let inserts: Vec<String> = rows.chunks(9).map(|rows| insert("INSERT", rows)).collect();
    let (all, changes) = scenario
        .step(&table, &Snapshot::new(), &inserts, images)
        .await;
    assert_eq!(changes.len(), ROWS_PER_TABLE);

    let updates: Vec<String> = (0..ROWS_PER_TABLE)
        .map(|_| {
            let sets: Vec<String> = wanted
                .iter()
                .zip(&names)
                .filter_map(|(it, name)| {
                    let is_set = rng.bool();
                    is_set.then(|| format!("{name} = {}", it.value(rng)))
                })
                .chain([format!("{ID} = {ID}")])
                .collect();
            // One change of a row a step: what is between two of them no SELECT has seen.
            sets.join(", ")
        })
        .enumerate()
        .map(|(id, sets)| format!("UPDATE {path} SET {sets} WHERE {ID} = {id}"))
        .collect();
    let (updated, _) = scenario.step(&table, &all, &updates, images).await;

    let replaced = if table.key == [ID] {
        let rows: Vec<String> = (0..ROWS_PER_TABLE / 2).map(|id| row(id * 3, rng)).collect();
        let replaces = [insert("REPLACE", &rows)];
        scenario.step(&table, &updated, &replaces, images).await.0
    } else {
        updated
    };
    let deletes = [
        format!("DELETE FROM {path} WHERE {ID} % 2 = 1"),
        format!("DELETE FROM {path}"),
    ];
    let (empty, _) = scenario.step(&table, &replaced, &deletes, images).await;
    assert!(empty.is_empty());
    scenario.run(&format!("DROP TABLE {path}")).await;
    scenario.log.read();
}

/// Makes the table with a key of a random shape; its columns in a random order.
async fn create(
    scenario: &mut Scenario,
    rng: &mut Rng,
    wanted: &[Wanted<'_>],
    number: usize,
) -> Table {
    let keyed = wanted
        .iter()
        .find(|it| !it.is_nullable && it.column.key.is_some());
    let (key, definition) = match (rng.u8(..5), keyed) {
        (0, _) => (Vec::new(), None),
        (1 | 2, Some(column)) => {
            let prefix = column.column.key.expect("a key's column");
            let name = format!("{}{prefix}", quote(&column.name));
            if rng.bool() {
                let key = vec![column.name.clone(), ID.into()];
                (key, Some(format!("PRIMARY KEY ({name}, {ID})")))
            } else {
                let key = vec![ID.into(), column.name.clone()];
                (key, Some(format!("PRIMARY KEY ({ID}, {name})")))
            }
        }
        _ => (vec![ID.into()], Some(format!("PRIMARY KEY ({ID})"))),
    };
    let mut columns: Vec<(Column, String)> = wanted
        .iter()
        .map(|it| {
            let column = Column {
                name: it.name.clone(),
                compare: it.column.compare,
            };
            (column, it.definition())
        })
        .collect();
    let id = Column {
        name: ID.into(),
        compare: Compare::Number,
    };
    columns.insert(
        rng.usize(..=columns.len()),
        (id, format!("{ID} BIGINT NOT NULL")),
    );
    let definitions: Vec<String> = columns
        .iter()
        .map(|(_, definition)| definition.clone())
        .chain(definition)
        .collect();
    let table = Table {
        database: "golden".into(),
        name: format!("random {number}"),
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        key,
    };
    let sql = format!("CREATE TABLE {} ({})", table.path(), definitions.join(", "));
    scenario.run(&sql).await;
    scenario.log.read();
    table
}
