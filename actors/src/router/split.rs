//! From items of the log to lanes: which lane a change belongs to, where a fence stands.
//!
//! A batch is cut into segments: runs of changes that need no fence, and fences (a DDL, a run of rows
//! that change their lane by a changed primary key). Each segment knows the mark that holds once it is
//! durable. Filtered changes still move the mark. A run of such events goes on over transactions and rows of
//! other tables, to the end of the batch: a million rows cost a fence a batch, not one an event. Pure.

use std::sync::Arc;

use headwater_binlog::{
    Error,
    assembler::Item,
    ddl::{Action, Subject},
    rows::{RowsBlock, RowsKind},
    schema::TableName,
    transaction::{Statement, Transaction},
};

use super::{
    keyed::{self, Keyed, Picked},
    parts::PartList,
};
use crate::{
    changes::Part,
    checkpoint::OrderingKey,
    lane::Lane,
    progress::{Advance, Mark},
    selection::Selection,
    status::TableStatus,
};

/// Which lanes a fence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Tables(Vec<TableName>),
    Database(String),
}

/// A run of changes behind one barrier.
#[derive(Debug)]
pub struct Segment {
    pub advance: Advance,
    /// All before it durable, then it, then what follows, for the lanes in the scope.
    pub fence: Option<Scope>,
    /// The fence's statement drops all that is in its scope.
    pub is_end: bool,
    pub lanes: PartList,
}

/// Cuts items into segments; remembers the mark between batches.
#[derive(Debug)]
pub struct Splitter {
    selection: Selection,
    ordering: OrderingKey,
    /// Of the segment that is open.
    advance: Advance,
    current: PartList,
    /// `current` is the segment of a fence: rows of this table move to other lanes in it.
    run: Option<TableName>,
    counts: Counts,
}

/// Changes taken in since the last time asked, by table.
pub type Counts = std::collections::BTreeMap<TableName, TableStatus>;

impl Splitter {
    pub fn new(selection: impl Into<Selection>, ordering: OrderingKey, mark: Mark) -> Self {
        Self {
            selection: selection.into(),
            ordering,
            advance: Advance::at(mark),
            current: PartList::default(),
            run: None,
            counts: Counts::default(),
        }
    }

    /// The table's changes are passed over from here on.
    pub fn park(&mut self, table: TableName) {
        self.selection.park(table);
    }

    pub fn is_parked(&self, table: &TableName) -> bool {
        self.selection.is_parked(table)
    }

    /// Whether changes of a parked table are passed over.
    pub fn holds_back(&self) -> bool {
        self.selection.holds_back()
    }

    /// Where the newest segment ends.
    pub fn mark(&self) -> &Mark {
        self.advance.mark()
    }

