//! The end: what is not even lacks a change, or has one that is wrong.
//!
//! A run that turns out to have a statement in its middle is not judged, and counted as such: another shard told of
//! the statement too late. Nor are tables whose row images are partial.

use super::{Place, Rows, Table, VALUES, over::Ended, value};
use crate::{report::FindingKind, seq::Seq};

/// What does not fit.
#[derive(Debug)]
pub struct Misfit {
    pub table: u32,
    pub shard: u32,
    pub seq: Seq,
    pub id: Box<str>,
    pub kind: FindingKind,
    /// So many changes.
    pub amount: u64,
    pub what: &'static str,
}

/// The end.
#[derive(Debug, Default)]
pub struct Judged {
    pub misfits: Vec<Misfit>,
    /// Tables whose images are partial.
    pub partial: Vec<u32>,
    /// Runs of a key's changes that are uneven for all one knows, but have a statement in their middle, or were too
    /// many to be kept.
    pub not_judged: u64,
}

impl Rows {
    /// The end: what is not even has a change that is missing, or one that is wrong.
    pub fn judge(self) -> Judged {
        let mut judged = Judged {
            partial: self.partial(),
            not_judged: self.not_judged,
            ..Judged::default()
        };
        for (key, state) in &self.keys {
            let image = state.images.gap(value(state.after)) != 0
                && self.is_judged(state.table, state.images.first(), state.last, &mut judged);
            let counter = state.counter.as_ref().and_then(|counter| {
                let first = counter.ledger.first();
                let is_moved = self.is_moved(state.table, first, state.last);
                (!is_moved).then(|| counter.ledger.gap(counter.after).cast_signed())
            });
            if let Some(verdict) = verdict(image, counter) {
                judged.add(state.table, state.last, self.places.get(key), verdict);
            }
        }
        for run in self.over.runs() {
            let is_judged = |ended: &Ended, judged: &mut Judged| {
                self.is_judged(run.table, ended.ledger.first(), run.last, judged)
            };
            let image = (run.images.as_ref()).is_some_and(|ended| is_judged(ended, &mut judged));
            let counter = run.counter.as_ref().and_then(|ended| {
                let is_moved = self.is_moved(run.table, ended.ledger.first(), run.last);
                (!is_moved).then(|| ended.gap().cast_signed())
            });
            if let Some(verdict) = verdict(image, counter) {
                judged.add(run.table, run.last, run.place.as_ref(), verdict);
            }
        }
        judged
    }

    /// Tables of which a line says so, or whose columns changed without a statement.
    fn partial(&self) -> Vec<u32> {
        let is_partial = |(number, table): &(u32, &Table)| {
            let mut witnesses = table.witnesses.iter();
            table.is_partial || witnesses.any(|(from, to)| !self.is_parted(*number, *from, *to))
        };
        let tables = (0..).zip(&self.tables).filter(is_partial);
        tables.map(|(number, _)| number).collect()
    }

    fn is_judged(&self, table: u32, first: Seq, last: Seq, judged: &mut Judged) -> bool {
        if !self.judges_images || judged.partial.contains(&table) {
            return false;
        }
        let is_parted = self.is_parted(table, first, last);
        judged.not_judged += u64::from(is_parted);
        !is_parted
    }
}

impl Judged {
    fn add(&mut self, table: u32, last: Seq, place: Option<&Place>, verdict: Verdict) {
        let (kind, amount, what) = match place.filter(|place| place.is_base) {
            Some(place) => verdict_of_row(verdict, place.what),
            None => verdict,
        };
        self.misfits.push(Misfit {
            table,
            shard: place.map_or(u32::MAX, |place| place.shard),
            seq: place.map_or(last, |place| place.seq),
            id: place.map_or_else(Box::default, |place| place.id.clone()),
            kind,
            amount,
            what: place
                .filter(|_| what == VALUES)
                .map_or(what, |place| place.what),
        });
    }
}

/// Where a snapshot's row is the first that does not fit. Only a counter tells whether changes are missing before it.
fn verdict_of_row((kind, amount, what): Verdict, of_row: &'static str) -> Verdict {
    match (kind, what) {
        (FindingKind::Missing, VALUES) | (FindingKind::WrongValue | FindingKind::OutOfOrder, _) => {
            (FindingKind::WrongValue, 1, of_row)
        }
        _ => (kind, amount, what),
    }
}

/// With the number of changes, and in words.
type Verdict = (FindingKind, u64, &'static str);

/// Of a key whose images are uneven, and what its counter lacks, where it has one.
fn verdict(image: bool, counter: Option<i64>) -> Option<Verdict> {
    use FindingKind::{Missing, OutOfOrder, WrongValue};
    match (image, counter) {
        (_, Some(gap)) if gap > 0 => Some((Missing, gap.unsigned_abs(), "the counter has a gap")),
        (false, Some(gap)) if gap < 0 => Some((OutOfOrder, 1, "its counter falls")),
        (true, Some(0)) => Some((
            WrongValue,
            1,
            "its values before are not those that the last change of the key left, and no change is missing between",
        )),
        (true, _) => Some((Missing, 1, VALUES)),
        (false, _) => None,
    }
}
