//! What a sink, a checkpoint or a port that cannot be used is answered with: exit code, message, cure.

use std::{collections::HashSet, net::TcpListener};

use headwater_harness::facts::Facts;
use serde_json::Value;

use crate::{
    traffic::{Traffic, transactions},
    world::{WITHIN, World, records_grow, says},
};

#[tokio::test]
async fn an_unknown_stream_halts() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let run = world
        .launch()?
        .setting("sink.kinesis.stream", "chances")
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &["ResourceNotFoundException", "create the stream \"chances\""],
    );
    Ok(())
}

#[tokio::test]
async fn why_a_run_halted_is_told_by_position_show_and_by_the_next_run() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let halts = || -> anyhow::Result<_> {
        let launch = world.launch()?;
        Ok(launch.setting("sink.kinesis.stream", "chances"))
    };
    says(
        &halts()?.finish(WITHIN).await?,
        1,
        &["ResourceNotFoundException"],
    );
    let shown = world.command(&["position", "show"]).await?;
    let words = [
        "last end",
        "halted",
        "ResourceNotFoundException",
        "create the stream \"chances\"",
    ];
    says(&shown, 0, &words);
    let shown = world.command(&["position", "show", "--json"]).await?;
    let shown: Value = serde_json::from_str(&shown.stdout.join(""))?;
    assert_eq!(shown["last_end"]["how"], "halted");
    let next = halts()?.finish(WITHIN).await?;
    says(&next, 1, &["the last run halted", "create the stream"]);
    let caught_up = world.catch_up().await?;
    says(&caught_up, 0, &["the last run halted"]);
    let shown = world.command(&["position", "show"]).await?;
    says(&shown, 0, &["last end", "drained"]);
    says(&world.catch_up().await?, 0, &["the last run drained"]);
    Ok(())
}

