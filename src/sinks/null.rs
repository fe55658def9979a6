//! A sink that takes everything and keeps nothing: for benches and dry runs.

use futures_util::{FutureExt, future};
use headwater_actors::ports::{
    BoxFuture,
    sink::{Delivered, Record, Rejected, Sink},
};

use super::{Outcome, RECORD_BYTES_UNLIMITED, count};

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
