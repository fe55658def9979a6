//! The audit is audited: legal replays pass, and each single planted defect is found.

mod by_lanes;
mod flat;
mod marks;
mod snapshots;

use proptest::prelude::*;

use super::*;

/// A change of a made-up source: one lane per table, counters per key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    n: u64,
    table: u8,
    kind: &'static str,
    key: u8,
    old_key: Option<u8>,
    version: i64,
    /// Of the row before.
    was: i64,
    spoiled: bool,
}

impl Change {
    fn line(&self) -> String {
        let Self {
            n,
            table,
            key,
            version,
            was,
            ..
        } = self;
        let kind = self.kind;
        let note = if self.spoiled { "spoiled" } else { "x" };
        let data = data(*key, *version, note);
        let moved = self
            .old_key
            .map_or(String::new(), |old| format!(r#""id":{old},"#));
        let old_note = if was / 3 == version / 3 {
            String::new()
        } else {
            format!(r#","note":"{note}{}""#, was / 3)
        };
        let old = match kind {
            "update" => format!(r#","old":{{{moved}"v":{was}{old_note}}}"#),
            _ => String::new(),
        };
        format!(
            r#"{{"type":"{kind}","database":"shop","table":"t{table}","id":"u:{n}/0","seq":"00000001.00000001.{n:016x}.00000000","key":{{"id":{key}}},"data":{data}{old}}}"#
        )
    }

    fn touches(&self, key: (u8, u8)) -> bool {
        self.keys().any(|own| own == key)
    }

    fn keys(&self) -> impl Iterator<Item = (u8, u8)> {
        let keys = [Some(self.key), self.old_key];
        keys.into_iter().flatten().map(|key| (self.table, key))
    }
}

/// The values that a row has in a version.
fn data(key: u8, version: i64, note: &str) -> String {
    format!(
        r#"{{"id":{key},"v":{version},"note":"{note}{}"}}"#,
        version / 3
    )
}

/// Of random numbers a history that a source can have.
fn history(choices: &[(u8, u8, u8)]) -> Vec<Change> {
    let mut rows: HashMap<(u8, u8), i64> = HashMap::new();
    let mut changes = Vec::new();
    for (n, (table, key, choice)) in (0..).zip(choices) {
        let (table, key) = (table % 2, key % 6);
        let change = |kind, version, was| Change {
            n,
            table,
            kind,
            key,
            old_key: None,
            version,
            was,
            spoiled: false,
        };
        changes.push(match rows.get(&(table, key)).copied() {
            None => {
                rows.insert((table, key), 1);
                change("insert", 1, 0)
            }
            Some(was) if choice % 8 == 0 => {
                rows.remove(&(table, key));
                change("delete", was, was)
            }
            Some(was) => {
                let free = (0..6).find(|free| !rows.contains_key(&(table, *free)));
                let moves = free.filter(|_| choice % 8 == 1);
                rows.remove(&(table, key));
                rows.insert((table, moves.unwrap_or(key)), was + 1);
                Change {
                    key: moves.unwrap_or(key),
                    old_key: moves.map(|_| key),
                    ..change("update", was + 1, was)
                }
            }
        });
    }
    changes
}

/// With replays: at `at` each table goes back by so many of its own changes and says them again.
fn with_replays(changes: &[Change], replays: &[(u8, u8)]) -> Vec<Change> {
    let mut out: Vec<Change> = Vec::new();
    for (count, change) in changes.iter().enumerate() {
        out.push(change.clone());
        for (_, back) in replays.iter().filter(|(at, _)| usize::from(*at) == count) {
            for table in 0..2 {
                let of_table: Vec<_> = changes[..=count]
                    .iter()
                    .filter(|change| change.table == table)
                    .collect();
                let from = of_table.len().saturating_sub(usize::from(*back));
                out.extend(of_table[from..].iter().map(|change| (*change).clone()));
            }
        }
    }
    out
}

fn audited(lines: &[Change], rules: AuditRules) -> Report {
    let mut audit = Audit::new(rules);
    for change in lines {
        let lane = format!("shop.t{}", change.table);
        let place = Place {
            shard: "shardId-0",
            lane: Some(&lane),
        };
        audit.take(place, change.line().as_bytes()).unwrap();
    }
    audit.finish()
}

fn both_rules() -> [AuditRules; 2] {
    let counter = Some("v".to_owned());
    [
        AuditRules::default(),
        AuditRules {
            counter,
            ..AuditRules::default()
        },
    ]
}

/// A place from which the stream goes on in order: not inside a replay.
fn firsts(lines: &[Change]) -> Vec<usize> {
    let mut newest = [None; 2];
    let mut firsts = Vec::new();
    for (at, change) in lines.iter().enumerate() {
        let newest = &mut newest[usize::from(change.table)];
        if newest.is_none_or(|newest| newest < change.n) {
            *newest = Some(change.n);
            firsts.push(at);
        }
    }
    firsts
}

fn scenario() -> impl Strategy<Value = (Vec<Change>, Vec<Change>, usize)> {
    let choices = prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..80);
    let replays = prop::collection::vec((0..80_u8, 1..20_u8), 0..4);
    (choices, replays, any::<prop::sample::Index>()).prop_map(|(choices, replays, index)| {
        let changes = history(&choices);
        let lines = with_replays(&changes, &replays);
        let victim = index.index(changes.len());
        (changes, lines, victim)
    })
}

/// An earlier and a later change of the same key; without them nobody can tell.
fn is_between(changes: &[Change], victim: usize) -> bool {
    changes[victim].keys().any(|key| {
        let touches = |change: &Change| change.touches(key);
        changes[..victim].iter().any(touches) && changes[victim + 1..].iter().any(touches)
    })
}

proptest! {
    #[test]
    fn legal_replays_are_clean_and_counted((changes, lines, _) in scenario()) {
        for rules in both_rules() {
            let report = audited(&lines, rules);
            prop_assert!(report.is_clean(), "{report}");
            prop_assert_eq!(report.changes, changes.len() as u64);
            prop_assert_eq!(report.duplicates, (lines.len() - changes.len()) as u64);
        }
    }

    #[test]
    fn a_replay_from_behind_the_window_is_clean((changes, lines, _) in scenario()) {
        let rules = AuditRules { window: 3, ..AuditRules::default() };
        let report = audited(&lines, rules);
        prop_assert!(report.is_clean(), "{report}");
        prop_assert_eq!(report.changes, changes.len() as u64);
    }

    #[test]
    fn a_lost_change_is_missing((changes, lines, victim) in scenario()) {
        prop_assume!(is_between(&changes, victim));
        let lines: Vec<_> = lines.into_iter().filter(|line| line.n != changes[victim].n).collect();
        for rules in both_rules() {
            prop_assert!(audited(&lines, rules).missing > 0);
        }
    }

    #[test]
    fn a_change_that_comes_only_in_a_replay_is_out_of_order((_, lines, victim) in scenario()) {
        let n = lines[victim].n;
        let places: Vec<_> = (0..lines.len()).filter(|at| lines[*at].n == n).collect();
        prop_assume!(places.len() > 1);
        let first = places[0];
        let lane = |line: &Change| line.table == lines[first].table;
        // Something of the lane came between.
        prop_assume!(lines[first + 1..places[1]].iter().any(|line| lane(line) && line.n > n));
        let mut lines = lines.clone();
        lines.remove(first);
        prop_assert!(audited(&lines, AuditRules::default()).order_violations > 0);
    }

    #[test]
    fn two_changes_of_a_lane_that_change_places_are_out_of_order((_, lines, victim) in scenario()) {
        let firsts = firsts(&lines);
        let at = firsts[victim % firsts.len()];
        let next = firsts.iter().copied().find(|next| *next > at && lines[*next].table == lines[at].table);
        prop_assume!(next.is_some());
        let mut lines = lines.clone();
        lines.swap(at, next.unwrap());
        prop_assert!(audited(&lines, AuditRules::default()).order_violations > 0);
    }

    #[test]
    fn a_stray_duplicate_is_out_of_order((_, lines, victim) in scenario()) {
        let firsts = firsts(&lines);
        let at = firsts[victim % firsts.len()];
        // Behind it a new change of its lane, before it something to repeat.
        let of_lane = |line: &usize| lines[*line].table == lines[at].table;
        let earlier: Vec<_> = firsts.iter().filter(|line| **line < at).filter(|line| of_lane(line)).collect();
        prop_assume!(earlier.len() > 1);
        let stray = lines[*earlier[earlier.len() - 2]].clone();
        let mut lines = lines.clone();
        lines.insert(at, stray);
        prop_assert!(audited(&lines, AuditRules::default()).order_violations > 0);
    }

    #[test]
    fn a_spoiled_value_is_found((changes, lines, victim) in scenario()) {
        let spoil = |line: &Change| {
            let spoiled = line.n == changes[victim].n;
            Change { spoiled, ..line.clone() }
        };
        let key = (changes[victim].table, changes[victim].key);
        let is_followed = changes[victim + 1..].iter().any(|change| change.touches(key));
        prop_assume!(changes[victim].kind != "delete" && is_followed);
        let lines: Vec<_> = lines.iter().map(spoil).collect();
        let [by_image, by_counter] = both_rules().map(|rules| audited(&lines, rules));
        prop_assert!(by_image.missing > 0, "{by_image}");
        prop_assert!(by_counter.wrong_values > 0, "{by_counter}");
    }

    #[test]
    fn a_value_spoiled_in_one_copy_is_found((_, lines, victim) in scenario()) {
        let n = lines[victim % lines.len()].n;
        let places: Vec<_> = (0..lines.len()).filter(|at| lines[*at].n == n).collect();
        prop_assume!(places.len() > 1);
        let mut lines = lines.clone();
        lines[places[1]].spoiled = true;
        prop_assert!(audited(&lines, AuditRules::default()).wrong_values > 0);
    }
}

fn take(audit: &mut Audit, shard: &str, lane: &str, line: &str) {
    let place = Place {
        shard,
        lane: Some(lane),
    };
    audit.take(place, line.as_bytes()).unwrap();
}

fn event(kind: &str, n: u64, rest: &str) -> String {
    format!(
        r#"{{"type":"{kind}","database":"shop","table":"t","id":"u:{n}/0","seq":"00000001.00000001.{n:016x}.00000000",{rest}}}"#
    )
}

#[test]
fn what_comes_behind_a_heartbeat_for_the_first_time_must_be_later() {
    let row = r#""key":{"id":1},"data":{"id":1}"#;
    let heartbeat = |n: u64, rest: &str| {
        format!(
            r#"{{"type":"heartbeat","database":"shop","table":"t"{rest},"seq":"00000001.00000001.{n:016x}.00000000"}}"#
        )
    };
    for (n, rest, violations) in [(3, "", 0), (5, "", 1), (5, r#","lane":1,"lanes":2"#, 0)] {
        let mut audit = Audit::new(AuditRules::default());
        let place = Place {
            shard: "",
            lane: None,
        };
        let repeated = event("insert", 1, row);
        for line in [
            &repeated,
            &heartbeat(n, rest),
            &repeated,
            &event("delete", 4, row),
        ] {
            audit.take(place, line.as_bytes()).unwrap();
        }
        let report = audit.finish();
        assert_eq!(report.order_violations, violations, "{report}");
        assert_eq!((report.heartbeats, report.duplicates), (1, 1));
    }
}

#[test]
fn a_statement_between_two_changes_explains_other_values_also_from_another_shard() {
    let row = |n| r#""key":{"id":1},"data":{"id":1,"a":N},"old":{}"#.replace('N', n);
    for ddl_comes_last in [false, true] {
        let mut audit = Audit::new(AuditRules::default());
        let ddl = event("ddl", 2, r#""statement":"ALTER TABLE t MODIFY a TEXT""#);
        let mut lines = vec![
            ("s0", ddl),
            ("s1", event("insert", 1, &row("5"))),
            ("s1", event("update", 3, &row("\"5\""))),
        ];
        if ddl_comes_last {
            lines.rotate_left(1);
        }
        for (shard, line) in lines {
            take(&mut audit, shard, shard, &line);
        }
        let report = audit.finish();
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn a_counter_gap_is_missing_also_over_an_alter_and_not_over_a_truncate() {
    let row = |id: u64, n: i64| format!(r#""key":{{"id":{id}}},"data":{{"id":{id},"n":{n}}}"#);
    for (statement, missing) in [
        (
            event("ddl", 3, r#""statement":"ALTER TABLE t ADD b INT""#),
            3,
        ),
        (event("truncate", 3, r#""statement":"TRUNCATE t""#), 0),
    ] {
        let rules = AuditRules {
            counter: Some("n".to_owned()),
            ..AuditRules::default()
        };
        let mut audit = Audit::new(rules);
        let old = |n: i64| format!(r#"{},"old":{{"n":{}}}"#, row(1, n), n - 1);
        for line in [
            event("insert", 1, &row(1, 1)),
            event("update", 2, &old(2)),
            statement,
            event("update", 4, &old(6)),
        ] {
            take(&mut audit, "s", "shop.t", &line);
        }
        assert_eq!(audit.finish().missing, missing);
    }
}

#[test]
fn partial_images_are_not_judged_by_their_values() {
    let mut audit = Audit::new(AuditRules::default());
    for line in [
        event("insert", 1, r#""key":{"id":1},"data":{"id":1,"a":1,"b":1}"#),
        event("update", 2, r#""key":{"id":1},"data":{"a":2},"old":{}"#),
        event("update", 3, r#""key":{"id":1},"data":{"a":3},"old":{}"#),
    ] {
        take(&mut audit, "s", "shop.t", &line);
    }
    let report = audit.finish();
    assert!(report.is_clean(), "{report}");
    assert!(report.tables["shop.t"].is_partial);
}

#[test]
fn a_row_that_moves_through_another_lane_is_no_finding() {
    // Lane 2 holds key 5; it moves away and another row moves in, both through lane 0 on another shard.
    let of_five = |n: u64, kind: &str, a: u64, old: &str| {
        event(
            kind,
            n,
            &format!(r#""key":{{"id":5}},"data":{{"id":5,"a":{a}}}{old}"#),
        )
    };
    let mut audit = Audit::new(AuditRules::default());
    let lane_two = [
        of_five(1, "insert", 1, ""),
        of_five(4, "update", 9, r#","old":{"a":8}"#),
    ];
    let lane_zero = [
        event(
            "update",
            2,
            r#""key":{"id":6},"data":{"id":6,"a":1},"old":{"id":5}"#,
        ),
        event(
            "update",
            3,
            r#""key":{"id":5},"data":{"id":5,"a":8},"old":{"id":7}"#,
        ),
    ];
    for line in &lane_two {
        take(&mut audit, "s1", "shop.t/2", line);
    }
    for line in &lane_zero {
        take(&mut audit, "s0", "shop.t/0", line);
    }
    let report = audit.finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn more_keys_than_may_be_kept_end_the_audit() {
    let mut audit = Audit::new(AuditRules {
        keys_max: 1,
        ..AuditRules::default()
    });
    let row = |id: u64| format!(r#""key":{{"id":{id}}},"data":{{"id":{id}}}"#);
    take(&mut audit, "s", "l", &event("insert", 1, &row(1)));
    let place = Place {
        shard: "s",
        lane: Some("l"),
    };
    assert!(
        audit
            .take(place, event("insert", 2, &row(2)).as_bytes())
            .is_err()
    );
}
