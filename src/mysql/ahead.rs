//! Reads a large compressed transaction once before it is unpacked, only for its checksum.
//!
//! Such a transaction comes in parts, and its rows leave while it is still coming; its checksum stands at its
//! end. So that no row of a damaged event leaves, the event is read from the server a second time, ahead of
//! the dump, which waits meanwhile. That costs its bytes twice over the network, and no memory.

use std::time::Duration;

use bytes::BytesMut;
use headwater_actors::failure::Failure;
use headwater_binlog::{
    Error,
    event::{CHECKSUM_BYTES, Checksum, EventHeader},
    gtid::Uuid,
    position::Position,
    transaction::AssembleError,
};

use super::dump::{Ask, Connection, Dump, Place, Replica, Taken, Until};
use crate::plan::{Host, SourcePlan};

/// The server that a dump reads from.
#[derive(Debug, Clone)]
pub struct Home {
    pub plan: SourcePlan,
    pub host: Host,
    pub server_uuid: Uuid,
    pub patience: Duration,
}

impl Home {
    /// `first` is the first part of a TRANSACTION_PAYLOAD of the dump that is at `place`.
    ///
    /// # Errors
    /// Definite when the event is damaged; transient when it cannot be read again.
    pub async fn ensure_checksum(&self, place: &Place, first: &[u8]) -> Result<(), Failure> {
        let header = EventHeader::parse(first).map_err(|error| unreadable(&error))?;
        let begin = header.next_offset.checked_sub(header.bytes);
        // A log without checksums has nothing to verify. Transactions begin below 4 GiB: see max_binlog_size.
        let (Checksum::Crc32, Some(file), Some(begin)) = (place.checksum(), place.file(), begin)
        else {
            return Ok(());
        };
        let position = Position::new(file.clone(), u64::from(begin));
        let mut dump = self.dump_at(&position).await?;
        let mut part = BytesMut::new();
        loop {
            part.clear();
            match dump.next(&mut part).await? {
                // What the dump thread sends ahead: the file's name and its FORMAT_DESCRIPTION.
                Taken::Event => (),
                Taken::Part if part == first => break,
                Taken::Part | Taken::End => {
                    return Err(Failure::transient(format!(
                        "{}: another event is there than a moment ago",
                        dump.doing()
                    )));
                }
            }
        }
        let mut sum = Sum::default();
        sum.add(&part);
        while dump.has_parts() {
            part.clear();
            dump.next(&mut part).await?;
            sum.add(&part);
        }
        Ok(sum.verify().map_err(|cause| AssembleError {
            file: position.file.clone(),
            offset: position.offset,
            kind: header.kind,
            cause,
        })?)
    }

    /// Under a name of its own, so that it ends nobody else's dump.
    async fn dump_at(&self, position: &Position) -> Result<Dump, Failure> {
        let mut connection = Connection::open(&self.plan, &self.host).await?;
        connection.ensure_server(self.server_uuid).await?;
        let ask = Ask::Position(position.clone());
        connection
            .dump(
                &self.plan,
                Replica::stranger(),
                &ask,
                Until::Head,
                self.patience,
            )
            .await
    }
}

fn unreadable(error: &Error) -> Failure {
    Failure::transient(format!("read a compressed transaction: {error}"))
}

/// The checksum of what comes in parts, of which the last four bytes are what it should be.
#[derive(Default)]
struct Sum {
    hasher: crc32fast::Hasher,
    tail: Vec<u8>,
}

impl Sum {
    fn add(&mut self, part: &[u8]) {
        self.tail.extend_from_slice(part);
        let covered = self.tail.len().saturating_sub(CHECKSUM_BYTES);
        self.hasher
            .update(self.tail.get(..covered).unwrap_or_default());
        self.tail.drain(..covered);
    }

    fn verify(&self) -> Result<(), Error> {
        let stored = self.tail.first_chunk().copied().map(u32::from_le_bytes);
        let computed = self.hasher.clone().finalize();
        match stored {
            Some(stored) if stored != computed => Err(Error::Checksum { stored, computed }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sum_is_the_same_however_its_bytes_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            part_bytes in 1usize..50,
            flipped in 0u8..2,
        ) {
            let mut event = bytes.clone();
            event.extend(crc32fast::hash(&bytes).to_le_bytes());
            event[0] ^= flipped;
            let mut sum = Sum::default();
            for part in event.chunks(part_bytes) {
                sum.add(part);
            }
            prop_assert_eq!(sum.verify().is_ok(), flipped == 0);
        }
    }
}
