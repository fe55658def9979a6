//! Segments in words: lanes, fences, marks, numbers.

mod batches;

use bytes::Bytes;
use headwater_binlog::assembler::Assembler;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::RouteOrdering,
    filter::TableFilter,
    fixture::{self, Log, Op},
};

fn splitter(ordering: OrderingKey) -> Splitter {
    let patterns = ["shop.*".into(), "!shop.excluded".into()];
    let mark = Mark {
        position: fixture::at(4),
        rows_done: 0,
    };
    Splitter::new(TableFilter::new(&patterns).unwrap(), ordering, mark)
}

/// A batch of which nothing is known but its items.
fn split_items(splitter: &mut Splitter, items: Vec<Item>) -> Vec<Segment> {
    let batch = Advance::at(splitter.mark().clone());
    splitter.split(items, &batch).unwrap()
}

/// A segment in words: fence, lanes with their parts, mark.
fn told(segment: Segment) -> String {
    let fence = match segment.fence {
        None => String::new(),
        Some(Scope::Database(database)) => format!("fence {database}.*: "),
        Some(Scope::Tables(tables)) => {
            let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
            format!("fence {}: ", tables.join("+"))
        }
    };
    let lanes = segment.lanes.into_lanes().into_iter();
    let lanes: Vec<String> = lanes.map(told_lane).collect();
    format!("{fence}[{}]", lanes.join(" "))
}

fn told_lane(lane: crate::router::parts::LaneParts) -> String {
    let parts: Vec<String> = lane
        .parts
        .iter()
        .map(|part| match part {
            Part::Rows { block, is_last, .. } => {
                let last = if *is_last { "!" } else { "" };
                format!("{}+{}{last}", block.first_row, block.row_count)
            }
            Part::Statement {
                is_shared, is_last, ..
            } => {
                let shared = if *is_shared { " shared" } else { "" };
                let last = if *is_last { "!" } else { "" };
                format!("ddl{shared}{last}")
            }
        })
        .collect();
    format!("{} {}", lane.lane, parts.join(","))
}

fn split(log: &Log) -> Vec<String> {
    let segments = split_items(&mut splitter(OrderingKey::Table), log.items());
    segments.into_iter().map(told).collect()
}

fn insert(table: &'static str, rows: i32) -> Op {
    Op::Insert(table, (0..rows).map(|row| (row, row)).collect())
}

#[test]
fn changes_that_are_not_wanted_still_move_the_mark() {
    let mut log = Log::new();
    log.transaction(&[insert("excluded", 3)]);
    log.ddl("DROP TABLE excluded", &[]);
    let segments = split_items(&mut splitter(OrderingKey::Table), log.items());
    let [segment] = &segments[..] else {
        panic!("{segments:?}")
    };
    assert!(segment.lanes.is_empty() && segment.fence.is_none());
    assert_eq!(segment.advance.mark().position, fixture::at(log.end()));
    assert!(segment.advance.gtids.to_string().ends_with(":1-2"));
}

#[test]
fn the_last_change_of_a_transaction_is_marked_in_each_lane() {
    let mut log = Log::new();
    log.transaction(&[
        insert("a", 1),
        insert("b", 2),
        insert("a", 1),
        insert("excluded", 1),
    ]);
    log.transaction(&[insert("a", 2)]);
    assert_eq!(split(&log), ["[shop.a 0+1,3+1!,0+2! shop.b 1+2!]"]);
}

#[test]
fn a_slice_marks_no_last_change_and_its_mark_lies_inside() {
    let mut log = Log::new();
    let begin = log.end();
    log.transaction(&[insert("a", 2), insert("excluded", 5), insert("a", 3)]);
    let mut items = log.items();
    let rest = items.split_off(items.len() - 2);
    let mut splitter = splitter(OrderingKey::Table);
    let first = split_items(&mut splitter, items);
    let mark = Mark {
        position: fixture::at(begin),
        rows_done: 7,
    };
    assert_eq!(first[0].advance.mark(), &mark);
    assert!(first[0].advance.gtids.is_empty());
    let second = split_items(&mut splitter, rest);
    assert_eq!(second[0].advance.mark().position, fixture::at(log.end()));
    assert!(!second[0].advance.gtids.is_empty());
    let told: Vec<String> = first.into_iter().chain(second).map(told).collect();
    assert_eq!(told, ["[shop.a 0+2]", "[shop.a 7+3]"]);
}

