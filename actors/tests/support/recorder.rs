//! A recorder of metrics whose counters panic where they are told to: the dependency that breaks in a Router.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use headwater_actors::metrics as names;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// By table: its counter panics after the last of these increments, then after the one before it.
static BROKEN: LazyLock<Mutex<HashMap<String, Vec<u64>>>> = LazyLock::new(|| {
    metrics::set_global_recorder(BrokenRecorder).expect("the only recorder");
    Mutex::default()
});

pub fn breaks_at(table: &str, increments: Vec<u64>) {
    BROKEN
        .lock()
        .expect("a whole lock")
        .insert(table.into(), increments);
}

struct BrokenRecorder;

struct Fuse(String);

impl CounterFn for Fuse {
    fn increment(&self, _value: u64) {
        let mut broken = BROKEN.lock().expect("a whole lock");
        let Some(all) = broken.get_mut(&self.0) else {
            return;
        };
        if let Some(left) = all.last_mut() {
            *left -= 1;
            if *left == 0 {
                all.pop();
                drop(broken);
                panic!("the recorder was told to panic");
            }
        }
    }

    fn absolute(&self, _value: u64) {}
}

impl Recorder for BrokenRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let table = key.labels().find(|label| label.key() == "table");
        match table {
            Some(table) if key.name() == names::CHANGES_TOTAL.name => {
                Counter::from_arc(Arc::new(Fuse(table.value().into())))
            }
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
