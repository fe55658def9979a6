//! A record as the ShardWriters hand it over, for the tests of the sinks.

use std::sync::Arc;

use headwater_actors::{
    lane::Lane,
    ports::sink::{Content, Record},
};
use headwater_binlog::schema::TableName;

/// The only lane of `shop.TABLE`.
pub fn lane(table: &str) -> Lane {
    Lane {
        table: TableName {
            database: "shop".into(),
            table: table.into(),
        },
        index: 0,
        count: 1,
        run: None,
    }
}

pub fn record(table: &str, bytes: impl Into<bytes::Bytes>) -> Record {
    let lane = lane(table);
    Record {
        partition_key: lane.partition_key().into(),
        lane: Arc::new(lane),
        bytes: bytes.into(),
        explicit_hash_key: None,
        rows: 1,
        content: Content::Text,
    }
}