#[test]
fn each_class_of_statement_has_its_fence() {
    let cases: [(&str, &[&str]); 7] = [
        ("ALTER TABLE a ADD c INT", &["fence shop.a: [shop.a ddl!]"]),
        (
            "RENAME TABLE a TO b",
            &["fence shop.a+shop.b: [shop.a ddl shared! shop.b ddl shared!]"],
        ),
        (
            "RENAME TABLE a TO excluded",
            &["fence shop.a: [shop.a ddl!]"],
        ),
        ("DROP DATABASE shop", &["fence shop.*: [shop ddl!]"]),
        ("DROP DATABASE other", &[]),
        ("DROP TABLE excluded", &[]),
        ("CREATE USER me", &[]),
    ];
    for (text, fence) in cases {
        let mut log = Log::new();
        log.transaction(&[insert("b", 1)]);
        log.ddl(text, &[]);
        log.transaction(&[insert("b", 1)]);
        let expected: Vec<&str> = match fence {
            [] => vec!["[shop.b 0+1!,0+1!]"],
            [fence] => vec!["[shop.b 0+1!]", fence, "[shop.b 0+1!]"],
            _ => unreachable!("one fence a statement"),
        };
        assert_eq!(split(&log), expected, "{text}");
    }
}

#[test]
fn a_statement_is_done_only_with_the_end_of_its_transaction() {
    let mut log = Log::new();
    log.ddl("ALTER TABLE a ADD c INT", &["a"]);
    let segments = split_items(&mut splitter(OrderingKey::Table), log.items());
    let [_head, fence, end] = &segments[..] else {
        panic!("{segments:?}")
    };
    assert_eq!(fence.advance.mark().rows_done, 1);
    assert!(fence.advance.gtids.is_empty());
    assert_eq!(end.advance.mark().position, fixture::at(log.end()));
    assert!(!end.advance.gtids.is_empty());
}

#[test]
fn changes_are_counted_by_table_and_kind_without_those_not_wanted() {
    let mut log = Log::new();
    log.transaction(&[
        insert("a", 3),
        Op::Update("a", vec![((1, 1), (1, 2))]),
        Op::Delete("a", vec![(1, 2)]),
        insert("excluded", 9),
    ]);
    log.ddl("ALTER TABLE a ADD c INT", &["a"]);
    let mut splitter = splitter(OrderingKey::Table);
    split_items(&mut splitter, log.items());
    let counts: Vec<TableStatus> = splitter.take_counts().into_values().collect();
    let [a] = &counts[..] else {
        panic!("{counts:?}")
    };
    assert_eq!((a.inserts, a.updates, a.deletes, a.ddl), (3, 1, 1, 1));
    assert!(splitter.take_counts().is_empty());
}

const LANES: u32 = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn keyed_rows_keep_their_numbers_and_their_order_by_key(
        rows in prop::collection::vec((0..6i32, prop::option::weighted(0.2, 0..6i32)), 1..30),
    ) {
        let updates = rows.iter().map(|(id, moved)| ((*id, 0), (moved.unwrap_or(*id), 1)));
        let mut log = Log::new();
        log.transaction(&[insert("b", 1), Op::Update("a", updates.collect())]);
        let segments = split_items(&mut splitter(OrderingKey::PrimaryKey { lanes: LANES }), log.items());
        let (mut seen, mut lane_of_id) = (Vec::new(), std::collections::HashMap::new());
        let mut done = 0;
        for segment in segments {
            let inside = segment.advance.mark().rows_done;
            prop_assert!(inside == 0 || done <= inside);
            done = inside;
            let is_moving = segment.fence.is_some();
            for lane in segment.lanes.into_lanes().into_iter().filter(|lane| lane.lane.table.table == "a") {
                prop_assert_eq!(lane.lane.count, LANES);
                for part in lane.parts {
                    let Part::Rows { block, numbers, .. } = part else {
                        return Err(TestCaseError::fail("a statement"));
                    };
                    let numbers = numbers.unwrap();
                    prop_assert_eq!(block.row_count as usize, numbers.len());
                    prop_assert_eq!(block.count_rows().unwrap() as usize, numbers.len());
                    prop_assert!(numbers.is_sorted());
                    for number in numbers.iter() {
                        let (id, moved) = rows[*number as usize];
                        if !is_moving {
                            // Outside fences a key is always in the same lane.
                            for id in [id, moved.unwrap_or(id)] {
                                let before = *lane_of_id.entry(id).or_insert(lane.lane.index);
                                prop_assert_eq!(before, lane.lane.index, "key {}", id);
                            }
                        }
                        seen.push(*number);
                    }
                    if is_moving {
                        prop_assert_eq!(lane.lane.index, 0);
                    }
                }
            }
        }
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..rows.len() as u32), "every row once");
    }
}

