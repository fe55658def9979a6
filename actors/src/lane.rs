//! A lane: the unit of order. One table, or one of N parts of a table by primary key.

use std::sync::Arc;

use headwater_binlog::schema::TableName;

/// What identifies a lane across restarts, generations and processes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    pub table: TableName,
    /// 0-based, below `count`.
    pub index: u32,
    /// Lanes of this table: 1 when the ordering key is the table.
    pub count: u32,
    /// The run of a snapshot whose rows go to a target of their own.
    pub run: Option<Arc<str>>,
}

impl Lane {
    /// Sorts before every lane of the table, and behind those of the tables before it.
    pub fn before_all_of(table: &TableName) -> Self {
        Self {
            table: table.clone(),
            index: 0,
            count: 0,
            run: None,
        }
    }

    /// `db.table`, or `db.table/i` when the table has several lanes. Kinesis takes 1 to 256 characters:
    /// a longer name is cut and ends in a hash of the whole.
    pub fn partition_key(&self) -> String {
        let name = self.table.to_string();
        let key = if self.count == 1 {
            name
        } else {
            format!("{name}/{}", self.index)
        };
        within_limit(key)
    }

    /// `(2i+1)·2^127/N`: lanes spread evenly over the hash key range and survive a reshard.
    /// `None` with one lane: the partition key's own hash decides.
    pub fn explicit_hash_key(&self) -> Option<u128> {
        if self.count <= 1 {
            return None;
        }
        // 2^127/N · (2i+1) without overflow: divide first, then carry the remainder.
        let half = 1u128 << 127;
        let (count, odd) = (u128::from(self.count), 2 * u128::from(self.index) + 1);
        Some(half / count * odd + half % count * odd / count)
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.table)?;
        if self.count != 1 {
            write!(formatter, "/{}", self.index)?;
        }
        match &self.run {
            Some(run) => write!(formatter, " of run {run}"),
            None => Ok(()),
        }
    }
}

/// A partition key of at most 256 characters: a longer one is cut and ends in a hash of the whole.
pub fn within_limit(key: String) -> String {
    if key.chars().count() <= 256 {
        return key;
    }
    let head: String = key.chars().take(239).collect();
    format!("{head}~{:016x}", fnv1a(FNV_BASIS, key.as_bytes()))
}

/// Where an FNV-1a hash begins.
pub const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits, going on from `hash`: stable across versions and machines, which the standard hasher is not.
pub fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(index: u32, count: u32) -> Lane {
        Lane {
            table: TableName {
                database: "shop".into(),
                table: "orders".into(),
            },
            index,
            count,
            run: None,
        }
    }

    #[test]
    fn lanes_spread_evenly_over_the_hash_range() {
        for count in 2..=64u32 {
            let width = u128::MAX / u128::from(count);
            for index in 0..count {
                let key = lane(index, count).explicit_hash_key().unwrap();
                assert_eq!(key / width, u128::from(index), "lane {index} of {count}");
            }
        }
    }

    #[test]
    fn one_lane_is_keyed_by_its_table() {
        assert_eq!(lane(0, 1).partition_key(), "shop.orders");
        assert_eq!(lane(0, 1).explicit_hash_key(), None);
        assert_eq!(lane(2, 4).partition_key(), "shop.orders/2");
    }

    #[test]
    fn a_database_has_a_lane_of_its_own_name() {
        let table = TableName {
            database: "shop".into(),
            table: String::new(),
        };
        let lane = Lane {
            table,
            index: 0,
            count: 1,
            run: None,
        };
        assert_eq!(lane.partition_key(), "shop");
    }

    #[test]
    fn a_long_name_stays_within_the_limit_and_distinct() {
        let long = |last: &str| Lane {
            table: TableName {
                database: "d".repeat(200),
                table: format!("{}{last}", "t".repeat(200)),
            },
            index: 0,
            count: 1,
            run: None,
        };
        assert_eq!(long("a").partition_key().chars().count(), 256);
        assert_ne!(long("a").partition_key(), long("b").partition_key());
    }
}
