//! Base lines: rows as a snapshot read them. What the key is at that place is known, whatever came before.
//!
//! A base line ends the key's run of changes, which must lead to it, and opens the next one, which must begin with it.
//! So a stale row, and a change that is missing before it, show in the run before; a change that does not fit the row
//! shows in the run behind. Rows that are read again are new base lines, and two with nothing between them must be
//! equal. One that is read from another shard behind later changes of its key can no longer part them: it is used
//! where it stands before all of them, and otherwise not judged.

use super::{
    Counter, Rows, Spot, State, TooManyKeys,
    over::{Ended, Run},
    value,
};
use crate::{
    ledger::{Ledger, Step},
    line::{Image, Row},
};

pub(super) const STALE: &str = "the row as the snapshot read it is not as the changes before it left it: one of them is missing, or the \
     row is stale, or the source changed it without logging that";
pub(super) const RISEN: &str = "the snapshot has a row that was gone: what made it again is missing, or the row is stale, or the source \
     made it without logging that";
const DIFFERS: &str =
    "the first change behind the snapshot's row begins with other values than the row has";

impl Rows {
    /// A row of a snapshot that came for the first time. The answer says whether the key's `seq` rose in its shard.
    ///
    /// # Errors
    /// When there is no room for another key.
    pub fn base_line(&mut self, spot: &Spot<'_>, row: &Row) -> Result<bool, TooManyKeys> {
        let Some(image) = row.after else {
            return Ok(true);
        };
        let counter = row.counter.map(i64::cast_unsigned);
        let Some(mut state) = self.keys.remove(&row.key) else {
            if self.keys.len() >= self.keys_max {
                return Err(TooManyKeys(self.keys_max));
            }
            self.keys
                .insert(row.key, State::begin_with_row(spot, image, counter));
            return Ok(true);
        };
        let rises = state.last < spot.seq;
        let is_fitting = rises || state.shard != spot.shard;
        if rises {
            self.end_by_row(&state, spot, (row.key, image, counter));
            state = State::begin_with_row(spot, image, counter);
        } else {
            self.begin_earlier(&mut state, spot, (row.key, image, counter));
        }
        self.keys.insert(row.key, state);
        Ok(is_fitting)
    }

    /// The run before must lead to the row, unless a statement lies between.
    fn end_by_row(
        &mut self,
        state: &State,
        spot: &Spot<'_>,
        (key, image, counter): (u64, Image, Option<u64>),
    ) {
        let is_parted = self.is_parted(spot.table, state.last, spot.seq);
        let is_moved = self.is_moved(spot.table, state.last, spot.seq);
        if let (Some(was), false) = (state.after, is_parted) {
            self.see_columns(spot.table, (state.last, was), (spot.seq, image));
        }
        let images = Ended {
            ledger: state.images,
            after: match is_parted {
                true => value(state.after),
                false => value(Some(image)),
            },
        };
        let counter = match (&state.counter, counter) {
            (Some(before), Some(is)) => Some(Ended {
                ledger: before.ledger,
                after: if is_moved { before.after } else { is },
            }),
            _ => None,
        };
        let known = self.places.remove(&key);
        let misfit = match state.after {
            _ if is_parted => None,
            None => Some(RISEN),
            Some(was) => (was != image).then_some(STALE),
        };
        let place = known.or_else(|| misfit.map(|what| spot.place(what, true)));
        let run = Run {
            table: state.table,
            images: images.uneven(),
            counter: counter.and_then(Ended::uneven),
            last: if is_parted { state.last } else { spot.seq },
            place,
        };
        if !self.over.keep(key, run) {
            self.not_judged += 1;
        }
    }

    /// Of another shard: later changes of the key came before it.
    fn begin_earlier(
        &mut self,
        state: &mut State,
        spot: &Spot<'_>,
        (key, image, counter): (u64, Image, Option<u64>),
    ) {
        let first = state.images.first();
        if first <= spot.seq || self.is_behind(spot, &state.images) {
            self.not_judged += 1;
            return;
        }
        state.images.add(spot.seq, same(value(Some(image))));
        match (&mut state.counter, counter) {
            (Some(known), Some(counter)) if spot.seq < known.ledger.first() => {
                known.ledger.add(spot.seq, same(counter));
            }
            (Some(_), Some(_)) => {}
            _ => state.counter = None,
        }
        self.note(state, spot, key, Some(DIFFERS));
    }
}

impl State {
    fn begin_with_row(spot: &Spot<'_>, image: Image, counter: Option<u64>) -> Self {
        Self {
            table: spot.table,
            shard: spot.shard,
            last: spot.seq,
            after: Some(image),
            images: Ledger::open(spot.seq, same(value(Some(image)))),
            counter: counter.map(|counter| Counter::open(spot.seq, same(counter))),
        }
    }
}

/// A row that is read changes nothing.
fn same(value: u64) -> Step {
    Step {
        before: value,
        after: value,
    }
}
