//! The rule of keys: the changes of a key fit each other.
//!
//! Of each key the newest state is kept: where its last change stands, the image after it, the counter. A new
//! change of the same lane must begin with that image (and with that counter): if it does not, a change between
//! the two is missing, or one of them is wrong. What looks so can have an innocent cause that another shard
//! tells later: a statement on the table, a row that moved here through another lane, a change that came too
//! late (reported as that). So it is held as a suspicion and judged at the end. Between different shards nothing
//! is known about time, so nothing is judged there; nor in tables whose row images are partial.

use std::collections::HashMap;

use crate::{
    line::{Image, Row},
    report::FindingKind,
    seq::Seq,
};

const SUSPECTS_MAX: usize = 100_000;
const PASSING_MAX: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} keys came, and no more may be kept")]
pub struct TooManyKeys(pub usize);

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    pub table: u32,
    pub lane: u32,
    pub shard: u32,
    pub seq: Seq,
    pub id: &'a str,
}

#[derive(Debug, Clone, Copy)]
struct State {
    seq: Seq,
    after: Option<Image>,
    counter: Option<i64>,
    table: u32,
    lane: u32,
    shard: u32,
}

/// A row that is there by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub image: Image,
    /// A statement on the table came behind it.
    pub is_altered: bool,
}

/// One key that a change touches.
#[derive(Debug, Clone, Copy)]
struct Touch {
    key: u64,
    before: Before,
    after: Option<Image>,
    /// What the counter must have been.
    counter_before: Option<i64>,
    counter: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Before {
    Unknown,
    NoRow,
    Row(Image),
}

/// Perhaps a finding.
#[derive(Debug)]
pub struct Suspect {
    pub table: u32,
    pub shard: u32,
    pub seq: Seq,
    pub id: Box<str>,
    pub kind: FindingKind,
    /// So many changes.
    pub amount: u64,
    pub what: &'static str,
    key: u64,
    since: Seq,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Counter,
    Image,
    /// Other columns: nothing by itself, but it shows partial images.
    Columns,
}

#[derive(Debug, Default)]
struct Table {
    /// Place, and whether it left all rows where they were.
    statements: Vec<(Seq, bool)>,
    is_partial: bool,
    /// Suspects that found no room, by kind.
    overflow: u64,
}

#[derive(Debug, Default)]
pub struct Rows {
    keys: HashMap<u64, State>,
    keys_max: usize,
    judges_images: bool,
    tables: Vec<Table>,
    /// Of a table, the one that stands for its database.
    databases: Vec<u32>,
    suspects: Vec<Suspect>,
    /// Changes of a key that came another way, or late.
    passing: HashMap<u64, Vec<Seq>>,
    passing_count: usize,
}

/// What remains of the suspicions.
#[derive(Debug, Default)]
pub struct Judged {
    pub findings: Vec<Suspect>,
    /// Tables whose images are partial.
    pub partial: Vec<u32>,
    /// Suspicions of a table that were not looked at: too many.
    pub overflow: Vec<(u32, u64)>,
}

impl Rows {
    pub fn new(keys_max: usize, judges_images: bool) -> Self {
        Self {
            keys_max,
            judges_images,
            ..Self::default()
        }
    }

    /// Tables are numbered from 0 as they come; this one stands for itself.
    pub fn add_table(&mut self, number: u32) {
        self.tables.push(Table::default());
        self.databases.push(number);
    }

    /// Statements on `database` count for `table` too.
    pub fn set_database(&mut self, table: u32, database: u32) {
        if let Some(known) = self.databases.get_mut(table as usize) {
            *known = database;
        }
    }

    pub fn statement(&mut self, table: u32, seq: Seq, keeps_rows: bool) {
        if let Some(table) = self.tables.get_mut(table as usize) {
            table.statements.push((seq, keeps_rows));
        }
    }

