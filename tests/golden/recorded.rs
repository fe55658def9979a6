//! A log that a real MySQL 5.5 wrote: rows events of version 1, the temporal types before 5.6, no checksums,
//! no GTIDs, no names. Its columns are those that the server's information_schema listed then, and its
//! values must be what its `SELECT` printed then. `scripts/record-55` makes both again.

use std::{collections::BTreeMap, fs, sync::Arc};

use headwater::encode::native::NativeEncoder;
use headwater_actors::ports::encoder::{Encoder, RowEvent};
use headwater_binlog::{
    assembler::{Assembler, Item, Settings},
    columns::{Answer, ColumnList, ListedColumn},
    event::{Checksum, EventHeader, EventKind},
    file::BinlogFile,
    gtid::Uuid,
    position::{FileName, Position},
    rows::RowsBlock,
};

use crate::line::{member, members, string};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded/mysql-5.5");

/// What the client printed under each heading: rows of values, "NULL" for NULL.
fn answers() -> BTreeMap<String, Vec<Vec<String>>> {
    let text = fs::read_to_string(format!("{FOLDER}.select")).expect("the recorded answers");
    let mut answers: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut heading = String::new();
    for line in text.lines() {
        if line.contains('\t') {
            let rows = answers.get_mut(&heading).expect("a heading");
            rows.push(line.split('\t').map(str::to_owned).collect());
        } else {
            heading = line.to_owned();
            answers.insert(heading.clone(), Vec::new());
        }
    }
    answers
}

fn listed(rows: &[Vec<String>]) -> Answer {
    let column = |row: &Vec<String>| {
        let [name, column_type, octets, charset, nullable] = &row[..] else {
            panic!("five values: {row:?}")
        };
        ListedColumn {
            name: name.clone(),
            column_type: column_type.clone(),
            octets: octets.parse().ok(),
            charset: (charset != "NULL").then(|| charset.clone()),
            nullable: nullable == "YES",
            visible: true,
        }
    };
    Answer::Listed(Arc::new(ColumnList {
        columns: rows.iter().map(column).collect(),
        primary_key: vec![0],
    }))
}

struct Recorded {
    lines: Vec<String>,
    statements: Vec<String>,
    kinds: Vec<EventKind>,
}

/// All lines of the log, `answer` being what is known of a table.
fn read(answer: impl Fn(&str) -> Answer) -> Recorded {
    read_from("", answer)
}

/// The same of another log of that server.
fn read_from(which: &str, answer: impl Fn(&str) -> Answer) -> Recorded {
    let bytes = fs::read(format!("{FOLDER}{which}.binlog")).expect("the recorded log");
    let mut file = BinlogFile::open(&bytes[..], 1 << 20).expect("a log");
    let name = FileName::parse("mysql-bin.000001").expect("a name");
    let settings = Settings {
        columns: Some(Arc::default()),
        ..Settings::default()
    };
    let mut assembler = Assembler::with_settings(Position::new(name, 4), settings);
    let mut recorded = Recorded {
        lines: Vec::new(),
        statements: Vec::new(),
        kinds: Vec::new(),
    };
    let mut items = Vec::new();
    while let Some(event) = file.next_event().expect("an event") {
        let header = EventHeader::parse(&event.bytes).expect("a header");
        recorded.kinds.push(header.kind);
        assembler
            .push(event.bytes, &mut items)
            .expect("is accepted");
        if let Some(question) = assembler.question() {
            assembler.learn(answer(&question.table.table));
        }
        // What is open may be taken back.
        if assembler.is_in_transaction() {
            continue;
        }
        for item in items.drain(..) {
            match item {
                Item::Rows(block) => encode(&block, &mut recorded.lines),
                Item::Statement(statement) => {
                    recorded.statements.push(statement.text.to_string());
                }
                _ => {}
            }
        }
    }
    assert_eq!(file.framing().server_version(), "5.5.9-log");
    assert_eq!(file.framing().checksum(), Checksum::None);
    recorded
}

fn encode(block: &RowsBlock, lines: &mut Vec<String>) {
    assert!(block.transaction.gtid.is_none());
    let encoder = NativeEncoder::new(Uuid([7; 16]));
    let mut encoder = encoder.plan(&block.table);
    encoder.block(block, 1);
    for (n, row) in (block.first_row..).zip(block.rows()) {
        let (_, row) = row.expect("a row");
        let mut line = Vec::new();
        let event = RowEvent {
            block,
            row,
            n,
            last: false,
        };
        lines.push(match encoder.row(&event, &mut line) {
            Ok(_) => String::from_utf8(line).expect("lines are UTF-8"),
            Err(error) => error.to_string(),
        });
    }
}

