//! Flat lines and rows only, through the whole program: what arrives is judged and equals the source, and a table
//! whose columns have the names of fields is refused by name.

use anyhow::Context;
use headwater_harness::{facts::Facts, program::Finished};
use serde_json::{Value, json};

use crate::{
    traffic::transactions,
    world::{WITHIN, World, says},
};

const COUNTED: &str = "CREATE TABLE shop.counted (id INT PRIMARY KEY, n INT NOT NULL, note VARCHAR(50)); \
    INSERT INTO shop.counted VALUES (1, 1, 'a'), (2, 1, 'b'); \
    UPDATE shop.counted SET n = n + 1; UPDATE shop.counted SET n = n + 1, note = 'c' WHERE id = 1; \
    UPDATE shop.counted SET n = n + 1, id = id + 10; DELETE FROM shop.counted WHERE id = 12; \
    INSERT INTO shop.counted VALUES (2, 1, 'again'); UPDATE shop.counted SET n = n + 1";
const KEY: &str = "shop.counted";

async fn run(world: &World, settings: &[(&str, &str)]) -> anyhow::Result<Finished> {
    let launch = world.launch()?.arg("--until").arg("now");
    let launch = settings
        .iter()
        .fold(launch, |launch, (key, value)| launch.setting(key, value));
    launch.finish(WITHIN).await
}

async fn runs(world: &World, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    let finished = run(world, settings).await?;
    anyhow::ensure!(finished.code() == Some(0), "{}", finished.text());
    Ok(())
}

async fn verified(world: &World, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let arguments = [&["verify", "--json", "--reads-per-sec", "1000"], arguments].concat();
    let finished = world.command(&arguments).await?;
    let report = serde_json::from_str(&finished.stdout.concat())
        .with_context(|| format!("read the report from: {}", finished.text()))?;
    Ok((finished.code(), report))
}

#[tokio::test]
async fn flat_lines_in_lanes_and_arrays_are_clean_and_equal_the_source() -> anyhow::Result<()> {
    let world = World::new(2).await?;
    world.mysql.exec(COUNTED).await?;
    transactions(&world.mysql, 40).await?;
    let settings = [
        ("native.layout", "flat"),
        ("native.prefix", "hw_"),
        ("native.constants", "env=prod"),
        ("packing.type", "json_array"),
        ("ordering.key", "primary_key"),
        ("source.tables", "shop.*,!shop.log"),
        ("snapshot.tables", "shop.counted"),
    ];
    runs(&world, &settings).await?;
    let facts = Facts::of(&world.mysql).await?;
    let facts = facts.of_tables(&["shop.orders", "shop.items", KEY]);
    let changes = json!(facts.changes.len());
    for prefix in [["--set", "native.prefix=hw_"], ["--flat-prefix", "hw_"]] {
        let arguments = [&["--against-source"], &prefix[..]].concat();
        let (code, report) = verified(&world, &arguments).await?;
        assert_eq!((code, &report["changes"]), (Some(0), &changes), "{report}");
        assert!(
            report["source"]["rows_compared"].as_u64() > Some(0),
            "{report}"
        );
        assert_eq!(report["source"]["rows_unknown"], 0, "{report}");
        assert_eq!(report["snapshot_rows"], 2, "{report}");
    }
    let (code, report) = verified(&world, &[]).await?;
    assert_eq!((code, &report["changes"]), (Some(1), &json!(0)), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_stream_whose_layout_was_changed_is_judged_as_a_whole() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.mysql.exec(COUNTED).await?;
    runs(&world, &[]).await?;
    let more =
        "UPDATE shop.counted SET n = n + 1, note = NULL; DELETE FROM shop.counted WHERE id = 2";
    for settings in [&[("native.layout", "flat")][..], &[]] {
        world.mysql.exec(more).await?;
        runs(&world, settings).await?;
    }
    let arguments = ["--against-source", "--counter", "n"];
    let (code, report) = verified(&world, &arguments).await?;
    assert_eq!(code, Some(0), "{report}");
    let lines = world.lines_of(KEY).await?;
    let flat = lines.iter().filter(|line| !line["_type"].is_null()).count();
    assert_eq!((flat, lines.len()), (3, 16));
    Ok(())
}

#[tokio::test]
async fn a_lost_a_swapped_and_a_changed_flat_line_are_found() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.mysql.exec(COUNTED).await?;
    runs(&world, &[("native.layout", "flat")]).await?;
    let lines = world.lines_of(KEY).await?;
    // [ddl, +1, +2, 1, 2, 1, 1 moves, 2 moves, -12, +2, 11, 2]
    assert_eq!(lines[6]["_old"], json!({"id": 1, "n": 3}), "{}", lines[6]);
    assert_eq!(
        (&lines[6]["id"], &lines[6]["_key"]),
        (&json!(11), &json!({"id": 11}))
    );
    assert_eq!(
        (&lines[8]["_deleted"], &lines[8]["note"]),
        (&json!(true), &json!("b"))
    );
    type Damage = fn(&mut Vec<Value>);
    let damages: [(Damage, &str); 5] = [
        (|_| (), ""),
        (|lines| drop(lines.remove(5)), "missing"),
        (|lines| lines.swap(5, 6), "order_violations"),
        (|lines| lines[5]["note"] = json!("secret"), "wrong_values"),
        (|lines| lines[8]["_deleted"] = json!(false), "unreadable"),
    ];
    for (damage, found) in damages {
        let mut lines = lines.clone();
        damage(&mut lines);
        world.kinesis.create_stream("damaged", 1).await?;
        for line in lines {
            let line = format!("{line}\n");
            world.kinesis.put("damaged", KEY, line.as_bytes()).await?;
        }
        let (code, report) = verified(&world, &["--stream", "damaged", "--counter", "n"]).await?;
        world.kinesis.delete_stream("damaged").await?;
        if found.is_empty() {
            assert_eq!(code, Some(0), "{report}");
        } else {
            assert_eq!(code, Some(1), "{found}: {report}");
            assert!(report[found].as_u64() > Some(0), "{found}: {report}");
        }
        assert!(!report.to_string().contains("secret"));
    }
    Ok(())
}

