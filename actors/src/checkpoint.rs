//! The stored position and what makes it safe to go on from: which server, which epoch, which lanes. What is a
//! place to go on from stands in [`crate::progress`].

use std::sync::Arc;

use headwater_binlog::schema::TableName;

use crate::{
    filter::TableFilter,
    progress::{Home, Resume},
};

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
    /// The replica id that we present to the server.
    pub server_id: u32,
    /// The server that `resume` is a place of, and the epoch.
    pub home: Home,
    pub resume: Resume,
    pub ordering: OrderingKey,
    /// The patterns of `source.tables` with which it was stored; empty where that is not known.
    pub tables: Arc<[String]>,
    /// The same of `snapshot.tables`; empty without any.
    pub snapshot_tables: Arc<[String]>,
    /// Written by a drain: nothing was in flight beyond it.
    pub drained: bool,
    /// Tables that are passed over, each with the place where it goes on.
    pub parked: Arc<[Parked]>,
}

impl Checkpoint {
    /// The stream was set to another place: where copies began says nothing of what it brings from there on.
    pub fn forget_begins(&mut self) {
        self.resume.snapshots.forget_begins();
        let parked = self.parked.iter().cloned().map(|mut parked| {
            parked.resume.snapshots.forget_begins();
            parked
        });
        self.parked = parked.collect();
    }
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
    /// The server that `resume` is a place of, and the epoch in which it is.
    pub home: Home,
    /// Its commit time is that of the newest transaction at the mark, or of the first behind it.
    pub resume: Resume,
}

#[cfg(test)]
mod tests {
    use headwater_binlog::{
        gtid::{GtidSet, Uuid},
        position::SeqPlace,
    };

    use super::*;
    use crate::{
        fixture::{SOURCE, at, name},
        snapshot::{CopyId, SETTINGS_RUN, TableCopy},
    };

    #[test]
    fn a_stream_at_another_place_knows_no_longer_where_copies_began_those_of_parked_tables_too() {
        let begun = Some(SeqPlace::new(1, &at(4)));
        let home = Home {
            server_uuid: Uuid(SOURCE),
            epoch: 1,
        };
        let mut resume = Resume::at(at(7), GtidSet::default());
        let id = CopyId {
            run: SETTINGS_RUN.into(),
            table: name("a"),
        };
        let copy = TableCopy {
            begun,
            ..TableCopy::new(None)
        };
        resume.snapshots.add(id.clone(), copy);
        let parked = Parked {
            table: name("a"),
            reason: "too large".into(),
            since_us: 1,
            home,
            resume: resume.clone(),
        };
        let mut checkpoint = Checkpoint {
            name: "test".into(),
            server_id: 1,
            home,
            resume,
            ordering: OrderingKey::Table,
            tables: Arc::default(),
            snapshot_tables: Arc::default(),
            drained: true,
            parked: [parked].into(),
        };
        let begins = |checkpoint: &Checkpoint| {
            let all = [&checkpoint.resume, &checkpoint.parked[0].resume];
            all.map(|resume| resume.snapshots.copies[&id].begun)
        };
        assert_eq!(begins(&checkpoint), [begun; 2]);
        checkpoint.forget_begins();
        assert_eq!(begins(&checkpoint), [None; 2]);
    }
}
