//! Snapshots of made-up histories: a right one passes, each single planted defect is found.

use std::collections::BTreeMap;

use super::{
    by_lanes::{self, lane_of, picks},
    *,
};

/// A row as a snapshot read it behind change `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    table: u8,
    key: u8,
    version: i64,
    at: u64,
    attempt: u32,
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Change(Change),
    Base(Base),
    End {
        table: u8,
        rows: u64,
        begin: u64,
        at: u64,
        attempt: u32,
        number: u64,
    },
}

impl Said {
    fn line(&self) -> String {
        match self {
            Self::Change(change) => change.line(),
            Self::Base(base) => {
                let (key, data) = (base.key, data(base.key, base.version, "x"));
                let place = place(base.table, base.at, base.attempt, base.number);
                format!(r#"{{"type":"snapshot",{place},"key":{{"id":{key}}},"data":{data}}}"#)
            }
            Self::End {
                table,
                rows,
                begin,
                at,
                attempt,
                number,
            } => {
                let place = place(*table, *at, *attempt, *number);
                let begin = format!("00000001.00000001.{begin:016x}.00000000");
                format!(r#"{{"type":"snapshot_end",{place},"rows":{rows},"begin_seq":"{begin}"}}"#)
            }
        }
    }

    fn table(&self) -> u8 {
        match self {
            Self::Change(change) => change.table,
            Self::Base(base) => base.table,
            Self::End { table, .. } => *table,
        }
    }

    /// A lane by key, and one for all where a row moves or a snapshot ends; or the snapshot has a stream of its own.
    fn lane(&self, is_apart: bool) -> u8 {
        match self {
            Self::Change(change) => lane_of(change),
            Self::Base(base) if !is_apart => 1 + base.key % 3,
            Self::End { .. } if !is_apart => 0,
            Self::Base(_) | Self::End { .. } => 4,
        }
    }

    fn base(&self) -> Option<&Base> {
        match self {
            Self::Base(base) => Some(base),
            _ => None,
        }
    }

    fn touches(&self, key: (u8, u8)) -> bool {
        match self {
            Self::Change(change) => change.touches(key),
            Self::Base(base) => (base.table, base.key) == key,
            Self::End { .. } => false,
        }
    }
}

fn place(table: u8, at: u64, attempt: u32, number: u64) -> String {
    format!(
        r#""database":"shop","table":"t{table}","id":"snapshot:tables:{attempt}:f:{at}/{number}","seq":"00000001.00000001.{at:016x}.{attempt:08x}.{number:016x}","run":"tables""#
    )
}

/// Rows by table and key.
type Held = BTreeMap<(u8, u8), i64>;

fn apply(rows: &mut Held, change: &Change) {
    for key in change.keys() {
        rows.remove(&key);
    }
    if change.kind != "delete" {
        rows.insert((change.table, change.key), change.version);
    }
}

/// When which key is copied, and whether there is a crash: up to where progress was stored, and where it came.
#[derive(Debug, Clone)]
struct Copying {
    places: Vec<u8>,
    crash: Option<(u8, u8)>,
    again: Vec<u8>,
}

struct Teller {
    said: Vec<Said>,
    rows: Held,
    attempt: u32,
    number: u64,
    /// Rows by table.
    counts: [u64; 2],
}

impl Teller {
    fn change(&mut self, change: &Change) {
        apply(&mut self.rows, change);
        self.said.push(Said::Change(change.clone()));
        self.number = 0;
    }

    /// Keys that are copied behind change `at`.
    fn copy(&mut self, at: u64, keys: impl Iterator<Item = (u8, u8)>) {
        for (table, key) in keys {
            if let Some(version) = self.rows.get(&(table, key)) {
                self.counts[usize::from(table)] += 1;
                self.said.push(Said::Base(Base {
                    table,
                    key,
                    version: *version,
                    at,
                    attempt: self.attempt,
                    number: self.number,
                }));
                self.number += 1;
            }
        }
    }
}

const KEYS: usize = 12;

fn key_of(index: usize) -> (u8, u8) {
    ((index / 6) as u8, (index % 6) as u8)
}

fn told(changes: &[Change], copying: &Copying) -> Vec<Said> {
    let last = changes.len() - 1;
    let mut places: Vec<usize> = copying
        .places
        .iter()
        .map(|at| usize::from(*at) % changes.len())
        .collect();
    let begin = places.iter().copied().min().unwrap_or_default() as u64;
    let crash = copying.crash.map(|(stored, at)| {
        let at = usize::from(at) % changes.len();
        (usize::from(stored) % (at + 1), at)
    });
    let mut teller = Teller {
        said: Vec::new(),
        rows: Held::new(),
        attempt: 1,
        number: 0,
        counts: [0; 2],
    };
    for (at, change) in changes.iter().enumerate() {
        teller.change(change);
        let here = |places: &[usize]| -> Vec<(u8, u8)> {
            let here = (0..KEYS).filter(|index| places[*index] == at);
            here.map(key_of).collect()
        };
        teller.copy(at as u64, here(&places).into_iter());
        let Some((stored, _)) = crash.filter(|(_, crash)| *crash == at) else {
            continue;
        };
        // What lies beyond the stored progress comes again: changes as they were, rows as they are by now.
        let again = changes[stored + 1..=at].iter();
        teller.said.extend(again.cloned().map(Said::Change));
        for (index, place) in places.iter_mut().enumerate() {
            if (stored + 1..=at).contains(place) {
                let table = usize::from(key_of(index).0);
                let of_it = |said: &&Said| {
                    said.base()
                        .is_some_and(|base| (base.table, base.key) == key_of(index))
                };
                teller.counts[table] -= teller.said.iter().filter(of_it).count() as u64;
                *place = at + usize::from(copying.again[index]) % (last + 1 - at);
            } else if *place <= stored {
                *place = usize::MAX;
            }
        }
        (teller.attempt, teller.number) = (2, 0);
        teller.copy(at as u64, here(&places).into_iter());
    }
    for table in 0..2 {
        teller.said.push(Said::End {
            table,
            rows: teller.counts[usize::from(table)],
            begin,
            at: last as u64,
            attempt: teller.attempt,
            number: 100 + u64::from(table),
        });
    }
    teller.said
}

fn copying(crash: impl Strategy<Value = Option<(u8, u8)>>) -> impl Strategy<Value = Copying> {
    let places = || prop::collection::vec(any::<u8>(), KEYS);
    (places(), crash, places()).prop_map(|(places, crash, again)| Copying {
        places,
        crash,
        again,
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..80)
        .prop_map(|choices| history(&choices))
}

/// With a snapshot and no crash.
fn scenario() -> impl Strategy<Value = (Vec<Said>, prop::sample::Index)> {
    let said = (changes(), copying(Just(None)));
    (
        said.prop_map(|(changes, copying)| told(&changes, &copying)),
        any::<prop::sample::Index>(),
    )
}

fn report(said: &[Said], rules: AuditRules) -> Report {
    let mut audit = Audit::new(rules);
    for said in said {
        let lane = format!("shop.t{}", said.table());
        super::take(&mut audit, "shardId-0", &lane, &said.line());
    }
    audit.finish()
}

/// Lanes by key on shards of their own.
fn read_in_any_order(said: &[Said], picks: &[u8], rules: AuditRules) -> Report {
    let is_apart = picks.len().is_multiple_of(2);
    let line = |said: &Said| (said.lane(is_apart), said.table(), said.line());
    by_lanes::audited(said.iter().map(line).collect(), picks, rules)
}

fn is_found(said: &[Said]) -> bool {
    both_rules()
        .into_iter()
        .all(|rules| !report(said, rules).is_clean())
}

/// One of the places that fit.
fn pick(
    said: &[Said],
    index: prop::sample::Index,
    fits: impl Fn(usize, &Said) -> bool,
) -> Option<usize> {
    let places: Vec<usize> = (0..said.len()).filter(|at| fits(*at, &said[*at])).collect();
    (!places.is_empty()).then(|| places[index.index(places.len())])
}

/// Whether something else of the key stands there.
fn has(said: &[Said], key: (u8, u8)) -> bool {
    said.iter().any(|said| said.touches(key))
}

proptest! {
    #[test]
    fn a_snapshot_is_clean_also_over_a_crash(
        (changes, copying) in (changes(), copying(any::<Option<(u8, u8)>>())),
        picks in picks(),
    ) {
        let said = told(&changes, &copying);
        let bases = said.iter().filter(|said| said.base().is_some()).count() as u64;
        for rules in both_rules() {
            let report = report(&said, rules.clone());
            prop_assert!(report.is_clean(), "{report}");
            prop_assert_eq!(report.snapshot_rows, bases);
            prop_assert_eq!(report.changes, changes.len() as u64);
            prop_assert_eq!(report.snapshots.iter().map(|run| run.rows).sum::<u64>(), bases);
            prop_assert_eq!(report.not_judged, 0);
            let report = read_in_any_order(&said, &picks, rules);
            prop_assert!(report.is_clean(), "{report}");
        }
    }

    #[test]
    fn a_stream_that_begins_within_the_history_is_clean(
        (said, from) in scenario(),
        picks in picks(),
    ) {
        // Where it begins behind the snapshot's first row, its end counts rows that are gone.
        let from = from.index(said.len());
        let is_begun = said[..from].iter().any(|said| said.base().is_some());
        let is_left = |said: &&Said| !is_begun || !matches!(said, Said::End { .. });
        let said: Vec<Said> = said[from..].iter().filter(is_left).cloned().collect();
        for rules in both_rules() {
            let report = report(&said, rules.clone());
            prop_assert!(report.is_clean(), "{report}");
            let report = read_in_any_order(&said, &picks, rules);
            prop_assert!(report.is_clean(), "{report}");
        }
    }

    #[test]
    fn a_lost_row_of_a_snapshot_is_missing((mut said, index) in scenario()) {
        let at = pick(&said, index, |_, said| said.base().is_some());
        prop_assume!(at.is_some());
        said.remove(at.unwrap());
        for rules in both_rules() {
            prop_assert_eq!(report(&said, rules).missing, 1);
        }
    }

    #[test]
    fn a_stale_row_is_found((mut said, index) in scenario()) {
        let at = pick(&said, index, |at, it| {
            it.base().is_some_and(|base| {
                let key = (base.table, base.key);
                has(&said[..at], key) || has(&said[at + 1..], key)
            })
        });
        prop_assume!(at.is_some());
        if let Said::Base(base) = &mut said[at.unwrap()] {
            base.version -= 1;
        }
        prop_assert!(is_found(&said));
    }

    #[test]
    fn a_row_that_was_deleted_and_comes_back_is_found((mut said, index) in scenario()) {
        let at = pick(&said, index, |_, it| matches!(it, Said::Change(change) if change.kind == "delete"));
        prop_assume!(at.is_some());
        let Said::Change(change) = said[at.unwrap()].clone() else {
            unreachable!("a delete was picked");
        };
        let (table, at_change) = (change.table, change.n);
        said.insert(at.unwrap() + 1, Said::Base(Base {
            table,
            key: change.key,
            version: change.version,
            at: at_change,
            // In front of those that stand there.
            attempt: 0,
            number: 0,
        }));
        prop_assert!(is_found(&said));
    }

    #[test]
    fn a_change_that_is_lost_before_or_behind_a_row_is_found((mut said, index) in scenario()) {
        let next = |at: usize, key| said[at + 1..].iter().find(|said| said.touches(key));
        let at = pick(&said, index, |at, it| {
            let Said::Change(change) = it else {
                return false;
            };
            change.keys().any(|key| {
                let before = said[..at].iter().rev().find(|said| said.touches(key));
                let is_beside = [before, next(at, key)].into_iter().flatten().any(|said| said.base().is_some());
                is_beside && before.is_some() && next(at, key).is_some()
            })
        });
        prop_assume!(at.is_some());
        said.remove(at.unwrap());
        prop_assert!(is_found(&said));
    }

    #[test]
    fn a_row_that_comes_twice_with_other_values_is_found(
        (mut said, index) in scenario(),
        is_read_again in any::<bool>(),
    ) {
        let at = pick(&said, index, |_, said| said.base().is_some());
        prop_assume!(at.is_some());
        let mut again = said[at.unwrap()].clone();
        let place = again.base().map(|base| base.at);
        if let Said::Base(base) = &mut again {
            base.version += 1;
            base.attempt += u32::from(is_read_again);
        }
        // At once, or behind all that stands at that place.
        let is_elsewhere = |it: &Said| it.base().map(|base| base.at) != place;
        let rest = said[at.unwrap()..].iter().position(is_elsewhere);
        let behind = rest.map_or(said.len(), |rest| at.unwrap() + rest);
        said.insert(if is_read_again { behind } else { at.unwrap() + 1 }, again);
        for rules in both_rules() {
            let report = report(&said, rules);
            prop_assert!(0 < report.wrong_values + report.missing, "{report}");
        }
    }

    #[test]
    fn a_chunk_that_comes_twice_is_counted_and_no_finding((mut said, index) in scenario()) {
        // The newest lines of a table, whatever they are.
        let from = index.index(said.len());
        let table = said[from].table();
        let again: Vec<Said> = said[from..].iter().filter(|it| it.table() == table).cloned().collect();
        said.extend(again.iter().cloned());
        for rules in both_rules() {
            let report = report(&said, rules);
            prop_assert!(report.is_clean(), "{report}");
            prop_assert_eq!(report.duplicates, again.len() as u64);
        }
    }

    #[test]
    fn a_snapshot_without_its_end_is_said_and_no_finding((mut said, _) in scenario()) {
        said.retain(|said| !matches!(said, Said::End { .. }));
        let report = report(&said, AuditRules::default());
        prop_assert!(report.is_clean(), "{report}");
        prop_assert!(report.snapshots.iter().all(|run| run.rows_said.is_none()));
        let text = report.to_string();
        prop_assert_eq!(text.contains("its end has not come"), !report.snapshots.is_empty());
    }
}
