//! A list is right in its own stretch of log and nowhere else, and a statement ahead is never missed.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    ddl::{Context, classify},
    event::MAGIC,
    fixture::{Log, payload_body, rotate_body},
    position::FileName,
};

fn at(offset: u64) -> Position {
    Position::new(FileName::parse("binlog.000001").expect("a name"), offset)
}

fn table(name: &str) -> TableName {
    let (database, table) = name.split_once('.').expect("a dot");
    TableName {
        database: database.into(),
        table: table.into(),
    }
}

fn list(name: &str) -> Arc<ColumnList> {
    let column = ListedColumn {
        name: name.into(),
        column_type: "int".into(),
        octets: None,
        charset: None,
        nullable: false,
        visible: true,
    };
    Arc::new(ColumnList {
        columns: vec![column],
        primary_key: vec![0],
    })
}

fn known(since: u64, name: &str) -> Known {
    Known {
        table: table("shop.orders"),
        since: at(since),
        until: None,
        list: list(name),
    }
}

fn class(text: &str) -> StatementClass {
    let context = Context {
        default_database: "shop",
        ..Context::default()
    };
    classify(text, &context)
}

#[test]
fn statements_that_may_change_columns_are_told_from_the_rest() {
    let orders = table("shop.orders");
    for text in [
        "ALTER TABLE orders RENAME COLUMN a TO b",
        "ALTER TABLE ORDERS ADD c INT",
        "ALTER TABLE other RENAME TO shop.orders",
        "RENAME TABLE a TO b, `orders` TO c",
        "DROP TABLE IF EXISTS x, shop.orders",
        "CREATE TABLE orders (a INT)",
        "CREATE INDEX i ON orders (a)",
        "DROP DATABASE Shop",
        "ALTER TABLE p EXCHANGE PARTITION q WITH TABLE orders",
        "a statement that nobody can read",
    ] {
        assert!(may_change(&class(text), &orders), "{text}");
    }
    for text in [
        "TRUNCATE TABLE orders",
        "ALTER TABLE other.orders ADD c INT",
        "ALTER TABLE orders2 ADD c INT",
        "DROP DATABASE shops",
        "GRANT SELECT ON shop.orders TO a",
    ] {
        assert!(!may_change(&class(text), &orders), "{text}");
    }
}

#[test]
fn a_list_ends_at_the_statement_and_its_past_stays_readable() {
    let orders = table("shop.orders");
    let mut columns = KnownColumns::default();
    columns.add(known(100, "a"));
    columns.end(&class("ALTER TABLE orders RENAME COLUMN a TO b"), &at(200));
    assert_eq!(columns.find(&orders, &at(250)), None);
    columns.add(known(250, "b"));
    // The same log again, from before the statement.
    columns.end(&class("ALTER TABLE orders RENAME COLUMN a TO b"), &at(200));
    assert_eq!(columns.find(&orders, &at(99)), None);
    assert_eq!(columns.find(&orders, &at(199)), Some(list("a")));
    assert_eq!(columns.find(&orders, &at(200)), None);
    assert_eq!(columns.find(&orders, &at(250)), Some(list("b")));
    let kept = columns.kept(usize::MAX);
    assert!(kept[0].is_over_at(&at(200)) && !kept[0].is_over_at(&at(199)));
    assert!(!kept[1].is_over_at(&at(999)));
}

#[test]
fn lists_of_the_past_are_kept_before_others_when_space_is_short() {
    let mut columns = KnownColumns::default();
    columns.add(known(100, "a"));
    columns.end(&class("ALTER TABLE orders ADD b INT"), &at(200));
    columns.add(known(300, "b"));
    let kept = columns.kept(list("a").bytes());
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].list, list("a"));
    assert!(columns.kept(0).is_empty());
}

#[test]
fn lists_take_a_bounded_amount_of_memory() {
    let mut columns = KnownColumns::default();
    let wide = list(&"x".repeat(1 << 20));
    for number in 0..100 {
        columns.add(Known {
            table: table(&format!("shop.t{number}")),
            list: Arc::clone(&wide),
            ..known(number, "a")
        });
        let kept: usize = columns
            .kept(usize::MAX)
            .iter()
            .map(|known| known.list.bytes())
            .sum();
        assert!(kept <= 17 << 20);
        assert!(
            columns
                .find(&table(&format!("shop.t{number}")), &at(number))
                .is_some()
        );
    }
}

/// Reads all events of the log ahead, in two connections.
fn ahead(events: &[bytes::Bytes], cut: usize) -> Ahead {
    let mut ahead = Ahead::new(at(MAGIC.len() as u64));
    for (index, event) in events.iter().enumerate() {
        if index == cut && index > 0 {
            let Position { file, offset } = ahead.reached().clone();
            let log = Log::new();
            let rotate = rotate_body(&file.name, offset);
            for event in [log.artificial(4, 0, &rotate), events[0].clone()] {
                ahead.take(&event).expect("a log's head");
            }
        }
        ahead.take(event).expect("an event");
    }
    ahead
}

