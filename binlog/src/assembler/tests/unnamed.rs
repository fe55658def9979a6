//! Questions of the assembler: when they are asked, and what their answers serve for.

use super::*;
use crate::columns::{Answer, ColumnList, Known, ListedColumn};

/// The fixture's table, without its names and key.
fn bare_map(id: u64, table: &str) -> Vec<u8> {
    let mut body = table_map_body(id, "shop", table, 3);
    let names_and_key = [4, 3, 2, b'i', b'd', 8, 1, 0];
    assert!(body.ends_with(&names_and_key));
    body.truncate(body.len() - names_and_key.len());
    body
}

fn list(name: &str, column_type: &str) -> Answer {
    let column = ListedColumn {
        name: name.into(),
        column_type: column_type.into(),
        octets: None,
        charset: None,
        nullable: false,
        visible: true,
    };
    Answer::Listed(Arc::new(ColumnList {
        columns: vec![column],
        primary_key: vec![0],
    }))
}

fn asking(log: &mut Log) -> Assembler {
    begun_with(log, known(Arc::default()))
}

fn known(columns: Arc<[Known]>) -> Settings {
    Settings {
        columns: Some(columns),
        ..Settings::default()
    }
}

/// The name under which a transaction's rows come out; `answer` when it is asked for.
fn name_of_rows(
    assembler: &mut Assembler,
    log: &mut Log,
    number: u64,
    answer: Option<Answer>,
) -> String {
    let events = [
        log.gtid(number),
        log.begin(),
        log.event(19, &bare_map(5, "orders")),
    ];
    push(assembler, events);
    assert_eq!(assembler.question().is_some(), answer.is_some());
    if let Some(answer) = answer {
        assembler.learn(answer);
    }
    let items = push(assembler, [log.inserts(5, &[1]), log.xid()]);
    let Some(Item::Rows(block)) = items.first() else {
        panic!("{items:?}")
    };
    block.table.columns[0].name.clone()
}

#[test]
fn a_table_is_asked_for_once_until_a_statement_may_have_changed_it() {
    let mut log = Log::new();
    let mut assembler = asking(&mut log);
    assert_eq!(
        name_of_rows(&mut assembler, &mut log, 1, Some(list("id", "int"))),
        "id"
    );
    assert_eq!(name_of_rows(&mut assembler, &mut log, 2, None), "id");
    push(
        &mut assembler,
        [
            log.gtid(3),
            log.query("shop", "ALTER TABLE items ADD a INT"),
        ],
    );
    push(
        &mut assembler,
        [log.gtid(4), log.query("shop", "TRUNCATE TABLE orders")],
    );
    assert_eq!(name_of_rows(&mut assembler, &mut log, 5, None), "id");
    push(
        &mut assembler,
        [
            log.gtid(6),
            log.query("shop", "ALTER TABLE orders RENAME COLUMN id TO no"),
        ],
    );
    // The same table map, byte for byte, and another name.
    assert_eq!(
        name_of_rows(&mut assembler, &mut log, 7, Some(list("no", "int"))),
        "no"
    );
    assert_eq!(assembler.columns(usize::MAX).len(), 2);
}

#[test]
fn a_list_that_does_not_fit_fails_when_rows_need_it_and_is_not_kept() {
    let mut log = Log::new();
    let mut assembler = asking(&mut log);
    push(
        &mut assembler,
        [
            log.gtid(1),
            log.begin(),
            log.event(19, &bare_map(5, "orders")),
        ],
    );
    assembler.learn(list("id", "bigint"));
    assert!(assembler.columns(usize::MAX).is_empty());
    let error = refused(&mut assembler, log.inserts(5, &[1]));
    assert!(
        matches!(error.cause, Error::ColumnsDoNotFit { .. }),
        "{error:?}"
    );
}

#[test]
fn without_anyone_to_ask_or_without_an_answer_rows_fail() {
    for asks in [false, true] {
        let mut log = Log::new();
        let settings = Settings {
            columns: asks.then(Arc::default),
            ..Settings::default()
        };
        let mut assembler = begun_with(&mut log, settings);
        push(
            &mut assembler,
            [
                log.gtid(1),
                log.begin(),
                log.event(19, &bare_map(5, "orders")),
            ],
        );
        assert_eq!(assembler.question().is_some(), asks);
        let error = refused(&mut assembler, log.inserts(5, &[1]));
        assert!(
            matches!(error.cause, Error::NoColumnNames { .. }),
            "{error:?}"
        );
        assert!(assembler.question().is_none());
    }
}

#[test]
fn tables_that_are_not_wanted_are_not_asked_for() {
    let mut log = Log::new();
    let mut assembler = asking(&mut log);
    assembler.set_wanted(Box::new(|name| name.table != "orders"));
    push(
        &mut assembler,
        [
            log.gtid(1),
            log.begin(),
            log.event(19, &bare_map(5, "orders")),
        ],
    );
    assert!(assembler.question().is_none());
    let items = push(&mut assembler, [log.inserts(5, &[1]), log.xid()]);
    assert_eq!(told(&items), [format!("commit 1 {}", log.offset)]);
}

#[test]
fn by_position_nothing_is_kept() {
    let mut log = Log::new();
    let mut assembler = asking(&mut log);
    assert_eq!(
        name_of_rows(&mut assembler, &mut log, 1, Some(Answer::Positional)),
        "@1"
    );
    assert_eq!(assembler.column_changes(), 0);
}

#[test]
fn kept_lists_serve_a_new_assembler_from_their_own_place_on() {
    let mut log = Log::new();
    let mut assembler = asking(&mut log);
    name_of_rows(&mut assembler, &mut log, 1, Some(list("id", "int")));
    let kept = assembler.columns(usize::MAX);
    // The same events again: the table map stands where the list begins.
    let mut log = Log::new();
    let mut again = begun_with(&mut log, known(kept));
    assert_eq!(name_of_rows(&mut again, &mut log, 1, None), "id");
}
