//! From items of the log to lanes: which lane a change belongs to, where a fence stands.
//!
//! A batch is cut into segments: runs of changes that need no fence, and fences (a DDL, a run of rows
//! that change their lane by a changed primary key). Each segment knows the mark that holds once it is
//! durable. Filtered changes still move the mark. Pure.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    ddl::StatementClass,
    gtid::GtidSet,
    rows::{RowsBlock, RowsKind},
    schema::TableName,
    transaction::{Boundary, Item, Statement},
    xa::XaChange,
};

use super::{
    keyed::{self, Keyed},
    parts::PartList,
};
use crate::{
    checkpoint::{Mark, OrderingKey},
    filter::TableFilter,
    lane::Lane,
    messages::{BarrierEnd, Part},
    status::TableStatus,
};

/// Which lanes a fence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Tables(Vec<TableName>),
    Database(String),
    All,
}

impl Scope {
    pub fn covers(&self, lane: &Lane) -> bool {
        match self {
            Self::Tables(tables) => tables.contains(&lane.table),
            Self::Database(database) => lane.table.database == *database,
            Self::All => true,
        }
    }
}

/// A run of changes behind one barrier.
#[derive(Debug)]
pub struct Segment {
    pub end: BarrierEnd,
    /// All before it durable, then it, then what follows, for the lanes in the scope.
    pub fence: Option<Scope>,
    pub lanes: PartList,
}

/// Cuts items into segments; remembers the mark between batches.
#[derive(Debug)]
pub struct Splitter {
    filter: TableFilter,
    ordering: OrderingKey,
    mark: Mark,
    gtids: GtidSet,
    commit_us: u64,
    xa: Vec<XaChange>,
    current: PartList,
    counts: Counts,
}

/// Changes taken in since the last time asked, by table.
pub type Counts = std::collections::BTreeMap<TableName, TableStatus>;

impl Splitter {
    pub fn new(filter: TableFilter, ordering: OrderingKey, mark: Mark) -> Self {
        Self {
            filter,
            ordering,
            mark,
            gtids: GtidSet::default(),
            commit_us: 0,
            xa: Vec::new(),
            current: PartList::default(),
            counts: Counts::default(),
        }
    }

