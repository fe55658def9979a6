//! Columns left out and masked, invalid text, fewer fields: by settings, through the built program.

use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use crate::world::{WITHIN, World, delivered, says};

/// `dec8` has no character 0xFF, and the server takes it all the same.
const PEOPLE: &str = "CREATE TABLE shop.people (id INT PRIMARY KEY, Email VARCHAR(50), \
    born DATE, odd VARCHAR(9) CHARACTER SET dec8); \
    INSERT INTO shop.people VALUES (1, 'ana@example.com', '2024-02-03', x'61ff'); \
    UPDATE shop.people SET email = 'bob@example.com' WHERE id = 1";

/// `printf 'pepperTEXT' | sha256sum`
const ANA: &str = "cc4d03b6166bf443d42c621e0ee1ebe2d2d9a43cb08a8ebec9a6cf0b263f35f1";
const BOB: &str = "40f27281a6f2d75f9690f415970debe57e538178a2ef93d532ee09f0fb0c90da";

#[tokio::test]
async fn what_the_settings_hide_never_leaves_the_program() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world.mysql.exec(PEOPLE).await?;
    let program = world
        .launch()?
        .setting("mask.hash", "shop.*.email")
        .setting("mask.hash_salt", "pepper")
        .setting("columns.include", "!shop.people.born")
        .setting("errors.invalid_text", "base64_object")
        .setting("native.fields", "seq,id,key,old")
        .setting("native.constants", "env=test")
        .start()?;
    delivered(&program, &world.mysql).await?;
    let replaced = program.metric("headwater_invalid_text_total", &[]).await?;
    assert_eq!(replaced, Some(2.0));
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    let lines = world.lines_of("shop.people").await?;
    let rows: Vec<Value> = lines
        .into_iter()
        .filter(|line| line["type"] != "ddl")
        .map(|mut line| {
            for field in ["seq", "id"] {
                assert!(line[field].take().is_string());
            }
            line
        })
        .collect();
    let data = |email| json!({"id": 1, "Email": email, "odd": {"base64": "Yf8="}});
    let row = |kind, data| json!({"type": kind, "env": "test", "seq": null, "id": null, "key": {"id": 1}, "data": data});
    let mut update = row("update", data(BOB));
    update["old"] = json!({"Email": ANA});
    assert_eq!(rows, [row("insert", data(ANA)), update]);
    Ok(())
}

#[tokio::test]
async fn a_start_tells_what_masks_miss_and_which_keys_are_lost() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let run = world
        .launch()?
        .setting("mask.null", "shop.people.email,shop.items.line")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    let words = [
        "fits no column of an included table: mask.null \"shop.people.email\"",
        "part of the primary key is left out or masked in shop.items",
    ];
    says(&run, 0, &words);
    let unsalted = world
        .launch()?
        .setting("mask.hash", "*.*.email")
        .finish(WITHIN)
        .await?;
    says(
        &unsalted,
        2,
        &["`mask.hash_salt_file`", "HEADWATER__MASK__HASH_SALT"],
    );
    Ok(())
}

#[tokio::test]
async fn a_start_asks_for_the_columns_of_included_tables_alone() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    world
        .mysql
        .exec(
            "CREATE DATABASE big; CREATE TABLE big.wide (id INT PRIMARY KEY, email TEXT); \
             SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON",
        )
        .await?;
    let run = world
        .launch()?
        .setting("source.tables", "shop.*,!shop.log")
        .setting("mask.null", "*.*.email,shop.items.line")
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    let words = [
        "fits no column of an included table: mask.null \"*.*.email\"",
        "part of the primary key is left out or masked in shop.items",
        "tables=2 columns=6",
    ];
    says(&run, 0, &words);
    let mut conn = world.mysql.conn().await?;
    let asked: Vec<String> = conn
        .query(
            "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log \
             WHERE argument LIKE '%information_schema.columns c%' AND argument NOT LIKE '%general_log%'",
        )
        .await?;
    let hex = |name: &str| -> String { name.bytes().map(|it| format!("{it:02x}")).collect() };
    assert_eq!(asked.len(), 1, "one question for few tables: {asked:?}");
    for (name, is_asked) in [
        ("orders", true),
        ("items", true),
        ("log", false),
        ("wide", false),
    ] {
        let name = format!("x'{}'", hex(name));
        assert_eq!(asked[0].contains(&name), is_asked, "{name}: {asked:?}");
    }
    Ok(())
}
