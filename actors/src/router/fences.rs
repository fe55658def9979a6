//! Fences: all before it durable, it durable, then what follows, for the lanes that it covers.
//!
//! A fence *gathers* until its lanes have nothing older outstanding, then its own changes go, and it is
//! *lifted* when its barrier is finished. A lane may be covered by several. No lane is ever asked: a fence
//! stands at the gates of its scope (its tables', or its database's), every change passes the gate of its table
//! and that of its database, and a gate counts what is outstanding before each of its fences. So a fence
//! costs the gates of its scope and the lanes that wait behind it, however many lanes there are.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

use headwater_binlog::schema::TableName;

use super::split::Scope;
use crate::{lane::Lane, messages::BarrierSeq};

#[derive(Debug, Default)]
pub struct Fences {
    open: HashMap<BarrierSeq, Fence>,
    /// Only those at which something is outstanding or a fence stands.
    tables: HashMap<TableName, Gate>,
    databases: HashMap<String, Gate>,
    gathered: Vec<BarrierSeq>,
    released: Vec<Arc<Lane>>,
    #[cfg(test)]
    pub gates_visited: std::cell::Cell<usize>,
}

#[derive(Debug)]
struct Fence {
    scope: Scope,
    /// Gates before which something older is outstanding, or another fence stands.
    missing: usize,
}

#[derive(Debug, Default)]
struct Gate {
    /// Oldest first.
    stands: VecDeque<Stand>,
    /// Changes outstanding from the newest fence on.
    behind: usize,
}

/// A fence at one gate.
#[derive(Debug)]
struct Stand {
    seq: BarrierSeq,
    /// Changes outstanding between the fence before and this one.
    before: usize,
    /// Lanes whose next change belongs to this fence or comes behind it, and before the next fence.
    waiting: Vec<Arc<Lane>>,
}

impl Fences {
    /// The fence of barrier `seq`, before any change of that barrier is outstanding.
    pub fn raise(&mut self, seq: BarrierSeq, scope: Scope) {
        let mut missing = 0;
        self.visit_scope(&scope, |gate| {
            missing += usize::from(gate.is_new(seq) && !gate.stand(seq));
        });
        self.open.insert(seq, Fence { scope, missing });
        if missing == 0 {
            self.gathered.push(seq);
        }
    }

    /// A change of the lane is outstanding, the newest of all.
    pub fn enter(&mut self, lane: &Lane) {
        self.visit_lane(lane, |gate| gate.behind += 1);
    }

    /// A change of the lane is outstanding no more.
    pub fn leave(&mut self, lane: &Lane, seq: BarrierSeq) {
        let mut arrived = Vec::new();
        self.visit_lane(lane, |gate| arrived.extend(gate.leave(seq)));
        self.arrive(arrived);
    }

    /// Whether a change of `lane` behind barrier `seq` must wait.
    pub fn holds(&self, lane: &Lane, seq: BarrierSeq) -> bool {
        let table = self.tables.get(&lane.table);
        let database = self.databases.get(&lane.table.database);
        let mut gates = [table, database].into_iter().flatten();
        let is_gathering = self.is_gathering(seq);
        gates.any(|gate| gate.holds(seq, is_gathering))
    }

    /// The lane's next change is held: the lane is told by [`Fences::take_released`] when to try again.
    pub fn wait(&mut self, lane: &Arc<Lane>, seq: BarrierSeq) {
        let mut is_noted = false;
        let is_gathering = self.is_gathering(seq);
        self.visit_lane(lane, |gate| {
            if !is_noted && gate.holds(seq, is_gathering) {
                gate.wait(lane, seq);
                is_noted = true;
            }
        });
    }

    pub fn is_gathering(&self, seq: BarrierSeq) -> bool {
        self.open.get(&seq).is_some_and(|fence| fence.missing > 0)
    }

    /// The barriers whose fence has gathered since the last call.
    pub fn take_gathered(&mut self) -> Vec<BarrierSeq> {
        std::mem::take(&mut self.gathered)
    }

    /// Lanes that may no longer be held.
    pub fn take_released(&mut self) -> Vec<Arc<Lane>> {
        std::mem::take(&mut self.released)
    }

    /// The barrier is finished, and its fence with it, if it had one.
    pub fn lift(&mut self, seq: BarrierSeq) {
        let Some(fence) = self.open.remove(&seq) else {
            return;
        };
        let (mut arrived, mut released) = (Vec::new(), Vec::new());
        self.visit_scope(&fence.scope, |gate| {
            if let Some(stand) = gate.stands.pop_front_if(|stand| stand.seq == seq) {
                released.extend(stand.waiting);
                arrived.extend(gate.arrived());
            }
        });
        self.released.append(&mut released);
        self.arrive(arrived);
    }

