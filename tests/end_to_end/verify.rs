//! `headwater verify`: what is well is clean, what was damaged is found, from outside.

use std::io::Write;

use anyhow::Context;
use headwater_harness::{
    facts::Facts,
    program::{Finished, Launch},
};
use serde_json::{Value, json};

use crate::{
    traffic::{Traffic, transactions},
    world::{BINARY, STREAM, WITHIN, World, records_grow, says},
};

const COUNTED: &str = "CREATE TABLE shop.counted (id INT PRIMARY KEY, n INT NOT NULL, note VARCHAR(50)); \
    INSERT INTO shop.counted VALUES (1, 1, 'a'), (2, 1, 'b'); \
    UPDATE shop.counted SET n = n + 1; UPDATE shop.counted SET n = n + 1, note = 'c' WHERE id = 1; \
    UPDATE shop.counted SET n = n + 1; DELETE FROM shop.counted WHERE id = 2; \
    INSERT INTO shop.counted VALUES (2, 1, 'again'); UPDATE shop.counted SET n = n + 1";
const KEY: &str = "shop.counted";

async fn verified(world: &World, arguments: &[&str]) -> anyhow::Result<(Finished, Value)> {
    let arguments = [&["verify", "--json", "--reads-per-sec", "1000"], arguments].concat();
    let finished = world.command(&arguments).await?;
    let report = serde_json::from_str(&finished.stdout.concat())
        .with_context(|| format!("read the report from: {}", finished.text()))?;
    Ok((finished, report))
}

/// The lines of the counted table, put into a stream of their own after something was done to them.
async fn damaged(
    world: &World,
    damage: impl Fn(&mut Vec<Value>),
) -> anyhow::Result<(Finished, Value)> {
    let mut lines = world.lines_of(KEY).await?;
    damage(&mut lines);
    world.kinesis.create_stream("damaged", 1).await?;
    for line in lines {
        world
            .kinesis
            .put("damaged", KEY, format!("{line}\n").as_bytes())
            .await?;
    }
    let verdict = verified(world, &["--stream", "damaged", "--counter", "n"]).await;
    world.kinesis.delete_stream("damaged").await?;
    verdict
}

#[tokio::test]
async fn a_page_larger_than_an_answer_may_be_is_read_in_smaller_ones() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = "CREATE TABLE shop.wide (id INT PRIMARY KEY, note LONGTEXT); INSERT INTO shop.wide \
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 40) \
        SELECT id, REPEAT(CHAR(64 + id % 26), 900000) FROM n";
    world.mysql.exec(sql).await?;
    world.catch_up().await?;
    let (finished, report) = verified(&world, &[]).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    assert_eq!(report["tables"]["shop.wide"]["changes"], 40, "{report}");
    Ok(())
}

#[tokio::test]
async fn a_stream_after_kills_and_a_split_is_clean_and_complete() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let traffic = Traffic::with_ddl(&world.mysql);
    for round in 0..3 {
        let mut program = world.launch()?.start()?;
        records_grow(&world, 5 + round * 3).await?;
        program.kill9()?;
        if round == 1 {
            let split = json!({"StreamName": STREAM, "ShardToSplit": "shardId-000000000000",
                "NewStartingHashKey": (u128::MAX / 2).to_string()});
            world.kinesis.service().call("SplitShard", &split).await?;
            world.kinesis.wait_active(STREAM).await?;
        }
        traffic.grows(10).await?;
    }
    traffic.stop().await?;
    world.catch_up().await?;
    let (finished, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let facts = Facts::of(&world.mysql).await?;
    assert_eq!(report["changes"], json!(facts.changes.len()), "{report}");
    let verdict = world.verdict().await?;
    verdict.ensure_clean()?;
    assert_eq!(report["duplicates"], json!(verdict.duplicates));
    assert!(
        report["source"]["rows_compared"].as_u64() > Some(0),
        "{report}"
    );
    // For people, too.
    let table = world
        .command(&["verify", "--reads-per-sec", "1000"])
        .await?;
    says(&table, 0, &["missing", "shop.orders", "clean"]);
    Ok(())
}

#[tokio::test]
async fn losses_swaps_and_wrong_values_are_found_by_their_ids() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.mysql.exec(COUNTED).await?;
    world.catch_up().await?;
    let (finished, report) = damaged(&world, |_| ()).await?;
    assert_eq!(finished.code(), Some(0), "{report}");
    // [ddl, +1, +2, 1, 2, 1, 1, 2, -2, +2, 1, 2]
    let (finished, report) = damaged(&world, |lines| {
        lines.remove(5);
    })
    .await?;
    assert_eq!(
        (finished.code(), &report["missing"]),
        (Some(1), &json!(1)),
        "{report}"
    );
    let next = world.lines_of(KEY).await?[6].clone();
    assert_eq!(report["examples"][0]["id"], next["id"], "{report}");
    let (finished, report) = damaged(&world, |lines| lines.swap(5, 6)).await?;
    assert_eq!(finished.code(), Some(1));
    assert!(report["order_violations"].as_u64() > Some(0), "{report}");
    let (finished, report) =
        damaged(&world, |lines| lines[5]["data"]["note"] = json!("secret")).await?;
    assert_eq!(
        (finished.code(), &report["wrong_values"]),
        (Some(1), &json!(1)),
        "{report}"
    );
    assert!(!finished.text().contains("secret"));
    let (finished, report) = damaged(&world, |lines| {
        let line = lines[2].clone();
        lines.insert(7, line);
    })
    .await?;
    assert_eq!(finished.code(), Some(1));
    assert!(report["order_violations"].as_u64() > Some(0), "{report}");
    Ok(())
}

