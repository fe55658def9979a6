//! The parts of one segment, by lane, in order.

use std::{collections::HashMap, sync::Arc};

use headwater_binlog::rows::RowsBlock;

use crate::{changes::Part, detached, lane::Lane};

/// One lane's parts with the bytes they keep alive.
#[derive(Debug)]
pub struct LaneParts {
    pub lane: Lane,
    pub parts: Vec<Part>,
    pub bytes: usize,
    /// What is kept alive beside them: the description of the rows' table, the text of their statement.
    pub shared_bytes: usize,
    /// The newest transaction of the list that touched the lane.
    transaction: u64,
}

#[derive(Debug, Default)]
pub struct PartList {
    lanes: Vec<LaneParts>,
    index: HashMap<Lane, usize>,
    /// Lanes that the open transaction touched here, if it began here.
    transaction: Option<Vec<usize>>,
    transactions: u64,
}

impl PartList {
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &LaneParts> {
        self.lanes.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut LaneParts> {
        self.lanes.iter_mut()
    }

    pub fn into_lanes(self) -> Vec<LaneParts> {
        self.lanes
    }

    pub fn push_block(&mut self, lane: Lane, block: RowsBlock, numbers: Option<Arc<[u32]>>) {
        let bytes = block.images.len();
        self.push(
            lane,
            Part::Rows {
                block,
                numbers,
                is_last: false,
            },
            bytes,
        );
    }

    pub fn push_statement(&mut self, lane: Lane, part: Part) {
        let bytes = match &part {
            Part::Statement { statement, .. } => statement.text.len(),
            Part::Rows { block, .. } => block.images.len(),
        };
        self.push(lane, part, bytes);
    }

    pub fn begin_transaction(&mut self) {
        self.transaction = Some(Vec::new());
        self.transactions += 1;
    }

    /// A transaction has begun, and nothing of it is here.
    pub fn has_only_begun_transaction(&self) -> bool {
        self.transaction.as_ref().is_some_and(Vec::is_empty)
    }

    /// The transaction went on beyond this list: which change is its last in a lane is not known here.
    pub fn forget_transaction(&mut self) {
        self.transaction = None;
    }

    /// Marks the newest part of each lane that the transaction touched.
    pub fn end_transaction(&mut self) {
        for index in self.transaction.take().unwrap_or_default() {
            let newest = self
                .lanes
                .get_mut(index)
                .and_then(|lane| lane.parts.last_mut());
            if let Some(Part::Rows { is_last, .. }) = newest {
                *is_last = true;
            }
        }
    }

    fn push(&mut self, lane: Lane, part: Part, bytes: usize) {
        let index = match self.index.get(&lane) {
            Some(index) => *index,
            None => {
                self.index.insert(lane.clone(), self.lanes.len());
                self.lanes.push(LaneParts {
                    lane,
                    parts: Vec::new(),
                    bytes: 0,
                    shared_bytes: 0,
                    transaction: 0,
                });
                self.lanes.len() - 1
            }
        };
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        lane.shared_bytes += shared_bytes(lane.parts.last(), &part);
        lane.parts.push(part);
        lane.bytes += bytes;
        if let Some(touched) = &mut self.transaction
            && lane.transaction < self.transactions
        {
            lane.transaction = self.transactions;
            touched.push(index);
        }
    }
}

/// What `part` shares with others, but not with the one before it.
fn shared_bytes(before: Option<&Part>, part: &Part) -> usize {
    let Part::Rows { block, .. } = part else {
        return 0;
    };
    let before = before.and_then(|before| match before {
        Part::Rows { block, .. } => Some(block),
        Part::Statement { .. } => None,
    });
    block.shared_bytes(before)
}

/// What a lane's batch costs beside its parts, and a part beside its rows.
const PART_OVERHEAD_BYTES: usize = 320;
const BATCH_OVERHEAD_BYTES: usize = 512;

impl LaneParts {
    /// All that is kept until the lane has delivered them.
    pub fn kept_bytes(&self) -> usize {
        let overhead = BATCH_OVERHEAD_BYTES + PART_OVERHEAD_BYTES * self.parts.len();
        self.bytes + self.shared_bytes + overhead
    }

    /// Copies the rows out of the chunk that they share with others.
    pub fn detach(&mut self) {
        detached::detach(self.parts.iter_mut().filter_map(|part| match part {
            Part::Rows { block, .. } => Some(block),
            Part::Statement { .. } => None,
        }));
    }
}
