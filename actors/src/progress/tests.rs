//! The laws: merged or one by one, stretches lead to the same place; never back; never over a gap.

use headwater_binlog::{
    gtid::{Gtid, GtidSource, MariaGtid},
    schema::TableName,
    xa::{Prepared, Xid},
};
use proptest::prelude::*;

use super::*;
use crate::{
    fixture,
    snapshot::{CopyId, TableCopy},
};

/// What happens in one step of the log.
#[derive(Debug, Clone)]
struct Step {
    /// Files, bytes and rows further; another log's name for the files from here on.
    files: u64,
    bytes: u64,
    rows: u64,
    is_renamed: bool,
    gtid: Option<Gtid>,
    /// What a file says was committed before it.
    had: Option<Gtid>,
    xa: Option<XaChange>,
    commit_us: u64,
    columns: Option<u64>,
    /// Lines of a snapshot, where a stretch ends with it.
    copied: Option<u64>,
}

fn gtid() -> impl Strategy<Value = Gtid> {
    prop_oneof![
        (0..2u8, 1..40u64).prop_map(|(server, number)| {
            Gtid::new(GtidSource::untagged(Uuid([server; 16])), number)
        }),
        // In one log a number of a domain is one server's.
        (0..2u32, 1..40u64).prop_map(|(domain, number)| {
            Gtid::MariaDb(MariaGtid {
                domain,
                server_id: if number % 2 == 0 { 1 } else { 2 },
                number,
            })
        }),
    ]
}

fn xa() -> impl Strategy<Value = XaChange> {
    (0..4u8, any::<bool>(), 4..9u64).prop_map(|(name, is_prepared, offset)| {
        let xid = Xid {
            gtrid: vec![name],
            bqual: Vec::new(),
            format_id: 1,
        };
        if !is_prepared {
            return XaChange::Finished(xid);
        }
        XaChange::Prepared(Prepared {
            xid,
            position: Some(fixture::at(offset)),
            gtid: None,
        })
    })
}

fn step() -> impl Strategy<Value = Step> {
    (
        (0..2u64, 0..200u64, 0..3u64, prop::bool::weighted(0.05)),
        (
            prop::option::of(gtid()),
            prop::option::weighted(0.2, gtid()),
        ),
        prop::option::of(xa()),
        0..9u64,
        prop::option::weighted(0.3, 0..9u64),
        prop::option::weighted(0.3, 0..9u64),
    )
        .prop_map(
            |(place, (gtid, had), xa, commit_us, columns, copied)| Step {
                files: place.0,
                bytes: place.1,
                rows: place.2,
                is_renamed: place.3,
                gtid,
                had,
                xa,
                commit_us,
                columns,
                copied,
            },
        )
}

fn copied(lines: u64) -> Box<SnapshotAdvance> {
    let id = CopyId {
        run: "r".into(),
        table: fixture::name(if lines.is_multiple_of(2) { "a" } else { "b" }),
    };
    let copy = TableCopy {
        rows: lines,
        ..TableCopy::new(None)
    };
    Box::new(SnapshotAdvance {
        lines_here: lines,
        request: lines / 2,
        copies: [(id, copy)].into(),
    })
}

fn lists(number: u64) -> Arc<[Known]> {
    Arc::new([Known {
        table: TableName {
            database: "shop".into(),
            table: format!("t{number}"),
        },
        since: fixture::at(number),
        until: None,
        list: Arc::new(fixture::column_list()),
    }])
}

/// The log's place after a step, and whether it is forward.
fn after(mark: &Mark, step: &Step) -> Mark {
    let file = &mark.position.file;
    let base = match step.is_renamed {
        true => format!("{}x", file.base()),
        false => file.base().to_owned(),
    };
    let number = file.number + step.files;
    let moved = 0 < step.files + step.bytes || step.is_renamed;
    Mark {
        position: format!("{base}.{number:06}:{}", mark.position.offset + step.bytes)
            .parse()
            .unwrap(),
        rows_done: step.rows + if moved { 0 } else { mark.rows_done },
    }
}