#[tokio::test]
async fn missing_credentials_halt() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let run = world
        .launch()?
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .finish(WITHIN)
        .await?;
    says(&run, 1, &["no usable credentials", "hint"]);
    Ok(())
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_each_told_in_their_own_sentence() -> anyhow::Result<()>
{
    let world = World::new(1).await?;
    let folder = world.folder();
    let (files, token) = (folder.join("aws"), folder.join("token"));
    std::fs::write(
        &files,
        "[profile process]\ncredential_process = /bin/keys\n\
         [profile sso]\nsso_start_url = https://a\nsso_region = us-east-1\n\
         sso_account_id = 1\nsso_role_name = r\n",
    )?;
    std::fs::write(&token, "eyJhbGciOiJSUzI1NiJ9\n")?;
    let (files, token) = (files.display().to_string(), token.display().to_string());
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/cdc");
    let file = ("AWS_CONFIG_FILE", files.as_str());
    let cases: [(&[(&str, &str)], _); 6] = [
        (
            &[("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")],
            [
                "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not",
                "set both",
            ],
        ),
        (
            &[file, ("AWS_PROFILE", "gone")],
            [
                "AWS_PROFILE names the profile \"gone\"",
                "correct AWS_PROFILE",
            ],
        ),
        (
            &[file, ("AWS_PROFILE", "process")],
            [
                "by credential_process",
                "export-credentials --profile process",
            ],
        ),
        (
            &[file, ("AWS_PROFILE", "sso")],
            ["by SSO", "export-credentials --profile sso"],
        ),
        (
            &[role, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")],
            [
                "\"/nowhere/token\", which cannot be read",
                "mount the service account's token",
            ],
        ),
        (
            &[
                role,
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
                ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
            ],
            ["white space or a line end", "printf '%s'"],
        ),
    ];
    for (variables, wanted) in cases {
        let launch = world
            .launch()?
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY");
        let launch = variables
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value));
        let run = launch.finish(WITHIN).await?;
        says(&run, 1, &[&["no usable credentials"], &wanted[..]].concat());
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_deleted_while_running_halts_and_the_next_one_gets_the_rest_without_a_gap()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let program = world.launch()?.start()?;
    let traffic = Traffic::start(&world.mysql);
    records_grow(&world, 5).await?;
    world.kinesis.delete_stream("changes").await?;
    let finished = program.wait_exit(WITHIN).await?;
    says(
        &finished,
        1,
        &["ResourceNotFoundException", "create the stream \"changes\""],
    );
    traffic.stop().await?;
    world.kinesis.create_stream("changes", 1).await?;
    world.catch_up().await?;
    let mut come = HashSet::new();
    for record in world.records().await? {
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            come.extend(line["id"].as_str().map(str::to_owned));
        }
    }
    // What the old stream took is gone with it; behind the first change that came, all came.
    let facts = Facts::of(&world.mysql).await?;
    for table in facts.tables().into_keys() {
        let mut changes = facts
            .changes
            .iter()
            .filter(|change| *change.table == *table);
        let first = changes.find(|change| come.contains(&change.id));
        assert!(first.is_some(), "nothing came of {table}");
        let lost = changes.find(|change| !come.contains(&change.id));
        assert!(lost.is_none(), "{lost:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_halts_before_anything_is_read() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    let run = world
        .launch()?
        .setting("telemetry.listen", &address)
        .finish(WITHIN)
        .await?;
    says(&run, 1, &[&address, "telemetry.listen"]);
    assert!(!world.folder().join("headwater.checkpoint").exists());
    Ok(())
}

#[tokio::test]
async fn commands_are_refused_while_another_process_has_the_checkpoint() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = world.launch()?.start()?;
    program.wait_ready(WITHIN).await?;
    for command in [
        &["position", "clear"][..],
        &["position", "set", "binlog.000001:4"],
    ] {
        says(
            &world.command(command).await?,
            1,
            &["is locked by another process", &program.id().to_string()],
        );
    }
    // Reading is free, and so is asking whether all is well.
    says(
        &world.command(&["check"]).await?,
        0,
        &["ok   checkpoint store: ", "0 failed"],
    );
    says(
        &world.command(&["position", "show"]).await?,
        0,
        &["binlog.000001:"],
    );
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_damaged_newer_or_foreign_checkpoint_halts_and_stays() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 3).await?;
    world.catch_up().await?;
    let path = world.folder().join("headwater.checkpoint");
    let good = std::fs::read(&path)?;
    let text = String::from_utf8(good.clone())?;

    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let newer = text.replacen("\"version\": 1", "\"version\": 9", 1);
    assert_ne!(newer, text, "{text}");
    for (bytes, words) in [
        (damaged, "is damaged"),
        (good[..middle].to_vec(), "is damaged"),
        (
            newer.into_bytes(),
            "has version 9, this program knows up to 1",
        ),
    ] {
        std::fs::write(&path, &bytes)?;
        let run = world.launch()?.finish(WITHIN).await?;
        says(&run, 1, &[words, "headwater.checkpoint", "hint"]);
        assert_eq!(std::fs::read(&path)?, bytes);
    }
    std::fs::write(&path, &good)?;
    let run = world
        .launch()?
        .setting("name", "other")
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &["belongs to pipeline \"headwater\", not to \"other\""],
    );
    world.catch_up().await?;
    Ok(())
}

#[tokio::test]
async fn wrong_settings_end_with_2_and_name_the_key() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    for (key, value, words) in [
        (
            "source.tabels",
            "shop.*",
            "did you mean `HEADWATER__SOURCE__TABLES`?",
        ),
        ("ordering.lanes", "many", "ordering.lanes"),
        ("sink.type", "kinesys", "kinesis"),
        ("checkpoint.interval_ms", "1", "checkpoint.interval_ms"),
    ] {
        let run = world.launch()?.setting(key, value).finish(WITHIN).await?;
        says(&run, 2, &[words]);
    }
    Ok(())
}