#[tokio::test]
async fn where_only_rows_are_wanted_statements_and_snapshots_ends_hold_nothing_up()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = "INSERT INTO shop.orders VALUES (7, 1, 'a'); ALTER TABLE shop.orders ADD extra INT; \
        TRUNCATE shop.orders; INSERT INTO shop.orders VALUES (8, 2, 'b', 3); CREATE DATABASE other; \
        DROP DATABASE other; TRUNCATE shop.items";
    world.mysql.exec(sql).await?;
    let settings = [
        ("native.layout", "flat"),
        ("native.statements", "none"),
        ("snapshot.tables", "shop.orders"),
    ];
    runs(&world, &settings).await?;
    let mut told = Vec::new();
    for record in world.records().await? {
        for line in record.lines() {
            let line: Value = serde_json::from_slice(line)?;
            told.push(format!(
                "{} {} {}",
                line["_type"], line["id"], line["extra"]
            ));
        }
    }
    told.sort();
    let expected = [r#""insert" 7 null"#, r#""insert" 8 3"#, r#""snapshot" 8 3"#];
    assert_eq!(told, expected);
    // All is done, up to the last statement: another run has nothing left.
    runs(&world, &settings).await?;
    assert_eq!(world.lines_of("shop.orders").await?.len(), 3);

    let sets = [
        "check",
        "--set",
        "native.statements=none",
        "--set",
        "sink.type=null",
    ];
    let checked = world.command(&sets).await?;
    says(
        &checked,
        0,
        &["warn settings", "no line tells consumers of a TRUNCATE"],
    );
    let sets = [&sets[..], &["--set", "native.heartbeat_secs=1"]].concat();
    let refused = world.command(&sets).await?;
    says(
        &refused,
        2,
        &["native.statements", "set native.heartbeat_secs = 0"],
    );
    Ok(())
}

#[tokio::test]
async fn a_table_with_a_field_s_name_is_refused_at_the_first_start_and_later_by_its_first_row()
-> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.launch()?;
    let flat = ("native.layout", "flat");
    let sql = "CREATE TABLE shop.clash (id INT PRIMARY KEY, _Seq INT); INSERT INTO shop.clash VALUES (1, 1); \
        INSERT INTO shop.orders VALUES (7, 1, 'a')";
    world.mysql.exec(sql).await?;
    let words = ["`_Seq` of shop.clash", "native.prefix"];
    let checked = world
        .command(&["check", "--set", "native.layout=flat"])
        .await?;
    says(&checked, 1, &words);
    assert!(
        checked.text().contains("FAIL names of columns"),
        "{}",
        checked.text()
    );
    says(&run(&world, &[flat]).await?, 1, &words);
    assert!(world.records().await?.is_empty());
    let other = [
        "check",
        "--set",
        "native.layout=flat",
        "--set",
        "native.prefix=hw_",
    ];
    says(&world.command(&other).await?, 0, &["ok   names of columns"]);

    // Left out: all others flow.
    let excluded = ("source.tables", "shop.*,!shop.clash");
    runs(&world, &[flat, excluded]).await?;
    world
        .mysql
        .exec(
            "ALTER TABLE shop.orders ADD _more INT; INSERT INTO shop.orders VALUES (8, 1, 'a', 1)",
        )
        .await?;
    // It is only a warning now: who takes over from another must not be held up.
    let sets = [
        "check",
        "--set",
        "native.layout=flat",
        "--set",
        "source.tables=shop.*,!shop.clash",
    ];
    says(
        &world.command(&sets).await?,
        0,
        &["warn names of columns", "`_more` of shop.orders"],
    );
    let halted = run(&world, &[flat, excluded]).await?;
    let words = [
        "column `_more` of table `shop.orders` begins with \"_\"",
        "set another native.prefix",
        "errors.undecodable",
    ];
    says(&halted, 1, &words);
    runs(&world, &[flat, excluded, ("native.prefix", "hw_")]).await?;
    let lines = world.lines_of("shop.orders").await?;
    let newest = lines.last().context("a line")?;
    assert_eq!(
        (&newest["hw_type"], &newest["_more"]),
        (&json!("insert"), &json!(1))
    );
    Ok(())
}

#[tokio::test]
async fn a_table_that_gets_a_field_s_name_is_parked_where_that_is_wanted() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let sql = "CREATE TABLE shop.clash (id INT PRIMARY KEY, _id INT); INSERT INTO shop.clash VALUES (1, 1); \
        INSERT INTO shop.orders VALUES (7, 1, 'a')";
    world.mysql.exec(sql).await?;
    let settings = [
        ("native.layout", "flat"),
        ("errors.undecodable", "park_table"),
    ];
    runs(&world, &settings).await?;
    let shown = world.command(&["position", "show"]).await?;
    says(&shown, 0, &["shop.clash", "column `_id`"]);
    let kinds: Vec<Value> = world
        .lines_of("shop.orders")
        .await?
        .iter()
        .map(|line| line["_type"].clone())
        .collect();
    assert_eq!(kinds, ["ddl", "insert"]);
    Ok(())
}
