//! The rule of keys: the changes of a key fit each other, each one beginning with what the one before it left.
//!
//! Of each key a [`Ledger`] of its images is kept, and one of its counter; at the end each must be even. Between
//! changes of different shards the order of arrival tells nothing, and the ledgers do not ask for it: only for
//! `seq`, which says which change is the first and which the last. A statement on the table may have changed the
//! row, so images are judged from statement to statement: a change behind one opens a new ledger, and the old one is
//! done with when it is even, else kept for what another shard still has. A base line, a row that a snapshot read,
//! parts the changes too, and says what those before it must have led to (`base`). Not here: runs that are over
//! (`over`), the end (`judge`).

mod base;
mod judge;
mod over;

use std::collections::HashMap;

use self::over::Over;
use crate::{
    ledger::{Ledger, Step},
    line::{Image, Row},
    seq::Seq,
    statements::Statements,
};

/// Places at which keys ceased to be even, and runs that are over and are not.
const UNEVEN_MAX: usize = 100_000;
/// Changes whose columns differ from those that the one before left, per table.
const WITNESSES_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} keys came, and no more may be kept")]
pub struct TooManyKeys(pub usize);

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    pub table: u32,
    pub shard: u32,
    pub seq: Seq,
    pub id: &'a str,
}

#[derive(Debug, Clone)]
struct State {
    table: u32,
    /// Of the last change.
    shard: u32,
    last: Seq,
    after: Option<Image>,
    images: Ledger,
    counter: Option<Box<Counter>>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    ledger: Ledger,
    /// After the last change.
    after: u64,
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
    counter: Option<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Before {
    NoRow,
    Row(Image),
}

/// Where a key ceased to be even.
#[derive(Debug, Clone)]
struct Place {
    seq: Seq,
    shard: u32,
    id: Box<str>,
    what: &'static str,
    is_base: bool,
}

#[derive(Debug, Default)]
struct Table {
    statements: Statements,
    is_partial: bool,
    /// Between them the columns changed.
    witnesses: Vec<(Seq, Seq)>,
}

#[derive(Debug, Default)]
pub struct Rows {
    keys: HashMap<u64, State>,
    keys_max: usize,
    judges_images: bool,
    tables: Vec<Table>,
    /// Of a table, the one that stands for its database.
    databases: Vec<u32>,
    /// By key.
    places: HashMap<u64, Place>,
    over: Over,
    not_judged: u64,
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
            table.statements.add(seq, keeps_rows);
        }
    }

    /// A change that came for the first time. The answer says whether the key's `seq` rose in its shard.
    ///
    /// # Errors
    /// When there is no room for another key.
    pub fn change(&mut self, spot: &Spot<'_>, row: &Row) -> Result<bool, TooManyKeys> {
        if row.is_partial
            && row.before.is_some()
            && let Some(table) = self.tables.get_mut(spot.table as usize)
        {
            table.is_partial = true;
        }
        // An update raises it by one, a delete takes what is there.
        let before = |counter: i64| match (row.before, row.after) {
            (None, _) => 0,
            (Some(_), Some(_)) => counter.wrapping_sub(1),
            (Some(_), None) => counter,
        };
        let after = |counter: i64| row.after.map_or(0, |_| counter);
        let counter = row.counter.map(|counter| Step {
            before: before(counter).cast_unsigned(),
            after: after(counter).cast_unsigned(),
        });
        let touch = Touch {
            key: row.key,
            before: match row.before {
                Some(image) => Before::Row(image),
                None => Before::NoRow,
            },
            after: row.after,
            counter,
        };
        let Some(old_key) = row.old_key.filter(|old| *old != row.key) else {
            return self.touch(spot, touch);
        };
        let left = Touch {
            key: old_key,
            after: None,
            counter: counter.map(|step| Step { after: 0, ..step }),
            ..touch
        };
        let came = Touch {
            before: Before::NoRow,
            counter: counter.map(|step| Step { before: 0, ..step }),
            ..touch
        };
        Ok(self.touch(spot, left)? & self.touch(spot, came)?)
    }

    pub fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The rows that are there by now, with table and key.
    pub fn live(&self) -> impl Iterator<Item = (u32, u64, Live)> {
        let there = self.keys.iter().filter(|(_, state)| self.is_there(state));
        there.filter_map(|(key, state)| {
            let image = state.after?;
            let live = Live {
                image,
                is_altered: self
                    .statements(state.table)
                    .any(|all| all.is_behind(state.last)),
            };
            Some((state.table, *key, live))
        })
    }

    /// Counts the rows that are there by now and whose last line lies before the place in `since` of their table. With
    /// each count comes the newest of these lines.
    pub fn unheard(&self, since: &HashMap<u32, Seq>) -> HashMap<u32, (u64, Seq)> {
        let mut unheard = HashMap::new();
        let old = self.keys.values().filter(|state| {
            since
                .get(&state.table)
                .is_some_and(|since| state.last < *since)
        });
        for state in old.filter(|state| self.is_there(state)) {
            let (count, last) = unheard.entry(state.table).or_insert((0, state.last));
            *count += 1;
            *last = (*last).max(state.last);
        }
        unheard
    }

    fn is_there(&self, state: &State) -> bool {
        state.after.is_some() && !self.is_moved_behind(state.table, state.last)
    }

    /// Whether a statement behind the place may have moved the table's rows.
    pub fn is_moved_behind(&self, table: u32, seq: Seq) -> bool {
        self.statements(table).any(|all| all.moves_rows_behind(seq))
    }

    /// Those on the table and those on its database.
    fn statements(&self, table: u32) -> impl Iterator<Item = &Statements> {
        let database = self.databases.get(table as usize).copied();
        let tables = [Some(table), database.filter(|database| *database != table)];
        let tables = tables.into_iter().flatten();
        tables
            .filter_map(|table| self.tables.get(table as usize))
            .map(|table| &table.statements)
    }

    fn is_parted(&self, table: u32, from: Seq, to: Seq) -> bool {
        self.statements(table).any(|all| all.is_between(from, to))
    }

    fn is_moved(&self, table: u32, from: Seq, to: Seq) -> bool {
        self.statements(table)
            .any(|all| all.moves_rows_between(from, to))
    }

    fn touch(&mut self, spot: &Spot<'_>, touch: Touch) -> Result<bool, TooManyKeys> {
        let Some(mut state) = self.keys.remove(&touch.key) else {
            if self.keys.len() >= self.keys_max {
                return Err(TooManyKeys(self.keys_max));
            }
            self.keys.insert(touch.key, State::begin(spot, &touch));
            return Ok(true);
        };
        let rises = state.last < spot.seq;
        let is_fitting = rises || state.shard != spot.shard;
        self.add_image(&mut state, spot, &touch);
        self.add_counter(&mut state, spot, &touch);
        let misfit = rises.then(|| misfit(state.after, &touch)).flatten();
        if rises {
            (state.last, state.shard, state.after) = (spot.seq, spot.shard, touch.after);
        }
        self.note(&state, spot, touch.key, misfit);
        self.keys.insert(touch.key, state);
        Ok(is_fitting)
    }

    fn add_image(&mut self, state: &mut State, spot: &Spot<'_>, touch: &Touch) {
        let step = touch.image_step();
        if state.last < spot.seq {
            if self.is_parted(spot.table, state.last, spot.seq) {
                self.end_by_statement(state, touch.key);
                state.images = Ledger::open(spot.seq, step);
                return;
            }
            if let (Some(was), Before::Row(is)) = (state.after, touch.before) {
                self.see_columns(spot.table, (state.last, was), (spot.seq, is));
            }
        } else if self.is_behind(spot, &state.images) {
            return self.over.add_image(touch.key, spot.seq, step);
        }
        state.images.add(spot.seq, step);
    }

    /// Whether the run began behind the place: a statement lies between, or a base line opened it.
    fn is_behind(&self, spot: &Spot<'_>, run: &Ledger) -> bool {
        let first = run.first();
        let is_of_base = first.attempt().is_some();
        spot.seq < first && (is_of_base || self.is_parted(spot.table, spot.seq, first))
    }

    fn see_columns(&mut self, table: u32, (from, was): (Seq, Image), (to, is): (Seq, Image)) {
        if was.columns != is.columns
            && let Some(table) = self.tables.get_mut(table as usize)
            && table.witnesses.len() < WITNESSES_MAX
        {
            table.witnesses.push((from, to));
        }
    }

    fn add_counter(&mut self, state: &mut State, spot: &Spot<'_>, touch: &Touch) {
        let rises = state.last < spot.seq;
        let Some(step) = touch.counter else {
            state.counter = None;
            return;
        };
        let table = spot.table;
        match &mut state.counter {
            Some(counter) if rises && self.is_moved(table, state.last, spot.seq) => {
                counter.ledger = Ledger::open(spot.seq, step);
                counter.after = step.after;
            }
            Some(counter) => {
                let first = counter.ledger.first();
                if spot.seq < first && first.attempt().is_some() {
                    return self.over.add_counter(touch.key, spot.seq, step);
                }
                if spot.seq < first && self.is_moved(table, spot.seq, first) {
                    return;
                }
                counter.ledger.add(spot.seq, step);
                if rises {
                    counter.after = step.after;
                }
            }
            None if rises => state.counter = Some(Counter::open(spot.seq, step)),
            None => (),
        }
    }

    /// Keeps the place where the key ceased to be even, for as long as it is not.
    fn note(&mut self, state: &State, spot: &Spot<'_>, key: u64, misfit: Option<&'static str>) {
        if state.is_even() {
            self.places.remove(&key);
        } else if let Some(what) = misfit
            && self.places.len() < UNEVEN_MAX
        {
            let place = || spot.place(what, false);
            self.places.entry(key).or_insert_with(place);
        }
    }
}