    /// A change that came for the first time. The answer says whether the key's `seq` rose in its shard.
    ///
    /// # Errors
    /// When there is no room for another key.
    pub fn change(
        &mut self,
        spot: &Spot<'_>,
        row: &Row,
        is_snapshot: bool,
    ) -> Result<bool, TooManyKeys> {
        if row.is_partial
            && row.before.is_some()
            && let Some(table) = self.tables.get_mut(spot.table as usize)
        {
            table.is_partial = true;
        }
        let step = i64::from(row.after.is_some());
        let counter_before = row.before.and(row.counter).map(|counter| counter - step);
        let touch = Touch {
            key: row.key,
            before: match row.before {
                Some(image) => Before::Row(image),
                None if is_snapshot => Before::Unknown,
                None => Before::NoRow,
            },
            after: row.after,
            counter_before,
            counter: row.counter,
        };
        let Some(old_key) = row.old_key.filter(|old| *old != row.key) else {
            return self.touch(spot, touch);
        };
        let left = Touch {
            key: old_key,
            after: None,
            ..touch
        };
        let came = Touch {
            before: Before::NoRow,
            counter_before: None,
            ..touch
        };
        Ok(self.touch(spot, left)? & self.touch(spot, came)?)
    }

    /// A change of the key that came where it may not: what it explains is no other finding.
    pub fn came_late(&mut self, seq: Seq, row: &Row) {
        for key in [Some(row.key), row.old_key].into_iter().flatten() {
            self.pass(key, seq);
        }
    }

    pub fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The rows that are there by now, with table and key.
    pub fn live(&self) -> impl Iterator<Item = (u32, u64, Live)> {
        self.keys.iter().filter_map(|(key, state)| {
            let image = state.after?;
            let is_behind = |keeps: bool| {
                let mut statements = self.statements_of(state.table);
                statements.any(|(seq, keeps_rows)| *seq > state.seq && *keeps_rows == keeps)
            };
            let live = Live {
                image,
                is_altered: is_behind(true),
            };
            (!is_behind(false)).then_some((state.table, *key, live))
        })
    }

    /// Those on the table and those on its database.
    fn statements_of(&self, table: u32) -> impl Iterator<Item = &(Seq, bool)> {
        let database = self.databases.get(table as usize).copied();
        let tables = [Some(table), database.filter(|database| *database != table)];
        let tables = tables.into_iter().flatten();
        tables
            .filter_map(|table| self.tables.get(table as usize))
            .flat_map(|table| &table.statements)
    }

    fn pass(&mut self, key: u64, seq: Seq) {
        self.passing_count += 1;
        if self.passing_count <= PASSING_MAX {
            self.passing.entry(key).or_default().push(seq);
        }
    }

    fn touch(&mut self, spot: &Spot<'_>, touch: Touch) -> Result<bool, TooManyKeys> {
        let next = State {
            seq: spot.seq,
            after: touch.after,
            counter: touch.counter,
            table: spot.table,
            lane: spot.lane,
            shard: spot.shard,
        };
        let Some(state) = self.keys.get_mut(&touch.key) else {
            if self.keys.len() >= self.keys_max {
                return Err(TooManyKeys(self.keys_max));
            }
            self.keys.insert(touch.key, next);
            return Ok(true);
        };
        let last = *state;
        if spot.seq <= last.seq {
            self.pass(touch.key, spot.seq);
            return Ok(last.shard != spot.shard);
        }
        *state = next;
        if last.lane == spot.lane {
            self.compare(spot, &last, &touch);
        } else {
            self.pass(touch.key, spot.seq);
        }
        Ok(true)
    }

