//! What happens to a server and to connections while a chunk is read: the same chunk is read again.

use anyhow::{Context, ensure};
use headwater_harness::{
    mysql::MySql,
    wait::Deadline,
    wire::{Cut, Gate},
};
use mysql_async::prelude::Queryable;

use super::{FIRST_MARKS, SELECT, Shop, WITHIN, orders};
use crate::world::{delivered, status_is};

const TABLE: &str = "shop.orders";
const ORDERS: u32 = 2_000;

/// Of connections that read the table.
async fn kill_readers(shop: &Shop, word: &str) -> anyhow::Result<()> {
    for row in shop.world.mysql.query_rows("SHOW PROCESSLIST").await? {
        let [Some(id), Some(user), _, _, Some(command), ..] = &row[..] else {
            continue;
        };
        if user != "headwater" || command.starts_with("Binlog") {
            continue;
        }
        // It may have gone by itself.
        drop(shop.exec(&format!("KILL {word} {id}")).await);
    }
    Ok(())
}

/// What happens each time when a statement comes to the gate.
async fn is_read_again(mut shop: Shop, gate: Gate, what: &[&str]) -> anyhow::Result<()> {
    let program = shop.launch(TABLE)?.start()?;
    for (interruption, what) in (1..).zip(what) {
        gate.reached(interruption).await?;
        let sql = "UPDATE shop.orders SET quantity = quantity + 1 WHERE id <= ";
        shop.exec(&format!("{sql}{interruption}00")).await?;
        match *what {
            "KILL" => kill_readers(&shop, "CONNECTION").await?,
            "cut" => shop.wire.cut(Cut::Reset),
            "restart" | "new UUID" => {
                shop.world.mysql.stop().await?;
                if *what == "new UUID" {
                    std::fs::remove_file(shop.world.mysql.datadir().join("auto.cnf"))?;
                }
                shop.world.mysql.start_again().await?;
            }
            _ => shop.exec("FLUSH BINARY LOGS").await?,
        }
        gate.pass(interruption);
    }
    drop(gate);
    let consumer = shop.ends_well(program, &[TABLE]).await?;
    assert_eq!(consumer.ends_of(TABLE), 1);
    Ok(())
}

#[tokio::test]
async fn whatever_ends_the_reading_of_a_chunk_it_is_read_again() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let gate = shop.last_mark();
    let what = ["KILL", "cut", "restart", "rotate", "new UUID"];
    is_read_again(shop, gate, &what).await
}

#[tokio::test]
async fn on_mariadb_whatever_ends_the_reading_of_a_chunk_it_is_read_again() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&orders(ORDERS)).await?;
    // Inside the consistent snapshot.
    let gate = shop.wire.gate_behind(FIRST_MARKS[2], SELECT);
    is_read_again(shop, gate, &["KILL", "cut", "restart", "rotate"]).await
}

#[tokio::test]
async fn a_select_that_is_killed_is_asked_again() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let gate = shop.wire.gate(SELECT);
    let program = shop.launch(TABLE)?.start()?;
    gate.reached(1).await?;
    let mut lock = shop.world.mysql.conn().await?;
    lock.query_drop("LOCK TABLES shop.orders WRITE").await?;
    drop(gate);
    let waits = "SELECT COUNT(*) FROM information_schema.processlist \
        WHERE user = 'headwater' AND state LIKE 'Waiting for table metadata lock%'";
    let deadline = Deadline::after(WITHIN, "a SELECT to wait");
    while shop.world.mysql.query_value(waits).await? == "0" {
        deadline.pause().await?;
    }
    kill_readers(&shop, "QUERY").await?;
    lock.query_drop("UPDATE shop.orders SET quantity = 0 WHERE id = 2; UNLOCK TABLES")
        .await?;
    shop.ends_well(program, &[TABLE]).await?;
    Ok(())
}

#[tokio::test]
async fn rights_that_are_taken_away_inside_a_window_are_waited_for() -> anyhow::Result<()> {
    // Rights on a table end at once, global ones with the connection.
    const GRANT: &str = "GRANT SELECT ON shop.orders TO 'headwater'@'%'";
    const REVOKE: &str = "REVOKE SELECT ON *.* FROM 'headwater'@'%'";
    let shop = Shop::new(&format!("{}; {REVOKE}; {GRANT}", orders(ORDERS)), &[]).await?;
    let gate = shop.wire.gate(SELECT);
    let program = shop.launch(TABLE)?.start()?;
    // Those of the last key, of the first and of the second chunk.
    gate.pass(2);
    gate.reached(3).await?;
    shop.exec("REVOKE SELECT ON shop.orders FROM 'headwater'@'%'; UPDATE shop.orders SET quantity = -1 WHERE id % 50 = 0")
        .await?;
    drop(gate);
    status_is(&program, "the copy to say what it lacks", |status| {
        let note = status["copies"][0]["note"].as_str();
        note.is_some_and(|note| note.contains(TABLE) && note.contains("denied"))
    })
    .await?;
    shop.exec("UPDATE shop.orders SET quantity = -2 WHERE id % 100 = 0")
        .await?;
    delivered(&program, &shop.world.mysql).await?;
    shop.exec(GRANT).await?;
    let consumer = shop.ends_well(program, &[TABLE]).await?;
    assert_eq!(consumer.ends_of(TABLE), 1);
    Ok(())
}

