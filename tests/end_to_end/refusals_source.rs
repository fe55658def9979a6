//! What a MySQL that cannot be read is answered with: exit code, message, cure.

use anyhow::Context;
use headwater_harness::{mysql::MySql, program::Launch};

use crate::{
    traffic::transactions,
    world::{BINARY, WITHIN, World, says},
};

const NO_SINK: &str = "[sink]\ntype = \"null\"\n";

/// What `check` says of the position when the source is no help.
const SAME: &str = "skip checkpoint position: fails for the reason of source";

/// `run` from this server into nothing.
fn launch(server: &MySql, folder: &tempfile::TempDir) -> anyhow::Result<Launch> {
    let launch = Launch::run(BINARY, folder.path(), NO_SINK)?;
    Ok(launch.setting("source.url", &server.headwater_url()))
}

/// `run` halts with these words, and `check` fails with the same ones.
async fn halts_and_check_tells(options: &[&str], words: &[&str]) -> anyhow::Result<()> {
    let (server, folder) = (MySql::with(options).await?, tempfile::tempdir()?);
    let run = launch(&server, &folder)?.finish(WITHIN).await?;
    says(&run, 1, words);
    let check = Launch::new(BINARY, folder.path(), &["check", "-c", "headwater.toml"])?
        .setting("source.url", &server.headwater_url())
        .finish(WITHIN)
        .await?;
    says(&check, 1, words);
    assert!(check.text().contains("FAIL"), "{}", check.text());
    Ok(())
}

#[tokio::test]
async fn a_log_of_statements_halts() -> anyhow::Result<()> {
    halts_and_check_tells(
        &["--binlog-format=STATEMENT"],
        &[
            "binlog_format",
            "STATEMENT",
            "SET PERSIST binlog_format = 'ROW'",
        ],
    )
    .await
}

#[tokio::test]
async fn a_server_without_a_log_halts() -> anyhow::Result<()> {
    halts_and_check_tells(
        &[
            "--skip-log-bin",
            "--gtid-mode=OFF",
            "--enforce-gtid-consistency=OFF",
        ],
        &["log_bin", "start the server with --log-bin"],
    )
    .await
}

#[tokio::test]
async fn a_wrong_password_halts_and_is_not_printed() -> anyhow::Result<()> {
    let (server, folder) = (MySql::start().await?, tempfile::tempdir()?);
    let run = launch(&server, &folder)?
        .setting("source.url", &server.url("headwater", "guessed-wrong"))
        .finish(WITHIN)
        .await?;
    says(&run, 1, &["1045", "'headwater'", "from source.url"]);
    assert!(!run.text().contains("guessed-wrong"), "{}", run.text());
    let check = launch(&server, &folder)?
        .with_arguments(&["check", "-c", "headwater.toml"])
        .setting("source.url", &server.url("headwater", "guessed-wrong"))
        .finish(WITHIN)
        .await?;
    let words = ["FAIL source: ", "1045", SAME, "1 failed", "1 skipped"];
    says(&check, 1, &words);
    assert_eq!(check.text().matches("1045").count(), 1, "{}", check.text());
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_once_by_check() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let check = Launch::run(BINARY, folder.path(), NO_SINK)?
        .with_arguments(&["check", "-c", "headwater.toml"])
        .setting("source.url", "mysql://headwater@127.0.0.1:1")
        .finish(WITHIN)
        .await?;
    says(&check, 1, &["FAIL source: ", SAME, "1 failed", "1 skipped"]);
    Ok(())
}

#[tokio::test]
async fn an_account_that_may_not_replicate_halts_with_the_grant() -> anyhow::Result<()> {
    let (server, folder) = (MySql::start().await?, tempfile::tempdir()?);
    server.create_user("reader", "pw", "SELECT").await?;
    let run = launch(&server, &folder)?
        .setting("source.url", &server.url("reader", "pw"))
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &["GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO 'reader'@'%'"],
    );
    Ok(())
}

#[tokio::test]
async fn patterns_that_match_no_table_halt() -> anyhow::Result<()> {
    let (server, folder) = (MySql::start().await?, tempfile::tempdir()?);
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")
        .await?;
    let run = launch(&server, &folder)?
        .setting("source.tables", "stop.*")
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &["source.tables", "no pattern matches any of the 1 tables"],
    );
    Ok(())
}

