//! A row that is asked of the server is the row that its INSERT has logged: the table's description, the image's bytes,
//! the line's `key` and `data`.
//!
//! Random tables of all types are filled; each row comes once from the log and once by a prepared SELECT through
//! `RowWriter`. Images are equal byte by byte but for JSON documents, whose text does not tell all; of these the lines
//! are compared, and how many are the same bytes is counted. `HEADWATER_GOLDEN_ROWS` sets how many rows each server
//! gets, `HEADWATER_GOLDEN_SEED` which.

mod tables;

use std::sync::Arc;

use fastrand::Rng;
use headwater_binlog::{
    event::Dialect,
    rows::{Cell, ColumnSet, Image, RowsBlock},
    schema::{ColumnKind, Table},
    snapshot::{self, RowWriter},
    value,
};
use headwater_harness::{
    mysql::{Flavour, MySql},
    prepared::Prepared,
    sql::path,
};
use tables::{Made, listed};

use crate::{
    columns::Type,
    line::{member, members},
    log::Log,
    random::setting,
    scenario::Scenario,
};

const ROWS: u64 = 2_000;
/// A large run takes larger tables.
const ROWS_PER_TABLE: (usize, usize) = (60, 400);
const SESSION: &str =
    "SET character_set_results = NULL, time_zone = '+00:00', sql_mode = '', max_statement_time = 0";

#[derive(Debug, Default)]
struct Compared {
    tables: usize,
    rows: usize,
    documents: usize,
    /// Of these, documents with the very bytes of the log.
    same_documents: usize,
}

#[tokio::test]
async fn rows_of_mysql_come_as_their_inserts_were_logged() {
    compare(Flavour::MySql).await;
}

#[tokio::test]
async fn rows_of_mariadb_come_as_their_inserts_were_logged() {
    compare(Flavour::MariaDb).await;
}

async fn compare(flavour: Flavour) {
    let seed = setting("HEADWATER_GOLDEN_SEED", fastrand::u64(..));
    let rows = setting("HEADWATER_GOLDEN_ROWS", ROWS) as usize;
    let mut rng = Rng::with_seed(seed);
    let options = ["--max-allowed-packet=1G"];
    let server = match flavour {
        Flavour::MySql => MySql::with(&options).await,
        Flavour::MariaDb => MySql::mariadb(&options).await,
    };
    let server = server.expect("a server");
    let port = server.port();
    let mut scenario = Scenario::of(server, Log::of_statements).await;
    let mut client = Prepared::connect(port, "root").await.expect("a client");
    let session = match flavour {
        Flavour::MySql => SESSION.replace("max_statement_time", "max_execution_time"),
        Flavour::MariaDb => SESSION.to_owned(),
    };
    client.run(&session).await.expect("a session");

    let types = tables::types(flavour, &mut scenario).await;
    let mut compared = Compared::default();
    let edges = tables::edges(&types);
    for made in edges {
        one_table(flavour, &mut scenario, &mut client, &made, &mut compared).await;
    }
    let per_table = if rows > 10_000 {
        ROWS_PER_TABLE.1
    } else {
        ROWS_PER_TABLE.0
    };
    while compared.rows < rows {
        let number = compared.tables;
        let made = Made::random(&types, number, per_table, &mut rng);
        one_table(flavour, &mut scenario, &mut client, &made, &mut compared).await;
    }
    println!("{flavour:?}: {compared:?} and no difference");
}

