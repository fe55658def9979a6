//! Every event at which reading stops says why, where, and what to do.

use super::*;

#[test]
fn events_that_may_not_be_skipped_halt_with_place_reason_and_remedy() {
    let cases = [
        (
            26,
            "INCIDENT",
            "the source lost events: incident 1, \"gap\"",
        ),
        (38, "XA_PREPARE", "XA transaction: XA PREPARE"),
        (
            99,
            "of type 99",
            "event of unknown type 99, not marked as ignorable",
        ),
    ];
    for (code, kind, cause) in cases {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        push(&mut assembler, [log.gtid(1), log.begin()]);
        let offset = log.offset;
        let error = refused(
            &mut assembler,
            log.event(code, &[1, 0, 3, b'g', b'a', b'p']),
        );
        assert_eq!((error.file.clone(), error.offset), (file(), offset));
        assert_eq!(
            error.to_string(),
            format!("binlog event {kind} at binlog.000001:{offset}")
        );
        assert_eq!(error.cause.to_string(), cause);
        assert!(error.hint().is_some(), "{kind}");
    }
}

#[test]
fn xa_transactions_halt_where_the_settings_say_so() {
    for (text, cause) in [
        ("XA START X'31',X'',1", Error::Xa("XA START")),
        ("XA END X'31',X'',1", Error::Xa("XA END")),
        ("XA COMMIT X'31',X'',1", Error::Xa("XA COMMIT")),
    ] {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        push(&mut assembler, [log.gtid(1)]);
        let error = refused(&mut assembler, log.query("shop", text));
        assert_eq!(error.cause, cause);
    }
}

#[test]
fn an_unknown_event_marked_ignorable_is_skipped() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut bytes = log.event(99, b"anything").to_vec();
    bytes[17] |= 0x80;
    let covered = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..covered]).to_le_bytes();
    bytes[covered..].copy_from_slice(&checksum);
    assert!(push(&mut assembler, [bytes.into()]).is_empty());
    assert_eq!(assembler.offset(), log.offset);
}

#[test]
fn a_transaction_that_is_not_finished_halts_at_the_next_one() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let began = log.offset;
    push(&mut assembler, [log.gtid(1), log.begin()]);
    let mut other = log.clone();
    for event in [
        log.gtid(2),
        other.event(4, &rotate_body("binlog.000002", 4)),
    ] {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        push(&mut assembler, [log.gtid(1), log.begin()]);
        assert_eq!(
            refused(&mut assembler, event).cause,
            Error::UnfinishedTransaction { began }
        );
    }
}

#[test]
fn rows_outside_a_transaction_halt() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    assert!(matches!(
        refused(&mut assembler, log.table_map(5, "shop", "orders")).cause,
        Error::Malformed {
            what: "event order",
            ..
        }
    ));
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    assert!(matches!(
        refused(&mut assembler, log.xid()).cause,
        Error::Malformed {
            what: "event order",
            ..
        }
    ));
}

#[test]
fn a_damaged_event_halts() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let mut bytes = log.gtid(1).to_vec();
    bytes[30] ^= 1;
    let error = refused(&mut assembler, bytes.into());
    assert!(matches!(error.cause, Error::Checksum { .. }));
    assert_eq!(error.kind, crate::event::EventKind::Gtid);
}

#[test]
fn a_table_that_cannot_be_read_halts_only_when_it_is_wanted() {
    for is_wanted in [true, false] {
        let mut log = Log::new();
        let mut assembler = begun(&mut log);
        assembler.set_wanted(Box::new(move |name| is_wanted || name.table != "odd"));
        push(
            &mut assembler,
            [
                log.gtid(1),
                log.begin(),
                log.event(19, &table_map_body(5, "shop", "odd", 200)),
            ],
        );
        let rows = log.inserts(5, &[1]);
        if is_wanted {
            assert_eq!(
                refused(&mut assembler, rows).kind,
                crate::event::EventKind::WriteRows
            );
        } else {
            let items = push(&mut assembler, [rows, log.xid()]);
            assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
        }
    }
}

#[test]
fn a_gap_is_accepted_only_between_transactions() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    log.offset += 500;
    let items = push(&mut assembler, [log.gtid(1), log.begin(), log.xid()]);
    assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
    push(&mut assembler, [log.gtid(2), log.begin()]);
    log.offset += 500;
    assert!(matches!(
        refused(&mut assembler, log.xid()).cause,
        Error::Malformed {
            what: "event offset",
            ..
        }
    ));
    // Backwards, never.
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    log.offset -= 10;
    assert!(matches!(
        refused(&mut assembler, log.gtid(1)).cause,
        Error::Malformed {
            what: "event offset",
            ..
        }
    ));
}
