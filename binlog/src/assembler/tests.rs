//! From events to transactions, event by event.

mod ends;
mod fingerprint;
mod halts;
mod maps;
mod mariadb;
mod parts;
mod resume;
mod servers;
mod statements;
mod streams;
mod undone;
mod unnamed;
mod xa;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    Error,
    event::MAGIC,
    fixture::{Log, UUID, insert_body, payload_body, query_body, rotate_body, table_map_body},
    gtid::{Gtid, GtidSource, Uuid},
    transaction::TransactionEnd,
};

fn file() -> FileName {
    FileName::parse("binlog.000001").expect("a file name")
}

/// An assembler at the head of a file, which has read the file's FORMAT_DESCRIPTION.
fn begun(log: &mut Log) -> Assembler {
    begun_with(log, Settings::default())
}

fn begun_with(log: &mut Log, settings: Settings) -> Assembler {
    let mut assembler = Assembler::with_settings(Position::new(file(), 4), settings);
    let mut items = Vec::new();
    assembler
        .push(log.format_description(), &mut items)
        .expect("a format description");
    assembler
}

fn push(assembler: &mut Assembler, events: impl IntoIterator<Item = Bytes>) -> Vec<Item> {
    let mut items = Vec::new();
    for event in events {
        assembler
            .push(event, &mut items)
            .expect("an event that is accepted");
    }
    items
}

fn refused(assembler: &mut Assembler, event: Bytes) -> AssembleError {
    assembler
        .push(event, &mut Vec::new())
        .expect_err("an event that is refused")
}

/// What the items are, in short.
fn told(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .map(|item| match item {
            Item::Rows(block) => format!(
                "rows {} {}+{}",
                block.table.name, block.first_row, block.row_count
            ),
            Item::Statement(statement) => format!("statement {} {}", statement.row, statement.text),
            Item::Commit(boundary) => {
                let gtid = boundary
                    .gtid
                    .as_ref()
                    .map_or("-".into(), |gtid| gtid.number().to_string());
                format!("commit {gtid} {}", boundary.offset)
            }
            Item::Moved(boundary) => format!("moved {} {}", boundary.file, boundary.offset),
        })
        .collect()
}

/// What files say was committed before them.
fn had_before(items: &[Item]) -> Vec<String> {
    let had = items.iter().filter_map(|item| match item {
        Item::Moved(place) => place.had.as_deref(),
        _ => None,
    });
    had.map(ToString::to_string).collect()
}

#[test]
fn a_transaction_gives_its_rows_and_its_boundary() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let start = log.offset;
    let items = push(
        &mut assembler,
        [log.gtid(7), log.begin(), log.table_map(5, "shop", "orders")],
    );
    assert!(items.is_empty());
    assert!(assembler.is_in_transaction());
    let rows_at = log.offset;
    let items = push(
        &mut assembler,
        [log.inserts(5, &[1, 2]), log.inserts(5, &[3])],
    );
    assert_eq!(
        told(&items),
        ["rows shop.orders 0+2", "rows shop.orders 2+1"]
    );
    assert_eq!(assembler.rows_done(), 3);
    assert_eq!(assembler.position().offset, start);
    let Some(Item::Rows(block)) = items.first() else {
        panic!("no rows")
    };
    assert_eq!(block.event_offset, rows_at);
    let expected = Transaction {
        gtid: Some(Gtid::MySql {
            source: GtidSource::untagged(Uuid(UUID)),
            number: 7,
        }),
        file: file(),
        offset: start,
        server_id: 1,
        commit_us: 1_700_000_000_123_456,
        thread_id: Some(9),
        end: Default::default(),
        snapshot: None,
    };
    assert_eq!(*block.transaction, expected);
    let items = push(&mut assembler, [log.xid()]);
    let boundary = Boundary {
        file: file(),
        offset: log.offset,
        gtid: expected.gtid,
        commit_us: expected.commit_us,
        xa: None,
        log: None,
        had: None,
    };
    assert!(
        matches!(&items[..], [Item::Commit(commit)] if *commit == boundary),
        "{items:?}"
    );
    assert_eq!(
        assembler.position().to_string(),
        format!("binlog.000001:{}", log.offset)
    );
    assert_eq!(
        (assembler.is_in_transaction(), assembler.rows_done()),
        (false, 0)
    );
}

