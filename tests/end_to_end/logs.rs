//! Where the log goes is no condition for anything, and nothing that comes from outside acts on who reads it.

use std::{
    collections::BTreeSet,
    io::{PipeReader, Write, pipe},
    os::fd::OwnedFd,
};

use headwater_harness::{
    program::{Launch, Program, Stream},
    wait::Deadline,
};
use serde_json::Value;

use crate::{
    parking::Shop,
    traffic::transactions,
    world::{BINARY, WITHIN, World, delivered, metric_reaches, status_is},
};

/// Delivers, answers and drains, also when a part of it panics.
async fn works(world: &World, stderr: impl Into<OwnedFd>, loses_lines: bool) -> anyhow::Result<()> {
    transactions(&world.mysql, 50).await?;
    let launch = world
        .launch()?
        .env("HEADWATER_FAULTS", "writer.pack:shop.orders=panic@2x1")
        .stderr_into(stderr);
    let program = launch.start()?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.page("/livez").await?.status, 200);
    metric_reaches(&program, "headwater_actor_restarts_total", 1.0).await?;
    if loses_lines {
        metric_reaches(&program, "headwater_log_lines_lost_total", 1.0).await?;
    }
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0));
    let verdict = world.verdict().await?;
    verdict.ensure_clean()
}

fn full_disk() -> anyhow::Result<std::fs::File> {
    Ok(std::fs::OpenOptions::new().write(true).open("/dev/full")?)
}

/// A pipe in which there is never room for long; read by nobody.
fn full_pipe() -> anyhow::Result<(PipeReader, impl Into<OwnedFd>)> {
    let (reader, writer) = pipe()?;
    let mut filler = writer.try_clone()?;
    std::thread::Builder::new().spawn(move || {
        // Ends with the reader.
        while filler.write_all(&[b'x'; 4096]).is_ok() {}
    })?;
    Ok((reader, writer))
}

#[tokio::test]
async fn on_a_full_disk_log_lines_are_lost_and_nothing_else() -> anyhow::Result<()> {
    works(&World::new(1).await?, full_disk()?, true).await
}

#[tokio::test]
async fn without_a_reader_log_lines_are_lost_and_nothing_else() -> anyhow::Result<()> {
    let (reader, writer) = pipe()?;
    drop(reader);
    works(&World::new(1).await?, writer, true).await
}

#[tokio::test]
async fn a_reader_of_the_log_that_does_not_read_stops_nothing() -> anyhow::Result<()> {
    let (_reader, writer) = full_pipe()?;
    works(&World::new(1).await?, writer, false).await
}

#[tokio::test]
async fn a_halt_ends_with_its_exit_code_where_nobody_can_read_why() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "[source]\nurl = \"mysql://me@127.0.0.1:1\"\n[sink]\ntype = \"null\"\n\
                  [checkpoint.file]\npath = \"no/such/folder/checkpoint\"\n";
    let launch = Launch::run(BINARY, folder.path(), config)?;
    let told = launch.finish(WITHIN).await?;
    assert_eq!(told.code(), Some(1), "{}", told.text());
    assert!(!told.stderr.is_empty(), "the last lines come out");
    let (_reader, writer) = full_pipe()?;
    let finished = launch.clone().stderr_into(writer).finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1));
    let finished = launch.stderr_into(full_disk()?).finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(1));
    let usage = Launch::new(BINARY, folder.path(), &["run", "--no-such-option"])?;
    let finished = usage.stderr_into(full_disk()?).finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(2));
    Ok(())
}

#[tokio::test]
async fn a_reader_of_the_output_that_ends_early_changes_no_exit_code() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.catch_up().await?;
    for arguments in [
        &["position", "show"][..],
        &["position", "show", "--json"],
        &["check"],
        &["config"],
        &["config", "--default"],
        &["--help"],
    ] {
        let arguments = [arguments, &["-c", "headwater.toml"]].concat();
        let launch = Launch::new(BINARY, world.folder(), &arguments)?;
        let (reader, writer) = pipe()?;
        drop(reader);
        let finished = launch.clone().stdout_into(writer).finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{arguments:?}: {finished:?}");
        let finished = launch.stdout_into(full_disk()?).finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(1), "{arguments:?}: {finished:?}");
    }
    Ok(())
}

