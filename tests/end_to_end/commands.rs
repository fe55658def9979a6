//! `position`, `check`, `config`, and the places where a stream can begin.

use headwater_harness::{facts::Facts, faults::FaultProxy};
use serde_json::{Value, json};

use crate::{
    remains::shown,
    traffic::transactions,
    world::{WITHIN, World, says},
};

/// Runs to the end of the log from `start`; answers how many changes came.
async fn changes_from(world: &World, start: &str) -> anyhow::Result<u64> {
    let before = world.records().await?.len();
    let finished = world
        .launch()?
        .setting("source.start", start)
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let records = world.records().await?;
    let mut count = 0;
    for line in records
        .iter()
        .skip(before)
        .flat_map(|record| record.lines())
    {
        let line: Value = serde_json::from_slice(line)?;
        count += u64::from(line["type"] != "ddl");
    }
    world.command(&["position", "clear"]).await?;
    Ok(count)
}

#[tokio::test]
async fn a_stream_begins_now_at_the_earliest_at_a_position_or_behind_a_gtid_set()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 10).await?;
    let ((file, offset), set) = (
        world.mysql.position().await?,
        world.mysql.gtid_executed().await?,
    );
    world.mysql.exec("FLUSH BINARY LOGS").await?;
    transactions(&world.mysql, 10).await?;
    let facts = Facts::of(&world.mysql).await?;
    let all = facts.changes.len() as u64;
    let later = facts.since(&file, offset).changes.len() as u64;
    assert!(0 < later && later < all);
    assert_eq!(changes_from(&world, "now").await?, 0);
    assert_eq!(changes_from(&world, "earliest").await?, all);
    assert_eq!(
        changes_from(&world, &format!("{file}:{offset}")).await?,
        later
    );
    assert_eq!(changes_from(&world, &set).await?, later);
    Ok(())
}

#[tokio::test]
async fn a_start_inside_a_transaction_or_in_no_file_is_refused() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let (file, offset) = world.mysql.position().await?;
    transactions(&world.mysql, 3).await?;
    let inside = format!("{file}:{}", offset + 10);
    let run = world
        .launch()?
        .setting("source.start", &inside)
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &[
            &inside,
            "is not between two transactions",
            &format!("{file}:{offset}"),
        ],
    );
    let run = world
        .launch()?
        .setting("source.start", "binlog.000077:4")
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &[
            "no binary log file \"binlog.000077\"",
            "it has binlog.000001 to",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn a_position_is_shown_set_and_cleared_and_the_epoch_stays() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let (file, offset) = world.mysql.position().await?;
    let set = world.mysql.gtid_executed().await?;
    transactions(&world.mysql, 12).await?;
    world.launch()?;
    assert_eq!(shown(&world).await?["position"], Value::Null);
    world.catch_up().await?;
    let (head_file, head) = world.mysql.position().await?;
    let at_head = shown(&world).await?;
    assert_eq!(at_head["position"], json!(format!("{head_file}:{head}")));
    assert_eq!(
        at_head["gtid_set"],
        json!(world.mysql.gtid_executed().await?)
    );
    assert_eq!(
        (&at_head["drained"], &at_head["epoch"]),
        (&json!(true), &json!(1))
    );
    says(
        &world.command(&["position", "show"]).await?,
        0,
        &["the next run repeats nothing"],
    );

    let inside = format!("{file}:{}", offset + 1);
    let refused = world.command(&["position", "set", &inside]).await?;
    says(
        &refused,
        1,
        &[
            "is not between two transactions",
            &format!("{file}:{offset}"),
        ],
    );
    assert_eq!(shown(&world).await?["position"], at_head["position"]);

    // The same place, said in two ways; both send all again, as the same lines.
    let begin = format!("{file}:{offset}");
    for place in [&begin, &set] {
        says(
            &world.command(&["position", "set", place]).await?,
            0,
            &[&begin],
        );
        let now = shown(&world).await?;
        assert_eq!(
            (&now["position"], &now["gtid_set"]),
            (&json!(begin), &json!(set))
        );
        world.catch_up().await?;
    }
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    // The three DDLs of the schema came once.
    assert_eq!(verdict.duplicates, 2 * verdict.changes());

    says(
        &world.command(&["position", "clear"]).await?,
        0,
        &["forgot", "epoch 1 is kept"],
    );
    let cleared = shown(&world).await?;
    assert_eq!(
        (&cleared["position"], &cleared["epoch"]),
        (&Value::Null, &json!(1))
    );
    world.catch_up().await?;
    assert_eq!(shown(&world).await?["epoch"], json!(2));
    world.verdict().await?.ensure_clean()
}

