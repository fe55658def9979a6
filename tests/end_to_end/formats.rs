//! The formats of other tools through the whole program, with the records and keys that their users expect.

use serde_json::Value;

use crate::world::{WITHIN, World};

async fn run(world: &World, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    let launch = world.launch()?.arg("--until").arg("now");
    let launch = settings
        .iter()
        .fold(launch, |launch, (key, value)| launch.setting(key, value));
    let finished = launch.finish(WITHIN).await?;
    anyhow::ensure!(finished.code() == Some(0), "{}", finished.text());
    Ok(())
}

#[tokio::test]
async fn debezium_s_deletes_are_followed_by_tombstones_under_the_same_key() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world
        .mysql
        .exec(
            "INSERT INTO shop.orders VALUES (7, 1, 'a'); \
             UPDATE shop.orders SET id = 8; \
             DELETE FROM shop.orders; \
             INSERT INTO shop.log (text) VALUES ('no key')",
        )
        .await?;
    let settings = [
        ("format.type", "debezium"),
        ("packing.type", "none"),
        ("packing.partition_key", "format"),
    ];
    run(&world, &settings).await?;
    let mut told = Vec::new();
    for record in world.records().await? {
        let op = match &record.data[..] {
            b"" => "tombstone".to_owned(),
            line => {
                let event: Value = serde_json::from_slice(line)?;
                assert_eq!(event["source"]["name"], "headwater");
                event["op"].as_str().unwrap_or_default().to_owned()
            }
        };
        told.push((record.partition_key, op));
    }
    let of_lane = |key: &str| -> Vec<(String, String)> {
        let ours = told
            .iter()
            .filter(|(found, _)| (found == "shop.log") == (key == "shop.log"));
        ours.cloned().collect()
    };
    let [old, new] = [r#"{"id":7}"#, r#"{"id":8}"#].map(str::to_owned);
    let expected = [
        (&old, "c"),
        (&old, "d"),
        (&old, "tombstone"),
        (&new, "c"),
        (&new, "d"),
        (&new, "tombstone"),
    ]
    .map(|(key, op)| (key.clone(), op.to_owned()));
    assert_eq!(of_lane("shop.orders"), expected);
    assert_eq!(
        of_lane("shop.log"),
        [("shop.log".to_owned(), "c".to_owned())]
    );
    Ok(())
}

#[tokio::test]
async fn maxwell_s_rows_arrive_and_statements_without_a_line_hold_nothing_up() -> anyhow::Result<()>
{
    let world = World::new(1).await?;
    world
        .mysql
        .exec(
            "INSERT INTO shop.orders VALUES (7, 1, 'a'), (8, 2, NULL); \
             ALTER TABLE shop.orders ADD extra INT; \
             DELETE FROM shop.orders WHERE id = 7; \
             TRUNCATE shop.items",
        )
        .await?;
    run(
        &world,
        &[
            ("format.type", "maxwell"),
            ("format.maxwell.output_xoffset", "true"),
        ],
    )
    .await?;
    let lines = world.lines_of("shop.orders").await?;
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(
                "{} {} {} {}",
                line["type"], line["xoffset"], line["commit"], line["data"]
            )
        })
        .collect();
    let expected = [
        r#""insert" 0 null {"id":7,"note":"a","quantity":1}"#,
        r#""insert" null true {"id":8,"note":null,"quantity":2}"#,
        r#""delete" null true {"extra":null,"id":7,"note":"a","quantity":1}"#,
    ];
    assert_eq!(told, expected);
    assert!(lines.iter().all(|line| line["xid"].is_u64()));
    // All is done: a second run has nothing left.
    let before = world.records().await?.len();
    run(&world, &[("format.type", "maxwell")]).await?;
    assert_eq!(world.records().await?.len(), before);
    Ok(())
}

/// What an INSERT of a row and a copy of the same row have in common.
#[tokio::test]
async fn a_snapshot_is_told_as_the_tools_tell_theirs_with_the_values_of_an_insert()
-> anyhow::Result<()> {
    let rows = "INSERT INTO shop.orders VALUES (7, 1, 'a'), (8, 2, NULL)";
    for (format, values) in [("maxwell", "/data"), ("debezium", "/after")] {
        let mut told = Vec::new();
        for start in ["earliest", "now"] {
            let world = World::new(1).await?;
            world.mysql.exec(rows).await?;
            let settings = [
                ("format.type", format),
                ("source.start", start),
                (
                    "snapshot.tables",
                    if start == "now" { "shop.orders" } else { "" },
                ),
                ("packing.type", "none"),
                ("packing.partition_key", "format"),
            ];
            run(&world, &settings).await?;
            let mut events = Vec::new();
            for record in world.records().await? {
                let event: Value = serde_json::from_slice(&record.data)?;
                events.push((record.partition_key, event));
            }
            told.push(events);
        }
        let [inserts, copied] = &told[..] else {
            anyhow::bail!("two runs");
        };
        let of_rows = |events: &[(String, Value)]| -> Vec<(String, Value)> {
            let row = |(key, event): &(String, Value)| {
                let row = event.pointer(values)?;
                let is_row = row.get("id").is_some();
                is_row.then(|| (key.clone(), row.clone()))
            };
            events.iter().filter_map(row).collect()
        };
        assert_eq!(of_rows(copied), of_rows(inserts), "{format}");
        assert_eq!(of_rows(copied).len(), 2, "{copied:?}");
        let kinds: Vec<&Value> = copied
            .iter()
            .map(|(_, event)| event.get("type").unwrap_or(&event["op"]))
            .collect();
        match format {
            "maxwell" => assert_eq!(
                kinds,
                [
                    "bootstrap-start",
                    "bootstrap-insert",
                    "bootstrap-insert",
                    "bootstrap-complete"
                ]
            ),
            _ => {
                assert_eq!(kinds, ["r", "r"]);
                let snapshot = &copied[0].1["source"]["snapshot"];
                assert_eq!(snapshot, "incremental");
            }
        }
    }
    Ok(())
}
