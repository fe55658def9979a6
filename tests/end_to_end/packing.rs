//! Records as consumers open them: by public libraries.

use headwater_harness::{check::Judge, facts::Facts, moto::Moto, unpack};
use serde_json::Value;

use crate::{
    traffic::transactions,
    world::{WITHIN, World},
};

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
async fn the_public_library_opens_aggregates_and_finds_every_row_on_its_shard() -> anyhow::Result<()>
{
    let world = World::new(4).await?;
    transactions(&world.mysql, 200).await?;
    let settings = [
        ("packing.type", "kpl"),
        ("packing.partition_key", "primary_key"),
    ];
    run(&world, &settings).await?;
    let mut judge = Judge::new();
    let (mut most, mut keys) = (0, std::collections::BTreeSet::new());
    for record in world.records().await? {
        let rows = unpack::kpl(&record)?;
        most = most.max(rows.len());
        for row in rows {
            judge.read_line(row.data.as_bytes())?;
            // Four shards of even ranges: the first two bits of the place.
            let place: u128 = row.explicit_hash_key.parse()?;
            assert!(
                record.shard.ends_with(&(place >> 126).to_string()),
                "{place} is on {}",
                record.shard
            );
            let line: Value = serde_json::from_str(&row.data)?;
            match line.get("key") {
                Some(key) => assert_eq!(*key, serde_json::from_str::<Value>(&row.partition_key)?),
                None => assert_eq!(row.partition_key, record.partition_key),
            }
            keys.insert(row.partition_key);
        }
    }
    assert!(
        most > 10 && keys.len() > 50,
        "{most} rows, {} keys",
        keys.len()
    );
    let verdict = judge.against(&Facts::of(&world.mysql).await?);
    assert_eq!(verdict.duplicates, 0, "{verdict}");
    verdict.ensure_clean()
}

#[tokio::test]
async fn compressed_records_that_firehose_joins_are_one_valid_file() -> anyhow::Result<()> {
    let (world, moto) = tokio::try_join!(World::new(1), Moto::start())?;
    transactions(&world.mysql, 300).await?;
    for compression in ["gzip", "zstd"] {
        moto.create_bucket(compression).await?;
        moto.create_delivery_stream(compression, compression)
            .await?;
        run(
            &world,
            &[
                ("checkpoint.file.path", compression),
                ("sink.type", "firehose"),
                ("sink.firehose.delivery_stream", compression),
                ("sink.firehose.endpoint_url", &moto.endpoint()),
                ("packing.compression", compression),
                ("packing.record_bytes_max", "8192"),
            ],
        )
        .await?;
        let objects = moto.read_objects(compression).await?;
        let joined: Vec<u8> = objects.iter().flat_map(|(_, body)| body.to_vec()).collect();
        let magic: &[u8] = match compression {
            "gzip" => &[0x1f, 0x8b],
            _ => &[0x28, 0xb5, 0x2f, 0xfd],
        };
        let members = joined.windows(magic.len()).filter(|bytes| *bytes == magic);
        assert!(joined.starts_with(magic) && members.count() > 10);
        let plain = match compression {
            "gzip" => unpack::gzip(&joined)?,
            _ => unpack::zstd(&joined)?,
        };
        assert!(
            plain.len() > 3 * joined.len(),
            "{} from {}",
            joined.len(),
            plain.len()
        );
        assert_eq!(plain.last(), Some(&b'\n'));
        let mut judge = Judge::new();
        for line in plain
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            judge.read_line(line)?;
        }
        let verdict = judge.against(&Facts::of(&world.mysql).await?);
        assert_eq!(verdict.duplicates, 0, "{verdict}");
        verdict.ensure_clean()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_row_s_columns_are_its_partition_key() -> anyhow::Result<()> {
    let world = World::new(4).await?;
    transactions(&world.mysql, 60).await?;
    let settings = [
        ("source.tables", "shop.items"),
        ("packing.type", "none"),
        ("packing.partition_key", "column"),
        ("packing.partition_columns", "name,line"),
    ];
    run(&world, &settings).await?;
    let mut rows = 0;
    for record in world.records().await? {
        let line: Value = serde_json::from_slice(&record.data)?;
        let Some(data) = line.get("data") else {
            assert!(record.partition_key.starts_with("shop"), "{line}");
            continue;
        };
        let name = data["name"].as_str().unwrap_or_default();
        assert_eq!(record.partition_key, format!("{name},{}", data["line"]));
        rows += 1;
    }
    assert!(rows > 20);
    Ok(())
}
