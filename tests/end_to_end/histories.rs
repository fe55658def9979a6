//! It is the same log, or it halts: a log that begins anew under the same names, and a server restored from a backup,
//! with and without GTIDs, so that offsets fit.

mod gtids;
mod relays;

use std::{path::Path, process::Command};

use anyhow::ensure;
use headwater_harness::{
    mysql::MySql,
    program::{Finished, Launch},
    wait::Deadline,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{BINARY, WITHIN, says};

const WITHOUT_GTIDS: [&str; 2] = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
const MYSQL_RESET: &str = "RESET BINARY LOGS AND GTIDS";
const MARIADB_RESET: &str = "RESET MASTER";

/// A server with one table, whose log begins behind it.
struct Origin {
    server: MySql,
    folder: TempDir,
    reset: &'static str,
}

impl Origin {
    async fn mysql(options: &[&str]) -> anyhow::Result<Self> {
        Self::of(MySql::with(options).await?, MYSQL_RESET).await
    }

    async fn mariadb() -> anyhow::Result<Self> {
        Self::of(MySql::mariadb(&[]).await?, MARIADB_RESET).await
    }

    async fn of(server: MySql, reset: &'static str) -> anyhow::Result<Self> {
        server
            .exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
            .await?;
        let origin = Self {
            server,
            folder: tempfile::tempdir()?,
            reset,
        };
        origin.reset().await?;
        Ok(origin)
    }

    async fn reset(&self) -> anyhow::Result<()> {
        self.later().await?;
        self.server.exec(self.reset).await
    }

    /// A log file's creation time has seconds: until the server's clock shows another one.
    async fn later(&self) -> anyhow::Result<()> {
        let clock = async || {
            self.server
                .query_value("SELECT UNIX_TIMESTAMP(SYSDATE())")
                .await
        };
        let (now, deadline) = (clock().await?, Deadline::after(WITHIN, "the next second"));
        while clock().await? == now {
            deadline.pause().await?;
        }
        Ok(())
    }

    /// A transaction each, of the same size whatever the number is.
    async fn insert(&self, ids: std::ops::Range<u32>) -> anyhow::Result<()> {
        for id in ids {
            let sql = format!("INSERT INTO d.t VALUES ({id})");
            self.server.exec(&sql).await?;
        }
        Ok(())
    }

    fn launch(&self) -> anyhow::Result<Launch> {
        let config = format!(
            "[source]\nurl = \"{}\"\nstart = \"earliest\"\nheartbeat_secs = 1\n[sink]\ntype = \"file\"\n\
             [sink.file]\npath = \"changes.jsonl\"\n[checkpoint]\ninterval_ms = 50\n",
            self.server.headwater_url()
        );
        Launch::run(BINARY, self.folder.path(), &config)
    }

    async fn run_to_now(&self) -> anyhow::Result<Finished> {
        let launch = self.launch()?.arg("--until").arg("now");
        launch.finish(WITHIN).await
    }

    async fn command(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let arguments = [arguments, &["-c", "headwater.toml"]].concat();
        Launch::new(BINARY, self.folder.path(), &arguments)?
            .finish(WITHIN)
            .await
    }

    fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.folder.path().join("changes.jsonl"));
        let text = text.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>()?)
    }

    /// The numbers of the rows that were sent, without copies.
    fn sent(&self) -> anyhow::Result<Vec<u64>> {
        let lines = self.lines()?;
        let mut ids: Vec<_> = lines
            .iter()
            .filter_map(|line| line["data"]["id"].as_u64())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// As the lines stand in the file.
    fn seqs(&self) -> anyhow::Result<Vec<String>> {
        let lines = self.lines()?;
        Ok(lines.iter().map(|line| line["seq"].to_string()).collect())
    }

    async fn has_sent(&self, count: usize) -> anyhow::Result<()> {
        let deadline = Deadline::after(WITHIN, format!("{count} rows"));
        while self.sent()?.len() < count {
            deadline.pause().await?;
        }
        Ok(())
    }

    /// Twice: what was found stays true after a restart; and `check` finds it too.
    async fn halts_at_each_start(&self) -> anyhow::Result<()> {
        let words = ["log was reset", "restored from a backup", "position set"];
        for _ in 0..2 {
            says(&self.run_to_now().await?, 1, &words);
        }
        let checked = self.command(&["check"]).await?;
        says(
            &checked,
            1,
            &[&["FAIL checkpoint position"], &words[..]].concat(),
        );
        Ok(())
    }
}

async fn halts_until_told_where_to_go_on(origin: &Origin) -> anyhow::Result<()> {
    origin.insert(100..110).await?;
    says(&origin.run_to_now().await?, 0, &[]);
    let before = origin.server.position().await?;
    origin.reset().await?;
    origin.insert(110..120).await?;
    assert_eq!(origin.server.position().await?, before, "offsets fit");
    origin.insert(120..130).await?;
    origin.halts_at_each_start().await?;
    assert_eq!(origin.sent()?, Vec::from_iter(100..110));
    let head = format!("{}:4", before.0);
    says(&origin.command(&["position", "set", &head]).await?, 0, &[]);
    says(&origin.run_to_now().await?, 0, &[]);
    assert_eq!(origin.sent()?, Vec::from_iter(100..130));
    let seqs = origin.seqs()?;
    assert!(seqs.is_sorted(), "{seqs:?}");
    // Again, and the other way on.
    origin.reset().await?;
    origin.insert(130..170).await?;
    origin.halts_at_each_start().await?;
    says(&origin.command(&["position", "clear"]).await?, 0, &[]);
    says(&origin.run_to_now().await?, 0, &[]);
    assert_eq!(origin.sent()?, Vec::from_iter(100..170));
    Ok(())
}

