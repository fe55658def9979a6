//! How transactions end, and what is known of them only then.

use super::*;

fn end_of(item: Option<&Item>) -> Option<TransactionEnd> {
    let transaction = match item {
        Some(Item::Rows(block)) => &block.transaction,
        Some(Item::Statement(statement)) => &statement.transaction,
        _ => panic!("no change"),
    };
    transaction.end.get().copied()
}

#[test]
fn the_end_tells_all_changes_the_xid_and_which_was_the_last() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    assembler.set_wanted(Box::new(|table| table.table == "orders"));
    let events = [
        log.gtid(1),
        log.begin(),
        log.table_map(5, "shop", "orders"),
        log.table_map(6, "shop", "lines"),
        log.inserts(5, &[10, 11]),
        log.inserts(6, &[20]),
    ];
    let items = push(&mut assembler, events);
    assert_eq!(end_of(items.first()), None);
    push(&mut assembler, [log.xid()]);
    let end = TransactionEnd {
        xid: Some(7),
        last: Some(1),
    };
    assert_eq!(end_of(items.first()), Some(end));
}

#[test]
fn what_ends_without_an_xid_event_has_none() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let alter = push(
        &mut assembler,
        [log.gtid(1), log.query("shop", "ALTER TABLE t ADD c INT")],
    );
    let end = TransactionEnd {
        xid: None,
        last: Some(0),
    };
    assert_eq!(end_of(alter.first()), Some(end));
    let rows = push(
        &mut assembler,
        [
            log.gtid(2),
            log.begin(),
            log.table_map(5, "shop", "orders"),
            log.inserts(5, &[1]),
            log.query("", "COMMIT"),
        ],
    );
    assert_eq!(end_of(rows.first()), Some(end));
}

#[test]
fn statements_commit_themselves_and_those_of_create_select_do_not() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    let items = push(
        &mut assembler,
        [
            log.gtid(1),
            log.query("shop", "ALTER TABLE orders ADD c INT"),
        ],
    );
    assert_eq!(
        told(&items),
        [
            "statement 0 ALTER TABLE orders ADD c INT".into(),
            format!("commit 1 {}", log.offset)
        ]
    );
    let Some(Item::Statement(statement)) = items.first() else {
        panic!("no statement")
    };
    assert_eq!(
        (
            statement.default_database.as_str(),
            statement.charset.as_str()
        ),
        ("shop", "utf8mb4")
    );
    let items = push(
        &mut assembler,
        [
            log.gtid(2),
            log.begin(),
            log.query("shop", "CREATE TABLE t (id INT) START TRANSACTION"),
            log.table_map(6, "shop", "t"),
            log.inserts(6, &[1, 2]),
            log.xid(),
        ],
    );
    let expected = [
        "statement 0 CREATE TABLE t (id INT) START TRANSACTION".into(),
        "rows shop.t 1+2".into(),
        format!("commit 2 {}", log.offset),
    ];
    assert_eq!(told(&items), expected);
}
