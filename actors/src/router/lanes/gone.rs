//! Lanes that go: with a table that is parked or dropped, or because nothing has come for long.
//!
//! A lane takes some kilobytes here, with its writer and in the sink. One that comes back is wanted anew.

use std::{sync::Arc, time::Instant};

use headwater_binlog::schema::TableName;

use super::{Action, Lanes, find, state::LaneState};
use crate::{lane::Lane, messages::BarrierSeq, router::split::Scope};

impl Lanes {
    /// All lanes of the table are dropped with what they have not delivered. It is parked at the earliest of
    /// that over its lanes: what another lane of it has delivered behind that comes again.
    pub fn park(&mut self, table: &TableName, reason: &str, actions: &mut Vec<Action>) {
        let lanes = self.lanes.range::<Lane, _>(Lane::before_all_of(table)..);
        let lanes = lanes.take_while(|(lane, _)| lane.table == *table);
        let lanes: Vec<Arc<Lane>> = lanes.map(|(lane, _)| Arc::clone(lane)).collect();
        let dropped: Vec<LaneState> = lanes
            .iter()
            .filter_map(|lane| self.lanes.remove(lane))
            .collect();
        let earliest = dropped.iter().filter_map(LaneState::oldest).min();
        let from = earliest.unwrap_or(BarrierSeq(self.newest.0 + 1));
        actions.push(Action::Park(table.clone(), from, reason.to_owned()));
        let mut passed = Vec::new();
        for state in dropped {
            if let Some(freezing) = &mut self.freezing {
                freezing.answered(&state.lane);
            }
            for changes in state.outstanding {
                self.fences.leave(&state.lane, changes.seq);
                if let Some(barrier) = find(&mut self.barriers, changes.seq) {
                    barrier.waiting = barrier.waiting.saturating_sub(1);
                    passed.push(changes.seq);
                }
            }
            actions.push(Action::Dismiss(state.lane));
        }
        self.proceed(passed, actions);
        self.cut_when_frozen(actions);
    }

    /// Lanes idle since before `deadline` are forgotten.
    pub fn retire(&mut self, deadline: Instant) -> Vec<Arc<Lane>> {
        let is_idle = |state: &LaneState| {
            state.has_writer && state.outstanding.is_empty() && state.last_active < deadline
        };
        let idle: Vec<Arc<Lane>> = self
            .lanes
            .values()
            .filter(|state| is_idle(state))
            .map(|state| Arc::clone(&state.lane))
            .collect();
        for lane in &idle {
            self.lanes.remove(lane);
        }
        idle
    }

    /// The tables are gone: their lanes too, but for those that have something to deliver again.
    pub(super) fn forget_dropped(&mut self, scope: &Scope, actions: &mut Vec<Action>) {
        if self.freezing.is_some() || self.cut.is_some() {
            return;
        }
        let (firsts, database): (Vec<TableName>, _) = match scope {
            Scope::Tables(tables) => (tables.clone(), None),
            Scope::Database(database) => {
                let first = TableName {
                    database: database.clone(),
                    table: String::new(),
                };
                (vec![first], Some(database))
            }
        };
        for first in firsts {
            let is_in_scope = |lane: &Lane| match database {
                Some(database) => lane.table.database == *database,
                None => lane.table == first,
            };
            let idle: Vec<Arc<Lane>> = self
                .lanes
                .range::<Lane, _>(Lane::before_all_of(&first)..)
                .take_while(|(lane, _)| is_in_scope(lane))
                .filter(|(_, state)| state.has_writer && state.outstanding.is_empty())
                .map(|(lane, _)| Arc::clone(lane))
                .collect();
            for lane in idle {
                self.lanes.remove(&lane);
                actions.push(Action::Dismiss(lane));
            }
        }
    }
}
