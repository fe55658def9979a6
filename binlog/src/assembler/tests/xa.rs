//! XA transactions: passed over at PREPARE, read again at their commit.

use super::*;
use crate::{
    fixture::insert_body,
    xa::{Prepared, XaChange, XaPolicy, XaTable, Xid},
};

const ONE: &str = "X'31',X'',1";

fn xid() -> Xid {
    ONE.parse().expect("an XID")
}

fn prepare_body(is_one_phase: bool) -> Vec<u8> {
    let mut body = vec![u8::from(is_one_phase), 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    body.push(0x31);
    body
}

/// GTID, XA START, three rows in two events, XA END, XA PREPARE.
fn prepared(log: &mut Log, number: u64, is_one_phase: bool) -> Vec<Bytes> {
    vec![
        log.gtid(number),
        log.query("", &format!("XA START {ONE}")),
        log.table_map(5, "shop", "orders"),
        log.inserts(5, &[1, 2]),
        log.inserts(5, &[3]),
        log.query("", &format!("XA END {ONE}")),
        log.event(38, &prepare_body(is_one_phase)),
    ]
}

/// The same as one compressed event.
fn compressed(log: &mut Log, number: u64, is_one_phase: bool) -> Vec<Bytes> {
    let inner = [
        log.inner(2, &query_body("", &format!("XA START {ONE}"))),
        log.inner(19, &table_map_body(5, "shop", "orders", 3)),
        log.inner(30, &insert_body(5, &[1, 2])),
        log.inner(30, &insert_body(5, &[3])),
        log.inner(2, &query_body("", &format!("XA END {ONE}"))),
        log.inner(38, &prepare_body(is_one_phase)),
    ]
    .concat();
    let packed = zstd::encode_all(&inner[..], 3).expect("compression");
    let body = payload_body(0, &packed, inner.len() as u64);
    vec![log.gtid(number), log.event(40, &body)]
}

fn settings() -> Settings {
    Settings {
        xa: XaPolicy::AtCommit,
        ..Settings::default()
    }
}

fn at_commit(log: &mut Log) -> (Assembler, Bytes) {
    at_commit_with(log, settings())
}

fn at_commit_with(log: &mut Log, settings: Settings) -> (Assembler, Bytes) {
    let mut assembler = Assembler::with_settings(Position::new(file(), 4), settings);
    let head = log.format_description();
    push(&mut assembler, [head.clone()]);
    (assembler, head)
}

/// Feeds the prepared part as a server sends it.
fn read_again(assembler: &mut Assembler, head: &Bytes, events: &[Bytes]) -> Vec<Item> {
    let wanted = assembler.wanted().expect("a part to read").clone();
    let position = wanted.position.expect("a position");
    assembler.enter_prepared(StreamKind::Files);
    assert!(assembler.is_in_prepared());
    let mut items = Vec::new();
    let rotate = Log::new().artificial(4, 0, &rotate_body("binlog.000001", position.offset));
    for event in [rotate, head.clone()]
        .into_iter()
        .chain(events.iter().cloned())
    {
        assert!(assembler.is_in_prepared());
        assembler
            .push(event, &mut items)
            .expect("a part of the log");
        while assembler.more(&mut items).expect("a slice") {}
    }
    assert!(!assembler.is_in_prepared());
    items
}

fn change(items: &[Item]) -> Option<XaChange> {
    match items.last() {
        Some(Item::Commit(boundary)) => boundary.xa.as_deref().cloned(),
        _ => panic!("no commit: {items:?}"),
    }
}

#[test]
fn rows_count_at_the_commit_and_stand_there() {
    for make in [prepared, compressed] {
        let mut log = Log::new();
        let slices = Settings {
            slice_bytes_max: 1,
            ..settings()
        };
        let (mut assembler, head) = at_commit_with(&mut log, slices);
        let begin = log.offset;
        let part = make(&mut log, 1, false);
        let mut items = push(&mut assembler, part.clone());
        while assembler.more(&mut items).expect("a slice") {}
        assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
        let expected = Prepared {
            xid: xid(),
            position: Some(Position::new(file(), begin)),
            gtid: Some(Gtid::new(GtidSource::untagged(Uuid(UUID)), 1)),
        };
        assert_eq!(change(&items), Some(XaChange::Prepared(expected.clone())));

        // An ordinary transaction in between, of the same table.
        let between = [
            log.gtid(2),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[9]),
            log.xid(),
        ];
        assert_eq!(change(&push(&mut assembler, between)), None);

        let commit_at = log.offset;
        let gtid = log.gtid(3);
        let query_at = log.offset;
        let commit = log.query("", &format!("XA COMMIT {ONE}"));
        assert!(push(&mut assembler, [gtid, commit]).is_empty());
        assert_eq!(assembler.wanted(), Some(&expected));
        let items = read_again(&mut assembler, &head, &part);
        assert_eq!(
            told(&items),
            [
                "rows shop.orders 0+2".into(),
                "rows shop.orders 2+1".into(),
                format!("commit 3 {}", log.offset),
            ]
        );
        let Some(Item::Rows(block)) = items.first() else {
            panic!("no rows")
        };
        assert_eq!(
            (block.transaction.offset, block.event_offset),
            (commit_at, query_at)
        );
        assert_eq!(change(&items), Some(XaChange::Finished(xid())));

        // What follows is read as ever.
        let after = [
            log.gtid(4),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[9]),
            log.xid(),
        ];
        assert_eq!(
            told(&push(&mut assembler, after)),
            [
                "rows shop.orders 0+1".into(),
                format!("commit 4 {}", log.offset)
            ]
        );
    }
}

