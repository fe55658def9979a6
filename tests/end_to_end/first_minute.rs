//! Killed before anything was delivered, or stored: "now" does not move.

use headwater_harness::{
    check::Judge, facts::Facts, mysql::MySql, program::Launch, wait::Deadline,
};
use serde_json::Value;

use crate::{
    traffic::Traffic,
    world::{BINARY, WITHIN, World, says},
};

/// When the first process is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// After so many moments of 10 ms.
    After(u32),
    /// As soon as the checkpoint file is there.
    Stored,
    /// As soon as it says where it begins.
    Begun,
}

/// `FILE:OFFSET` that the generation began at.
fn begin_in(lines: &[String]) -> Option<String> {
    let line = lines
        .iter()
        .find(|line| line.contains("generation starts"))?;
    let (_, rest) = line.split_once("position=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

async fn survives(mysql: &MySql, kill: Kill) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[source]\nurl = \"{}\"\nstart = \"now\"\n[sink]\ntype = \"file\"\n\
         [sink.file]\npath = \"changes.jsonl\"\n",
        mysql.headwater_url()
    );
    let launch = Launch::run(BINARY, folder.path(), &config)?;
    let checkpoint = folder.path().join("headwater.checkpoint");
    let changes = folder.path().join("changes.jsonl");
    let traffic = Traffic::start(mysql);
    traffic.grows(3).await?;
    let mut first = launch.start()?;
    let deadline = Deadline::after(WITHIN, format!("{kill:?}"));
    match kill {
        Kill::After(moments) => {
            for _ in 0..moments {
                deadline.pause().await?;
            }
        }
        Kill::Stored => {
            while !checkpoint.exists() {
                deadline.pause().await?;
            }
        }
        Kill::Begun => drop(first.wait_for_line("generation starts", WITHIN).await?),
    }
    first.kill9()?;
    let first = first.wait_exit(WITHIN).await?;
    traffic.grows(5).await?;
    let shown = Launch::new(
        BINARY,
        folder.path(),
        &["position", "show", "--json", "-c", "headwater.toml"],
    )?;
    let shown = shown.finish(WITHIN).await?;
    let shown: Value = serde_json::from_str(&shown.stdout.concat())?;
    let stored = shown["position"].as_str().map(str::to_owned);
    let begun = begin_in(&first.stderr);
    if stored.is_none() {
        assert!(begun.is_none(), "{kill:?}: it read before it stored");
        let delivered = std::fs::metadata(&changes).map_or(0, |file| file.len());
        assert_eq!(delivered, 0, "{kill:?}");
    }
    traffic.grows(5).await?;
    traffic.stop().await?;
    let second = launch
        .clone()
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    says(&second, 0, &[]);

    let from = begun.or(stored).or_else(|| begin_in(&second.stderr));
    let from = from.unwrap_or_default();
    let (file, offset) = from.split_once(':').unwrap_or_default();
    let facts = Facts::of(mysql).await?.since(file, offset.parse()?);
    let mut judge = Judge::new();
    for line in std::fs::read_to_string(&changes)
        .unwrap_or_default()
        .lines()
    {
        judge.read_line(line.as_bytes())?;
    }
    let verdict = judge.against(&facts);
    anyhow::ensure!(verdict.is_clean(), "{kill:?}: {verdict}");
    Ok(())
}

#[tokio::test]
async fn killed_before_the_first_checkpoint_nothing_is_missed_between_two_starts()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let moments = [0, 1, 3, 6, 10, 15, 22, 30].map(Kill::After);
    for kill in moments
        .into_iter()
        .chain([Kill::Stored, Kill::Begun, Kill::Stored])
    {
        survives(&world.mysql, kill).await?;
    }
    Ok(())
}
