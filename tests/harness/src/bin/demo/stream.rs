//! The demo's consumer: reads the stream, shows some lines, keeps all records for the judge.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use headwater_harness::{
    check::Judge,
    consumer::{Consumer, Record},
    wait::Deadline,
};
use serde_json::Value;

use crate::show;

/// Lines of each type that are shown.
const SHOWN_PER_TYPE: u32 = 2;

pub struct Reader {
    consumer: Consumer,
    records: Vec<Record>,
    shown: BTreeMap<String, u32>,
    /// Records before the newest restart.
    restarted_at: usize,
    ages_ms: Vec<f64>,
}

impl Reader {
    pub fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            records: Vec::new(),
            shown: BTreeMap::new(),
            restarted_at: 0,
            ages_ms: Vec::new(),
        }
    }

    /// Reads for so long; `is_shown`: prints some lines, and counts ages.
    pub async fn follow(&mut self, time: Duration, is_shown: bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            let before = self.records.len();
            self.consumer.poll().await?;
            self.records.append(&mut self.consumer.take());
            if is_shown {
                self.look_at(before)?;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Reads what is there.
    pub async fn catch_up(&mut self) -> anyhow::Result<()> {
        let keep = |record| {
            self.records.push(record);
            Ok(())
        };
        self.consumer.read_to_end(keep).await
    }

    /// Reads until `count` different row changes have come.
    pub async fn read_rows(&mut self, count: u64, within: Duration) -> anyhow::Result<()> {
        let deadline = Deadline::after(within, format!("{count} rows in the stream"));
        while self.judge()?.verdict().changes() < count && !deadline.is_over() {
            self.catch_up().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn look_at(&mut self, from: usize) -> anyhow::Result<()> {
        for record in self.records.iter().skip(from) {
            let seen_us = record
                .seen
                .duration_since(UNIX_EPOCH)
                .context("a clock before 1970")?
                .as_micros() as f64;
            for line in record.lines() {
                let event: Value = serde_json::from_slice(line).context("read a line")?;
                if let Some(commit_us) = event.get("ts_us").and_then(Value::as_f64) {
                    self.ages_ms.push((seen_us - commit_us) / 1000.0);
                }
                let text = |name| event.get(name).and_then(Value::as_str).unwrap_or("?");
                if text("table") == "order_lines" {
                    continue;
                }
                let kind = text("type");
                let shown = self.shown.entry(kind.to_owned()).or_default();
                if *shown < SHOWN_PER_TYPE {
                    *shown += 1;
                    show::say(&show::line(line));
                }
            }
        }
        Ok(())
    }

    /// From commit to here, sorted, of lines that were shown or could have been.
    pub fn ages_ms(&self) -> anyhow::Result<Vec<f64>> {
        let mut ages = self.ages_ms.clone();
        ages.sort_by(f64::total_cmp);
        Ok(ages)
    }

    pub fn judge(&self) -> anyhow::Result<Judge> {
        let mut judge = Judge::new();
        for record in &self.records {
            judge.read_record(record)?;
        }
        Ok(judge)
    }

    pub fn mark_restart(&mut self) {
        self.restarted_at = self.records.len();
    }

    /// The transactions on both sides of the newest restart: the last one before, the first one after.
    pub fn seam(&self) -> anyhow::Result<(String, String)> {
        let (before, after) = self
            .records
            .split_at_checked(self.restarted_at)
            .context("records were lost")?;
        let (last, first) = (
            seqs(before)?.into_iter().max(),
            seqs(after)?.into_iter().min(),
        );
        match (last, first) {
            (Some((_, last)), Some((_, first))) => Ok((last, first)),
            _ => bail!("no lines on one side of the restart"),
        }
    }
}

/// `seq` and position of every line.
fn seqs(records: &[Record]) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for line in records.iter().flat_map(Record::lines) {
        let event: Value = serde_json::from_slice(line).context("read a line")?;
        let field = |name: &str| {
            let value = event.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        found.push((field("seq"), field("position")));
    }
    Ok(found)
}
