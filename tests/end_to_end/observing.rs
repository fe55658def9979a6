//! What the program says of itself while it works.

use headwater_harness::{facts::Facts, faults::FaultProxy, program::Finished, promtool};
use serde_json::{Value, json};

use crate::{
    traffic::{Traffic, transactions},
    world::{WITHIN, World, delivered, metric_reaches, status_is},
};

#[tokio::test]
async fn metrics_and_status_tell_what_the_binlog_and_the_stream_hold() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    transactions(&world.mysql, 120).await?;
    let program = world.launch()?.start()?;
    delivered(&program, &world.mysql).await?;
    let (file, offset) = world.mysql.position().await?;
    let head = format!("{file}:{offset}");
    status_is(&program, "no lag", |status| status["lag_bytes"] == json!(0)).await?;
    let facts = Facts::of(&world.mysql).await?;
    let status = program.status().await?;
    assert_eq!(status["state"], json!("streaming"));
    assert_eq!(status["position_read"], json!(head));
    assert_eq!(
        status["gtid_set"],
        json!(world.mysql.gtid_executed().await?)
    );
    assert_eq!(
        (&status["generation"], &status["restarts"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(status["lag_secs"], json!(0.0));
    assert_eq!(status["last_errors"], json!([]));
    for (table, count) in facts.tables() {
        let told = status["tables"].as_array().and_then(|tables| {
            let ours = tables.iter().find(|told| told["table"] == json!(table))?;
            Some(
                ["inserts", "updates", "deletes"]
                    .iter()
                    .filter_map(|kind| ours[kind].as_u64())
                    .sum::<u64>(),
            )
        });
        assert_eq!(told, Some(count), "{table}: {status}");
        for kind in ["insert", "update", "delete"] {
            let happened = facts
                .changes
                .iter()
                .filter(|change| *change.table == *table && change.kind.name() == kind)
                .count();
            let labels = [format!("table=\"{table}\""), format!("kind=\"{kind}\"")];
            let counted = program
                .metric("headwater_changes_total", &[&labels[0], &labels[1]])
                .await?
                .unwrap_or_default();
            assert_eq!(counted, happened as f64, "{kind} of {table}");
        }
    }
    let records = world.records().await?;
    // As Kinesis counts: data and key.
    let bytes: usize = records
        .iter()
        .map(|record| record.data.len() + record.partition_key.len())
        .sum();
    for (name, labels, value) in [
        ("headwater_up", &[][..], 1.0),
        ("headwater_state", &["state=\"streaming\""], 1.0),
        ("headwater_build_info", &[], 1.0),
        ("headwater_generation", &[], 1.0),
        ("headwater_source_connected", &[], 1.0),
        ("headwater_source_lag_seconds", &[], 0.0),
        ("headwater_source_lag_bytes", &[], 0.0),
        ("headwater_lane_backlog_bytes", &[], 0.0),
        (
            "headwater_sink_records_total",
            &["outcome=\"delivered\""],
            records.len() as f64,
        ),
        (
            "headwater_sink_bytes_total",
            &["outcome=\"delivered\""],
            bytes as f64,
        ),
        ("headwater_sink_in_flight_bytes", &[], 0.0),
        (
            "headwater_memory_budget_bytes_in_use",
            &["pool=\"encoded\""],
            0.0,
        ),
    ] {
        assert_eq!(program.metric(name, labels).await?, Some(value), "{name}");
    }
    for (name, at_least, below) in [
        ("headwater_source_bytes_total", offset as f64 / 2.0, 1e9),
        ("headwater_commit_to_durable_seconds_count", 1.0, 1e6),
        ("headwater_sink_request_seconds_count", 1.0, 1e6),
        ("headwater_checkpoint_writes_total", 1.0, 1e6),
        ("headwater_checkpoint_write_seconds_count", 1.0, 1e6),
        ("headwater_checkpoint_age_seconds", 0.0, 60.0),
        ("headwater_memory_budget_bytes", 8e6, 33_554_433.0),
        ("process_resident_memory_bytes", 1e6, 1e9),
    ] {
        let value = program.metric(name, &[]).await?;
        assert!(
            value.is_some_and(|value| (at_least..below).contains(&value)),
            "{name}: {value:?}"
        );
    }
    promtool::check_metrics(&program.page("/metrics").await?.text())?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    Ok(())
}

fn for_cloudwatch(finished: &Finished) -> Vec<Value> {
    let lines = finished.stderr.iter();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line.get("_aws").is_some())
        .collect()
}

/// Alarms take a service whose tasks only halt for one that does not stream, however often they begin to.
#[tokio::test]
async fn the_last_line_for_cloudwatch_of_a_halt_says_that_nothing_streams() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let mut program = world
        .launch()?
        .setting("telemetry.cloudwatch", "true")
        .setting("telemetry.cloudwatch_interval_secs", "3600")
        .start()?;
    program.wait_ready(WITHIN).await?;
    assert_eq!(program.metric("headwater_up", &[]).await?, Some(1.0));
    world.kinesis.delete_stream("changes").await?;
    transactions(&world.mysql, 1).await?;
    let halted = program.wait_exit(WITHIN).await?;
    assert_eq!(halted.code(), Some(1), "{}", halted.text());
    let lines = for_cloudwatch(&halted);
    let up: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("headwater_up"))
        .collect();
    assert_eq!(up, [&json!(0.0)], "{}", halted.text());
    Ok(())
}

