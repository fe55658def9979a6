//! Rows of snapshots become records and letters as inserts do: in every format, packing and partition key.

use std::sync::Arc;

use bytes::Bytes;
use headwater::{encode::shape::ShapeRules, plan::Plan, settings::Layers, sinks::dead_letter};
use headwater_actors::{
    budget::{ByteBudget, Permit},
    changes::Part,
    lane::Lane,
    messages::{BarrierSeq, LaneChanges},
    on_error::{OnError, Policy},
    ports::{
        dead_letters::{DeadLetter, DeadLetters},
        sink::Record,
    },
    progress::Home,
    writer::{
        buffer::{Flight, LaneBuffer, RecordRules, Step},
        lines::{KeptPlans, Lines},
    },
};
use headwater_binlog::{
    ddl::{Action, Subject},
    event::Dialect,
    gtid::Uuid,
    position::FileName,
    rows::{ColumnSet, RowsBlock, RowsKind},
    table_map::TableMap,
    transaction::{SnapshotOrigin, Statement, Transaction},
};

const HOME: Home = Home {
    server_uuid: Uuid([7; 16]),
    epoch: 2,
};

fn plan(sets: &[&str]) -> Plan {
    let kinesis = ["sink.type=kinesis", "sink.kinesis.stream=s"];
    let sets = kinesis.iter().chain(sets);
    let sets: Vec<String> = sets.map(ToString::to_string).collect();
    let layers = Layers {
        sets: &sets,
        ..Layers::default()
    };
    Plan::from_settings(&layers.load().expect("settings")).expect("a plan")
}

fn transaction(is_snapshot: bool) -> Arc<Transaction> {
    Arc::new(Transaction {
        gtid: None,
        file: FileName::parse("binlog.000001").expect("a file name"),
        offset: 570,
        server_id: 11,
        commit_us: 1_706_933_106_044_120,
        thread_id: None,
        end: Default::default(),
        snapshot: is_snapshot.then(|| SnapshotOrigin {
            run: "fix".into(),
            attempt: 3,
            is_apart: false,
        }),
    })
}

/// `shop.orders`: `id INT`, the key, and `note VARCHAR` in latin1.
fn table_map() -> TableMap {
    let mut body = b"\x05\0\0\0\0\0\x01\0\x04shop\0\x06orders\0".to_vec();
    body.extend(b"\x02\x03\x0f\x02\x09\0\x03\x01\x01\0\x02\x01\x08");
    body.extend(b"\x04\x08\x02id\x04note\x08\x01\0");
    TableMap {
        body: body.into(),
        dialect: Dialect::MySql,
        post_header_bytes: 8,
        answer: None,
    }
}

/// One row of each part, so that each can be a letter.
fn rows(is_snapshot: bool) -> Vec<Part> {
    let map = Arc::new(table_map());
    let table = Arc::new(map.table().expect("a table"));
    let row = |n: u64| Part::Rows {
        block: RowsBlock {
            transaction: transaction(is_snapshot),
            table: Arc::clone(&table),
            map: Some(Arc::clone(&map)),
            kind: RowsKind::Insert,
            event_offset: 570,
            first_row: n,
            row_count: 1,
            before: ColumnSet::none(),
            after: ColumnSet::all(2),
            images: Bytes::copy_from_slice(&[0, n as u8, 0, 0, 0, 2, 0xe9, b'x']),
            query: None,
        },
        numbers: None,
        is_last: false,
    };
    (1..4).map(row).collect()
}

fn mark(action: Action, n: u64) -> Part {
    let table = table_map().table().expect("a table").name;
    Part::Statement {
        statement: Arc::new(Statement {
            transaction: transaction(true),
            event_offset: 570,
            row: n,
            text: "".into(),
            default_database: String::new(),
            sql_mode: 0,
            charset: String::new(),
            subject: Subject::Tables {
                action,
                tables: vec![table],
            },
        }),
        is_shared: false,
        is_last: false,
    }
}

fn lane() -> Arc<Lane> {
    Arc::new(Lane {
        table: table_map().table().expect("a table").name,
        index: 1,
        count: 4,
        run: None,
    })
}