const NAME: &str = "o\u{1b}[31mr\u{202e}d\nx";
const SHOWN: &str = r"o\u{1b}[31mr\u{202e}d\nx";

fn ensure_harmless(place: &str, text: &str) {
    let acts = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
    assert!(!text.contains(acts), "{place}: {text:?}");
    let is_split = text.lines().any(|line| line.starts_with('x'));
    assert!(!is_split, "{place}: {text}");
}

async fn page(program: &Program, path: &str) -> anyhow::Result<String> {
    let text = program.page(path).await?.text();
    ensure_harmless(path, &text);
    Ok(text)
}

#[tokio::test]
async fn a_table_cannot_act_on_a_terminal_or_forge_a_line_by_its_name() -> anyhow::Result<()> {
    let shop = Shop::new().await?;
    let mysql = &shop.world.mysql;
    mysql
        .exec(&format!(
            "CREATE TABLE shop.`{NAME}` (id INT, body LONGTEXT); \
             INSERT INTO shop.`{NAME}` VALUES (1, 'small'), (2, REPEAT('x', 100000))"
        ))
        .await?;
    let mut program = shop.launch()?.start()?;
    status_is(&program, "a parked table", |status| {
        status["parked"][0]["table"] == format!("shop.{NAME}")
    })
    .await?;
    program.wait_for_line("table parked", WITHIN).await?;
    let log = program.lines(Stream::Stderr).join("\n");
    ensure_harmless("log", &log);
    assert!(log.contains(SHOWN), "{log}");
    assert!(page(&program, "/metrics").await?.contains(r"r\\u{202e}d"));
    assert!(page(&program, "/status").await?.contains(r"r\u202ed\nx"));
    page(&program, "/readyz").await?;
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0));

    let shown = shop.world.command(&["position", "show"]).await?.text();
    ensure_harmless("position show", &shown);
    assert!(shown.contains(&format!("shop.{SHOWN} at ")), "{shown}");
    let json = shop.world.command(&["position", "show", "--json"]).await?;
    ensure_harmless("position show --json", &json.text());
    let json: Value = serde_json::from_str(&json.stdout.join("\n"))?;
    assert_eq!(json["parked"][0]["table"], format!("shop.{NAME}"));

    let check = Launch::new(
        BINARY,
        shop.world.folder(),
        &["check", "-c", "headwater.toml"],
    )?
    .setting("ordering.key", "primary_key")
    .setting("checkpoint.file.path", "other.checkpoint");
    let checked = check.finish(WITHIN).await?.text();
    ensure_harmless("check", &checked);
    assert!(checked.contains(SHOWN), "{checked}");

    shop.raise_the_limit();
    let table = format!("shop.{SHOWN}");
    let arguments = ["resume-table", "-c", "headwater.toml", &table];
    let resumed = Launch::new(BINARY, shop.world.folder(), &arguments)?;
    let resumed = resumed.finish(WITHIN).await?;
    assert_eq!(resumed.code(), Some(0), "{}", resumed.text());
    ensure_harmless("resume-table", &resumed.text());
    let lines = shop.lines_of(NAME)?;
    let rows = lines.iter().filter(|line| line["type"] == "insert");
    let rows: BTreeSet<String> = rows.map(|line| line["id"].to_string()).collect();
    assert_eq!(rows.len(), 2, "its rows have its name as it is");
    Ok(())
}

#[tokio::test]
async fn a_signal_drains_also_while_lines_wait_for_a_reader() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let (_reader, writer) = full_pipe()?;
    let mut program = world
        .launch()?
        .env("RUST_LOG", "trace")
        .stderr_into(writer)
        .start()?;
    program.wait_ready(WITHIN).await?;
    let deadline = Deadline::after(WITHIN, "more lines than may wait");
    let lost = "headwater_log_lines_lost_total";
    while program
        .metric(lost, &[])
        .await?
        .is_none_or(|lost| lost < 1.0)
    {
        transactions(&world.mysql, 20).await?;
        deadline.pause().await?;
    }
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0));
    world.verdict().await?.ensure_clean()
}
