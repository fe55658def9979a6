//! One round at the source: a handful of tables from their making to their end, each statement followed by
//! a mark in the same transaction, so that its lines can be told from those of the next.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::Context;
use fastrand::Rng;
use mysql_async::{Conn, Error, prelude::Queryable};

use super::{
    moment::{Moment, Touched},
    schema::{Rows, Table, path, shortened},
    shape::{Catalogue, Request, Shape, Source, Special},
};
use crate::golden::compare::Compare;

/// The table of marks.
pub const MARKS: &str = "marks.marks";

/// A table of the round.
pub struct Member {
    pub table: Arc<Table>,
    pub rows: Rows,
    pub sources: HashMap<String, Source>,
    pub special: Special,
    /// Whether other rows than those that a statement names may change: another unique key than the id.
    pub has_conflicts: bool,
    pub is_there: bool,
}

/// What a statement may touch of a member.
#[derive(Debug, Clone)]
pub enum Reach {
    Ids(Vec<i64>),
    All,
}

#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub tables: u64,
    pub rows: u64,
    pub changes: u64,
    pub ddl: u64,
    /// Statements that the server refused, by error, with one of each.
    pub refused: BTreeMap<u16, (u64, String)>,
}

pub struct Round<'a> {
    pub conn: &'a mut Conn,
    pub rng: Rng,
    pub catalogue: &'a Catalogue,
    pub members: Vec<Member>,
    pub moments: BTreeMap<u64, Moment>,
    pub counts: Counts,
    /// Of the session: MINIMAL or NOBLOB.
    pub is_partial: bool,
    /// Of the session: a table without a key gets one that nobody sees.
    pub has_own_key: bool,
    /// How its lines show JSON documents.
    documents: Compare,
    pub folder: std::path::PathBuf,
    pub in_transaction: bool,
    /// Whole rows, in lines that the road to a warehouse takes.
    pub is_for_warehouse: bool,
    /// Whether statements on tables come among the changes; else only TRUNCATE.
    pub has_statements: bool,
    next_mark: u64,
    next_id: i64,
    next_block: i64,
}

impl<'a> Round<'a> {
    pub fn new(
        conn: &'a mut Conn,
        catalogue: &'a Catalogue,
        seed: u64,
        documents: Compare,
        folder: std::path::PathBuf,
    ) -> Self {
        Self {
            conn,
            rng: Rng::with_seed(seed),
            catalogue,
            members: Vec::new(),
            moments: BTreeMap::new(),
            counts: Counts::default(),
            is_partial: false,
            has_own_key: false,
            documents,
            folder,
            in_transaction: false,
            is_for_warehouse: false,
            has_statements: true,
            next_mark: 1,
            next_id: 0,
            next_block: 1 << 41,
        }
    }

    /// Ids that no row has had; most small, some at the ends of BIGINT.
    pub fn new_ids(&mut self, count: usize) -> Vec<i64> {
        let mut id = || {
            self.next_id += 1;
            match self.rng.u8(..40) {
                0 => i64::MAX - self.next_id,
                1 => i64::MIN + self.next_id,
                2 => -self.next_id,
                _ => self.next_id,
            }
        };
        (0..count).map(|_| id()).collect()
    }

    /// A distance by which copied rows get ids that no row has.
    pub fn new_block(&mut self) -> i64 {
        let block = self.next_block;
        self.next_block += 1 << 41;
        block
    }

    /// A table that is there, by its place.
    pub fn any_member(&mut self) -> Option<usize> {
        let there: Vec<usize> = (0..self.members.len())
            .filter(|at| self.members[*at].is_there)
            .collect();
        self.rng.choice(&there).copied()
    }

    /// Some of a table's ids.
    pub fn some_ids(&mut self, member: usize, most: usize) -> Vec<i64> {
        let ids: Vec<i64> = self.members[member].rows.keys().copied().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let count = self.rng.usize(1..=most);
        let mut some: Vec<i64> = (0..count)
            .map(|_| ids[self.rng.usize(..ids.len())])
            .collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    /// Whether the server took it; what it refuses is counted, no error.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn try_run(&mut self, sql: &str) -> anyhow::Result<bool> {
        match self.conn.query_drop(sql).await {
            Ok(()) => Ok(true),
            Err(Error::Server(error)) => {
                let shown = || format!("{}: {}", error.message, shortened(sql));
                let (count, _) = self
                    .counts
                    .refused
                    .entry(error.code)
                    .or_insert_with(|| (0, shown()));
                *count += 1;
                Ok(false)
            }
            Err(error) => Err(error).with_context(|| format!("run {}", shortened(sql))),
        }
    }

