//! Lanes on shards of their own, rows that move through one for all, and any order of reading them.

use std::collections::VecDeque;

use super::*;

const SHARDS: usize = 5;

pub fn lane_of(change: &Change) -> u8 {
    match change.old_key {
        Some(_) => 0,
        None => 1 + change.key % 3,
    }
}

fn audited_changes(changes: &[Change], picks: &[u8], rules: AuditRules) -> Report {
    let line = |change: &Change| (lane_of(change), change.table, change.line());
    audited(changes.iter().map(line).collect(), picks, rules)
}

/// Lines with their lane and table, in the source's order; `picks` says from which shard the next is read.
pub fn audited(lines: Vec<(u8, u8, String)>, picks: &[u8], rules: AuditRules) -> Report {
    let mut shards: Vec<VecDeque<(u8, String)>> = vec![VecDeque::new(); SHARDS];
    for (lane, table, line) in lines {
        shards[usize::from(lane)].push_back((table, line));
    }
    let mut audit = Audit::new(rules);
    for pick in picks.iter().cycle() {
        let from = usize::from(*pick);
        let at = (from..from + SHARDS).map(|at| at % SHARDS);
        let Some(at) = at.into_iter().find(|at| !shards[*at].is_empty()) else {
            break;
        };
        let (table, line) = shards[at].pop_front().unwrap();
        let (shard, lane) = (format!("shardId-{at}"), format!("shop.t{table}/{at}"));
        take(&mut audit, &shard, &lane, &line);
    }
    audit.finish()
}

pub fn picks() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..SHARDS as u8, 1..40)
}

proptest! {
    #[test]
    fn a_lost_change_is_missing_and_nothing_else_is((changes, _, victim) in scenario(), picks in picks()) {
        for rules in both_rules() {
            let report = audited_changes(&changes, &picks, rules);
            prop_assert!(report.is_clean(), "{report}");
        }
        prop_assume!(is_between(&changes, victim));
        let is_left = |change: &&Change| change.n != changes[victim].n;
        let left: Vec<_> = changes.iter().filter(is_left).cloned().collect();
        for rules in both_rules() {
            prop_assert!(audited_changes(&left, &picks, rules).missing > 0);
        }
    }

    #[test]
    fn a_statement_that_changes_rows_is_no_loss((changes, _, at) in scenario(), picks in picks()) {
        let mut lines = Vec::new();
        for mut change in changes {
            change.spoiled = at as u64 <= change.n;
            if change.n == at as u64 {
                // Behind the change before it.
                let seq = format!("{:016x}.00000001", at.saturating_sub(1));
                lines.extend([0, 1].map(|table| {
                    let line = format!(
                        r#"{{"type":"ddl","database":"shop","table":"t{table}","id":"u:ddl:t{table}","seq":"00000001.00000001.{seq}","statement":"ALTER TABLE t MODIFY note TEXT"}}"#
                    );
                    (0, table, line)
                }));
            }
            lines.push((lane_of(&change), change.table, change.line()));
        }
        for rules in both_rules() {
            let report = audited(lines.clone(), &picks, rules);
            prop_assert!(report.is_clean(), "{report}");
        }
    }
}