/// Stretches that follow each other, of so many steps each.
fn stretches(from: &Mark, steps: &[Vec<Step>]) -> Vec<Advance> {
    let mut next = Advance::at(from.clone());
    let mut all = Vec::new();
    for steps in steps {
        for step in steps {
            let mark = after(next.mark(), step);
            next.pass(&Boundary {
                file: mark.position.file.clone(),
                offset: mark.position.offset,
                gtid: step.gtid.clone(),
                commit_us: step.commit_us,
                xa: step.xa.clone().map(Box::new),
                log: None,
                had: None,
            });
            if let Some(had) = &step.had {
                next.had.add(had);
            }
            next.reach(mark);
            next.columns = step.columns.map(lists).or(next.columns.take());
        }
        next.snapshot = steps.last().and_then(|step| step.copied).map(copied);
        all.push(next.take());
    }
    all
}

fn start() -> Resume {
    Resume {
        may_repeat: set("00000000-0000-0000-0000-000000000000:1-30"),
        ..Resume::at(fixture::at(4), GtidSet::default())
    }
}

fn set(text: &str) -> GtidSet {
    text.parse().unwrap()
}

fn merged(stretches: &[Advance]) -> Advance {
    let (first, rest) = stretches.split_first().unwrap();
    let mut merged = first.clone();
    for next in rest {
        merged.merge(next.clone()).unwrap();
    }
    merged
}

fn some_steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 0..4), 3..7)
}

proptest! {
    #[test]
    fn merging_is_associative(steps in some_steps(), cut in 1..6usize) {
        let all = stretches(&start().mark, &steps);
        let (head, tail) = all.split_at(cut.min(all.len() - 1));
        let mut grouped = merged(head);
        grouped.merge(merged(tail)).unwrap();
        prop_assert_eq!(grouped, merged(&all));
    }

    #[test]
    fn merged_or_one_by_one_they_lead_to_the_same(before in some_steps(), steps in some_steps()) {
        let mut resume = start();
        for next in stretches(&start().mark, &before) {
            resume.apply(&next).unwrap();
        }
        let all = stretches(&resume.mark, &steps);
        let mut at_once = resume.clone();
        at_once.apply(&merged(&all)).unwrap();
        for next in &all {
            resume.apply(next).unwrap();
        }
        prop_assert_eq!(at_once, resume);
    }

    #[test]
    fn progress_never_goes_back(steps in some_steps()) {
        let mut resume = start();
        for next in stretches(&start().mark, &steps) {
            let before = resume.clone();
            resume.apply(&next).unwrap();
            prop_assert_ne!(before.mark.has_passed(&resume.mark), before.mark != resume.mark);
            prop_assert!(before.gtid_set.is_subset(&resume.gtid_set));
            prop_assert!(before.commit_us <= resume.commit_us);
        }
    }

    #[test]
    fn a_gap_is_named_and_changes_nothing(steps in some_steps(), left_out in 0..6usize) {
        let mut all = stretches(&start().mark, &steps);
        let missing = all.remove(left_out.min(all.len() - 1));
        prop_assume!(missing.from() != missing.mark());
        let (mut resume, mut one) = (start(), Advance::at(start().mark));
        for next in &all {
            let (before, before_one) = (resume.clone(), one.clone());
            let is_behind = next.from() != &before.mark;
            let gap = Gap { expected: before.mark.clone(), found: next.from().clone() };
            let expected = if is_behind { Err(gap) } else { Ok(()) };
            prop_assert_eq!(resume.apply(next), expected.clone());
            prop_assert_eq!(one.merge(next.clone()), expected);
            if is_behind {
                prop_assert_eq!(&before, &resume);
                prop_assert_eq!(&before_one, &one);
            }
        }
        prop_assert!(missing.from().has_passed(&resume.mark));
    }
}

