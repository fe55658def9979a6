//! The aggregated record of the Kinesis Producer Library: many user records in one Kinesis record.
//!
//! Four magic bytes, a protobuf message (table of partition keys, table of explicit hash keys, records with
//! indexes into both), the MD5 of the message.
//! <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>
//! Consumers drop a user record whose hash lies outside of the shard that they read (the KCL does, for
//! shards that were split). So each user record carries an explicit hash key: that of the record around it.
//! Protobuf allows entries of the tables between the records: a new key is written before its first use.

use std::collections::HashMap;

use md5::{Digest, Md5};

use crate::lane::Lane;

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Field number and wire type: all length-delimited, but for the two indexes.
const PARTITION_KEY_TABLE: u8 = 1 << 3 | 2;
const EXPLICIT_HASH_KEY_TABLE: u8 = 2 << 3 | 2;
const RECORDS: u8 = 3 << 3 | 2;
const PARTITION_KEY_INDEX: u8 = 1 << 3;
const EXPLICIT_HASH_KEY_INDEX: u8 = 2 << 3;
const DATA: u8 = 3 << 3 | 2;

/// The state of one aggregate while it is filled.
#[derive(Debug)]
pub struct Aggregate {
    lane_key: Box<str>,
    hash_key: Box<str>,
    /// Index in the table of partition keys.
    keys: HashMap<Box<str>, u64>,
    last_line_bytes: usize,
}

impl Aggregate {
    /// The MD5.
    pub const TAIL_BYTES: usize = 16;

    /// `hash_key`: where the record around it lands, as a decimal number.
    pub fn new(lane_key: &str, hash_key: u128) -> Self {
        Self {
            lane_key: lane_key.into(),
            hash_key: hash_key.to_string().into_boxed_str(),
            keys: HashMap::new(),
            last_line_bytes: 0,
        }
    }

    pub fn open_record(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() {
            out.extend_from_slice(&MAGIC);
            text_field(EXPLICIT_HASH_KEY_TABLE, &self.hash_key, out);
        }
    }

    /// Puts in front of the line at `out[start..]` what makes it a user record.
    pub fn close_record(&mut self, out: &mut Vec<u8>, start: usize, key: &str) {
        let key = if key.is_empty() { &*self.lane_key } else { key };
        let line_bytes = out.len().saturating_sub(start);
        let mut head = Vec::with_capacity(64);
        let index = match self.keys.get(key) {
            Some(index) => *index,
            None => {
                let index = self.keys.len() as u64;
                text_field(PARTITION_KEY_TABLE, key, &mut head);
                self.keys.insert(key.into(), index);
                index
            }
        };
        let mut fields = Vec::with_capacity(24);
        number_field(PARTITION_KEY_INDEX, index, &mut fields);
        number_field(EXPLICIT_HASH_KEY_INDEX, 0, &mut fields);
        number_field(DATA, line_bytes as u64, &mut fields);
        number_field(RECORDS, (fields.len() + line_bytes) as u64, &mut head);
        head.extend_from_slice(&fields);
        out.extend_from_slice(&head);
        if let Some(line_and_head) = out.get_mut(start..) {
            line_and_head.rotate_right(head.len());
        }
        self.last_line_bytes = line_bytes;
    }

    pub fn close(out: &mut Vec<u8>) {
        let digest = Md5::digest(out.get(MAGIC.len()..).unwrap_or_default());
        out.extend_from_slice(&digest);
    }

    /// The newest line of a record that is not closed.
    pub fn last_line_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = bytes.len().saturating_sub(self.last_line_bytes);
        bytes.get(start..).unwrap_or_default()
    }
}

/// Where Kinesis places the lane's records: the explicit hash key, or the MD5 of the partition key.
pub fn hash_key(lane: &Lane, partition_key: &str) -> u128 {
    lane.explicit_hash_key().unwrap_or_else(|| {
        let digest: [u8; 16] = Md5::digest(partition_key.as_bytes()).into();
        u128::from_be_bytes(digest)
    })
}

