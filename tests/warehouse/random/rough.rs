//! What happens to the road meanwhile: the program is killed, Firehose begins again where it was, parts are loaded
//! once more.

use std::fmt;

use fastrand::Rng;
use headwater_harness::{
    generator::{Counts, Found},
    road::SCHEMA,
};

use crate::world::World;

pub struct Rough {
    pub world: World,
    rng: Rng,
    /// Manifests of what was loaded.
    manifests: Vec<String>,
    kills: u64,
    replays: u64,
    merges: u64,
}

impl Rough {
    pub fn new(world: World, rng: Rng) -> Self {
        Self {
            world,
            rng,
            manifests: Vec::new(),
            kills: 0,
            replays: 0,
            merges: 0,
        }
    }

    /// Brings what the road has now, but for what is late, and merges it or leaves it for the next time.
    pub async fn bring(&mut self) -> anyhow::Result<()> {
        match self.rng.u8(..4) {
            // In the middle of what it sends.
            0 | 1 => {
                self.world.kill()?;
                self.world.start().await?;
                self.kills += 1;
            }
            2 => {
                self.world.drain().await?;
                self.world.start().await?;
            }
            _ => (),
        }
        if self.rng.bool() {
            self.world.firehose.stop();
            self.world.firehose.start_again().await?;
        }
        let loaded = self.world.flush_and_load().await?;
        anyhow::ensure!(loaded.refused.is_empty(), "refused: {:?}", loaded.refused);
        self.manifests.extend(loaded.manifests);
        if self.rng.u8(..3) > 0 {
            self.merge().await?;
        }
        if self.rng.bool() {
            self.replay().await?;
        }
        Ok(())
    }

    /// Loads one delivery again, whole.
    async fn replay(&mut self) -> anyhow::Result<()> {
        if let Some(manifest) = self.rng.choice(&self.manifests) {
            self.world.loader.copy(manifest).await?;
            self.replays += 1;
            self.merge().await?;
        }
        Ok(())
    }

    pub async fn merge(&mut self) -> anyhow::Result<()> {
        self.merges += 1;
        self.world.merge().await
    }

    /// Nothing is on its way any more; then something comes once more all the same.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        let loaded = self.world.settle_and_load().await?;
        self.manifests.extend(loaded.manifests);
        self.merge().await?;
        self.replay().await
    }
}

/// What all rounds did.
#[derive(Debug, Default)]
pub struct Figures {
    pub rounds: u64,
    /// Compared at the ends of the rounds, with rows that were inserted into them.
    pub tables: u64,
    pub rows: u64,
    /// Both times.
    rows_compared: u64,
    values: u64,
    lost: u64,
    left_out: u64,
    changes: u64,
    statements: u64,
    lines: u64,
    ignored: u64,
    kills: u64,
    replays: u64,
    merges: u64,
    /// Of the round.
    last_tables: u64,
    last_left_out: u64,
    not_audited: u64,
}

impl Figures {
    pub fn compared(&mut self, found: &Found, not_audited: usize) {
        self.not_audited += not_audited as u64;
        self.rows_compared += found.rows;
        self.values += found.values;
        self.lost += found.lost;
        self.last_tables = found.tables.len() as u64;
        self.last_left_out = found.left_out.len() as u64;
    }

    pub async fn add(&mut self, road: &Rough, counts: &Counts) -> anyhow::Result<()> {
        let sum = |name: &str| format!("SELECT COALESCE(SUM({name}), 0) FROM {SCHEMA}.merges");
        let world = &road.world;
        self.lines += world.value(&sum("lines_taken")).await?.parse::<u64>()?;
        self.ignored += world.value(&sum("rows_ignored")).await?.parse::<u64>()?;
        self.rounds += 1;
        self.tables += self.last_tables;
        self.left_out += self.last_left_out;
        self.rows += counts.rows;
        self.changes += counts.changes;
        self.statements += counts.ddl;
        self.kills += road.kills;
        self.replays += road.replays;
        self.merges += road.merges;
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} rounds: {} tables ({} left out), {} rows inserted, {} statements on rows, {} on tables; \
             {} rows and {} values compared, {} of them lost and counted, {} tables not audited; {} lines merged in {} merges, \
             {} words ignored (repetitions, or older); {} kills, {} deliveries loaded again",
            self.rounds,
            self.tables,
            self.left_out,
            self.rows,
            self.changes,
            self.statements,
            self.rows_compared,
            self.values,
            self.lost,
            self.not_audited,
            self.lines,
            self.merges,
            self.ignored,
            self.kills,
            self.replays
        )
    }
}