    pub fn split(&mut self, items: Vec<Item>) -> Result<Vec<Segment>, Error> {
        let mut segments = Vec::new();
        let mut items = items.into_iter().peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Rows(block) => self.rows(block, &mut segments)?,
                Item::Statement(statement) => {
                    let is_last = matches!(items.peek(), Some(Item::Commit(_)));
                    self.statement(statement, is_last, &mut segments);
                }
                Item::Commit(boundary) => self.commit(boundary),
                Item::Moved(boundary) => self.moved(&boundary),
            }
        }
        self.current.forget_transaction();
        self.close(None, &mut segments);
        Ok(segments)
    }

    /// Changes per table since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    fn rows(&mut self, block: RowsBlock, segments: &mut Vec<Segment>) -> Result<(), Error> {
        let mark = mark_after(&block, block.row_count);
        self.commit_us = self.commit_us.max(block.transaction.commit_us);
        if block.first_row == 0 {
            self.current.begin_transaction();
        }
        if self.filter.includes(&block.table.name) && block.row_count > 0 {
            self.count_rows(&block);
            match *self.ordering.of(&block.table.name) {
                OrderingKey::Table | OrderingKey::Routed(_) => {
                    let lane = Lane {
                        table: block.table.name.clone(),
                        index: 0,
                        count: 1,
                    };
                    self.current.push_block(lane, block, None);
                }
                OrderingKey::PrimaryKey { lanes } => self.keyed(block, lanes, segments)?,
            }
        }
        self.mark = mark;
        Ok(())
    }

    fn keyed(
        &mut self,
        block: RowsBlock,
        lanes: u32,
        segments: &mut Vec<Segment>,
    ) -> Result<(), Error> {
        for run in keyed::runs(&block, lanes)? {
            match run {
                Keyed::Spread { rows } => {
                    for (index, picked) in keyed::pick(&block, &rows) {
                        let lane = Lane {
                            table: block.table.name.clone(),
                            index,
                            count: lanes,
                        };
                        self.current
                            .push_block(lane, picked.block, Some(picked.numbers));
                    }
                    self.mark = mark_after(&block, rows.last().map_or(0, |row| row.number + 1));
                }
                Keyed::Moving { rows } => {
                    self.close(None, segments);
                    let lane = Lane {
                        table: block.table.name.clone(),
                        index: 0,
                        count: lanes,
                    };
                    let picked = keyed::pick_all(&block, &rows);
                    self.current
                        .push_block(lane, picked.block, Some(picked.numbers));
                    self.mark = mark_after(&block, rows.last().map_or(0, |row| row.number + 1));
                    self.close(
                        Some(Scope::Tables(vec![block.table.name.clone()])),
                        segments,
                    );
                }
            }
        }
        Ok(())
    }

    fn statement(&mut self, statement: Statement, is_last: bool, segments: &mut Vec<Segment>) {
        let after = Mark {
            position: statement.transaction.position(),
            rows_done: statement.row + 1,
        };
        let (scope, targets) = match &statement.class {
            StatementClass::Table { tables, .. } => {
                let included: Vec<TableName> = tables
                    .iter()
                    .filter(|table| self.filter.includes(table))
                    .cloned()
                    .collect();
                (Scope::Tables(included.clone()), included)
            }
            StatementClass::Database { database } if self.filter.may_include_database(database) => {
                let name = TableName {
                    database: database.clone(),
                    table: String::new(),
                };
                (Scope::Database(database.clone()), vec![name])
            }
            StatementClass::Unknown => (Scope::All, Vec::new()),
            _ => (Scope::Tables(Vec::new()), Vec::new()),
        };
        if scope == Scope::Tables(Vec::new()) {
            self.mark = after;
            return;
        }
        self.close(None, segments);
        let is_shared = targets.len() > 1;
        let statement = Arc::new(statement);
        for table in targets {
            self.count_ddl(&table);
            let count = match *self.ordering.of(&table) {
                OrderingKey::PrimaryKey { lanes } if !table.table.is_empty() => lanes,
                _ => 1,
            };
            let part = Part::Statement {
                statement: Arc::clone(&statement),
                is_shared,
                is_last,
            };
            self.current.push_statement(
                Lane {
                    table,
                    index: 0,
                    count,
                },
                part,
            );
        }
        self.mark = after;
        self.close(Some(scope), segments);
    }

    fn commit(&mut self, boundary: Boundary) {
        self.current.end_transaction();
        if let Some(gtid) = &boundary.gtid {
            self.gtids.add(gtid);
        }
        self.commit_us = self.commit_us.max(boundary.commit_us);
        self.xa.extend(boundary.xa.as_deref().cloned());
        self.moved(&boundary);
    }

    fn moved(&mut self, boundary: &Boundary) {
        let position = boundary.position();
        self.mark = Mark {
            position,
            rows_done: 0,
        };
    }

    /// Ends the current segment, unless there is nothing in it.
    fn close(&mut self, fence: Option<Scope>, segments: &mut Vec<Segment>) {
        let has_moved = segments
            .last()
            .is_none_or(|last| last.end.mark != self.mark);
        if self.current.is_empty() && fence.is_none() && !has_moved && self.gtids.is_empty() {
            return;
        }
        let end = BarrierEnd {
            is_quiet: self.current.is_empty() && fence.is_none(),
            mark: self.mark.clone(),
            gtids: std::mem::take(&mut self.gtids),
            commit_us: std::mem::take(&mut self.commit_us),
            xa: std::mem::take(&mut self.xa),
        };
        segments.push(Segment {
            end,
            fence,
            lanes: std::mem::take(&mut self.current),
        });
    }

    fn count_rows(&mut self, block: &RowsBlock) {
        let counts = self.counts_of(&block.table.name);
        let rows = u64::from(block.row_count);
        match block.kind {
            RowsKind::Insert => counts.inserts += rows,
            RowsKind::Update => counts.updates += rows,
            RowsKind::Delete => counts.deletes += rows,
        }
    }

    fn count_ddl(&mut self, table: &TableName) {
        self.counts_of(table).ddl += 1;
    }

    fn counts_of(&mut self, name: &TableName) -> &mut TableStatus {
        if !self.counts.contains_key(name) {
            let empty = TableStatus {
                table: name.to_string(),
                ..TableStatus::default()
            };
            self.counts.insert(name.clone(), empty);
        }
        self.counts.entry(name.clone()).or_default()
    }
}

fn mark_after(block: &RowsBlock, rows: u32) -> Mark {
    Mark {
        position: block.transaction.position(),
        rows_done: block.first_row + u64::from(rows),
    }
}

#[cfg(test)]
mod tests;
