//! The source's log becomes another one between two lives: reset, restored from a backup, opened anew.
//!
//! The writers stand still and everything is delivered before, so that another log loses nothing and the audit at
//! the end stays whole: the program must halt, say why, and go on at the place that it is told. A log that is only
//! opened anew, its files purged, is the same log, at which it must not halt. Transactions keep their GTIDs, so that
//! no id is given twice.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, ensure};

use super::{Chaos, End, Member, life::WITHIN, weather::Weather, writers::Writers};
use crate::{program::Program, wait::Deadline};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Reset,
    Restored,
    Reopened,
}

impl Turn {
    fn name(self, is_running: bool) -> &'static str {
        match (self, is_running) {
            (Self::Reset, true) => "log reset while it is read",
            (Self::Reset, false) => "log reset",
            (Self::Restored, true) => "MySQL restored while it is read",
            (Self::Restored, false) => "MySQL restored",
            (Self::Reopened, _) => "log opened anew and purged",
        }
    }
}

impl Chaos {
    /// After a life that ended so; how the last one of this ended.
    pub(super) async fn turn_history(
        &mut self,
        writers: &Writers,
        last_end: Option<End>,
    ) -> anyhow::Result<End> {
        let turns = [Turn::Reset, Turn::Restored, Turn::Reopened];
        let turn = self.random.choice(turns).unwrap_or(Turn::Reset);
        let is_running = turn != Turn::Reopened && self.random.bool();
        self.report.happened(turn.name(is_running));
        let quiet = writers.pause().await;
        self.set_weather(Weather::Fair, []);
        let datadir = self.mysql.datadir();
        let backup = self.folder.path().join("backup");
        if turn == Turn::Restored {
            self.mysql.stop().await?;
            copy(&datadir, &backup)?;
            self.mysql.start_again().await?;
        }
        let Member { mut program, proxy } = self.member().await?;
        self.flush_logs().await?;
        self.deliver_all(&mut program).await?;
        let program = match is_running {
            true => Some(program),
            false => {
                let finished = program.drain(WITHIN).await?;
                ensure!(finished.code() == Some(0), "{}", finished.text());
                None
            }
        };
        match turn {
            Turn::Reset => {
                self.next_second().await?;
                let executed = self.mysql.gtid_executed().await?.replace('\n', "");
                let sql =
                    format!("RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged = '{executed}'");
                self.mysql.exec(&sql).await?;
            }
            Turn::Restored => {
                self.next_second().await?;
                self.mysql.stop().await?;
                std::fs::remove_dir_all(&datadir).context("remove the data")?;
                std::fs::rename(&backup, &datadir).context("restore the data")?;
                self.mysql.start_again().await?;
            }
            Turn::Reopened => {
                self.mysql.stop().await?;
                self.mysql.start_again().await?;
                self.flush_logs().await?;
                let (newest, _) = self.mysql.position().await?;
                let sql = format!("PURGE BINARY LOGS TO '{newest}'");
                self.mysql.exec(&sql).await?;
            }
        }
        let (file, offset) = self.mysql.position().await?;
        drop(quiet);
        let sent = self.sent(true, None).await?;
        self.report.sent(last_end, sent);
        if turn != Turn::Reopened {
            self.halts(program, turn.name(is_running)).await?;
            drop(proxy);
            let place = format!("{file}:{offset}");
            let told = self.launch(&["position", "set", &place, "-c", "headwater.toml"])?;
            let told = told.finish(WITHIN).await?;
            ensure!(told.code() == Some(0), "{}", told.text());
        }
        Ok(End::Drained)
    }

    /// The one that runs, or else one that is started.
    async fn halts(&mut self, program: Option<Program>, turn: &str) -> anyhow::Result<()> {
        let (program, _proxy) = match program {
            Some(program) => (program, None),
            None => {
                let Member { program, proxy } = self.member().await?;
                (program, Some(proxy))
            }
        };
        let finished = program.wait_exit(WITHIN).await?;
        let says_why = finished.text().contains("log was reset");
        ensure!(
            finished.code() == Some(1) && says_why,
            "{turn}: it ended with {:?}: {}",
            finished.code(),
            finished.text()
        );
        let sent = self.sent(true, None).await?;
        ensure!(
            sent.lines == 0,
            "{turn}: {} lines were sent of another log",
            sent.lines
        );
        Ok(())
    }

    async fn flush_logs(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.random.u32(0..4) {
            self.mysql.exec("FLUSH BINARY LOGS").await?;
        }
        Ok(())
    }

    /// A log file's creation time has seconds.
    async fn next_second(&self) -> anyhow::Result<()> {
        let clock = async || {
            self.mysql
                .query_value("SELECT UNIX_TIMESTAMP(SYSDATE())")
                .await
        };
        let now = clock().await?;
        let deadline = Deadline::after(Duration::from_secs(10), "the next second");
        while clock().await? == now {
            deadline.pause().await?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    let status = status.context("start cp")?;
    ensure!(status.success(), "cp ended with {status}");
    Ok(())
}