#[tokio::test]
async fn a_log_that_was_reset_halts_until_the_position_is_set_or_cleared() -> anyhow::Result<()> {
    halts_until_told_where_to_go_on(&Origin::mysql(&[]).await?).await
}

#[tokio::test]
async fn a_log_without_gtids_that_was_reset_halts_until_the_position_is_set_or_cleared()
-> anyhow::Result<()> {
    halts_until_told_where_to_go_on(&Origin::mysql(&WITHOUT_GTIDS).await?).await
}

#[tokio::test]
async fn a_log_of_mariadb_that_was_reset_halts_until_the_position_is_set_or_cleared()
-> anyhow::Result<()> {
    halts_until_told_where_to_go_on(&Origin::mariadb().await?).await
}

async fn halts_when_reset_while_it_runs(origin: &Origin) -> anyhow::Result<()> {
    let program = origin.launch()?.start()?;
    origin.insert(100..110).await?;
    origin.has_sent(10).await?;
    // Its position is stored.
    says(&program.drain(WITHIN).await?, 0, &[]);
    let program = origin.launch()?.start()?;
    origin.insert(110..120).await?;
    origin.has_sent(20).await?;
    origin.reset().await?;
    origin.insert(120..160).await?;
    says(&program.wait_exit(WITHIN).await?, 1, &["log was reset"]);
    origin.halts_at_each_start().await?;
    assert_eq!(origin.sent()?, Vec::from_iter(100..120));
    Ok(())
}

/// Nothing is written any more, and no connection breaks.
async fn halts_when_reset_and_quiet(origin: Origin) -> anyhow::Result<()> {
    let program = origin.launch()?.start()?;
    origin.insert(100..110).await?;
    origin.has_sent(10).await?;
    origin.reset().await?;
    let finished = program.wait_exit(WITHIN).await?;
    says(&finished, 1, &["before binlog.000001", "log was reset"]);
    origin.halts_at_each_start().await?;
    // Also when the new log is as long as the one before.
    origin.insert(110..150).await?;
    origin.halts_at_each_start().await?;
    assert_eq!(origin.sent()?, Vec::from_iter(100..110));
    Ok(())
}

#[tokio::test]
async fn a_log_that_is_reset_and_stays_quiet_halts_within_seconds() -> anyhow::Result<()> {
    halts_when_reset_and_quiet(Origin::mysql(&[]).await?).await?;
    halts_when_reset_and_quiet(Origin::mysql(&WITHOUT_GTIDS).await?).await
}

#[tokio::test]
async fn a_log_of_mariadb_that_is_reset_and_stays_quiet_halts_within_seconds() -> anyhow::Result<()>
{
    halts_when_reset_and_quiet(Origin::mariadb().await?).await
}

#[tokio::test]
async fn a_log_that_is_reset_while_it_is_read_halts_and_so_does_a_restart() -> anyhow::Result<()> {
    halts_when_reset_while_it_runs(&Origin::mysql(&[]).await?).await?;
    halts_when_reset_while_it_runs(&Origin::mysql(&WITHOUT_GTIDS).await?).await
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "cp ended with {status}");
    Ok(())
}

async fn halts_when_restored_while_it_runs(mut origin: Origin) -> anyhow::Result<()> {
    let datadir = origin.server.datadir();
    let backup = origin.folder.path().join("backup");
    origin.server.stop().await?;
    copy(&datadir, &backup)?;
    origin.server.start_again().await?;
    let program = origin.launch()?.start()?;
    origin.insert(100..110).await?;
    origin.has_sent(10).await?;
    origin.later().await?;
    origin.server.stop().await?;
    std::fs::remove_dir_all(&datadir)?;
    copy(&backup, &datadir)?;
    origin.server.start_again().await?;
    origin.insert(110..150).await?;
    says(&program.wait_exit(WITHIN).await?, 1, &["log was reset"]);
    origin.halts_at_each_start().await?;
    assert_eq!(origin.sent()?, Vec::from_iter(100..110));
    Ok(())
}

#[tokio::test]
async fn a_server_restored_under_the_running_program_halts_it() -> anyhow::Result<()> {
    halts_when_restored_while_it_runs(Origin::mysql(&[]).await?).await?;
    halts_when_restored_while_it_runs(Origin::mysql(&WITHOUT_GTIDS).await?).await
}

#[tokio::test]
async fn a_mariadb_restored_under_the_running_program_halts_it() -> anyhow::Result<()> {
    halts_when_restored_while_it_runs(Origin::mariadb().await?).await
}
