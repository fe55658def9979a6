//! Bodies that are made before their call may start: one lane's next record while the one before it is in flight.
//!
//! Only a guess: a body serves a call that carries exactly that record, and is thrown away otherwise. So
//! nothing about order or delivery rests on it. What is made ahead and what is in flight, of all streams, stay together
//! within the sink's bytes in flight; a guess that nobody came for makes room for the next one.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use headwater_actors::ports::sink::Record;
use tokio::task::JoinHandle;

use super::InFlight;
use crate::aws::Body;

pub struct Ahead {
    in_flight: InFlight,
    /// Oldest first.
    made: VecDeque<Made>,
}

/// A body that is being made, or has been.
pub struct Made {
    record: Record,
    body: JoinHandle<Body>,
    _counted: Counted,
}

/// Bytes counted while it lives.
struct Counted {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Counted {
    fn new(bytes: usize, all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self {
            bytes,
            all: Arc::clone(all),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Ahead {
    pub fn new(in_flight: InFlight) -> Self {
        Self {
            in_flight,
            made: VecDeque::new(),
        }
    }

    /// Begins to `make` the body of `record`, if there is room for it beside what is in flight.
    pub fn make(&mut self, record: Record, make: impl FnOnce(Record) -> JoinHandle<Body>) {
        self.made.retain(|made| {
            made.record.lane != record.lane || made.record.partition_key != record.partition_key
        });
        let bytes = record.bytes.len();
        while self.in_flight.room_ahead() < bytes {
            if self.made.pop_front().is_none() {
                return;
            }
        }
        let body = make(record.clone());
        self.made.push_back(Made {
            record,
            body,
            _counted: Counted::new(bytes, &self.in_flight.ahead),
        });
    }

    /// The body for a call with exactly these records.
    pub fn take(&mut self, records: &[Record]) -> Option<Made> {
        let [record] = records else {
            return None;
        };
        let index = self.made.iter().position(|made| made.is_of(record))?;
        self.made.remove(index)
    }
}

impl Made {
    /// The same memory, not only the same bytes: no need to compare them.
    fn is_of(&self, record: &Record) -> bool {
        std::ptr::eq(&*self.record.bytes, &*record.bytes)
            && self.record.partition_key == record.partition_key
            && self.record.explicit_hash_key == record.explicit_hash_key
    }

    /// None when making it failed: then the call makes its own, and shows why.
    pub async fn body(self) -> Option<Body> {
        self.body.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::BodyWriter, sinks::fixture};

    fn record(table: &str, bytes: usize) -> Record {
        fixture::record(table, vec![b'x'; bytes])
    }

    fn make(_record: Record) -> JoinHandle<Body> {
        tokio::spawn(async { BodyWriter::new("StreamName", "orders", 0, 0).finish() })
    }

    #[tokio::test]
    async fn a_body_serves_only_a_call_with_that_record_alone() {
        let mut ahead = Ahead::new(InFlight::new(1000));
        let (one, other) = (record("a", 100), record("b", 100));
        ahead.make(one.clone(), make);
        assert!(ahead.take(std::slice::from_ref(&other)).is_none());
        assert!(ahead.take(&[one.clone(), other]).is_none());
        assert!(ahead.take(&[record("a", 100)]).is_none(), "other memory");
        let made = ahead.take(std::slice::from_ref(&one)).expect("made for it");
        assert!(made.body().await.is_some());
        assert!(ahead.take(&[one]).is_none(), "taken once");
    }

    #[tokio::test]
    async fn what_is_made_ahead_and_what_flies_share_one_bound_over_all_streams() {
        let in_flight = InFlight::new(1000);
        let (mut ahead, mut other) = (Ahead::new(in_flight.clone()), Ahead::new(in_flight.clone()));
        let (first, second) = (record("a", 400), record("b", 400));
        in_flight.launched(700);
        ahead.make(first.clone(), make);
        assert!(
            ahead.take(std::slice::from_ref(&first)).is_none(),
            "no room"
        );
        in_flight.settled(300);
        ahead.make(first.clone(), make);
        other.make(second.clone(), make);
        assert!(
            other.take(std::slice::from_ref(&second)).is_none(),
            "no room beside what another stream has made"
        );
        ahead.make(second.clone(), make);
        assert!(ahead.take(&[first]).is_none(), "the oldest guess has gone");
        assert!(ahead.take(std::slice::from_ref(&second)).is_some());
        other.make(second.clone(), make);
        assert!(other.take(&[second]).is_some(), "its room is given back");
    }
}