fn text_field(tag: u8, text: &str, out: &mut Vec<u8>) {
    number_field(tag, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// A tag and a varint: a number, or the length of what follows.
fn number_field(tag: u8, mut number: u64, out: &mut Vec<u8>) {
    out.push(tag);
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
pub(in crate::writer) mod tests {
    use headwater_binlog::schema::TableName;
    use proptest::prelude::*;

    use super::*;

    /// A reader of protobuf that knows nothing of the writer: fields by number, in any order.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut number, mut shift) = (0, 0);
            loop {
                let (byte, rest) = bytes.split_first().expect("a byte");
                *bytes = rest;
                number |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return number;
                }
            }
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let number = varint(&mut bytes);
            let mut data = Vec::new();
            if tag & 7 == 2 {
                let (front, rest) = bytes.split_at(number as usize);
                data = front.to_vec();
                bytes = rest;
            }
            fields.push((tag >> 3, data, number));
        }
        fields
    }

    /// Partition key, explicit hash key and data of each user record.
    pub fn open(bytes: &[u8]) -> Vec<(String, String, Vec<u8>)> {
        let message = bytes.strip_prefix(&MAGIC[..]).expect("the magic");
        let (message, digest) = message.split_at(message.len() - 16);
        let wanted: [u8; 16] = Md5::digest(message).into();
        assert_eq!(digest, wanted);
        let all = fields(message);
        let table = |field: u64| -> Vec<String> {
            let entries = all.iter().filter(|(number, ..)| *number == field);
            entries
                .map(|(_, data, _)| String::from_utf8(data.clone()).expect("text"))
                .collect()
        };
        let (keys, hashes) = (table(1), table(2));
        let records = all.iter().filter(|(number, ..)| *number == 3);
        records
            .map(|(_, record, _)| {
                let inner = fields(record);
                let number = |field| inner.iter().find(|(n, ..)| *n == field).expect("a field").2;
                let data = inner
                    .iter()
                    .find(|(n, ..)| *n == 3)
                    .expect("data")
                    .1
                    .clone();
                (
                    keys[number(1) as usize].clone(),
                    hashes[number(2) as usize].clone(),
                    data,
                )
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_aggregated_can_be_read_again(
            records in prop::collection::vec(("[a-e]{0,3}", prop::collection::vec(any::<u8>(), 0..300)), 1..40),
        ) {
            let mut aggregate = Aggregate::new("shop.orders", 12345);
            let mut out = Vec::new();
            for (key, line) in &records {
                aggregate.open_record(&mut out);
                let start = out.len();
                out.extend_from_slice(line);
                aggregate.close_record(&mut out, start, key);
                prop_assert_eq!(aggregate.last_line_of(&out), &line[..]);
            }
            let open_bytes = out.len();
            Aggregate::close(&mut out);
            prop_assert_eq!(out.len(), open_bytes + Aggregate::TAIL_BYTES);
            let wanted: Vec<_> = records
                .into_iter()
                .map(|(key, line)| {
                    let key = if key.is_empty() { "shop.orders".to_owned() } else { key };
                    (key, "12345".to_owned(), line)
                })
                .collect();
            prop_assert_eq!(open(&out), wanted);
        }
    }

    #[test]
    fn user_records_land_where_the_record_around_them_does() {
        let lane = |count| Lane {
            table: TableName {
                database: "shop".into(),
                table: "orders".into(),
            },
            index: 0,
            count,
            run: None,
        };
        let by_hash = hash_key(&lane(1), "shop.orders");
        // As `printf shop.orders | md5sum` says.
        assert_eq!(
            format!("{by_hash:032x}"),
            "bff19b526d4d7e5b8734eb99585e7d95"
        );
        let lane = lane(4);
        assert_eq!(
            Some(hash_key(&lane, "shop.orders/0")),
            lane.explicit_hash_key()
        );
    }
}
