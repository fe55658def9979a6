//! Firehose to S3, a file, standard output.

use bytes::Bytes;
use headwater_harness::{
    check::Judge,
    facts::Facts,
    moto::Moto,
    program::{Launch, Stream},
};

use crate::{
    traffic::{Traffic, transactions},
    world::{BINARY, WITHIN, World, delivered, says},
};

async fn judge(world: &World, lines: impl Iterator<Item = impl AsRef<[u8]>>) -> anyhow::Result<()> {
    let mut judge = Judge::new();
    for line in lines {
        judge.read_line(line.as_ref())?;
    }
    let verdict = judge.against(&Facts::of(&world.mysql).await?);
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    assert!(verdict.changes() > 0);
    verdict.ensure_clean()
}

#[tokio::test]
async fn firehose_puts_lines_into_s3_complete_and_in_order() -> anyhow::Result<()> {
    let (world, moto) = tokio::try_join!(World::new(1), Moto::start())?;
    moto.create_bucket("lake").await?;
    moto.create_delivery_stream("orders", "lake").await?;
    let program = world
        .launch()?
        .setting("sink.type", "firehose")
        .setting("sink.firehose.delivery_stream", "orders")
        .setting("sink.firehose.endpoint_url", &moto.endpoint())
        .start()?;
    let traffic = Traffic::start(&world.mysql);
    traffic.grows(100).await?;
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let objects = moto.read_objects("lake").await?;
    let check = Launch::new(BINARY, world.folder(), &["check", "-c", "headwater.toml"])?
        .setting("sink.type", "firehose")
        .setting("sink.firehose.delivery_stream", "orders")
        .setting("sink.firehose.endpoint_url", &moto.endpoint());
    let unproven =
        "ok   sink: firehose:PutRecordBatch on delivery stream \"orders\" cannot be proven";
    says(
        &check.finish(WITHIN).await?,
        0,
        &["orders is ACTIVE", unproven],
    );
    // AWS refuses a call without records; this server makes an empty object of it.
    let after = moto.read_objects("lake").await?;
    let bytes =
        |objects: &[(String, Bytes)]| -> usize { objects.iter().map(|(_, body)| body.len()).sum() };
    assert_eq!(bytes(&after), bytes(&objects), "a permission was tried");
    let all: Vec<u8> = objects.iter().flat_map(|(_, body)| body.to_vec()).collect();
    assert_eq!(all.last(), Some(&b'\n'));
    judge(
        &world,
        all.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty()),
    )
    .await
}

#[tokio::test]
async fn a_file_holds_every_line_in_order_over_restarts_and_rotations() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    for _ in 0..2 {
        transactions(&world.mysql, 300).await?;
        let run = world
            .launch()?
            .setting("sink.type", "file")
            .setting("sink.file.path", "changes.jsonl")
            .setting("sink.file.rotate_bytes", "65536")
            .arg("--until")
            .arg("now")
            .finish(WITHIN)
            .await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
    }
    let mut files: Vec<_> = std::fs::read_dir(world.folder())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.display().to_string().contains("changes.jsonl"));
    // Rotated ones are numbered, the one being written comes last.
    files.sort_by_key(|path| (path.ends_with("changes.jsonl"), path.clone()));
    assert!(files.len() > 2, "{files:?}");
    let mut all = String::new();
    for file in files {
        all.push_str(&std::fs::read_to_string(file)?);
    }
    judge(&world, all.lines()).await
}

#[tokio::test]
async fn standard_output_has_the_lines_and_nothing_else() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 50).await?;
    let program = world.launch()?.setting("sink.type", "stdout").start()?;
    delivered(&program, &world.mysql).await?;
    let before_the_end = program.lines(Stream::Stdout).len();
    let finished = program.drain(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert!(before_the_end > 0);
    judge(&world, finished.stdout.iter()).await
}
