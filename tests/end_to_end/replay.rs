//! Binlog files instead of a server.

use crate::{
    traffic::transactions,
    world::{WITHIN, World, delivered, says},
};

#[tokio::test]
async fn a_corrupt_byte_in_a_replayed_file_halts_with_its_offset() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 12).await?;
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    let file = world.mysql.binlog_files()?.remove(0);
    let mut bytes = std::fs::read(&file)?;
    let hit = bytes
        .windows(7)
        .rposition(|window| window == b"order 6")
        .expect("the log holds the row");
    bytes[hit] ^= 1;
    let damaged = world.folder().join("binlog.000001");
    std::fs::write(&damaged, bytes)?;
    world.launch()?;
    let run = world.command(&["replay", "binlog.000001"]).await?;
    says(
        &run,
        1,
        &[
            "binlog.000001: binlog file at offset",
            "checksum",
            "copy the file",
        ],
    );
    let text = run.text();
    let (_, rest) = text.split_once("at offset ").expect("an offset");
    let (offset, _) = rest.split_once(':').expect("the reason");
    let offset: usize = offset.parse()?;
    assert!(
        hit - 200 < offset && offset <= hit,
        "{offset}, not near {hit}"
    );
    Ok(())
}

/// Streams, then replays the file: line for line the same.
async fn replays_what_it_streamed(options: &[&str]) -> anyhow::Result<()> {
    let world = World::with(1, options).await?;
    transactions(&world.mysql, 60).await?;
    let program = world.launch()?.start()?;
    delivered(&program, &world.mysql).await?;
    program.drain(WITHIN).await?;
    let before = world.records().await?.len();
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    let files = world.mysql.binlog_files()?;
    let file = files[0].display().to_string();
    let run = world.command(&["replay", &file]).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    assert!(!run.text().contains("position stored"), "{}", run.text());
    let records = world.records().await?;
    let mut lines: [Vec<&[u8]>; 2] = Default::default();
    for (n, record) in records.iter().enumerate() {
        lines[usize::from(before <= n)].extend(record.lines());
    }
    let [mut streamed, mut replayed] = lines;
    streamed.sort_unstable();
    replayed.sort_unstable();
    assert!(!streamed.is_empty());
    let text = |lines: &[&[u8]]| {
        lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(text(&streamed), text(&replayed));
    Ok(())
}

#[tokio::test]
async fn replayed_files_give_the_same_lines_as_the_server() -> anyhow::Result<()> {
    replays_what_it_streamed(&[]).await
}

#[tokio::test]
async fn replayed_files_without_checksums_give_the_same_lines() -> anyhow::Result<()> {
    let options = [
        "--binlog-checksum=NONE",
        "--binlog-transaction-compression=ON",
    ];
    replays_what_it_streamed(&options).await
}
