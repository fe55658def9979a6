//! A sink that takes everything and keeps nothing: for benches and dry runs.

use futures_util::{FutureExt, future};
use headwater_actors::ports::{
    BoxFuture,
    sink::{Delivered, Record, Rejected, Sink},
};

use super::{Outcome, RECORD_BYTES_UNLIMITED, count, kinds::Facts};

pub const FACTS: Facts = Facts {
    name: "null",
    target: None,
    record_bytes_max: None,
    opens_aggregates: true,
    needs_line_ends: false,
};

#[derive(Debug, Default)]
pub struct NullSink;

impl Sink for NullSink {
    fn deliver(&self, record: Record) -> BoxFuture<'static, Result<Delivered, Rejected>> {
        count(Outcome::Delivered, 1, record.bytes.len());
        future::ready(Ok(Delivered::default())).boxed()
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_UNLIMITED
    }
}
