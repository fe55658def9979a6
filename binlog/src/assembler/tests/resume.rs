//! Starting again: in the middle of a file, in the middle of a transaction.

use super::*;

fn transaction(log: &mut Log) -> Vec<Bytes> {
    vec![
        log.gtid(1),
        log.begin(),
        log.table_map(5, "shop", "orders"),
        log.table_map(6, "shop", "lines"),
        log.inserts(5, &[10, 11, 12]),
        log.inserts(6, &[20]),
        log.query("shop", "CREATE TABLE t (id INT) START TRANSACTION"),
        log.inserts(5, &[13, 14]),
        log.xid(),
        log.gtid(2),
        log.begin(),
        log.table_map(5, "shop", "orders"),
        log.inserts(5, &[15]),
        log.xid(),
    ]
}

#[test]
fn rows_of_tables_that_are_not_wanted_are_counted_and_not_given() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    assembler.set_wanted(Box::new(|name| name.table == "lines"));
    let items = push(&mut assembler, transaction(&mut log));
    assert_eq!(
        told(&items)[..2],
        [
            "rows shop.lines 3+1",
            "statement 4 CREATE TABLE t (id INT) START TRANSACTION"
        ]
    );
}

fn done(rows_done: u64) -> Settings {
    Settings {
        rows_done,
        ..Settings::default()
    }
}

#[test]
fn a_skip_leaves_out_exactly_the_first_rows_and_only_of_the_first_transaction() {
    let rows_of = |items: &[Item]| {
        let mut rows = Vec::new();
        for item in items {
            match item {
                Item::Rows(block) => {
                    assert_eq!(block.row_count as usize * 5, block.images.len());
                    for (at, image) in block.images.chunks(5).enumerate() {
                        rows.push((
                            block.first_row + at as u64,
                            i32::from_le_bytes([image[1], image[2], image[3], image[4]]),
                        ));
                    }
                }
                Item::Statement(statement) => rows.push((statement.row, -1)),
                Item::Commit(_) | Item::Moved(_) => {}
            }
        }
        rows
    };
    let all = [
        (0, 10),
        (1, 11),
        (2, 12),
        (3, 20),
        (4, -1),
        (5, 13),
        (6, 14),
        (0, 15),
    ];
    for skipped in 0..=7 {
        let mut log = Log::new();
        let mut assembler = begun_with(&mut log, done(skipped));
        let items = push(&mut assembler, transaction(&mut log));
        assert_eq!(rows_of(&items), all[skipped as usize..], "{skipped}");
    }
}

#[test]
fn a_skip_beyond_the_transaction_halts() {
    let mut log = Log::new();
    let mut assembler = begun_with(&mut log, done(8));
    let events = transaction(&mut log);
    push(&mut assembler, events[..8].to_vec());
    assert!(matches!(
        refused(&mut assembler, events[8].clone()).cause,
        Error::Refused(_)
    ));
}

#[test]
fn a_dump_from_the_middle_of_a_file_begins_with_its_head() {
    let mut log = Log::new();
    let mut real = log.format_description();
    let mut whole = Assembler::new(file(), 4);
    push(
        &mut whole,
        [real.clone(), log.gtid(1), log.begin(), log.xid()],
    );
    let start = log.offset;
    for is_sent_as_artificial in [true, false] {
        let mut log = log.clone();
        let mut assembler = Assembler::new(file(), start);
        if is_sent_as_artificial {
            real = log.artificial(15, 0, &crate::fixture::format_description("8.4.0", 1));
        }
        let rotate = log.artificial(4, 0, &rotate_body("binlog.000001", start));
        let items = push(
            &mut assembler,
            [rotate, real.clone(), log.gtid(2), log.begin(), log.xid()],
        );
        assert_eq!(
            told(&items),
            [
                format!("moved binlog.000001 {start}"),
                format!("commit 2 {}", log.offset)
            ]
        );
    }
}

#[test]
fn files_follow_each_other_without_a_rotate_when_they_are_entered() {
    let mut log = Log::new();
    let mut assembler = begun(&mut log);
    push(&mut assembler, [log.event(3, b"")]);
    let next = FileName::parse("binlog.000002").expect("a file name");
    assembler.enter_file(next).expect("a new file");
    let mut log = Log::new();
    let items = push(&mut assembler, [log.format_description()]);
    assert_eq!(
        told(&items),
        [format!("moved binlog.000002 {}", log.offset)]
    );
}