#[test]
fn what_is_committed_in_one_phase_is_read_twice_as_well() {
    for make in [prepared, compressed] {
        let mut log = Log::new();
        let (mut assembler, head) = at_commit(&mut log);
        let begin = log.offset;
        let part = make(&mut log, 1, true);
        assert!(push(&mut assembler, part.clone()).is_empty());
        let items = read_again(&mut assembler, &head, &part);
        assert_eq!(items.len(), 3);
        assert_eq!(change(&items), None);
        let Some(Item::Rows(block)) = items.first() else {
            panic!("no rows")
        };
        assert_eq!(block.transaction.offset, begin);
        let after = [log.gtid(2), log.query("shop", "DROP TABLE t")];
        assert_eq!(push(&mut assembler, after).len(), 2);
    }
}

#[test]
fn a_rollback_drops_the_rows_also_of_what_was_prepared_before_we_began() {
    let mut log = Log::new();
    let (mut assembler, _) = at_commit(&mut log);
    let part = prepared(&mut log, 1, false);
    push(&mut assembler, part);
    let rollback = format!("XA ROLLBACK {ONE}");
    let items = push(&mut assembler, [log.gtid(2), log.query("", &rollback)]);
    assert_eq!(told(&items), [format!("commit 2 {}", log.offset)]);
    assert_eq!(change(&items), Some(XaChange::Finished(xid())));
    let items = push(&mut assembler, [log.gtid(3), log.query("", &rollback)]);
    assert_eq!(change(&items), None);
}

#[test]
fn a_commit_of_what_was_prepared_before_we_began_halts() {
    let mut log = Log::new();
    let (mut assembler, _) = at_commit(&mut log);
    push(&mut assembler, [log.gtid(3)]);
    let error = refused(&mut assembler, log.query("", &format!("XA COMMIT {ONE}")));
    assert_eq!(error.cause, Error::XaUnknown { xid: ONE.into() });
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("source.start"))
    );
}

#[test]
fn rows_that_are_done_are_left_out_and_counted() {
    let mut log = Log::new();
    let (mut assembler, head) = at_commit(&mut log);
    let part = prepared(&mut log, 1, false);
    let items = push(&mut assembler, part.clone());
    let Some(XaChange::Prepared(open)) = change(&items) else {
        panic!("not prepared")
    };
    let commit_at = log.offset;
    let commit = [log.gtid(2), log.query("", &format!("XA COMMIT {ONE}"))];

    // A new start in the middle of the commit's rows, with the table that was stored.
    let stored = Settings {
        framing: assembler.framing().clone(),
        prepared: XaTable::new(vec![open]),
        rows_done: 2,
        ..settings()
    };
    let mut assembler = Assembler::with_settings(Position::new(file(), commit_at), stored);
    push(&mut assembler, commit);
    let items = read_again(&mut assembler, &head, &part);
    assert_eq!(
        told(&items),
        [
            "rows shop.orders 2+1".into(),
            format!("commit 2 {}", log.offset)
        ]
    );
}

#[test]
fn another_transaction_where_it_was_prepared_halts() {
    let mut log = Log::new();
    let (mut assembler, head) = at_commit(&mut log);
    let part = prepared(&mut log, 1, false);
    push(&mut assembler, part.clone());
    let commit = [log.gtid(2), log.query("", &format!("XA COMMIT {ONE}"))];
    push(&mut assembler, commit);
    assembler.enter_prepared(StreamKind::Files);
    push(&mut assembler, [head, part[0].clone()]);
    let mut other = Log::new();
    other.offset = log.offset;
    let begin = part[1].clone();
    let mut renamed = begin.to_vec();
    let at = renamed
        .windows(5)
        .position(|five| five == b"X'31'")
        .expect("the XID");
    renamed[at + 3] = b'2';
    let end = renamed.len() - 4;
    let checksum = crc32fast::hash(&renamed[..end]).to_le_bytes();
    renamed[end..].copy_from_slice(&checksum);
    let error = refused(&mut assembler, renamed.into());
    assert!(
        error
            .cause
            .to_string()
            .contains("not where it was prepared"),
        "{error:?}"
    );
}
