//! How the changes of one lane leave: in which format, packed how, to which sink.
//!
//! Asked once per lane, when its writer starts. What the answer rests on is planned before the pipeline runs;
//! only a sink may have to be connected first.

use std::sync::Arc;

use super::{
    BoxFuture,
    encoder::Encoder,
    sink::{Sink, Throttled},
};
use crate::{
    failure::Failure,
    lane::Lane,
    packing::{Compression, Packing, PartitionKey},
};

pub trait Routes: Send + Sync {
    /// The lane's route, its sink connected. A definite failure says which table, route and target.
    fn route(&self, lane: &Lane) -> BoxFuture<'static, Result<Route, Failure>>;

    /// Every sink that is connected.
    fn targets(&self) -> BoxFuture<'static, Vec<Target>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// A connected sink, for the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name of the stream or file.
    pub name: String,
    pub throttled: Option<Throttled>,
}

#[derive(Clone)]
pub struct Route {
    /// Tables of one target share it: what is in flight lives in it, by lane.
    pub sink: Arc<dyn Sink>,
    pub encoder: Arc<dyn Encoder>,
    pub packing: Packing,
    pub compression: Compression,
    pub partition_key: PartitionKey,
    /// Records are filled up to this, before they are compressed.
    pub record_bytes_max: usize,
}

/// A pipeline that treats all tables alike.
impl Routes for Route {
    fn route(&self, _lane: &Lane) -> BoxFuture<'static, Result<Route, Failure>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}