#[tokio::test]
async fn the_lines_for_cloudwatch_add_up_to_what_was_sent_also_without_a_port() -> anyhow::Result<()>
{
    let world = World::new(1).await?;
    transactions(&world.mysql, 60).await?;
    let finished = world
        .launch()?
        .setting("telemetry.listen", "")
        .setting("telemetry.cloudwatch", "true")
        .setting("telemetry.cloudwatch_tables", "100")
        .setting("telemetry.cloudwatch_interval_secs", "1")
        .arg("--until=now")
        .finish(WITHIN)
        .await?;
    assert_eq!(finished.code(), Some(0), "{}", finished.text());
    let lines = for_cloudwatch(&finished);
    let sum = |name: &str, dimensions: &[(&str, &str)]| -> f64 {
        let of = lines.iter().filter(|line| {
            let beside = ["outcome", "table"];
            line["pipeline"] == "headwater"
                && beside.iter().all(|beside| {
                    let wanted = dimensions.iter().find(|(name, _)| name == beside);
                    line.get(*beside).and_then(Value::as_str) == wanted.map(|(_, value)| *value)
                })
        });
        of.filter_map(|line| line.get(name)?.as_f64()).sum()
    };
    let facts = Facts::of(&world.mysql).await?;
    let name = "headwater_changes_total";
    for (table, _) in facts.tables() {
        let sent = world.lines_of(table).await?.len() as f64;
        assert_eq!(sum(name, &[("table", table)]), sent, "{table}");
    }
    // A statement on the database is none of a table that has rows.
    let of_tables = lines.iter().filter(|line| line.get("table").is_some());
    let of_tables: f64 = of_tables.filter_map(|line| line.get(name)?.as_f64()).sum();
    assert_eq!(sum(name, &[]), of_tables);
    let records = world.records().await?.len() as f64;
    let delivered = [("outcome", "delivered")];
    assert_eq!(sum("headwater_sink_records_total", &delivered), records);
    Ok(())
}

#[tokio::test]
async fn readiness_turns_with_the_source_and_the_reason_is_shown() -> anyhow::Result<()> {
    let mut world = World::new(1).await?;
    let mut program = world.launch()?.start()?;
    program.wait_ready(WITHIN).await?;
    world.mysql.kill()?;
    let address = format!("127.0.0.1:{}", world.mysql.port());
    status_is(&program, "to back off", |status| {
        let errors = status["last_errors"].to_string();
        status["state"] == json!("backing_off") && errors.contains(&address)
    })
    .await?;
    let reply = program.page("/readyz").await?;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains(&address), "{}", reply.text());
    assert_eq!(program.page("/livez").await?.status, 200);
    assert_eq!(program.metric("headwater_up", &[]).await?, Some(0.0));
    // Nothing is open, and yet nobody knows what is committed meanwhile.
    metric_reaches(&program, "headwater_source_lag_seconds", 2.0).await?;
    world.mysql.start_again().await?;
    program.wait_ready(WITHIN).await?;
    status_is(&program, "an error that is over", |status| {
        let errors = status["last_errors"].as_array();
        let is_over = |error: &Value| error["cured_at_unix_secs"].is_u64();
        errors.is_some_and(|errors| !errors.is_empty() && errors.iter().all(is_over))
            && status["lag_secs"] == json!(0.0)
    })
    .await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_backlog_shows_as_lag_and_as_lane_bytes() -> anyhow::Result<()> {
    let world = World::new(1).await?;
    let proxy = FaultProxy::in_front_of(&world.kinesis.endpoint(), 1, 5).await?;
    let hold = proxy.hold();
    let program = world.launch_to(&proxy.url())?.start()?;
    let traffic = Traffic::start(&world.mysql);
    proxy.calls_reached(1).await;
    traffic.grows(100).await?;
    status_is(&program, "lag", |status| {
        let backlog = status["lanes"].as_array().is_some_and(|lanes| {
            lanes
                .iter()
                .any(|lane| lane["backlog_bytes"].as_u64() > Some(0))
        });
        backlog && status["lag_bytes"].as_u64() > Some(1_000)
    })
    .await?;
    drop(hold);
    traffic.stop().await?;
    delivered(&program, &world.mysql).await?;
    status_is(&program, "no lag", |status| status["lag_bytes"] == json!(0)).await?;
    assert_eq!(program.drain(WITHIN).await?.code(), Some(0));
    Ok(())
}