/// Whether a value of a line is what the client printed.
fn is_same(name: &str, raw: &str, printed: &str) -> bool {
    match raw {
        "null" => printed == "NULL",
        _ if ["bn", "vb", "lb", "g"].contains(&name) => {
            let bytes = base64_simd::STANDARD.decode_to_vec(string(raw));
            let bytes = bytes.expect("base64");
            printed
                == bytes
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .collect::<String>()
        }
        _ if raw.starts_with('"') => string(raw) == printed,
        _ if ["f", "d"].contains(&name) => raw.parse::<f64>().ok() == printed.parse().ok(),
        _ => raw == printed,
    }
}

fn ensure_same(line: &str, image: &str, columns: &[Vec<String>], printed: &[Vec<String>]) {
    let line = members(line);
    let values = members(member(&line, image).expect("an image"));
    let id = member(&values, "id").expect("an id");
    let printed = printed.iter().find(|row| row[0] == id).expect("its row");
    assert_eq!(columns.len(), printed.len());
    for (column, printed) in columns.iter().zip(printed) {
        let raw = member(&values, &column[0]).expect("every column");
        assert!(
            is_same(&column[0], raw, printed),
            "row {id}, {}: {raw} in the line, {printed} by SELECT",
            column[0]
        );
    }
}

#[test]
fn a_log_of_mysql_5_5_prints_as_its_select_printed_it() {
    let answers = answers();
    let columns = &answers["columns of types"];
    let recorded = read(|table| listed(&answers[&format!("columns of {table}")]));
    let of = |kind: &str, table: &str| {
        let head = format!(r#"{{"type":"{kind}","database":"shop","table":"{table}","#);
        let lines = recorded.lines.iter().filter(|line| line.starts_with(&head));
        lines.map(String::as_str).collect::<Vec<_>>()
    };
    let inserts = of("insert", "types");
    assert_eq!(inserts.len(), 4);
    for line in inserts {
        ensure_same(line, "data", columns, &answers["inserted"]);
    }
    let updates = of("update", "types");
    assert_eq!(updates.len(), 2);
    for line in updates {
        ensure_same(line, "data", columns, &answers["updated"]);
    }
    let deletes = of("delete", "types");
    assert_eq!(deletes.len(), 1, "the other was rolled back");
    ensure_same(deletes[0], "data", columns, &answers["inserted"]);
    assert_eq!(of("insert", "plain").len(), 2);
    let statements: Vec<_> = recorded.statements.iter().map(|text| &text[..8]).collect();
    assert_eq!(
        statements,
        ["CREATE D", "CREATE T", "CREATE T", "ALTER TA", "TRUNCATE"]
    );
    for kind in [
        EventKind::WriteRowsV1,
        EventKind::UpdateRowsV1,
        EventKind::DeleteRowsV1,
    ] {
        assert!(recorded.kinds.contains(&kind), "{kind}");
    }
}

#[test]
fn a_log_of_mysql_5_5_without_a_server_has_its_columns_by_number() {
    let recorded = read(|_| Answer::Positional);
    // Nothing says that the column is latin1.
    assert_eq!(
        recorded.lines[0],
        "text: column `@20` of table `shop.types`: not valid utf8mb4 at byte 3"
    );
    let second = members(&recorded.lines[1]);
    let values = members(member(&second, "data").expect("an image"));
    assert_eq!(values[0], ("@1".to_owned(), "2"));
    assert_eq!(member(&values, "@14"), Some("\"0000-00-00\""));
    assert_eq!(member(&values, "@15"), Some("\"-00:00:01\""));
    assert_eq!(member(&values, "@16"), Some("\"0000-00-00 00:00:00\""));
    assert_eq!(member(&values, "@17"), Some("\"1970-01-01 00:00:01\""));
    assert_eq!(values.len(), 28);
}

#[test]
fn rows_that_mysql_5_5_rolled_back_are_none_and_those_that_it_kept_are_there() {
    let recorded = read_from("-rollbacks", |_| Answer::Positional);
    let row = |line: &String| {
        let line = members(line);
        let table = string(member(&line, "table").expect("a table")).to_string();
        let values = members(member(&line, "data").expect("an image"));
        format!("{table} {}", values[0].1)
    };
    let rows: Vec<_> = recorded.lines.iter().map(row).collect();
    assert_eq!(
        rows,
        ["kept 100", "acc 3", "kept 101", "acc 4", "acc 6"],
        "the server logs what cannot roll back in transactions of their own"
    );
}
