//! Something between the server and the program that leaves out of the log what it likes, or adds to it.

use headwater_harness::{
    mysql::{PASSWORD, USER},
    program::Launch,
    wire::{Cut, Wire},
};

use super::{Origin, WITHOUT_GTIDS};
use crate::world::{WITHIN, says};

/// Of an event's header.
const KIND: usize = 4;
const NEXT_OFFSET: std::ops::Range<usize> = 13..17;
const ROTATE: u8 = 4;
const XID: u8 = 16;
const HEARTBEATS: [u8; 2] = [27, 41];
/// GTID, ANONYMOUS_GTID, MARIADB_GTID: each transaction begins with one.
const BEGINS: [u8; 3] = [33, 34, 162];

const SAYS_GAP: [&str; 2] = ["did not come", "leaves events out"];

/// A relay before the server.
pub(super) struct Relayed {
    pub origin: Origin,
    pub wire: Wire,
}

impl Relayed {
    pub async fn new(origin: Origin) -> anyhow::Result<Self> {
        let wire = Wire::to(origin.server.port(), 7).await?;
        Ok(Self { origin, wire })
    }

    pub fn launch(&self) -> anyhow::Result<Launch> {
        let url = format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}", self.wire.port());
        let launch = self.origin.launch()?.setting("source.url", &url);
        Ok(launch
            .setting("source.tls.mode", "disabled")
            .setting("source.tls.allow_public_key_retrieval", "true"))
    }

    /// In the first `dumps` dumps from now on, a transaction does not come: that of this number in the first one,
    /// counted from 1.
    fn leaves_out(&self, number: u32, dumps: u32) {
        let (mut transactions, mut dump) = (0, 0);
        let (mut place, mut is_out, mut is_first) = (None, false, true);
        self.wire.rewrite(move |event| {
            let kind = event.get(KIND).copied().unwrap_or_default();
            if kind == ROTATE {
                (is_out, is_first) = (false, true);
            }
            if BEGINS.contains(&kind) {
                // A dump that only asks what the file is has none.
                dump += u32::from(is_first);
                is_first = false;
                transactions += 1;
                let at = event.get(NEXT_OFFSET).map(<[u8]>::to_vec);
                if transactions == number {
                    place = at.clone();
                }
                is_out = place.is_some() && at == place && dump <= dumps;
            }
            match is_out && !HEARTBEATS.contains(&kind) {
                true => Vec::new(),
                false => vec![event.to_vec()],
            }
        });
    }
}

async fn halts_where_one_is_left_out(origin: Origin) -> anyhow::Result<()> {
    let relayed = Relayed::new(origin).await?;
    let origin = &relayed.origin;
    origin.insert(100..110).await?;
    relayed.leaves_out(5, u32::MAX);
    let run = async || {
        relayed
            .launch()?
            .arg("--until")
            .arg("now")
            .finish(WITHIN)
            .await
    };
    says(&run().await?, 1, &SAYS_GAP);
    assert_eq!(origin.sent()?, Vec::from_iter(100..104));
    // From there on it is the first.
    relayed.leaves_out(1, u32::MAX);
    says(&run().await?, 1, &SAYS_GAP);
    assert_eq!(origin.sent()?, Vec::from_iter(100..104));
    // What happens once was the network.
    relayed.wire.leave_alone();
    let program = relayed.launch()?.start()?;
    origin.has_sent(10).await?;
    relayed.leaves_out(1, 1);
    relayed.wire.cut(Cut::Reset);
    origin.insert(110..115).await?;
    origin.has_sent(15).await?;
    says(&program.drain(WITHIN).await?, 0, &SAYS_GAP[..1]);

    // The last one, and then nothing: a heartbeat says how far the log goes.
    relayed.leaves_out(6, u32::MAX);
    let mut program = relayed.launch()?.start()?;
    program.wait_ready(WITHIN).await?;
    origin.insert(115..120).await?;
    origin.has_sent(20).await?;
    origin.insert(120..121).await?;
    says(&program.wait_exit(WITHIN).await?, 1, &SAYS_GAP);
    relayed.wire.leave_alone();
    says(&run().await?, 0, &[]);
    assert_eq!(origin.sent()?, Vec::from_iter(100..121));
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_a_relay_leaves_out_halts() -> anyhow::Result<()> {
    halts_where_one_is_left_out(Origin::mysql(&[]).await?).await
}

#[tokio::test]
async fn a_transaction_without_a_gtid_that_a_relay_leaves_out_halts() -> anyhow::Result<()> {
    halts_where_one_is_left_out(Origin::mysql(&WITHOUT_GTIDS).await?).await
}

#[tokio::test]
async fn a_transaction_of_mariadb_that_a_relay_leaves_out_halts() -> anyhow::Result<()> {
    halts_where_one_is_left_out(Origin::mariadb().await?).await
}

/// The event that opens a dump, with the name of a file that there is not.
fn renamed(rotate: &[u8]) -> Vec<u8> {
    const CHECKSUM_BYTES: usize = 4;
    let number = b".000001";
    let covered = &rotate[..rotate.len() - CHECKSUM_BYTES];
    let at = covered.windows(number.len()).position(|it| it == number);
    let mut event = covered.to_vec();
    if let Some(at) = at {
        event[at..at + number.len()].copy_from_slice(b".000777");
    }
    event.extend(crc32fast::hash(&event).to_le_bytes());
    event
}

async fn stores_no_place_that_only_a_name_says(origin: Origin) -> anyhow::Result<()> {
    let relayed = Relayed::new(origin).await?;
    let origin = &relayed.origin;
    let (mut opening, mut transactions) = (Vec::new(), 0);
    relayed.wire.rewrite(move |event| {
        let kind = event.get(KIND).copied().unwrap_or_default();
        if kind == ROTATE && opening.is_empty() {
            opening = renamed(event);
        }
        transactions += u32::from(kind == XID);
        match kind == XID && transactions.is_multiple_of(10) {
            true => vec![event.to_vec(), opening.clone()],
            false => vec![event.to_vec()],
        }
    });
    let program = relayed.launch()?.start()?;
    origin.insert(100..110).await?;
    origin.has_sent(10).await?;
    says(&program.drain(WITHIN).await?, 0, &[]);
    let shown = origin.command(&["position", "show"]).await?;
    let (file, offset) = origin.server.position().await?;
    says(&shown, 0, &[&format!("{file}:{offset}")]);
    assert!(!shown.text().contains("777"), "{}", shown.text());

    // What comes behind the name is not believed either: read again, as what the network did.
    let program = relayed.launch()?.start()?;
    origin.insert(110..125).await?;
    origin.has_sent(25).await?;
    says(
        &program.drain(WITHIN).await?,
        0,
        &["000777", "before FORMAT_DESCRIPTION"],
    );
    assert_eq!(origin.sent()?, Vec::from_iter(100..125));
    Ok(())
}

#[tokio::test]
async fn names_of_files_that_do_not_exist_move_no_position() -> anyhow::Result<()> {
    stores_no_place_that_only_a_name_says(Origin::mysql(&[]).await?).await
}

#[tokio::test]
async fn names_of_files_that_do_not_exist_move_no_position_of_mariadb() -> anyhow::Result<()> {
    stores_no_place_that_only_a_name_says(Origin::mariadb().await?).await
}
