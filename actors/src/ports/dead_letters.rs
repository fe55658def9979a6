//! Where a change goes that can never be delivered, when the settings say so: with everything needed to
//! replay it. Durable when it resolves.

use std::sync::Arc;

use bytes::Bytes;

use super::BoxFuture;
use crate::{failure::Failure, lane::Lane};

pub trait DeadLetters: Send + Sync {
    fn bury(&self, letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>>;
}

#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub lane: Arc<Lane>,
    /// Why, as a sentence.
    pub reason: String,
    /// `FILE:OFFSET` of the transaction and the change's index in it.
    pub position: String,
    pub n: u64,
    pub gtid: Option<String>,
    /// The line as it would have been sent; empty when it could not be encoded.
    pub line: Bytes,
    /// The raw row image of the log, for a row that could not be decoded.
    pub raw: Bytes,
}
