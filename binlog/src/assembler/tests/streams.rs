//! What each kind of stream may leave out, and where it may lead.

use super::*;

fn of(kind: StreamKind, from: u64) -> Assembler {
    let settings = Settings {
        kind,
        ..Settings::default()
    };
    Assembler::with_settings(Position::new(file(), from), settings)
}

/// Behind the head of a file.
fn begun_as(kind: StreamKind, log: &mut Log) -> Assembler {
    let mut assembler = of(kind, 4);
    let fake = log.artificial(4, 0, &rotate_body("binlog.000001", 4));
    push(&mut assembler, [fake, log.format_description()]);
    assembler
}

fn transaction(log: &mut Log, number: u64) -> Vec<Bytes> {
    vec![log.gtid(number), log.begin(), log.xid()]
}

fn refused_in_turn(assembler: &mut Assembler, events: &[Bytes]) -> Error {
    let (last, others) = events.split_last().expect("an event");
    push(assembler, others.to_vec());
    refused(assembler, last.clone()).cause
}

fn leads_astray(cause: &Error) -> bool {
    matches!(
        cause,
        Error::Malformed {
            what: "ROTATE event",
            ..
        }
    )
}

#[test]
fn a_dump_by_position_has_no_gap_between_transactions() {
    let before = |kind| {
        let mut log = Log::new();
        let mut assembler = begun_as(kind, &mut log);
        push(&mut assembler, transaction(&mut log, 1));
        let from = log.offset;
        transaction(&mut log, 2);
        (assembler, from, log)
    };
    let heartbeat_v2 = |offset: u64| {
        let mut fields = vec![1, 13];
        fields.extend_from_slice(b"binlog.000001");
        fields.extend_from_slice(&[2, 9, 0xfe]);
        fields.extend_from_slice(&offset.to_le_bytes());
        fields.push(0);
        fields
    };
    let behind: [&dyn Fn(&mut Log) -> Bytes; 5] = [
        &|log| log.gtid(3),
        &|log| log.event(3, b""),
        &|log| log.event(4, &rotate_body("binlog.000002", 4)),
        &|log| log.artificial(27, log.offset as u32, b"binlog.000001"),
        &|log| log.artificial(41, 0, &heartbeat_v2(log.offset)),
    ];
    for event in behind {
        let (mut assembler, from, mut log) = before(StreamKind::ByPosition);
        let to = log.offset;
        let cause = refused(&mut assembler, event(&mut log)).cause;
        assert_eq!(cause, Error::Gap { from, to });
        for kind in [StreamKind::ByGtid, StreamKind::Files] {
            let (mut assembler, _, mut log) = before(kind);
            push(&mut assembler, [event(&mut log)]);
        }
    }
}

#[test]
fn a_dump_by_position_has_no_gap_at_its_begin_and_none_where_offsets_wrap() {
    let mut log = Log::new();
    let head = log.format_description();
    for from in [1000, (1 << 32) - 10] {
        log.offset = from;
        let mut assembler = of(StreamKind::ByPosition, from);
        push(&mut assembler, [head.clone()]);
        let mut assembler_behind = of(StreamKind::ByPosition, from);
        push(&mut assembler_behind, [head.clone()]);
        let items = push(&mut assembler, transaction(&mut log, 1));
        assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
        let cause = refused(&mut assembler_behind, log.gtid(2)).cause;
        assert!(matches!(cause, Error::Gap { .. }), "{cause:?}");
    }
}

#[test]
fn names_of_files_move_nothing() {
    for kind in [
        StreamKind::ByPosition,
        StreamKind::ByGtid,
        StreamKind::Files,
    ] {
        let mut log = Log::new();
        let mut assembler = begun_as(kind, &mut log);
        let before = assembler.position().clone();
        let told = log.artificial(4, 0, &rotate_body("binlog.000777", 4));
        assert!(push(&mut assembler, [told]).is_empty());
        let beat = log.artificial(27, 5000, b"binlog.000777");
        assert!(push(&mut assembler, [beat]).is_empty());
        assert_eq!(*assembler.position(), before);
    }
}

#[test]
fn a_dump_by_position_begins_where_it_was_asked_to() {
    for (name, offset) in [
        ("binlog.000001", 5),
        ("binlog.000002", 4),
        ("other.000001", 4),
    ] {
        let log = Log::new();
        let elsewhere = log.artificial(4, 0, &rotate_body(name, offset));
        let cause = refused(&mut of(StreamKind::ByPosition, 4), elsewhere.clone()).cause;
        assert!(leads_astray(&cause), "{name}:{offset}: {cause:?}");
        push(&mut of(StreamKind::ByGtid, 4), [elsewhere]);
    }
}

#[test]
fn a_file_is_followed_by_the_one_that_it_names_or_by_a_later_one() {
    let real = |log: &mut Log, name| log.event(4, &rotate_body(name, 4));
    let told = |log: &mut Log, name| log.artificial(4, 0, &rotate_body(name, 4));
    for kind in [StreamKind::ByPosition, StreamKind::ByGtid] {
        let mut log = Log::new();
        let mut assembler = begun_as(kind, &mut log);
        let rotates = [
            real(&mut log, "binlog.000002"),
            told(&mut log, "binlog.000003"),
        ];
        assert!(leads_astray(&refused_in_turn(&mut assembler, &rotates)));
        for name in ["binlog.000000", "binlog.000001"] {
            for event in [real, told] {
                let mut log = Log::new();
                let mut assembler = begun_as(kind, &mut log);
                let cause = refused(&mut assembler, event(&mut log, name)).cause;
                assert!(leads_astray(&cause), "{name}: {cause:?}");
            }
        }
        // The server crashed, or was started with another name for its log.
        for name in ["binlog.000002", "binlog.000003", "other.000001"] {
            let mut log = Log::new();
            let mut assembler = begun_as(kind, &mut log);
            let rotate = told(&mut log, name);
            let mut log = Log::new();
            let items = push(&mut assembler, [rotate, log.format_description()]);
            assert_eq!(
                super::told(&items),
                [format!("moved {name} {}", log.offset)]
            );
        }
    }
}

#[test]
fn a_file_says_what_it_is_before_it_says_anything_else() {
    let mut log = Log::new();
    let mut assembler = begun_as(StreamKind::ByPosition, &mut log);
    let rotate = log.event(4, &rotate_body("binlog.000002", 4));
    let mut log = Log::new();
    let cause = refused_in_turn(&mut assembler, &[rotate, log.gtid(1)]);
    assert!(
        matches!(
            cause,
            Error::Malformed {
                what: "event order",
                ..
            }
        ),
        "{cause:?}"
    );
}
