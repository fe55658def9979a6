//! A row that no record can hold.

use serde_json::Value;

use crate::world::{WITHIN, World, delivered, says};

const PAGES: &str = "CREATE TABLE shop.pages (id INT PRIMARY KEY, body LONGTEXT); \
    INSERT INTO shop.pages VALUES (1, 'small'), (2, REPEAT('x', 1200000)), (3, 'small'); \
    INSERT INTO shop.orders VALUES (1, 1, 'behind')";

#[tokio::test]
async fn a_row_larger_than_a_record_halts_with_table_place_size_and_remedies() -> anyhow::Result<()>
{
    let world = World::new(1).await?;
    world.mysql.exec(PAGES).await?;
    for _ in 0..2 {
        let run = world.launch()?.finish(WITHIN).await?;
        says(
            &run,
            1,
            &[
                "row of table 'shop.pages' needs 1200",
                "the sink takes 1048",
                "UpdateMaxRecordSize",
                "errors.oversize = \"dead_letter\"",
            ],
        );
    }
    // The cure, and nothing is missing.
    let run = world
        .launch()?
        .setting("errors.oversize", "dead_letter")
        .setting("errors.dead_letter_path", "letters.jsonl")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let letters = std::fs::read_to_string(world.folder().join("letters.jsonl"))?;
    let letters: Vec<Value> = letters
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter["lane"], "shop.pages");
    let line: Value = serde_json::from_str(letter["line"].as_str().unwrap_or_default())?;
    assert_eq!(line["data"]["body"].as_str().map(str::len), Some(1_200_000));
    assert_eq!(line["key"]["id"], 2);
    let verdict = world.verdict().await?;
    assert_eq!(
        (verdict.missing, verdict.order_violations),
        (1, 0),
        "{verdict}"
    );
    assert_eq!(verdict.changes["shop.pages"], 2);
    assert_eq!(verdict.changes["shop.orders"], 1);
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_lets_the_traffic_go_on_and_is_counted() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = world
        .launch()?
        .setting("errors.oversize", "dead_letter")
        .setting("errors.dead_letter_path", "letters.jsonl")
        .start()?;
    program.wait_ready(WITHIN).await?;
    world.mysql.exec(PAGES).await?;
    delivered(&program, &world.mysql).await?;
    let buried = program.metric("headwater_dead_letters_total", &[]).await?;
    assert_eq!(buried, Some(1.0));
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    assert_eq!(world.lines_of("shop.orders").await?.len(), 2);
    Ok(())
}
