//! The servers of the harness start side by side, do what tests need of them, and end.

use std::time::Duration;

use headwater_harness::{facts::Facts, kinesis::Kinesis, moto::Moto, mysql::MySql, orders::Load};
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

#[tokio::test]
async fn what_firehose_takes_lies_in_s3_in_the_order_of_the_calls() -> anyhow::Result<()> {
    let moto = Moto::start().await?;
    moto.create_bucket("lake").await?;
    moto.create_delivery_stream("orders", "lake").await?;
    for n in 0..5 {
        let data = base64_simd::STANDARD.encode_to_string(format!("{{\"n\":{n}}}\n"));
        let input =
            json!({"DeliveryStreamName": "orders", "Records": [{"Data": data}, {"Data": data}]});
        let output = moto.firehose().call("PutRecordBatch", &input).await?;
        assert_eq!(output["FailedPutCount"], 0);
    }
    let objects = moto.read_objects("lake").await?;
    let bodies: Vec<_> = objects
        .iter()
        .map(|(_, body)| String::from_utf8_lossy(body))
        .collect();
    let wanted: Vec<_> = (0..5)
        .map(|n| format!("{{\"n\":{n}}}\n{{\"n\":{n}}}\n"))
        .collect();
    assert_eq!(bodies, wanted);
    Ok(())
}

#[tokio::test]
async fn a_load_is_the_same_for_the_same_seed_and_the_facts_count_it() -> anyhow::Result<()> {
    let (plain, compressed) = tokio::try_join!(
        MySql::with(&["--gtid-mode=OFF"]),
        MySql::with(&["--binlog-transaction-compression=ON"])
    )?;
    let load = Load::new(10_000).transaction_rows(700);
    tokio::try_join!(load.run(&plain), load.run(&compressed))?;
    let sums = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', id, customer_id, status, total, currency, reference, \
                note, items, priority, placed_at, UNIX_TIMESTAMP(updated_at), attributes))) FROM shop.orders";
    let rows = plain.query_rows(sums).await?;
    assert_eq!(rows, compressed.query_rows(sums).await?);
    assert_eq!(
        rows[0][0].as_deref(),
        Some(load.rows().to_string().as_str())
    );

    for server in [&plain, &compressed] {
        server.exec("CREATE TABLE shop.few SELECT id, total FROM shop.orders LIMIT 3; DELETE FROM shop.few").await?;
        let facts = Facts::of(server).await?;
        assert_eq!(
            facts.tables(),
            [("shop.few", 6), ("shop.orders", 10_000)].into()
        );
        let (file, offset) = (facts.changes[0].file.to_string(), facts.changes[0].offset);
        assert_eq!(
            facts.clone().since(&file, offset + 1).changes[0]
                .id
                .rsplit('/')
                .next(),
            Some("0")
        );
    }
    let with_gtid = Facts::of(&compressed)
        .await?
        .of_tables(&["shop.few"])
        .changes;
    let uuid = compressed.query_value("SELECT @@server_uuid").await?;
    assert!(
        with_gtid
            .iter()
            .all(|change| change.id.starts_with(&format!("{uuid}:")))
    );
    // The CREATE TABLE of the same transaction is number 0.
    assert_eq!(with_gtid[0].id.rsplit('/').next(), Some("1"));
    let without = Facts::of(&plain).await?.changes;
    assert!(
        without[0]
            .id
            .contains(&format!(":{}:{}/0", without[0].file, without[0].offset))
    );
    Ok(())
}