#[test]
fn the_same_table_map_gives_the_same_table_until_the_log_rotates() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut tables = Vec::new();
    for number in 1..4 {
        let items = push(
            &mut assembler,
            [
                log.gtid(number),
                log.begin(),
                log.table_map(5, "shop", "orders"),
                log.inserts(5, &[1]),
                log.xid(),
            ],
        );
        let Some(Item::Rows(block)) = items.first() else {
            panic!("no rows")
        };
        tables.push(block.table.clone());
    }
    assert!(Arc::ptr_eq(&tables[0], &tables[1]) && Arc::ptr_eq(&tables[1], &tables[2]));
    // Another table under the id of the first.
    let items = push(
        &mut assembler,
        [
            log.gtid(4),
            log.begin(),
            log.table_map(5, "shop", "lines"),
            log.inserts(5, &[1]),
            log.xid(),
        ],
    );
    assert_eq!(told(&items)[0], "rows shop.lines 0+1");
    push(
        &mut assembler,
        [log.event(4, &rotate_body("binlog.000002", 4))],
    );
    let mut log = Log::new();
    push(
        &mut assembler,
        [log.format_description(), log.gtid(5), log.begin()],
    );
    let offset = log.offset;
    let error = refused(&mut assembler, log.inserts(5, &[1]));
    assert!(
        error.cause.to_string().contains("no table map"),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("binlog event WRITE_ROWS at binlog.000002:{offset}")
    );
}

#[test]
fn unpublished_statements_move_the_position_and_give_no_text() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    for text in [
        "CREATE USER a IDENTIFIED BY 'x'",
        "DROP TEMPORARY TABLE t",
        "# Dummy event",
        "XA ROLLBACK X'31',X'',1",
    ] {
        let items = push(&mut assembler, [log.gtid(1), log.query("", text)]);
        assert_eq!(told(&items), [format!("commit 1 {}", log.offset)], "{text}");
    }
}

#[test]
fn logs_without_gtids_open_transactions_at_begin() {
    let mut log = Log::without_checksums();
    let mut assembler = begun(&mut log);
    let start = log.offset;
    let items = push(
        &mut assembler,
        [
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.query("", "COMMIT"),
        ],
    );
    assert_eq!(
        told(&items),
        [
            "rows shop.orders 0+1".into(),
            format!("commit - {}", log.offset)
        ]
    );
    let Some(Item::Rows(block)) = items.first() else {
        panic!("no rows")
    };
    assert_eq!(
        (block.transaction.offset, block.transaction.commit_us),
        (start, 1_700_000_000_000_000)
    );
}

#[test]
fn a_statements_text_stands_with_its_rows_up_to_its_end_where_it_is_wanted() {
    for keeps_queries in [true, false] {
        let mut log = Log::new();
        let settings = Settings {
            keeps_queries,
            ..Settings::default()
        };
        let mut assembler = begun_with(&mut log, settings);
        let mut more = insert_body(5, &[1]);
        more[6] = 0; // not the statement's end
        let events = [
            log.gtid(1),
            log.begin(),
            log.event(29, b"\x01INSERT one"),
            log.table_map(5, "shop", "orders"),
            log.event(30, &more),
            log.inserts(5, &[2]),
            log.inserts(5, &[3]),
            log.event(29, b"\x01\xff"),
            log.inserts(5, &[4]),
            log.event(160, b"INSERT five"),
            log.inserts(5, &[5]),
            log.event(29, b""),
            log.xid(),
        ];
        let items = push(&mut assembler, events);
        let queries: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Rows(block) => Some(block.query.as_deref()),
                _ => None,
            })
            .collect();
        let one = keeps_queries.then_some("INSERT one");
        let five = keeps_queries.then_some("INSERT five");
        assert_eq!(queries, [one, one, None, None, five]);
    }
}