/// Updates of `a`: the keys that are listed move far away, the others stay.
fn update_moving(ids: std::ops::Range<i32>, moving: &[i32]) -> Op {
    let rows = ids.map(|id| match moving.contains(&id) {
        true => ((id, 0), (id + 100_000, 0)),
        false => ((id, 0), (id, 1)),
    });
    Op::Update("a", rows.collect())
}

/// Fences and rows done of each segment, with the rows of `a` in lane 0 of a fence.
fn runs_of(log: &Log) -> Vec<(bool, usize)> {
    let ordering = OrderingKey::PrimaryKey { lanes: 64 };
    let segments = split_items(&mut splitter(ordering), log.items());
    let rows = |segment: Segment| -> usize {
        let lanes = segment.lanes.into_lanes().into_iter();
        let of_a = lanes.filter(|parts| parts.lane.table.table == "a");
        of_a.flat_map(|parts| parts.parts)
            .map(|part| match part {
                Part::Rows { block, .. } => block.row_count as usize,
                Part::Statement { .. } => 0,
            })
            .sum()
    };
    segments
        .into_iter()
        .map(|segment| (segment.fence.is_some(), rows(segment)))
        .filter(|found| *found != (false, 0))
        .collect()
}

#[test]
fn an_event_with_a_row_that_changes_its_lane_stands_between_two_fences() {
    let mut log = Log::new();
    log.transaction(&[
        update_moving(10..14, &[]),
        update_moving(0..9, &[4, 6]),
        update_moving(14..16, &[]),
    ]);
    let ordering = OrderingKey::PrimaryKey { lanes: 64 };
    let segments = split_items(&mut splitter(ordering), log.items());
    let [head, run, tail] = &segments[..] else {
        panic!("{segments:?}")
    };
    assert!(head.fence.is_none() && run.fence.is_some() && tail.fence.is_none());
    assert_eq!(
        (head.advance.mark().rows_done, run.advance.mark().rows_done),
        (4, 13)
    );
    let moving = segments.into_iter().nth(1).unwrap().lanes.into_lanes();
    let [lane] = &moving[..] else {
        panic!("one lane")
    };
    let Some(Part::Rows { numbers, .. }) = lane.parts.first() else {
        panic!("rows")
    };
    assert_eq!(numbers.as_deref(), Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8][..]));
}

#[test]
fn a_run_of_moving_rows_is_one_fence_over_events_transactions_and_other_tables() {
    let all: Vec<i32> = (0..8_000).collect();
    let mut log = Log::new();
    let events: Vec<Op> = (0..20)
        .map(|n| update_moving(n * 400..(n + 1) * 400, &all))
        .collect();
    log.transaction(&events);
    assert_eq!(runs_of(&log), [(true, 8_000)]);

    // As a trigger that keeps a journal writes them: one row each.
    let mut log = Log::new();
    for id in 0..50 {
        log.transaction(&[
            insert("b", 1),
            update_moving(id..id + 1, &all),
            insert("b", 1),
        ]);
    }
    // A key whose lane is by chance the same ends a run.
    let runs = runs_of(&log);
    let fences = runs.iter().filter(|(is_fenced, _)| *is_fenced).count();
    assert!(fences <= 4, "{runs:?}");
    assert_eq!(runs.iter().map(|(_, rows)| rows).sum::<usize>(), 50);
}

