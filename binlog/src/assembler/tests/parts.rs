//! Compressed transactions, whole and in parts.

use super::*;
use crate::fixture::insert_body;

#[test]
fn a_compressed_transaction_is_read_from_inside_its_payload() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut inner = vec![
        log.inner(2, &query_body("", "BEGIN")),
        log.inner(19, &table_map_body(5, "shop", "orders", 3)),
    ];
    for first in 0..10 {
        inner.push(log.inner(30, &insert_body(5, &[first, first + 1])));
    }
    inner.push(log.inner(16, &7u64.to_le_bytes()));
    let plain = inner.concat();
    let compressed = zstd::encode_all(&plain[..], 3).expect("compression");
    let body = payload_body(0, &compressed, plain.len() as u64);
    push(&mut assembler, [log.gtid(9)]);
    let payload_at = log.offset;
    let event = log.event(40, &body);
    let items = push(&mut assembler, [event]);
    assert_eq!(items.len(), 11);
    let Some(Item::Rows(block)) = items.get(9) else {
        panic!("no rows")
    };
    assert_eq!((block.event_offset, block.first_row), (payload_at, 18));
    assert_eq!(told(&items)[10], format!("commit 9 {}", log.offset));

    // The same in slices.
    let mut log = Log::new();
    let settings = Settings {
        slice_bytes_max: 100,
        ..Settings::default()
    };
    let mut assembler = begun_with(&mut log, settings);
    let mut sliced = push(&mut assembler, [log.gtid(9), log.event(40, &body)]);
    let mut slices = 1;
    assert!(sliced.len() < 11 && assembler.is_in_transaction());
    while assembler.more(&mut sliced).expect("a slice") {
        slices += 1;
    }
    assert!(slices > 3);
    assert_eq!(told(&sliced), told(&items));

    // A payload in a payload, or a ROTATE in one, is no transaction.
    let rotate = log.inner(4, &rotate_body("binlog.000002", 4));
    let event = log.event(40, &payload_body(255, &rotate, rotate.len() as u64));
    assert!(matches!(
        refused(&mut assembler, event).cause,
        Error::Malformed { .. }
    ));
}

/// GTID and payload event of a transaction of 50 rows, whose rows do not compress.
fn transaction(log: &mut Log) -> [Bytes; 2] {
    let mut inner = vec![
        log.inner(2, &query_body("", "BEGIN")),
        log.inner(19, &table_map_body(5, "shop", "orders", 3)),
    ];
    for row in 0..50i32 {
        inner.push(log.inner(
            30,
            &insert_body(5, &[row.wrapping_mul(0x9e37_79b1_u32 as i32)]),
        ));
    }
    inner.push(log.inner(16, &7u64.to_le_bytes()));
    let plain = inner.concat();
    let compressed = zstd::encode_all(&plain[..], 3).expect("compression");
    let gtid = log.gtid(9);
    [
        gtid,
        log.event(40, &payload_body(0, &compressed, plain.len() as u64)),
    ]
}

/// Pushes parts of these sizes in turn, and all that each gives.
fn push_parts(
    assembler: &mut Assembler,
    event: &Bytes,
    sizes: &[usize],
) -> Result<Vec<Item>, AssembleError> {
    let (mut items, mut rest) = (Vec::new(), event.clone());
    let mut sizes = sizes.iter().cycle();
    let mut size = 60;
    while !rest.is_empty() {
        let part = rest.split_to(size.min(rest.len()));
        assembler.push_part(&part, &mut items)?;
        assert_eq!(assembler.parts_left(), rest.len() as u64);
        while assembler.more(&mut items)? {}
        if !rest.is_empty() {
            assert!(assembler.is_in_transaction(), "committed too early");
        }
        size = sizes.next().copied().unwrap_or(1);
    }
    Ok(items)
}

#[test]
fn a_commit_never_leaves_before_the_checksum_of_the_whole_payload_was_right() {
    for flipped in [0, 1] {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        let [gtid, event] = transaction(&mut log);
        push(&mut assembler, [gtid]);
        let mut spoiled = event.to_vec();
        let last = spoiled.len() - 1;
        spoiled[last] ^= flipped;
        let outcome = push_parts(&mut assembler, &spoiled.into(), &[event.len() - 62, 1]);
        match outcome {
            Ok(items) => assert!(flipped == 0 && matches!(items.last(), Some(Item::Commit(_)))),
            Err(error) => assert!(flipped == 1 && matches!(error.cause, Error::Checksum { .. })),
        }
    }
}

#[test]
fn nothing_else_may_come_between_parts() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let [gtid, event] = transaction(&mut log);
    push(&mut assembler, [gtid]);
    assembler
        .push_part(&event.slice(..100), &mut Vec::new())
        .expect("a first part");
    assert!(!assembler.has_more());
    let error = refused(&mut assembler, log.xid());
    assert!(matches!(error.cause, Error::Malformed { .. }), "{error:?}");
}

#[test]
fn only_payloads_come_in_parts_and_no_longer_than_they_say() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let [gtid, event] = transaction(&mut log);
    push(&mut assembler, [gtid]);
    let begin = log.begin();
    let mut other = whole_again(&log);
    assert!(
        other
            .push_part(&begin.slice(..25), &mut Vec::new())
            .is_err()
    );
    assert!(other_too_long(&mut assembler, &event).is_err());
}

fn other_too_long(assembler: &mut Assembler, event: &Bytes) -> Result<(), AssembleError> {
    let mut items = Vec::new();
    assembler.push_part(&event.slice(..100), &mut items)?;
    let rest = [&event[100..], b"x"].concat();
    assembler.push_part(&rest.into(), &mut items)
}

proptest! {
    #[test]
    fn parts_give_what_the_whole_gives(
        sizes in prop::collection::vec(1usize..400, 1..5),
        slice_bytes_max in 50usize..2000,
        has_checksums: bool,
        rows_done in 0u64..51,
    ) {
        let mut log = if has_checksums { Log::new() } else { Log::without_checksums() };
        let settings = Settings { rows_done, ..Settings::default() };
        let mut whole = begun_with(&mut log, settings.clone());
        let mut again = Log { offset: 4, ..log.clone() };
        let mut parted = begun_with(&mut again, Settings { slice_bytes_max, ..settings });
        let [gtid, event] = transaction(&mut log);
        let mut expected = push(&mut whole, [gtid.clone(), event.clone()]);
        while whole.more(&mut expected).expect("a slice") {}
        push(&mut parted, [gtid]);
        let items = push_parts(&mut parted, &event, &sizes).expect("parts");
        prop_assert_eq!(told(&items), told(&expected));
        prop_assert_eq!(parted.position(), whole.position());
        prop_assert_eq!(parted.offset(), whole.offset());
    }
}

fn whole_again(log: &Log) -> Assembler {
    begun(&mut Log {
        offset: 4,
        ..log.clone()
    })
}