/// The records that the lane's writer makes of them.
async fn records(plan: &Plan, parts: Vec<Part>) -> Vec<Record> {
    let route = &plan.top;
    let rules = RecordRules {
        packing: route.packing.kind,
        compression: route.packing.compression,
        partition_key: route.packing.partition_key.clone(),
        record_bytes_max: 1 << 20,
        sink_bytes_max: 1 << 20,
        policy: Policy {
            oversize: OnError::Halt,
            undecodable: OnError::Halt,
        },
        home: HOME,
    };
    let shape = ShapeRules::new(&plan.shape, plan.errors.invalid_text);
    let encoder = route.format.encoder(HOME.server_uuid, shape);
    let mut lines = Lines::new(encoder, HOME.epoch, KeptPlans::default());
    let mut buffer = LaneBuffer::new(lane(), rules);
    buffer.push(Arc::new(LaneChanges {
        seq: BarrierSeq(1),
        parts,
        heartbeat: None,
        bytes: 0,
        permit: Permit::empty(),
    }));
    let budget = ByteBudget::new(8 << 20);
    let mut records = Vec::new();
    loop {
        match buffer.next_step() {
            Step::Idle => return records,
            Step::Grant(bytes) => buffer.grant(budget.take(bytes).await),
            Step::Pack => buffer.pack(&mut lines).expect("rows that can be written"),
            Step::Prepare(_) => (),
            Step::Fail(failure) => panic!("{failure}"),
            Step::Send(flight) => {
                match flight {
                    Flight::Record(record) => records.push(record),
                    Flight::Nothing => (),
                    other => panic!("{other:?}"),
                }
                buffer.settled();
            }
        }
    }
}

fn lines(records: &[Record]) -> Vec<String> {
    let mut lines = Vec::new();
    for record in records {
        let mut take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        headwater_verify::lines(&record.bytes, &mut take).expect("a known packing");
    }
    lines
}

const FORMATS: [&str; 3] = [
    "format.type=native",
    "format.type=maxwell",
    "format.type=debezium",
];
const PACKINGS: [&str; 5] = [
    "packing.type=newline",
    "packing.type=none",
    "packing.type=json_array",
    "packing.type=kpl",
    "packing.compression=gzip",
];

#[tokio::test]
async fn records_of_a_snapshots_rows_are_those_of_inserts_but_for_the_lines_own_fields() {
    for format in FORMATS {
        let alone = lines(&records(&plan(&[format, "packing.type=none"]), rows(true)).await);
        assert_eq!(alone.len(), 3, "{format}");
        for packing in PACKINGS {
            let plan = plan(&[format, packing]);
            let inserts = records(&plan, rows(false)).await;
            let read = records(&plan, rows(true)).await;
            assert_eq!(lines(&read), alone, "{format} {packing}");
            assert_eq!(lines(&inserts).len(), 3);
            let of = |records: &[Record]| -> Vec<_> {
                let of = |it: &Record| (it.partition_key.clone(), it.explicit_hash_key, it.rows);
                records.iter().map(of).collect()
            };
            assert_eq!(of(&read), of(&inserts), "{format} {packing}");
        }
    }
}

#[tokio::test]
async fn a_snapshots_rows_have_the_partition_keys_of_inserts() {
    let column: &[&str] = &[
        "packing.partition_key=column",
        "packing.partition_columns=note",
    ];
    for partition_key in [
        &["packing.partition_key=primary_key"],
        &["packing.partition_key=table"],
        &["packing.partition_key=database"],
        column,
    ] {
        let plan = plan(&[&["packing.type=none"], partition_key].concat());
        let keys = async |is_snapshot| -> Vec<_> {
            let records = records(&plan, rows(is_snapshot)).await;
            records.into_iter().map(|it| it.partition_key).collect()
        };
        assert_eq!(keys(true).await, keys(false).await, "{partition_key:?}");
    }
}

#[tokio::test]
async fn a_letter_of_a_snapshots_row_or_mark_becomes_the_very_same_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("letters");
    let changes: Vec<Part> = [mark(Action::SnapshotBegin, 0)]
        .into_iter()
        .chain(rows(true))
        .chain([mark(
            Action::SnapshotEnd {
                rows: 3,
                begun: None,
            },
            4,
        )])
        .collect();
    let file = dead_letter::DeadLetterFile::open(&path).expect("opens");
    for change in &changes {
        let letter = DeadLetter {
            lane: lane(),
            reason: "row has 2000000 bytes".to_owned(),
            home: HOME,
            change: change.clone(),
            line: Bytes::new(),
            partition_key: None,
        };
        file.bury(letter).await.expect("synced");
    }
    drop(file);
    let letters = std::fs::read_to_string(&path).expect("readable");
    for (format, count) in FORMATS.into_iter().zip([4, 5, 3]) {
        let plan = plan(&[format, "packing.type=none"]);
        let expected = lines(&records(&plan, changes.clone()).await);
        assert_eq!(expected.len(), count, "{expected:?}");
        let mut replayed = Vec::new();
        for letter in letters.lines() {
            let letter = dead_letter::read(letter.as_bytes()).expect("a letter");
            replayed.extend(lines(&records(&plan, vec![letter.change]).await));
        }
        assert_eq!(replayed, expected);
    }
}
