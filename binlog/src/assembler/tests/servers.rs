//! What the servers from 5.5 to 8.4, RDS and Aurora write differently, by bytes made by hand. 5.5, 9.x and
//! MariaDB are also read from real logs elsewhere.

use super::*;
use crate::{
    fixture::{gtid_body, query_body_with},
    rows::RowsKind,
};

/// The lengths of the fixed parts that a server of this version announces: one byte a kind.
fn format_description(version: &str, kinds: usize, rows_v2: u8, algorithm: Option<u8>) -> Vec<u8> {
    let mut body = crate::fixture::format_description(version, 0);
    body.truncate(57);
    let mut lengths = vec![0; kinds];
    for (code, bytes) in [
        (2, 13),
        (4, 8),
        (15, 84),
        (19, 8),
        (23, 8),
        (24, 8),
        (25, 8),
    ] {
        lengths[code - 1] = bytes;
    }
    for code in [30, 31, 32] {
        if let Some(length) = lengths.get_mut(code - 1) {
            *length = rows_v2;
        }
    }
    body.extend(lengths);
    body.extend(algorithm);
    body
}

/// The FORMAT_DESCRIPTION of a server that writes nothing behind the lengths of its 27 kinds.
pub(super) fn head_before_5_6(log: &mut Log, version: &str) -> Bytes {
    let body = format_description(version, 27, 0, None);
    let mut head = log.event(14, &body).to_vec();
    head[4] = 15;
    head.into()
}

/// The same rows as an event of version 1, which has no extra data.
pub(super) fn inserts_v1(log: &mut Log, table: u64, values: &[i32]) -> Bytes {
    let mut body = crate::fixture::insert_body(table, values);
    body.drain(8..10);
    log.event(23, &body)
}

#[test]
fn a_log_of_5_5_has_no_checksum_byte_and_no_gtid_and_rows_of_version_1() {
    let mut log = Log::without_checksums();
    let head = head_before_5_6(&mut log, "5.5.62-log");
    let mut assembler = Assembler::new(file(), 4);
    let items = push(
        &mut assembler,
        [
            head,
            log.begin(),
            log.table_map(5, "shop", "orders"),
            inserts_v1(&mut log, 5, &[1, 2]),
            log.xid(),
            log.query("shop", "DROP TABLE t"),
        ],
    );
    let told = told(&items);
    assert_eq!(told[1], "rows shop.orders 0+2");
    assert!(told[2].starts_with("commit - "), "{told:?}");
    assert_eq!(told[3], "statement 0 DROP TABLE t");
}

#[test]
fn a_log_of_5_6_has_gtids_without_commit_times() {
    let mut log = Log::new();
    let mut assembler = Assembler::new(file(), 4);
    let mut gtid = gtid_body(7, 0);
    // Flags, UUID, number: nothing behind them before 5.7.5.
    gtid.truncate(25);
    let items = push(
        &mut assembler,
        [
            log.event(15, &format_description("5.6.51-log", 35, 10, Some(1))),
            log.event(33, &gtid),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.xid(),
        ],
    );
    let Some(Item::Rows(block)) = items.get(1) else {
        panic!("no rows")
    };
    assert_eq!(block.transaction.gtid.as_ref().map(Gtid::number), Some(7));
    assert_eq!(
        block.transaction.commit_us,
        u64::from(log.timestamp) * 1_000_000
    );
    assert!(had_before(&items).is_empty(), "no PREVIOUS_GTIDS");
}

#[test]
fn a_log_of_5_7_has_logical_timestamps_and_no_commit_times() {
    let mut log = Log::new();
    let mut assembler = Assembler::new(file(), 4);
    let mut gtid = gtid_body(7, 0);
    gtid.truncate(25 + 1 + 16);
    let items = push(
        &mut assembler,
        [
            log.event(15, &format_description("5.7.44-log", 38, 10, Some(1))),
            log.event(34, &gtid),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.xid(),
        ],
    );
    let Some(Item::Rows(block)) = items.get(1) else {
        panic!("no rows")
    };
    assert_eq!(block.transaction.gtid, None, "ANONYMOUS_GTID");
    assert_eq!(
        block.transaction.commit_us,
        u64::from(log.timestamp) * 1_000_000
    );
}

#[test]
fn a_log_of_8_0_and_8_4_has_commit_times_and_lengths_of_more_kinds() {
    for (version, kinds) in [("8.0.36", 41), ("8.4.6", 42)] {
        let mut log = Log::new();
        let mut assembler = Assembler::new(file(), 4);
        let items = push(
            &mut assembler,
            [
                log.event(15, &format_description(version, kinds, 10, Some(1))),
                log.event(33, &gtid_body(7, 1_700_000_000_123_456)),
                log.begin(),
                log.table_map(5, "shop", "orders"),
                log.inserts(5, &[1]),
                log.xid(),
            ],
        );
        let Some(Item::Rows(block)) = items.get(1) else {
            panic!("no rows")
        };
        assert_eq!(block.transaction.commit_us, 1_700_000_000_123_456);
    }
}

