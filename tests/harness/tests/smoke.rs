//! The servers of the harness start side by side, do what tests need of them, and end.

use std::time::Duration;

use headwater_harness::{kinesis::Kinesis, mysql::MySql};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn two_servers_run_side_by_side_and_one_follows_the_other() -> anyhow::Result<()> {
    let (source, replica) = tokio::try_join!(MySql::start(), MySql::start())?;
    let uuid = "SELECT @@server_uuid";
    assert_ne!(
        source.query_value(uuid).await?,
        replica.query_value(uuid).await?
    );
    assert_eq!(source.gtid_executed().await?, "");

    replica.replica_of(&source).await?;
    source.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (7)").await?;
    replica.caught_up_with(&source).await?;
    assert_eq!(replica.query_value("SELECT id FROM shop.t").await?, "7");
    replica.promote().await?;
    replica.exec("INSERT INTO shop.t VALUES (8)").await
}

#[tokio::test]
async fn a_killed_server_starts_again_with_its_data_and_port() -> anyhow::Result<()> {
    let mut server = MySql::with(&["--sync-binlog=1"]).await?;
    let port = server.port();
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (7)").await?;
    server.kill()?;
    assert!(server.conn().await.is_err());
    server.start_again().await?;
    assert_eq!(server.port(), port);
    assert_eq!(server.query_value("SELECT id FROM shop.t").await?, "7");
    assert_eq!(server.binlog_files()?.len(), 2);
    assert_eq!(server.position().await?.0, "binlog.000002");
    server.stop().await
}

#[tokio::test]
async fn the_account_of_headwater_may_read_rows_and_binlog_over_the_network() -> anyhow::Result<()>
{
    use mysql_async::prelude::Queryable;
    let server = MySql::start().await?;
    let mut conn = mysql_async::Conn::from_url(server.headwater_url()).await?;
    let grants: Vec<String> = conn.query("SHOW GRANTS").await?;
    assert!(
        grants
            .iter()
            .any(|grant| grant.contains("SELECT, REPLICATION SLAVE, REPLICATION CLIENT")),
        "{grants:?}"
    );
    Ok(conn.disconnect().await?)
}

#[tokio::test]
async fn records_come_back_in_order_also_across_a_split_and_a_kill() -> anyhow::Result<()> {
    let mut kinesis = Kinesis::durable().await?;
    kinesis.create_stream("orders", 1).await?;
    let mut consumer = kinesis.consumer("orders").await?;
    kinesis
        .put("orders", "shop.orders", b"{\"n\":1}\n{\"n\":2}\n")
        .await?;
    consumer
        .read_until(|records| records.len() == 1, WITHIN)
        .await?;

    let middle = (1_u128 << 127).to_string();
    let split = json!({"StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle});
    kinesis.service().call("SplitShard", &split).await?;
    kinesis.wait_active("orders").await?;
    kinesis.put("orders", "shop.orders", b"{\"n\":3}\n").await?;
    kinesis.kill()?;
    kinesis.start_again().await?;

    let lines = consumer.read_lines(3, WITHIN).await?;
    assert_eq!(lines, [b"{\"n\":1}", b"{\"n\":2}", b"{\"n\":3}"]);
    assert!(
        consumer
            .records()
            .iter()
            .all(|record| record.partition_key == "shop.orders")
    );
    let shards: Vec<&str> = consumer
        .records()
        .iter()
        .map(|record| record.shard.as_str())
        .collect();
    assert_ne!(shards.first(), shards.last());
    kinesis.delete_stream("orders").await
}