    fn compare(&mut self, spot: &Spot<'_>, last: &State, touch: &Touch) {
        use FindingKind::{Missing, OutOfOrder, WrongValue};
        let counters = last.counter.zip(touch.counter_before);
        let by_counter = counters.filter(|_| last.after.is_some());
        let (cause, kind, amount, what) = match (by_counter, last.after, touch.before) {
            (Some((was, is)), ..) if is > was => (
                Cause::Counter,
                Missing,
                is.abs_diff(was),
                "the counter has a gap before it",
            ),
            (Some((was, is)), ..) if is < was => {
                (Cause::Counter, OutOfOrder, 1, "its counter falls")
            }
            (.., Before::Unknown) | (_, None, Before::NoRow) => return,
            (_, Some(_), Before::NoRow) => (
                Cause::Image,
                Missing,
                1,
                "the row was there already: what ended it is missing",
            ),
            (_, None, Before::Row(_)) => (
                Cause::Image,
                Missing,
                1,
                "the row was gone: what made it again is missing",
            ),
            (_, Some(was), Before::Row(is)) if was.columns != is.columns => {
                (Cause::Columns, Missing, 0, "")
            }
            (_, Some(was), Before::Row(is)) if was == is => return,
            (Some(_), ..) => (
                Cause::Image,
                WrongValue,
                1,
                "its values before are not those that the last change of the key left, and no change is missing between",
            ),
            (None, ..) => (
                Cause::Image,
                Missing,
                1,
                "its values before are not those that the last change of the key left",
            ),
        };
        if cause != Cause::Counter && !self.judges_images {
            return;
        }
        let suspect = Suspect {
            table: spot.table,
            shard: spot.shard,
            seq: spot.seq,
            id: spot.id.into(),
            kind,
            amount,
            what,
            key: touch.key,
            since: last.seq,
            cause,
        };
        if self.is_explained_by_statement(&suspect) {
            return;
        }
        if self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push(suspect);
        } else if let Some(table) = self.tables.get_mut(spot.table as usize) {
            table.overflow += 1;
        }
    }

    fn is_explained_by_statement(&self, suspect: &Suspect) -> bool {
        self.statements_of(suspect.table).any(|(seq, keeps_rows)| {
            let is_between = suspect.since < *seq && *seq < suspect.seq;
            is_between && (suspect.cause != Cause::Counter || !keeps_rows)
        })
    }

    /// How many changes of the key are known to lie between.
    fn passed(&self, suspect: &Suspect) -> u64 {
        let seqs = self.passing.get(&suspect.key).into_iter().flatten();
        seqs.filter(|seq| suspect.since < **seq && **seq < suspect.seq)
            .count() as u64
    }

    /// The end: which suspicions hold.
    pub fn judge(mut self) -> Judged {
        let suspects = std::mem::take(&mut self.suspects);
        let mut held: Vec<Suspect> = Vec::new();
        for mut suspect in suspects {
            let passed = self.passed(&suspect);
            let is_explained = match suspect.cause {
                Cause::Counter if suspect.kind == FindingKind::Missing => {
                    suspect.amount = suspect.amount.saturating_sub(passed);
                    suspect.amount == 0
                }
                _ => passed > 0,
            };
            if is_explained
                || self.is_explained_by_statement(&suspect)
                || self.passing_count > PASSING_MAX
            {
                continue;
            }
            if suspect.cause == Cause::Columns {
                if let Some(table) = self.tables.get_mut(suspect.table as usize) {
                    table.is_partial = true;
                }
                continue;
            }
            held.push(suspect);
        }
        let is_partial = |table: u32| {
            let table = self.tables.get(table as usize);
            table.is_some_and(|table| table.is_partial)
        };
        held.retain(|suspect| suspect.cause == Cause::Counter || !is_partial(suspect.table));
        let numbered = || (0..).zip(&self.tables);
        Judged {
            findings: held,
            partial: numbered()
                .filter(|(_, table)| table.is_partial)
                .map(|(number, _)| number)
                .collect(),
            overflow: numbered()
                .filter(|(_, table)| table.overflow > 0)
                .map(|(number, table)| (number, table.overflow))
                .collect(),
        }
    }
}