#[test]
fn a_place_before_the_end_moves_nothing() {
    let inside = Mark {
        position: fixture::at(300),
        rows_done: 5,
    };
    let mut next = Advance::at(inside.clone());
    for earlier in [fixture::at(4), fixture::at(300)] {
        next.reach(Mark::at(earlier));
        assert!(!next.has_moved());
    }
    let mut further = inside;
    further.rows_done = 6;
    next.reach(further.clone());
    assert_eq!(next.mark(), &further);
}

#[test]
fn a_gap_is_a_definite_failure_with_both_places() {
    let mut resume = start();
    let further = Mark {
        position: fixture::at(300),
        rows_done: 7,
    };
    let gap = resume.apply(&Advance::at(further)).unwrap_err();
    let failure = Failure::from(gap);
    assert!(failure.is_definite() && failure.hint.is_some());
    for place in ["binlog.000001:4,", "binlog.000001:300 and 7 rows"] {
        assert!(failure.to_string().contains(place), "{failure}");
    }
}

#[test]
fn on_another_server_only_what_names_no_place_is_kept() {
    let steps = [vec![Step {
        files: 0,
        bytes: 300,
        rows: 3,
        is_renamed: false,
        gtid: Some(Gtid::new(GtidSource::untagged(Uuid([1; 16])), 1)),
        had: None,
        xa: Some(XaChange::Prepared(Prepared {
            xid: "X'61',X'',1".parse().unwrap(),
            position: Some(fixture::at(9)),
            gtid: None,
        })),
        commit_us: 5,
        columns: Some(1),
        copied: Some(3),
    }]];
    let mut here = start();
    here.apply(&stretches(&start().mark, &steps)[0]).unwrap();
    let there = here.moved_to(fixture::at(77), GtidSet::default());
    assert_eq!(there.mark, Mark::at(fixture::at(77)));
    assert_eq!((&there.gtid_set, there.commit_us), (&here.gtid_set, 5));
    assert_eq!((here.columns.len(), there.columns.len()), (1, 0));
    assert_eq!(there.xa.open()[0].position, None);
    assert_eq!(there.snapshots.copies, here.snapshots.copies);
    assert_eq!(
        (here.snapshots.lines_here, there.snapshots.lines_here),
        (3, 0)
    );
}

/// `file` as it was created at `created_secs`, read from its head.
fn opened(file: &str, created_secs: u32) -> Boundary {
    let place: Position = format!("{file}:126").parse().unwrap();
    Boundary {
        file: place.file.clone(),
        offset: place.offset,
        gtid: None,
        commit_us: 0,
        xa: None,
        had: None,
        log: Some(Box::new(LogFingerprint {
            file: place.file,
            created_secs,
            server_id: 1,
            version: "8.4.0".into(),
        })),
    }
}

#[test]
fn the_newest_file_that_was_opened_is_known_and_elsewhere_forgotten() {
    let mut here = start();
    let mut first = Advance::at(here.mark.clone());
    first.enter(&opened("binlog.000001", 7));
    let mut second = Advance::at(first.mark().clone());
    second.enter(&opened("binlog.000002", 8));
    let third = Advance::at(second.mark().clone());
    for next in [&first, &second, &third] {
        here.apply(next).unwrap();
    }
    let created = |log: Option<&LogFingerprint>| log.map(|log| log.created_secs);
    assert_eq!(created(here.log.as_ref()), Some(8));
    first.merge(second).unwrap();
    first.merge(third).unwrap();
    assert_eq!(created(first.log.as_deref()), Some(8));
    assert_eq!(here.moved_to(fixture::at(77), GtidSet::default()).log, None);
}

#[test]
fn what_a_file_says_in_its_middle_is_to_be_stored_though_the_mark_stays() {
    let mark = Mark {
        position: "binlog.000001:500".parse().unwrap(),
        rows_done: 3,
    };
    let mut next = Advance::at(mark.clone());
    next.enter(&Boundary {
        offset: 500,
        ..opened("binlog.000001", 7)
    });
    assert!(next.has_moved());
    assert_eq!(*next.mark(), mark);
}