#[test]
fn a_run_ends_at_an_event_whose_rows_stay_and_at_a_statement() {
    let mut log = Log::new();
    log.transaction(&[update_moving(0..3, &[0, 1, 2])]);
    log.transaction(&[update_moving(5..6, &[])]);
    log.transaction(&[update_moving(6..7, &[6])]);
    log.ddl("ALTER TABLE a ADD c INT", &["a"]);
    assert_eq!(runs_of(&log), [(true, 3), (false, 1), (true, 1), (true, 0)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where the batches end must not matter: a replay reads other batches.
    #[test]
    fn a_row_has_the_same_lane_however_the_log_is_cut_into_batches(
        events in prop::collection::vec((0..200i32, 1..6i32, any::<bool>()), 1..12),
        cuts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut log = Log::new();
        for (first, count, moves) in events {
            let moving: Vec<i32> = if moves { vec![first] } else { Vec::new() };
            log.transaction(&[update_moving(first..first + count, &moving)]);
        }
        let lanes_of = |batches: Vec<Vec<Item>>| {
            let mut splitter = splitter(OrderingKey::PrimaryKey { lanes: 16 });
            let mut lanes = Vec::new();
            for batch in batches {
                for segment in split_items(&mut splitter, batch) {
                    for parts in segment.lanes.into_lanes() {
                        let rows = parts.parts.iter().flat_map(|part| match part {
                            Part::Rows { block, numbers, .. } => {
                                let place = block.transaction.position().offset;
                                let numbers: Vec<u32> = numbers.iter().flat_map(|all| all.to_vec()).collect();
                                numbers.into_iter().map(move |number| (place, number)).collect()
                            }
                            Part::Statement { .. } => Vec::new(),
                        });
                        let index = parts.lane.index;
                        lanes.extend(rows.map(|row| (row, index)));
                    }
                }
            }
            lanes.sort_unstable();
            lanes
        };
        let whole = lanes_of(vec![log.items()]);
        let mut batches = vec![Vec::new()];
        for (item, cuts) in log.items().into_iter().zip(cuts.into_iter().cycle()) {
            batches.last_mut().unwrap().push(item);
            if cuts {
                batches.push(Vec::new());
            }
        }
        prop_assert_eq!(lanes_of(batches), whole);
    }
}

/// Items whose rows are slices of one chunk, as they come from the Reader.
fn items_of(chunk: &Bytes, log: &Log) -> Vec<Item> {
    let (mut assembler, mut items) = (Assembler::new(fixture::file(), 4), Vec::new());
    let mut rest = chunk.clone();
    for (_, event) in &log.events {
        let event = rest.split_to(event.len());
        assembler.push(event, &mut items).unwrap();
    }
    items
}

#[test]
fn rows_copied_out_of_a_chunk_do_not_keep_it() {
    let mut log = Log::new();
    log.transaction(&[insert("a", 3), Op::Update("b", vec![((1, 1), (1, 2))])]);
    let events: Vec<&[u8]> = log.events.iter().map(|(_, event)| &event[..]).collect();
    for ordering in [OrderingKey::Table, OrderingKey::PrimaryKey { lanes: LANES }] {
        let chunk = Bytes::from(events.concat());
        let mut segments = split_items(&mut splitter(ordering.clone()), items_of(&chunk, &log));
        if ordering == OrderingKey::Table {
            assert!(!chunk.is_unique());
            let lanes = segments
                .iter_mut()
                .flat_map(|segment| segment.lanes.iter_mut());
            lanes.for_each(|lane| lane.detach());
        }
        assert!(chunk.is_unique(), "{ordering:?}");
        for lane in segments
            .into_iter()
            .flat_map(|segment| segment.lanes.into_lanes())
        {
            for part in lane.parts {
                let Part::Rows { block, .. } = part else {
                    panic!("a statement")
                };
                assert_eq!(block.count_rows().unwrap(), block.row_count);
            }
        }
    }
}

#[test]
fn each_table_is_ordered_by_the_first_route_that_matches() {
    let mut log = Log::new();
    log.transaction(&[
        Op::Insert("a", (0..40).map(|id| (id, 1)).collect()),
        Op::Insert("b", (0..40).map(|id| (id, 1)).collect()),
    ]);
    let route = |pattern: &str, key: OrderingKey| RouteOrdering {
        tables: TableFilter::new(&[pattern.to_owned()]).unwrap(),
        key,
    };
    let routes = vec![
        route("shop.a", OrderingKey::PrimaryKey { lanes: LANES }),
        route("*.*", OrderingKey::Table),
    ];
    let ordering = OrderingKey::routed(routes, OrderingKey::PrimaryKey { lanes: 16 });
    let segments = split_items(&mut splitter(ordering), log.items());
    let lanes: Vec<(String, u32)> = segments
        .into_iter()
        .flat_map(|segment| segment.lanes.into_lanes())
        .map(|parts| (parts.lane.table.table.clone(), parts.lane.count))
        .collect();
    let of = |table: &str| {
        lanes
            .iter()
            .filter(|(name, _)| name == table)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a").len(), LANES as usize);
    assert!(of("a").iter().all(|(_, count)| *count == LANES));
    assert_eq!(of("b"), [&("b".to_owned(), 1)]);
}

#[test]
fn a_parked_table_is_left_out_and_no_id_changes() {
    let mut log = Log::new();
    log.ddl("DROP TABLE a, b", &["a", "b"]);
    log.transaction(&[Op::Insert("a", vec![(1, 1)]), Op::Insert("b", vec![(2, 2)])]);
    let mut splitter = splitter(OrderingKey::Table);
    splitter.park(fixture::name("b"));
    let segments = split_items(&mut splitter, log.items());
    let mut seen = Vec::new();
    for lane in segments
        .into_iter()
        .flat_map(|segment| segment.lanes.into_lanes())
    {
        for part in lane.parts {
            seen.push((
                lane.lane.to_string(),
                match part {
                    Part::Statement { is_shared, .. } => is_shared,
                    Part::Rows { block, .. } => block.first_row == 0,
                },
            ));
        }
    }
    assert_eq!(
        seen,
        [("shop.a".to_owned(), true), ("shop.a".to_owned(), true)]
    );
}