    /// The segments of a batch lead as far as it does; the first one has the batch's column lists.
    pub fn split(&mut self, items: Vec<Item>, batch: &Advance) -> Result<Vec<Segment>, Error> {
        self.advance.columns.clone_from(&batch.columns);
        let mut segments = Vec::new();
        let mut items = items.into_iter().peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Rows(block) => self.rows(block, &mut segments)?,
                Item::Statement(statement) if statement.transaction.snapshot.is_some() => {
                    self.copy_mark(statement, &mut segments);
                }
                Item::Statement(statement) => {
                    let is_last = matches!(items.peek(), Some(Item::Commit(_)));
                    self.statement(statement, is_last, &mut segments);
                }
                Item::Commit(end) => {
                    self.current.end_transaction();
                    self.advance.pass(&end);
                }
                Item::Moved(end) => self.advance.enter(&end),
            }
        }
        self.current.forget_transaction();
        self.end_run(&mut segments);
        // A slice's last rows may be of tables that nobody wants.
        self.advance.reach(batch.mark().clone());
        // It holds once all of the batch is durable.
        self.advance.snapshot.clone_from(&batch.snapshot);
        self.close(None, &mut segments);
        Ok(segments)
    }

    /// Changes per table since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    fn rows(&mut self, block: RowsBlock, segments: &mut Vec<Segment>) -> Result<(), Error> {
        // Rows of a snapshot stand at a place of the log, and are no part of it.
        if block.transaction.snapshot.is_some() {
            return self.deliver(block, segments);
        }
        let mark = mark_after(&block, block.row_count);
        let commit_us = block.transaction.commit_us;
        self.advance.commit_us = self.advance.commit_us.max(commit_us);
        if block.first_row == 0 {
            self.current.begin_transaction();
        }
        self.deliver(block, segments)?;
        self.advance.reach(mark);
        Ok(())
    }

    fn deliver(&mut self, block: RowsBlock, segments: &mut Vec<Segment>) -> Result<(), Error> {
        if !self.selection.delivers(&block.table.name) || block.row_count == 0 {
            return Ok(());
        }
        self.count_rows(&block);
        match *self.ordering.of(&block.table.name) {
            OrderingKey::Table | OrderingKey::Routed(_) => {
                let lane = Lane {
                    table: block.table.name.clone(),
                    index: 0,
                    count: 1,
                    run: run_apart(&block.transaction),
                };
                self.current.push_block(lane, block, None);
            }
            OrderingKey::PrimaryKey { lanes } => self.keyed(block, lanes, segments)?,
        }
        Ok(())
    }

    fn keyed(
        &mut self,
        block: RowsBlock,
        lanes: u32,
        segments: &mut Vec<Segment>,
    ) -> Result<(), Error> {
        let is_of_run = self.run.as_ref() == Some(&block.table.name);
        match keyed::lanes_of(&block, lanes)? {
            Keyed::Spread(rows) => {
                if is_of_run {
                    self.end_run(segments);
                }
                for (index, picked) in keyed::pick(&block, &rows) {
                    self.push_picked(&block, index, lanes, picked);
                }
            }
            Keyed::Moving(rows) => {
                if !is_of_run {
                    self.end_run(segments);
                    self.close(None, segments);
                    self.run = Some(block.table.name.clone());
                }
                let picked = keyed::pick_all(&block, &rows);
                self.push_picked(&block, 0, lanes, picked);
            }
        }
        Ok(())
    }

    fn push_picked(&mut self, block: &RowsBlock, index: u32, count: u32, picked: Picked) {
        let lane = Lane {
            table: block.table.name.clone(),
            index,
            count,
            run: run_apart(&block.transaction),
        };
        self.current
            .push_block(lane, picked.block, Some(picked.numbers));
    }

    fn end_run(&mut self, segments: &mut Vec<Segment>) {
        if let Some(table) = self.run.take() {
            self.close(Some(Scope::Tables(vec![table])), segments);
        }
    }

    /// The begin or the end of a copy: behind its rows in all of its lanes.
    fn copy_mark(&mut self, statement: Statement, segments: &mut Vec<Segment>) {
        let Subject::Tables { tables, .. } = &statement.subject else {
            return;
        };
        let delivered = tables.iter().find(|table| self.selection.delivers(table));
        let Some(table) = delivered.cloned() else {
            return;
        };
        let count = self.lanes_of(&table);
        let is_fence = 1 < count;
        if is_fence {
            self.end_run(segments);
            self.close(None, segments);
        }
        let lane = Lane {
            table: table.clone(),
            index: 0,
            count,
            run: run_apart(&statement.transaction),
        };
        let part = Part::Statement {
            statement: Arc::new(statement),
            is_shared: false,
            is_last: false,
        };
        self.current.push_statement(lane, part);
        if is_fence {
            self.close(Some(Scope::Tables(vec![table])), segments);
        }
    }

    fn lanes_of(&self, table: &TableName) -> u32 {
        match *self.ordering.of(table) {
            OrderingKey::PrimaryKey { lanes } if !table.table.is_empty() => lanes,
            _ => 1,
        }
    }

    fn statement(&mut self, statement: Statement, is_last: bool, segments: &mut Vec<Segment>) {
        let after = Mark {
            position: statement.transaction.position(),
            rows_done: statement.row + 1,
        };
        let (scope, targets) = match &statement.subject {
            Subject::Tables { tables, .. } => {
                let included: Vec<TableName> = tables
                    .iter()
                    .filter(|table| self.selection.includes(table))
                    .cloned()
                    .collect();
                (Scope::Tables(included.clone()), included)
            }
            Subject::Database { database, .. } if self.selection.delivers_database(database) => {
                let name = TableName {
                    database: database.clone(),
                    table: String::new(),
                };
                (Scope::Database(database.clone()), vec![name])
            }
            Subject::Database { .. } => (Scope::Tables(Vec::new()), Vec::new()),
        };
        if scope == Scope::Tables(Vec::new()) {
            self.advance.reach(after);
            return;
        }
        self.end_run(segments);
        self.close(None, segments);
        // Its id is the same whatever is passed over.
        let is_shared = targets.len() > 1;
        let is_delivered =
            |table: &TableName| table.table.is_empty() || self.selection.delivers(table);
        let targets: Vec<TableName> = targets.into_iter().filter(is_delivered).collect();
        let is_end = matches!(
            statement.subject,
            Subject::Tables {
                action: Action::DropTable,
                ..
            } | Subject::Database {
                action: Action::DropDatabase,
                ..
            }
        );
        let statement = Arc::new(statement);
        for table in targets {
            self.count_ddl(&table);
            let count = self.lanes_of(&table);
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
                    run: None,
                },
                part,
            );
        }
        self.advance.reach(after);
        self.close(Some(scope), segments);
        if let Some(segment) = segments.last_mut() {
            segment.is_end = is_end;
        }
    }

    /// Ends the current segment, unless there is nothing in it and it is not a batch's only one.
    fn close(&mut self, fence: Option<Scope>, segments: &mut Vec<Segment>) {
        let has_moved = segments.is_empty() || self.advance.has_moved();
        let is_quiet = self.current.is_empty() && fence.is_none();
        if is_quiet && !has_moved && self.advance.gtids.is_empty() {
            return;
        }
        let lanes = std::mem::take(&mut self.current);
        if lanes.has_only_begun_transaction() {
            self.current.begin_transaction();
        }
        segments.push(Segment {
            advance: self.advance.take(),
            fence,
            is_end: false,
            lanes,
        });
    }

    fn count_rows(&mut self, block: &RowsBlock) {
        if block.transaction.snapshot.is_some() {
            return;
        }
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

/// The run of a snapshot that has a target of its own.
fn run_apart(transaction: &Transaction) -> Option<Arc<str>> {
    let origin = transaction.snapshot.as_ref()?;
    origin.is_apart.then(|| Arc::clone(&origin.run))
}

fn mark_after(block: &RowsBlock, rows: u32) -> Mark {
    Mark {
        position: block.transaction.position(),
        rows_done: block.first_row + u64::from(rows),
    }
}

#[cfg(test)]
mod tests;