#[test]
fn a_file_before_the_mark_says_nothing_of_it() {
    let mut next = Advance::at(Mark::at("binlog.000002:500".parse().unwrap()));
    next.enter(&opened("binlog.000001", 7));
    assert!(!next.has_moved());
}

const A: &str = "01010101-0101-0101-0101-010101010101";

fn of_a(number: u64) -> Gtid {
    Gtid::new(GtidSource::untagged(Uuid([1; 16])), number)
}

/// A transaction's end, at a place of its own.
fn ended(number: u64) -> Boundary {
    Boundary {
        gtid: Some(of_a(number)),
        log: None,
        ..opened("binlog.000001", 0)
    }
}

#[test]
fn what_files_say_was_committed_before_them_has_been_had() {
    let mut here = Resume {
        may_repeat: set(&format!("{A}:3-9")),
        ..Resume::at(fixture::at(4), set(&format!("{A}:3-9")))
    };
    let mut next = Advance::at(here.mark.clone());
    next.enter(&Boundary {
        had: Some(Box::new(set(&format!("{A}:1-7")))),
        ..opened("binlog.000002", 1)
    });
    here.apply(&next.take()).unwrap();
    assert_eq!(here.gtid_set, set(&format!("{A}:1-9")));
    assert_eq!(here.may_repeat, set(&format!("{A}:8-9")));
    // What the stream could not bring comes with its first boundary, where the mark may stay.
    next.enter(&Boundary {
        had: Some(Box::new(set(&format!("{A}:20")))),
        log: None,
        ..opened("binlog.000002", 1)
    });
    assert!(next.has_moved());
    here.apply(&next.take()).unwrap();
    assert_eq!(here.gtid_set, set(&format!("{A}:1-9:20")));
}

#[test]
fn a_transaction_comes_once_but_for_those_that_another_server_had_ordered_differently() {
    let mut here = Resume::at(fixture::at(4), set(&format!("{A}:1-5")));
    let mut next = Advance::at(here.mark.clone());
    next.had = set(&format!("{A}:30"));
    next.pass(&ended(7));
    for (number, is_new) in [(5, false), (6, true), (7, false), (8, true), (30, false)] {
        let outcome = here.ensure_new(&next, &of_a(number));
        assert_eq!(outcome.is_ok(), is_new, "{number}");
    }
    here.may_repeat = set(&format!("{A}:4-5"));
    here.ensure_new(&next, &of_a(5)).unwrap();
    next.pass(&ended(5));
    // Not twice in one log.
    let failure = Failure::from(here.ensure_new(&next, &of_a(5)).unwrap_err());
    assert!(failure.is_definite());
    assert!(failure.to_string().contains("01:5,"), "{failure}");
    assert!(failure.to_string().contains("log was reset"), "{failure}");
}

#[test]
fn numbers_of_mariadb_that_fall_are_another_history_only_among_those_of_one_server() {
    let gtid = |server_id, number| {
        Gtid::MariaDb(MariaGtid {
            domain: 0,
            server_id,
            number,
        })
    };
    let here = Resume::at(fixture::at(4), set("0-1-10"));
    let next = Advance::at(here.mark.clone());
    for (gtid, is_new) in [
        (gtid(1, 10), false),
        (gtid(1, 3), false),
        (gtid(1, 11), true),
        (gtid(2, 3), true),
    ] {
        assert_eq!(here.ensure_new(&next, &gtid).is_ok(), is_new, "{gtid:?}");
    }
}

#[test]
fn places_of_another_numbering_are_nobodys() {
    let home = Home {
        server_uuid: Uuid([7; 16]),
        epoch: 3,
    };
    assert_eq!(home.server_in(3), home.server_uuid);
    assert_eq!(home.server_in(4), Uuid([0; 16]));
}