/// Each row takes its time: what the server allows to statements is over long before the chunk is.
async fn takes_longer_than(shop: Shop, limit: &str, no_limit: &str) -> anyhow::Result<()> {
    let launch = shop.launch("")?;
    let file = shop.world.folder().join("headwater.toml");
    let config = std::fs::read_to_string(&file)?;
    let run = "[[snapshot.runs]]\nname = \"slow\"\ntables = [\"shop.orders\"]\nwhere = \"SLEEP(0.01) = 0\"\n";
    std::fs::write(&file, format!("{config}{run}"))?;
    let program = launch.start()?;
    let gate = shop.wire.gate(SELECT);
    gate.reached(1).await?;
    shop.exec(limit).await?;
    drop(gate);
    shop.copied(&[TABLE]).await?;
    shop.exec(no_limit).await?;
    let consumer = shop.ends_well(program, &[TABLE]).await?;
    assert_eq!(consumer.copied_of(TABLE), (100, 0));
    Ok(())
}

#[tokio::test]
async fn a_server_that_ends_long_statements_ends_no_chunk() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(100), &[]).await?;
    let (limit, no_limit) = (
        "SET GLOBAL max_execution_time = 500",
        "SET GLOBAL max_execution_time = 0",
    );
    takes_longer_than(shop, limit, no_limit).await
}

/// Stops where the second chunk is asked for.
async fn another_server_takes_over(mut shop: Shop, replica: MySql) -> anyhow::Result<()> {
    replica.replica_of(&shop.world.mysql).await?;
    replica.caught_up_with(&shop.world.mysql).await?;
    let gate = shop.wire.gate(SELECT);
    let launch = shop
        .launch(TABLE)?
        .setting("source.hosts", &format!("127.0.0.1:{}", replica.port()));
    let program = launch.start()?;
    // Behind those of the last key and of the first chunk.
    gate.pass(2);
    gate.reached(3).await?;
    super::rows_sent(&program, 1).await?;
    shop.exec("UPDATE shop.orders SET quantity = -1 WHERE id % 50 = 0")
        .await?;
    replica.caught_up_with(&shop.world.mysql).await?;
    shop.world.mysql.kill()?;
    replica.promote().await?;
    drop(gate);
    shop.copied(&[TABLE]).await?;
    replica
        .exec("UPDATE shop.orders SET quantity = -2 WHERE id % 100 = 0")
        .await?;
    delivered(&program, &replica).await?;
    let finished = program.drain(WITHIN).await?;
    ensure!(finished.code() == Some(0), "{}", finished.text());
    let consumer = shop.came().await?;
    // The first chunk was durable: it has not come again.
    assert_eq!(consumer.copied_of(TABLE).1, 0);
    assert_eq!(consumer.ends_of(TABLE), 1);
    consumer.has_all_of(&replica, TABLE).await?;
    let audit = ["verify", "--against-source", "-c", "headwater.toml"];
    let audit = launch
        .with_arguments(&audit)
        .setting("source.url", &replica.headwater_url())
        .setting("source.hosts", "");
    let audit = audit.finish(WITHIN).await?;
    ensure!(audit.code() == Some(0), "{}", audit.text());
    Ok(())
}

#[tokio::test]
async fn another_server_takes_over_inside_a_window() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    another_server_takes_over(shop, MySql::start().await?).await
}

#[tokio::test]
async fn another_mariadb_takes_over_inside_a_window() -> anyhow::Result<()> {
    let shop = Shop::mariadb(&orders(ORDERS)).await?;
    another_server_takes_over(shop, MySql::mariadb(&[]).await?).await
}

#[tokio::test]
async fn a_source_that_is_busier_than_it_may_be_is_not_asked() -> anyhow::Result<()> {
    let shop = Shop::new(&orders(ORDERS), &[]).await?;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut conn = shop.world.mysql.conn().await?;
        busy.push((
            conn.id(),
            tokio::spawn(async move {
                // Until it is killed.
                drop(conn.query_drop("SELECT SLEEP(600)").await);
            }),
        ));
    }
    let program = shop
        .launch(TABLE)?
        .setting("snapshot.source_threads_running_max", "3")
        .start()?;
    status_is(&program, "the copy to wait", |status| {
        status
            .to_string()
            .contains("source_threads_running_max is 3")
    })
    .await?;
    assert_eq!(shop.came().await?.copied_of(TABLE), (0, 0));
    for (id, _) in &busy {
        shop.exec(&format!("KILL {id}")).await?;
    }
    shop.ends_well(program, &[TABLE]).await?;
    for (_, task) in busy {
        task.await.context("a connection that sleeps")?;
    }
    Ok(())
}