#[test]
fn what_lies_ahead_is_found_by_table_and_place() {
    let mut log = Log::new();
    let mut events = vec![
        log.format_description(),
        log.gtid(1),
        log.query("shop", "ALTER TABLE orders ADD b INT"),
    ];
    let altered = log.offset;
    events.extend([
        log.gtid(2),
        log.begin(),
        log.table_map(5, "shop", "orders"),
        log.inserts(5, &[1]),
        log.xid(),
    ]);
    events.extend([log.gtid(3), log.event(40, &payload_body(255, b"rows", 4))]);
    let dropped_from = log.offset;
    events.extend([log.gtid(4), log.query("", "DROP DATABASE `Shop`")]);
    events.extend([log.gtid(5), log.query("shop", "TRUNCATE orders")]);
    for cut in 0..events.len() {
        let ahead = ahead(&events, cut);
        assert_eq!(ahead.reached(), &at(log.offset));
        assert!(ahead.has(&at(4)) && ahead.has(&at(log.offset)) && !ahead.has(&at(log.offset + 1)));
        let orders = table("shop.orders");
        let last = ahead
            .last_change(&orders, &at(4))
            .expect("the last statement");
        assert!(last.at.offset > dropped_from);
        assert_eq!(ahead.last_change(&orders, &last.at), None);
        assert_eq!(ahead.last_change(&table("stop.orders"), &at(4)), None);
        let before = Ahead::last_change(&ahead, &table("shop.items"), &at(altered));
        assert_eq!(before, Some(last));
    }
}

#[test]
fn a_statement_in_a_character_set_that_cannot_be_read_touches_every_table() {
    let mut log = Log::new();
    let mut ahead = Ahead::new(at(4));
    ahead.take(&log.format_description()).expect("a head");
    let body = crate::fixture::query_body_with("shop", b"ALTER TABLE caf\xe9 ADD a INT", &[]);
    ahead.take(&log.event(2, &body)).expect("a statement");
    assert!(ahead.last_change(&table("other.t"), &at(4)).is_some());
}

#[test]
fn a_rotate_goes_on_in_the_next_file() {
    let mut log = Log::new();
    let mut ahead = Ahead::new(at(4));
    ahead.take(&log.format_description()).expect("a head");
    ahead
        .take(&log.event(4, &rotate_body("binlog.000002", 4)))
        .expect("a rotate");
    assert_eq!(ahead.reached().to_string(), "binlog.000002:4");
    let mut next = Log::new();
    ahead.take(&next.format_description()).expect("a head");
    assert_eq!(ahead.reached().offset, next.offset);
    assert!(ahead.has(&at(4)));
}

#[derive(Debug, Clone)]
enum Step {
    Rows,
    Alter,
    Other,
}

proptest! {
    /// A table whose only column is renamed by every ALTER; lists are asked for and stored as the pipeline does,
    /// and the log is read again from any stored place.
    #[test]
    fn no_name_is_ever_wrong(
        steps in prop::collection::vec(prop_oneof![3 => Just(Step::Rows), 1 => Just(Step::Alter), 1 => Just(Step::Other)], 1..40),
        restarts in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 0..4),
    ) {
        let (orders, alter, other) = (table("shop.orders"), class("ALTER TABLE orders ADD x INT"), class("DROP TABLE items"));
        let version_at = |step: usize| steps[..step].iter().filter(|step| matches!(step, Step::Alter)).count();
        let place = |step: usize| at(100 + step as u64 * 10);
        let mut columns = KnownColumns::default();
        let mut begin = 0;
        let ends = restarts.iter().map(|(end, back)| ((steps.len() as f64 * end) as usize, *back));
        for (end, back) in ends.chain([(steps.len(), 1.0)]) {
            for (step, what) in steps.iter().enumerate().take(end.max(begin)).skip(begin) {
                match what {
                    Step::Alter => columns.end(&alter, &place(step)),
                    Step::Other => columns.end(&other, &place(step)),
                    Step::Rows => match columns.find(&orders, &place(step)) {
                        Some(found) => prop_assert_eq!(found, list(&version_at(step).to_string())),
                        // What is asked for is right, or refused.
                        None => columns.add(known(place(step).offset, &version_at(step).to_string())),
                    },
                }
            }
            // A stored position at or before what was read, with all lists.
            begin = (end.max(begin) as f64 * back) as usize;
            let position = place(begin);
            let kept: Vec<Known> = columns.kept(usize::MAX).iter().filter(|known| !known.is_over_at(&position)).cloned().collect();
            columns = KnownColumns::new(&kept);
        }
    }
}
