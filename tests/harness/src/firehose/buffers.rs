//! What is being gathered for one object each: closed when it is large, or when its first record is old.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

/// Where the objects go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A folder below the prefix; none when empty.
    Data(String),
    /// Below the error prefix, by the kind of the failure.
    Failed(&'static str),
}

/// The records of one object, by their numbers.
#[derive(Debug)]
pub(super) struct Batch {
    pub target: Target,
    pub parts: Vec<(u64, Bytes)>,
}

#[derive(Debug)]
struct Open {
    began: SystemTime,
    bytes: usize,
    parts: Vec<(u64, Bytes)>,
}

#[derive(Debug)]
pub(super) struct Buffers {
    bytes_max: usize,
    age_max: Duration,
    open: BTreeMap<Target, Open>,
}

impl Buffers {
    pub fn new(bytes_max: usize, secs_max: u64) -> Self {
        Self {
            bytes_max,
            age_max: Duration::from_secs(secs_max),
            open: BTreeMap::new(),
        }
    }

    /// The object that became full by this.
    pub fn add(
        &mut self,
        target: Target,
        number: u64,
        data: Bytes,
        now: SystemTime,
    ) -> Option<Batch> {
        let open = self.open.entry(target.clone()).or_insert(Open {
            began: now,
            bytes: 0,
            parts: Vec::new(),
        });
        open.bytes += data.len();
        open.parts.push((number, data));
        if open.bytes < self.bytes_max {
            return None;
        }
        let parts = self.open.remove(&target)?.parts;
        Some(Batch { target, parts })
    }

    /// The objects whose time is over.
    pub fn due(&mut self, now: SystemTime) -> Vec<Batch> {
        let age_max = self.age_max;
        let is_old = |open: &Open| open.began + age_max <= now;
        let (due, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(_, open)| is_old(open));
        self.open = open;
        batches(due)
    }

    pub fn all(&mut self) -> Vec<Batch> {
        batches(std::mem::take(&mut self.open))
    }
}

fn batches(open: BTreeMap<Target, Open>) -> Vec<Batch> {
    let batch = |(target, open): (Target, Open)| Batch {
        target,
        parts: open.parts,
    };
    open.into_iter().map(batch).collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn data() -> Target {
        Target::Data(String::new())
    }

    #[test]
    fn an_object_is_closed_by_its_size_or_by_its_first_records_age() {
        let mut buffers = Buffers::new(4, 60);
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        assert!(
            buffers
                .add(data(), 1, Bytes::from_static(b"one"), at(0))
                .is_none()
        );
        let full = buffers.add(data(), 2, Bytes::from_static(b"two"), at(1));
        assert_eq!(full.map(|batch| batch.parts.len()), Some(2));

        assert!(
            buffers
                .add(data(), 3, Bytes::from_static(b"3"), at(10))
                .is_none()
        );
        assert!(
            buffers
                .add(data(), 4, Bytes::from_static(b"4"), at(69))
                .is_none()
        );
        assert!(buffers.due(at(69)).is_empty());
        let due = buffers.due(at(70));
        let numbers: Vec<u64> = due[0].parts.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4]);
        assert!(buffers.all().is_empty());
    }

    #[test]
    fn each_target_has_an_object_of_its_own() {
        let mut buffers = Buffers::new(4, 60);
        let failed = Target::Failed("no-key");
        for target in [data(), failed.clone()] {
            assert!(
                buffers
                    .add(target, 1, Bytes::from_static(b"one"), UNIX_EPOCH)
                    .is_none()
            );
        }
        let targets: Vec<Target> = buffers
            .all()
            .into_iter()
            .map(|batch| batch.target)
            .collect();
        assert_eq!(targets, [data(), failed]);
    }
}
