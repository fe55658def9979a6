//! What cannot be copied is said, by `check`, by the command and beside the copy; all else goes on.

use headwater_harness::{mysql::PASSWORD, program::Launch};
use serde_json::Value;

use super::{copy_is, drained, launch, lines, stocked};
use crate::world::{BINARY, WITHIN, delivered, says, status_is};

#[tokio::test]
async fn a_table_that_cannot_be_copied_says_why_and_the_others_are_complete() -> anyhow::Result<()>
{
    let world = stocked().await?;
    world
        .mysql
        .exec("CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE = MyISAM; INSERT INTO shop.old VALUES (1)")
        .await?;
    let settings = launch(&world, "shop.*")?;
    let checked = settings
        .clone()
        .with_arguments(&["check", "-c", "headwater.toml"]);
    says(&checked.finish(WITHIN).await?, 0, &["shop.old", "MyISAM"]);
    let asked = ["snapshot", "start", "shop.old", "-c", "headwater.toml"];
    let asked = settings
        .clone()
        .with_arguments(&asked)
        .finish(WITHIN)
        .await?;
    says(&asked, 1, &["shop.old", "MyISAM"]);
    let program = settings.start()?;
    copy_is(&program, "shop.old", "refused").await?;
    copy_is(&program, "shop.orders", "complete").await?;
    status_is(&program, "the reason", |status| {
        status["copies"].to_string().contains("MyISAM")
    })
    .await?;
    drained(program).await?;
    assert!(lines(&world, "shop.old", "snapshot_end").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_condition_that_the_server_does_not_take_is_refused_by_the_command() -> anyhow::Result<()>
{
    let world = stocked().await?;
    let settings = launch(&world, "shop.items")?;
    let start = |condition: &str| {
        let arguments = [
            "snapshot",
            "start",
            "shop.orders",
            "--where",
            condition,
            "-c",
            "headwater.toml",
        ];
        settings.clone().with_arguments(&arguments)
    };
    for condition in ["nothing = 1", "quantity >"] {
        let finished = start(condition).finish(WITHIN).await?;
        says(&finished, 1, &["shop.orders", "condition"]);
    }
    let outside = ["snapshot", "start", "crm.a", "-c", "headwater.toml"];
    let outside = settings
        .clone()
        .with_arguments(&outside)
        .finish(WITHIN)
        .await?;
    says(&outside, 1, &["crm.a", "source.tables"]);
    let missing = ["snapshot", "start", "shop.none", "-c", "headwater.toml"];
    let missing = settings
        .clone()
        .with_arguments(&missing)
        .finish(WITHIN)
        .await?;
    says(&missing, 1, &["shop.none", "GRANT SELECT"]);
    let status = settings.with_arguments(&["snapshot", "status", "--json", "-c", "headwater.toml"]);
    let status = status.finish(WITHIN).await?;
    let status: Value = serde_json::from_str(&status.stdout.concat())?;
    assert_eq!(status["requests"], Value::Array(Vec::new()));
    Ok(())
}

#[tokio::test]
async fn a_wrong_condition_of_the_settings_is_told_beside_its_copy_and_the_stream_goes_on()
-> anyhow::Result<()> {
    let world = stocked().await?;
    let config = format!(
        "{}[[snapshot.runs]]\nname = \"fix\"\ntables = [\"shop.items\"]\nwhere = \"nothing = 1\"\n",
        world.config(&world.kinesis.endpoint())
    );
    let settings = Launch::run(BINARY, world.folder(), &config)?
        .setting("source.start", "now")
        .setting("source.tables", "shop.*")
        .setting("snapshot.tables", "shop.orders");
    let checked = settings
        .clone()
        .with_arguments(&["check", "-c", "headwater.toml"]);
    says(
        &checked.finish(WITHIN).await?,
        1,
        &["shop.items", "condition"],
    );
    // With `--until now` the program ends after the copy: without the failure it would never end.
    let until = settings.clone().arg("--until").arg("now");
    says(
        &until.finish(WITHIN).await?,
        1,
        &["shop.items", "condition", "where"],
    );
    let program = settings.start()?;
    copy_is(&program, "shop.orders", "complete").await?;
    status_is(&program, "what is wrong with the condition", |status| {
        let copies = status["copies"].as_array().into_iter().flatten();
        let mut notes = copies.filter_map(|copy| copy["note"].as_str());
        notes.any(|note| note.contains("condition"))
    })
    .await?;
    world
        .mysql
        .exec("UPDATE shop.orders SET quantity = quantity + 1 WHERE id = 1")
        .await?;
    delivered(&program, &world.mysql).await?;
    drained(program).await?;
    assert_eq!(lines(&world, "shop.orders", "update").await?.len(), 1);
    assert!(lines(&world, "shop.items", "snapshot").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_table_that_the_account_may_not_read_waits_for_its_right() -> anyhow::Result<()> {
    let world = stocked().await?;
    let server = &world.mysql;
    server
        .create_user("narrow", PASSWORD, "REPLICATION SLAVE, REPLICATION CLIENT")
        .await?;
    // It sees the table by another right.
    server.exec("GRANT INSERT ON shop.* TO narrow@'%'").await?;
    let settings =
        launch(&world, "shop.orders")?.setting("source.url", &server.url("narrow", PASSWORD));
    let checked = settings
        .clone()
        .with_arguments(&["check", "-c", "headwater.toml"]);
    says(
        &checked.finish(WITHIN).await?,
        1,
        &["shop.orders", "GRANT SELECT"],
    );
    let program = settings.start()?;
    status_is(&program, "what the copy waits for", |status| {
        status["copies"][0]["note"]
            .as_str()
            .is_some_and(|note| note.contains("shop.orders"))
    })
    .await?;
    server.exec("GRANT SELECT ON shop.* TO narrow@'%'").await?;
    copy_is(&program, "shop.orders", "complete").await?;
    drained(program).await?;
    assert_eq!(lines(&world, "shop.orders", "snapshot").await?.len(), 500);
    Ok(())
}