#[tokio::test]
async fn rows_of_every_type_equal_the_source_and_one_that_changed_unseen_does_not()
-> anyhow::Result<()> {
    let world = World::new(2).await?;
    world
        .mysql
        .exec(
            "CREATE TABLE shop.types (id BIGINT UNSIGNED, part VARCHAR(20) CHARACTER SET latin1, i TINYINT, z INT ZEROFILL, \
             f FLOAT, d DOUBLE, m DECIMAL(20,4), b BIT(9), y YEAR, da DATE, ti TIME(3), dt DATETIME(6), ts TIMESTAMP(3) NULL, \
             t TEXT, e ENUM('a','b'), s SET('x','y'), bi BINARY(4), bl BLOB, j JSON, g POINT, v VECTOR(2), PRIMARY KEY (id, part)); \
             INSERT INTO shop.types VALUES (18446744073709551615, 'é', -5, 42, 3.4, 1e300, '12.5', 261, 2024, '2024-02-03', \
             '-101:02:03.5', '2024-02-03 04:05:06.000001', '2024-02-03 04:05:06.123', 'say \"hi\" 😀', 'b', 'x,y', 0x01FF, 0x00FF, \
             '{\"k\": 1.0, \"a\": [1, \"x\", null]}', POINT(1, 2), TO_VECTOR('[1.5,-0.1]')), \
             (1, 'n', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
             (2, 'z', 0, 0, -1e10, 1, '0', 0, 0, '0001-01-01', '00:00:00', '1000-01-01 00:00:00', NULL, '', 'a', '', '', '', '{}', NULL, NULL); \
             UPDATE shop.types SET f = 16777216, d = 0.1, j = JSON_SET(j, '$.k', 2.50) WHERE id > 1",
        )
        .await?;
    transactions(&world.mysql, 30).await?;
    world.catch_up().await?;
    let (finished, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(finished.code(), Some(0), "{report}");
    assert_eq!(report["source"]["rows_not_compared"], json!(0));
    let unseen = "SET sql_log_bin = 0; UPDATE shop.types SET i = 6 WHERE id = 2; DELETE FROM shop.types WHERE id = 1";
    world.mysql.exec(unseen).await?;
    let (finished, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(
        (finished.code(), &report["wrong_values"]),
        (Some(1), &json!(2)),
        "{report}"
    );
    assert_eq!(report["tables"]["shop.types"]["wrong_values"], json!(2));
    Ok(())
}

/// A snapshot's rows with these ids, and its end.
fn snapshot(run: &str, ids: &[u32], n: u32) -> String {
    let place = |number: usize| {
        let id = format!("snapshot:{run}:1:binlog.000001:400/{number}");
        let seq = format!("00000001.00000001.0000000000000190.00000001.{number:016x}");
        json!({"database": "shop", "table": "copied", "id": id, "seq": seq})
    };
    let line = |number, fields: Value| {
        let mut line = place(number);
        let all = line.as_object_mut().into_iter();
        all.zip(fields.as_object())
            .for_each(|(line, fields)| line.extend(fields.clone()));
        format!("{line}\n")
    };
    let row = |id: &u32| json!({"type": "snapshot", "key": {"id": id}, "data": {"id": id, "n": n}});
    let rows = ids
        .iter()
        .enumerate()
        .map(|(number, id)| line(number, row(id)));
    let end = json!({"type": "snapshot_end", "rows": ids.len()});
    rows.chain([line(ids.len(), end)]).collect()
}

#[tokio::test]
async fn after_a_snapshot_of_all_tables_every_row_of_the_source_has_a_line() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.launch()?;
    let sql = "CREATE TABLE shop.copied (id INT PRIMARY KEY, n INT NOT NULL); \
        INSERT INTO shop.copied VALUES (1, 7), (2, 7), (3, 7)";
    world.mysql.exec(sql).await?;
    for (run, ids, n, code, missing, wrong) in [
        ("tables", [1, 2, 3].as_slice(), 7, 0, 0, 0),
        ("tables", &[1, 3], 7, 1, 1, 0),
        ("tables", &[], 7, 1, 3, 0),
        ("tables", &[1, 2, 3], 8, 1, 0, 3),
        ("tables", &[1, 2, 3, 4], 7, 1, 0, 1),
        // Another run may have been of some rows only.
        ("fix", &[1, 3], 7, 0, 0, 0),
    ] {
        std::fs::write(world.folder().join("lines"), snapshot(run, ids, n))?;
        let (finished, report) = verified(&world, &["--against-source", "lines"]).await?;
        assert_eq!(finished.code(), Some(code), "{run} {ids:?}: {report}");
        let found = (&report["missing"], &report["wrong_values"]);
        assert_eq!(found, (&json!(missing), &json!(wrong)), "{report}");
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_taken_again_names_what_the_source_did_not_log() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = "CREATE TABLE shop.copied (id INT PRIMARY KEY, n INT NOT NULL); \
        INSERT INTO shop.copied VALUES (1, 7), (2, 7), (3, 7)";
    world.mysql.exec(sql).await?;
    let run = async |arguments: &[&str]| {
        let launch = world
            .launch()?
            .setting("source.start", "now")
            .setting("source.tables", "shop.copied")
            .setting("snapshot.tables", "shop.copied")
            .with_arguments(&[arguments, &["-c", "headwater.toml"]].concat());
        let finished = launch.finish(WITHIN).await?;
        assert_eq!(finished.code(), Some(0), "{}", finished.text());
        anyhow::Ok(())
    };
    run(&["run", "--until", "now"]).await?;
    let logged = "UPDATE shop.copied SET n = n + 1 WHERE id = 1";
    world.mysql.exec(logged).await?;
    run(&["run", "--until", "now"]).await?;
    let (finished, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(finished.code(), Some(0), "{report}");
    assert_eq!(report["source"]["rows_compared"], json!(3), "{report}");

    let unseen = "SET sql_log_bin = 0; UPDATE shop.copied SET n = 9 WHERE id = 2; \
        DELETE FROM shop.copied WHERE id = 3";
    world.mysql.exec(unseen).await?;
    let (finished, _) = verified(&world, &[]).await?;
    assert_eq!(
        finished.code(),
        Some(0),
        "nothing in the stream tells of it"
    );
    run(&["snapshot", "start", "--run", "again", "shop.copied"]).await?;
    run(&["run", "--until", "now"]).await?;
    let (finished, report) = verified(&world, &[]).await?;
    assert_eq!(
        [
            finished.code().into(),
            report["wrong_values"].clone(),
            report["missing"].clone(),
        ],
        [1, 1, 1].map(|n| json!(n)),
        "{report}"
    );
    let lines = world.lines_of("shop.copied").await?;
    let again = |line: &&Value| line["run"] == "again" && line["key"]["id"] == 2;
    let line = lines.iter().find(again).context("the row again")?;
    assert_eq!(report["examples"][0]["id"], line["id"], "{report}");
    let what = report["examples"][1]["what"].as_str();
    let is_named = what.is_some_and(|what| what.contains("the source deleted it without logging"));
    assert!(is_named, "{report}");
    let (_, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(report["wrong_values"], json!(2), "{report}");
    Ok(())
}

#[tokio::test]
async fn files_are_read_as_the_sink_rotated_them_and_compressed() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 120).await?;
    let config = format!(
        "[source]\nurl = \"{}\"\nstart = \"earliest\"\n\
         [sink]\ntype = \"file\"\n[sink.file]\npath = \"out\"\nrotate_bytes = 10000\n\
         [[routes]]\ntables = [\"shop.items\"]\nsink.file.path = \"items\"\n",
        world.mysql.headwater_url()
    );
    let launch = Launch::run(BINARY, world.folder(), &config)?;
    let finished = launch.arg("--until").arg("now").finish(WITHIN).await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let (finished, report) = verified(&world, &["--against-source"]).await?;
    assert_eq!(finished.code(), Some(0), "{report}");
    assert_eq!(
        report["changes"],
        json!(Facts::of(&world.mysql).await?.changes.len())
    );
    // One of them compressed, without settings, in the wrong order.
    let path = |name: &str| world.folder().join(name);
    let (first, second) = (std::fs::read(path("out.000001"))?, path("out.000002"));
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::fs::File::create(path("first.gz"))?)
        .spawn()?;
    gzip.stdin.take().context("its input")?.write_all(&first)?;
    assert!(gzip.wait()?.success());
    let files = [path("first.gz"), second];
    let [first, second] = files
        .each_ref()
        .map(|path| path.to_string_lossy().into_owned());
    for (files, code, words) in [
        ([&first, &second], 0, ["clean", "records"]),
        ([&second, &first], 1, ["NOT CLEAN", "order: "]),
    ] {
        let launch = Launch::new(BINARY, world.folder(), &["verify"])?;
        let launch = launch.arg(files[0]).arg(files[1]);
        says(&launch.finish(WITHIN).await?, code, &words);
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_back_is_wrong_usage_and_a_missing_stream_says_what_to_do()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.launch()?;
    let finished = world
        .command(&["verify", "--set", "sink.type=stdout"])
        .await?;
    says(&finished, 2, &["name files"]);
    let finished = world
        .command(&["verify", "--set", "format.type=maxwell"])
        .await?;
    says(&finished, 2, &["native", "--stream"]);
    let finished = world.command(&["verify", "--stream", "nowhere"]).await?;
    says(&finished, 1, &["nowhere", "hint: "]);
    Ok(())
}
