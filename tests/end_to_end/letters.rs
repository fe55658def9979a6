//! Dead letters go to the sink after all, as the changes that they always were.

use headwater_harness::{
    facts::Facts,
    program::{Finished, Launch},
};
use serde_json::Value;

use crate::{
    parking::Shop,
    world::{BINARY, STREAM, WITHIN, says},
};

const POISON: &str = "CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT); \
    CREATE TABLE shop.people (id INT PRIMARY KEY, odd VARCHAR(9) CHARACTER SET dec8); \
    INSERT INTO shop.pages VALUES (1, 'small'), (2, REPEAT('x', 100000)), (3, 'small'); \
    INSERT INTO shop.people VALUES (1, 'a'), (2, x'61ff'), (3, 'b'); \
    UPDATE shop.pages SET body = CONCAT(body, 'y')";

fn replay(shop: &Shop, arguments: &[&str]) -> anyhow::Result<Launch> {
    let arguments = [&["replay-dead-letters", "-c", "headwater.toml"], arguments].concat();
    Launch::new(BINARY, shop.world.folder(), &arguments)
}

async fn replayed(shop: &Shop, arguments: &[&str]) -> anyhow::Result<Finished> {
    replay(shop, arguments)?.finish(WITHIN).await
}

#[tokio::test]
async fn dead_letters_are_replayed_as_the_changes_they_were_also_when_killed() -> anyhow::Result<()>
{
    let shop = Shop::new().await?;
    shop.world.mysql.exec(POISON).await?;
    let buries = |launch: Launch| {
        launch
            .setting("errors.oversize", "dead_letter")
            .setting("errors.undecodable", "dead_letter")
            .setting("errors.dead_letter_path", "letters.jsonl")
    };
    let run = buries(shop.launch()?).arg("--until").arg("now");
    let run = run.finish(WITHIN).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let facts = Facts::of(&shop.world.mysql).await?;
    assert_eq!(shop.verdict(&facts)?.missing, 3);

    // What still cannot be delivered is left.
    let run = replayed(&shop, &["letters.jsonl"]).await?;
    says(
        &run,
        1,
        &[
            "0 replayed, 0 had been before, 3 are left",
            "cannot be decoded",
        ],
    );
    let (lenient, letters) = (["--set", "errors.invalid_text=replace"], ["letters.jsonl"]);
    let run = replayed(&shop, &[&lenient[..], &letters].concat()).await?;
    says(
        &run,
        1,
        &[
            "1 replayed, 0 had been before, 2 are left",
            "the sink takes 65536",
        ],
    );
    let people = shop.lines_of("people")?;
    assert_eq!(
        people.last().map(|line| &line["data"]["odd"]),
        Some(&Value::from("a\u{fffd}"))
    );

    // A kill between the put and the note sends one twice.
    shop.raise_the_limit();
    let hold = shop.proxy.hold();
    let mut killed = replay(&shop, &letters)?.start()?;
    hold.holds_one().await;
    killed.kill9()?;
    drop(hold);
    let run = replayed(&shop, &letters).await?;
    says(&run, 0, &["2 replayed, 1 had been before, 0 are left"]);
    let verdict = shop.verdict(&facts)?;
    assert_eq!(
        (verdict.missing, verdict.unexpected, verdict.contradictions),
        (0, 0, 0),
        "{verdict}"
    );
    let landed = shop.proxy.records(STREAM).len();
    let run = replayed(&shop, &letters).await?;
    says(&run, 0, &["0 replayed, 3 had been before, 0 are left"]);
    assert_eq!(shop.proxy.records(STREAM).len(), landed);

    // To another sink: the lines are what the stream has, `seq` and all.
    std::fs::copy(
        shop.world.folder().join("letters.jsonl"),
        shop.world.folder().join("copy.jsonl"),
    )?;
    let to_stdout = ["--set", "sink.type=stdout", "copy.jsonl"];
    let run = replayed(&shop, &[&lenient[..], &to_stdout].concat()).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let mut sent = Vec::new();
    for line in run
        .stdout
        .iter()
        .filter(|line| line.starts_with("{\"type\""))
    {
        sent.push(serde_json::from_str::<Value>(line)?);
    }
    assert_eq!(sent.len(), 3);
    let stream = [shop.lines_of("pages")?, people].concat();
    assert!(sent.iter().all(|line| stream.contains(line)));
    Ok(())
}

#[tokio::test]
async fn a_row_of_a_snapshot_that_was_buried_is_replayed_as_the_line_that_it_would_have_been()
-> anyhow::Result<()> {
    let shop = Shop::new().await?;
    shop.world.mysql.exec(POISON).await?;
    let run = shop
        .launch()?
        .setting("source.start", "now")
        .setting("source.tables", "shop.pages,shop.people")
        .setting("snapshot.tables", "shop.pages,shop.people")
        .setting("errors.oversize", "dead_letter")
        .setting("errors.undecodable", "dead_letter")
        .setting("errors.dead_letter_path", "letters.jsonl")
        .arg("--until")
        .arg("now");
    let run = run.finish(WITHIN).await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let of_row = |lines: &[Value], id: u32| {
        let mut found = lines.iter().filter(|line| line["key"]["id"] == id);
        found.next().cloned()
    };
    for (table, other) in [("pages", 1), ("people", 3)] {
        let lines = shop.lines_of(table)?;
        assert_eq!(lines.len(), 3, "two rows and the end: {lines:?}");
        assert_eq!(lines[2]["rows"], 3, "{lines:?}");
        assert!(of_row(&lines, 2).is_none());
        assert_eq!(
            of_row(&lines, other).map(|line| line["type"].clone()),
            Some("snapshot".into())
        );
    }

    shop.raise_the_limit();
    let lenient = ["--set", "errors.invalid_text=replace", "letters.jsonl"];
    let run = replayed(&shop, &lenient).await?;
    says(&run, 0, &["2 replayed, 0 had been before, 0 are left"]);
    for (table, column, value) in [
        ("pages", "body", format!("{}y", "x".repeat(100_000))),
        ("people", "odd", "a\u{fffd}".to_owned()),
    ] {
        let lines = shop.lines_of(table)?;
        let line = of_row(&lines, 2).unwrap_or_default();
        assert_eq!(line["data"][column], value);
        assert_eq!(
            (&line["type"], &line["run"]),
            (&"snapshot".into(), &"tables".into())
        );
        let (before, behind) = (of_row(&lines, 1), of_row(&lines, 3));
        let seq = |line: Option<Value>| line.map(|line| line["seq"].to_string());
        assert!(seq(before) < Some(line["seq"].to_string()), "{line}");
        assert!(Some(line["seq"].to_string()) < seq(behind), "{line}");
    }
    Ok(())
}