#[test]
fn dummy_rows_and_passed_over_events_give_nothing() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let dummy = [&[0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 2, 0, 0][..]].concat();
    let events = [
        log.gtid(1),
        log.event(14, b"user variable before DDL"),
        log.begin(),
        log.event(29, b"\x06INSERT"),
        log.event(30, &dummy),
        log.event(36, b"context"),
        log.event(37, b"view"),
        log.event(43, b"large"),
        log.xid(),
    ];
    assert_eq!(
        told(&push(&mut assembler, events)),
        [format!("commit 1 {}", log.offset)]
    );
}

#[test]
fn rotate_format_description_and_heartbeats_move_the_position() {
    let mut log = Log::new();
    let mut assembler = Assembler::new(file(), 4);
    let fake = log.artificial(4, 0, &rotate_body("binlog.000001", 4));
    let mut items = push(&mut assembler, [fake, log.format_description()]);
    let head = log.offset;
    let mut previous = 1u64.to_le_bytes().to_vec();
    previous.extend_from_slice(&UUID);
    for number in [1u64, 1, 6] {
        previous.extend_from_slice(&number.to_le_bytes());
    }
    items.extend(push(&mut assembler, [log.event(35, &previous)]));
    assert_eq!(
        told(&items),
        [
            format!("moved binlog.000001 {head}"),
            format!("moved binlog.000001 {}", log.offset)
        ]
    );
    assert_eq!(
        had_before(&items),
        ["1b8f86dd-e709-11f1-a854-02fc00000001:1-5"]
    );

    // The server has skipped 1000 bytes that we said we have.
    let beat = log.artificial(27, log.offset as u32 + 1000, b"binlog.000001");
    assert_eq!(
        told(&push(&mut assembler, [beat])),
        [format!("moved binlog.000001 {}", log.offset + 1000)]
    );
    let mut fields = vec![1, 13];
    fields.extend_from_slice(b"binlog.000001");
    fields.extend_from_slice(&[2, 9, 0xfe]);
    fields.extend_from_slice(&(5u64 << 32).to_le_bytes());
    fields.push(0);
    let beat = log.artificial(41, 0, &fields);
    assert_eq!(
        told(&push(&mut assembler, [beat])),
        [format!("moved binlog.000001 {}", 5u64 << 32)]
    );

    log.offset = 5 << 32;
    let rotate = log.event(4, &rotate_body("binlog.000002", 4));
    let again = log.artificial(4, 0, &rotate_body("binlog.000002", 4));
    assert!(push(&mut assembler, [rotate, again]).is_empty());
    let mut log = Log::new();
    assert_eq!(
        told(&push(&mut assembler, [log.format_description()])),
        [format!("moved binlog.000002 {}", log.offset)]
    );
}

#[test]
fn offsets_are_counted_beyond_four_gigabytes() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.gtid(1), log.begin(), log.xid()]);
    // As after a giant transaction: the header's 32 bits have wrapped.
    let jump = log.artificial(4, 0, &rotate_body("binlog.000001", (1 << 32) - 10));
    push(&mut assembler, [jump]);
    log.offset = (1 << 32) - 10;
    let items = push(&mut assembler, [log.gtid(2), log.begin(), log.xid()]);
    assert!(log.offset > 1 << 32);
    assert_eq!(told(&items), [format!("commit 2 {}", log.offset)]);
}

proptest! {
    #[test]
    fn no_bodies_panic(events in prop::collection::vec((0u8..48, prop::collection::vec(any::<u8>(), 0..60)), 1..8), is_begun: bool) {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        if is_begun {
            push(&mut assembler, [log.gtid(1), log.begin(), log.table_map(5, "shop", "orders")]);
        }
        for (code, mut body) in events {
            if (23..=39).contains(&code) && body.len() >= 8 && is_begun {
                body[..8].copy_from_slice(&[5, 0, 0, 0, 0, 0, 1, 0]);
            }
            if assembler.push(log.event(code, &body), &mut Vec::new()).is_err() {
                break;
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        drop(Assembler::new(file(), MAGIC.len() as u64).push(bytes.into(), &mut Vec::new()));
    }
}
