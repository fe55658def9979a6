//! The end of a run: everything is delivered in fair weather, then judged.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Chaos, End, Member, STREAM, pair::Pair, weather::Weather, writers};
use crate::{
    check::{Judge, Verdict},
    facts::Facts,
    place::{head, is_durable},
    program::Program,
    wait::Deadline,
};

/// Of a long run most may be left for its end: under the weather a stream is slower than its source.
const DELIVERED_WITHIN: Duration = Duration::from_secs(1_800);
/// Beyond it the judge's memory would be what is tested.
const JUDGED_CHANGES_MAX: u64 = 3_000_000;
const JUDGED_GIANT_MIB_MAX: u32 = 64;

impl Chaos {
    /// Fair weather: all is delivered, then judged.
    pub(super) async fn finish(
        &mut self,
        last_end: Option<End>,
        pair: Option<Pair>,
    ) -> anyhow::Result<()> {
        let member = match pair {
            Some(pair) => self.last_of(pair).await?,
            None => {
                self.set_weather(Weather::Fair, []);
                self.member().await?
            }
        };
        let Member { mut program, proxy } = member;
        self.copy_all(&mut program).await?;
        self.deliver_all(&mut program).await?;
        self.report.saw_memory(&program);
        let finished = program.drain(Duration::from_secs(60)).await?;
        ensure!(
            finished.code() == Some(0),
            "the last drain ended with {:?}: {}",
            finished.code(),
            finished.text()
        );
        drop(proxy);
        let sent = self.sent(true, None).await?;
        self.report.sent(last_end, sent);
        self.compare_copied().await?;
        self.compare_warehouse().await?;
        let verified = self.verify(&[]).await?;
        let changes = verified.get("changes").and_then(Value::as_u64);
        let is_judged = changes.is_some_and(|changes| changes <= JUDGED_CHANGES_MAX);
        if is_judged {
            let sorted = self.verify(&["--unordered", "--sort-mib", "8"]).await?;
            self.report.sorted(&verified, &sorted);
        }
        self.report.verified(verified);
        // Of a log that was reset the judge has only the end.
        if is_judged && !self.options.histories && self.options.giant_mib <= JUDGED_GIANT_MIB_MAX {
            let verdict = self.judge().await?;
            self.report.judged(verdict);
        }
        Ok(())
    }

    /// Up to the end of the log as it is now.
    pub(super) async fn deliver_all(&self, program: &mut Program) -> anyhow::Result<()> {
        let goal = head(&self.mysql).await?;
        let deadline = Deadline::after(DELIVERED_WITHIN, "all to be delivered");
        let mut last = Value::Null;
        // The checkpoint's own writes may go on behind it.
        while !is_durable(&last, goal) {
            self.ensure_alive(program).await?;
            deadline
                .pause()
                .await
                .with_context(|| format!("the last status was {last}"))?;
            last = program.status().await.unwrap_or(last);
        }
        Ok(())
    }

    /// What was found can be looked at, until Ctrl-C.
    pub(super) async fn keep(&self) -> anyhow::Result<()> {
        eprintln!(
            "{}\nchaos: left running until Ctrl-C: MySQL {}, Kinesis {}, headwater.toml in {}",
            self.report,
            self.mysql.url("root", ""),
            self.kinesis.endpoint(),
            self.folder.path().display()
        );
        tokio::signal::ctrl_c().await.context("wait for Ctrl-C")
    }

    async fn verify(&self, more: &[&str]) -> anyhow::Result<Value> {
        let arguments = &[
            "verify",
            "-c",
            "headwater.toml",
            "--json",
            "--counter",
            "n",
            "--against-source",
            "--reads-per-sec",
            "1000",
        ];
        let finished = self
            .launch(&[arguments, more].concat())?
            .setting("sink.kinesis.endpoint_url", &self.kinesis.endpoint())
            .finish(Duration::from_secs(3_600))
            .await?;
        let report = serde_json::from_str(&finished.stdout.concat());
        report.with_context(|| format!("read the verdict from: {}", finished.text()))
    }

    async fn judge(&self) -> anyhow::Result<Verdict> {
        let mut consumer = self.kinesis.consumer(STREAM).await?;
        let mut judge = Judge::new();
        consumer
            .read_to_end(|record| judge.read_record(&record))
            .await?;
        let copied = self.copied_names();
        let mut names = writers::NAMES.to_vec();
        names.extend(copied.iter().map(String::as_str));
        let mut facts = Facts::of(&self.mysql).await?.of_tables(&names);
        if let Some((file, offset)) = &self.start {
            facts = facts.since(file, *offset);
        }
        Ok(judge.against(&facts))
    }
}
