//! Statements that change rows, and statements that are not understood: passed over where their table is not
//! wanted, else a halt that says where to go on.

use super::*;
use crate::{fixture::query_body, schema::NameCase};

/// Wants all tables but those of `percona`.
fn without_percona(log: &mut Log) -> Assembler {
    let mut assembler = begun(log);
    assembler.set_wanted(Box::new(|name| name.database != "percona"));
    assembler
}

const CHECKSUM: &str = "REPLACE INTO percona.checksums (db, tbl, cnt) SELECT 'shop', 'orders', COUNT(*) FROM shop.orders";

#[test]
fn a_statement_on_a_table_that_is_not_wanted_is_passed_over_and_counted() {
    let mut log = Log::new();
    let mut assembler = without_percona(&mut log);
    let mut load = query_body("shop", "LOAD DATA INFILE 'x' INTO TABLE percona.t (a)");
    load.splice(13..13, [0; 13]);
    let items = push(
        &mut assembler,
        [
            log.gtid(7),
            log.begin(),
            // INTVAR, RAND, USER_VAR, BEGIN_LOAD_QUERY and APPEND_BLOCK stand in front of what decides.
            log.event(5, &[2, 1, 0, 0, 0, 0, 0, 0, 0]),
            log.event(13, &[0; 16]),
            log.event(14, &[0; 6]),
            log.query("shop", CHECKSUM),
            log.event(17, b"data"),
            log.event(9, b"data"),
            log.event(18, &load),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.xid(),
        ],
    );
    let expected = [
        "rows shop.orders 0+1".into(),
        format!("commit 7 {}", log.offset),
    ];
    assert_eq!(told(&items), expected);
    assert_eq!(assembler.take_statements_passed_over(), 2);
    assert_eq!(assembler.take_statements_passed_over(), 0);
}

#[test]
fn a_statement_on_a_wanted_table_halts_with_its_table_gtid_and_the_next_position() {
    for text in [
        "INSERT INTO orders VALUES ('secret')",
        "SET STATEMENT max_statement_time = 5 FOR INSERT INTO shop.orders VALUES ('secret')",
    ] {
        let mut log = Log::new();
        let mut assembler = without_percona(&mut log);
        push(&mut assembler, [log.gtid(7), log.begin()]);
        let at = log.offset;
        let items = push(
            &mut assembler,
            [
                log.query("shop", text),
                log.query("shop", CHECKSUM),
                log.table_map(5, "shop", "orders"),
                log.inserts(5, &[1]),
            ],
        );
        assert!(items.is_empty(), "{items:?}");
        let error = refused(&mut assembler, log.xid());
        assert_eq!(
            error.to_string(),
            format!("binlog event QUERY at binlog.000001:{at}")
        );
        let gtid = "1b8f86dd-e709-11f1-a854-02fc00000001:7";
        assert_eq!(
            error.cause.to_string(),
            format!(
                "rows of table `shop.orders` were changed by a statement (INSERT), not logged as rows, in transaction {gtid}"
            )
        );
        let hint = error.hint().expect("a hint");
        let next = format!("`headwater position set binlog.000001:{}`", log.offset);
        assert!(hint.contains(&next), "{hint}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[test]
fn a_statement_that_may_change_any_table_halts_although_its_first_one_is_not_wanted() {
    for text in [
        "DELETE percona.a, orders FROM percona.a JOIN orders",
        "UPDATE percona.a, orders SET orders.v = 1",
        "CALL percona.p()",
        "WITH x AS (SELECT 1) UPDATE percona.a SET v = 1",
    ] {
        let mut log = Log::new();
        let mut assembler = without_percona(&mut log);
        let events = [log.gtid(7), log.begin(), log.query("shop", text)];
        push(&mut assembler, events);
        let error = refused(&mut assembler, log.query("", "COMMIT"));
        let cause = error.cause.to_string();
        assert!(
            cause.starts_with("rows were changed by a statement"),
            "{cause}"
        );
    }
}

#[test]
fn a_statement_that_is_not_understood_halts_and_shows_only_its_first_words() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.gtid(7)]);
    let error = refused(
        &mut assembler,
        log.query("shop", "FROBNICATE ACCOUNT me IDENTIFIED BY 'secret'"),
    );
    let cause = error.cause.to_string();
    assert!(
        cause.starts_with("a statement is not understood (FROBNICATE ACCOUNT …), in transaction"),
        "{cause}"
    );
    let hint = error.hint().expect("a hint");
    let next = format!("`headwater position set binlog.000001:{}`", log.offset);
    assert!(hint.contains(&next), "{hint}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a_log_that_ends_behind_a_refused_statement_halts_without_a_next_position() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let events = [
        log.gtid(7),
        log.begin(),
        log.query("shop", "UPDATE orders SET v = 1"),
    ];
    push(&mut assembler, events);
    let error = refused(&mut assembler, log.gtid(8));
    let hint = error.hint().expect("a hint");
    assert!(
        hint.contains("set a position behind its transaction"),
        "{hint}"
    );
}

#[test]
fn an_empty_memory_table_is_a_truncate() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let items = push(
        &mut assembler,
        [
            log.gtid(7),
            log.begin(),
            log.query("", "DELETE FROM `shop`.`mem`"),
            log.query("", "COMMIT"),
        ],
    );
    let expected = [
        "statement 0 DELETE FROM `shop`.`mem`".into(),
        format!("commit 7 {}", log.offset),
    ];
    assert_eq!(told(&items), expected);
}

#[test]
fn a_table_that_is_not_wanted_is_known_by_the_name_that_the_server_stores() {
    let mut log = Log::new();
    let settings = Settings {
        name_case: NameCase::Folded,
        ..Settings::default()
    };
    let mut assembler = Assembler::with_settings(Position::new(file(), 4), settings);
    assembler.set_wanted(Box::new(|name| name.database != "percona"));
    let events = [
        log.format_description(),
        log.gtid(7),
        log.begin(),
        log.query("shop", "REPLACE INTO Percona.Checksums SELECT 1"),
        log.xid(),
    ];
    push(&mut assembler, events);
    assert_eq!(assembler.take_statements_passed_over(), 1);
}