#[tokio::test]
async fn check_prints_a_line_per_check_and_touches_nothing() -> anyhow::Result<()> {
    let world = World::new(3).await?;
    world.launch()?;
    let check = world.command(&["check"]).await?;
    says(
        &check,
        0,
        &[
            "ok   server version: 9.",
            "ok   log_bin: ON",
            "ok   binlog_format: ROW",
            "ok   binlog_row_image: FULL",
            "ok   binlog_row_metadata: FULL",
            "ok   privileges: REPLICATION SLAVE, REPLICATION CLIENT",
            "ok   gtid_mode: ON",
            "ok   retention: ",
            "ok   server_id: ",
            "ok   source.tables: 3 of 3 tables",
            "ok   checkpoint store: ",
            "ok   checkpoint position: none stored, source.start is ",
            "ok   sink: changes is ACTIVE, 3 open shards",
            "ok   sink: kinesis:PutRecords on stream \"changes\" is allowed",
            "0 failed",
        ],
    );
    // As `run` would judge them.
    for (start, found) in [
        ("no-such-log.000001:4", "there is no binary log file"),
        ("binlog.000001:5", "is not between two transactions"),
        ("binlog.000001:999999999", "is beyond the end of its file"),
        (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9",
            "FAIL checkpoint position: ",
        ),
    ] {
        let set = format!("source.start={start}");
        let check = world.command(&["check", "--set", &set]).await?;
        says(&check, 1, &[found, "1 failed"]);
    }
    assert!(!world.folder().join("headwater.checkpoint").exists());
    assert!(world.records().await?.is_empty(), "a permission was tried");
    world.kinesis.delete_stream("changes").await?;
    let check = world.command(&["check"]).await?;
    says(
        &check,
        1,
        &["FAIL sink: ", "create the stream \"changes\"", "1 failed"],
    );
    Ok(())
}

#[tokio::test]
async fn check_fails_where_run_would_halt_at_the_first_record() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 7).await?;
    world.launch_to(&proxy.url())?;
    proxy.program(|faults| faults.puts_denied = true);
    let check = world.command(&["check"]).await?;
    let hint = "allow the action kinesis:PutRecords on the stream \"changes\"";
    says(
        &check,
        1,
        &["FAIL sink: kinesis:PutRecords", hint, "1 failed"],
    );
    let none = world.folder().join("none");
    let file = |name: &str| none.join(name).display().to_string();
    let config = format!(
        "{}\n[errors]\noversize = \"dead_letter\"\ndead_letter_path = \"{}\"\n",
        world.config("http://127.0.0.1:9").replace(
            "type = \"kinesis\"",
            &format!("type = \"file\"\nfile.path = \"{}\"", file("lines"))
        ),
        file("letters"),
    );
    std::fs::write(world.folder().join("headwater.toml"), config)?;
    let check = world.command(&["check"]).await?;
    let hint = "the folder must exist and be writable";
    says(
        &check,
        1,
        &[
            "FAIL sink: open file",
            "FAIL dead letters: ",
            hint,
            "2 failed",
        ],
    );
    std::fs::create_dir(&none)?;
    let check = world.command(&["check"]).await?;
    says(&check, 0, &["ok   dead letters: ", "0 failed"]);
    assert_eq!(
        std::fs::read_dir(&none)?.count(),
        0,
        "nothing is left there"
    );
    Ok(())
}

#[tokio::test]
async fn config_prints_what_counts_and_no_secret() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.launch()?;
    let config = world
        .command(&["config", "--set", "ordering.lanes=7"])
        .await?;
    says(
        &config,
        0,
        &["lanes = 7", "stream = \"changes\"", "interval_ms = 50"],
    );
    assert!(!config.text().contains("let-it-flow"), "{}", config.text());
    Ok(())
}

#[tokio::test]
async fn until_a_position_or_a_gtid_set_stops_right_there() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 10).await?;
    let (file, offset) = world.mysql.position().await?;
    transactions(&world.mysql, 10).await?;
    let ((file_2, offset_2), set) = (
        world.mysql.position().await?,
        world.mysql.gtid_executed().await?,
    );
    transactions(&world.mysql, 10).await?;
    let [first, second] = [format!("{file}:{offset}"), format!("{file_2}:{offset_2}")];
    for (until, place) in [(&first, &first), (&set, &second)] {
        let run = world
            .launch()?
            .arg("--until")
            .arg(until)
            .finish(WITHIN)
            .await?;
        assert_eq!(run.code(), Some(0), "{}", run.text());
        assert_eq!(shown(&world).await?["position"], json!(place));
    }
    world.catch_up().await?;
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(verdict.duplicates, 0);
    Ok(())
}
