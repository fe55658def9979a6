//! From a Kinesis API to S3 by the bridge that plays Firehose: whatever its manners, every record arrives.

use std::{collections::BTreeSet, io::Read, path::Path, time::Duration};

use flate2::read::MultiGzDecoder;
use headwater_harness::{
    firehose::{Delivered, Firehose, Manners, Settings},
    kinesis::Kinesis,
    moto::Moto,
    objects::Objects,
};

const STREAM: &str = "orders";

async fn stream(shards: u32) -> anyhow::Result<Kinesis> {
    let kinesis = Kinesis::start().await?;
    kinesis.create_stream(STREAM, shards).await?;
    Ok(kinesis)
}

/// Records of one line each.
async fn put(kinesis: &Kinesis, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    for n in numbers {
        let line = format!("{{\"n\":{n}}}\n");
        kinesis.put(STREAM, &n.to_string(), line.as_bytes()).await?;
    }
    Ok(())
}

async fn start(
    kinesis: &Kinesis,
    objects: &Objects,
    settings: Settings,
) -> anyhow::Result<Firehose> {
    Firehose::start(&kinesis.endpoint(), STREAM, objects.clone(), settings).await
}

/// To files that are not compressed.
fn plain(folder: &Path) -> (Objects, Settings) {
    let settings = Settings {
        is_gzip: false,
        ..Settings::default()
    };
    (Objects::folder(folder), settings)
}

async fn text(objects: &Objects, key: &str) -> anyhow::Result<String> {
    let body = objects.get(key).await?;
    if !key.ends_with(".gz") {
        return Ok(String::from_utf8(body.to_vec())?);
    }
    let mut text = String::new();
    MultiGzDecoder::new(&body[..]).read_to_string(&mut text)?;
    Ok(text)
}

/// All lines of all data objects, in the order of the keys.
async fn lines(objects: &Objects) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for key in objects.list("changes/").await? {
        lines.extend(text(objects, &key).await?.lines().map(str::to_owned));
    }
    Ok(lines)
}

fn wanted(numbers: std::ops::Range<u32>) -> BTreeSet<String> {
    numbers.map(|n| format!("{{\"n\":{n}}}")).collect()
}

#[tokio::test]
async fn calm_it_brings_every_record_once_as_one_gzip_object() -> anyhow::Result<()> {
    let (kinesis, moto) = tokio::try_join!(stream(1), Moto::start())?;
    moto.create_bucket("lake").await?;
    let objects = moto.bucket("lake");
    put(&kinesis, 0..20).await?;
    let mut firehose = start(&kinesis, &objects, Settings::default()).await?;
    let delivered = firehose.flush().await?;
    assert_eq!(delivered.data, objects.list("").await?);
    let [key] = delivered.data.as_slice() else {
        panic!("{delivered:?}");
    };
    assert!(key.starts_with("changes/2026/03/01/13/changes-1-2026-03-01-13-59-30-"));
    let in_order: String = (0..20).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    assert_eq!(text(&objects, key).await?, in_order);
    assert_eq!(firehose.flush().await?, Delivered::default());
    Ok(())
}

#[tokio::test]
async fn an_object_is_closed_by_size_or_time_and_records_are_joined_as_they_are()
-> anyhow::Result<()> {
    let (kinesis, folder) = (stream(1).await?, tempfile::tempdir()?);
    let (objects, settings) = plain(folder.path());
    let settings = Settings {
        buffer_bytes: 6,
        buffer_secs: 60,
        ..settings
    };
    let mut firehose = start(&kinesis, &objects, settings).await?;
    for data in ["one", "two", "3"] {
        kinesis.put(STREAM, "key", data.as_bytes()).await?;
    }
    let by_size = firehose.work().await?.data;
    assert_eq!(by_size.len(), 1);
    assert_eq!(text(&objects, &by_size[0]).await?, "onetwo");
    firehose.pass(Duration::from_secs(59));
    assert_eq!(firehose.work().await?, Delivered::default());
    firehose.pass(Duration::from_secs(1));
    let by_time = firehose.work().await?.data;
    assert_eq!(by_time.len(), 1);
    assert_eq!(text(&objects, &by_time[0]).await?, "3");
    // The hour has changed.
    assert!(
        by_time[0].starts_with("changes/2026/03/01/14/"),
        "{by_time:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_line_feed_behind_each_record_can_be_asked_for() -> anyhow::Result<()> {
    let (kinesis, folder) = (stream(1).await?, tempfile::tempdir()?);
    let (objects, settings) = plain(folder.path());
    let settings = Settings {
        appends_newline: true,
        ..settings
    };
    for data in ["{}", "{}"] {
        kinesis.put(STREAM, "key", data.as_bytes()).await?;
    }
    let mut firehose = start(&kinesis, &objects, settings).await?;
    let keys = firehose.flush().await?.data;
    assert_eq!(text(&objects, &keys[0]).await?, "{}\n{}\n");
    Ok(())
}

#[tokio::test]
async fn rough_it_repeats_mixes_and_delays_and_loses_nothing() -> anyhow::Result<()> {
    let (kinesis, folder) = (stream(3).await?, tempfile::tempdir()?);
    let (objects, settings) = plain(folder.path());
    let settings = Settings {
        buffer_bytes: 100,
        manners: Manners::ROUGH,
        ..settings
    };
    put(&kinesis, 0..200).await?;
    let mut firehose = start(&kinesis, &objects, settings).await?;
    let mut keys = firehose.flush().await?.data;
    let at_once = lines(&objects).await?;
    let seen: BTreeSet<String> = at_once.iter().cloned().collect();
    assert!(seen.len() < at_once.len(), "objects come twice");
    assert!(seen.len() < 200, "objects are late");
    keys.extend(firehose.settle().await?.data);
    let all: BTreeSet<String> = lines(&objects).await?.into_iter().collect();
    assert_eq!(all, wanted(0..200));

    let mut in_order_of_coming = Vec::new();
    for key in &keys {
        in_order_of_coming.extend(text(&objects, key).await?.lines().map(str::to_owned));
    }
    // Of one shard, by the order of its own records.
    let mut consumer = kinesis.consumer(STREAM).await?;
    let mut of_one = Vec::new();
    consumer
        .read_to_end(|record| {
            if record.shard.ends_with("000") {
                of_one.push(String::from_utf8_lossy(&record.data).trim().to_owned());
            }
            Ok(())
        })
        .await?;
    let came = in_order_of_coming
        .iter()
        .filter(|line| of_one.contains(line));
    let came: Vec<&String> = came.collect();
    assert_ne!(
        came,
        of_one.iter().collect::<Vec<_>>(),
        "they come mixed up"
    );
    Ok(())
}

#[tokio::test]
async fn the_same_seed_gives_the_same_objects() -> anyhow::Result<()> {
    let kinesis = stream(2).await?;
    put(&kinesis, 0..100).await?;
    let mut found = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir()?;
        let (objects, settings) = plain(folder.path());
        let settings = Settings {
            buffer_bytes: 100,
            manners: Manners::ROUGH,
            seed: 7,
            ..settings
        };
        let mut firehose = start(&kinesis, &objects, settings).await?;
        let keys = firehose.settle().await?.data;
        let mut bodies = Vec::new();
        for key in &keys {
            bodies.push(text(&objects, key).await?);
        }
        found.push((keys, bodies));
    }
    assert_eq!(found[0], found[1]);
    Ok(())
}

