//! One transaction larger than memory at the front of the log, in which the first lives begin and end.
//!
//! A life that goes on inside it reads it again from its beginning, and is given the time to get further: else
//! none would reach its end. Whether a life ended inside is told by the position that it left.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::{Chaos, End};
use crate::place::{Place, head, place};

/// Of the column that makes a row large.
const BODY_BYTES: u32 = 2_048;

/// Where it begins, until a position behind it is stored.
pub(super) struct Giant(Place);

impl Chaos {
    /// Before anything else is written.
    pub(super) async fn commit_giant(&mut self) -> anyhow::Result<()> {
        let rows = u64::from(self.options.giant_mib) * 1024 * 1024 / u64::from(BODY_BYTES);
        if rows == 0 {
            return Ok(());
        }
        let table =
            "CREATE TABLE chaos.giant (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, body TEXT)";
        self.mysql.exec(table).await?;
        self.giant = Some(Giant(head(&self.mysql).await?));
        let insert = format!(
            "SET SESSION cte_max_recursion_depth = {rows}; \
             INSERT INTO chaos.giant WITH RECURSIVE k (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM k WHERE id < {rows}) \
             SELECT id, 1, HEX(RANDOM_BYTES({BODY_BYTES} DIV 2)) FROM k"
        );
        self.mysql.exec(&insert).await
    }

    /// To be asked when the life is over and the next one has not begun.
    pub(super) async fn left_giant(&mut self, end: End) -> anyhow::Result<()> {
        let Some(Giant(begins)) = self.giant else {
            return Ok(());
        };
        let shown = self
            .launch(&["position", "show", "--json", "-c", "headwater.toml"])?
            .finish(Duration::from_secs(60))
            .await?;
        let shown: Value = serde_json::from_str(&shown.stdout.concat())
            .with_context(|| format!("read the position from: {}", shown.text()))?;
        // None is stored before a first life gets so far.
        let stored = shown["position"].as_str().map(place).transpose()?;
        match stored {
            Some(stored) if stored > begins => self.giant = None,
            Some(stored) if stored == begins && shown["rows_done"].as_u64() > Some(0) => {
                self.report.ended_in_giant(end)
            }
            _ => {}
        }
        Ok(())
    }
}
