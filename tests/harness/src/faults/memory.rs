//! A stream in memory: shards divide the hash key range evenly, SequenceNumbers rise over all of it.

use std::time::Instant;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::ShardLimits;

/// A record that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    pub shard: String,
    pub sequence: String,
    /// Empty for Firehose.
    pub partition_key: String,
    pub data: Bytes,
}

pub struct Stream {
    shards: Vec<Bucket>,
    records: Vec<Landed>,
}

/// What a shard may still take in this second.
struct Bucket {
    records: f64,
    bytes: f64,
    filled: Instant,
}

impl Stream {
    pub fn new(shards: usize) -> Self {
        let full = || Bucket {
            records: f64::MAX,
            bytes: f64::MAX,
            filled: Instant::now(),
        };
        Self {
            shards: (0..shards.max(1)).map(|_| full()).collect(),
            records: Vec::new(),
        }
    }

    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    pub fn records(&self) -> &[Landed] {
        &self.records
    }

    pub fn shard_of(&self, partition_key: &str, explicit_hash_key: Option<u128>) -> String {
        name(self.index_of(partition_key, explicit_hash_key))
    }

    fn index_of(&self, partition_key: &str, explicit_hash_key: Option<u128>) -> usize {
        let hash = explicit_hash_key.unwrap_or_else(|| hash_key(partition_key));
        let width = u128::MAX / self.shards.len() as u128;
        ((hash / width) as usize).min(self.shards.len() - 1)
    }

    /// Whether the shard may take so much now; takes it from its allowance.
    pub fn allows(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        bytes: usize,
        limits: ShardLimits,
    ) -> bool {
        let index = self.index_of(partition_key, explicit_hash_key);
        let bucket = &mut self.shards[index];
        let seconds = bucket.filled.elapsed().as_secs_f64();
        bucket.filled = Instant::now();
        bucket.records =
            (bucket.records + seconds * limits.records_per_sec).min(limits.records_per_sec);
        bucket.bytes = (bucket.bytes + seconds * limits.bytes_per_sec).min(limits.bytes_per_sec);
        let is_allowed = bucket.records >= 1.0 && bucket.bytes >= bytes as f64;
        if is_allowed {
            bucket.records -= 1.0;
            bucket.bytes -= bytes as f64;
        }
        is_allowed
    }

    pub fn take(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> &Landed {
        let landed = Landed {
            shard: self.shard_of(partition_key, explicit_hash_key),
            sequence: format!("49{:054}", self.records.len() + 1),
            partition_key: partition_key.to_owned(),
            data,
        };
        self.records.push(landed);
        &self.records[self.records.len() - 1]
    }
}

/// Kinesis takes a partition key's MD5 as a number.
fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

fn name(index: usize) -> String {
    format!("shardId-{index:012}")
}
