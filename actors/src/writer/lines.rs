//! From changes to lines: keeps the table plan of the block at hand, so that a row costs one call.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    rows::RowsBlock,
    schema::{Table, TableName},
    transaction::Statement,
};

use crate::{
    changes::Heartbeat,
    lane::Lane,
    ports::encoder::{Encoder, HeartbeatEvent, StatementEvent, TableEncoder, Written},
};

pub struct Lines {
    encoder: Arc<dyn Encoder>,
    epoch: u32,
    plan: Option<(Arc<Table>, Box<dyn TableEncoder>)>,
}

impl Lines {
    pub fn new(encoder: Arc<dyn Encoder>, epoch: u32) -> Self {
        Self {
            encoder,
            epoch,
            plan: None,
        }
    }

    /// The encoder for rows of `block`, told where they come from.
    pub fn block(&mut self, block: &RowsBlock) -> &mut dyn TableEncoder {
        if self
            .plan
            .as_ref()
            .is_some_and(|(table, _)| !Arc::ptr_eq(table, &block.table))
        {
            self.plan = None;
        }
        let (_, plan) = self
            .plan
            .get_or_insert_with(|| (Arc::clone(&block.table), self.encoder.plan(&block.table)));
        plan.block(block, self.epoch);
        plan.as_mut()
    }

    pub fn statement(
        &self,
        statement: &Statement,
        table: &TableName,
        is_shared: bool,
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        let event = StatementEvent {
            statement,
            table,
            is_shared,
            epoch: self.epoch,
            last,
        };
        self.encoder.statement(&event, out)
    }

    pub fn heartbeat(
        &self,
        heartbeat: &Heartbeat,
        lane: &Lane,
        out: &mut Vec<u8>,
    ) -> Result<Written, Error> {
        let event = HeartbeatEvent {
            heartbeat,
            lane,
            epoch: self.epoch,
        };
        self.encoder.heartbeat(&event, out)
    }
}