#[tokio::test]
async fn stopped_with_records_in_hand_it_reads_them_again_also_across_a_split() -> anyhow::Result<()>
{
    let (kinesis, folder) = (stream(1).await?, tempfile::tempdir()?);
    let (objects, settings) = plain(folder.path());
    let settings = Settings {
        buffer_bytes: 50,
        ..settings
    };
    let mut firehose = start(&kinesis, &objects, settings).await?;
    put(&kinesis, 0..12).await?;
    firehose.work().await?;
    let before = lines(&objects).await?.len();
    assert!(0 < before && before < 12, "{before} of 12 are delivered");
    firehose.stop();
    assert!(firehose.work().await.is_err());

    let middle = (1_u128 << 127).to_string();
    let split = serde_json::json!({"StreamName": STREAM, "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle});
    kinesis.service().call("SplitShard", &split).await?;
    kinesis.wait_active(STREAM).await?;
    put(&kinesis, 12..40).await?;
    firehose.start_again().await?;
    firehose.flush().await?;
    let all = lines(&objects).await?;
    assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), wanted(0..40));
    assert_eq!(all.len(), 40, "what was delivered did not come again");
    Ok(())
}

#[tokio::test]
async fn while_s3_does_not_answer_it_keeps_what_it_has() -> anyhow::Result<()> {
    let (kinesis, moto) = tokio::try_join!(stream(1), Moto::start())?;
    put(&kinesis, 0..5).await?;
    let objects = moto.bucket("lake");
    let mut firehose = start(&kinesis, &objects, Settings::default()).await?;
    // The bucket is not there.
    assert!(firehose.flush().await.is_err());
    objects.create().await?;
    assert_eq!(firehose.flush().await?.data.len(), 1);
    let all: BTreeSet<String> = lines(&objects).await?.into_iter().collect();
    assert_eq!(all, wanted(0..5));
    Ok(())
}

#[tokio::test]
async fn partitions_have_folders_and_what_has_none_lies_under_the_error_prefix()
-> anyhow::Result<()> {
    let (kinesis, folder) = (stream(1).await?, tempfile::tempdir()?);
    let (objects, settings) = plain(folder.path());
    let settings = Settings {
        partition_key: Some("table".into()),
        ..settings
    };
    let two = "{\"table\":\"t\",\"n\":1}\n{\"table\":\"u\",\"n\":2}\n";
    for data in [two, "no json\n", "{\"table\":\"t\",\"n\":3}\n"] {
        kinesis.put(STREAM, "key", data.as_bytes()).await?;
    }
    let mut firehose = start(&kinesis, &objects, settings).await?;
    let delivered = firehose.flush().await?;
    let of_t = objects.list("changes/table=t/2026/").await?;
    assert_eq!(
        text(&objects, &of_t[0]).await?,
        "{\"table\":\"t\",\"n\":1}\n{\"table\":\"t\",\"n\":3}\n"
    );
    assert_eq!(delivered.data.len(), 2);
    let failed = objects
        .list("failed/metadata-extraction-failed/2026/03/01/13/")
        .await?;
    assert_eq!(delivered.failed, failed);
    let told: serde_json::Value = serde_json::from_str(&text(&objects, &failed[0]).await?)?;
    let raw = base64_simd::STANDARD.decode_to_vec(told["rawData"].as_str().unwrap_or_default())?;
    assert_eq!(raw, b"no json\n");
    Ok(())
}