#[test]
fn extra_data_of_rows_events_is_passed_over() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let plain = crate::fixture::insert_body(5, &[1]);
    let (head, tail) = plain.split_at(8);
    // 8.0.16 and on name the partition: type 1, two bytes.
    let body = [head, &[5, 0, 1, 3, 0], &tail[2..]].concat();
    let items = push(
        &mut assembler,
        [
            log.gtid(7),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.event(30, &body),
            log.xid(),
        ],
    );
    let Some(Item::Rows(block)) = items.first() else {
        panic!("no rows")
    };
    assert_eq!((block.kind, block.row_count), (RowsKind::Insert, 1));
}

#[test]
fn table_ids_of_four_bytes_are_read_where_the_log_says_so() {
    let mut log = Log::without_checksums();
    let mut description = format_description("5.5.62-log", 27, 0, None);
    for code in [19, 23] {
        description[57 + code - 1] = 6;
    }
    let head = {
        let mut bytes = log.event(14, &description).to_vec();
        bytes[4] = 15;
        Bytes::from(bytes)
    };
    let mut map = table_map_body(5, "shop", "orders", 3);
    map.drain(4..6);
    let mut rows = crate::fixture::insert_body(5, &[1]);
    rows.drain(8..10);
    rows.drain(4..6);
    let mut assembler = Assembler::new(file(), 4);
    let items = push(
        &mut assembler,
        [
            head,
            log.begin(),
            log.event(19, &map),
            log.event(23, &rows),
            log.xid(),
        ],
    );
    assert_eq!(told(&items)[1], "rows shop.orders 0+1");
}

/// As `source.tables` has it: the system's own are never wanted.
fn without_system_tables(log: &mut Log) -> Assembler {
    let mut assembler = begun(log);
    assembler.set_wanted(Box::new(|name| {
        !["mysql", "rdsadmin"].contains(&&*name.database)
    }));
    assembler
}

#[test]
fn statements_of_rds_in_its_own_tables_halt_nothing_in_a_log_of_rows() {
    let mut log = Log::new();
    let mut assembler = without_system_tables(&mut log);
    for text in [
        "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,1700000000000) ON DUPLICATE KEY UPDATE value = 1700000000000",
        "insert into `mysql`.`rds_history` values (1)",
        "DELETE FROM rdsadmin.rds_sysinfo where name = 'x'",
        "UPDATE mysql.rds_configuration SET value = NULL WHERE name = 'binlog retention hours'",
        "REPLACE INTO mysql.rds_replication_status VALUES (1)",
    ] {
        let items = push(
            &mut assembler,
            [
                log.gtid(7),
                log.begin(),
                log.query("mysql", text),
                log.query("mysql", "COMMIT"),
            ],
        );
        assert_eq!(told(&items), [format!("commit 7 {}", log.offset)], "{text}");
    }
    // A statement of its own user's tables still halts, whoever writes it.
    let text = "INSERT INTO shop.orders SELECT * FROM mysql.rds_heartbeat2";
    push(
        &mut assembler,
        [log.gtid(8), log.begin(), log.query("mysql", text)],
    );
    let cause = refused(&mut assembler, log.xid()).cause;
    assert!(matches!(cause, Error::Statement(_)), "{cause:?}");
}

#[test]
fn a_default_database_of_the_system_is_enough_to_be_passed_over() {
    let mut log = Log::new();
    let mut assembler = without_system_tables(&mut log);
    let items = push(
        &mut assembler,
        [
            log.gtid(7),
            log.begin(),
            log.query("rdsadmin", "INSERT INTO heartbeat VALUES (1)"),
            log.xid(),
        ],
    );
    assert_eq!(told(&items), [format!("commit 7 {}", log.offset)]);
}

#[test]
fn status_variables_that_a_newer_server_adds_hide_no_statement() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    // 128 and on are MariaDB's.
    let variables = [1, 0, 0, 0, 0, 0, 0, 0, 0, 128, 1, 2, 3, 129, 9];
    let body = query_body_with("shop", b"CREATE TABLE t (a INT)", &variables);
    let items = push(&mut assembler, [log.gtid(7), log.event(2, &body)]);
    assert_eq!(told(&items)[0], "statement 0 CREATE TABLE t (a INT)");
}
