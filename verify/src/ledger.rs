//! What the changes of a key come to. Each takes one value away and puts another one there; so over a run without
//! a gap everything cancels out but the value before the first and the one after the last, in whatever order
//! the changes come.
//!
//! That needs no room per change, and knows no shards: a row that moves through another lane is judged as any
//! other. A value is a hash (of an image) or a number (a counter), both modulo 2^64.

use crate::seq::Seq;

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub before: u64,
    pub after: u64,
}

/// A run of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    first: Seq,
    /// Before the first.
    before: u64,
    /// All that was put there, less all that was taken away.
    balance: u64,
}

impl Ledger {
    pub fn open(seq: Seq, step: Step) -> Self {
        Self {
            first: seq,
            before: step.before,
            balance: step.after.wrapping_sub(step.before),
        }
    }

    pub fn first(&self) -> Seq {
        self.first
    }

    /// A change before, between or behind those that came.
    pub fn add(&mut self, seq: Seq, step: Step) {
        if seq < self.first {
            (self.first, self.before) = (seq, step.before);
        }
        let change = step.after.wrapping_sub(step.before);
        self.balance = self.balance.wrapping_add(change);
    }

    /// What lacks for the run to lead to `after`; 0: nothing.
    pub fn gap(&self, after: u64) -> u64 {
        after.wrapping_sub(self.before).wrapping_sub(self.balance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::parse(&format!("00000001.00000001.{n:016x}.00000000")).expect("a seq")
    }

    proptest! {
        #[test]
        fn in_any_order_a_run_leads_to_its_end_and_without_one_of_its_middle_it_does_not(
            values in prop::collection::hash_set(any::<u64>(), 4..20),
            keys in prop::collection::vec(any::<u64>(), 20),
            lost in any::<prop::sample::Index>(),
        ) {
            let values: Vec<u64> = values.into_iter().collect();
            let steps = values.windows(2).map(|pair| Step { before: pair[0], after: pair[1] });
            let mut steps: Vec<(u64, Step)> = (0..).zip(steps).collect();
            let end = *values.last().expect("values");
            let lost = 1 + lost.index(steps.len() - 2) as u64;
            steps.sort_by_key(|(n, _)| keys[*n as usize]);
            let gap = |steps: &mut dyn Iterator<Item = &(u64, Step)>| {
                let (n, step) = steps.next().expect("a step");
                let mut ledger = Ledger::open(seq(*n), *step);
                steps.for_each(|(n, step)| ledger.add(seq(*n), *step));
                ledger.gap(end)
            };
            prop_assert_eq!(gap(&mut steps.iter()), 0);
            prop_assert_ne!(gap(&mut steps.iter().filter(|(n, _)| *n != lost)), 0);
        }
    }
}
