//! Records compressed one by one: each a whole gzip member or zstd frame.
//!
//! Members and frames may follow each other in one file (RFC 1952, 2.2; RFC 8878, 3), so what Firehose
//! appends to one S3 object stays valid. The level is each format's usual one: it keeps up with a shard many
//! times over.

use std::io::{self, Write};

use flate2::{Compression as Level, write::GzEncoder};
use serde::{Deserialize, Serialize};

/// What is done to a full record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// The most that `bytes` of text can grow by: what cannot be compressed is stored, with a few bytes around it.
    pub fn growth_bytes(self, bytes: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Gzip | Self::Zstd => bytes / 128 + 256,
        }
    }

    pub fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip => {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Level::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    pub fn decompress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                let mut decoder = flate2::read::MultiGzDecoder::new(bytes);
                decoder.read_to_end(&mut out).expect("gzip");
            }
            Compression::Zstd => out = zstd::decode_all(bytes).expect("zstd"),
        }
        out
    }

    proptest! {
        #[test]
        fn compressed_records_can_be_joined_and_never_grow_beyond_the_bound(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 1..5),
        ) {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let mut joined = Vec::new();
                for record in &records {
                    let compressed = compression.compress(record).expect("memory");
                    prop_assert!(compressed.len() <= record.len() + compression.growth_bytes(record.len()));
                    joined.extend(compressed);
                }
                prop_assert_eq!(decompress(compression, &joined), records.concat());
            }
        }
    }

    #[test]
    fn a_large_record_of_noise_stays_within_the_bound() {
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(1 << 20)
            .collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let compressed = compression.compress(&noise).expect("memory");
            assert!(compressed.len() <= noise.len() + compression.growth_bytes(noise.len()));
        }
    }
}