async fn one_table(
    flavour: Flavour,
    scenario: &mut Scenario,
    client: &mut Prepared,
    made: &Made,
    compared: &mut Compared,
) {
    let dialect = match flavour {
        Flavour::MySql => Dialect::MySql,
        Flavour::MariaDb => Dialect::MariaDb,
    };
    scenario.run(&made.create).await;
    for insert in &made.inserts {
        scenario.try_run(insert).await;
    }
    let blocks = scenario.log.blocks();
    let (list, key) = listed(scenario, &made.name).await;
    let map = snapshot::table_map(&made.name, &list, &key, dialect).expect("a table map");
    let table = Arc::new(map.table().expect("a table"));
    let expressions: Vec<String> = list
        .iter()
        .map(|column| snapshot::selected(column, dialect))
        .collect();
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {}",
        expressions.join(", "),
        path(&made.name.database, &made.name.table),
        crate::scenario::ID
    );
    let answer = client.select(&sql).await.expect("the rows");
    let mut writer = RowWriter::new(&table);
    writer.ensure_sent_as(&answer.types).expect("the types");
    let mut images = Vec::new();
    let mut rows = answer.rows.iter();
    for block in &blocks {
        ensure_same_table(&table, &block.table);
        images.clear();
        let sent = rows.by_ref().take(block.row_count as usize);
        for row in sent {
            writer.write(row, &mut images).expect("an image");
        }
        ensure_same_rows(&table, block, &images, scenario, compared);
    }
    assert_eq!(rows.len(), 0, "every row has been logged");
    compared.tables += 1;
    scenario
        .run(&format!(
            "DROP TABLE {}",
            path(&made.name.database, &made.name.table)
        ))
        .await;
    scenario.log.blocks();
}

fn ensure_same_table(table: &Table, logged: &Table) {
    assert_eq!(table.name, logged.name);
    for (column, logged) in table.columns.iter().zip(&logged.columns) {
        assert_eq!(column, logged, "of {}", table.name);
    }
    assert_eq!(table, logged);
}

/// Images first, which say more; then the lines.
fn ensure_same_rows(
    table: &Arc<Table>,
    block: &RowsBlock,
    images: &[u8],
    scenario: &Scenario,
    compared: &mut Compared,
) {
    let ours = RowsBlock {
        table: Arc::clone(table),
        map: None,
        after: ColumnSet::all(table.columns.len()),
        images: images.to_vec().into(),
        ..block.clone()
    };
    assert_eq!(ours.count_rows(), Ok(block.row_count));
    for (our, logged) in ours.rows().zip(block.rows()) {
        let (our, logged) = (our.unwrap().1.after, logged.unwrap().1.after);
        ensure_same_image(our.unwrap(), logged.unwrap(), compared);
        compared.rows += 1;
    }
    let lines = scenario.log.lines(&ours);
    for (our, logged) in lines.iter().zip(scenario.log.lines(block)) {
        let (our, logged) = (members(our), members(&logged));
        for name in ["key", "data"] {
            let (our, logged) = (member(&our, name), member(&logged, name));
            assert_eq!(our, logged, "{name} of {}", table.name);
        }
    }
}

fn ensure_same_image(our: Image<'_>, logged: Image<'_>, compared: &mut Compared) {
    let (null_bytes, odd) = (logged.nulls.len(), logged.table.columns.len() % 8);
    // Bits behind the last column say nothing, and MariaDB sets them.
    let mask = |index| match odd {
        1.. if index + 1 == null_bytes => !(0xff << odd),
        _ => 0xff_u8,
    };
    for (index, (our, logged)) in our.nulls.iter().zip(logged.nulls).enumerate() {
        assert_eq!(our & mask(index), logged & mask(index), "NULL bits");
    }
    let cells = our.cells().zip(logged.cells());
    for (column, (our, logged)) in logged.table.columns.iter().zip(cells) {
        let (our, logged) = (our.unwrap(), logged.unwrap());
        if matches!(column.kind, ColumnKind::Json { .. }) && our != Cell::Null {
            compared.documents += 1;
            compared.same_documents += usize::from(our == logged);
            continue;
        }
        let shown = |cell| match cell {
            Cell::Bytes(bytes) => format!("{:?}", value::read(&column.kind, bytes)),
            other => format!("{other:?}"),
        };
        assert!(
            our == logged,
            "{} {:?}: {our:?} {} is not {logged:?} {}",
            column.name,
            column.kind,
            shown(our),
            shown(logged)
        );
    }
}

/// The types by family, for both servers.
type Families = Vec<(&'static str, Vec<Type>)>;
