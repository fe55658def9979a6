//! A sink that takes a record only under the lease, for those that make no calls of their own timeout.

use std::{sync::Arc, time::Duration};

use headwater_actors::ports::{
    BoxFuture,
    sink::{Delivered, Record, Rejected, Sink},
};

use super::rejected;
use crate::lease::gate::LeaseGate;

/// A write to a local file or pipe is done by then, or nothing of it is.
const WRITE_TIME: Duration = Duration::from_millis(500);

pub struct LeasedSink {
    sink: Arc<dyn Sink>,
    gate: LeaseGate,
}

impl LeasedSink {
    /// `sink` itself where no lease is needed.
    pub fn around(sink: Arc<dyn Sink>, gate: &LeaseGate) -> Arc<dyn Sink> {
        if gate.is_always_open() {
            return sink;
        }
        let gate = gate.clone();
        Arc::new(Self { sink, gate })
    }
}

impl Sink for LeasedSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        let (sink, gate) = (Arc::clone(&self.sink), self.gate.clone());
        Box::pin(async move {
            let _pass = gate.pass(WRITE_TIME).await.map_err(rejected)?;
            sink.deliver(record).await
        })
    }

    fn prepare(&self, record: &Record) {
        self.sink.prepare(record);
    }

    fn record_bytes_max(&self) -> usize {
        self.sink.record_bytes_max()
    }
}
