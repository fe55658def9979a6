//! The stored position and what makes it safe to go on from: which server, which epoch, which lanes.

use std::{cmp::Ordering, sync::Arc};

use headwater_binlog::{
    columns::Known,
    gtid::{GtidSet, Uuid},
    position::Position,
    schema::TableName,
    xa::XaTable,
};

use crate::{filter::TableFilter, ports::source::ResumePoint};

/// How far the log has been taken. `position` is a transaction boundary; `rows_done` rows and DDLs of
/// the transaction that starts there are done too (a place inside a giant transaction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub position: Position,
    pub rows_done: u64,
}

impl Mark {
    /// Whether all before `other` lies before it, as far as that can be told.
    pub fn has_passed(&self, other: &Self) -> bool {
        match self.position.partial_cmp(&other.position) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => other.rows_done <= self.rows_done,
            Some(Ordering::Less) | None => false,
        }
    }
}

/// How rows are spread over lanes: may change only at a drained checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderingKey {
    Table,
    PrimaryKey {
        lanes: u32,
    },
    /// Not the same for all tables.
    Routed(Arc<RoutedOrdering>),
}

/// The first route that matches a table decides, else the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedOrdering {
    pub routes: Vec<RouteOrdering>,
    pub default: OrderingKey,
}

#[derive(Debug, Clone)]
pub struct RouteOrdering {
    pub tables: TableFilter,
    pub key: OrderingKey,
}

impl PartialEq for RouteOrdering {
    fn eq(&self, other: &Self) -> bool {
        self.tables.patterns() == other.tables.patterns() && self.key == other.key
    }
}

impl Eq for RouteOrdering {}

impl OrderingKey {
    /// Routes that change nothing are none: they may come and go.
    pub fn routed(routes: Vec<RouteOrdering>, default: Self) -> Self {
        if routes.iter().all(|route| route.key == default) {
            return default;
        }
        Self::Routed(Arc::new(RoutedOrdering { routes, default }))
    }

    /// Of one table: never [`Routed`](Self::Routed).
    pub fn of(&self, table: &TableName) -> &Self {
        match self {
            Self::Table | Self::PrimaryKey { .. } => self,
            Self::Routed(routed) => {
                let route = routed
                    .routes
                    .iter()
                    .find(|route| route.tables.includes(table));
                route.map_or(&routed.default, |route| &route.key).of(table)
            }
        }
    }
}

impl std::fmt::Display for OrderingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table => formatter.write_str("table"),
            Self::PrimaryKey { lanes } => write!(formatter, "primary_key with {lanes} lanes"),
            Self::Routed(routed) => {
                for route in &routed.routes {
                    let patterns = route.tables.patterns().join(", ");
                    write!(formatter, "{} for {patterns}; ", route.key)?;
                }
                write!(formatter, "{} for all others", routed.default)
            }
        }
    }
}

/// All that a restart needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The pipeline's name (`name` in the settings).
    pub name: String,
    pub server_uuid: Uuid,
    /// The replica id that we present to the server.
    pub server_id: u32,
    /// Rises with every change of server or of the log's numbering; first field of `seq`.
    pub epoch: u32,
    pub mark: Mark,
    /// Transactions wholly done. Empty where the server has no GTIDs.
    pub gtid_set: GtidSet,
    /// XA transactions that are prepared and not finished.
    pub xa: XaTable,
    /// Commit time of the newest transaction done, microseconds since the epoch; 0 when unknown.
    pub commit_us: u64,
    pub ordering: OrderingKey,
    /// Written by a drain: nothing was in flight beyond it.
    pub drained: bool,
    /// Column lists that the log does not carry, never older than `mark`: a list that has ended since would
    /// give wrong names.
    pub columns: Arc<[Known]>,
    /// Tables that are passed over, each with the place where it goes on.
    pub parked: Arc<[Parked]>,
}

/// A table that is passed over since a change of it could not be delivered: everything of it before the mark
/// is durable, nothing behind it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    pub table: TableName,
    /// Why, as a sentence.
    pub reason: String,
    /// Microseconds since 1970.
    pub since_us: u64,
    /// The server that `mark` is a place of, and the epoch in which it is.
    pub server_uuid: Uuid,
    pub epoch: u32,
    pub mark: Mark,
    pub gtid_set: GtidSet,
    pub xa: XaTable,
    pub columns: Arc<[Known]>,
    /// Commit time of the newest transaction at the mark, or of the first behind it; 0 when unknown.
    pub commit_us: u64,
}

impl Parked {
    /// Whose positions the mark speaks: of nobody when the log was numbered anew since, so that only GTIDs count.
    pub fn home(&self, epoch: u32) -> Uuid {
        if self.epoch == epoch {
            self.server_uuid
        } else {
            Uuid([0; 16])
        }
    }

    pub fn point(&self) -> ResumePoint {
        ResumePoint {
            mark: self.mark.clone(),
            gtid_set: self.gtid_set.clone(),
            columns: Arc::clone(&self.columns),
            xa: self.xa.clone(),
        }
    }
}
