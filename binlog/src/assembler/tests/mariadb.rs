//! What MariaDB's logs have of their own, event by event.

use super::*;

const STANDALONE: u8 = 0x29;
const TRANSACTIONAL: u8 = 0x0c;

/// A log of MariaDB 10.11, with its FORMAT_DESCRIPTION pushed.
fn mariadb(log: &mut Log) -> Assembler {
    mariadb_as(StreamKind::Files, log)
}

fn mariadb_as(kind: StreamKind, log: &mut Log) -> Assembler {
    let settings = Settings {
        kind,
        ..Settings::default()
    };
    let mut assembler = Assembler::with_settings(Position::new(file(), 4), settings);
    let mut body = crate::fixture::format_description("10.11.18-MariaDB-log", 1);
    body.pop();
    body.resize(57 + 164, 0);
    body.extend([0x13, 4, 0, 13, 8, 8, 8, 10, 10, 10, 1]);
    push(&mut assembler, [log.event(15, &body)]);
    assembler
}

fn gtid_body(number: u64, flags: u8, extra: u8) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.extend(0u32.to_le_bytes());
    body.push(flags);
    body.push(extra);
    body.resize(19, 0);
    body
}

fn gtid(log: &mut Log, number: u64, flags: u8) -> Bytes {
    log.event(162, &gtid_body(number, flags, 0))
}

/// The same event in no place: MariaDB writes offset 0 into some.
fn unplaced(event: &Bytes) -> Bytes {
    let mut bytes = event.to_vec();
    bytes[13..17].fill(0);
    let covered = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..covered]).to_le_bytes();
    bytes[covered..].copy_from_slice(&checksum);
    bytes.into()
}

#[test]
fn a_mariadb_gtid_is_a_begin_and_numbers_the_transaction() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    let items = push(
        &mut assembler,
        [
            log.event(
                163,
                &[1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0],
            ),
            log.event(161, b"\x0d\0\0\0binlog.000001"),
            gtid(&mut log, 5, TRANSACTIONAL),
            log.event(160, b"INSERT INTO orders VALUES (1), (2)"),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1, 2]),
            log.xid(),
            gtid(&mut log, 6, STANDALONE),
            log.query("shop", "CREATE TABLE t (a INT)"),
        ],
    );
    let told = told(&items);
    assert_eq!(told[2], "rows shop.orders 0+2");
    assert!(told[3].starts_with("commit 5 "), "{told:?}");
    assert_eq!(told[4], "statement 0 CREATE TABLE t (a INT)");
    assert_eq!(told[5], format!("commit 6 {}", log.offset));
    assert_eq!(had_before(&items), ["0-7-4"]);
    let Item::Rows(block) = &items[2] else {
        panic!("no rows")
    };
    let gtid = block.transaction.gtid.as_ref().map(ToString::to_string);
    assert_eq!(gtid, Some("0-1-5".into()));
}

#[test]
fn an_xa_transaction_of_mariadb_halts_before_its_rows() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    let mut body = gtid_body(5, 0x4c, 0);
    body.truncate(13);
    body.extend([1, 0, 0, 0, 1, 0, b'x']);
    let error = refused(&mut assembler, log.event(162, &body));
    assert_eq!(error.cause, Error::Xa("XA PREPARE"));
    assert!(error.hint().is_some());
}

#[test]
fn an_alter_in_two_phases_is_one_statement() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    let alter = "ALTER TABLE t ADD b INT";
    let mut items = Vec::new();
    for (number, extra) in [(1, 2), (2, 4), (3, 2), (4, 8)] {
        let mut body = gtid_body(number, STANDALONE, extra);
        body.resize(22, 0);
        items.extend(push(
            &mut assembler,
            [log.event(162, &body), log.query("shop", alter)],
        ));
    }
    let statements: Vec<_> = told(&items)
        .into_iter()
        .filter(|told| told.starts_with("statement"))
        .collect();
    assert_eq!(statements, [format!("statement 0 {alter}")]);
    assert_eq!(items.len(), 5);
}

#[test]
fn events_without_an_offset_count_when_they_stand_in_the_file_and_not_when_they_do_not() {
    for is_in_file in [true, false] {
        let mut log = Log::new();
        let mut assembler = mariadb(&mut log);
        push(
            &mut assembler,
            [
                gtid(&mut log, 5, TRANSACTIONAL),
                log.table_map(5, "shop", "orders"),
            ],
        );
        let before = log.clone();
        let note = unplaced(&log.event(160, b"INSERT INTO orders VALUES (1)"));
        if !is_in_file {
            log = before;
        }
        let rows = log.inserts(5, &[1]);
        push(&mut assembler, [note, rows, log.xid()]);
        assert_eq!(assembler.offset(), log.offset, "{is_in_file}");
        assert_eq!(assembler.position().offset, log.offset);
    }
}

#[test]
fn a_gap_inside_a_transaction_of_mariadb_halts_all_the_same() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    push(
        &mut assembler,
        [
            gtid(&mut log, 5, TRANSACTIONAL),
            log.table_map(5, "shop", "orders"),
        ],
    );
    log.inserts(5, &[1]);
    assert!(matches!(
        refused(&mut assembler, log.xid()).cause,
        Error::Malformed {
            what: "event offset",
            ..
        }
    ));
}

#[test]
fn a_dump_by_position_of_mariadb_may_lack_start_encryption_and_nothing_else() {
    for (left_out, is_refused) in [(17, false), (13, false), (20, true)] {
        let mut log = Log::new();
        let mut assembler = mariadb_as(StreamKind::ByPosition, &mut log);
        log.event(164, &vec![0; left_out]);
        let transaction = gtid(&mut log, 5, TRANSACTIONAL);
        if is_refused {
            let cause = refused(&mut assembler, transaction).cause;
            assert!(matches!(cause, Error::Gap { .. }), "{cause:?}");
        } else {
            push(&mut assembler, [transaction]);
        }
    }
}

#[test]
fn what_the_dump_puts_in_place_of_an_event_is_nothing() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    let dummy = "# Dummy event replacing event type 160 that slave cannot handle.";
    let items = push(
        &mut assembler,
        [
            gtid(&mut log, 5, TRANSACTIONAL),
            log.query("", dummy),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.xid(),
            // Between transactions it is a transaction without changes.
            log.query("", dummy),
            log.artificial(163, 0, &[0; 4]),
        ],
    );
    let mut told = told(&items);
    told.retain(|told| !told.starts_with("moved"));
    assert_eq!(told[0], "rows shop.orders 0+1");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn a_dump_of_an_encrypted_log_is_read_because_the_server_decrypts_it() {
    let mut log = Log::new();
    let mut assembler = mariadb(&mut log);
    let body = [1; 17];
    // In its place when the file is read from its head, in none when from later on.
    let items = push(&mut assembler, [log.event(164, &body)]);
    assert_eq!(
        told(&items),
        [format!("moved binlog.000001 {}", log.offset)]
    );
    let elsewhere = unplaced(&log.clone().event(164, &body));
    push(&mut assembler, [elsewhere]);
    assert_eq!(assembler.offset(), log.offset);
}
