//! Reads a large compressed transaction once before it is unpacked, only for its checksum.
//!
//! Such a transaction comes in parts, and its rows leave while it is still coming; its checksum stands at its
//! end. So that no row of a damaged event leaves, the event is read from the server a second time, ahead of
//! the dump, which waits meanwhile. A sum of each part is kept, so that damage on the dump's own way is
//! noticed before the part leaves. That costs its bytes twice over the network, and four bytes a part.

use std::{collections::VecDeque, time::Duration};

use bytes::BytesMut;
use headwater_actors::failure::{Class, Failure};
use headwater_binlog::{
    Error,
    assembler::AssembleError,
    event::{CHECKSUM_BYTES, Checksum, EventHeader},
    gtid::Uuid,
    position::Position,
};

use super::options::{Host, SourcePlan};
use super::{
    connection::Connection,
    dump::{Ask, AtLogEnd, Dump, Place, Replica, Taken},
};

/// The server that a dump reads from.
#[derive(Debug, Clone)]
pub struct Home {
    pub plan: SourcePlan,
    pub host: Host,
    pub server_uuid: Uuid,
    pub wait_max: Duration,
}

/// What the parts of a large event must be, in their order.
#[derive(Debug, Default)]
pub struct PartSums(VecDeque<u32>);

impl PartSums {
    /// # Errors
    /// Transient when the part is not what was read ahead.
    pub fn ensure_next(&mut self, part: &[u8]) -> Result<(), Failure> {
        match self.0.pop_front() {
            Some(sum) if sum != crc32fast::hash(part) => Err(Failure::transient(
                "a part of a compressed transaction was damaged on its way",
            )),
            _ => Ok(()),
        }
    }
}

impl Home {
    /// `first` is the first part of a TRANSACTION_PAYLOAD of the dump that is at `place`.
    ///
    /// # Errors
    /// Definite when the event is damaged; transient when it cannot be read again.
    pub async fn ensure_checksum(&self, place: &Place, first: &[u8]) -> Result<PartSums, Failure> {
        let header = EventHeader::parse(first).map_err(unreadable)?;
        // A log without checksums has nothing to verify.
        let (Checksum::Crc32, Some(file)) = (place.checksum(), place.file()) else {
            return Ok(PartSums::default());
        };
        // Transactions begin below max_binlog_size, which is 1 GiB at most; this one may end beyond 4 GiB.
        let position = Position::new(file.clone(), u64::from(header.begin().0));
        // The place itself may have been damaged on its way: what the server says of it is not the last word.
        let read = async || {
            let outcome = self.read(&position, first).await;
            outcome.map_err(|failure| failure.with_class(Class::Transient))
        };
        let mut outcome = read().await?;
        if outcome.is_err() {
            // A second time it stands so in the log.
            outcome = read().await?;
        }
        outcome.map_err(|cause| {
            Failure::from(&AssembleError {
                file: position.file.clone(),
                offset: position.offset,
                kind: header.kind,
                cause,
            })
        })
    }

    /// The inner error is that of the checksum.
    async fn read(
        &self,
        position: &Position,
        first: &[u8],
    ) -> Result<Result<PartSums, Error>, Failure> {
        let mut dump = self.dump_at(position).await?;
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
        let (mut sum, mut parts) = (Sum::default(), PartSums::default());
        loop {
            sum.add(&part);
            parts.0.push_back(crc32fast::hash(&part));
            if !dump.has_parts() {
                return Ok(sum.verify().map(|()| parts));
            }
            part.clear();
            dump.next(&mut part).await?;
        }
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
                AtLogEnd::Stop,
                self.wait_max,
            )
            .await
    }
}

fn unreadable(error: Error) -> Failure {
    Failure::transient("read a compressed transaction").because(error)
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