    /// The fences beyond the cut are gone, and nobody waits at the others: every lane tries again.
    pub fn forget_beyond(&mut self, cut: BarrierSeq) {
        self.open.retain(|seq, _| *seq <= cut);
        self.gathered.retain(|seq| *seq <= cut);
        self.released.clear();
        let keep = |gate: &mut Gate| {
            gate.forget_beyond(cut);
            !gate.is_idle()
        };
        self.tables.retain(|_, gate| keep(gate));
        self.databases.retain(|_, gate| keep(gate));
    }

    fn arrive(&mut self, arrived: Vec<BarrierSeq>) {
        for seq in arrived {
            let Some(mut fence) = self.open.remove(&seq) else {
                continue;
            };
            fence.missing = fence.missing.saturating_sub(1);
            if fence.missing == 0 {
                self.gathered.push(seq);
                let mut released = Vec::new();
                self.visit_scope(&fence.scope, |gate| {
                    if let Some(stand) = gate.stands.front_mut() {
                        released.append(&mut stand.waiting);
                    }
                });
                self.released.append(&mut released);
            }
            self.open.insert(seq, fence);
        }
    }

    fn visit_scope(&mut self, scope: &Scope, mut visit: impl FnMut(&mut Gate)) {
        match scope {
            Scope::Tables(tables) => {
                for table in tables {
                    self.count_visit();
                    visit_gate(&mut self.tables, table, &mut visit);
                }
            }
            Scope::Database(database) => {
                self.count_visit();
                visit_gate(&mut self.databases, database, &mut visit);
            }
        }
    }

    fn visit_lane(&mut self, lane: &Lane, mut visit: impl FnMut(&mut Gate)) {
        self.count_visit();
        visit_gate(&mut self.tables, &lane.table, &mut visit);
        visit_gate(&mut self.databases, &lane.table.database, &mut visit);
    }

    fn count_visit(&self) {
        #[cfg(test)]
        self.gates_visited.set(self.gates_visited.get() + 1);
    }
}

/// A gate is there while there is anything to remember of it.
fn visit_gate<K: Clone + Eq + Hash>(
    gates: &mut HashMap<K, Gate>,
    key: &K,
    visit: &mut impl FnMut(&mut Gate),
) {
    if let Some(gate) = gates.get_mut(key) {
        visit(gate);
        if gate.is_idle() {
            gates.remove(key);
        }
        return;
    }
    let mut gate = Gate::default();
    visit(&mut gate);
    if !gate.is_idle() {
        gates.insert(key.clone(), gate);
    }
}

impl Gate {
    fn is_idle(&self) -> bool {
        self.behind == 0 && self.stands.is_empty()
    }

    /// A statement may name a table twice.
    fn is_new(&self, seq: BarrierSeq) -> bool {
        self.stands.back().is_none_or(|newest| newest.seq < seq)
    }

    /// Puts a fence behind all others. Whether nothing is before it.
    fn stand(&mut self, seq: BarrierSeq) -> bool {
        self.stands.push_back(Stand {
            seq,
            before: std::mem::take(&mut self.behind),
            waiting: Vec::new(),
        });
        self.arrived() == Some(seq)
    }

    /// The oldest fence, if nothing is before it.
    fn arrived(&self) -> Option<BarrierSeq> {
        let first = self.stands.front().filter(|first| first.before == 0);
        first.map(|first| first.seq)
    }

    /// The fence before which nothing is now, and was.
    fn leave(&mut self, seq: BarrierSeq) -> Option<BarrierSeq> {
        let index = self.stands.partition_point(|stand| stand.seq <= seq);
        match self.stands.get_mut(index) {
            Some(stand) => stand.before = stand.before.saturating_sub(1),
            None => self.behind = self.behind.saturating_sub(1),
        }
        self.arrived().filter(|_| index == 0)
    }

    fn holds(&self, seq: BarrierSeq, is_gathering: bool) -> bool {
        let first = self.stands.front();
        first.is_some_and(|first| first.seq < seq || (first.seq == seq && is_gathering))
    }

    fn wait(&mut self, lane: &Arc<Lane>, seq: BarrierSeq) {
        let newest = self.stands.partition_point(|stand| stand.seq <= seq);
        let stand = newest
            .checked_sub(1)
            .and_then(|index| self.stands.get_mut(index));
        if let Some(stand) = stand {
            stand.waiting.push(Arc::clone(lane));
        }
    }

    fn forget_beyond(&mut self, cut: BarrierSeq) {
        while let Some(stand) = self.stands.pop_back_if(|stand| stand.seq > cut) {
            self.behind += stand.before;
        }
        self.stands
            .iter_mut()
            .for_each(|stand| stand.waiting.clear());
    }
}

#[cfg(test)]
impl Fences {
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.tables.is_empty() && self.databases.is_empty()
    }
}
