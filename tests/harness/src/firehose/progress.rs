//! Up to where all is delivered: positions move over a prefix of the records that were taken, in the order in which
//! they were read, however their objects come.

use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The last sequence number of each shard before which nothing is missing.
    positions: BTreeMap<String, String>,
    /// What is behind them, the oldest first.
    taken: VecDeque<Taken>,
    first: u64,
}

#[derive(Debug)]
struct Taken {
    shard: String,
    sequence_number: String,
    /// Parts of it that no object in S3 has.
    missing: usize,
}

impl Progress {
    pub fn positions(&self) -> &BTreeMap<String, String> {
        &self.positions
    }

    /// A record was taken, and `parts` of it go into objects; answers its number.
    pub fn took(&mut self, shard: &str, sequence_number: &str, parts: usize) -> u64 {
        self.taken.push_back(Taken {
            shard: shard.to_owned(),
            sequence_number: sequence_number.to_owned(),
            missing: parts,
        });
        let number = self.first + self.taken.len() as u64 - 1;
        self.proceed();
        number
    }

    /// An object with these records lies in S3.
    pub fn delivered(&mut self, records: &[u64]) {
        for number in records {
            let at = number.checked_sub(self.first);
            let at = at.and_then(|at| usize::try_from(at).ok());
            if let Some(taken) = at.and_then(|at| self.taken.get_mut(at)) {
                taken.missing = taken.missing.saturating_sub(1);
            }
        }
        self.proceed();
    }

    /// What is behind the positions will be read again.
    pub fn restart(&mut self) {
        self.first += self.taken.len() as u64;
        self.taken.clear();
    }

    fn proceed(&mut self) {
        while let Some(taken) = self.taken.pop_front_if(|taken| taken.missing == 0) {
            self.first += 1;
            self.positions.insert(taken.shard, taken.sequence_number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(progress: &Progress) -> Vec<&str> {
        progress.positions().values().map(String::as_str).collect()
    }

    #[test]
    fn a_position_moves_over_nothing_that_is_missing() {
        let mut progress = Progress::default();
        let one = progress.took("a", "1", 1);
        let two = progress.took("a", "2", 2);
        let three = progress.took("b", "3", 1);
        progress.delivered(&[two, three]);
        assert_eq!(position(&progress), [""; 0]);
        progress.delivered(&[one]);
        assert_eq!(position(&progress), ["1"]);
        progress.delivered(&[two]);
        assert_eq!(position(&progress), ["2", "3"]);
    }

    #[test]
    fn an_empty_record_holds_nothing_up() {
        let mut progress = Progress::default();
        progress.took("a", "1", 0);
        assert_eq!(position(&progress), ["1"]);
    }

    #[test]
    fn what_was_held_at_a_restart_counts_no_more() {
        let mut progress = Progress::default();
        let one = progress.took("a", "1", 1);
        progress.restart();
        let again = progress.took("a", "1", 1);
        progress.delivered(&[one]);
        assert_eq!(position(&progress), [""; 0]);
        progress.delivered(&[again]);
        assert_eq!(position(&progress), ["1"]);
    }
}