#[tokio::test]
async fn a_table_without_a_primary_key_cannot_be_ordered_by_it() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let run = world
        .launch()?
        .setting("ordering.key", "primary_key")
        .finish(WITHIN)
        .await?;
    says(
        &run,
        1,
        &[
            "without a primary key: shop.log",
            "ordering.key = \"table\"",
            "!shop.log",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn a_log_purged_past_the_checkpoint_halts_with_both_positions() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 5).await?;
    world.catch_up().await?;
    let (file, offset) = world.mysql.position().await?;
    world
        .mysql
        .exec(
            "FLUSH BINARY LOGS; INSERT INTO shop.orders VALUES (100, 1, 'lost'); FLUSH BINARY LOGS",
        )
        .await?;
    let (newest, _) = world.mysql.position().await?;
    world
        .mysql
        .exec(&format!("PURGE BINARY LOGS TO '{newest}'"))
        .await?;
    let stored = format!("{file}:{offset}");
    let run = world.launch()?.finish(WITHIN).await?;
    says(
        &run,
        1,
        &[&stored, "purged", &format!("{newest}:4"), "position clear"],
    );
    let check = world.command(&["check"]).await?;
    says(&check, 1, &["FAIL checkpoint position", &stored]);
    // Nothing moved.
    let shown = world.command(&["position", "show"]).await?;
    says(&shown, 0, &[&stored]);
    Ok(())
}

/// A quiet server rotates and purges its log while nobody reads: GTIDs tell that nothing was missed.
#[tokio::test]
async fn a_purged_log_that_held_nothing_new_is_gone_on_from_by_gtid() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 5).await?;
    world.catch_up().await?;
    world
        .mysql
        .exec("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        .await?;
    let (newest, _) = world.mysql.position().await?;
    world
        .mysql
        .exec(&format!("PURGE BINARY LOGS TO '{newest}'"))
        .await?;
    let check = world.command(&["check"]).await?;
    says(&check, 0, &[]);
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (100, 1, 'new')")
        .await?;
    world.catch_up().await?;
    let shown = world.command(&["position", "show"]).await?;
    says(&shown, 0, &[&format!("{newest}:")]);
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_of_another_server_without_gtids_halts() -> anyhow::Result<()> {
    let options = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
    let (first, second) = tokio::try_join!(MySql::with(&options), MySql::with(&options))?;
    let folder = tempfile::tempdir()?;
    let run = launch(&first, &folder)?
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let run = launch(&second, &folder)?.finish(WITHIN).await?;
    let [one, other] = [
        first.query_value("SELECT @@server_uuid").await?,
        second.query_value("SELECT @@server_uuid").await?,
    ];
    says(&run, 1, &[&one, &other, "gtid_mode OFF", "position set"]);
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_of_another_server_with_other_gtids_halts_with_the_difference()
-> anyhow::Result<()> {
    let (first, second) = tokio::try_join!(MySql::start(), MySql::start())?;
    first.exec("CREATE DATABASE shop").await?;
    let folder = tempfile::tempdir()?;
    let run = launch(&first, &folder)?
        .arg("--until")
        .arg("now")
        .finish(WITHIN)
        .await?;
    assert_eq!(run.code(), Some(0), "{}", run.text());
    let run = launch(&second, &folder)?.finish(WITHIN).await?;
    says(
        &run,
        1,
        &[
            "lacks transactions that have been read",
            &first.gtid_executed().await?,
        ],
    );
    Ok(())
}

/// Halts at what this SQL leaves in the log, with these words, again at the next start; goes on behind it
/// when the position is set there.
async fn halts_at(sql: &str, words: &[&str]) -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = world.launch()?.start()?;
    program.wait_ready(WITHIN).await?;
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (1, 1, 'before')")
        .await?;
    world.mysql.exec(sql).await?;
    says(&program.wait_exit(WITHIN).await?, 1, words);
    says(&world.launch()?.finish(WITHIN).await?, 1, words);
    let (file, offset) = world.mysql.position().await?;
    let behind = format!("{file}:{offset}");
    let gtids = world.mysql.gtid_executed().await?;
    let (source, last) = gtids.rsplit_once('-').context("a set of several")?;
    let (uuid, _) = source.rsplit_once(':').context("a set of one source")?;
    let next = format!("`headwater position set {behind}`");
    let gtid = format!("in transaction {uuid}:{last}");
    says(&world.launch()?.finish(WITHIN).await?, 1, &[&next, &gtid]);
    let set = world.command(&["position", "set", &behind]).await?;
    says(&set, 0, &[&behind]);
    world
        .mysql
        .exec("INSERT INTO shop.orders VALUES (9, 1, 'behind')")
        .await?;
    world.catch_up().await?;
    let notes: Vec<_> = world
        .lines_of("shop.orders")
        .await?
        .iter()
        .filter_map(|line| line["data"]["note"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(notes, ["before", "behind"]);
    Ok(())
}

#[tokio::test]
async fn a_change_logged_as_a_statement_halts_with_its_place() -> anyhow::Result<()> {
    halts_at(
        "SET SESSION binlog_format = 'STATEMENT'; UPDATE shop.orders SET quantity = 2",
        &[
            "binlog.000001:",
            "rows of table `shop.orders` were changed by a statement (UPDATE)",
            "pt-table-checksum",
            "SET PERSIST binlog_format",
        ],
    )
    .await
}
