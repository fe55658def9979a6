//! What the log does to copies: changes of their rows, statements on their tables.

use headwater_binlog::{
    assembler::Item,
    ddl::{Action, Subject},
    rows::RowsBlock,
    schema::TableName,
    transaction::Statement,
};

use super::{
    Copying,
    changed::{Changed, KeyPlace, is_partial, may_have_moved},
};
use crate::{
    progress::Resume,
    snapshot::{CopyId, CopyState, Key, SnapshotAdvance, TableCopy},
};

/// What a statement means for a copy of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    /// The chunk that is on its way may be wrong, and columns may be others.
    Void,
    /// The name now means other rows.
    Anew,
    Gone,
}

/// Rows that are read again one by one; more than that, and the copy begins again.
const AGAIN_MAX: usize = 10_000;

impl Copying {
    /// Takes in what leaves for the Router in a batch: what changes of copies with it.
    pub fn leave(
        &mut self,
        items: &[Item],
        sent: &Resume,
        has_moved: bool,
    ) -> Option<Box<SnapshotAdvance>> {
        if !self.active.is_empty() {
            for item in items {
                match item {
                    Item::Rows(block) => self.rows(block, sent),
                    Item::Statement(statement) => self.statement(statement, sent),
                    Item::Commit(_) | Item::Moved(_) => {}
                }
            }
        }
        let lines_here = match has_moved {
            true => 0,
            false => sent.snapshots.lines_here,
        };
        self.has_said()
            .then(|| Box::new(self.take_said(lines_here)))
    }

    fn rows(&mut self, block: &RowsBlock, sent: &Resume) {
        let name = &block.table.name;
        let mut moved: Vec<(CopyId, Option<Vec<Key>>)> = Vec::new();
        for (id, active) in &mut self.active {
            if id.table != *name {
                continue;
            }
            let Some(description) = &active.description else {
                let said = self.said.copies.get(id);
                let copy = said.or_else(|| sent.snapshots.copies.get(id));
                // Where the key is not known, it is known only that nothing has moved. Before the first chunk all is
                // still to be read, wherever it is.
                let is_begun = copy.is_some_and(|copy| copy.key.is_some());
                if is_begun && may_have_moved(block).unwrap_or(true) {
                    moved.push((id.clone(), None));
                }
                continue;
            };
            if active.windows.is_empty() && !is_partial(block) {
                continue;
            }
            let is_keyless = description.key.is_empty();
            let is_known = active
                .place
                .as_ref()
                .is_some_and(|place| place.is_of(&block.table));
            if !is_known {
                active.place = KeyPlace::find(description, &block.table);
            }
            for window in &mut active.windows {
                window.narrow();
            }
            let windows = active.windows.iter_mut();
            let mut changed: Vec<&mut Changed> =
                windows.map(|window| &mut window.changed).collect();
            let kept = active
                .place
                .as_ref()
                .and_then(|place| place.keep(block, &mut changed).ok());
            match kept {
                Some(keys) if keys.is_empty() => {}
                Some(keys) => moved.push((id.clone(), Some(keys))),
                // The whole table is one chunk, or its key cannot be told.
                None => {
                    active.forget();
                    if may_have_moved(block).unwrap_or(true) && !is_keyless {
                        moved.push((id.clone(), None));
                    }
                }
            }
            if active.windows.iter().any(|window| window.changed.is_full()) {
                active.rows_max = (active.rows_max / 4).max(1);
                active.void();
            }
        }
        for (id, keys) in moved {
            self.read_again(&id, keys, sent);
        }
    }

    /// Rows that may have left what is still to be read; `None`: nobody knows which.
    fn read_again(&mut self, id: &CopyId, keys: Option<Vec<Key>>, sent: &Resume) {
        let Some(copy) = self.copy(&sent.snapshots, id) else {
            return;
        };
        match keys {
            Some(keys) if copy.again.len() + keys.len() <= AGAIN_MAX => {
                let mut copy = copy.clone();
                copy.add_again(keys);
                self.say(id.clone(), copy);
            }
            _ => self.begin_again(id, sent),
        }
    }

    fn statement(&mut self, statement: &Statement, sent: &Resume) {
        let ids: Vec<CopyId> = self.active.keys().cloned().collect();
        for id in ids {
            match effect(&statement.subject, &id.table) {
                Effect::None => {}
                Effect::Void => {
                    if let Some(active) = self.active.get_mut(&id) {
                        active.forget();
                    }
                }
                Effect::Anew => self.begin_again(&id, sent),
                Effect::Gone => {
                    let at_us = statement.transaction.commit_us;
                    self.end(&id, CopyState::Gone, at_us, &sent.snapshots);
                }
            }
        }
    }

    pub(super) fn begin_again(&mut self, id: &CopyId, sent: &Resume) {
        if let Some(active) = self.active.get_mut(id) {
            active.forget();
        }
        self.begun.retain(|(begun, _)| begun != id);
        if let Some(copy) = self.copy(&sent.snapshots, id) {
            let copy = TableCopy {
                key: None,
                ranges: Vec::new(),
                again: Vec::new(),
                ..copy.clone()
            };
            self.say(id.clone(), copy);
        }
    }
}

fn effect(subject: &Subject, table: &TableName) -> Effect {
    match subject {
        Subject::Database { action, database } => match action {
            Action::DropDatabase if *database == table.database => Effect::Gone,
            _ => Effect::None,
        },
        Subject::Tables { tables, .. } if !tables.contains(table) => Effect::None,
        Subject::Tables { action, tables } => match action {
            Action::DropTable => Effect::Gone,
            // RENAME, EXCHANGE PARTITION.
            Action::AlterTable if 1 < tables.len() => Effect::Anew,
            Action::SnapshotBegin | Action::SnapshotEnd { .. } => Effect::None,
            _ => Effect::Void,
        },
    }
}