impl Spot<'_> {
    fn place(&self, what: &'static str, is_base: bool) -> Place {
        Place {
            seq: self.seq,
            shard: self.shard,
            id: self.id.into(),
            what,
            is_base,
        }
    }
}

impl Touch {
    fn image_step(&self) -> Step {
        Step {
            before: match self.before {
                Before::NoRow => value(None),
                Before::Row(image) => value(Some(image)),
            },
            after: value(self.after),
        }
    }
}

impl State {
    fn begin(spot: &Spot<'_>, touch: &Touch) -> Self {
        Self {
            table: spot.table,
            shard: spot.shard,
            last: spot.seq,
            after: touch.after,
            images: Ledger::open(spot.seq, touch.image_step()),
            counter: touch.counter.map(|step| Counter::open(spot.seq, step)),
        }
    }

    fn is_even(&self) -> bool {
        let counter = self.counter.as_ref();
        self.images.gap(value(self.after)) == 0
            && counter.is_none_or(|counter| counter.ledger.gap(counter.after) == 0)
    }
}

impl Counter {
    fn open(seq: Seq, step: Step) -> Box<Self> {
        Box::new(Self {
            ledger: Ledger::open(seq, step),
            after: step.after,
        })
    }
}

const VALUES: &str = "its values before are not those that the last change of the key left";

/// How a change begins otherwise than the last one ended.
fn misfit(last: Option<Image>, touch: &Touch) -> Option<&'static str> {
    match (last, touch.before) {
        (None, Before::NoRow) => None,
        (Some(_), Before::NoRow) => Some("the row was there already: what ended it is missing"),
        (None, Before::Row(_)) => Some("the row was gone: what made it again is missing"),
        (Some(was), Before::Row(is)) => (was != is).then_some(VALUES),
    }
}

/// An image as a value of the ledger: mixed, so that what two images have in common does not cancel out.
fn value(image: Option<Image>) -> u64 {
    let Some(Image { hash, columns }) = image else {
        return 0;
    };
    // splitmix64's finaliser.
    let mut mixed = hash ^ columns.rotate_left(32);
    for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
        mixed = (mixed ^ (mixed >> shift)).wrapping_mul(factor);
    }
    mixed ^ (mixed >> 31)
}