    /// # Errors
    /// When the server refuses.
    pub async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        let ran = self.conn.query_drop(sql).await;
        ran.with_context(|| format!("run {}", shortened(sql)))
    }

    /// Runs a statement that changes rows, with `SELECT` before and after.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn change(&mut self, sql: &str, reach: &[(usize, Reach)]) -> anyhow::Result<bool> {
        if !self.try_run(sql).await? {
            return Ok(false);
        }
        self.counts.changes += 1;
        let mut touched = Vec::new();
        for (at, reach) in self.reach_of(reach) {
            let member = &mut self.members[at];
            let table = Arc::clone(&member.table);
            let (before, after) = match &reach {
                Reach::All => {
                    let after = table.select(self.conn, None).await?;
                    (std::mem::replace(&mut member.rows, after.clone()), after)
                }
                Reach::Ids(ids) => {
                    let mut before = Rows::new();
                    let after = table.select(self.conn, Some(ids)).await?;
                    for id in ids {
                        before.extend(member.rows.remove(id).map(|row| (*id, row)));
                    }
                    member.rows.extend(after.clone());
                    (before, after)
                }
            };
            self.counts.rows += after.keys().filter(|id| !before.contains_key(id)).count() as u64;
            touched.push(Touched {
                table,
                is_partial: self.is_partial,
                before,
                after,
            });
        }
        let statement = shortened(sql);
        self.note(Moment { statement, touched }).await?;
        Ok(true)
    }

    /// Keeps what was seen, under the number of the mark that it sets.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn note(&mut self, moment: Moment) -> anyhow::Result<()> {
        self.moments.insert(self.next_mark, moment);
        let sql = format!("INSERT INTO {MARKS} VALUES ({})", self.next_mark);
        self.next_mark += 1;
        self.run(&sql).await
    }

    /// Conflicting rows and children are reached too.
    fn reach_of(&self, reach: &[(usize, Reach)]) -> BTreeMap<usize, Reach> {
        let mut all: BTreeMap<usize, Reach> = reach.iter().cloned().collect();
        let reached: Vec<usize> = all.keys().copied().collect();
        for at in reached {
            if self.members[at].has_conflicts {
                all.insert(at, Reach::All);
            }
            let is_child = |member: &Member| member.special == Special::Child(at);
            let children = (0..self.members.len()).filter(|it| is_child(&self.members[*it]));
            all.extend(children.map(|child| (child, Reach::All)));
        }
        all.retain(|at, _| self.members[*at].is_there);
        all
    }

    /// Runs a statement that changes tables, and reads the members that are named again.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn define(&mut self, sql: &str, named: &[usize]) -> anyhow::Result<bool> {
        let is_done = self.try_run(sql).await?;
        if is_done {
            self.counts.ddl += 1;
            for at in named {
                self.refresh(*at).await?;
            }
        }
        Ok(is_done)
    }

    /// # Errors
    /// When the server does not answer.
    pub async fn refresh(&mut self, at: usize) -> anyhow::Result<()> {
        let known = Arc::clone(&self.members[at].table);
        let read = Table::read(self.conn, self.documents, &known.database, &known.name);
        let table = read.await?;
        let Some(table) = table else {
            self.members[at].is_there = false;
            self.members[at].rows.clear();
            return Ok(());
        };
        self.members[at].rows = table.select(self.conn, None).await?;
        self.members[at].table = Arc::new(table);
        Ok(())
    }

    /// Makes a table; tries narrower ones when the server takes none so large.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn create(&mut self, number: u64, special: Special) -> anyhow::Result<Option<usize>> {
        let parent = match special {
            Special::Child(of) => Some(self.members[of].table.path()),
            _ => None,
        };
        let widest = if self.is_for_warehouse { 10 } else { 24 };
        for columns_max in [24, 24, 12, 8, 4, 2, 1] {
            let columns_max = widest.min(columns_max);
            let request = Request {
                number,
                special,
                parent: parent.as_deref(),
                columns_max,
                needs_id_in_key: self.is_partial,
            };
            let shape = Shape::random(self.catalogue, &mut self.rng, &request);
            // Where the server adds a key, it logs a statement of its own, which has `?` for such labels.
            let is_odd = shape.sql.contains(|character| character > '\u{ffff}');
            if self.has_own_key && is_odd {
                continue;
            }
            if self.define(&shape.sql, &[]).await? {
                let has_conflicts = shape.sql.contains("UNIQUE KEY");
                let at = self.adopt(shape.database, &shape.name, shape.sources, special);
                let at = at.await?;
                self.members[at].has_conflicts |= has_conflicts;
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Takes a table that is there among the members.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn adopt(
        &mut self,
        database: &str,
        name: &str,
        sources: HashMap<String, Source>,
        special: Special,
    ) -> anyhow::Result<usize> {
        let table = Table::read(self.conn, self.documents, database, name).await?;
        let table = table.with_context(|| format!("no table {}", path(database, name)))?;
        let rows = table.select(self.conn, None).await?;
        self.counts.tables += 1;
        self.members.push(Member {
            has_conflicts: !table.key.is_empty() && !table.has_id_in_key(),
            table: Arc::new(table),
            rows,
            sources,
            special,
            is_there: true,
        });
        Ok(self.members.len() - 1)
    }
}
